"""Joining by snapshot: real TLS connections, real ledgers, real seals, and servers that lie."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consensus.types import Proposal
from node.chain.receipt import Receipt
from node.chain.snapshot import HistoryMissing, SnapshotMarker
from node.clock import SystemClock
from node.errors import DataError, InvalidBlock, LimitExceeded, PrayaError
from node.execution.check import check_database
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER, keccak256
from node.p2p import PeerNetwork
from node.state.batch_trie import Branch, decode_node
from node.storage import LevelDB, keyspace
from node.sync import SnapshotServer
from node.sync.headers import Pin
from node.sync.joiner import SnapshotJoiner
from node.sync.messages import Body, decode_body, encode_body
from node.sync.snapshot_messages import (
    CODES,
    HEADERS,
    TAIL,
    TRIES,
    CodesAnswer,
    CodesRequest,
    HeadersAnswer,
    HeadersRequest,
    RangeAnswer,
    RangeQuestion,
    TailAnswer,
    TailRequest,
    TriesAnswer,
    TriesRequest,
)
from node.sync.staging import Staging
from node.sync.verify import RecordVerifier
from node.types import Address, Hash32
from tests.execution.chain import sign
from tests.p2p.parties import CHAIN_ID, Consortium, until
from tests.sync import chain
from tests.sync.chain import PARAMETERS, config, extend, genesis, import_into, open_ledger, rules

LENGTH = 12
"""Blocks of the served chain: three epochs, with a change of validators between."""
ANSWERS: dict[str, type[Body]] = {HEADERS: HeadersAnswer, TRIES: TriesAnswer, CODES: CodesAnswer, TAIL: TailAnswer}
Forge = Callable[[Any], Any]


@dataclass
class World:
    """Servers and joiners that are stopped at the end of a test."""

    consortium: Consortium
    root: Path
    ledgers: list[Ledger] = field(default_factory=list)
    stores: list[LevelDB] = field(default_factory=list)
    asked: dict[tuple[str, str], int] = field(default_factory=dict)

    def ledger(self, name: str, blocks: int) -> Ledger:
        made = open_ledger(self.root / f"{name}-chain")
        for _ in range(blocks):
            extend(made)
        self.ledgers.append(made)
        return made

    async def server(
        self, name: str, ledger: Ledger, *, forge: dict[str, Forge] | None = None, head: int | None = None
    ) -> Address:
        """A started member that serves the ledger, each kind of answer as ``forge`` changes it."""
        party = self.consortium.add(name)
        network = self.consortium.network(party, head=lambda: ledger.head.number if head is None else head)
        server = SnapshotServer(
            ledger.chain, ledger.state, window=chain.PARAMETERS.window, epoch_length=PARAMETERS.epoch_length
        )
        for kind, handler in server.handlers.items():
            network.on_request(kind, partial(self._answer, name, kind, handler, (forge or {}).get(kind)))
        await network.start()
        return party.address

    async def _answer(self, name: str, kind: str, handler: Any, forge: Forge | None, peer: Address, body: bytes) -> Any:
        self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
        data = await handler(peer, body)
        if forge is None:
            return data
        made = forge(decode_body(data, ANSWERS[kind]))
        return made if isinstance(made, bytes) else encode_body(made)

    async def network(self, peers: int) -> PeerNetwork:
        """The joining bank's, connected to so many."""
        party = self.consortium.add(f"late{len(self.consortium.parties)}")
        network = self.consortium.network(party)
        await network.start()
        await until(lambda: len(network.connected()) == peers)
        return network

    def staging(self) -> Staging:
        store = LevelDB.open(self.root / "joining")
        self.stores.append(store)
        staging = Staging(store)
        empty = open_ledger(self.root / "empty-chain")
        staging.begin(empty.head, genesis().digest, empty.next_validators)
        empty.close()
        return staging

    def joiner(self, network: PeerNetwork, staging: Staging, **options: Any) -> SnapshotJoiner:
        header = staging.header(0)
        return SnapshotJoiner(
            network=network,
            staging=staging,
            config=config(header.hash),
            verifier=SECP256K1_VERIFIER,
            clock=SystemClock(),
            block_bytes_max=2**21,
            **{"blocks_min": 2, **options},
        )

    def joined(self) -> Ledger:
        """The finished staging, as the ledger that it has become."""
        for store in self.stores:
            store.close()
        self.stores.clear()
        ledger = open_ledger(self.root / "joining")
        self.ledgers.append(ledger)
        return ledger

    async def stop(self) -> None:
        await self.consortium.stop()
        for closable in (*self.ledgers, *self.stores):
            closable.close()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Small answers, so that a small state takes many of them, and short rests."""
    monkeypatch.setattr("node.sync.joiner.HEADERS_COUNT_MAX", 5)
    monkeypatch.setattr("node.sync.joiner.RANGES_MAX", 4)
    monkeypatch.setattr("node.sync.snapshot_server.LEAVES_MAX", 17)
    monkeypatch.setattr("node.sync.joiner.LEAVES_MIN", 1)
    monkeypatch.setattr("node.sync.joiner.FIRST_PEERS_S", 0.3)
    monkeypatch.setattr("node.sync.asker.REST_S", 0.02)
    made = World(Consortium(tmp_path), tmp_path)
    yield made
    await made.stop()


def check_equal(joined: Ledger, full: Ledger, height: int) -> None:
    """The joined ledger is what execution made of the same blocks."""
    assert joined.head == full.chain.header(height)
    assert joined.next_validators == full.chain.validators(height + 1)
    assert joined.state.check_flat_equals_tries() > 600
    for number in range(height + 1):
        assert joined.chain.header(number) == full.chain.header(number)
        assert joined.chain.number_of(joined.chain.header(number).hash) == number  # type: ignore[union-attr]
        assert joined.chain.validators(max(1, number)) == full.chain.validators(max(1, number))
    assert joined.chain.block(height) == full.chain.block(height)
    assert joined.chain.receipts(height) == full.chain.receipts(height)
    for number in (height - 1, height):
        assert joined.chain.certificate(number) == full.chain.certificate(number)


async def test_a_bank_joins_without_executing_and_goes_on_by_executing(world: World) -> None:
    """Over epoch edges and a change of validators: the same head, state, headers and sets as the server's, a marker
    that says so, an error of ours for what is below it; and the next blocks are executed like any other's."""
    full = world.ledger("full", LENGTH)
    await world.server("full", full)
    network = await world.network(1)
    marker = await world.joiner(network, world.staging()).run()
    assert marker == SnapshotMarker(height=LENGTH, first_block=LENGTH, pinned=False)
    joined = world.joined()
    assert joined.snapshot == marker
    check_equal(joined, full, LENGTH)
    for _ in range(PARAMETERS.epoch_length + 1):
        made = extend(full)
        await import_into(joined, Proposal(made.record.block, made.record.carried), made.record.certificate)
    assert joined.head_hash == full.head_hash
    assert joined.state.check_flat_equals_tries() == full.state.check_flat_equals_tries()
    old = joined.chain.header(LENGTH - 1)
    assert old is not None
    for attempt in (lambda: joined.state_at(old), lambda: joined.proof_at(old, Address(bytes(20)), [])):
        with pytest.raises(HistoryMissing, match=f"history starts at height {LENGTH + 1}"):
            attempt()
    assert joined.chain.block(LENGTH - 1) is None
    assert isinstance(joined.chain.absent(LENGTH - 1), HistoryMissing)
    joined.state_at(joined.chain.header(LENGTH)).account(Address(bytes(20)))  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [2, 4])
