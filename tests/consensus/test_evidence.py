"""Evidence convicts who signed two things, and nobody else; floods are kept within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus import evidence
from consensus.certificates import PreparedCertificate
from consensus.codec import encode_body
from consensus.core import EVIDENCE_KEPT
from consensus.domain import Kind, body_digest, vote_digest
from consensus.message_log import BLOCKS_KEPT, VIEWS_KEPT, MessageLog, Slot
from consensus.messages import Commit, NewView, Prepare, PrePrepare, ViewChange
from consensus.types import Proposal, Received, ReportEvidence

from .network import GENESIS_HASH, START_S, Network, Node, NullSigner, address, decode_header, make_block
from .test_view_change import change, commit_certificate, new_view, prepared

PREPARE = Prepare(0, 2, 4, bytes(32), 1, bytes(65))


def test_two_votes_for_one_place_are_equivocation() -> None:
    """Same kind, signer, view and height, another block; anything less convicts nobody (H44)."""
    other = replace(PREPARE, block_hash=b"\1" * 32)
    assert evidence.conflicting(PREPARE, other) == evidence.Evidence("equivocation", PREPARE, other)
    commit = Commit(0, 2, 4, b"\1" * 32, 1, bytes(65))
    innocent = (
        replace(other, view=3),
        replace(other, height=5),
        replace(other, sender=2),
        replace(other, epoch=1),
        commit,
        replace(PREPARE, signature=b"\1" * 65),
    )
    for second in innocent:
        assert evidence.conflicting(PREPARE, second) is None


def test_two_view_changes_to_one_view_are_equivocation() -> None:
    """A promise is repeated byte for byte; a second signature over the same content is no offence."""
    first = change(1, 3)
    assert evidence.conflicting(first, change(1, 3, (prepared(5, 4, 1),))) is not None
    assert evidence.conflicting(first, replace(first, signature=bytes(65))) is None
    assert evidence.conflicting(first, change(1, 3, view=8)) is None


def test_a_commit_that_its_view_change_hides_is_amnesia() -> None:
    """COMMIT in view 5, then a VIEW-CHANGE to 9 that reports nothing of view 5 or later at that height."""
    commit = Commit(0, 5, 4, bytes([4]) * 32, 1, bytes(65))
    assert evidence.amnesia(commit, change(1, 3)) is not None
    assert evidence.amnesia(commit, change(1, 3, (prepared(4, 4, 4),))) is not None
    for honest in (change(1, 3, (prepared(5, 4, 4),)), change(1, 3, (prepared(6, 4, 4),)), change(1, 4)):
        assert evidence.amnesia(commit, honest) is None
    assert evidence.amnesia(commit, change(2, 3)) is None
    assert evidence.amnesia(commit, change(1, 3, view=5)) is None


def test_a_wrong_new_view_is_reported_and_not_entered() -> None:
    """A primary that drops a prepared block convicts itself (M12)."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    node = network.nodes[2]
    stored = node.disk.blocks[1]
    domain = node.replica.schedule.domain(0)

    def sign(message: NewView) -> NewView:
        digest = body_digest(domain, Kind.NEW_VIEW, encode_body(message))
        return replace(message, signature=NullSigner(address(1)).sign(digest))

    base = replace(commit_certificate(1), block_hash=stored.block_hash)
    changes = [
        replace(change(i, 1, (prepared(0, 2, 9),) if i == 1 else (), view=1), base_certificate=base) for i in range(3)
    ]
    node.step(Received(address(1), sign(new_view(changes, [], view=1))))
    assert node.replica.status().view == 0
    assert [(e.signer, e.offence) for e in node.effects if isinstance(e, ReportEvidence)] == [
        (address(1), "wrong_new_view")
    ]


