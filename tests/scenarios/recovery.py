"""Scenarios about crashes: what the write-ahead log must bring back."""

from __future__ import annotations

from consensus.messages import Commit
from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage

CUTS = 40
"""More than the effects of one block at any bank."""


@scenario(kills=("M17 proposed", "M18 votes", "M19"))
def malachite_864_restart_rebuild(stage: Stage) -> None:
    """A proposer that rebuilds its block after a restart equivocates (malachite#864). Bank 0 crashes when bank 1 alone
    has its proposal; another second, another pool; after the restart it proposes 2a again and nothing else."""
    stage.work()
    stage.deliver("PRE-PREPARE", to=1)
    stage.crash(0)
    stage.lose_all()
    stage.wait(1)
    stage.restart(0)
    stage.work()
    stage.settle()
    assert {stage.block(2, at) for at in range(4)} == {"2a"}
    assert stage.views() == [0, 0, 0, 0]


@scenario(kills=("M17 accepted", "M17 prepared", "M18 certificates", "M13"))
def horcrux_amnesia(stage: Stage) -> None:
    """A signer that forgets what it has sealed lets a second block be decided (horcrux#308; Twins type iii). Bank 0
    alone learns that 2a is final and is cut off; 1 and 2, which sealed it, crash. Their logs make them report it,
    and 2a is final in view 1 too."""
    stage.work()
    stage.lose("PRE-PREPARE", to=3)
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=[0, 1, 2])
    stage.deliver("COMMIT", to=0)
    assert stage.block(2, 0) == "2a"
    stage.lose_all()
    stage.partition([1, 2, 3])
    stage.crash(1, 2)
    stage.restart(1)
    stage.restart(2)
    stage.lose_all()
    stage.work(1, 2, 3)
    stage.fire("progress", at=[1, 2, 3])
    stage.settle()
    assert {stage.block(2, at) for at in (1, 2, 3)} == {"2a"}


@scenario(kills=("M17 promise", "M18 promise"))
def promise_outlives_a_restart(stage: Stage) -> None:
    """A promise that a restart forgets lets a deposed view decide after the new one began (Twins type iii, tendermint
    #573). Bank 1 promises view 1, crashes, and hears the seals' PREPAREs of view 0 only then: it seals nothing."""
    _promise_and_crash(stage)


@scenario(kills=("truncation forgets",))
def promise_outlives_a_new_segment(stage: Stage) -> None:
    """The same with a log that began anew in between: the State record carries the promise (P-17)."""
    _promise_and_crash(stage, new_segment=True)


def _promise_and_crash(stage: Stage, *, new_segment: bool = False) -> None:
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=1)
    stage.lose("VIEW-CHANGE")
    stage.lose("COMPLAIN")
    if new_segment:
        stage.new_segment(at=1)
    held = [mail for mail in stage.mail if mail.to == 1]
    stage.crash(1)
    stage.restart(1)
    stage.mail += held
    stage.deliver("PREPARE", to=1)
    assert not stage.spoke("COMMIT", 1, height=2)
    assert stage.promises(1) == [1]
    stage.settle()
    assert stage.run_freely(10, lambda: min(stage.heights()) == 2)


@scenario(kills=("M17 order", "M17 proposed", "M17 promise", "M18 votes"))
def all_power_cut_at_each_effect(stage: Stage) -> None:
    """The power fails for all banks at once, between any two effects of any of them, once in a good view and once
    in a view change; whatever is on the disks, one block is final after it, and nobody says a second thing."""
    endings: dict[str, int] = {}
    for trouble in (False, True):
        for cut in range(CUTS):
            play = Stage(4, stage.title)
            play.begin()
            for node in play.nodes:
                node.crash_after = cut
            if trouble:
                play.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
            play.work()
            play.run_freely(1.5)
            play.drop = lambda sender, to, message: False
            play.crash(0, 1, 2, 3)
            for bank in range(4):
                play.restart(bank)
            play.work()
            assert play.run_freely(30, lambda play=play: min(play.heights()) >= 2), f"cut at {cut}"
            play.finish()
            ending = f"{play.block(2, 0)} in {'a view change' if trouble else 'a good view'}"
            endings[ending] = endings.get(ending, 0) + 1
    for ending in sorted(endings):
        stage.note(f"some cuts end with {ending}")


