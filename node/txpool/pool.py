"""The pool of waiting transactions: nonce order for each sender, arrival order across senders.

It holds nothing that the state contradicts: after each block every sender's queue is checked against the new head, so
no gap, failure or removed role can wedge a sender. All bounds are in :class:`PoolLimits`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Protocol

from node.chain import Block, Genesis, Transaction
from node.errors import InvalidTransaction
from node.execution.rules import Permissions
from node.txpool import admission
from node.txpool.limits import PoolLimits
from node.types import Address, Hash32, StateReader

INCLUDED = "included"
REPLACED = "replaced"
EXPIRED = "nonce_gap_expired"
DISPLACED = "pool_full"


class Executed(Protocol):
    """What the pool reads of a committed block (ExecutedBlock)."""

    @property
    def block(self) -> Block: ...


@dataclass(slots=True)
class _Entry:
    transaction: Transaction
    sequence: int
    arrived_us: int
    ready_us: int | None = None
    """Since when it is executable; None while a nonce before it is missing."""


@dataclass(frozen=True, slots=True)
class _Dropped:
    reason: str
    at_us: int
    evicted_on: int | None = None
    """The pool's count of blocks when the builder evicted it; None where it went for another reason."""


@dataclass(slots=True)
class _Queue:
    """The waiting transactions of one sender. ``nonce`` is the account's at the head."""

    nonce: int
    edge: int
    """The first nonce that neither the state nor the queue has used: those below are executable."""
    entries: dict[int, _Entry] = field(default_factory=dict)

    def extend(self, now_us: int) -> None:
        """Move the edge over what follows without a gap; those are executable from now on."""
        while (entry := self.entries.get(self.edge)) is not None:
            if entry.ready_us is None:
                entry.ready_us = now_us
            self.edge += 1

    def cut(self, nonce: int) -> None:
        """A nonce below the edge is gone: what follows it waits again."""
        for behind in range(nonce, self.edge):
            entry = self.entries.get(behind)
            if entry is not None:
                entry.ready_us = None
        self.edge = min(self.edge, nonce)

    def start_at(self, nonce: int, now_us: int) -> None:
        """The account's nonce moved to ``nonce`` with a new head."""
        self.nonce = self.edge = nonce
        self.extend(now_us)
        for behind, entry in self.entries.items():
            if behind >= self.edge:
                entry.ready_us = None


@dataclass(frozen=True, slots=True)
class PoolContents:
    """A snapshot: executable transactions, and those that wait for a missing nonce, by sender in nonce order."""

    pending: dict[Address, tuple[Transaction, ...]]
    queued: dict[Address, tuple[Transaction, ...]]


