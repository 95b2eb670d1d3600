"""Which transactions a block may hold (P-2, P-6): one set of checks for builder, replica and admission."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from node.chain.genesis import Genesis
from node.chain.parameters import ChainParameters
from node.chain.transaction import Transaction
from node.errors import InvalidTransaction
from node.keys.hashing import EMPTY_CODE_HASH
from node.types import Account, Address, StateReader

TRANSACTION_GAS = 21_000
CREATION_GAS = 32_000
ZERO_BYTE_GAS = 4
DATA_BYTE_GAS = 16
ACCESS_ADDRESS_GAS = 2_400
ACCESS_SLOT_GAS = 1_900
INITCODE_WORD_GAS = 2
INITCODE_BYTES_MAX = 49_152
"""EIP-3860."""

_NOTHING = Account(0, 0, EMPTY_CODE_HASH)


class Permissions(Protocol):
    """What execution asks of node.permissioning: pure functions over a state reader."""

    def is_registered(self, state: StateReader, address: Address) -> bool:
        """May this account send transactions?"""

    def may_deploy(self, state: StateReader, address: Address) -> bool:
        """May this account create contracts by transaction?"""

    def validators_at(self, state: StateReader, height: int) -> tuple[Address, ...]:
        """S(height), ascending, asked on the post-state of ``height`` - 1 (P-12)."""

    def consortium_parameters(self, state: StateReader) -> tuple[int, int]:
        """Epoch length L and activation delay D as the Consortium contract holds them (P-3)."""


@dataclass(frozen=True, slots=True)
class GasCaps:
    """P-2 and P-6: what one transaction and one block may use."""

    transaction: int
    block: int

    @classmethod
    def of(cls, genesis: Genesis) -> GasCaps:
        """min(maxTxGas, gasLimit // 2) and gasLimit // 2."""
        block = genesis.gas_limit // 2
        return cls(min(genesis.parameters.max_tx_gas, block), block)


def frame_intrinsic_gas(creates: bool, data: bytes, access_list: Sequence[tuple[Address, Sequence[int]]] = ()) -> int:
    """Gas before the first opcode (EIP-2028, EIP-2930), without EIP-3860's words."""
    zeros = data.count(0)
    return (
        TRANSACTION_GAS
        + (CREATION_GAS if creates else 0)
        + ZERO_BYTE_GAS * zeros
        + DATA_BYTE_GAS * (len(data) - zeros)
        + sum(ACCESS_ADDRESS_GAS + ACCESS_SLOT_GAS * len(slots) for _, slots in access_list)
    )


def intrinsic_gas(creates: bool, data: bytes, access_list: Sequence[tuple[Address, Sequence[int]]] = ()) -> int:
    """Least gas limit of a valid transaction; a creation also pays 2 gas for each word of initcode (EIP-3860)."""
    words = INITCODE_WORD_GAS * ((len(data) + 31) // 32) if creates else 0
    return frame_intrinsic_gas(creates, data, access_list) + words


def check_transaction(tx: Transaction, genesis: Genesis) -> None:
    """What can be judged without a state; InvalidTransaction with a stable reason (P-6, EIP-155, EIP-3860)."""
    parameters: ChainParameters = genesis.parameters
    if tx.chain_id != genesis.chain_id:
        _refuse("wrong_chain_id", "the transaction is for another chain", genesis.chain_id, tx.chain_id)
    if len(tx.raw) > parameters.limits.tx_bytes_max:
        _refuse("tx_too_large", "encoded size", parameters.limits.tx_bytes_max, len(tx.raw))
    cap = GasCaps.of(genesis).transaction
    if tx.gas > cap:
        _refuse("gas_too_high", "gas above what one transaction may ask", cap, tx.gas)
    if tx.to is None and len(tx.data) > INITCODE_BYTES_MAX:
        _refuse("initcode_too_large", "bytes of initcode (EIP-3860)", INITCODE_BYTES_MAX, len(tx.data))
    least = intrinsic_gas(tx.to is None, tx.data, tx.access_list)
    if tx.gas < least:
        _refuse("intrinsic_gas", "gas below what the transaction costs before it runs", least, tx.gas)


def check_permission(tx: Transaction, state: StateReader, permissions: Permissions) -> None:
    """Registered sender, and deployer role for a creation, by the state before the block (P-6)."""
    if not permissions.is_registered(state, tx.sender):
        raise InvalidTransaction("unknown_sender", f"0x{tx.sender.hex()} is not a registered account")
    if tx.to is None and not permissions.may_deploy(state, tx.sender):
        raise InvalidTransaction("not_deployer", f"0x{tx.sender.hex()} may not create contracts")


def check_account(tx: Transaction, account: Account | None) -> None:
    """Nonce and funds against the sender's account at the transaction's place in the block."""
    sender = account or _NOTHING
    if tx.nonce < sender.nonce:
        _refuse("nonce_too_low", "nonce already used", sender.nonce, tx.nonce)
    if tx.nonce > sender.nonce:
        _refuse("nonce_gap", "nonce ahead of the account's", sender.nonce, tx.nonce)
    if sender.code_hash != EMPTY_CODE_HASH:
        raise InvalidTransaction("sender_is_contract", "the sender has code (EIP-3607)")
    cost = tx.value + tx.gas * tx.max_fee_per_gas
    if sender.balance < cost:
        _refuse("insufficient_funds", "balance below value plus gas", cost, sender.balance)


def _refuse(reason: str, message: str, limit: int, value: int) -> None:
    raise InvalidTransaction(reason, f"{message}: limit {limit}, found {value}", limit=limit, value=value)