@scenario(kills=("M17 entered",))
def entered_view_outlives_a_restart(stage: Stage) -> None:
    """A bank that voted in view 1 without having promised it must not go back to view 0 after a restart. Bank 3 hears
    the NEW-VIEW, votes in view 1, crashes, and then hears the proposal of view 0."""
    stage.work()
    stage.lose("PRE-PREPARE")
    stage.fire("progress", at=[0, 1, 2])
    stage.deliver("COMPLAIN", to=[0, 1, 2])
    stage.lose("COMPLAIN")
    stage.deliver("VIEW-CHANGE", to=1)
    stage.lose("VIEW-CHANGE")
    stage.deliver("NEW-VIEW", to=3)
    stage.deliver("PRE-PREPARE", to=3)
    assert len(stage.spoke("PREPARE", 3, view=1)) == 1
    held = stage.spoke("PRE-PREPARE", 0, view=0, height=2)[0]
    stage.crash(3)
    stage.restart(3)
    stage.inject(held, frm=0, to=[3])
    assert not stage.spoke("PREPARE", 3, view=0, height=2)
    assert stage.views(3) == [1]
    stage.settle()
    assert stage.run_freely(10, lambda: min(stage.heights(1, 2, 3)) == 2)


@scenario(kills=("M17 new view",))
def new_view_outlives_a_restart(stage: Stage) -> None:
    """A primary that makes its NEW-VIEW anew after a restart, of other promises, equivocates. Bank 1 starts view 1 by
    the promises of 0, 1 and 2, crashes, and then has the one of bank 3 instead of bank 0's."""
    stage.work()
    stage.lose("PRE-PREPARE")
    stage.fire("progress", at=[0, 1, 2, 3])
    stage.deliver("COMPLAIN")
    stage.lose("VIEW-CHANGE", frm=3)
    stage.deliver("VIEW-CHANGE", to=1)
    stage.lose("VIEW-CHANGE")
    stage.lose("NEW-VIEW")
    stage.lose_all()
    stage.crash(1)
    stage.restart(1)
    stage.fire("status", at=[3, 2])
    stage.deliver("VIEW-CHANGE", to=1)
    stage.settle()
    assert stage.heights() == [2, 2, 2, 2]
    assert len({message.view_changes for message in stage.spoke("NEW-VIEW", 1)}) == 1


@scenario(kills=("lost votes forgotten",))
def lost_log_loses_the_vote(stage: Stage) -> None:
    """A log that is gone takes the memory of votes with it (Twins type iii, horcrux#308; P-18). Bank 1 has sealed 2a
    and crashes; its ledger has seen more of the log than is left. The false bank 0 shows it 2b at the same place: it
    votes for nothing, and follows."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    first = stage.spoke("PRE-PREPARE", 0, height=2)[0]
    assert stage.spoke("COMMIT", 1, height=2)
    stage.crash(1)
    stage.lose_log(at=1)
    stage.restart(1)
    stage.inject(forge.pre_prepare(stage, 0, 0, forge.varied(first.proposal)), frm=0, to=[1])
    assert {vote.block_hash for vote in stage.spoke("PREPARE", 1, height=2)} == {first.block_hash}
    assert stage.nodes[1].replica.status().refuse_to_vote
    stage.work(1)
    assert not stage.is_running("progress", at=1)
    stage.settle()
    stage.fire("status", at=1)
    stage.settle()
    assert {stage.block(2, at) for at in range(4)} == {"2a"}
    assert [len(stage.spoke(kind, 1, height=2)) for kind in ("PREPARE", "COMMIT")] == [1, 1]


@scenario(kills=("old ledger votes",))
def old_ledger_is_silent(stage: Stage) -> None:
    """A ledger restored from an older copy puts its bank back to heights that are decided, and the log, begun anew
    since then, holds no vote of theirs (P-18). Bank 1 wakes at height 1; the false bank 0 shows it 2b, and it votes
    for nothing before it stands where its log says it stood."""
    old = dict(stage.nodes[1].disk.blocks)
    old_lsn = stage.nodes[1].disk.wal_lsn
    stage.commit_one()
    first = stage.spoke("PRE-PREPARE", 0, height=2)[0]
    stage.new_segment(at=1)
    stage.crash(1)
    stage.note("1 gets the ledger of yesterday, which ends with block 1")
    stage.nodes[1].disk.blocks = old
    stage.nodes[1].disk.wal_lsn = old_lsn
    stage.restart(1)
    stage.lose_all()
    stage.inject(forge.pre_prepare(stage, 0, 0, forge.varied(first.proposal)), frm=0, to=[1])
    assert {vote.block_hash for vote in stage.spoke("PREPARE", 1, height=2)} == {first.block_hash}
    assert not stage.nodes[1].replica.status().may_vote
    stage.sync(at=1)
    assert stage.block(2, 1) == "2a"
    stage.crash(3)
    stage.commit_one()
    assert stage.heights(0, 1, 2) == [3, 3, 3]
