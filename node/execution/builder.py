"""Filling a block: what the proposer includes, skips and evicts (P-2, P-6, P-7)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from node.chain.block import Block, receipts_root, transactions_root
from node.chain.header import CONSTANT_FIELDS, Header
from node.chain.receipt import Receipt, combine_blooms
from node.chain.transaction import Transaction
from node.errors import InvalidTransaction
from node.execution.engine import Execution
from node.execution.guard import CancellationToken, CpuBudgetExceeded, ExcludedPrecompileReached
from node.execution.rules import GasCaps, check_permission, check_transaction
from node.execution.transition import (
    ExecutedBlock,
    ParentState,
    Rules,
    block_context,
    earliest_timestamp,
    receipt_of,
    run_transaction,
)
from node.types import Address, Hash32, StateReader

HEADER_BYTES_MAX = 1_024
"""Room for a header and list prefixes when the bytes of a block are counted."""
SKIPPED = frozenset({"nonce_gap", "block_gas", "insufficient_funds"})
"""Reasons that may pass: the transaction stays pending."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the proposer chooses of a block."""

    timestamp: int
    """Unix seconds; raised to the earliest that P-4 allows."""
    coinbase: Address
    certificate_hash: Hash32
    """Hash of the commit certificate of block h - W; zero for h <= W (P-11)."""
    cpu_budget_s: float
    """Thread CPU time of executions at which the block closes: at most T0/4 (P-7)."""
    tx_cpu_max_s: float
    """Thread CPU time that evicts a transaction which alone uses it: T0/2 (P-7)."""


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """A block that this node may propose, and the transactions that its pool should forget, with reasons."""

    executed: ExecutedBlock
    evicted: tuple[tuple[Hash32, str], ...]
    execution_cpu_s: float
    """Thread CPU time of the transactions."""
    finish_cpu_s: float
    """Thread CPU time of what followed them: write set, roots, bloom."""
    closed_by_cpu: bool
    """Whether the CPU budget ended the block, so that there was more to place."""


@dataclass(slots=True)
class _Filling:
    """The block as it fills."""

    transactions: list[Transaction] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    evicted: list[tuple[Hash32, str]] = field(default_factory=list)
    gas_used: int = 0
    bytes_used: int = HEADER_BYTES_MAX
    cpu_used_s: float = 0.0
    closed_by_cpu: bool = False


def build_block(
    rules: Rules,
    parent: ParentState,
    request: BuildRequest,
    candidates: Iterable[Transaction],
    *,
    token: CancellationToken | None = None,
) -> BuiltBlock:
    """Build a child of ``parent`` from ``candidates``, in their order. Writes nothing.

    Raises ExecutionAbandoned after a cancellation. Every transaction that cannot stand in any block on this head is
    evicted with its reason; one that waits for a nonce, funds or room is left alone.
    """
    header = _draft_header(rules, parent, request)
    before = parent.state.head()
    guard = rules.guard(token)
    execution = rules.engine.begin(before, block_context(rules, header, parent.ancestors), guard)
    execution.write_parent_root(request.certificate_hash)  # P-8
    filling = _Filling()
    limits = rules.genesis.parameters.limits
    for transaction in candidates:
        if len(filling.transactions) >= limits.txs_max:
            break
        if filling.cpu_used_s >= request.cpu_budget_s:
            filling.closed_by_cpu = True
            break
        if filling.bytes_used + len(transaction.raw) + 8 > limits.block_bytes_max:
            continue
        if filling.gas_used + transaction.gas > GasCaps.of(rules.genesis).block:  # P-2
            continue
        started = time.thread_time()
        guard.start_budget(request.tx_cpu_max_s)
        _place(rules, execution, before, transaction, filling)
        filling.cpu_used_s += time.thread_time() - started
    started = time.thread_time()
    executed = _finish(rules, parent, header, execution, filling)
    finish_cpu_s = time.thread_time() - started
    return BuiltBlock(executed, tuple(filling.evicted), filling.cpu_used_s, finish_cpu_s, filling.closed_by_cpu)


def _place(
    rules: Rules, execution: Execution, before: StateReader, transaction: Transaction, filling: _Filling
) -> None:
    """Run one candidate; include it, or undo it and say why not."""
    checkpoint = execution.checkpoint()
    try:
        check_transaction(transaction, rules.genesis)
        check_permission(transaction, before, rules.permissions)
        result = run_transaction(execution, transaction, GasCaps.of(rules.genesis).block - filling.gas_used)
    except InvalidTransaction as error:
        if error.reason not in SKIPPED:
            filling.evicted.append((transaction.hash, error.reason))
    except ExcludedPrecompileReached as error:
        execution.revert(checkpoint)
        filling.evicted.append((transaction.hash, f"excluded_precompile_{error.number}"))
    except CpuBudgetExceeded:
        execution.revert(checkpoint)
        filling.evicted.append((transaction.hash, "cpu_time"))
    else:
        filling.gas_used += result.gas_used
        filling.bytes_used += len(transaction.raw) + 8
        filling.transactions.append(transaction)
        filling.receipts.append(receipt_of(transaction, result, filling.gas_used))


def _draft_header(rules: Rules, parent: ParentState, request: BuildRequest) -> Header:
    """The header before execution: results stand as zeros."""
    return Header(
        parent_hash=parent.header.hash,
        ommers_hash=CONSTANT_FIELDS["ommers_hash"],
        coinbase=request.coinbase,
        state_root=Hash32(bytes(32)),
        transactions_root=Hash32(bytes(32)),
        receipts_root=Hash32(bytes(32)),
        logs_bloom=bytes(256),
        difficulty=0,
        number=parent.header.number + 1,
        gas_limit=rules.genesis.gas_limit,
        gas_used=0,
        timestamp=max(request.timestamp, earliest_timestamp(rules.genesis, parent.header)),
        extra_data=bytes(32),
        prev_randao=CONSTANT_FIELDS["prev_randao"],
        nonce=CONSTANT_FIELDS["nonce"],
        base_fee_per_gas=0,
        withdrawals_root=CONSTANT_FIELDS["withdrawals_root"],
        blob_gas_used=0,
        excess_blob_gas=0,
        parent_beacon_block_root=request.certificate_hash,
    )


def _finish(rules: Rules, parent: ParentState, draft: Header, execution: Execution, filling: _Filling) -> ExecutedBlock:
    """Fill in what execution proved."""
    next_validators = tuple(rules.permissions.validators_at(execution, draft.number + 1))
    state_update = parent.state.apply(execution.write_set())
    header = Header(
        **{
            **{name: getattr(draft, name) for name in Header.__dataclass_fields__},
            "state_root": state_update.root,
            "transactions_root": transactions_root(filling.transactions),
            "receipts_root": receipts_root(filling.receipts),
            "logs_bloom": combine_blooms(receipt.logs_bloom for receipt in filling.receipts),
            "gas_used": filling.gas_used,
            "extra_data": rules.extra_data(draft.number, next_validators),
        }
    )
    return ExecutedBlock(
        Block(header, tuple(filling.transactions)),
        tuple(filling.receipts),
        tuple(transaction.sender for transaction in filling.transactions),
        state_update,
        next_validators,
        filling.gas_used,
    )
