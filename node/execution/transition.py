"""The one transition function: the same for proposer, replica, syncing node and auditor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from node.chain.block import Block, receipts_root
from node.chain.genesis import Genesis
from node.chain.header import Header
from node.chain.receipt import Receipt, combine_blooms
from node.chain.transaction import Transaction
from node.errors import InvalidBlock, InvalidTransaction
from node.execution.engine import BlockContext, Engine, EvmMessage, Execution, MessageResult
from node.execution.guard import (
    CancellationToken,
    ExcludedPrecompileReached,
    ExecutionGuard,
    precompile_addresses,
)
from node.execution.rules import GasCaps, Permissions, check_account, check_permission, check_transaction
from node.state.store import StateStore, StateUpdate
from node.types import Address, Hash32, StateReader, to_hex

ValidatorSetHash = Callable[[int, Sequence[bytes]], bytes]
"""(epoch, addresses ascending) to the 32 bytes of extraData (P-12)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a chain: its genesis, the engine that runs it, and who may do what."""

    genesis: Genesis
    engine: Engine
    permissions: Permissions
    validator_set_hash: ValidatorSetHash

    def guard(self, token: CancellationToken | None = None) -> ExecutionGuard:
        """A guard with this chain's excluded precompiles (P-6)."""
        excluded = precompile_addresses(self.genesis.parameters.excluded_precompiles)
        return ExecutionGuard(excluded=excluded, token=token)

    def extra_data(self, height: int, next_validators: Sequence[Address]) -> bytes:
        """extraData of a block: the hash of epoch(h + 1) and S(h + 1) (P-12)."""
        epoch = (height + 1) // self.genesis.parameters.epoch_length
        return self.validator_set_hash(epoch, next_validators)


@dataclass(frozen=True, slots=True)
class ParentState:
    """Where a block is executed: on the post-state of ``header``, the head of ``state``."""

    header: Header
    state: StateStore
    validators: tuple[Address, ...]
    """S(h) of the block to come (P-12)."""
    ancestors: Callable[[], Iterator[Hash32]]
    """Hashes from the parent backwards."""


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block with everything that its execution proved; what a commit needs."""

    block: Block
    receipts: tuple[Receipt, ...]
    senders: tuple[Address, ...]
    state_update: StateUpdate
    next_validators: tuple[Address, ...]
    """S(h + 1), ascending (P-12)."""
    gas_used: int


def execute_block(
    rules: Rules,
    parent: ParentState,
    block: Block,
    *,
    carried_certificate_hash: Hash32 | None = None,
    token: CancellationToken | None = None,
) -> ExecutedBlock:
    """Validate ``block`` as a child of ``parent``, run it, and compare every result with its header.

    ``carried_certificate_hash`` is the hash of the certificate that travels with the block, where the caller has
    checked one (P-11). Raises InvalidBlock naming the broken rule, or ExecutionAbandoned after a cancellation.
    Nothing is written.
    """
    header = block.header
    validate_header(rules, header, parent, carried_certificate_hash)
    senders = _validate_transactions(rules, block, parent.state.head())

    execution = rules.engine.begin(
        parent.state.head(), block_context(rules, header, parent.ancestors), rules.guard(token)
    )
    execution.write_parent_root(header.parent_beacon_block_root)  # P-8
    receipts: list[Receipt] = []
    gas_used = 0
    for index, transaction in enumerate(block.transactions):
        try:
            result = run_transaction(execution, transaction, header.gas_limit - gas_used)
        except (InvalidTransaction, ExcludedPrecompileReached) as error:
            raise InvalidBlock("P-6", f"transaction {index}: {error.message}", found=error.field) from error
        gas_used += result.gas_used
        receipts.append(receipt_of(transaction, result, gas_used))

    next_validators = tuple(rules.permissions.validators_at(execution, header.number + 1))
    _compare(header, "gas_used", gas_used)
    _compare(header, "transactions_root", block.transactions_root())
    _compare(header, "receipts_root", receipts_root(receipts))
    _compare(header, "logs_bloom", combine_blooms(receipt.logs_bloom for receipt in receipts))
    _compare(header, "extra_data", rules.extra_data(header.number, next_validators), rule="P-12")
    state_update = parent.state.apply(execution.write_set())
    _compare(header, "state_root", state_update.root)
    return ExecutedBlock(block, tuple(receipts), senders, state_update, next_validators, gas_used)


def validate_header(rules: Rules, header: Header, parent: ParentState, carried_certificate_hash: Hash32 | None) -> None:
    """Everything about a header that needs no execution (P-1, P-2, P-4, P-5, P-11)."""
    before = parent.header
    _require("P-1", "header field number", before.number + 1, header.number)
    _require("P-1", "header field parent_hash", before.hash, header.parent_hash)
    header.check_constant_fields()
    _require("P-1", "header field gas_limit", rules.genesis.gas_limit, header.gas_limit)
    most = GasCaps.of(rules.genesis).block
    if header.gas_used > most:
        raise InvalidBlock("P-2", "gas used is above half of the gas limit", expected=most, found=header.gas_used)
    earliest = earliest_timestamp(rules.genesis, before)
    if header.timestamp < earliest:
        raise InvalidBlock("P-4", "timestamp is too early", expected=earliest, found=header.timestamp)
    if header.coinbase not in parent.validators:
        raise InvalidBlock("P-5", "coinbase is no validator of this height", found=to_hex(header.coinbase))
    if carried_certificate_hash is not None:
        found = header.parent_beacon_block_root
        _require("P-11", "header field parent_beacon_block_root", carried_certificate_hash, found)


def earliest_timestamp(genesis: Genesis, parent: Header) -> int:
    """Unix seconds: the parent's time, one more where genesis asks for strict timestamps (P-4)."""
    return parent.timestamp + (1 if genesis.parameters.strict_timestamps else 0)


