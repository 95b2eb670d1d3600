"""The one writer of the ledger: everything that executes or commits a block goes through one thread, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from consensus.types import Proposal
from node.chain.block import Block
from node.engine.header_view import decode_block
from node.errors import InvalidBlock
from node.execution.guard import CancellationToken, ExecutionAbandoned
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.types import Hash32, to_hex

T = TypeVar("T")

EXECUTED_KEPT_MAX = 8
"""Executed but uncommitted blocks held for each height of the window: one for each of the last few views."""
COMMIT_ATTEMPTS = 3
"""Executions of a final block that may be abandoned for a moved head before that counts as a fault of ours."""


class LedgerWriter:
    """Executes, builds and commits blocks off the event loop, one at a time.

    ``committed_listeners`` are called on the event loop after each block, in order.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.committed_listeners: list[Callable[[ExecutedBlock], None]] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._lock = asyncio.Lock()
        self._executed: dict[Hash32, ExecutedBlock] = {}

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in the ledger's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def remember(self, executed: ExecutedBlock) -> None:
        """Keep an executed block, so that its commit need not execute it again."""
        self._executed.pop(executed.block.header.hash, None)
        number = executed.block.number
        rivals = [block_hash for block_hash, kept in self._executed.items() if kept.block.number == number]
        if len(rivals) >= EXECUTED_KEPT_MAX:
            del self._executed[rivals[0]]
        self._executed[executed.block.header.hash] = executed

    def above(self, parent_hash: bytes) -> list[ExecutedBlock]:
        """The executed blocks in flight from the head up to ``parent_hash``; none where that is the head.

        Raises ExecutionAbandoned where this node does not hold them all: the head has moved, or a view ended.
        """
        found: list[ExecutedBlock] = []
        wanted = parent_hash
        while wanted != self.ledger.head_hash:
            executed = self._executed.get(Hash32(wanted))
            if executed is None:
                raise ExecutionAbandoned("the parent is neither the head nor executed here: the head has moved")
            found.append(executed)
            wanted = executed.block.header.parent_hash
        return found[::-1]

    async def execute(self, block: Block, cancel: CancellationToken | None = None) -> ExecutedBlock:
        """Execute a child of the head, or of an executed block in flight, and compare every root.

        Raises InvalidBlock with the broken rule, ExecutionAbandoned where ``cancel`` was used or the head is another
        by the time that the ledger's thread gets to it: neither says anything of the block.
        """
        known = self._executed.get(block.header.hash)
        if known is not None:
            return known

        def work() -> ExecutedBlock:
            return self.ledger.execute(block, above=self.above(block.header.parent_hash), cancel=cancel)

        executed = await self.run(work)
        self.remember(executed)
        return executed

    async def commit(self, proposal: Proposal, certificate: bytes, wal_lsn: Callable[[], int]) -> ExecutedBlock | None:
        """Write one final block with its certificate in a synced batch; None where the ledger has it already.

        ``wal_lsn`` is asked at the moment of the write: the last synced record counts (P-17). Raises InvalidBlock
        where the block is not what its certificate claims.
        """
        async with self._lock:
            block = decode_block(proposal.block)
            if block.header.number <= self.ledger.head.number:
                return None
            executed = await self._execute_final(block)
            await self.run(
                lambda: self.ledger.commit(
                    executed,
                    certificate=certificate,
                    carried_certificate=proposal.certificate,
                    wal_lsn=wal_lsn(),
                )
            )
            self._drop_past()
        for listener in self.committed_listeners:
            listener(executed)
        return executed

    def _drop_past(self) -> None:
        """Forget what can no longer follow: blocks up to the head, and those whose parent is neither head nor here."""
        standing = {self.ledger.head_hash}
        for executed in sorted(self._executed.values(), key=lambda executed: executed.block.number):
            header = executed.block.header
            if header.parent_hash in standing:
                standing.add(header.hash)
            else:
                del self._executed[header.hash]

    async def _execute_final(self, block: Block) -> ExecutedBlock:
        head = self.ledger.head_hash
        if block.header.parent_hash != head:
            raise InvalidBlock(
                "P-1", "no child of the head", expected=to_hex(head), found=to_hex(block.header.parent_hash)
            )
        for _ in range(COMMIT_ATTEMPTS - 1):
            try:
                return await self.execute(block)
            except ExecutionAbandoned:
                continue
        return await self.execute(block)

    def close(self) -> None:
        """Wait for the thread's present work and stop it."""
        self._thread.shutdown(wait=True, cancel_futures=True)