class TransactionPool:
    """Waiting transactions. Safe to call from any thread; listeners run on the caller's.

    ``state`` gives the head's state; ``permissions`` is node.permissioning; ``monotonic_us`` the machine's clock.
    """

    def __init__(
        self,
        genesis: Genesis,
        state: Callable[[], StateReader],
        permissions: Permissions,
        monotonic_us: Callable[[], int],
        limits: PoolLimits | None = None,
    ) -> None:
        self._genesis = genesis
        self._state = state
        self._permissions = permissions
        self._now_us = monotonic_us
        self.limits = limits or PoolLimits()
        self._queues: dict[Address, _Queue] = {}
        self._by_hash: dict[Hash32, _Entry] = {}
        self._bytes = 0
        self._sequence = 0
        self._generation = 0
        self._oldest_us: int | None = None
        self._oldest_is_current = True
        self._dropped: dict[Hash32, _Dropped] = {}
        self._lock = RLock()
        self.rejects: Counter[str] = Counter()
        """Refusals at admission by reason."""
        self.accepted_listeners: list[Callable[[Transaction, Address | None], None]] = []
        """Called with each admitted transaction and the peer that it came from (None: a local door)."""
        self.refused_listeners: list[Callable[[str], None]] = []
        """Called with the reason of each refusal (metrics)."""
        self.changed_listeners: list[Callable[[], None]] = []
        """Called after transactions came or went."""

    def add(self, raw: bytes, *, origin: Address | None = None) -> Hash32:
        """Admit a signed transaction and answer its hash.

        Raises InvalidTransaction with the reasons of ``node.txpool.admission`` and "already_known",
        "replacement_underpriced", "sender_full", "pool_full", and, for a while, the reason for which the builder
        evicted it. Every refusal is counted in ``rejects``.
        """
        try:
            transaction = admission.decode(raw, self._genesis)
            with self._lock:
                self._refuse_known(transaction)
            sender = transaction.sender  # recovered outside the lock
            with self._lock:
                self._admit(transaction, sender)
        except InvalidTransaction as error:
            self.rejects[error.reason] += 1
            for refused in self.refused_listeners:
                refused(error.reason)
            raise
        for listener in self.accepted_listeners:
            listener(transaction, origin)
        self._notify()
        return transaction.hash

    def _refuse_known(self, transaction: Transaction) -> None:
        if transaction.hash in self._by_hash:
            raise InvalidTransaction("already_known", "already known: the transaction is waiting")
        dropped = self._dropped.get(transaction.hash)
        if dropped is None:
            return
        if dropped.reason == INCLUDED:
            raise InvalidTransaction("already_known", "already known: the transaction is in a block")
        if dropped.evicted_on == self._generation and self._now_us() < dropped.at_us + self.limits.eviction_hold_us:
            raise InvalidTransaction(
                dropped.reason, f"evicted on this head: {dropped.reason}; it may be sent again a little later"
            )

    def _admit(self, transaction: Transaction, sender: Address) -> None:
        self._refuse_known(transaction)
        state = self._state()
        queue = self._queues.get(sender)
        if queue is None:
            account = state.account(sender)
            nonce = account.nonce if account else 0
            queue = _Queue(nonce, nonce)
        admission.check_sender(transaction, state, self._permissions, queue.edge, self.limits.nonce_gap_max)
        present = queue.entries.get(transaction.nonce)
        if present is not None:
            _check_replacement(present.transaction, transaction)
        elif len(queue.entries) >= self.limits.per_sender_max:
            raise InvalidTransaction(
                "sender_full", f"{self.limits.per_sender_max} transactions of this sender wait already"
            )
        else:
            self._make_room(transaction, executable=transaction.nonce == queue.edge)
        ready_us = None
        if present is not None:
            ready_us = present.ready_us
            self._forget(present, REPLACED)
        self._queues[sender] = queue
        self._sequence += 1
        entry = _Entry(transaction, self._sequence, self._now_us(), ready_us)
        queue.entries[transaction.nonce] = entry
        self._by_hash[transaction.hash] = entry
        self._dropped.pop(transaction.hash, None)
        self._bytes += len(transaction.raw)
        queue.extend(self._now_us())
        self._oldest_is_current = False

    def _make_room(self, transaction: Transaction, *, executable: bool) -> None:
        """Refuse with "pool_full", unless an executable newcomer can displace the latest of those behind a gap."""
        over = len(self._by_hash) + 1 - self.limits.total_max
        bytes_over = self._bytes + len(transaction.raw) - self.limits.bytes_max
        if over <= 0 and bytes_over <= 0:
            return
        displaced: list[_Entry] = []
        if executable:
            gapped = (entry for entry in self._by_hash.values() if entry.ready_us is None)
            for entry in sorted(gapped, key=lambda entry: entry.sequence, reverse=True):
                if over <= 0 and bytes_over <= 0:
                    break
                displaced.append(entry)
                over -= 1
                bytes_over -= len(entry.transaction.raw)
        if over > 0 or bytes_over > 0:
            raise InvalidTransaction(
                "pool_full",
                f"the pool is full: {len(self._by_hash)} of {self.limits.total_max} transactions, "
                f"{self._bytes} of {self.limits.bytes_max} bytes",
            )
        for entry in displaced:
            self._remove(entry, DISPLACED)

    def candidates(self) -> tuple[Transaction, ...]:
        """Executable transactions in the order of a block: by arrival, each sender's by nonce."""
        with self._lock:
            heads: list[tuple[int, int, Address]] = []
            for sender, queue in self._queues.items():
                first = queue.entries.get(queue.nonce)
                if first is not None:
                    heapq.heappush(heads, (first.sequence, queue.nonce, sender))
            ordered: list[Transaction] = []
            while heads:
                _, nonce, sender = heapq.heappop(heads)
                entries = self._queues[sender].entries
                ordered.append(entries[nonce].transaction)
                following = entries.get(nonce + 1)
                if following is not None:
                    heapq.heappush(heads, (following.sequence, nonce + 1, sender))
            return tuple(ordered)

    def on_block(self, executed: Executed) -> None:
        """After a commit: drop what the block holds, and what the new head makes impossible."""
        with self._lock:
            self._generation += 1
            for transaction in executed.block.transactions:
                entry = self._by_hash.get(transaction.hash)
                if entry is not None:
                    self._forget(entry, INCLUDED)
                else:
                    self._remember(transaction.hash, INCLUDED)
            self._rebuild()
        self._notify()

    def _rebuild(self) -> None:
        self._oldest_is_current = False
        state = self._state()
        oldest_us = self._now_us() - self.limits.gap_lifetime_us
        for sender in list(self._queues):
            queue = self._queues[sender]
            standing = admission.Standing.read(sender, state, self._permissions)
            queue.start_at(standing.account.nonce, self._now_us())
            for entry in list(queue.entries.values()):
                reason = standing.refusal(entry.transaction)
                if reason is None and entry.ready_us is None and entry.arrived_us < oldest_us:
                    reason = EXPIRED
                if reason is not None:
                    self._remove(entry, reason)
            if not queue.entries:
                self._queues.pop(sender, None)

    def evict(self, transaction_hash: Hash32, reason: str) -> None:
        """Drop a transaction that the builder cannot place, and remember why. Unknown hashes are ignored.

        The same bytes are refused with that reason until the next block or for ``eviction_hold_us``, whichever is
        shorter: gossip must not bring them straight back, nor an idle chain keep its user waiting.
        """
        with self._lock:
            entry = self._by_hash.get(transaction_hash)
            if entry is None:
                return
            self._remove(entry, reason)
            self._dropped[transaction_hash] = _Dropped(reason, self._now_us(), self._generation)
        self._notify()

    def _remove(self, entry: _Entry, reason: str) -> None:
        """Drop an entry; what followed it in its sender's queue waits for that nonce again."""
        self._forget(entry, reason)
        transaction = entry.transaction
        queue = self._queues[transaction.sender]
        if queue.nonce <= transaction.nonce < queue.edge:
            queue.cut(transaction.nonce)
        if not queue.entries:
            del self._queues[transaction.sender]

    def _forget(self, entry: _Entry, reason: str) -> None:
        transaction = entry.transaction
        del self._by_hash[transaction.hash]
        del self._queues[transaction.sender].entries[transaction.nonce]
        self._bytes -= len(transaction.raw)
        self._oldest_is_current = False
        self._remember(transaction.hash, reason)

    def _remember(self, transaction_hash: Hash32, reason: str) -> None:
        self._dropped[transaction_hash] = _Dropped(reason, self._now_us())
        while len(self._dropped) > self.limits.dropped_reasons_max:
            del self._dropped[next(iter(self._dropped))]

    def _notify(self) -> None:
        for listener in self.changed_listeners:
            listener()

    def pending(self) -> bool:
        """Whether any transaction is executable on the head, as far as the pool can tell."""
        with self._lock:
            return any(queue.nonce in queue.entries for queue in self._queues.values())

    @property
    def oldest_us(self) -> int | None:
        """Monotonic time since which the oldest executable transaction has been so; None without one (P-14)."""
        with self._lock:
            if not self._oldest_is_current:
                times = (entry.ready_us for entry in self._by_hash.values() if entry.ready_us is not None)
                self._oldest_us = min(times, default=None)
                self._oldest_is_current = True
            return self._oldest_us

    def lookup(self, transaction_hash: Hash32) -> Transaction | None:
        """A waiting transaction by its hash."""
        entry = self._by_hash.get(transaction_hash)
        return None if entry is None else entry.transaction

    def why_dropped(self, transaction_hash: Hash32) -> str | None:
        """Why a transaction is no longer here; "included" where it is in a block; None where nothing is known."""
        dropped = self._dropped.get(transaction_hash)
        return None if dropped is None else dropped.reason

    def next_nonce(self, address: Address) -> int:
        """The sender's next nonce counting executable waiting transactions."""
        with self._lock:
            queue = self._queues.get(address)
            if queue is not None:
                return queue.edge
        account = self._state().account(address)
        return account.nonce if account else 0

    def contents(self) -> PoolContents:
        """A snapshot of what waits."""
        with self._lock:
            pending: dict[Address, tuple[Transaction, ...]] = {}
            queued: dict[Address, tuple[Transaction, ...]] = {}
            for sender, queue in self._queues.items():
                edge = queue.edge
                ordered = [queue.entries[nonce] for nonce in sorted(queue.entries)]
                ready = tuple(entry.transaction for entry in ordered if entry.transaction.nonce < edge)
                waiting = tuple(entry.transaction for entry in ordered if entry.transaction.nonce >= edge)
                if ready:
                    pending[sender] = ready
                if waiting:
                    queued[sender] = waiting
            return PoolContents(pending, queued)

    def raw_transactions(self) -> Sequence[bytes]:
        """The encoded executable transactions in block order: what a new peer is told."""
        return [transaction.raw for transaction in self.candidates()]

    def __len__(self) -> int:
        return len(self._by_hash)


def _check_replacement(present: Transaction, newcomer: Transaction) -> None:
    """The same nonce again needs a higher fee and no lower priority fee; at price 0 nothing can replace."""
    better = newcomer.max_fee_per_gas > present.max_fee_per_gas
    if not better or newcomer.max_priority_fee_per_gas < present.max_priority_fee_per_gas:
        raise InvalidTransaction(
            "replacement_underpriced",
            f"replacement transaction underpriced: nonce {newcomer.nonce} waits already at a fee of "
            f"{present.max_fee_per_gas} wei",
            limit=present.max_fee_per_gas,
            value=newcomer.max_fee_per_gas,
        )
