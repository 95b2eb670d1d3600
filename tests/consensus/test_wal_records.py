"""What a restart makes of the WAL (P-17, P-18)."""

from __future__ import annotations

from dataclasses import replace

from consensus import wal_records as w
from consensus.messages import NewView, PrePrepare, ViewChange
from consensus.types import Proposal
from consensus.wal_records import LedgerState, Obligations, restore

from .network import GENESIS_HASH, START_S, Disk, Network, address
from .test_view_change import prepared

LEDGER = LedgerState(0, GENESIS_HASH, START_S, (address(0),))


def proposal(view: int, height: int, epoch: int = 0) -> PrePrepare:
    return PrePrepare(epoch, view, height, bytes([view + 1]) * 32, Proposal(b"block", b""), 0, bytes(65))


def view_change(view: int, epoch: int = 0) -> ViewChange:
    return ViewChange(epoch, view, 0, None, (), 0, bytes(65))


def new_view(view: int) -> NewView:
    return NewView(0, view, (view_change(view),), (), 1, bytes(65))


def test_an_empty_wal_binds_to_nothing() -> None:
    """A new validator starts free."""
    assert restore([], LEDGER) == w.Restored(LEDGER, 0, 0, {})


def test_every_record_leaves_its_mark() -> None:
    """Fold of one group after another; the last LSN is kept."""
    groups = [
        (1, (w.AcceptedPrePrepare(proposal(0, 1)),)),
        (2, (w.Prepared(prepared(0, 1, 5)),)),
        (3, (w.ViewPromise(view_change(1)),)),
        (4, (w.EnteredView(new_view(1)), w.Proposed(proposal(1, 1)))),
        (5, (w.Prepared(prepared(1, 1, 6)),)),
        (6, (w.ViewPromise(view_change(2)),)),
        (7, (w.NewViewSent(new_view(2)),)),
    ]
    found = restore(groups, LEDGER)
    assert found.lsn == 7
    assert found.refuse_to_vote == ""
    assert found.epochs == {
        0: Obligations(view_change(2), new_view(2), (proposal(0, 1), proposal(1, 1)), (prepared(1, 1, 6),))
    }


def test_what_the_ledger_holds_no_longer_binds() -> None:
    """Heights at or below the ledger are dropped; views and promises stay."""
    groups = [
        (1, (w.AcceptedPrePrepare(proposal(0, 1)), w.Prepared(prepared(0, 1, 5)))),
        (2, (w.Committed(1),)),
        (3, (w.AcceptedPrePrepare(proposal(0, 2)), w.ViewPromise(view_change(1)))),
    ]
    found = restore(groups, replace(LEDGER, height=1, wal_lsn=1))
    assert found.epochs[0] == Obligations(view_change(1), None, (proposal(0, 2),), ())
    assert found.committed_floor == 1


def test_a_state_record_starts_afresh() -> None:
    """P-17: a segment's first record replaces all that was said of its epoch."""
    state = w.State(0, 4, view_change(3), new_view(2), (proposal(2, 5),), (prepared(2, 5, 5),))
    found = restore([(9, (state,)), (10, (w.Committed(5),))], replace(LEDGER, height=4))
    assert found.epochs == {0: Obligations(view_change(3), new_view(2), (proposal(2, 5),), (prepared(2, 5, 5),))}
    assert (found.lsn, found.committed_floor) == (10, 5)
    assert restore([(9, (state,))], replace(LEDGER, height=3)).committed_floor == 4


def test_a_ledger_ahead_of_the_wal_must_not_vote() -> None:
    """P-18: votes may be out that this WAL does not remember."""
    found = restore([(4, (w.Committed(1),))], replace(LEDGER, height=2, wal_lsn=5))
    assert "LSN 5" in found.refuse_to_vote


def test_a_wal_that_runs_backwards_must_not_vote() -> None:
    """Two files spliced together are no record of this validator's votes."""
    assert restore([(4, ()), (3, ())], LEDGER).refuse_to_vote


def test_records_of_a_later_epoch_wait() -> None:
    """A ledger behind its WAL keeps every obligation (P-18)."""
    groups = [(1, (w.AcceptedPrePrepare(proposal(0, 10, epoch=1)), w.ViewPromise(view_change(4, epoch=1))))]
    found = restore(groups, replace(LEDGER, height=3))
    assert found.epochs[1] == Obligations(view_change(4, epoch=1), None, (proposal(0, 10, epoch=1),), ())


def test_a_refusing_replica_learns_but_stays_silent() -> None:
    """Nothing but STATUS leaves a replica that lost its WAL, and the chain still reaches it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    lost = network.nodes[2]
    lost.disk.wal.clear()
    lost = network.restart(2)
    assert lost.replica.status().refuse_to_vote
    network.submit()
    assert network.reach(2, 10)
    assert {type(message).__name__ for message in lost.sent} <= {"Status", "Repair"}


def test_a_ledger_behind_its_wal_does_not_vote_below_it() -> None:
    """P-18: a ledger restored from yesterday resynchronises before it says anything again."""
    network = Network(4)
    network.start()
    for height in range(1, 5):
        assert network.reach(height)
        network.submit()
    assert network.reach(5)
    disk = network.nodes[3].disk
    old = Disk(disk.wal, {h: b for h, b in disk.blocks.items() if h <= 2}, wal_lsn=1)
    network.nodes[3].disk = old
    node = network.restart(3)
    assert not node.replica.status().may_vote
    assert network.reach(5, 10)
    network.submit()
    assert network.reach(6, 10)
    assert node.replica.status().may_vote


def test_a_segment_state_restores_the_same_replica() -> None:
    """I17: a replica restored from its State record stands where the full WAL puts it."""
    for cut in range(0, 60, 3):
        network = Network(4)
        network.start()
        assert network.reach(1)
        network.nodes[1].crash_after = cut
        network.submit()
        network.run(2.5)
        network.nodes[1].crash_after = None
        network.restart(1)
        node = network.nodes[1]
        full = node.replica
        state = full.state_record()
        assert state is not None
        node.disk.wal[:] = [(full.status().lsn, (state,))]
        node.disk.wal_lsn = min(node.disk.wal_lsn, full.status().lsn)
        again = network.restart(1).replica
        assert again.state_record() == state
        assert (again.status().view, again.status().promise) == (full.status().view, full.status().promise)
