"""Spreads transactions: at once from the door where they came in, later and only where needed from everyone else.

Members are few and connected to each other, so the first node tells everybody itself. Others repeat a transaction
only while it still waits after a moment: that closes the gaps of a broken connection without n squared copies.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from node.errors import InvalidTransaction
from node.keys import keccak256
from node.log import get_logger
from node.p2p.peer import PeerInfo, PeerRole
from node.types import Address, Hash32

SEEN_MAX = 65_536
"""Transactions remembered, with who has them."""
BATCH_COUNT_MAX = 512
BATCH_BYTES_MAX = 512 * 1024
RECEIVED_BATCHES_MAX = 64
"""Batches of one peer that wait for admission; more are dropped, and repeated later by whoever has them."""
RETRY_S = 1.0
"""A transaction that was refused is looked at again after this time: this node may have been behind."""
RELAY_DELAY_S = 0.5
"""A transaction from a peer is passed on where it still waits after this time."""
REPEAT_S = 3.0
"""A transaction that waits this long is told again: a frame may have been dropped."""
REPEAT_MAX = 1_024
"""Transactions told again in one round, and told to a peer that has just connected: the first in block order."""
TICK_S = 0.25

_STATELESS = "malformed bad_signature wrong_chain_id blob unsupported_type tx_too_large unprotected fee_order"
DISHONEST = frozenset(_STATELESS.split())
"""Reasons that depend on no state: an honest peer has refused such a transaction itself."""

Admit: TypeAlias = Callable[[bytes, Address], object]
"""(raw transaction, the peer it came from): the pool's admission. InvalidTransaction where it refuses."""

_log = get_logger("gossip")


class GossipNetwork(Protocol):
    """What gossip needs of the peer network."""

    def connected(self) -> dict[Address, PeerInfo]: ...

    def send_transactions(self, transactions: Sequence[bytes], to: Iterable[Address]) -> tuple[Address, ...]: ...

    def on_transactions(self, handler: Callable[[Address, tuple[bytes, ...]], None]) -> None: ...

    def on_connect(self, handler: Callable[[PeerInfo], None]) -> None: ...

    def on_disconnect(self, handler: Callable[[PeerInfo], None]) -> None: ...

    def report_bad(self, address: Address, reason: str) -> None: ...


@dataclass(slots=True)
class _Seen:
    """One transaction: since when it is known or was last told again, when the pool was last asked (both monotonic
    seconds), who sent it, whom it was sent to."""

    since: float
    asked: float = -RETRY_S
    came_from: set[Address] = field(default_factory=set)
    sent_to: set[Address] = field(default_factory=set)