async def test_a_wide_window_is_taken_over_whole(world: World, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """P-11 with W > 1: the last W blocks come with their certificates, and with those of W heights before that they
    name; so the next blocks, which name certificates of blocks that were not executed here, are checked and taken."""
    wide = replace(PARAMETERS, window=window, activation_delay=window + 1)
    monkeypatch.setattr(chain, "PARAMETERS", wide)
    genesis.cache_clear()
    try:
        full = world.ledger("full", LENGTH)
        await world.server("full", full)
        marker = await world.joiner(await world.network(1), world.staging()).run()
        assert marker == SnapshotMarker(height=LENGTH, first_block=LENGTH - window + 1, pinned=False)
        joined = world.joined()
        for number in range(LENGTH - 2 * window + 1, LENGTH + 1):
            assert joined.chain.certificate(number) == full.chain.certificate(number)
        for number in range(LENGTH - window + 1, LENGTH + 1):
            assert joined.chain.block(number) == full.chain.block(number)
            assert joined.chain.receipts(number) == full.chain.receipts(number)
        verifier = RecordVerifier(config(joined.genesis_hash), joined.chain, SECP256K1_VERIFIER, 2**21)
        for _ in range(2 * window):
            made = extend(full)
            verifier.check(made.record)
            await import_into(joined, Proposal(made.record.block, made.record.carried), made.record.certificate)
        assert joined.head_hash == full.head_hash
    finally:
        for ledger in world.ledgers:
            ledger.close()
        genesis.cache_clear()


@pytest.mark.parametrize("damage", ["nothing", "header", "word", "node", "receipts", "set", "code"])
async def test_the_check_holds_a_joined_database_to_its_headers(world: World, damage: str) -> None:
    """Taken over or executed, every entry is what headers, snapshot and later blocks make of it; one that is not is
    found."""
    full = world.ledger("full", LENGTH)
    await world.server("full", full)
    await world.joiner(await world.network(1), world.staging()).run()
    joined = world.joined()
    for _ in range(3):
        made = extend(full)
        await import_into(joined, Proposal(made.record.block, made.record.carried), made.record.certificate)
    kv = joined._kv
    (word, _), *_ = kv.iterate(keyspace.SLOT)
    (code, _), *_ = kv.iterate(keyspace.CODE)
    known = joined.chain.header(3)
    assert known is not None
    edits: dict[str, tuple[bytes, bytes | None] | None] = {
        "nothing": None,
        "header": (keyspace.header_by_number(3), replace(known, timestamp=known.timestamp + 1).rlp()),
        "word": (word, b"\x63"),
        "node": (keyspace.trie_node(full.chain.header(LENGTH).state_root), None),  # type: ignore[union-attr]
        "receipts": (keyspace.receipts_by_number(LENGTH), b"\xc1\xc0"),
        "set": (keyspace.validators_from(5), b"\x01" * 20),
        "code": (code, b"\x00"),
    }
    edit = edits[damage]
    if edit is not None:
        kv.write([edit], sync=False)
    joined.close()
    world.ledgers.remove(joined)
    path = world.root / "joining"
    if damage != "nothing":
        with pytest.raises(PrayaError) as caught:
            check_database(path, genesis(), rules=rules())
        assert caught.value.exit_code == 65
        return
    report = check_database(path, genesis(), rules=rules())
    assert report.head == LENGTH + 3
    assert report.snapshot == SnapshotMarker(LENGTH, LENGTH, pinned=False)


async def test_who_joined_by_snapshot_serves_the_next_one(world: World) -> None:
    """A bank that has no old blocks and few old certificates still lets another one join by snapshot."""
    full = world.ledger("full", LENGTH)
    await world.server("full", full)
    await world.joiner(await world.network(1), world.staging()).run()
    first = world.joined()
    for _ in range(2):
        made = extend(full)
        await import_into(first, Proposal(made.record.block, made.record.carried), made.record.certificate)
    await world.consortium.stop()
    world.consortium.networks.clear()
    world.root = world.root / "second"
    world.consortium = Consortium(world.root)
    await world.server("first", first)
    marker = await world.joiner(await world.network(1), world.staging()).run()
    assert marker is not None
    assert marker.height == LENGTH + 2
    check_equal(world.joined(), full, LENGTH + 2)


async def test_a_short_chain_is_left_to_execution(world: World) -> None:
    """Below the least length nothing is taken over; a claimed head that nobody can prove makes no chain longer."""
    full = world.ledger("full", 3)
    await world.server("full", full, head=10**12)
    network = await world.network(1)
    assert await world.joiner(network, world.staging(), blocks_min=4).run() is None


async def test_an_interrupted_join_goes_on_where_it_was(world: World) -> None:
    """Cut off at each stage in turn and begun anew over the same folder: it keeps its block though the chain moves on,
    fetches nothing of the accounts twice, and is no ledger before its end."""
    full = world.ledger("full", LENGTH)
    address = await world.server("full", full)
    network = await world.network(1)
    staging = world.staging()
    stages: list[str] = []
    origins: list[bytes | None] = []
    for limit in range(1, 60):
        joiner = world.joiner(network, staging)
        answered = 0
        ask = network.request

        async def counted(to: Address, kind: str, body: bytes, timeout_s: float = 10.0) -> bytes:
            nonlocal answered
            answered += 1
            if answered > limit:  # noqa: B023 - used within the same turn
                await asyncio.Event().wait()
            return await ask(to, kind, body, timeout_s)  # noqa: B023

        network.request = counted  # type: ignore[method-assign, assignment]
        running = asyncio.create_task(joiner.run())
        await until(lambda: running.done() or answered > limit)  # noqa: B023
        stages.append(joiner.progress.stage)
        network.request = ask  # type: ignore[method-assign]
        running.cancel()
        (result,) = await asyncio.gather(running, return_exceptions=True)
        if isinstance(result, SnapshotMarker):
            break
        assert staging.chain.is_empty
        origins.append(staging.account_origin() if staging.pivot() is not None else bytes(32))
        extend(full)
    else:
        pytest.fail("it never came to its end")
    assert {"headers", "state"} <= set(stages)
    assert origins == sorted(origins, key=lambda origin: origin or b"\xff" * 33)
    pivot = result.height
    assert pivot <= LENGTH + len(origins)
    check_equal(world.joined(), full, pivot)
    assert address not in joiner.convicted()


def _certificate_of_another_block(answer: HeadersAnswer) -> HeadersAnswer:
    sealed = [record for record in answer.records if record.certificate]
    return _with_last(answer, certificate=sealed[0].certificate if len(sealed) > 1 else bytes(89))


def _without_certificates(answer: HeadersAnswer) -> HeadersAnswer:
    return HeadersAnswer(tuple(msgspec.structs.replace(record, certificate=b"") for record in answer.records))


def _with_last(answer: HeadersAnswer, **changes: bytes) -> HeadersAnswer:
    return HeadersAnswer((*answer.records[:-1], msgspec.structs.replace(answer.records[-1], **changes)))


def _hole(answer: HeadersAnswer) -> HeadersAnswer:
    return HeadersAnswer(answer.records[1:])


def _strangers(answer: HeadersAnswer) -> HeadersAnswer:
    """Names validators of its own at every edge."""
    mine = b"".join(sorted(bytes([n]) * 20 for n in range(1, 5)))
    rows = [
        msgspec.structs.replace(record, validators=mine if record.certificate else b"") for record in answer.records
    ]
    return HeadersAnswer(tuple(rows))


def _first(answer: TriesAnswer, **changes: Any) -> TriesAnswer:
    return TriesAnswer((msgspec.structs.replace(answer.ranges[0], **changes), *answer.ranges[1:]))


def _drop_leaf(answer: TriesAnswer) -> TriesAnswer:
    return _first(answer, leaves=answer.ranges[0].leaves[:-1] or ((bytes(32), b"\x01"),))


def _richer(answer: TriesAnswer) -> TriesAnswer:
    (key, value), *others = answer.ranges[0].leaves
    return _first(answer, leaves=((key, value[:-1] + bytes([value[-1] ^ 1])), *others))


def _extra_leaf(answer: TriesAnswer) -> TriesAnswer:
    return _first(answer, leaves=(*answer.ranges[0].leaves, (b"\xff" * 32, b"\x01")))


def _early_end(answer: TriesAnswer) -> TriesAnswer:
    if answer.ranges[-1].complete:
        return _drop_leaf(answer)
    return TriesAnswer((*answer.ranges[:-1], msgspec.structs.replace(answer.ranges[-1], complete=True)))


def _empty_range(_answer: TriesAnswer) -> TriesAnswer:
    return TriesAnswer((RangeAnswer((), complete=True, proof=()),))


def _endless(_answer: TriesAnswer) -> TriesAnswer:
    return TriesAnswer((RangeAnswer((), complete=False, proof=()),))


def _other_receipts(answer: TailAnswer) -> TailAnswer:
    (encoded,) = answer.receipts
    receipt = Receipt.decode(encoded)
    return msgspec.structs.replace(answer, receipts=(replace(receipt, status=1 - receipt.status).encode(),))


LIES: dict[str, tuple[str, Forge]] = {
    "a certificate of another block": (HEADERS, _certificate_of_another_block),
    "no certificates": (HEADERS, _without_certificates),
    "a header left out": (HEADERS, _hole),
    "validators of its own": (HEADERS, _strangers),
    "bytes that are no answer": (HEADERS, lambda _answer: b"\x91" * 2_000),
    "an account left out": (TRIES, _drop_leaf),
    "another balance": (TRIES, _richer),
    "an account more": (TRIES, _extra_leaf),
    "an early end": (TRIES, _early_end),
    "an empty state": (TRIES, _empty_range),
    "a range without end": (TRIES, _endless),
    "another code": (CODES, lambda _answer: CodesAnswer((b"\x00",))),
    "another block": (TAIL, lambda answer: msgspec.structs.replace(answer, receipts=(b"\xc0",))),
    "another result of a transaction": (TAIL, _other_receipts),
    "a carried certificate that the header does not name": (
        TAIL,
        lambda answer: msgspec.structs.replace(
            answer, record=msgspec.structs.replace(answer.record, carried=answer.record.certificate)
        ),
    ),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_found_out_and_another_peer_is_asked(world: World, name: str) -> None:
    """Whatever one server forges, it is convicted, and the bank joins by the true answers of another."""
    full = world.ledger("full", LENGTH - 1)
    extend(full, [sign(chainId=CHAIN_ID, to=Address(b"\x11" * 20), gas=21_000)])
    kind, forge = LIES[name]
    liar = await world.server("liar", full, forge={kind: forge})
    network = await world.network(1)
    joiner = world.joiner(network, world.staging())
    running = asyncio.create_task(joiner.run())
    await until(joiner.convicted)
    assert joiner.convicted() == (liar,)
    assert not running.done()
    honest = world.consortium.add("honest")
    serving = world.consortium.network(honest, head=lambda: LENGTH)
    server = SnapshotServer(full.chain, full.state, window=1, epoch_length=PARAMETERS.epoch_length)
    for each, handler in server.handlers.items():
        serving.on_request(each, handler)
    await serving.start()
    marker = await asyncio.wait_for(running, 20)
    assert marker is not None
    check_equal(world.joined(), full, LENGTH)


async def test_a_pin_chooses_between_chains_and_is_told(world: World) -> None:
    """H31: another chain than the pinned one is refused whoever sealed it, and no other is taken instead; a pin that
    nobody's chain reaches is waited for; with the right one the marker says that it was pinned."""
    full = world.ledger("full", LENGTH)
    server = await world.server("full", full)
    network = await world.network(1)
    staging = world.staging()
    for pin, convicted in ((Pin(7, Hash32(b"\x77" * 32)), (server,)), (Pin(99, Hash32(b"\x77" * 32)), ())):
        joiner = world.joiner(network, staging, pin=pin)
        running = asyncio.create_task(joiner.run())
        await until(lambda: world.asked.get(("full", HEADERS), 0) >= 1)
        await until(lambda: joiner.convicted() == convicted)  # noqa: B023 - used within the same turn
        assert staging.pivot() is None
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    known = full.chain.header(7)
    assert known is not None
    marker = await world.joiner(network, staging, pin=Pin(7, known.hash)).run()
    assert marker is not None
    assert marker.pinned


async def test_a_pin_that_came_later_holds_for_what_is_staged(world: World) -> None:
    """Headers staged before the operator named a block are held to it too: of another chain, nothing is taken over, nor
    called pinned."""
    full = world.ledger("full", LENGTH)
    await world.server("full", full)
    network = await world.network(1)
    staging = world.staging()
    running = asyncio.create_task(world.joiner(network, staging, pin=Pin(99, Hash32(bytes(32)))).run())
    await until(lambda: staging.tip().number == LENGTH)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for height in (0, 7, LENGTH):
        with pytest.raises(InvalidBlock, match="staged"):
            await world.joiner(network, staging, pin=Pin(height, Hash32(b"\x77" * 32))).run()
    assert staging.chain.is_empty


async def test_a_stop_while_another_block_is_chosen_leaves_no_holes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after the state of the block before was removed: the next start does not go on with that block."""
    full = world.ledger("full", LENGTH)
    await world.server("full", full)
    network = await world.network(1)
    staging = world.staging()
    running = asyncio.create_task(world.joiner(network, staging).run())
    await until(lambda: staging.pivot() is not None and staging.account_origin() not in (None, bytes(32)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    clear = staging._clear

    def cleared_and_cut() -> None:
        clear()
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(staging, "_clear", cleared_and_cut)
        with pytest.raises(KeyboardInterrupt):
            staging.choose(staging.tip())
    assert await world.joiner(network, staging).run() is not None
    check_equal(world.joined(), full, LENGTH)


async def test_a_slow_or_stingy_server_is_asked_after_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One leaf at a time is true and of little use, silence is of none: the others do the serving."""
    monkeypatch.setattr("node.sync.joiner.LEAVES_MIN", 5)
    monkeypatch.setattr("node.sync.asker.ANSWER_TIMEOUT_S", 0.3)
    full = world.ledger("full", LENGTH)

    async def never(_peer: Address, _body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    await world.server("silent", full)
    for kind in (HEADERS, TRIES, CODES, TAIL):
        world.consortium.networks[-1].on_request(kind, never)
    await world.server("full", full)
    network = await world.network(2)
    joiner = world.joiner(network, world.staging())
    assert await asyncio.wait_for(joiner.run(), 20) is not None
    assert joiner.convicted() == ()
    assert world.asked["full", TRIES] > 20


async def test_a_server_bounds_what_it_does_for_one_peer(world: World) -> None:
    """Malformed questions and unknown roots end in its own errors; more open questions than its limit are "busy"."""
    full = world.ledger("full", 3)
    server = SnapshotServer(full.chain, full.state, window=1, epoch_length=PARAMETERS.epoch_length)
    me = Address(b"\x01" * 20)
    with pytest.raises(DataError, match="missing"):
        await server.handlers[TRIES](me, encode_body(TriesRequest((RangeQuestion(b"\x05" * 32, bytes(32)),))))
    root = decode_node(full.state.read_node(full.head.state_root) or b"")
    assert isinstance(root, Branch)
    below = next(child[1:] for child in root.children if len(child) == 33)  # paths are short from here on
    for kind, body in (
        (TRIES, b"\xff"),
        (TRIES, encode_body(TriesRequest((RangeQuestion(below, bytes(32)),)))),
        (CODES, encode_body(CodesRequest((keccak256(b"unknown"),)))),
        (TAIL, encode_body(TailRequest(99))),
    ):
        with pytest.raises(DataError):
            await server.handlers[kind](me, body)
    body = encode_body(HeadersRequest(1, 2))
    answers = await asyncio.gather(*(server.handlers[HEADERS](me, body) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(each, LimitExceeded) for each in answers) == 5
    other = await server.handlers[HEADERS](Address(b"\x02" * 20), body)
    assert len(decode_body(other, HeadersAnswer).records) == 2


async def test_who_leaves_before_the_answer_does_not_multiply_reads(world: World) -> None:
    """A read in a thread goes on when its asker is gone: however often one asks and leaves, one read runs at a time."""
    full = world.ledger("full", 3)
    server = SnapshotServer(full.chain, full.state, window=1, epoch_length=PARAMETERS.epoch_length)
    running, most = 0, 0
    begun, proceed = threading.Event(), threading.Event()

    def read(_body: bytes) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        begun.set()
        proceed.wait(10)
        running -= 1
        return b""

    handler = server._handler(read)
    for _ in range(5):
        asking = asyncio.ensure_future(handler(Address(b"\x01" * 20), b""))
        await until(begun.is_set)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    last = asyncio.ensure_future(handler(Address(b"\x01" * 20), b""))
    await asyncio.sleep(0)
    proceed.set()
    assert await last == b""
    assert most == 1
