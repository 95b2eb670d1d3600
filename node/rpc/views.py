"""Chain objects as Ethereum's JSON-RPC shows them. Numbers are 0x-quantities, bytes are 0x-hex."""

from __future__ import annotations

from typing import Any

from node.chain import Block, Header, Log, Receipt, Transaction
from node.chain.rlp_fields import encode_rlp
from node.chain.snapshot import SnapshotMarker
from node.keys import keccak256
from node.types import Address, Hash32, to_hex

JsonObject = dict[str, Any]


def header_view(header: Header) -> JsonObject:
    """The header's fields under their JSON-RPC names, with the block hash."""
    return {
        "number": hex(header.number),
        "hash": to_hex(header.hash),
        "parentHash": to_hex(header.parent_hash),
        "nonce": to_hex(header.nonce),
        "mixHash": to_hex(header.prev_randao),
        "sha3Uncles": to_hex(header.ommers_hash),
        "logsBloom": to_hex(header.logs_bloom),
        "transactionsRoot": to_hex(header.transactions_root),
        "stateRoot": to_hex(header.state_root),
        "receiptsRoot": to_hex(header.receipts_root),
        "miner": to_hex(header.coinbase),
        "difficulty": hex(header.difficulty),
        "extraData": to_hex(header.extra_data),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "baseFeePerGas": hex(header.base_fee_per_gas),
        "withdrawalsRoot": to_hex(header.withdrawals_root),
        "blobGasUsed": hex(header.blob_gas_used),
        "excessBlobGas": hex(header.excess_blob_gas),
        "parentBeaconBlockRoot": to_hex(header.parent_beacon_block_root),
    }


def block_view(block: Block, *, full: bool) -> JsonObject:
    """A block with its transactions' hashes or, where ``full``, the transactions themselves."""
    transactions: list[Any] = (
        [transaction_view(tx, block.header, index) for index, tx in enumerate(block.transactions)]
        if full
        else [to_hex(tx.hash) for tx in block.transactions]
    )
    return {
        **header_view(block.header),
        "totalDifficulty": "0x0",
        "size": hex(len(block.rlp())),
        "transactions": transactions,
        "uncles": [],
        "withdrawals": [],
    }


def transaction_view(tx: Transaction, header: Header | None, index: int | None) -> JsonObject:
    """A transaction; ``header`` and ``index`` are None while it waits."""
    view: JsonObject = {
        "blockHash": None if header is None else to_hex(header.hash),
        "blockNumber": None if header is None else hex(header.number),
        "blockTimestamp": None if header is None else hex(header.timestamp),
        "transactionIndex": None if index is None else hex(index),
        "hash": to_hex(tx.hash),
        "type": hex(tx.type),
        "chainId": hex(tx.chain_id),
        "nonce": hex(tx.nonce),
        "from": to_hex(tx.sender),
        "to": None if tx.to is None else to_hex(tx.to),
        "gas": hex(tx.gas),
        "value": hex(tx.value),
        "input": to_hex(tx.data),
        "v": hex(tx.v),
        "r": hex(tx.r),
        "s": hex(tx.s),
    }
    if tx.type == 2:
        view["maxFeePerGas"] = hex(tx.max_fee_per_gas)
        view["maxPriorityFeePerGas"] = hex(tx.max_priority_fee_per_gas)
        # In a block the price that was paid; before, the most that would be.
        view["gasPrice"] = hex(tx.effective_gas_price if header is not None else tx.max_fee_per_gas)
    else:
        view["gasPrice"] = hex(tx.gas_price)
    if tx.type != 0:
        view["yParity"] = hex(tx.y_parity)
        view["accessList"] = [
            {"address": to_hex(address), "storageKeys": [f"0x{slot:064x}" for slot in slots]}
            for address, slots in tx.access_list
        ]
    return view


def receipt_view(block: Block, index: int, receipt: Receipt, gas_before: int, log_index: int) -> JsonObject:
    """One receipt. ``gas_before`` and ``log_index`` are gas used and logs written by the transactions before it."""
    tx = block.transactions[index]
    return {
        "transactionHash": to_hex(tx.hash),
        "transactionIndex": hex(index),
        "blockHash": to_hex(block.hash),
        "blockNumber": hex(block.number),
        "from": to_hex(tx.sender),
        "to": None if tx.to is None else to_hex(tx.to),
        "contractAddress": None if tx.to is not None else to_hex(created_address(tx.sender, tx.nonce)),
        "cumulativeGasUsed": hex(receipt.cumulative_gas_used),
        "gasUsed": hex(receipt.cumulative_gas_used - gas_before),
        "effectiveGasPrice": hex(tx.effective_gas_price),
        "type": hex(tx.type),
        "status": hex(receipt.status),
        "logsBloom": to_hex(receipt.logs_bloom),
        "logs": [
            log_view(log, block.header, tx.hash, index, log_index + offset) for offset, log in enumerate(receipt.logs)
        ],
    }


def log_view(log: Log, header: Header, transaction_hash: Hash32, index: int, log_index: int) -> JsonObject:
    """One log with its place; ``removed`` is always false: blocks are final."""
    return {
        "address": to_hex(log.address),
        "topics": [to_hex(topic) for topic in log.topics],
        "data": to_hex(log.data),
        "blockNumber": hex(header.number),
        "blockHash": to_hex(header.hash),
        "blockTimestamp": hex(header.timestamp),
        "transactionHash": to_hex(transaction_hash),
        "transactionIndex": hex(index),
        "logIndex": hex(log_index),
        "removed": False,
    }


def created_address(sender: Address, nonce: int) -> Address:
    """Address of the contract that a transaction creates (Yellow Paper, 7)."""
    return Address(keccak256(encode_rlp([sender, nonce]))[12:])


def snapshot_view(marker: SnapshotMarker | None) -> JsonObject | None:
    """Where the history of a bank starts that joined by snapshot; null for one that executed every block."""
    if marker is None:
        return None
    return {
        "height": hex(marker.height),
        "firstBlock": hex(marker.first_block),
        "pinned": marker.pinned,
        "meaning": marker.sentence(),
    }
