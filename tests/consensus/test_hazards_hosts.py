"""Hazards of hosts, sets and bytes: sync races, edges of epochs, old keys, floods, fuzzed messages."""

from __future__ import annotations

import gc
import itertools
import types
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import codec, domain, ingress
from consensus.certificates import make_commit_certificate
from consensus.errors import InvalidMessage, MalformedMessage
from consensus.messages import Commit, Complain, Prepare, PrePrepare, Repair, SignedMessage, Status, WireMessage
from consensus.types import Deliver, Proposal, Received, StartSync, Synced, Verdict
from tests.scenarios import forge
from tests.scenarios.epochs import EDGE, one_leaves
from tests.scenarios.stage import Stage

from . import strategies
from .network import Network, NullSigner, NullVerifier, address, decode_header, make_block
from .test_light_client import CHAIN, CONFIG, GENESIS, follow, members

HELD_BYTES = 1_000_000
"""What a flood may make a replica hold beside blocks: far above what n = 4 and W = 1 need."""


def test_sync_at_any_moment_of_a_height_commits_once() -> None:
    """H46: a block that sync imports at any moment of the normal case is committed once, and the next one follows."""
    other = Network(4)  # the same steps without the race: the block that sync will bring
    other.start()
    assert other.reach(1)
    other.run(0.1)
    other.submit()
    assert other.reach(2)
    for moment in itertools.count():
        network = Network(4)
        network.start()
        assert network.reach(1)
        network.run(0.1)
        late = network.nodes[3]
        begun = len(late.effects)
        network.submit()
        raced = network.run(0.05, lambda late=late, begun=begun, moment=moment: len(late.effects) - begun >= moment)
        if not raced or late.height == 2:
            break
        late.store(*_stored(other))
        late.step(_synced(other))
        assert network.reach(2)
        network.submit()
        assert network.reach(3)
        delivered = [e.height for e in late.effects if isinstance(e, Deliver)]
        assert delivered == sorted(set(delivered))
        network.check_agreement()
    assert moment > 5


def _stored(network: Network) -> tuple[Proposal, bytes]:
    stored = network.nodes[0].disk.blocks[2]
    return stored.proposal, stored.certificate


def _synced(network: Network) -> Synced:
    stored = network.nodes[0].disk.blocks[2]
    return Synced(2, stored.block_hash, stored.timestamp, stored.certificate, network.sets(3))


@pytest.mark.parametrize("crash_at", range(1, 6))
@pytest.mark.parametrize("bank", [0, 2, 4])
def test_a_restart_at_each_height_around_an_edge(crash_at: int, bank: int) -> None:
    """H30: who leaves, stays or joins, restarted or synced at any height around the edge, derives the set of each
    height from its ledger and goes on with the others."""
    network = Network(5, sets=one_leaves, epoch_length=EDGE)
    network.start()
    for height in range(1, 7):
        assert network.reach(height, 20), height
        if height == crash_at:
            network.restart(bank)
            network.run(0.5)
        network.submit()
    network.check_agreement()
    for node in network.nodes:
        assert node.replica.status().validators == one_leaves(node.height + 1)


def test_a_whole_former_set_rewrites_nothing() -> None:
    """H31: all keys of an epoch that is over sign another history. A bank that is past it and an auditor with a later
    pin do not look at it; a light client without a pin would follow, which is why it needs one."""
    network = Network(4, epoch_length=4)
    network.start()
    for height in range(1, 9):
        assert network.reach(height, 10)
        network.submit()
    node = network.nodes[0]
    false = b"\7" * 32
    digest = domain.seal_digest(node.replica.schedule.domain(0), 0, 2, false)
    seals = {i: NullSigner(address(i)).sign(digest) for i in range(4)}
    certificate = make_commit_certificate(0, 0, 2, false, seals)
    before = node.disk.blocks[2].block_hash
    node.step(Received(address(3), Repair((certificate,))))
    node.step(Synced(2, false, 0, certificate.encode(), network.sets(3)))
    assert not node.halted
    assert node.disk.blocks[2].block_hash == before
    assert follow(CHAIN[5:], anchor=CHAIN[4].header, first=6) == 10
    with pytest.raises(Exception, match="P-1"):
        follow(CHAIN, anchor=CHAIN[4].header, first=6)
    assert follow(CHAIN, anchor=GENESIS) == 10
    assert len(members(1)) < len(members(9))
    assert CONFIG.epoch_length == 4


def held_bytes(thing: object, seen: set[int]) -> int:
    """Bytes and text held by an object and all that hangs on it, modules and functions left out."""
    skipped = (type, types.ModuleType, types.FunctionType, types.MethodType, NullVerifier, NullSigner)
    if id(thing) in seen or isinstance(thing, skipped):
        return 0
    seen.add(id(thing))
    if isinstance(thing, bytes | str):
        return len(thing)
    return 8 + sum(held_bytes(part, seen) for part in gc.get_referents(thing))


