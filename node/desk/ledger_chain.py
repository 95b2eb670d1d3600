"""ChainAccess over this node's own ledger and pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from contracts import bindings
from contracts.consortium import Member
from node.desk.chain_access import DROP_CHECK_S, FINAL_TIMEOUT_S, ContractRefusal, FinalTransaction
from node.errors import DataError, UnavailableError
from node.execution.call import CallFailed, CallRequest
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.permissioning.readers import members as read_members
from node.types import Address, Hash32


class LedgerChain:
    """ChainAccess over this node's ledger and pool.

    ``submit`` puts raw bytes into the pool (and gossips); ``next_nonce`` and ``why_dropped`` are the pool's; ``now_s``
    is the clock of blocks.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        submit: Callable[[bytes], Awaitable[Hash32]],
        next_nonce: Callable[[Address], int],
        now_s: Callable[[], int],
        why_dropped: Callable[[Hash32], str | None] = lambda _hash: None,
    ) -> None:
        self._ledger = ledger
        self._submit = submit
        self._next_nonce = next_nonce
        self._now_s = now_s
        self._why_dropped = why_dropped
        self._waiting: dict[Hash32, set[asyncio.Event]] = {}
        self._members: tuple[bytes, list[Member]] = (b"", [])
        self._blocks: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        ledger.on_commit.append(self._committed)

    @property
    def chain_id(self) -> int:
        return self._ledger.genesis.chain_id

    def head_number(self) -> int:
        return self._ledger.head.number

    def block_time(self) -> int:
        return max(self._now_s(), self._ledger.head.timestamp)

    def members(self) -> list[Member]:
        head = self._ledger.head
        if self._members[0] != head.state_root:
            self._members = (head.state_root, read_members(self._ledger.state_at(head)))
        return self._members[1]

    def call(self, to: bytes, data: bytes, sender: bytes) -> bytes:
        request = CallRequest(sender=Address(sender), to=Address(to), data=data)
        result = self._ledger.call(request, self._ledger.head)
        if result.error is None:
            return result.output
        if result.reverted:
            raise ContractRefusal(bindings.decode_revert(result.output), self.members())
        raise DataError(f"the call fails: {result.error}", field="call")

    def estimate_gas(self, to: bytes, data: bytes, sender: bytes) -> int:
        request = CallRequest(sender=Address(sender), to=Address(to), data=data)
        try:
            return self._ledger.estimate_gas(request, self._ledger.head)
        except CallFailed as failure:
            if failure.result.reverted:
                raise ContractRefusal(bindings.decode_revert(failure.result.output), self.members()) from None
            raise

    def next_nonce(self, address: bytes) -> int:
        return self._next_nonce(Address(address))

    async def submit(self, raw: bytes) -> Hash32:
        return await self._submit(raw)

    async def wait_final(self, tx_hash: Hash32, timeout_s: float = FINAL_TIMEOUT_S) -> FinalTransaction:
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._waiting.setdefault(tx_hash, set()).add(event)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = await asyncio.to_thread(self.find, tx_hash)
                    if found is not None:
                        return found
                    reason = self._why_dropped(tx_hash)
                    if reason is not None:
                        raise UnavailableError(
                            f"the transaction was dropped: {reason}", field="transaction", reason=reason
                        )
                    try:
                        async with asyncio.timeout(DROP_CHECK_S):
                            await event.wait()
                    except TimeoutError:
                        continue  # look whether the pool still has it
                    event.clear()
        except TimeoutError:
            raise UnavailableError(
                f"0x{tx_hash.hex()} is not final after {timeout_s:.0f} s", field="transaction"
            ) from None
        finally:
            waiting = self._waiting[tx_hash]
            waiting.discard(event)
            if not waiting:
                del self._waiting[tx_hash]

    async def next_block(self, after: int) -> int:
        self._loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._blocks.add(event)
        try:
            while self._ledger.head.number <= after:
                await event.wait()
                event.clear()
            return self._ledger.head.number
        finally:
            self._blocks.discard(event)

    def find(self, tx_hash: Hash32) -> FinalTransaction | None:
        location = self._ledger.chain.transaction_location(tx_hash)
        if location is None:
            return None
        number, index = location
        receipts = self._ledger.chain.receipts(number)
        if receipts is None:
            return None
        before = receipts[index - 1].cumulative_gas_used if index else 0
        receipt = receipts[index]
        return FinalTransaction(
            tx_hash, number, receipt.status == 1, receipt.cumulative_gas_used - before, receipt.logs
        )

    def _committed(self, executed: ExecutedBlock) -> None:
        """Called in the committing thread: wake who waits for a block or one of its transactions."""
        if self._loop is None:
            return
        waiting = [self._waiting.get(transaction.hash, ()) for transaction in executed.block.transactions]
        for event in [*tuple(self._blocks), *(each for events in waiting for each in tuple(events))]:
            try:
                self._loop.call_soon_threadsafe(event.set)
            except RuntimeError:
                return  # the loop has closed: nobody waits any more
