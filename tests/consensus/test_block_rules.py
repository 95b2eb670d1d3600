"""What a backup checks of a proposal before it is executed: P-4, P-5 and P-11, each in both directions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.certificates import CommitCertificate
from consensus.domain import Kind, vote_digest
from consensus.messages import Commit, Complain, Prepare, PrePrepare, Reason
from consensus.types import Effect, Instant, Proposal, Received, StartSync, TimerFired, TimerKind, Trace, ValidateBlock

from .network import START_S, Network, NullSigner, address, decode_header, make_block

TOLERANCE_S = 5
TIMEOUT_S = 1
BACKUP = 1


def at_height_1(**config: Any) -> Network:
    """Four banks that have committed block 1 and are idle."""
    network = Network(4, **config)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    return network


def carried(network: Network) -> bytes:
    return network.nodes[BACKUP].disk.blocks[1].certificate


def propose(network: Network, timestamp: int, *, view: int = 0, coinbase: bytes | None = None, **other: Any) -> None:
    """The primary of ``view`` sends block 2 of this shape to one backup."""
    node = network.nodes[BACKUP]
    sender = view % 4
    certificate = other.get("certificate", carried(network))
    named = other.get("named", certificate)
    block = make_block(2, node.disk.blocks[1].block_hash, timestamp, coinbase or address(sender), named, b"transfer")
    place = (view, 2, decode_header(block).hash)
    signature = NullSigner(address(sender)).sign(vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place))
    node.step(Received(address(sender), PrePrepare(0, *place, Proposal(block, certificate), sender, signature)))


def executed(network: Network) -> bool:
    return any(isinstance(e, ValidateBlock) and b"transfer" in e.proposal.block for e in effects(network))


def refused(network: Network) -> str:
    """Why the backup refused the proposal; empty where it did not."""
    found = reasons(effects(network))
    return found[-1] if found else ""


def reasons(effects: list[Effect]) -> list[str]:
    return [str(dict(e.values)["reason"]) for e in effects if isinstance(e, Trace) and e.label == "proposal_refused"]


def effects(network: Network) -> list[Effect]:
    return network.nodes[BACKUP].effects


def now_s(network: Network) -> int:
    return network.instant().unix_s


def test_an_honest_proposal_is_executed() -> None:
    """The sample that every other test here spoils."""
    network = at_height_1()
    propose(network, now_s(network))
    assert executed(network)
    assert not refused(network)


@pytest.mark.parametrize(("age_s", "taken"), [(TOLERANCE_S + TIMEOUT_S, True), (TOLERANCE_S + TIMEOUT_S + 1, False)])
def test_a_fresh_block_may_be_late_by_tolerance_and_patience(age_s: int, taken: bool) -> None:
    """P-4: t >= now - tolerance - T, to the second."""
    network = at_height_1()
    network.run(20)
    propose(network, now_s(network) - age_s)
    assert executed(network) is taken
    assert refused(network).startswith("P-4") is not taken


def test_patience_counts_failed_views_and_not_the_number_of_the_view() -> None:
    """P-4: after a commit in view 1 no view has failed, and T is T0 again."""
    network = Network(4)
    network.nodes[0].alive = False
    for node in network.nodes[1:]:
        network.start(node.index)
    assert network.reach(1, 20, [1, 2, 3])
    network.run(20)
    status = network.nodes[2].replica.status()
    assert (status.view, status.failed_views) == (1, 0)
    node = network.nodes[2]
    block = make_block(
        2, node.disk.blocks[1].block_hash, now_s(network) - TOLERANCE_S - 2, address(1), node.disk.blocks[1].certificate
    )
    place = (1, 2, decode_header(block).hash)
    signature = NullSigner(address(1)).sign(vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place))
    proposal = Proposal(block, node.disk.blocks[1].certificate)
    node.step(Received(address(1), PrePrepare(0, *place, proposal, 1, signature)))
    assert reasons(node.effects) == ["P-4: the block is late"]


def test_lateness_is_judged_when_the_proposal_arrived() -> None:
    """P-4: a block that was held until its time came is not late because it was held, nor because others slept."""
    network = at_height_1()
    propose(network, now_s(network) + TOLERANCE_S + 3)
    assert not executed(network)
    node = network.nodes[BACKUP]
    key, _ = node.timers[TimerKind.EARLY_PROPOSAL]
    late = network.instant()
    network.instant = lambda: Instant(late.monotonic_us + 9_000_000, late.unix_s + 60)  # type: ignore[method-assign]
    node.step(TimerFired(key))
    assert executed(network)
    assert not refused(network)


def test_a_proposal_that_came_before_its_parent_is_not_late_for_it() -> None:
    """P-4: judged at the moment of arrival, also where the parent is committed here a minute later."""
    network = at_height_1()
    network.drop = lambda sender, to, message: BACKUP in (sender, to)
    network.submit()
    assert network.reach(2, 5, [0, 2, 3])
    node, parent = network.nodes[BACKUP], network.nodes[0].disk.blocks[2]
    block = make_block(3, parent.block_hash, now_s(network), address(0), parent.certificate, b"transfer")
    place = (0, 3, decode_header(block).hash)
    signature = NullSigner(address(0)).sign(vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place))
    proposal = Proposal(block, parent.certificate)
    node.step(Received(address(0), PrePrepare(0, *place, proposal, 0, signature)))
    assert not executed(network)
    early = network.instant
    network.instant = lambda: replace(early(), unix_s=early().unix_s + 60)  # type: ignore[method-assign]
    node.synchronise(StartSync(2, ()))
    assert node.height == 2
    assert executed(network)
    assert not refused(network)


@pytest.mark.parametrize(("ahead_s", "at_once"), [(TOLERANCE_S, True), (TOLERANCE_S + 1, False)])
def test_an_early_block_is_held_and_not_refused(ahead_s: int, at_once: bool) -> None:
    """P-4: t <= now + tolerance; an earlier arrival waits for its time."""
    network = at_height_1()
    propose(network, now_s(network) + ahead_s)
    assert executed(network) is at_once
    assert not refused(network)
    network.drop = lambda *_: True  # nobody else moves this backup on
    network.run(0.99)
    assert executed(network) is at_once
    network.run(0.02)
    assert executed(network)


def test_the_parents_time_is_never_early() -> None:
    """P-4: t = parent.t passes a replica whose clock is far behind, or one bank's fast clock would stop the chain."""
    network = at_height_1()
    real = network.instant
    network.instant = lambda: replace(real(), unix_s=real().unix_s - 3_600)  # type: ignore[method-assign]
    propose(network, network.nodes[BACKUP].disk.blocks[1].timestamp)
    assert executed(network)


