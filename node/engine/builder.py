"""The primary's side of BuildBlock: waits for the block's time, then builds on the head off the event loop."""

from __future__ import annotations

import asyncio
import hashlib

from consensus.types import BlockBuilt, BuildBlock, Proposal
from node.clock import Clock
from node.engine.ledger_writer import LedgerWriter
from node.execution.guard import CancellationToken
from node.log import get_logger
from node.txpool import TransactionPool
from node.types import Address, Hash32

_log = get_logger("engine")

CANDIDATES_MAX = 2_000
"""Transactions offered to one build; the block's gas bound is reached long before."""


class BlockBuilder:
    """Answers BuildBlock with BlockBuilt; a new request cancels the one before it."""

    def __init__(self, writer: LedgerWriter, pool: TransactionPool, clock: Clock, coinbase: Address) -> None:
        self._writer = writer
        self._pool = pool
        self._clock = clock
        self._coinbase = coinbase
        self._cancel = CancellationToken()
        self.last_commit_us = 0

    async def build(self, request: BuildBlock) -> BlockBuilt:
        """Build on the head. The answer holds no proposal where nothing can be placed or the head has moved."""
        self._cancel.cancel()
        self._cancel = cancel = CancellationToken()
        nothing = BlockBuilt(request.epoch, request.view, request.height, None)
        ledger = self._writer.ledger
        if ledger.head.hash != request.parent_hash:
            return nothing
        if not request.even_empty and not self._pool.pending():
            return nothing
        await self._wait_for_period()
        timestamp = await self._wait_for_timestamp()
        if cancel.cancelled or ledger.head.hash != request.parent_hash:
            return nothing
        proposal = await self._build_at(timestamp, request, cancel)
        return BlockBuilt(request.epoch, request.view, request.height, proposal)

    async def work_is_placeable(self) -> bool:
        """Whether the builder can place any waiting transaction on the head; evicts what it never will (P-15)."""
        ledger = self._writer.ledger
        candidates = self._candidates()
        if not candidates:
            return False
        timestamp = self._next_timestamp()
        built = await self._writer.run(
            lambda: ledger.build(
                timestamp=timestamp,
                coinbase=self._coinbase,
                certificate_hash=Hash32(bytes(32)),
                candidates=candidates,
                cpu_budget_s=self._budget_s(),
            )
        )
        for transaction_hash, reason in built.evicted:
            self._pool.evict(transaction_hash, reason)
        return bool(built.executed.block.transactions)

    async def _build_at(self, timestamp: int, request: BuildBlock, cancel: CancellationToken) -> Proposal | None:
        ledger = self._writer.ledger
        certificate_hash = hashlib.sha256(request.certificate).digest() if request.certificate else bytes(32)
        candidates = self._candidates()
        built = await self._writer.run(
            lambda: ledger.build(
                timestamp=timestamp,
                coinbase=self._coinbase,
                certificate_hash=Hash32(certificate_hash),
                candidates=candidates,
                cpu_budget_s=self._budget_s(),
                cancel=cancel,
            )
        )
        for transaction_hash, reason in built.evicted:
            self._pool.evict(transaction_hash, reason)
            _log.warning("transaction evicted", hash="0x" + transaction_hash.hex(), reason=reason)
        if not built.executed.block.transactions and not request.even_empty:
            return None
        self._writer.remember(built.executed)
        return Proposal(built.executed.block.rlp(), request.certificate)

    def _candidates(self) -> list:  # type: ignore[type-arg]
        candidates = []
        for transaction in self._pool.candidates():
            candidates.append(transaction)
            if len(candidates) >= CANDIDATES_MAX:
                break
        return candidates

    def _budget_s(self) -> float:
        # P-7: a block closes when its execution has used T0/4 of the thread's CPU time.
        return self._writer.ledger.parameters.timeout_ms / 4 / 1000

    def _next_timestamp(self) -> int:
        parent = self._writer.ledger.head.timestamp
        least = parent + 1 if self._writer.ledger.parameters.strict_timestamps else parent
        return max(least, self._clock.unix_s())

    async def _wait_for_timestamp(self) -> int:
        # P-4: like its replicas, a proposer waits until the block's time is within the tolerance of its own clock.
        parameters = self._writer.ledger.parameters
        while True:
            timestamp = self._next_timestamp()
            early_s = timestamp - self._clock.unix_s() - parameters.tolerance_s
            if early_s <= 0 or (timestamp == self._writer.ledger.head.timestamp):
                return timestamp
            await asyncio.sleep(min(1.0, early_s))

    async def _wait_for_period(self) -> None:
        period_us = self._writer.ledger.parameters.min_block_period_ms * 1000
        remaining_us = self.last_commit_us + period_us - self._clock.monotonic_us()
        if self.last_commit_us and remaining_us > 0:
            await asyncio.sleep(remaining_us / 1_000_000)