def test_a_flood_holds_a_bounded_number_of_bytes() -> None:
    """H37: f members send everything they can sign, with every field at its extremes: what a replica holds stays
    under one bound, and the next block is as quick as ever (besu GHSA-23rh, monad#1969)."""
    stage = Stage(4, "")
    stage.begin()
    replica = stage.nodes[1].replica
    quiet = held_bytes(replica._core, set())
    extremes = (0, 1, 2, 3, 4, 255, 2**32, 2**61, codec.MAX_VIEW)
    parent = stage.nodes[1].disk.blocks[1]
    for view, height, name in itertools.product(extremes, (1, 2, 3, 4, 5, 999), range(6)):
        block_hash = bytes([name]) * 32
        flood: list[SignedMessage] = [
            forge.vote(stage, Prepare, 3, view, height, block_hash),
            forge.vote(stage, Commit, 3, view, height, block_hash),
            forge.complaint(stage, 3, view, min(height, 998)),
            forge.signed(stage, Status(0, height - 1, view, view, False, 3, b"")),
        ]
        if view:
            flood.append(forge.empty_view_change(stage, 3, view))
        if view % 4 == 3:
            block = make_block(
                height, parent.block_hash, parent.timestamp, address(3), parent.certificate, bytes(20_000)
            )
            flood.append(forge.pre_prepare(stage, 3, view, Proposal(block + bytes([name]), parent.certificate)))
        for message in flood:
            stage.receive(3, 1, codec.encode_message(message))
    stage.mail.clear()
    held = held_bytes(replica._core, set())
    assert held - quiet < HELD_BYTES, f"{quiet} before, {held} after"
    stage.faulty.add(3)
    stage.work(0, 1, 2)
    stage.settle()
    assert stage.heights(0, 1, 2) == [2, 2, 2]


def test_messages_at_the_edge_of_the_window_are_never_needed() -> None:
    """H38: a bank one height and one view behind drops what is just beyond its window or view, and others keep it;
    STATUS brings what was dropped (hbbft#43: a message exactly at the limit split the network)."""
    stage = Stage(4, "")
    stage.begin()
    stage.partition([0, 1, 2])
    stage.commit_one()
    stage.heal()
    stage.work()
    stage.settle()
    assert stage.heights(0, 1, 2) == [3, 3, 3]
    stage.work()
    stage.lose("PRE-PREPARE", to=[1, 2])
    stage.settle()
    stage.partition([0, 1, 3])
    stage.fire("patience", at=[0, 1])
    assert stage.run_freely(30, lambda: stage.heights(0, 1, 3) == [4, 4, 4])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.messages, st.integers(0, 3), st.booleans())
def test_no_signed_message_breaks_a_replica(message: WireMessage, view: int, here: bool) -> None:
    """H39: whatever a member signs, with any fields, is refused by name or taken; nothing is raised and nobody halts
    (LOKI; SmartBFT on fabric#279; sawtooth d7e7fca confused types)."""
    stage = fuzzed()
    if not isinstance(message, Repair):
        message = replace(message, sender=3, epoch=0)
        if here and hasattr(message, "view"):
            message = replace(message, view=view)
        if here and hasattr(message, "height"):
            message = replace(message, height=2)
        if isinstance(message, PrePrepare | Prepare | Commit):
            kind = codec.kind_of(message)
            place = (message.view, message.height, message.block_hash)
            message = replace(message, signature=forge.seal(stage, kind, 3, *place))
        else:
            message = forge.signed(stage, message)  # type: ignore[type-var]
    schedule = stage.nodes[1].replica.schedule
    try:
        found = ingress.verify(codec.encode_message(message), address(3), schedule, NullVerifier(), decode_header)
    except (InvalidMessage, MalformedMessage):
        return
    stage.nodes[1].step(Received(address(3), found))
    stage.mail.clear()
    assert not stage.nodes[1].halted


_STAGES: list[Stage] = []


def fuzzed() -> Stage:
    """One stage for all examples: what one leaves behind meets the next."""
    if not _STAGES:
        _STAGES.append(Stage(4, ""))
        _STAGES[0].begin()
        _STAGES[0].work()
        _STAGES[0].deliver("PRE-PREPARE")
        _STAGES[0].lose_all()
    return _STAGES[0]


def test_the_fuzzed_replica_still_votes() -> None:
    """H39: after all those messages the same replica decides the block that was under way."""
    stage = fuzzed()
    stage.faulty.add(3)
    for node in stage.nodes[:3]:
        assert not node.halted
    assert stage.run_freely(120, lambda: stage.heights(0, 1, 2) >= [2, 2, 2])


def test_more_than_f_other_results_stop_the_chain_and_fork_nothing() -> None:
    """H43: where two of four banks execute a block differently, nothing is decided and nobody halts or forks; with
    the fault gone the chain goes on (axon#1, cosmos-sdk#26828)."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.verdict = lambda index, effect: Verdict.INVALID if index in (1, 2) else Verdict.VALID
    network.nodes[0].submit()
    network.run(1)
    assert {node.height for node in network.nodes} == {1}
    network.verdict = lambda index, effect: Verdict.VALID
    network.submit()
    assert network.reach(2, 60)
    network.check_agreement()


def test_claims_start_a_sync_and_nothing_else() -> None:
    """H40: a peer that claims any height makes the host look, never believe: nothing is committed by a claim."""
    stage = Stage(4, "")
    stage.begin()
    before = len(stage.nodes[1].effects)
    stage.inject(forge.signed(stage, Status(0, 900, 0, 0, False, 3, b"")), frm=3, to=[1])
    effects = stage.nodes[1].effects[before:]
    assert [type(e) for e in effects if isinstance(e, StartSync | Deliver)] == [StartSync]
    assert stage.heights(1) == [1]
    assert not any(isinstance(m, Complain) for m in stage.nodes[1].sent)
