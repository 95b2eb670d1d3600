"""W > 1: several heights in flight, held together by the chain rule (R-10, P-11, P-13, P-17)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus import wal_records
from consensus.certificates import CommitCertificate, PreparedCertificate, make_commit_certificate
from consensus.domain import Kind, vote_digest
from consensus.message_log import BLOCKS_KEPT
from consensus.messages import Commit, Message, NewView, Prepare, PrePrepare, ViewChange
from consensus.replica import Replica
from consensus.types import WINDOW_MAX, BuildBlock, Deliver, Instant, Proposal, Synced
from consensus.view_change import choose_new_view

from .network import (
    GENESIS_HASH,
    START_S,
    Network,
    Node,
    NullSigner,
    NullVerifier,
    address,
    decode_header,
    make_block,
)

LATER = 3
"""The window of most tests here."""


def busy(window: int, *, n: int = 4, **config: object) -> Network:
    """A consortium at height 1 whose banks never run out of transactions."""
    network = Network(n, window=window, **config)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    for node in network.nodes:
        node.endless = True
        node.submit()
    return network


def busy_but(lost: Callable[[Message], bool], **config: object) -> Network:
    """As ``busy``, and these messages are lost from height 1 on."""
    network = Network(4, window=LATER, **config)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: lost(message)
    for node in network.nodes:
        node.endless = True
        node.submit()
    return network


def votes(node: Node, kind: type, height: int) -> list[Message]:
    return [m for m in node.sent if isinstance(m, kind) and m.height == height]


def canonical(network: Network) -> None:
    """P-11: what each header names is what every bank stores for the block W below."""
    window = network.config.window
    for node in network.nodes:
        for height, stored in node.disk.blocks.items():
            header = decode_header(stored.proposal.block)
            if height <= window:
                assert stored.proposal.certificate == b"" and header.parent_beacon_block_root == bytes(32)
                continue
            certificate = node.disk.blocks[height - window].certificate
            assert CommitCertificate.decode(certificate).hash() == header.parent_beacon_block_root
            assert CommitCertificate.decode(certificate).height == height - window


@pytest.mark.parametrize("window", range(1, WINDOW_MAX + 1))
def test_blocks_follow_each_other_faster_the_wider_the_window(window: int) -> None:
    """One chain, canonical certificates, never more than W heights in flight, and W = 2 beats W = 1."""
    network = busy(window)
    network.run(1)
    network.check_agreement()
    canonical(network)
    heights = [node.height for node in network.nodes]
    assert min(heights) > (40 if window == 1 else 60), heights
    for node in network.nodes:
        delivered = 0
        for effect in node.effects:
            if isinstance(effect, Deliver):
                assert effect.height == delivered + 1
                delivered = effect.height
            if isinstance(effect, BuildBlock):
                assert effect.height <= delivered + window, "P-17: nothing at h + W before h is synced"


def test_no_prepare_before_the_parent_is_prepared() -> None:
    """R-10: with every PREPARE for height 2 lost nobody says anything of height 3, whatever has been built."""
    network = busy_but(lambda m: isinstance(m, Prepare) and m.height == 2)
    network.run(0.5)
    for node in network.nodes:
        for kind in (PrePrepare, Prepare, Commit):
            assert not votes(node, kind, 3)
    primary = network.nodes[0]
    assert any(isinstance(e, BuildBlock) and e.height == 3 for e in primary.effects), "it has built ahead"


def test_the_window_fills_while_commits_are_lost_and_no_further() -> None:
    """P-17: W heights are prepared above the ledger, and none more."""
    network = busy_but(lambda m: isinstance(m, Commit))
    network.run(0.5)
    for node in network.nodes:
        if node.index:
            assert [bool(votes(node, Prepare, h)) for h in (2, 3, 4, 5)] == [True, True, True, False]
    network.drop = lambda *_: False
    assert network.reach(6)
    network.check_agreement()


def test_the_window_drains_at_an_epochs_edge() -> None:
    """P-13: no proposal for the next epoch's first height before this epoch's last block is in the ledger."""
    network = busy_but(lambda m: isinstance(m, Commit) and m.height == 2, epoch_length=4)
    network.run(0.5)
    for node in network.nodes:
        assert not any(isinstance(e, BuildBlock) and e.height >= 4 for e in node.effects)
        assert not votes(node, PrePrepare, 4)
    network.drop = lambda *_: False
    assert network.reach(12)
    network.check_agreement()
    canonical(network)


@pytest.mark.parametrize("prepared", [1, 2, 3])
def test_a_view_change_carries_every_prepared_height_over(prepared: int) -> None:
    """O of length 1 to W: each prepared block is re-proposed in the next view, linked, and decided there; then the
    new primary goes on above it."""
    network = busy_but(lambda m: isinstance(m, Commit) or (isinstance(m, PrePrepare) and m.height > 1 + prepared))
    network.run(0.5)
    blocks = {h: votes(network.nodes[1], Prepare, h)[0].block_hash for h in range(2, 2 + prepared)}  # type: ignore[union-attr]
    network.nodes[0].alive = False
    network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
    assert network.reach(6, 20, [1, 2, 3])
    for height, block_hash in blocks.items():
        assert network.nodes[2].disk.blocks[height].block_hash == block_hash
    new_view = next(m for m in network.nodes[1].sent if isinstance(m, NewView))
    assert [item.height for item in new_view.reproposals] == list(blocks)
    for change in new_view.view_changes:
        assert [c.height for c in change.prepared] == list(range(2, 2 + len(change.prepared)))
    network.check_agreement()
    canonical(network)


def test_reproposals_stop_at_the_first_height_that_nobody_prepared() -> None:
    """An empty O where nothing is prepared, although two heights were proposed and one is built."""
    network = busy_but(lambda m: isinstance(m, Prepare | Commit))
    network.run(0.3)
    network.nodes[0].alive = False
    network.drop = lambda *_: False
    assert network.reach(4, 20, [1, 2, 3])
    new_view = next(m for m in network.nodes[1].sent if isinstance(m, NewView))
    assert new_view.reproposals == ()
    network.check_agreement()


@pytest.mark.parametrize("bank", [0, 1])
def test_a_restart_restores_every_height_in_flight(bank: int) -> None:
    """P-17, I17: votes at several heights come back from the WAL, and the same ones are said again."""
    network = busy_but(lambda m: isinstance(m, Commit))
    network.run(0.4)
    before = network.nodes[bank]
    said = {(type(m), m.height, m.block_hash) for m in before.sent if isinstance(m, PrePrepare | Prepare | Commit)}
    heights = {height for _, height, _ in said if height > 1}
    assert heights == {2, 3, 4}
    after = network.restart(bank)
    again = {(type(m), m.height, m.block_hash) for m in after.sent if isinstance(m, PrePrepare | Prepare | Commit)}
    assert again == {vote for vote in said if vote[1] > 1}
    network.drop = lambda *_: False
    assert network.reach(8, 30)
    network.check_agreement()


def test_a_segment_holds_every_height_in_flight() -> None:
    """P-17: a State record made in the middle of the window restores to the same votes and the same report."""
    network = busy_but(lambda m: isinstance(m, Commit))
    network.run(0.4)
    node = network.nodes[1]
    state = node.replica.state_record()
    assert state is not None
    assert [m.height for m in state.accepted] == [c.height for c in state.prepared] == [2, 3, 4]
    assert wal_records.decode(wal_records.encode(state)) == state
    node.disk.wal = [(node.disk.wal[-1][0], (state,))]
    again = network.restart(1)
    assert {m.height for m in again.sent if isinstance(m, Commit)} == {2, 3, 4}


def test_a_power_cut_of_all_banks_keeps_every_prepared_height() -> None:
    """All banks restart with W heights prepared and none decided: the same blocks are decided."""
    network = busy_but(lambda m: isinstance(m, Commit))
    network.run(0.4)
    blocks = {h: votes(network.nodes[1], Prepare, h)[0].block_hash for h in (2, 3, 4)}  # type: ignore[union-attr]
    for i in range(4):
        network.restart(i)
    network.drop = lambda *_: False
    assert network.reach(4, 20)
    assert {h: network.nodes[3].disk.blocks[h].block_hash for h in blocks} == blocks
    network.check_agreement()


def test_a_bank_that_was_cut_off_catches_up_through_the_window() -> None:
    """STATUS, certificates and sync with W > 1: a bank that missed ten blocks and a view votes again."""
    network = busy(LATER)
    network.down.add(3)
    network.run(0.3)
    network.nodes[0].alive = False
    ahead = network.nodes[1].height
    network.down.discard(3)
    assert network.reach(ahead + 5, 30, [1, 2, 3]), "its vote is needed"
    network.check_agreement()
    canonical(network)


def test_random_losses_leave_one_chain() -> None:
    """A third of all messages lost for a while, at every window: one chain, and it goes on."""
    for window in range(2, WINDOW_MAX + 1):
        network = busy(window, epoch_length=7)
        state = window

        def lossy(sender: int, to: int, message: Message) -> bool:
            nonlocal state
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            return state % 3 == 0

        network.drop = lossy
        network.run(12)
        network.drop = lambda *_: False
        assert network.reach(max(node.height for node in network.nodes) + 3, 40)
        network.check_agreement()
        canonical(network)


def test_the_report_of_a_promise_is_contiguous_and_its_views_never_rise() -> None:
    """R-10: what honest banks report in any VIEW-CHANGE of a lossy run follows the base without a gap."""
    network = busy(WINDOW_MAX)
    count = 0

    def lossy(sender: int, to: int, message: Message) -> bool:
        nonlocal count
        count += 1
        return count % 2 == 0 or (isinstance(message, Commit) and count % 5 != 0)

    network.drop = lossy
    network.run(25)
    changes = [m for node in network.nodes for m in node.sent if isinstance(m, ViewChange)]
    assert any(len(change.prepared) > 1 for change in changes)
    for change in changes:
        heights = [c.height for c in change.prepared]
        assert heights == list(range(change.base_height + 1, change.base_height + 1 + len(heights)))
        views = [c.view for c in change.prepared]
        assert views == sorted(views, reverse=True)
    for node in network.nodes:
        for message in node.sent:
            if isinstance(message, NewView):
                entries = choose_new_view(message.view_changes).entries
                assert len(entries) <= WINDOW_MAX
    network.check_agreement()


def test_a_backup_that_has_not_prepared_the_parent_waits_although_the_primary_has() -> None:
    """R-10: a proposal for height 3 is executed, and gets no PREPARE from a bank that lacks those for height 2."""
    network = busy_but(lambda m: isinstance(m, Commit))
    network.drop = lambda sender, to, message: (
        isinstance(message, Commit) or (isinstance(message, Prepare) and (to, message.height) == (3, 2))
    )
    network.run(0.4)
    late = network.nodes[3]
    assert votes(network.nodes[1], Prepare, 3) and votes(late, Prepare, 2)
    slot = late.replica._core.log.slots[3]
    assert slot.executed and slot.accepted is None
    network.drop = lambda *_: False
    assert network.reach(6)
    network.check_agreement()


def test_the_primary_of_a_new_view_seals_no_height_above_one_that_it_has_not_prepared() -> None:
    """R-10: a NEW-VIEW re-proposes two heights at once, so its primary may hold the PREPAREs of the second before those
    of the first. Its seal on the second must wait, or its next VIEW-CHANGE could not report it."""
    network = busy_but(lambda m: isinstance(m, Commit) or (isinstance(m, PrePrepare) and m.height > 3))
    network.run(0.5)
    network.nodes[0].alive = False
    network.drop = lambda sender, to, message: (
        isinstance(message, Commit) or (isinstance(message, Prepare) and (to, message.height) == (1, 2))
    )
    primary = network.nodes[1]
    assert network.run(5, lambda: any(m.view for m in votes(network.nodes[2], Commit, 3)))  # type: ignore[union-attr]
    network.run(0.2)
    digest = votes(network.nodes[2], Commit, 3)[-1].block_hash  # type: ignore[union-attr]
    assert len(primary.replica._core.log.slots[3].matching_prepares(1, digest, 1)) == 2
    assert not [m for m in votes(primary, Commit, 3) if m.view == 1]  # type: ignore[union-attr]
    network.drop = lambda *_: False
    assert network.reach(4, 20, [1, 2, 3])
    network.check_agreement()


def test_a_block_built_ahead_that_has_grown_old_is_built_again() -> None:
    """P-4, P-19: the clock jumps a day while a block waits for its parent; every backup would refuse it as late, so the
    primary never sends it, and its view goes on."""
    network = busy_but(lambda m: isinstance(m, Prepare) and m.height == 2, timeout_us=20_000_000)
    network.run(0.5)
    network.instant = lambda: Instant(network.now_us, START_S + 86_400 + network.now_us // 1_000_000)  # type: ignore[method-assign]
    network.drop = lambda *_: False
    assert network.reach(5, 10)
    assert [node.replica.status().promise for node in network.nodes] == [0] * 4


def test_what_was_built_above_the_head_is_built_again_after_sync() -> None:
    """Duties 8 and 11: after Synced no result above the head is taken for one that the host still holds."""
    network = busy_but(lambda m: isinstance(m, Prepare) and m.height == 2)
    network.run(0.5)
    primary = network.nodes[0]
    block = votes(primary, PrePrepare, 2)[0]
    assert isinstance(block, PrePrepare)
    digest = vote_digest(primary.replica.schedule.domain(0), Kind.COMMIT, 0, 2, block.block_hash)
    seals = {i: NullSigner(address(i)).sign(digest) for i in range(3)}
    certificate = make_commit_certificate(0, 0, 2, block.block_hash, seals).encode()
    stored = primary.store(block.proposal, certificate)
    primary.results.clear()
    before = len(primary.effects)
    primary.step(Synced(2, block.block_hash, stored.timestamp, certificate, network.sets(3)))
    assert any(isinstance(effect, BuildBlock) and effect.height == 3 for effect in primary.effects[before:])


def test_a_restart_holds_the_prepared_block_whatever_was_accepted_later() -> None:
    """A VIEW-CHANGE reports the prepared block, so it must be served: later proposals do not push it out (P-17)."""
    node = Network(4).nodes[0]
    signer, accepted = NullSigner(address(1)), []
    for view in range(BLOCKS_KEPT + 4):
        block = make_block(1, GENESIS_HASH, START_S, address(view % 4), b"", b"view %d" % view)
        name = decode_header(block).hash
        accepted.append(PrePrepare(0, view, 1, name, Proposal(block, b""), view % 4, signer.sign(name)))
    first = accepted[0]
    found = PreparedCertificate(0, 0, 1, first.block_hash, first.signature, 0, ())
    obligations = {0: wal_records.Obligations(accepted=tuple(accepted), prepared=(found,))}
    ledger = wal_records.LedgerState(0, GENESIS_HASH, START_S, node.network.sets(1))
    restored = wal_records.Restored(ledger, 1, 0, obligations)
    replica = Replica(node.network.config, address(0), NullSigner(address(0)), NullVerifier(), decode_header, restored)
    assert replica.find_proposal(1, first.block_hash) == first.proposal
