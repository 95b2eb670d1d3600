"""net_, web3_, rpc_, txpool_ and debug_: the node itself, what waits in it, and raw bytes."""

from __future__ import annotations

from typing import Any

from node.chain import Transaction
from node.keys import keccak256
from node.rpc.context import RpcContext
from node.rpc.errors import not_found
from node.rpc.method import Method, Runs
from node.rpc.params import BlockRef, Param, block_ref, data, hash32
from node.rpc.views import transaction_view
from node.types import Address, Hash32, to_hex

Senders = dict[Address, tuple[Transaction, ...]]


def network_version(context: RpcContext) -> str:
    return str(context.ledger.genesis.chain_id)


def listening(_context: RpcContext) -> bool:
    return True


def peer_count(context: RpcContext) -> str:
    return hex(context.status.peer_count())


def client_version(context: RpcContext) -> str:
    return context.status.client_version()


def sha3(_context: RpcContext, content: bytes) -> str:
    return to_hex(keccak256(content))


def txpool_status(context: RpcContext) -> dict[str, str]:
    contents = context.pool.contents()
    return {
        "pending": hex(sum(len(rows) for rows in contents.pending.values())),
        "queued": hex(sum(len(rows) for rows in contents.queued.values())),
    }


def txpool_content(context: RpcContext) -> dict[str, Any]:
    def shown(senders: Senders) -> dict[str, Any]:
        return {
            to_hex(sender): {str(tx.nonce): transaction_view(tx, None, None) for tx in rows}
            for sender, rows in senders.items()
        }

    contents = context.pool.contents()
    return {"pending": shown(contents.pending), "queued": shown(contents.queued)}


def txpool_inspect(context: RpcContext) -> dict[str, Any]:
    contents = context.pool.contents()
    pending = {
        to_hex(sender): {str(tx.nonce): _summary(tx) for tx in rows} for sender, rows in contents.pending.items()
    }
    queued = {
        to_hex(sender): {
            str(tx.nonce): f"{_summary(tx)}; waits for nonce {context.pool.next_nonce(sender)}" for tx in rows
        }
        for sender, rows in contents.queued.items()
    }
    return {"pending": pending, "queued": queued}


def _summary(tx: Transaction) -> str:
    to = "contract creation" if tx.to is None else to_hex(tx.to)
    return f"{to}: {tx.value} wei + {tx.gas} gas × {tx.max_fee_per_gas} wei"


def raw_header(context: RpcContext, ref: BlockRef) -> str:
    return to_hex(context.header(ref).rlp())


def raw_block(context: RpcContext, ref: BlockRef) -> str:
    number = context.header(ref).number
    rlp = context.ledger.chain.block_rlp(number)
    if rlp is None:
        raise context.ledger.chain.absent(number)
    return to_hex(rlp)


def raw_receipts(context: RpcContext, ref: BlockRef) -> list[str]:
    number = context.header(ref).number
    receipts = context.ledger.chain.receipts(number)
    if receipts is None:
        raise context.ledger.chain.absent(number, "the receipts of block")
    return [to_hex(receipt.encode()) for receipt in receipts]


def raw_transaction(context: RpcContext, transaction_hash: Hash32) -> str:
    found = context.locate(transaction_hash)
    if found is not None:
        committed, position = found
        return to_hex(committed.block.transactions[position].raw)
    waiting = context.pool.lookup(transaction_hash)
    if waiting is None:
        raise not_found(f"transaction {to_hex(transaction_hash)}")
    return to_hex(waiting.raw)


_BLOCK = Param("block", block_ref)

METHODS = (
    Method("net_version", network_version, "The chain id in decimal"),
    Method("net_listening", listening, "Always true"),
    Method("net_peerCount", peer_count, "Connected peers"),
    Method("web3_clientVersion", client_version, "Name and version of this node"),
    Method("web3_sha3", sha3, "Keccak-256 of bytes", (Param("data", data),)),
    Method("txpool_status", txpool_status, "How many transactions wait: executable, and behind a missing nonce"),
    Method("txpool_content", txpool_content, "What waits, by sender and nonce"),
    Method("txpool_inspect", txpool_inspect, "What waits, one line each, with what it waits for"),
    Method("debug_getRawHeader", raw_header, "RLP of a header", (_BLOCK,)),
    Method("debug_getRawBlock", raw_block, "RLP of a block", (_BLOCK,)),
    Method("debug_getRawReceipts", raw_receipts, "Encoded receipts of a block", (_BLOCK,), Runs.THREAD),
    Method(
        "debug_getRawTransaction",
        raw_transaction,
        "Encoded transaction, final or waiting",
        (Param("transactionHash", hash32),),
    ),
)
