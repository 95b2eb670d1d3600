"""The reference engine behind :class:`node.execution.engine.Engine`."""

from __future__ import annotations

from typing import Any

from eth.constants import ZERO_HASH32
from eth.exceptions import Revert
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.constants import (
    BEACON_ROOTS_ADDRESS,
    BEACON_ROOTS_CONTRACT_CODE,
    HISTORY_BUFFER_LENGTH,
)
from eth_keys.backends import get_backend_class

from node.chain.receipt import Log
from node.errors import ConfigError
from node.execution.engine import BlockContext, EvmMessage, MessageResult
from node.execution.guard import ExecutionGuard
from node.execution.reference.account_db import JournalAccountDB
from node.execution.reference.state import EvmTransaction, ReferenceState
from node.execution.rules import frame_intrinsic_gas
from node.state.write_set import WriteSet
from node.types import Account, Address, Hash32, StateReader

REFUND_QUOTIENT = 5
"""EIP-3529: at most a fifth of the gas is refunded."""


class ReferenceEngine:
    """py-evm under Cancun. Refuses to start without the coincurve backend: the pure one is 50 times slower."""

    name = "reference"

    def __init__(self) -> None:
        backend = get_backend_class().__name__
        if backend != "CoinCurveECCBackend":
            raise ConfigError(f"eth_keys runs on {backend}; coincurve is required", field="ECC_BACKEND_CLASS")

    def begin(self, reader: StateReader, context: BlockContext, guard: ExecutionGuard) -> ReferenceExecution:
        """An execution of one block over ``reader``."""
        return ReferenceExecution(reader, context, guard)


class ReferenceExecution:
    """One block in the making; see :class:`node.execution.engine.Execution`."""

    def __init__(self, reader: StateReader, context: BlockContext, guard: ExecutionGuard) -> None:
        self._journal = JournalAccountDB(reader)
        self._timestamp = context.timestamp
        self._state = ReferenceState(
            self._journal,
            ExecutionContext(
                coinbase=context.coinbase,
                timestamp=context.timestamp,
                block_number=context.number,
                difficulty=0,
                mix_hash=ZERO_HASH32,
                gas_limit=context.gas_limit,
                prev_hashes=context.ancestors(),
                chain_id=context.chain_id,
                base_fee_per_gas=0,
                excess_blob_gas=0,
            ),
            guard,
        )

    def write_parent_root(self, root: Hash32) -> None:
        """EIP-4788 as CancunVM.block_preprocessing does it (P-8, P-20)."""
        journal = self._journal
        if journal.get_code(BEACON_ROOTS_ADDRESS) != BEACON_ROOTS_CONTRACT_CODE:
            return
        journal.lock_changes()
        index = self._timestamp % HISTORY_BUFFER_LENGTH
        journal.set_storage(BEACON_ROOTS_ADDRESS, index, self._timestamp)
        journal.set_storage(BEACON_ROOTS_ADDRESS, index + HISTORY_BUFFER_LENGTH, int.from_bytes(root, "big"))

    def run(self, message: EvmMessage) -> MessageResult:
        """Apply one transaction that node.execution.rules has passed."""
        self._journal.lock_changes()
        computation: Any = self._state.apply_transaction(
            EvmTransaction(
                sender=message.sender,
                to=message.to or b"",
                value=message.value,
                data=message.data,
                gas=message.gas,
                intrinsic_gas=frame_intrinsic_gas(message.to is None, message.data, message.access_list),
                gas_price=message.gas_price,
                access_list=message.access_list,
            )
        )
        consumed = message.gas - computation.get_gas_remaining()
        refund = min(computation.get_gas_refund(), consumed // REFUND_QUOTIENT)
        failed = computation.is_error
        return MessageResult(
            succeeded=not failed,
            reverted=failed and isinstance(computation.error, Revert),
            gas_used=consumed - refund,
            output=computation.output,
            logs=tuple(_log(*entry) for entry in computation.get_log_entries()),
            error=_describe(computation.error) if failed else None,
            contract_address=computation.msg.storage_address if message.to is None else None,
        )

    def checkpoint(self) -> int:
        """A mark in the journal."""
        mark: int = self._journal.record()
        return mark

    def revert(self, checkpoint: int) -> None:
        """Undo to the mark."""
        self._journal.discard(checkpoint)

    def credit(self, address: Address, amount: int) -> None:
        """Add to a balance."""
        self._journal.set_balance(address, self._journal.get_balance(address) + amount)

    def write_set(self) -> WriteSet:
        """All changes against the state beneath."""
        return self._journal.write_set()

    def account(self, address: Address) -> Account | None:
        """The account, changes included."""
        return self._journal.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The storage word, changes included."""
        return self._journal.storage(address, slot)

    def code(self, code_hash: Hash32) -> bytes:
        """Contract code by its hash."""
        return self._journal.code(code_hash)


def _log(address: bytes, topics: tuple[int, ...], data: bytes) -> Log:
    return Log(Address(address), tuple(Hash32(topic.to_bytes(32, "big")) for topic in topics), data)


def _describe(error: BaseException) -> str:
    return "execution reverted" if isinstance(error, Revert) else f"{type(error).__name__}: {error}"
