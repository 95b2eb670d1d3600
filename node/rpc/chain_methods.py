"""eth_: blocks, transactions and receipts."""

from __future__ import annotations

from typing import Any

from node.chain import Transaction
from node.rpc.context import CommittedBlock, RpcContext
from node.rpc.errors import limit_exceeded
from node.rpc.method import Method, Runs
from node.rpc.params import (
    BlockRef,
    Param,
    block_ref,
    boolean,
    data,
    hash32,
    index,
    lenient_quantity,
    percentiles,
)
from node.rpc.views import block_view, transaction_view
from node.types import Hash32, to_hex

FEE_HISTORY_BLOCKS_MAX = 1_024


def chain_id(context: RpcContext) -> str:
    return hex(context.ledger.genesis.chain_id)


def block_number(context: RpcContext) -> str:
    return hex(context.ledger.head.number)


def syncing(context: RpcContext) -> Any:
    progress = context.status.syncing()
    if progress is None:
        return False
    return {
        "startingBlock": hex(progress.starting),
        "currentBlock": hex(progress.current),
        "highestBlock": hex(progress.highest),
    }


def zero_price(_context: RpcContext) -> str:
    return "0x0"  # P-2: the base fee is 0 for ever, and nobody has to offer a price


def fee_history(context: RpcContext, count: int, newest: BlockRef, wanted: list[float]) -> dict[str, Any]:
    if count > FEE_HISTORY_BLOCKS_MAX:
        raise limit_exceeded(f"blockCount is {count}, the limit is {FEE_HISTORY_BLOCKS_MAX}", FEE_HISTORY_BLOCKS_MAX)
    last = context.header(newest).number
    first = max(0, last - count + 1)
    numbers = range(first, last + 1) if count else range(0)
    history: dict[str, Any] = {
        "oldestBlock": hex(first),
        "baseFeePerGas": ["0x0"] * (len(numbers) + 1),
        "gasUsedRatio": [],
        "baseFeePerBlobGas": ["0x0"] * (len(numbers) + 1),
        "blobGasUsedRatio": [0] * len(numbers),
    }
    rewards = []
    for number in numbers:
        committed = context.committed(number)
        history["gasUsedRatio"].append(committed.block.header.gas_used / committed.block.header.gas_limit)
        rewards.append([hex(price) for price in _reward_percentiles(committed, wanted)])
    if wanted:
        history["reward"] = rewards
    return history


def _reward_percentiles(committed: CommittedBlock, wanted: list[float]) -> list[int]:
    """Price offered at each percentile of the block's gas, by ascending price."""
    rows = []
    before = 0
    for tx, receipt in zip(committed.block.transactions, committed.receipts, strict=True):
        rows.append((tx.effective_gas_price, receipt.cumulative_gas_used - before))
        before = receipt.cumulative_gas_used
    rows.sort()
    prices = []
    for percentile in wanted:
        threshold, passed, chosen = before * percentile / 100, 0, 0
        for price, gas in rows:
            passed, chosen = passed + gas, price
            if passed >= threshold:
                break
        prices.append(chosen)
    return prices


def accounts(_context: RpcContext) -> list[str]:
    return []  # this door holds no keys


def block_by(context: RpcContext, ref: BlockRef, full: bool) -> Any:
    committed = context.find_committed(ref)
    return None if committed is None else block_view(committed.block, full=full)


def transaction_count_of(context: RpcContext, ref: BlockRef) -> Any:
    committed = context.find_committed(ref)
    return None if committed is None else hex(len(committed.block.transactions))


def uncle_count_of(context: RpcContext, ref: BlockRef) -> Any:
    return None if context.find_header(ref) is None else "0x0"


def uncle_of(_context: RpcContext, _ref: BlockRef, _position: int) -> None:
    return None  # P-1: ommers are empty


def transaction_by_hash(context: RpcContext, transaction_hash: Hash32) -> Any:
    found = context.locate(transaction_hash)
    if found is not None:
        return _transaction_at(*found)
    waiting = context.pool.lookup(transaction_hash)
    return None if waiting is None else transaction_view(waiting, None, None)


def transaction_by_index(context: RpcContext, ref: BlockRef, position: int) -> Any:
    committed = context.find_committed(ref)
    if committed is None or position >= len(committed.block.transactions):
        return None
    return _transaction_at(committed, position)


def _transaction_at(committed: CommittedBlock, position: int) -> Any:
    return transaction_view(committed.block.transactions[position], committed.block.header, position)


