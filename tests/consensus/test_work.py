"""What counts as work, and what a replica does before it complains of none being done (P-14, P-15, P-16)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.messages import Complain, Message, PrePrepare, Reason
from consensus.types import BuildBlock, CheckWork, Received, TimerFired, TimerKind, WorkChanged
from consensus.view_synchronizer import AGE_COUNTS_FOR, age_limit_us, complaint_counts

from .network import Network, Node, address

BACKUP = 1


def idle() -> Network:
    """Four banks at height 1; whatever is sent from now on is lost."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda *_: True
    return network


def fire(node: Node, kind: TimerKind) -> None:
    key, _ = node.timers.pop(kind)
    node.step(TimerFired(key))


def complaints(node: Node) -> list[Complain]:
    return [message for message in node.sent if isinstance(message, Complain)]


def with_pool(network: Network, *, placeable: bool) -> Node:
    """A backup that was told of a transaction, and whose builder then finds that it fits or does not."""
    node = network.nodes[BACKUP]
    node.sent.clear()
    node.step(WorkChanged(True, network.now_us))
    node.work = lambda: WorkChanged(placeable, network.now_us if placeable else None)  # type: ignore[method-assign]
    return node


def test_the_builder_is_asked_before_a_complaint_of_transactions() -> None:
    """P-15: what is not includable is no work: a pool full of rubbish changes no view."""
    node = with_pool(idle(), placeable=False)
    fire(node, TimerKind.PROGRESS)
    assert any(isinstance(effect, CheckWork) for effect in node.effects)
    assert not complaints(node)
    assert TimerKind.PROGRESS not in node.timers


def test_a_complaint_follows_where_the_builder_places_something() -> None:
    """P-15: then the primary is to blame."""
    node = with_pool(idle(), placeable=True)
    fire(node, TimerKind.PROGRESS)
    assert [(c.view, c.reason, c.echo) for c in complaints(node)] == [(1, Reason.PROGRESS, False)]


def test_a_proposal_is_work_that_needs_no_builder() -> None:
    """P-15: a PRE-PREPARE received and not committed runs the clock, whatever the own pool holds."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: not isinstance(message, PrePrepare)
    network.nodes[0].submit()
    network.run(0.1)
    node = network.nodes[BACKUP]
    node.sent.clear()
    assert TimerKind.PROGRESS in node.timers
    fire(node, TimerKind.PROGRESS)
    assert [c.reason for c in complaints(node)] == [Reason.PROGRESS]


def test_a_waiting_set_change_makes_empty_blocks_due() -> None:
    """P-15: the primary builds even an empty block, or the edge that brings the change would never come."""
    network = idle()
    primary = network.nodes[0]
    primary.step(WorkChanged(False, None, True))
    builds = [e for e in primary.effects if isinstance(e, BuildBlock) and e.height == 2]
    assert builds and builds[-1].even_empty


def test_a_due_heartbeat_makes_one_empty_block_due() -> None:
    """P-15, P-16: the heartbeat runs on the monotonic clock since the last commit."""
    network = idle()
    primary = network.nodes[0]
    fire(primary, TimerKind.HEARTBEAT)
    builds = [e for e in primary.effects if isinstance(e, BuildBlock) and e.height == 2]
    assert builds and builds[-1].even_empty


def test_age_is_complained_of_across_commits_and_its_patience_doubles_and_resets() -> None:
    """P-14: T_age doubles with each view passed for age, and is fresh again when nothing is that old."""
    network = Network(4, age_limit_us=2_000_000)
    for node in network.nodes[:2]:
        node.censors = True
    network.start()
    assert network.reach(1)
    for node in network.nodes:
        node.hold()
    seen: list[Message] = []
    network.run(60, until=lambda: all(node.held_since is None for node in network.nodes))
    for node in network.nodes:
        seen += [c for c in node.sent if isinstance(c, Complain) and c.reason is Reason.AGE and not c.echo]
    assert seen
    assert all(node.held_since is None for node in network.nodes)
    network.run(3)
    assert {node.replica._core.sync.age_passed for node in network.nodes} == {0}
    network.check_agreement()


def test_a_complaint_of_age_counts_for_three_status_intervals_and_one_of_progress_until_a_commit() -> None:
    """P-14: without expiry f permanent liars and one stale honest timeout would change views at will."""
    core = idle().nodes[BACKUP].replica._core
    now, interval = core.now.monotonic_us, core.config.status_interval_us
    age = Complain(0, 1, 0, Reason.AGE, False, 2, b"")
    assert complaint_counts(core, age, now - AGE_COUNTS_FOR * interval)
    assert not complaint_counts(core, age, now - AGE_COUNTS_FOR * interval - 1)
    progress = Complain(0, 1, core.height, Reason.PROGRESS, False, 2, b"")
    assert complaint_counts(core, progress, 0)
    assert not complaint_counts(core, replace(progress, base=core.height - 1), now)
    assert not complaint_counts(core, replace(progress, view=core.views.view), now)


def test_patience_with_age_doubles_with_each_view_passed_for_it() -> None:
    """P-14: overload must not rotate views for ever; when nothing is that old, patience is what it was."""
    node = idle().nodes[BACKUP]
    core = node.replica._core
    limit = core.config.age_limit_us
    core.sync.age_passed = 3
    assert age_limit_us(core) == 8 * limit
    old = core.now.monotonic_us - 2 * limit
    node.step(WorkChanged(True, old))
    assert age_limit_us(core) == 8 * limit
    node.step(WorkChanged(True, core.now.monotonic_us - limit + 1))
    assert age_limit_us(core) == limit


@pytest.mark.parametrize("stagger_us", [20_000, 400_000])
def test_who_joins_a_complaint_of_age_doubles_its_patience_too(stagger_us: int) -> None:
    """P-14: one view for each doubling of T_age, however far apart a transaction that nobody places has reached the
    banks; else those who joined complain of the next view at once, and an overload changes twice as many views."""
    network = Network(4, age_limit_us=2_000_000)
    for node in network.nodes:
        node.censors = True
    network.start()
    assert network.reach(1)
    for i, node in enumerate(network.nodes):
        network.push(network.now_us + i * stagger_us, node.hold)
    network.run(15)  # T_age: 2, 4, 8 seconds; 16 is not over
    of_age = {c.view for node in network.nodes for c in complaints(node) if c.reason is Reason.AGE}
    assert len(of_age) == 3


def test_echoes_of_age_move_nobody_and_two_first_hand_complaints_do() -> None:
    """R-6: f + 1 who say it themselves are joined, by an echo that carries their reason; f + 1 echoes are not."""
    node = idle().nodes[BACKUP]
    core = node.replica._core
    node.sent.clear()
    for echo in (True, False):
        for sender in (2, 3):
            complaint = Complain(0, 1, core.height, Reason.AGE, echo, sender, b"")
            node.step(Received(address(sender), complaint))
        assert [(c.reason, c.echo) for c in complaints(node)] == ([] if echo else [(Reason.AGE, True)])