def observer() -> Node:
    """Bank 2 at height 1, in view 0; what it says is lost."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda *_: True
    return network.nodes[2]


def convicted(node: Node) -> list[tuple[bytes, str]]:
    return [(e.signer, e.offence) for e in node.effects if isinstance(e, ReportEvidence)]


def promise_at_1(node: Node, sender: int, found: tuple[PreparedCertificate, ...], view: int = 1) -> ViewChange:
    base = replace(commit_certificate(1), block_hash=node.disk.blocks[1].block_hash)
    return replace(change(sender, 1, found, view=view), base_certificate=base)


@pytest.mark.parametrize("kind", [PrePrepare, Prepare, Commit])
def test_a_replica_reports_two_votes_for_one_place(kind: type[PrePrepare | Prepare | Commit]) -> None:
    """Offence (a), for each kind of vote; the same vote again is none."""
    node = observer()
    sender = 0 if kind is PrePrepare else 3
    for name in (1, 1, 2):
        body = (Proposal(b"x" * 120, b""),) if kind is PrePrepare else ()
        vote = kind(0, 0, 2, bytes([name]) * 32, *body, sender, bytes(65))  # type: ignore[arg-type]
        node.step(Received(address(sender), vote))
        assert convicted(node) == ([(address(sender), "equivocation")] if name == 2 else [])


def test_a_replica_reports_two_promises_of_one_view() -> None:
    """Offence (b): VIEW-CHANGEs that differ, and NEW-VIEWs that differ."""
    node = observer()
    node.step(Received(address(3), promise_at_1(node, 3, ())))
    node.step(Received(address(3), promise_at_1(node, 3, ())))
    assert convicted(node) == []
    node.step(Received(address(3), promise_at_1(node, 3, (prepared(0, 2, 9),))))
    assert convicted(node) == [(address(3), "equivocation")]
    node = observer()
    for chosen in ((0, 1, 2), (0, 1, 2), (0, 1, 3)):
        changes = tuple(promise_at_1(node, i, ()) for i in chosen)
        node.step(Received(address(1), NewView(0, 1, changes, (), 1, bytes(65))))
        assert convicted(node) == ([(address(1), "equivocation")] if 3 in chosen else [])


@pytest.mark.parametrize("found", [(), (prepared(0, 2, 9),)], ids=["hidden", "reported"])
def test_a_replica_reports_a_promise_that_hides_what_its_sender_sealed(found: tuple[PreparedCertificate, ...]) -> None:
    """Offence (c), amnesia: the seal was heard, and the VIEW-CHANGE names nothing at its height."""
    node = observer()
    node.step(Received(address(3), Commit(0, 0, 2, found[0].block_hash if found else bytes(32), 3, bytes(65))))
    node.step(Received(address(3), promise_at_1(node, 3, found)))
    assert convicted(node) == ([] if found else [(address(3), "amnesia")])


def test_evidence_is_bounded_in_each_epoch() -> None:
    """A flood of proofs against one sender says nothing new (H37)."""
    node = observer()
    for name in range(3 * EVIDENCE_KEPT):
        node.step(Received(address(3), Commit(0, 0, 2, name.to_bytes(32, "big"), 3, bytes(65))))
    assert len(convicted(node)) == EVIDENCE_KEPT


def test_a_flood_of_views_evicts_only_the_senders_own_votes() -> None:
    """A thousand views from one sender: three votes are kept, and the others' stay (H37)."""
    log = MessageLog(0, 1)
    log.add_commit(Commit(0, 0, 1, bytes(32), 2, bytes(65)))
    for view in range(1000):
        log.add_commit(Commit(0, view, 1, bytes(32), 3, bytes(65)))
        log.add_prepare(Prepare(0, view, 1, bytes(32), 3, bytes(65)))
    slot = log.slot(1)
    assert len(slot.commits[3]) == len(slot.prepares[3]) == VIEWS_KEPT
    assert set(slot.matching_commits(0, bytes(32))) == {2}
    assert not log.in_window(3)


def test_blocks_at_one_height_are_bounded_and_needed_ones_stay() -> None:
    """The accepted block outlives any number of newer ones."""
    slot = Slot(1)
    blocks = [make_block(1, GENESIS_HASH, START_S, address(0), b"", b"%d" % i) for i in range(30)]
    first = decode_header(blocks[0])
    slot.keep_block(Proposal(blocks[0], b""), first, None)
    slot.accepted = PrePrepare(0, 0, 1, first.hash, Proposal(blocks[0], b""), 0, bytes(65))
    for block in blocks[1:]:
        slot.keep_block(Proposal(block, b""), decode_header(block), None)
    assert len(slot.blocks) == BLOCKS_KEPT
    assert first.hash in slot.blocks


def test_a_flood_of_messages_leaves_a_replica_small() -> None:
    """H37: every field at its extremes, from one sender; what is held stays within n and the window."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    node = network.nodes[1]
    domain = node.replica.schedule.domain(0)
    signer = NullSigner(address(3))
    for view in (0, 1, 2, 3, 2**40, 2**61):
        for height in (1, 2, 3, 4, 999):
            for name in range(3):
                digest = vote_digest(domain, Kind.COMMIT, view, height, bytes([name]) * 32)
                vote = Commit(0, view, height, bytes([name]) * 32, 3, signer.sign(digest))
                node.step(Received(address(3), vote))
    log = node.replica._core.log
    assert set(log.slots) <= {2, 3}
    assert all(len(votes) <= VIEWS_KEPT for slot in log.slots.values() for votes in slot.commits.values())
    network.submit()
    assert network.reach(2)
