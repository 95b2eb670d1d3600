"""What a node's state means: live, ready and progressing told apart, and the sentence that an operator reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.app.diagnosis import STEP_HANGS_S, AgreementFacts, BankFacts, Facts, diagnose
from node.engine.wal import WalStatus

NAMES = ("Bank A", "Bank B", "Bank C", "Bank D")


def bank(index: int, *, reachable: bool = True, silent_s: float = 0.4, heard: bool = True) -> BankFacts:
    return BankFacts(
        address=f"0x{index}",
        name=NAMES[index],
        me=index == 0,
        connected=reachable,
        silent_s=silent_s,
        heard=heard,
        reachable=reachable,
        vote_height=7,
        committed=7,
        missed_votes=0,
        wants_view=None,
        reason=None,
    )


ALL = tuple(bank(index) for index in range(4))
NORMAL = AgreementFacts(
    epoch=0,
    view=1,
    promise=1,
    primary="Bank B",
    is_validator=True,
    may_vote=True,
    refuse_to_vote="",
    failed_views=0,
    patience_s=2.0,
    complaining=False,
    changing_s=None,
    wal=WalStatus(True, 9, 9, 100),
    step_s=0.0,
)
FINE = Facts(
    height=7,
    block_age_s=1.2,
    pending=3,
    oldest_s=0.5,
    waiting_s=0.5,
    overdue_after_s=10.0,
    syncing=False,
    target=7,
    quorum=3,
    banks=ALL,
    agreement=NORMAL,
)
TWO_GONE = (*ALL[:2], bank(2, reachable=False, silent_s=41), bank(3, reachable=False, silent_s=38))


def test_a_bank_at_work_is_ready_and_progressing() -> None:
    """All in reach, work younger than the bound: 200, and the sentence says what goes on."""
    report = diagnose(FINE)
    assert (report.ready, report.progressing) == (True, True)
    assert report.reason == "progressing: block 7 1 s ago, 3 transactions wait"


def test_old_work_is_no_halt_while_blocks_come() -> None:
    """Overload: a transaction waits for minutes, and blocks are made all the time; that is progress."""
    assert diagnose(replace(FINE, oldest_s=300.0, waiting_s=0.2)).progressing


def test_a_lost_quorum_names_who_is_silent() -> None:
    """Two of four gone and work waits: stuck, alive and ready, with the banks that are missing and since when."""
    report = diagnose(replace(FINE, banks=TWO_GONE, waiting_s=30.0, pending=1))
    assert (report.ready, report.progressing) == (True, False)
    assert report.reason == (
        "stuck: 2 of 4 validators reachable, 3 needed: Bank C silent for 41 s, Bank D silent for 38 s"
    )


def test_a_lost_quorum_shows_before_work_waits() -> None:
    """An idle chain without a quorum is not progressing: the next act of an officer would hang."""
    report = diagnose(replace(FINE, banks=TWO_GONE, waiting_s=0.0, pending=0))
    assert not report.progressing
    assert report.reason.startswith("no quorum: 2 of 4")


def test_one_silent_bank_is_named_and_is_no_halt() -> None:
    """Three of four go on; the sentence says who is missing, also one that was never heard."""
    gone = bank(3, reachable=False, silent_s=12, heard=False)
    report = diagnose(replace(FINE, banks=(*ALL[:3], gone)))
    assert report.progressing
    assert report.reason.endswith("; Bank D not heard since this node started 12 s ago")


def test_stuck_with_a_quorum_says_where() -> None:
    """Everybody in reach and no block: the view, its primary, and who complained; or the view change under way."""
    wants = replace(ALL[2], wants_view=2, reason="age")
    stuck = replace(FINE, waiting_s=30.0, banks=(*ALL[:2], wants, ALL[3]))
    report = diagnose(replace(stuck, agreement=replace(NORMAL, complaining=True)))
    assert report.reason == "stuck: work waits for 30 s in view 1, led by Bank B; Bank C, this bank complained"
    changing = replace(NORMAL, promise=3, primary="Bank D", changing_s=12.0, failed_views=2, patience_s=8.0)
    report = diagnose(replace(stuck, agreement=changing))
    assert "view change to view 3 for 12 s, which Bank D should start; 2 failed since the last block" in report.reason
    assert (report.ready, report.progressing) == (True, False)


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"refuse_to_vote": "the log was rolled back"}, "vote", "not voting: refuses to vote: the log was rolled back"),
        ({"may_vote": False}, "vote", "not voting: does not vote before its ledger has caught up"),
        ({"wal": WalStatus(False, 0, 0, 0)}, "vote", "the vote log takes no more records"),
        ({"step_s": STEP_HANGS_S + 1}, "engine", "hanging: a step of the agreement hangs for 11 s"),
    ],
)
def test_what_makes_a_bank_unready(change: dict[str, object], check: str, words: str) -> None:
    """Not ready although the chain progresses: the reason comes first, what the chain does after it."""
    report = diagnose(replace(FINE, agreement=replace(NORMAL, **change)))  # type: ignore[arg-type]
    assert (report.ready, report.progressing) == (False, True)
    assert [found.name for found in report.checks if not found.holds] == [check]
    assert words in report.reason
    assert report.reason.endswith("; progressing: block 7 1 s ago, 3 transactions wait")


def test_a_view_change_does_not_make_a_bank_unready() -> None:
    """Nobody votes while views change; that is not a fault of this bank."""
    assert diagnose(replace(FINE, agreement=replace(NORMAL, may_vote=False, promise=2))).ready


def test_a_bank_that_catches_up_is_not_ready() -> None:
    """Height and target stand in the sentence."""
    report = diagnose(replace(FINE, syncing=True, target=90))
    assert not report.ready
    assert report.reason.startswith("catching up: height 7, fetching up to 90; progressing")


def test_an_observer_is_judged_by_blocks_alone() -> None:
    """No replica, no vote: in step and work moving is all."""
    assert diagnose(replace(FINE, agreement=None)).ready
    report = diagnose(replace(FINE, agreement=None, waiting_s=11.0))
    assert report.reason == "stuck: work waits for 11 s, and no bank sends a later block"
