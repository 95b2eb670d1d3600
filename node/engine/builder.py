"""The primary's side of BuildBlock: waits for the block's time, then builds on the head off the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import islice

from consensus.types import BlockBuilt, BuildBlock, Proposal
from node.chain.transaction import Transaction
from node.clock import Clock
from node.engine.build_budget import BuildBudget
from node.engine.ledger_writer import LedgerWriter
from node.execution.builder import BuiltBlock
from node.execution.guard import CancellationToken, ExecutionAbandoned
from node.log import get_logger
from node.txpool import TransactionPool
from node.types import Address, Hash32

_log = get_logger("engine")

CANDIDATES_MAX = 2_000
"""Transactions offered to one build; the block's gas bound is reached long before."""
PROBE_FIRST = 4
"""Transactions offered to the first probe for work; each next probe takes twice as many."""


@dataclass(frozen=True, slots=True)
class _OwnBlock:
    """What is remembered of the last block built here until it is final."""

    block_hash: Hash32
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
        self._own: _OwnBlock | None = None
        self._last_commit_us = 0
        self.budget = BuildBudget(writer.ledger.parameters.timeout_ms)

    def build(self, request: BuildBlock) -> Awaitable[BlockBuilt]:
        """Build on the head. The answer holds no proposal where nothing can be placed, the head has moved or a later
        request came; the replica asks again when there is reason to. From this call on the build can be cancelled."""
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
                self._evict(built)
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

    def committed(self, block_hash: Hash32) -> None:
        """A block is final: the budget learns from it."""
        now_us = self._clock.monotonic_us()
        self._last_commit_us = now_us
        self.budget.committed()
        own, self._own = self._own, None
        if own is not None and own.block_hash == block_hash:
            self.budget.own_committed((now_us - own.began_us) / 1_000_000, full=own.full)

    # --- details --------------------------------------------------------------------------------------

    async def _build(self, request: BuildBlock, cancel: CancellationToken) -> Proposal | None:
        ledger = self._writer.ledger
        if not request.even_empty and not self._pool.pending():
            return None
        await self._wait_for_period()
        timestamp = await self._wait_for_timestamp(cancel)
        if cancel.cancelled or ledger.head.hash != request.parent_hash:
            return None
        began_us = self._clock.monotonic_us()
        certificate_hash = hashlib.sha256(request.certificate).digest() if request.certificate else bytes(32)
        built = await self._run_builder(self._candidates(), timestamp, Hash32(certificate_hash), cancel)
        self._evict(built)
        block = built.executed.block
        if block.header.parent_hash != request.parent_hash:
            return None
        if block.transactions:
            self.budget.built(built.execution_cpu_s, built.finish_cpu_s)
        elif not request.even_empty:
            return None
        self._writer.remember(built.executed)
        self._own = _OwnBlock(block.header.hash, began_us, built.closed_by_cpu)
        return Proposal(block.rlp(), request.certificate)

    async def _run_builder(
        self, candidates: Sequence[Transaction], timestamp: int, certificate_hash: Hash32, cancel: CancellationToken
    ) -> BuiltBlock:
        ledger = self._writer.ledger
        return await self._writer.run(
            lambda: ledger.build(
                timestamp=timestamp,
                coinbase=self._coinbase,
                certificate_hash=certificate_hash,
                candidates=candidates,
                cpu_budget_s=self.budget.closing_s,
                cancel=cancel,
            )
        )

    def _evict(self, built: BuiltBlock) -> None:
        for transaction_hash, reason in built.evicted:
            self._pool.evict(transaction_hash, reason)
            _log.warning("transaction evicted", hash="0x" + transaction_hash.hex(), reason=reason)

    def _candidates(self) -> list[Transaction]:
        return list(islice(self._pool.candidates(), CANDIDATES_MAX))

    def _next_timestamp(self) -> int:
        parent = self._writer.ledger.head.timestamp
        least = parent + 1 if self._writer.ledger.parameters.strict_timestamps else parent
        return max(least, self._clock.unix_s())

    async def _wait_for_timestamp(self, cancel: CancellationToken) -> int:
        # P-4: like its replicas, a proposer waits until the block's time is within the tolerance of its own clock.
        parameters = self._writer.ledger.parameters
        while True:
            timestamp = self._next_timestamp()
            early_s = timestamp - self._clock.unix_s() - parameters.tolerance_s
            if cancel.cancelled or early_s <= 0 or (timestamp == self._writer.ledger.head.timestamp):
                return timestamp
            await asyncio.sleep(min(1.0, early_s))

    async def _wait_for_period(self) -> None:
        period_us = self._writer.ledger.parameters.min_block_period_ms * 1000
        remaining_us = self._last_commit_us + period_us - self._clock.monotonic_us()
        if self._last_commit_us and remaining_us > 0:
            await asyncio.sleep(remaining_us / 1_000_000)
