"""What consensus may see of a block (P-9), and one decoding of each block for all who need it."""

from __future__ import annotations

from functools import lru_cache

from consensus.errors import MalformedBlock
from consensus.types import HeaderView
from node.chain.block import Block
from node.errors import InvalidBlock, PrayaError

DECODED_KEPT = 8
"""Decoded blocks kept by their bytes: ingress, consensus, execution and commit ask for the same few."""


@lru_cache(maxsize=DECODED_KEPT)
def decode_block(data: bytes) -> Block:
    """The block in ``data``, whose transactions are those that its header names.

    The hash covers the header alone: without this check one hash could travel with different bodies.
    Raises InvalidBlock.
    """
    block = Block.decode(data)
    if block.transactions_root() != block.header.transactions_root:
        raise InvalidBlock("P-1", "the transactions are not those of the header's transactions_root")
    return block


def decode_header_view(block: bytes) -> HeaderView:
    """The header of an RLP block. Raises MalformedBlock for anything that is no block of this header."""
    try:
        header = decode_block(block).header
    except PrayaError as error:
        raise MalformedBlock(error.message) from error
    return HeaderView(
        hash=header.hash,
        parent_hash=header.parent_hash,
        number=header.number,
        timestamp=header.timestamp,
        extra_data=header.extra_data,
        parent_beacon_block_root=header.parent_beacon_block_root,
        coinbase=header.coinbase,
    )