class TransactionGossip:
    """Between the pool and the network, by callbacks: the two do not know each other.

    ``admit`` is the pool's admission, called in a worker thread. ``pending`` lists what waits, in block order;
    ``is_pending`` tells of one hash. The pool calls :meth:`accepted` for everything that it admits, from any thread.
    Transactions are told to validators alone: nobody else builds blocks.
    """

    def __init__(
        self,
        network: GossipNetwork,
        *,
        admit: Admit,
        pending: Callable[[], Sequence[bytes]],
        is_pending: Callable[[Hash32], bool],
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._network = network
        self._admit = admit
        self._pending = pending
        self._is_pending = is_pending
        self._on_failure = on_failure or _log_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: OrderedDict[Hash32, _Seen] = OrderedDict()
        self._fresh: list[tuple[Hash32, bytes]] = []
        self._relays: deque[tuple[float, Hash32, bytes]] = deque(maxlen=SEEN_MAX)
        self._received: dict[Address, deque[tuple[bytes, ...]]] = {}
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.dropped_batches = 0
        """Received batches that were given up because their sender had too many waiting."""
        network.on_transactions(self._receive)
        network.on_connect(self._connected)
        network.on_disconnect(lambda info: self._forget_peer(info.address))

    def start(self) -> None:
        """Begin to admit, relay and repeat."""
        self._loop = asyncio.get_running_loop()
        self._tasks = [
            self._loop.create_task(self._admit_received(), name="gossip-admit"),
            self._loop.create_task(self._tick(), name="gossip-relay"),
        ]

    async def stop(self) -> None:
        """Stop; nothing is told afterwards."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._loop = None

    def accepted(self, transaction_hash: Hash32, raw: bytes, origin: Address | None) -> None:
        """The pool has admitted a transaction; ``origin`` is the peer it came from, None for a local door."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._spread, transaction_hash, raw, origin)

    # --- telling ----------------------------------------------------------------------------------

    def _spread(self, transaction_hash: Hash32, raw: bytes, origin: Address | None) -> None:
        self._remember(transaction_hash)
        if origin is not None:
            self._relays.append((self._now() + RELAY_DELAY_S, transaction_hash, raw))
            return
        self._fresh.append((transaction_hash, raw))
        if len(self._fresh) == 1 and self._loop is not None:
            self._loop.call_soon(self._tell_fresh)  # whatever else this turn of the loop admits goes along

    def _tell_fresh(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._tell(fresh, self._validators())

    def _tell(self, transactions: Sequence[tuple[Hash32, bytes]], targets: Sequence[Address]) -> None:
        """Send to each target what it neither sent nor was sent; equal messages are encoded once."""
        for batch in _batches(transactions):
            missing: dict[tuple[int, ...], list[Address]] = {}
            for target in targets:
                lacks = tuple(i for i, (digest, _) in enumerate(batch) if not self._has(target, digest))
                if lacks:
                    missing.setdefault(lacks, []).append(target)
            for indexes, group in missing.items():
                for target in self._network.send_transactions([batch[i][1] for i in indexes], group):
                    for i in indexes:
                        self._remember(batch[i][0]).sent_to.add(target)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        repeat_at = loop.time() + REPEAT_S
        while True:
            await asyncio.sleep(TICK_S)
            due: list[tuple[Hash32, bytes]] = []
            while self._relays and self._relays[0][0] <= loop.time():
                _, digest, raw = self._relays.popleft()
                if self._is_pending(digest):
                    due.append((digest, raw))
            self._tell(due, self._validators())
            if loop.time() >= repeat_at:
                repeat_at = loop.time() + REPEAT_S
                await self._repeat()

    async def _repeat(self) -> None:
        """Tell again what has waited for long, except to those who told us."""
        waiting = await asyncio.to_thread(_hashed, self._pending, REPEAT_MAX)
        old = self._now() - REPEAT_S
        late = []
        for digest, raw in waiting:
            seen = self._remember(digest)
            if seen.since <= old:
                seen.since = self._now()
                seen.sent_to.clear()
                late.append((digest, raw))
        self._tell(late, self._validators())

    def _connected(self, info: PeerInfo) -> None:
        if self._loop is not None and info.role is PeerRole.VALIDATOR:
            self._tasks = [task for task in self._tasks if not task.done()]
            self._tasks.append(self._loop.create_task(self._tell_newcomer(info.address)))

    async def _tell_newcomer(self, peer: Address) -> None:
        self._tell(await asyncio.to_thread(_hashed, self._pending, REPEAT_MAX), [peer])

    def _validators(self) -> list[Address]:
        connected = self._network.connected()
        return [address for address, info in connected.items() if info.role is PeerRole.VALIDATOR]

    # --- hearing ----------------------------------------------------------------------------------

    def _receive(self, peer: Address, transactions: tuple[bytes, ...]) -> None:
        queue = self._received.setdefault(peer, deque())
        if len(queue) >= RECEIVED_BATCHES_MAX:
            self.dropped_batches += 1
            return
        queue.append(transactions)
        self._arrived.set()

    async def _admit_received(self) -> None:
        """One batch of each peer in turn: a peer that floods waits for itself."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            for peer in list(self._received):
                queue = self._received.get(peer)
                if queue:
                    await self._admit_batch(peer, queue.popleft())
                if queue:
                    self._arrived.set()

    async def _admit_batch(self, peer: Address, transactions: tuple[bytes, ...]) -> None:
        unknown = []
        now = self._now()
        for raw in transactions:
            digest = Hash32(keccak256(raw))
            seen = self._remember(digest)
            seen.came_from.add(peer)
            if now - seen.asked >= RETRY_S:
                seen.asked = now
                unknown.append((digest, raw))
        if not unknown:
            return
        try:
            dishonest = await asyncio.to_thread(self._admit_all, peer, unknown)
        except Exception as error:  # noqa: BLE001 - a fault of ours, which the sender may have provoked
            self._on_failure(error)
            return
        if dishonest:
            self._network.report_bad(peer, f"transaction: {dishonest}")

    def _admit_all(self, peer: Address, transactions: Sequence[tuple[Hash32, bytes]]) -> str:
        """Hand each to the pool, in a worker thread; the first reason that convicts the sender, "" for none."""
        dishonest = ""
        for digest, raw in transactions:
            try:
                self._admit(raw, peer)
            except InvalidTransaction as error:
                if error.reason in DISHONEST:
                    dishonest = dishonest or error.reason
                _log.debug("transaction_refused", hash="0x" + digest.hex(), reason=error.reason)
        return dishonest

    # --- memory -----------------------------------------------------------------------------------

    def _remember(self, digest: Hash32) -> _Seen:
        seen = self._seen.get(digest)
        if seen is None:
            seen = self._seen[digest] = _Seen(self._now())
            if len(self._seen) > SEEN_MAX:
                self._seen.popitem(last=False)
        return seen

    def _has(self, peer: Address, digest: Hash32) -> bool:
        seen = self._seen.get(digest)
        return seen is not None and (peer in seen.came_from or peer in seen.sent_to)

    def _forget_peer(self, peer: Address) -> None:
        """It may come back with an empty pool."""
        self._received.pop(peer, None)
        for seen in self._seen.values():
            seen.came_from.discard(peer)
            seen.sent_to.discard(peer)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _hashed(pending: Callable[[], Sequence[bytes]], limit: int) -> list[tuple[Hash32, bytes]]:
    return [(Hash32(keccak256(raw)), raw) for raw in pending()[:limit]]


def _batches(transactions: Sequence[tuple[Hash32, bytes]]) -> Iterable[list[tuple[Hash32, bytes]]]:
    batch: list[tuple[Hash32, bytes]] = []
    size = 0
    for item in transactions:
        if batch and (len(batch) >= BATCH_COUNT_MAX or size + len(item[1]) > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item[1])
    if batch:
        yield batch


def _log_failure(error: BaseException) -> None:
    _log.error("gossip_failed", exc_info=error)
