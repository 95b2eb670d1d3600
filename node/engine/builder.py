"""The primary's side of BuildBlock: waits for the block's time, then builds on its parent off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from consensus.types import BlockBuilt, BuildBlock, Proposal
from node.chain.header import Header
from node.chain.transaction import Transaction
from node.clock import Clock
from node.engine.build_budget import BuildBudget
from node.engine.ledger_writer import LedgerWriter
from node.execution.builder import BuiltBlock
from node.execution.guard import CancellationToken, ExecutionAbandoned
from node.execution.transition import ExecutedBlock
from node.log import get_logger
from node.txpool import TransactionPool
from node.types import Address, Hash32

_log = get_logger("engine")

CANDIDATES_MAX = 2_000
"""Transactions offered to one build; the block's gas bound is reached long before."""
PROBE_FIRST = 4
"""Transactions offered to the first probe for work; each next probe takes twice as many."""


ALWAYS_EVICTED = frozenset({"cpu_time"})
"""Reasons that evict even where the block was built on blocks in flight: building again would cost as much again."""


@dataclass(frozen=True, slots=True)
class _OwnBlock:
    """What is remembered of a block built here until its height is final."""

    number: int
    began_us: int
    full: bool


class BlockBuilder:
    """Answers BuildBlock with BlockBuilt; a new request cancels the one before it."""

    def __init__(self, writer: LedgerWriter, pool: TransactionPool, clock: Clock, coinbase: Address) -> None:
        self._writer = writer
        self._pool = pool
        self._clock = clock
        self._coinbase = coinbase
        self._cancel = CancellationToken()
        self._own: dict[Hash32, _OwnBlock] = {}
        self._last_block_us = 0
        self.budget = BuildBudget(writer.ledger.parameters.timeout_ms)

    def build(self, request: BuildBlock) -> Awaitable[BlockBuilt]:
        """Build on the head or on a block in flight. The answer holds no proposal where nothing can be placed, the
        parent does not stand any more or a later request came; the replica asks again when there is reason to. From
        this call on the build can be cancelled."""
        self._cancel.cancel()
        self._cancel = CancellationToken()
        return self._answer(request, self._cancel)

    async def _answer(self, request: BuildBlock, cancel: CancellationToken) -> BlockBuilt:
        try:
            proposal = await self._build(request, cancel)
        except ExecutionAbandoned as error:
            _log.debug("build abandoned", height=request.height, view=request.view, reason=str(error))
            proposal = None
        return BlockBuilt(request.epoch, request.view, request.height, proposal)

    async def work_is_placeable(self) -> bool:
        """Whether the builder can place any waiting transaction on the head; evicts what it never will (P-15).

        Small probes, so that the answer costs as little as the first transaction that fits.
        """
        candidates = self._candidates()
        start, size = 0, PROBE_FIRST
        try:
            while start < len(candidates):
                built = await self._run_builder(
                    candidates[start : start + size], self._next_timestamp(), Hash32(bytes(32)), CancellationToken()
                )
                self._evict(built.evicted)
                if built.executed.block.transactions:
                    return True
                start, size = start + size, 2 * size
        except ExecutionAbandoned:
            return self._pool.pending()
        return False

    def cancel(self) -> None:
        """Give up the build under way: the node stops."""
        self._cancel.cancel()

    def view_failed(self) -> None:
        """A view ended without its block: what is being built belongs to it, and the next block is smaller."""
        self._cancel.cancel()
        self.budget.view_failed()

    def committed(self, block_hash: Hash32, number: int) -> None:
        """A block is final: the budget learns from it."""
        now_us = self._clock.monotonic_us()
        self._last_block_us = now_us
        self.budget.committed()
        own = self._own.get(block_hash)
        if own is not None:
            self.budget.own_committed((now_us - own.began_us) / 1_000_000, full=own.full)
        self._own = {one: kept for one, kept in self._own.items() if kept.number > number}

    # --- details --------------------------------------------------------------------------------------

    async def _build(self, request: BuildBlock, cancel: CancellationToken) -> Proposal | None:
        if not request.even_empty and not self._pool.pending():
            return None
        await self._wait_for_period()
        parent = self._parent(request.parent_hash)
        timestamp = await self._wait_for_timestamp(parent, cancel)
        if cancel.cancelled:
            return None
        above = self._writer.above(request.parent_hash)
        began_us = self._clock.monotonic_us()
        certificate_hash = hashlib.sha256(request.certificate).digest() if request.certificate else bytes(32)
        built = await self._run_builder(
            self._candidates(above), timestamp, Hash32(certificate_hash), cancel, request.parent_hash
        )
        # What does not fit behind a block in flight may fit where that block fails.
        self._evict([one for one in built.evicted if not above or one[1] in ALWAYS_EVICTED])
        block = built.executed.block
        if block.transactions:
            self.budget.built(built.execution_cpu_s, built.finish_cpu_s)
        elif not request.even_empty:
            return None
        self._writer.remember(built.executed)
        self._own[block.header.hash] = _OwnBlock(block.number, began_us, built.closed_by_cpu)
        self._last_block_us = self._clock.monotonic_us()
        return Proposal(block.rlp(), request.certificate)

    def _parent(self, parent_hash: bytes) -> Header:
        above = self._writer.above(parent_hash)
        return above[-1].block.header if above else self._writer.ledger.head

    async def _run_builder(
        self,
        candidates: Sequence[Transaction],
        timestamp: int,
        certificate_hash: Hash32,
        cancel: CancellationToken,
        parent_hash: bytes | None = None,
    ) -> BuiltBlock:
        """Build on ``parent_hash``; None: on the head as it stands then."""
        ledger = self._writer.ledger
        return await self._writer.run(
            lambda: ledger.build(
                timestamp=timestamp,
                coinbase=self._coinbase,
                certificate_hash=certificate_hash,
                candidates=candidates,
                cpu_budget_s=self.budget.closing_s,
                above=() if parent_hash is None else self._writer.above(parent_hash),
                cancel=cancel,
            )
        )

    def _evict(self, evicted: Iterable[tuple[Hash32, str]]) -> None:
        for transaction_hash, reason in evicted:
            self._pool.evict(transaction_hash, reason)
            _log.warning("transaction evicted", hash="0x" + transaction_hash.hex(), reason=reason)

    def _candidates(self, above: Sequence[ExecutedBlock] = ()) -> list[Transaction]:
        """Executable transactions that stand in no block in flight, in the order of a block."""
        placed = {one.hash for executed in above for one in executed.block.transactions}
        return list(islice((one for one in self._pool.candidates() if one.hash not in placed), CANDIDATES_MAX))

    def _next_timestamp(self, parent: Header | None = None) -> int:
        before = (parent or self._writer.ledger.head).timestamp
        least = before + 1 if self._writer.ledger.parameters.strict_timestamps else before
        return max(least, self._clock.unix_s())

    async def _wait_for_timestamp(self, parent: Header, cancel: CancellationToken) -> int:
        # P-4: like its replicas, a proposer waits until the block's time is within the tolerance of its own clock.
        parameters = self._writer.ledger.parameters
        while True:
            timestamp = self._next_timestamp(parent)
            early_s = timestamp - self._clock.unix_s() - parameters.tolerance_s
            if cancel.cancelled or early_s <= 0 or timestamp == parent.timestamp:
                return timestamp
            await asyncio.sleep(min(1.0, early_s))

    async def _wait_for_period(self) -> None:
        period_us = self._writer.ledger.parameters.min_block_period_ms * 1000
        remaining_us = self._last_block_us + period_us - self._clock.monotonic_us()
        if self._last_block_us and remaining_us > 0:
            await asyncio.sleep(remaining_us / 1_000_000)
