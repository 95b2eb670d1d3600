"""The transaction pool over a small state: admission, order, bounds, and what a block changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.chain import Transaction
from node.errors import InvalidTransaction
from node.keys import EMPTY_CODE_HASH, PrivateKey
from node.txpool import PoolLimits, TransactionPool
from node.types import Account, Address, Hash32, StateReader
from tests.chain.build import CHAIN_ID, child, make_genesis, make_header, sign

ALICE = PrivateKey.from_bytes(b"\x0a" * 32)
BOB = PrivateKey.from_bytes(b"\x0b" * 32)
STRANGER = PrivateKey.from_bytes(b"\x0c" * 32)


@dataclass
class World:
    """A state that the test may change, the roles that permissioning would read from it, and a clock."""

    accounts: dict[Address, Account] = field(default_factory=dict)
    registered: set[Address] = field(default_factory=set)
    deployers: set[Address] = field(default_factory=set)
    now_us: int = 1_000

    def account(self, address: Address) -> Account | None:
        return self.accounts.get(address)

    def storage(self, address: Address, slot: int) -> int:
        return 0

    def code(self, code_hash: Hash32) -> bytes:
        return b""

    def is_registered(self, state: StateReader, address: Address) -> bool:
        return address in self.registered

    def may_deploy(self, state: StateReader, address: Address) -> bool:
        return address in self.deployers

    def validators_at(self, state: StateReader, height: int) -> tuple[Address, ...]:
        return ()

    def bump(self, key: PrivateKey, nonce: int) -> None:
        self.accounts[key.address] = Account(nonce, 100, EMPTY_CODE_HASH)


@pytest.fixture
def world() -> World:
    """Alice and Bob are registered and own 100 wei; Alice may deploy."""
    world = World(registered={ALICE.address, BOB.address}, deployers={ALICE.address})
    world.bump(ALICE, 0)
    world.bump(BOB, 0)
    return world


def make_pool(world: World, **limits: int) -> TransactionPool:
    """A pool over the test's world."""
    return TransactionPool(make_genesis(), lambda: world, world, lambda: world.now_us, PoolLimits(**limits))


def refused(pool: TransactionPool, raw: bytes) -> str:
    """The reason for which the pool refuses."""
    with pytest.raises(InvalidTransaction) as caught:
        pool.add(raw)
    return caught.value.reason


def commit(pool: TransactionPool, world: World, *raws: bytes) -> None:
    """A block with these transactions: nonces move on, the pool is told."""
    transactions = tuple(Transaction.decode(raw) for raw in raws)
    for tx in transactions:
        world.accounts[tx.sender] = Account(tx.nonce + 1, 100, EMPTY_CODE_HASH)
    pool.on_block(SimpleNamespace(block=child(make_header(), transactions)))


def test_order_is_arrival_across_senders_and_nonce_within_one(world: World) -> None:
    """Candidates are executable in the order given: no nonce gap, earliest arrival first."""
    pool = make_pool(world)
    a2, b0, a0, a1 = sign(ALICE, nonce=2), sign(BOB, nonce=0), sign(ALICE, nonce=0), sign(ALICE, nonce=1)
    for raw in (a2, b0, a0):
        pool.add(raw)
    assert [tx.raw for tx in pool.candidates()] == [b0, a0]
    assert pool.contents().queued[ALICE.address][0].raw == a2
    pool.add(a1)
    assert [tx.raw for tx in pool.candidates()] == [b0, a0, a1, a2]
    assert pool.next_nonce(ALICE.address) == 3 and pool.next_nonce(STRANGER.address) == 0
    assert len(pool) == 4 and pool.pending()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: sign(STRANGER), "unknown_sender"),
        (lambda: sign(BOB, to=None, gas=100_000), "not_deployer"),
        (lambda: sign(ALICE, chainId=CHAIN_ID + 1), "wrong_chain_id"),
        (lambda: sign(ALICE, gasPrice=0, chainId=None), "unprotected"),
        (lambda: sign(ALICE, gas=8_000_001), "gas_too_high"),
        (lambda: sign(ALICE, gas=20_999), "intrinsic_gas"),
        (lambda: sign(ALICE, data=b"\x01" * 140_000, gas=8_000_000), "tx_too_large"),
        (lambda: sign(ALICE, nonce=65), "nonce_too_far"),
        (lambda: sign(ALICE, value=101), "insufficient_funds"),
        (lambda: sign(ALICE, gasPrice=1), "insufficient_funds"),
        (lambda: sign(ALICE, to=None, data=b"\x00" * 49_153, gas=8_000_000), "initcode_too_large"),
        (lambda: b"\x03" + sign(ALICE)[1:], "blob"),
        (lambda: b"\xff\xff", "malformed"),
    ],
)
def test_each_refusal_has_its_reason(world: World, make: Callable[[], bytes], reason: str) -> None:
    """Bad input is refused with a stable reason, counted, and leaves nothing behind."""
    pool = make_pool(world)
    heard: list[str] = []
    pool.refused_listeners.append(heard.append)
    assert refused(pool, make()) == reason and heard == [reason]
    assert pool.rejects == {reason: 1} and len(pool) == 0 and not pool.pending()


