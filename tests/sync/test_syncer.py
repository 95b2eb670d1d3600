"""Catching up from peers: real TLS connections, real ledgers, real seals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from consensus.certificates import make_commit_certificate
from consensus.domain import domain, seal_digest
from consensus.types import Proposal
from consensus.validators import epoch_of, validator_set_hash
from node.chain.snapshot import SnapshotMarker
from node.clock import SystemClock
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER
from node.p2p import PeerNetwork, RequestRefused
from node.storage import keyspace
from node.sync import Syncer
from node.sync.messages import (
    BLOCKS,
    PROPOSAL,
    BlockRecord,
    BlocksAnswer,
    BlocksRequest,
    ProposalAnswer,
    decode_body,
    encode_body,
)
from node.types import Address, Hash32
from tests.p2p.parties import CHAIN_ID, Consortium, Party, until
from tests.sync.chain import (
    CHANGE_EPOCH,
    FIRST_SET,
    PARAMETERS,
    addresses,
    config,
    extend,
    import_into,
    open_ledger,
    seal,
    with_header,
)

LENGTH = 12
"""Blocks of the served chain: three epochs, with a change of validators between."""


@dataclass
class Node:
    """A network, a ledger and a syncer."""

    network: PeerNetwork
    ledger: Ledger
    syncer: Syncer

    @property
    def height(self) -> int:
        return self.ledger.head.number


@dataclass
class World:
    """Nodes that are stopped at the end of a test."""

    consortium: Consortium
    root: Path
    nodes: list[Node] = field(default_factory=list)

    async def node(self, name: str, *, blocks: int = 0, follow: bool = False) -> Node:
        """A started node whose chain has so many blocks; it dials every node made before it."""
        party = self.consortium.add(name)
        ledger = open_ledger(self.root / f"{name}-chain")
        for _ in range(blocks):
            extend(ledger)
        network = self.consortium.network(party, head=lambda: ledger.head.number)
        syncer = Syncer(
            network=network,
            chain=ledger.chain,
            config=config(ledger.genesis_hash),
            verifier=SECP256K1_VERIFIER,
            import_block=partial(import_into, ledger),
            clock=SystemClock(),
            block_bytes_max=2**21,
            follow=lambda: follow,
        )
        await network.start()
        syncer.start()
        made = Node(network, ledger, syncer)
        self.nodes.append(made)
        return made

    async def liar(self, name: str, serve: Callable[[int], list[BlockRecord]]) -> Party:
        """A started member that answers each range with what ``serve`` makes of its start."""
        party = self.consortium.add(name)
        network = self.consortium.network(party)

        async def answer(_peer: Address, body: bytes) -> bytes:
            return encode_body(BlocksAnswer(tuple(serve(decode_body(body, BlocksRequest).start))))

        network.on_request(BLOCKS, answer)
        await network.start()
        return party

    async def stop(self) -> None:
        await asyncio.gather(*(node.syncer.stop() for node in self.nodes))
        await self.consortium.stop()
        for node in self.nodes:
            node.ledger.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(Consortium(tmp_path), tmp_path)
    yield made
    await made.stop()


async def test_a_node_that_was_down_catches_up(world: World) -> None:
    """From genesis over two epoch edges and a change of validators: the same head, the same certificates."""
    full = await world.node("full", blocks=LENGTH)
    late = await world.node("late")
    await until(late.network.connected)
    late.syncer.start_sync(LENGTH, (full.network.me,))
    await until(lambda: late.height == LENGTH)
    assert late.ledger.head_hash == full.ledger.head_hash
    for height in range(1, LENGTH + 1):
        assert late.ledger.chain.certificate(height) == full.ledger.chain.certificate(height)
        assert late.ledger.chain.validators(height) == full.ledger.chain.validators(height)
    assert late.syncer.status().imported == LENGTH
    await until(lambda: not late.syncer.status().syncing)


Forgery = Callable[[Ledger, list[BlockRecord]], BlockRecord]
BAD_HEIGHT = 5


def _short_of_a_quorum(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    block = ledger.chain.block(BAD_HEIGHT)
    assert block is not None
    record = records[BAD_HEIGHT - 1]
    return BlockRecord(record.block, seal(ledger, block, signers=(0, 1)).encode(), record.carried)


def _false_state_root(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    block = ledger.chain.block(BAD_HEIGHT)
    assert block is not None
    false = with_header(block, state_root=Hash32(b"\x66" * 32))
    return BlockRecord(false.rlp(), seal(ledger, false).encode(), records[BAD_HEIGHT - 1].carried)


def _other_block_certificate(_ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    return BlockRecord(records[BAD_HEIGHT - 1].block, records[BAD_HEIGHT - 2].certificate, records[4].carried)


def _carried_of_another_view(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    parent = ledger.chain.block(BAD_HEIGHT - 1)
    assert parent is not None
    record = records[BAD_HEIGHT - 1]
    return BlockRecord(record.block, record.certificate, seal(ledger, parent, view=3).encode())


def _carried_short_of_a_quorum(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    block, parent = ledger.chain.block(BAD_HEIGHT), ledger.chain.block(BAD_HEIGHT - 1)
    assert block is not None
    assert parent is not None
    weak = seal(ledger, parent, signers=(0, 1))
    false = with_header(block, parent_beacon_block_root=Hash32(weak.hash()))
    return BlockRecord(false.rlp(), seal(ledger, false).encode(), weak.encode())


def _not_a_child(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    block = ledger.chain.block(BAD_HEIGHT)
    assert block is not None
    false = with_header(block, parent_hash=Hash32(b"\x77" * 32))
    return BlockRecord(false.rlp(), seal(ledger, false).encode(), records[BAD_HEIGHT - 1].carried)


def _no_rlp(_ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    return BlockRecord(b"\xc0nonsense", records[BAD_HEIGHT - 1].certificate, records[BAD_HEIGHT - 1].carried)


def _seal_of_an_outsider(ledger: Ledger, records: list[BlockRecord]) -> BlockRecord:
    record = records[BAD_HEIGHT - 1]
    certificate = bytearray(record.certificate)
    certificate[-65:] = records[BAD_HEIGHT].certificate[-65:]
    return BlockRecord(record.block, bytes(certificate), record.carried)


@pytest.mark.parametrize(
    ("forge", "rule", "message"),
    [
        (_short_of_a_quorum, "P-10", "fewer seals than a quorum"),
        (_false_state_root, "P-1", "state_root"),
        (_other_block_certificate, "P-10", "another block's"),
        (_carried_of_another_view, "P-11", "not the named one"),
        (_carried_short_of_a_quorum, "P-11", "fewer seals than a quorum"),
        (_not_a_child, "P-1", "not a child"),
        (_no_rlp, "P-1", "block"),
        (_seal_of_an_outsider, "P-10", "not that validator's"),
    ],
)
async def test_a_false_block_is_refused_and_fetched_elsewhere(
    world: World, forge: Forgery, rule: str, message: str
) -> None:
    """A server with one false block is convicted, nothing of it is kept, and the node catches up from another."""
    full = await world.node("full", blocks=LENGTH)
    records = [_record(full.ledger, height) for height in range(1, LENGTH + 1)]
    forged = [*records[: BAD_HEIGHT - 1], forge(full.ledger, records)]
    liar = await world.liar("liar", lambda start: forged[start - 1 :])
    late = await world.node("late")
    await until(lambda: len(late.network.connected()) == 2)
    late.syncer.start_sync(LENGTH, (liar.address,))
    await until(lambda: late.height == LENGTH)
    assert late.ledger.head_hash == full.ledger.head_hash
    [conviction] = late.syncer.status().convicted
    assert (conviction.peer, conviction.rule) == (liar.address, rule)
    assert message in conviction.message


async def test_a_slow_peer_has_its_turn_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block at a time, each just within the time allowed, would keep a node behind for ever: others are asked."""
    monkeypatch.setattr("node.sync.syncer.SLOW_S", 0.05)
    full = await world.node("full", blocks=LENGTH)
    party = world.consortium.add("slow")
    network = world.consortium.network(party, head=lambda: 10**6)
    served: list[int] = []

    async def answer(_peer: Address, body: bytes) -> bytes:
        start = decode_body(body, BlocksRequest).start
        served.append(start)
        await asyncio.sleep(0.2)
        return await full.syncer._server.blocks(party.address, encode_body(BlocksRequest(start, 1)))

    network.on_request(BLOCKS, answer)
    await network.start()
    late = await world.node("late")
    await until(lambda: len(late.network.connected()) == 2)
    late.syncer.start_sync(LENGTH, (party.address,))
    await until(lambda: late.height == LENGTH)
    assert len(served) <= 3
    assert late.syncer.status().convicted == ()


