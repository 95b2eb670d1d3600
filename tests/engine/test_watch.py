"""What operators see of the agreement: votes that come late or never, phases, and why a view changed."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from consensus import messages as m
from consensus import types as c
from consensus.wal_records import Committed
from node.engine import view_watch
from node.engine.phases import HEIGHTS_MAX, PhaseClock
from node.engine.validator_watch import LATE_VOTES_HEIGHTS, ValidatorWatch
from node.engine.view_watch import ViewWatch
from node.metrics import Metrics
from tests.engine.host import Host
from tests.execution.chain import VALIDATORS

ME, OTHERS = VALIDATORS[0], VALIDATORS[1:]
SIGNATURE = bytes(65)


def commit(height: int, sender: int, view: int = 0) -> m.Commit:
    return m.Commit(0, view, height, bytes(32), sender, SIGNATURE)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"praya_pbft_{name}", labels)


def label(address: bytes) -> str:
    return "0x" + address.hex()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def watch(metrics: Metrics) -> ValidatorWatch:
    watch = ValidatorWatch(ME, metrics.agreement)
    watch.in_force(VALIDATORS)
    return watch


def test_a_vote_is_missed_only_once_nobody_could_still_bring_it(watch: ValidatorWatch, metrics: Metrics) -> None:
    """A COMMIT that comes late, within the retention, is no missed vote; one that never comes is one."""
    late, silent = OTHERS[0], OTHERS[1]
    for height in range(1, LATE_VOTES_HEIGHTS + 1):
        watch.committed(height, VALIDATORS, (ME, OTHERS[2], late) if height > 1 else (ME, OTHERS[2]))
        if height == 3:
            watch.heard(late, late, commit(1, 1), 0)
    assert {seen.missed_votes for seen in watch.sightings().values()} == {0}
    watch.committed(LATE_VOTES_HEIGHTS + 1, VALIDATORS, (ME,))
    seen = watch.sightings()
    assert (seen[late].missed_votes, seen[silent].missed_votes) == (0, 1)
    assert sample(metrics, "missed_votes_total", validator=label(silent)) == 1


def test_blocks_that_came_by_sync_blame_nobody(watch: ValidatorWatch) -> None:
    """Nobody's vote was due at a bank that was not there."""
    for height in range(1, 3 * LATE_VOTES_HEIGHTS):
        watch.committed(height, VALIDATORS, None)
    assert {seen.missed_votes for seen in watch.sightings().values()} == {0}


def test_a_delay_is_counted_from_the_own_acceptance(watch: ValidatorWatch, metrics: Metrics) -> None:
    """A vote that is there before this bank accepted has no delay; a repeated one is not counted again."""
    slow, fast = OTHERS[0], OTHERS[1]
    watch.heard(fast, fast, commit(1, 2), 500_000)
    watch.accepted(1, 0, 1_000_000)
    for _ in range(3):
        watch.heard(slow, slow, commit(1, 1), 1_250_000)
    assert sample(metrics, "vote_delay_seconds_sum", validator=label(slow), vote="commit") == 0.25
    assert sample(metrics, "vote_delay_seconds_count", validator=label(slow), vote="commit") == 1
    assert sample(metrics, "vote_delay_seconds_sum", validator=label(fast), vote="commit") == 0


def test_only_the_own_connection_says_that_a_bank_is_alive(watch: ValidatorWatch) -> None:
    """A vote that another bank relays may be old: it counts as a vote, and not as a sign of life."""
    signer, relay = OTHERS[0], OTHERS[1]
    watch.heard(signer, relay, commit(1, 1), 7)
    seen = watch.sightings()[signer]
    assert (seen.heard_us, seen.vote_height) == (None, 1)
    watch.heard(signer, signer, m.Status(0, 5, 2, 2, False, 1, SIGNATURE), 9)
    seen = watch.sightings()[signer]
    assert (seen.heard_us, seen.committed, seen.view) == (9, 5, 2)


def test_a_former_validator_leaves_no_series(watch: ValidatorWatch, metrics: Metrics) -> None:
    """Labels stay as few as the set in force: who left it is forgotten, whatever had been counted."""
    gone = OTHERS[2]
    watch.heard(gone, gone, commit(1, 3), 1)
    assert label(gone) in metrics.text().decode()
    watch.in_force(VALIDATORS[:3])
    watch.heard(gone, gone, commit(2, 3), 2)
    assert label(gone) not in metrics.text().decode()


def test_a_liar_fills_no_memory(watch: ValidatorWatch) -> None:
    """Votes far from the head are not kept, however many come."""
    for height in range(1, 5_000):
        watch.heard(OTHERS[0], OTHERS[0], commit(height, 1), 0)
    assert max(watch._seals) <= 8
    assert len(watch._timed) <= 16