def test_known_low_and_replacing(world: World) -> None:
    """Twice the same is "already_known"; the same nonce needs a higher price; a used nonce is too low."""
    pool = make_pool(world)
    raw = sign(ALICE)
    pool.add(raw)
    assert refused(pool, raw) == "already_known"
    assert refused(pool, sign(ALICE, value=1)) == "replacement_underpriced"
    world.accounts[ALICE.address] = Account(0, 10**9, EMPTY_CODE_HASH)
    dearer = sign(ALICE, maxFeePerGas=1)
    pool.add(dearer)
    assert [tx.raw for tx in pool.candidates()] == [dearer]
    assert pool.why_dropped(Transaction.decode(raw).hash) == "replaced"
    commit(pool, world, dearer)
    assert refused(pool, dearer) == "already_known"
    assert refused(pool, raw) == "nonce_too_low"
    assert pool.why_dropped(Transaction.decode(dearer).hash) == "included"


def test_block_drops_included_and_stale(world: World) -> None:
    """After a block: what it held is gone, a rival with the same nonce too, what follows becomes executable."""
    pool = make_pool(world)
    mine, rival, next_one, bobs = sign(ALICE), sign(ALICE, value=5), sign(ALICE, nonce=1), sign(BOB, value=50)
    for raw in (mine, next_one, bobs):
        pool.add(raw)
    commit(pool, world, rival)
    assert [tx.raw for tx in pool.candidates()] == [next_one, bobs]
    assert pool.why_dropped(Transaction.decode(mine).hash) == "nonce_too_low"
    world.registered.discard(ALICE.address)
    world.accounts[BOB.address] = Account(0, 49, EMPTY_CODE_HASH)
    commit(pool, world)
    assert len(pool) == 0
    assert pool.why_dropped(Transaction.decode(next_one).hash) == "unknown_sender"
    assert pool.why_dropped(Transaction.decode(bobs).hash) == "insufficient_funds"


def test_eviction_is_remembered_until_the_next_block(world: World) -> None:
    """An evicted transaction is refused with its reason on this head for a while, or until the next block."""
    pool = make_pool(world)
    first, second = sign(ALICE), sign(ALICE, nonce=1)
    tx_hash = pool.add(first)
    pool.add(second)
    pool.evict(tx_hash, "precompile_excluded")
    pool.evict(b"\x00" * 32, "unknown hashes are ignored")
    assert not pool.pending() and pool.oldest_us is None and len(pool) == 1
    assert refused(pool, first) == "precompile_excluded"
    commit(pool, world)
    pool.add(first)
    assert [tx.raw for tx in pool.candidates()] == [first, second]
    pool.evict(tx_hash, "cpu_budget")
    assert refused(pool, first) == "cpu_budget"
    world.now_us += PoolLimits().eviction_hold_us
    pool.add(first)
    assert pool.pending()


def test_age_counts_from_when_it_became_executable(world: World) -> None:
    """``oldest_us`` is the time since which the oldest executable one is so; a gap does not count (P-14)."""
    pool = make_pool(world)
    pool.add(sign(ALICE, nonce=1))
    assert pool.oldest_us is None
    world.now_us = 5_000
    zero = sign(ALICE)
    pool.add(zero)
    assert pool.oldest_us == 5_000
    world.now_us = 9_000
    pool.add(sign(BOB))
    commit(pool, world, zero)
    assert pool.oldest_us == 5_000