async def test_claims_that_nobody_can_serve_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claimed height without blocks behind it does not keep the node busy for ever, nor convict anyone."""
    monkeypatch.setattr("node.sync.syncer.RETRY_S", 0.01)
    full = await world.node("full", blocks=2)
    late = await world.node("late")
    await until(late.network.connected)
    late.syncer.start_sync(10**12, (full.network.me,))
    await until(lambda: late.height == 2)
    await until(lambda: not late.syncer.status().syncing)
    assert late.syncer.status().target == 2
    assert late.syncer.status().convicted == ()


async def test_an_observer_follows_by_announcements(world: World) -> None:
    """A follower imports each block when its bank announces it, and what it missed before."""
    bank = await world.node("bank", blocks=3)
    observer = await world.node("observer", follow=True)
    await until(lambda: observer.height == 3)
    for height in range(4, 7):
        block = extend(bank.ledger).block
        bank.syncer.block_committed(block.number, block.hash)
        await until(lambda height=height: observer.height == height, 1.5)  # type: ignore[misc]
    assert observer.ledger.head_hash == bank.ledger.head_hash


async def test_an_observer_follows_by_polling_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost announcement is made good by the next poll."""
    monkeypatch.setattr("node.sync.syncer.POLL_S", 0.05)
    bank = await world.node("bank", blocks=1)
    observer = await world.node("observer", follow=True)
    await until(lambda: observer.height == 1)
    for _ in range(3):
        extend(bank.ledger)
    await until(lambda: observer.height == 4, 1.0)


