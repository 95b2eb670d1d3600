"""py-evm's Cancun state and transaction executor over our journal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from eth._utils.address import generate_contract_address
from eth.abc import ComputationAPI, ExecutionContextAPI, MessageAPI, SignedTransactionAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.vm.forks.cancun.state import CancunState, CancunTransactionExecutor
from eth.vm.forks.frontier.state import FrontierTransactionExecutor
from eth_utils.logging import get_extended_debug_logger

from node.execution.guard import ExecutionGuard
from node.execution.reference.account_db import STATE_ROOT_TOKEN, JournalAccountDB
from node.execution.reference.calls import FrameMessage
from node.execution.reference.computation import ReferenceComputation
from node.types import Address, Hash32

ANCESTORS_MAX = 256
"""Hashes that BLOCKHASH reaches (Yellow Paper, 9.4.2)."""
DYNAMIC_FEE_TYPE = 2
"""py-evm normalises fees of types 0 and 1 to this shape; blobs (3) never get here (P-6)."""


@dataclass(frozen=True, slots=True)
class EvmTransaction:
    """What py-evm's executor reads of a transaction; validation and signature are ours."""

    sender: Address
    to: bytes
    """b"" for a creation."""
    value: int
    data: bytes
    gas: int
    intrinsic_gas: int
    """Without EIP-3860's words, which py-evm charges inside the frame."""
    gas_price: int
    access_list: tuple[tuple[Address, tuple[int, ...]], ...]
    type_id: int = DYNAMIC_FEE_TYPE

    @property
    def max_fee_per_gas(self) -> int:
        """Base fee is 0 (P-2), so the price is the priority fee."""
        return self.gas_price

    @property
    def max_priority_fee_per_gas(self) -> int:
        """All of the price goes to the coinbase."""
        return self.gas_price


class ReferenceExecutor(CancunTransactionExecutor):  # type: ignore[misc]
    """Runs one transaction: py-evm's order of events, without its second signature check and its log lines."""

    def validate_transaction(self, transaction: SignedTransactionAPI) -> None:
        """Done before, by node.execution.rules."""

    def build_evm_message(self, transaction: SignedTransactionAPI) -> MessageAPI:
        """Buy gas, count the nonce, and make the top-level frame (CancunTransactionExecutor)."""
        state = self.vm_state
        sender = transaction.sender
        state.delta_balance(sender, -transaction.gas * state.get_gas_price(transaction))
        state.increment_nonce(sender)
        contract_address = None
        data, code = transaction.data, b""
        if transaction.to == CREATE_CONTRACT_ADDRESS:
            contract_address = generate_contract_address(sender, state.get_nonce(sender) - 1)
            data, code = b"", transaction.data
        else:
            code = state.get_code(transaction.to)
        return FrameMessage(
            gas=transaction.gas - transaction.intrinsic_gas,
            to=transaction.to,
            sender=sender,
            value=transaction.value,
            data=data,
            code=code,
            create_address=contract_address,
        )

    def finalize_computation(self, transaction: SignedTransactionAPI, computation: ComputationAPI) -> ComputationAPI:
        """Refund, tip and self-destructs by py-evm; then EIP-161 over our folded list of touched accounts."""
        FrontierTransactionExecutor.finalize_computation(self, transaction, computation)
        state = self.vm_state
        folded: Any = computation
        for address in sorted({state.coinbase, *folded.touched_accounts()}):
            if state.account_exists(address) and state.account_is_empty(address):
                state.delete_account(address)
        return computation


class ReferenceState(CancunState):  # type: ignore[misc]
    """CancunState whose snapshots are marks in our journal, and whose transient storage lives there too."""

    computation_class = ReferenceComputation
    transaction_executor_class = ReferenceExecutor
    account_db_class = JournalAccountDB
    logger = get_extended_debug_logger("eth.vm.state.ReferenceState")

    def __init__(self, account_db: JournalAccountDB, context: ExecutionContextAPI, guard: ExecutionGuard) -> None:
        # Not BaseState.__init__: it rewrites EIP-4788's code, which genesis has placed (P-20).
        self._db = None
        self.execution_context = context
        self._account_db = account_db
        self.guard = guard
        self._ancestors: list[Hash32] = []
        self._older_ancestors = iter(context.prev_hashes)

    def get_ancestor_hash(self, block_number: int) -> Hash32:
        """BLOCKHASH; each ancestor is read once for a block, where py-evm walks from the parent each time (P-7)."""
        depth = self.block_number - block_number - 1
        if not 0 <= depth < ANCESTORS_MAX:
            return Hash32(b"")
        known = self._ancestors
        if depth >= len(known):
            known.extend(islice(self._older_ancestors, depth + 1 - len(known)))
        return known[depth] if depth < len(known) else Hash32(b"")

    def snapshot(self) -> Any:
        """A mark in the journal, with the token for a state root (P-20)."""
        return STATE_ROOT_TOKEN, self._account_db.record()

    def revert(self, snapshot: Any) -> None:
        """Undo to the mark."""
        self._account_db.discard(snapshot[1])

    def commit(self, snapshot: Any) -> None:
        """Keep the changes."""
        self._account_db.commit(snapshot[1])

    def get_transient_storage(self, address: Any, slot: int) -> bytes:
        """EIP-1153."""
        value: bytes = self._account_db.get_transient(address, slot)
        return value

    def set_transient_storage(self, address: Any, slot: int, value: bytes) -> None:
        """EIP-1153."""
        self._account_db.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        """Done by the journal when the next transaction begins."""
