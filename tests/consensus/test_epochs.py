"""An epoch's edge (P-12, P-13): what ends with the old set, and what its stragglers still get."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificates import CommitCertificate
from consensus.codec import encode_body, encode_message, kind_of
from consensus.domain import Kind, body_digest
from consensus.messages import Complain, Message, Reason, Repair, Status, ViewChange
from consensus.types import Received
from consensus.validators import primary_index

from .network import Network, NullSigner, address

LENGTH = 4


def at_the_edge() -> Network:
    """Four banks before the last block of epoch 0, in view 1: bank 0, the first primary, was dead until now."""
    network = Network(4, epoch_length=LENGTH)
    network.start()
    assert network.reach(1)
    network.nodes[0].alive = False
    network.submit()
    assert network.reach(2, 20, [1, 2, 3])
    assert network.nodes[1].replica.status().view == 1
    network.restart(0)
    assert network.reach(2, 20)
    network.run(3)
    return network


def cross(network: Network) -> None:
    network.submit()
    assert network.reach(LENGTH - 1, 20)


def test_an_epoch_begins_in_view_0_with_fresh_patience() -> None:
    """P-13: views are numbered within an epoch; a number that survived the edge would permit a fork."""
    network = at_the_edge()
    cross(network)
    for node in network.nodes:
        status = node.replica.status()
        assert (status.epoch, status.view, status.promise, status.failed_views) == (1, 0, 0, 0)
        assert status.primary == address(primary_index(1, 0, 4)) == address(1)
        assert node.replica._core.views.new_view is None


def test_complaints_and_promises_end_with_their_epoch() -> None:
    """P-13: what was complained of or promised in epoch 0 counts for nobody in epoch 1."""
    network = at_the_edge()
    node = network.nodes[1]
    complaint = Complain(0, 9, node.height, Reason.AGE, False, 2, b"")
    node.step(Received(address(2), signed(network, complaint, 2)))
    assert node.replica._core.sync.complaints
    cross(network)
    sync = node.replica._core.sync
    assert not sync.complaints and not sync.view_changes and sync.own is None
    assert node.replica.status().promise == 0


def test_the_primary_rotates_at_each_edge() -> None:
    """P-13: primary(e, v) = S_e[(e + v) mod n]."""
    assert [primary_index(epoch, 0, 4) for epoch in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [primary_index(3, view, 4) for view in range(4)] == [3, 0, 1, 2]


@pytest.mark.parametrize("kind", [Status, Complain])
def test_a_straggler_of_the_old_epoch_gets_the_edges_certificate(kind: type[Message]) -> None:
    """P-13: a message of an earlier epoch is answered with certificates and counts for nothing."""
    network = at_the_edge()
    cross(network)
    network.run(2)
    node = network.nodes[1]
    node.sent.clear()
    base = LENGTH - 2
    message = (
        Status(0, base, 1, 1, False, 3, b"") if kind is Status else Complain(0, 5, base, Reason.AGE, False, 3, b"")
    )
    node.step(Received(address(3), signed(network, message, 3)))
    repairs = [m for m in node.sent if isinstance(m, Repair)]
    assert [certificate.height for certificate in repairs[-1].certificates] == [LENGTH - 1]
    assert node.replica.status().promise == 0


def test_the_canonical_certificate_replaces_the_own_one() -> None:
    """P-11: after block h + W a bank serves the certificate that the block carries, whatever it held before."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.submit()
    assert network.reach(2)
    network.run(0.1)
    carried = network.nodes[0].disk.blocks[2].proposal.certificate
    for node in network.nodes:
        assert node.replica._core.certificates[1] == CommitCertificate.decode(carried)


def signed(network: Network, message: Status | Complain, sender: int) -> Status | Complain:
    schedule = network.nodes[1].replica.schedule
    digest = body_digest(schedule.domain(message.epoch), Kind(kind_of(message)), encode_body(message))
    return replace(message, signature=NullSigner(address(sender)).sign(digest))


def test_a_restart_within_an_epoch_understands_a_promise_from_its_edge() -> None:
    """P-13: a straggler's VIEW-CHANGE stands on the last block of the epoch before, which only that epoch's set proves;
    a bank that has restarted far inside the new epoch takes it all the same, and any NEW-VIEW that holds it."""
    network = Network(4, epoch_length=LENGTH)
    network.start()
    for height in range(1, LENGTH):
        assert network.reach(height, 20)
        network.submit()
    network.down = {3}
    for height in (LENGTH, LENGTH + 1):
        assert network.reach(height, 20, [0, 1, 2])
        network.submit()
    base = CommitCertificate.decode(network.nodes[3].disk.blocks[LENGTH - 1].certificate)
    network.down = set()
    network.drop = lambda *_: True
    node = network.restart(0)
    promise = ViewChange(1, 1, LENGTH - 1, base, (), 3, b"")
    digest = body_digest(node.replica.schedule.domain(1), kind_of(promise), encode_body(promise))
    promise = replace(promise, signature=NullSigner(address(3)).sign(digest))
    network.receive(3, 0, encode_message(promise))
    assert node.replica._core.sync.view_changes == {3: promise}