def test_bounds(world: World) -> None:
    """The pool, a sender's share and the memory of reasons are bounded; a gap gives way to executable ones."""
    pool = make_pool(world, total_max=3, per_sender_max=2, dropped_reasons_max=2)
    pool.add(sign(BOB, nonce=5))
    pool.add(sign(ALICE))
    pool.add(sign(ALICE, nonce=1))
    assert refused(pool, sign(ALICE, nonce=2)) == "sender_full"
    assert refused(pool, sign(BOB, nonce=7)) == "pool_full"
    pool.add(sign(BOB))
    assert pool.why_dropped(Transaction.decode(sign(BOB, nonce=5)).hash) == "pool_full"
    assert refused(pool, sign(BOB, nonce=1)) == "pool_full"
    commit(pool, world, sign(ALICE), sign(ALICE, nonce=1), sign(BOB))
    assert len(pool._dropped) == 2
    tiny = make_pool(world, bytes_max=200)
    tiny.add(sign(ALICE, nonce=3))
    assert refused(tiny, sign(BOB, nonce=1, data=b"\x01" * 200, gas=50_000)) == "pool_full"
    assert len(tiny) == 1


def test_gap_expires(world: World) -> None:
    """What waits behind a missing nonce longer than its lifetime is dropped at the next block."""
    pool = make_pool(world, gap_lifetime_us=10)
    tx_hash = pool.add(sign(ALICE, nonce=1))
    world.now_us += 11
    commit(pool, world)
    assert len(pool) == 0 and pool.why_dropped(tx_hash) == "nonce_gap_expired"


def test_listeners_hear_origin(world: World) -> None:
    """Gossip hears each admitted transaction once, with the peer that it came from."""
    pool = make_pool(world)
    heard: list[tuple[bytes, Any]] = []
    changes: list[int] = []
    pool.accepted_listeners.append(lambda tx, origin: heard.append((tx.raw, origin)))
    pool.changed_listeners.append(lambda: changes.append(len(pool)))
    first, second = sign(ALICE), sign(ALICE, nonce=1)
    pool.add(first)
    pool.add(second, origin=BOB.address)
    refused(pool, first)
    assert heard == [(first, None), (second, BOB.address)] and changes == [1, 2]
    assert list(pool.raw_transactions()) == [first, second]


SIGNED = [[sign(key, nonce=nonce) for nonce in range(5)] for key in (ALICE, BOB)]
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["add", "evict", "commit"]), st.integers(0, 1), st.integers(0, 4)), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_any_history_keeps_the_pool_consistent(actions: list[tuple[str, int, int]]) -> None:
    """Whatever comes, is evicted and committed: candidates are gapless from the state's nonces, counts agree."""
    world = World(registered={ALICE.address, BOB.address})
    world.bump(ALICE, 0)
    world.bump(BOB, 0)
    pool = make_pool(world, total_max=6)
    for action, who, nonce in actions:
        raw = SIGNED[who][nonce]
        try:
            if action == "add":
                pool.add(raw)
            elif action == "evict":
                pool.evict(Transaction.decode(raw).hash, "test")
            elif world.accounts[Transaction.decode(raw).sender].nonce == nonce:
                commit(pool, world, raw)
        except InvalidTransaction:
            pass
        expected = {key.address: world.accounts[key.address].nonce for key in (ALICE, BOB)}
        candidates = pool.candidates()
        for tx in candidates:
            assert tx.nonce == expected[tx.sender]
            expected[tx.sender] += 1
        contents = pool.contents()
        counted = sum(len(rows) for rows in (*contents.pending.values(), *contents.queued.values()))
        assert counted == len(pool) <= 6
        assert pool.pending() == bool(candidates) == (pool.oldest_us is not None)
        assert pool._bytes == sum(len(entry.transaction.raw) for entry in pool._by_hash.values())
        assert all(queue.entries for queue in pool._queues.values())