@pytest.mark.parametrize(
    ("strict", "step_s", "taken"), [(False, 0, True), (False, -1, False), (True, 0, False), (True, 1, True)]
)
def test_time_never_runs_back(strict: bool, step_s: int, taken: bool) -> None:
    """P-4, always: t >= parent.t, one second more where genesis is strict."""
    network = at_height_1(strict_timestamps=strict)
    propose(network, network.nodes[BACKUP].disk.blocks[1].timestamp + step_s)
    assert executed(network) is taken
    assert refused(network).startswith("P-4") is not taken


@pytest.mark.parametrize("coinbase", [address(2), address(9)])
def test_the_coinbase_of_a_fresh_block_is_its_proposer(coinbase: bytes) -> None:
    """P-5: neither another validator's address nor a stranger's."""
    network = at_height_1()
    propose(network, now_s(network), coinbase=coinbase)
    assert not executed(network)
    assert refused(network).startswith("P-5")


def _forged(network: Network, **changes: Any) -> bytes:
    return replace(CommitCertificate.decode(carried(network)), **changes).encode()


def test_the_carried_certificate_must_be_there() -> None:
    """P-11: a block above W without one."""
    network = at_height_1()
    propose(network, now_s(network), certificate=b"")
    assert not executed(network)
    assert refused(network).startswith("P-11")


def test_the_carried_certificate_must_be_the_named_one() -> None:
    """P-11: a valid certificate that the header does not name."""
    network = at_height_1()
    propose(network, now_s(network), named=b"another")
    assert not executed(network)
    assert "does not carry its certificate" in refused(network)


@pytest.mark.parametrize("damage", ["one seal less", "another view", "another block", "no certificate"])
def test_the_carried_certificate_must_be_valid(damage: str) -> None:
    """P-11: named and carried, but no proof of the block W below."""
    network = at_height_1()
    whole = CommitCertificate.decode(carried(network))
    certificate = {
        "one seal less": _forged(network, bitmap=whole.bitmap & (whole.bitmap - 1), seals=whole.seals[1:]),
        "another view": _forged(network, view=whole.view + 1),
        "another block": _forged(network, block_hash=bytes(32)),
        "no certificate": b"\x01" * 300,
    }[damage]
    propose(network, now_s(network), certificate=certificate)
    assert not executed(network)
    assert refused(network).startswith("P-11")


def test_a_certificate_of_another_block_of_this_chain_is_refused() -> None:
    """P-11: a real certificate, of a height that is not h - W."""
    network = at_height_1()
    older = carried(network)
    network.submit()
    assert network.reach(2)
    network.run(0.1)
    node = network.nodes[BACKUP]
    block = make_block(3, node.disk.blocks[2].block_hash, now_s(network), address(0), older, b"transfer")
    place = (0, 3, decode_header(block).hash)
    signature = NullSigner(address(0)).sign(vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place))
    node.step(Received(address(0), PrePrepare(0, *place, Proposal(block, older), 0, signature)))
    assert refused(network) == "P-11: the carried certificate is of another block"


def test_the_first_block_carries_nothing() -> None:
    """P-11: up to W there is no ancestor to certify."""
    network = Network(4)
    network.drop = lambda *_: True
    network.start(BACKUP)
    node = network.nodes[BACKUP]
    block = make_block(1, network.config.genesis_hash, START_S, address(0), b"something")
    place = (0, 1, decode_header(block).hash)
    signature = NullSigner(address(0)).sign(vote_digest(node.replica.schedule.domain(0), Kind.PRE_PREPARE, *place))
    node.step(Received(address(0), PrePrepare(0, *place, Proposal(block, b"something"), 0, signature)))
    assert refused(network).startswith("P-11")


@pytest.mark.parametrize("promised", [False, True])
def test_who_has_promised_a_later_view_commits_nothing_in_this_one(promised: bool) -> None:
    """PBFT §4.4: after its VIEW-CHANGE a replica learns and does not vote: its report would be false."""
    network = at_height_1()
    network.drop = lambda *_: True
    propose(network, now_s(network))
    node = network.nodes[BACKUP]
    block_hash = next(m.block_hash for m in node.sent if isinstance(m, Prepare) and m.height == 2)
    if promised:
        for sender in (2, 3):
            node.step(Received(address(sender), Complain(0, 1, 1, Reason.PROGRESS, False, sender, b"")))
        assert node.replica.status().promise == 1
    for sender in (2, 3):
        digest = vote_digest(node.replica.schedule.domain(0), Kind.PREPARE, 0, 2, block_hash)
        vote = Prepare(0, 0, 2, block_hash, sender, NullSigner(address(sender)).sign(digest))
        node.step(Received(address(sender), vote))
    committed = [m for m in node.sent if isinstance(m, Commit) and m.height == 2]
    assert bool(committed) is not promised