def test_phases_are_measured_within_one_view() -> None:
    """A phase begins once, ends once, and begins anew in another view; what nobody finishes is bounded."""
    now, metrics = [0], Metrics()
    phases = PhaseClock(metrics.agreement, lambda: now[0])
    phases.began("prepare", 1)
    now[0] = 5_000
    phases.restart()
    phases.began("prepare", 1)
    now[0] = 7_000
    phases.began("prepare", 1)
    now[0] = 9_000
    phases.ended("prepare", 1)
    now[0] = 50_000
    phases.ended("prepare", 1)
    phases.ended("commit", 1)
    assert phases.finish(1) == {"prepare_ms": 4.0}
    for height in range(2, 500):
        phases.began("commit", height)
    assert len(phases._began) <= HEIGHTS_MAX


class Views:
    """A ViewWatch with four banks, of which the first two complain."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        wants: dict[bytes, tuple[int, str]] = {OTHERS[0]: (1, "progress"), OTHERS[1]: (9, "age")}
        self.watch = ViewWatch(self.metrics.agreement, lambda: 0, lambda view: VALIDATORS[view % 4], lambda: wants)

    def count(self, reason: str) -> float | None:
        return sample(self.metrics, "view_changes_total", reason=reason)


@pytest.mark.parametrize(
    ("own", "cause"),
    [
        ((1, "progress", False), "progress"),
        ((1, "age", False), "age"),
        ((1, "progress", True), view_watch.JOIN),
        (None, view_watch.JOIN),
    ],
)
def test_a_view_change_has_its_reason(own: tuple[int, str, bool] | None, cause: str) -> None:
    """One line for each view entered: why, who complained, from where to where, old and new primary."""
    views = Views()
    with capture_logs() as lines:
        if own is not None:
            views.watch.complained(own[0], own[1], echo=own[2])
        views.watch.promised(1)
        views.watch.entered(1, 0)
    (line,) = [line for line in lines if line["log_level"] == "info"]
    expected = {"event": "view changed", "reason": cause, "from_view": 0, "to_view": 1}
    assert expected.items() <= line.items()
    assert line["complained"] == [label(OTHERS[0]), label(OTHERS[1])]
    assert (line["primary_before"], line["primary"]) == (label(VALIDATORS[0]), label(VALIDATORS[1]))
    assert views.count(cause) == 1


def test_a_view_that_did_not_start_has_a_line_too() -> None:
    """Each view has one line: failed where the next was promised instead, changed where it started."""
    views = Views()
    with capture_logs() as lines:
        views.watch.complained(1, "progress", echo=False)
        views.watch.promised(1)
        views.watch.complained(2, "progress", echo=False)
        views.watch.promised(2)
        views.watch.entered(2, 0)
        views.watch.entered(3, 0)
    found = [(line["event"], line["to_view"], line["reason"]) for line in lines]
    assert found == [
        ("view failed", 1, "progress"),
        ("view changed", 2, view_watch.NEW_VIEW),
        ("view changed", 3, view_watch.FOLLOWED),
    ]


async def test_a_block_has_one_line(tmp_path: Any) -> None:
    """One line at level info for each block, however it came, and nothing else at that level beside it."""
    host = Host(tmp_path)
    try:
        first = host.proposal()
        host.on_start(host.deliver(first))
        with capture_logs() as lines:
            host.engine.start()
            await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))
            await host.engine.import_block(host.proposal(), b"certificate")
            await host.engine.import_block(first, b"certificate")
    finally:
        await host.close()
    shown = [line for line in lines if line["log_level"] == "info"]
    assert [(line["event"], line["height"], line["source"]) for line in shown] == [
        ("block committed", 1, "agreed"),
        ("block committed", 2, "sync"),
    ]
    assert {"hash", "transactions", "gas", "view", "proposer", "seals", "deliver_ms"} <= shown[0].keys()


async def test_a_step_that_hangs_is_seen(tmp_path: Any) -> None:
    """A disk that does not answer holds the step up, never the event loop: status and doors go on answering."""
    host, held, begun = Host(tmp_path), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    sync = host.wal.sync

    def slow() -> int:
        loop.call_soon_threadsafe(begun.set)
        held.wait(10)
        return sync()

    host.wal.sync = slow  # type: ignore[method-assign]
    host.on_start(c.Persist((Committed(1),), 1))
    try:
        host.engine.start()
        async with asyncio.timeout(5):
            await begun.wait()
        assert host.engine.step_runs_us() > 0
        assert host.engine.wal_status().last_lsn == 1
        assert host.engine.wal_status().synced_lsn == 0
        held.set()
        await host.replica.wait_for(lambda event: event == c.Persisted(1))
        assert host.engine.wal_status().synced_lsn == 1
    finally:
        held.set()
        await host.close()