async def test_a_proposal_is_found_at_the_first_peer_that_has_it(world: World) -> None:
    """By hash, from the chain of whoever has it; a peer that serves another block under its hash is passed over."""
    full = await world.node("full", blocks=4)
    liar = await world.liar("liar", lambda _start: [])

    async def other(_peer: Address, _body: bytes) -> bytes:
        record = _record(full.ledger, 3)
        return encode_body(ProposalAnswer(record.block, record.carried))

    world.consortium.networks[-1].on_request(PROPOSAL, other)
    late = await world.node("late")
    await until(lambda: len(late.network.connected()) == 2)
    wanted = full.ledger.head
    found = await late.syncer.fetch_block(4, wanted.hash, (liar.address,))
    assert found == Proposal(_record(full.ledger, 4).block, _record(full.ledger, 4).carried)
    assert await late.syncer.fetch_block(4, bytes(32)) is None
    assert await full.syncer.fetch_block(4, wanted.hash) == found


async def test_a_range_is_bounded_and_ends_at_the_head(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers no more than was asked, no more bytes than its limit, at least one block, none above."""
    full = await world.node("full", blocks=4)
    late = await world.node("late")
    await until(late.network.connected)

    async def count(start: int, number: int) -> int:
        body = encode_body(BlocksRequest(start, number))
        answer = await late.network.request(full.network.me, BLOCKS, body)
        return len(decode_body(answer, BlocksAnswer).blocks)

    assert await count(1, 2) == 2
    assert await count(3, 256) == 2
    assert await count(5, 1) == 0
    monkeypatch.setattr("node.sync.server.RANGE_BYTES_MAX", 1)
    assert await count(1, 4) == 1


def _record(ledger: Ledger, height: int) -> BlockRecord:
    block, certificate = ledger.chain.block_rlp(height), ledger.chain.certificate(height)
    assert block is not None
    assert certificate is not None
    return BlockRecord(block, certificate, ledger.chain.certificate(height - 1) or b"")


async def test_a_high_claim_with_nothing_behind_it_does_not_hold_up_the_others(world: World) -> None:
    """A peer claims a head far above everyone's, is asked first and withholds its blocks, at once or until the patience
    ends: the node reaches the true head by the others, and convicts nobody, since nothing false was said."""
    full = await world.node("full", blocks=LENGTH)
    party = world.consortium.add("boaster")
    network = world.consortium.network(party, head=lambda: 10**12)
    asked: list[int] = []

    async def withhold(_peer: Address, body: bytes) -> bytes:
        asked.append(decode_body(body, BlocksRequest).start)
        return encode_body(BlocksAnswer(()))

    network.on_request(BLOCKS, withhold)
    await network.start()
    for follow in (False, True):
        late = await world.node(f"late{follow}", follow=follow)
        await until(lambda late=late: len(late.network.connected()) >= 2)  # type: ignore[misc]
        late.syncer.start_sync(10**12, (party.address,))
        await until(lambda late=late: late.height == LENGTH)  # type: ignore[misc]
        assert late.ledger.head_hash == full.ledger.head_hash
        assert late.syncer.status().convicted == ()
    assert asked


async def test_a_quorum_of_the_old_set_seals_nothing_in_a_later_epoch(world: World) -> None:
    """A true block of epoch 2 with seals of the set of epoch 1: the server is convicted and another one is asked."""
    full = await world.node("full", blocks=LENGTH)
    height = CHANGE_EPOCH * PARAMETERS.epoch_length + 1
    block = full.ledger.chain.block(height)
    assert block is not None
    epoch = epoch_of(height, PARAMETERS.epoch_length)
    place = domain(CHAIN_ID, full.ledger.genesis_hash, epoch, validator_set_hash(epoch, addresses(FIRST_SET)))
    digest = seal_digest(place, 0, height, block.hash)
    old = make_commit_certificate(epoch, 0, height, block.hash, {n: FIRST_SET[n].sign(digest) for n in range(3)})
    records = [_record(full.ledger, number) for number in range(1, LENGTH + 1)]
    records[height - 1] = BlockRecord(records[height - 1].block, old.encode(), records[height - 1].carried)
    liar = await world.liar("liar", lambda start: records[start - 1 :])
    late = await world.node("late")
    await until(lambda: len(late.network.connected()) == 2)
    late.syncer.start_sync(LENGTH, (liar.address,))
    await until(lambda: late.height == LENGTH)
    [conviction] = late.syncer.status().convicted
    assert (conviction.peer, conviction.rule) == (liar.address, "P-10")


async def test_a_bank_without_old_blocks_says_so_and_another_is_asked(world: World) -> None:
    """Who joined by snapshot refuses ranges from below with the height in words; that is no false block."""
    young = await world.node("young", blocks=LENGTH)
    marker = SnapshotMarker(LENGTH - 2, LENGTH - 2, pinned=False)
    young.ledger._kv.write([(keyspace.SNAPSHOT_MARKER, marker.encode())], sync=False)
    full = await world.node("full", blocks=LENGTH)
    late = await world.node("late")
    await until(lambda: len(late.network.connected()) == 2)
    with pytest.raises(RequestRefused, match=f"history starts at height {LENGTH - 1}"):
        await late.network.request(young.network.me, BLOCKS, encode_body(BlocksRequest(1, 1)))
    late.syncer.start_sync(LENGTH, (young.network.me,))
    await until(lambda: late.height == LENGTH)
    assert late.ledger.head_hash == full.ledger.head_hash
    assert late.syncer.status().convicted == ()
