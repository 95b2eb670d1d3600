"""A replica's side of ValidateBlock: executes a proposed block off the event loop and gives the verdict (duty 8)."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from consensus.types import BlockValidated, ValidateBlock, Verdict
from node.chain.block import Block
from node.engine.header_view import decode_block
from node.engine.ledger_writer import LedgerWriter
from node.engine.phases import PhaseClock
from node.errors import InvalidBlock
from node.execution.guard import CancellationToken, ExecutionAbandoned
from node.log import get_logger
from node.metrics import Metrics
from node.txpool import TransactionPool

_log = get_logger("engine")


class BlockValidator:
    """Answers ValidateBlock with BlockValidated; several blocks of a window may wait for the ledger's thread."""

    def __init__(self, writer: LedgerWriter, pool: TransactionPool, metrics: Metrics, phases: PhaseClock) -> None:
        self._writer = writer
        self._pool = pool
        self._metrics = metrics
        self._phases = phases
        self._running: dict[int, CancellationToken] = {}

    def validate(self, request: ValidateBlock) -> Awaitable[BlockValidated]:
        """Execute a block; from this call on the execution can be abandoned, also before its task has begun."""
        token = self._running[request.token] = CancellationToken()
        return self._judge(request, token)

    def abandon(self, token: int) -> None:
        """The view of this validation has ended (P-7)."""
        running = self._running.pop(token, None)
        if running is not None:
            running.cancel()

    def cancel(self) -> None:
        """Give up whatever is under way: the node stops."""
        for token in self._running.values():
            token.cancel()

    async def _judge(self, request: ValidateBlock, token: CancellationToken) -> BlockValidated:
        try:
            block = self._with_known_senders(decode_block(request.proposal.block))
            if request.fresh and block.header.coinbase != request.proposer:
                raise InvalidBlock("P-5", "coinbase is not the proposer of a fresh block")
            started = time.perf_counter()
            self._phases.began("validate", block.header.number)
            await self._writer.execute(block, token)
            self._phases.ended("validate", block.header.number)
            self._metrics.execution_seconds.observe(time.perf_counter() - started)
        except ExecutionAbandoned as error:
            return BlockValidated(request.token, Verdict.ABANDONED, str(error))
        except InvalidBlock as error:  # nothing else: a local failure is no verdict (duty 8)
            _log.warning("block refused", reason=error.message, rule=error.rule)
            return BlockValidated(request.token, Verdict.INVALID, error.message)
        finally:
            self._running.pop(request.token, None)
        return BlockValidated(request.token, Verdict.VALID)

    def _with_known_senders(self, block: Block) -> Block:
        """The same block, with the pool's objects for transactions that wait here: their senders are recovered."""
        return Block(block.header, tuple(self._pool.lookup(one.hash) or one for one in block.transactions))