def block_context(rules: Rules, header: Header, ancestors: Callable[[], Iterator[Hash32]]) -> BlockContext:
    """What the EVM sees of a header."""
    return BlockContext(
        rules.genesis.chain_id, header.number, header.timestamp, header.coinbase, header.gas_limit, ancestors
    )


def run_transaction(execution: Execution, transaction: Transaction, gas_left: int) -> MessageResult:
    """Check a transaction against its sender's account and the block's gas, and apply it.

    Raises InvalidTransaction before anything has changed, or what the guard raises.
    """
    if transaction.gas > gas_left:
        raise InvalidTransaction("block_gas", "gas above what the block has left", limit=gas_left)
    check_account(transaction, execution.account(transaction.sender))
    return execution.run(
        EvmMessage(
            sender=transaction.sender,
            to=transaction.to,
            value=transaction.value,
            data=transaction.data,
            gas=transaction.gas,
            gas_price=transaction.effective_gas_price,
            access_list=transaction.access_list,
        )
    )


def receipt_of(transaction: Transaction, result: MessageResult, cumulative_gas_used: int) -> Receipt:
    """The receipt of an applied transaction."""
    return Receipt.of(
        transaction.type,
        succeeded=result.succeeded,
        cumulative_gas_used=cumulative_gas_used,
        logs=result.logs,
    )


def _validate_transactions(rules: Rules, block: Block, before: StateReader) -> tuple[Address, ...]:
    """Limits (P-3), and each transaction by itself and by the state before the first one (P-6)."""
    limits = rules.genesis.parameters.limits
    if len(block.transactions) > limits.txs_max:
        raise InvalidBlock("P-3", "transactions", expected=limits.txs_max, found=len(block.transactions))
    size = len(block.rlp())
    if size > limits.block_bytes_max:
        raise InvalidBlock("P-3", "bytes of the block", expected=limits.block_bytes_max, found=size)
    senders = []
    for index, transaction in enumerate(block.transactions):
        try:
            check_transaction(transaction, rules.genesis)
            check_permission(transaction, before, rules.permissions)
        except InvalidTransaction as error:
            raise InvalidBlock("P-6", f"transaction {index}: {error.message}", found=error.reason) from error
        senders.append(transaction.sender)
    return tuple(senders)


def _compare(header: Header, name: str, expected: int | bytes, *, rule: str = "P-1") -> None:
    _require(rule, f"header field {name}", expected, getattr(header, name))


def _require(rule: str, what: str, expected: int | bytes, found: int | bytes) -> None:
    if expected != found:
        raise InvalidBlock(rule, what, expected=_readable(expected), found=_readable(found))


def _readable(value: int | bytes) -> int | str:
    return to_hex(value) if isinstance(value, bytes) else value