def receipt(context: RpcContext, transaction_hash: Hash32) -> Any:
    found = context.locate(transaction_hash)
    if found is None:
        return None
    committed, position = found
    return committed.receipt_view(position)


def block_receipts(context: RpcContext, ref: BlockRef) -> Any:
    committed = context.find_committed(ref)
    return None if committed is None else [committed.receipt_view(index) for index in range(len(committed.receipts))]


def send_raw_transaction(context: RpcContext, raw: bytes) -> str:
    return to_hex(context.pool.add(raw))


def transaction_status(context: RpcContext, transaction_hash: Hash32) -> dict[str, Any]:
    found = context.locate(transaction_hash)
    if found is not None:
        committed, position = found
        return {
            "status": "final",
            "blockNumber": hex(committed.block.number),
            "succeeded": committed.receipts[position].status == 1,
        }
    waiting = context.pool.lookup(transaction_hash)
    if waiting is not None:
        return {"status": "queued" if _is_queued(context, waiting) else "pending"}
    reason = context.pool.why_dropped(transaction_hash)
    return {"status": "unknown"} if reason is None else {"status": "dropped", "reason": reason}


def _is_queued(context: RpcContext, waiting: Transaction) -> bool:
    return waiting.nonce >= context.pool.next_nonce(waiting.sender)


_BLOCK = Param("block", block_ref)
_HASH = Param("blockHash", block_ref)
_TX = Param("transactionHash", hash32)
_INDEX = Param("index", index)
_FULL = Param("fullTransactions", boolean, False)

METHODS = (
    Method("eth_chainId", chain_id, "The chain id"),
    Method("eth_blockNumber", block_number, "Height of the last final block"),
    Method("eth_syncing", syncing, "Progress while behind, else false"),
    Method("eth_gasPrice", zero_price, "Always 0x0: gas costs nothing here"),
    Method("eth_maxPriorityFeePerGas", zero_price, "Always 0x0"),
    Method(
        "eth_feeHistory",
        fee_history,
        f"Base fees (0) and gas used of up to {FEE_HISTORY_BLOCKS_MAX} blocks",
        (
            Param("blockCount", lenient_quantity),
            Param("newestBlock", block_ref),
            Param("rewardPercentiles", percentiles, []),
        ),
        Runs.THREAD,
    ),
    Method("eth_accounts", accounts, "Always empty: the door holds no keys"),
    Method("eth_getBlockByNumber", block_by, "A block, or null", (_BLOCK, _FULL), Runs.THREAD),
    Method("eth_getBlockByHash", block_by, "A block, or null", (_HASH, _FULL), Runs.THREAD),
    Method("eth_getBlockTransactionCountByNumber", transaction_count_of, "Transactions in a block, or null", (_BLOCK,)),
    Method("eth_getBlockTransactionCountByHash", transaction_count_of, "Transactions in a block, or null", (_HASH,)),
    Method("eth_getUncleCountByBlockNumber", uncle_count_of, "0x0 for every block, or null", (_BLOCK,)),
    Method("eth_getUncleCountByBlockHash", uncle_count_of, "0x0 for every block, or null", (_HASH,)),
    Method("eth_getUncleByBlockNumberAndIndex", uncle_of, "Always null", (_BLOCK, _INDEX)),
    Method("eth_getUncleByBlockHashAndIndex", uncle_of, "Always null", (_HASH, _INDEX)),
    Method("eth_getTransactionByHash", transaction_by_hash, "A final or waiting transaction, or null", (_TX,)),
    Method(
        "eth_getTransactionByBlockNumberAndIndex",
        transaction_by_index,
        "A final transaction, or null",
        (_BLOCK, _INDEX),
    ),
    Method(
        "eth_getTransactionByBlockHashAndIndex", transaction_by_index, "A final transaction, or null", (_HASH, _INDEX)
    ),
    Method("eth_getTransactionReceipt", receipt, "The receipt of a final transaction, or null", (_TX,)),
    Method("eth_getBlockReceipts", block_receipts, "All receipts of a block, or null", (_BLOCK,), Runs.THREAD),
    Method(
        "eth_sendRawTransaction",
        send_raw_transaction,
        "Admit a signed transaction; its hash, or error -32003 with the reason",
        (Param("transaction", data),),
    ),
    Method(
        "praya_getTransactionStatus",
        transaction_status,
        "final, pending, queued, dropped (with the reason) or unknown",
        (_TX,),
    ),
)
