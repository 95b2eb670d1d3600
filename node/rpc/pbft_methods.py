"""pbft_ and praya_: certificates, validator sets, and everything that an auditor needs to check a chain alone."""

from __future__ import annotations

from typing import Any

from consensus.certificates import CommitCertificate
from consensus.errors import ConsensusError
from node.errors import DataError
from node.rpc.context import RpcContext
from node.rpc.errors import invalid_params, limit_exceeded, not_found
from node.rpc.method import Method, Runs
from node.rpc.params import LATEST, BlockRef, Param, block_ref, lenient_quantity
from node.rpc.views import snapshot_view
from node.types import to_hex

SEALED_BLOCKS_MAX = 256
"""Blocks of one pbft_getSealedBlocks answer."""
SEALED_BLOCKS_BYTES_MAX = 8 * 1024 * 1024
"""RLP bytes of one pbft_getSealedBlocks answer: it ends early, but never before its first block."""


def certificate(context: RpcContext, ref: BlockRef) -> dict[str, Any]:
    number = context.header(ref).number
    encoded = context.ledger.chain.certificate(number)
    if encoded is None and number == 0:
        raise not_found("a certificate of block 0")
    if encoded is None:
        raise context.ledger.chain.absent(number, "a certificate of block")
    try:
        decoded = CommitCertificate.decode(encoded)
    except ConsensusError as error:
        raise DataError(f"the stored certificate of block {number} is malformed", field="certificate") from error
    validators = context.ledger.chain.validators(number)
    return {
        "certificate": to_hex(encoded),
        "hash": to_hex(decoded.hash()),
        "canonical": number + context.ledger.parameters.window <= context.ledger.head.number,
        "epoch": hex(decoded.epoch),
        "view": hex(decoded.view),
        "number": hex(decoded.height),
        "blockHash": to_hex(decoded.block_hash),
        "bitmap": hex(decoded.bitmap),
        "signers": [to_hex(validators[position]) for position in decoded.signers() if position < len(validators)],
        "seals": [to_hex(seal) for seal in decoded.seals],
    }


def validators(context: RpcContext, ref: BlockRef) -> list[str]:
    return [to_hex(address) for address in context.ledger.chain.validators(_set_height(context, ref))]


def validator_set(context: RpcContext, ref: BlockRef) -> dict[str, Any]:
    height = _set_height(context, ref)
    since, addresses = context.ledger.chain.validators_change(height)
    header = context.ledger.chain.header(height - 1)
    return {
        "number": hex(height),
        "epoch": hex(height // context.ledger.parameters.epoch_length),
        "since": hex(since),
        "validators": [to_hex(address) for address in addresses],
        "hash": None if header is None else to_hex(header.extra_data),
    }


def _set_height(context: RpcContext, ref: BlockRef) -> int:
    """The height whose set is meant: ``pending`` is head + 1, genesis has the set of height 1, which it states."""
    if ref.tag == "pending" or ref.number == context.ledger.head.number + 1:
        return context.ledger.head.number + 1
    return max(1, context.header(ref).number)


def sealed_blocks(context: RpcContext, first: int, count: int) -> list[dict[str, Any]]:
    if first < 1:
        raise invalid_params("parameter 1 (first): sealed blocks begin at height 1")
    if count > SEALED_BLOCKS_MAX:
        raise limit_exceeded(f"count is {count}, the limit is {SEALED_BLOCKS_MAX}", SEALED_BLOCKS_MAX)
    chain = context.ledger.chain
    rows: list[dict[str, Any]] = []
    size = 0
    for number in range(first, min(first + count, context.ledger.head.number + 1)):
        rlp, encoded = chain.block_rlp(number), chain.certificate(number)
        if rlp is None or encoded is None:
            raise chain.absent(number)
        size += len(rlp)
        if rows and size > SEALED_BLOCKS_BYTES_MAX:
            break
        since, addresses = chain.validators_change(number)
        rows.append(
            {
                "number": hex(number),
                "block": to_hex(rlp),
                "certificate": to_hex(encoded),
                "validators": [to_hex(address) for address in addresses] if since == number else None,
            }
        )
    return rows


def status(context: RpcContext) -> dict[str, Any]:
    return dict(context.status.pbft_status())


def genesis(context: RpcContext) -> dict[str, Any]:
    return context.ledger.genesis.document


def node_info(context: RpcContext) -> dict[str, Any]:
    ledger = context.ledger
    return {
        "client": context.status.client_version(),
        "chainId": hex(ledger.genesis.chain_id),
        "genesisHash": to_hex(ledger.genesis_hash),
        "genesisDigest": to_hex(ledger.genesis.digest),
        "head": {"number": hex(ledger.head.number), "hash": to_hex(ledger.head_hash)},
        "peers": hex(context.status.peer_count()),
        "snapshot": snapshot_view(ledger.snapshot),
    }


_BLOCK = Param("block", block_ref, LATEST)

METHODS = (
    Method(
        "pbft_getCertificate",
        certificate,
        "The stored commit certificate of a block, as bytes and decoded; canonical once block + W names it",
        (_BLOCK,),
    ),
    Method("pbft_getValidators", validators, "Addresses that seal a height, ascending; pending is head + 1", (_BLOCK,)),
    Method(
        "pbft_getValidatorSet", validator_set, "The set of a height, since when it is in force, and its hash", (_BLOCK,)
    ),
    Method(
        "pbft_getSealedBlocks",
        sealed_blocks,
        f"Up to {SEALED_BLOCKS_MAX} blocks with certificate and, where it changes, the set: what an audit replays",
        (Param("first", lenient_quantity), Param("count", lenient_quantity)),
        Runs.THREAD,
    ),
    Method("pbft_status", status, "The replica's view of agreement"),
    Method("praya_getGenesis", genesis, "The whole genesis document", (), Runs.THREAD),
    Method("praya_nodeInfo", node_info, "Chain, head and peers of this node"),
)
