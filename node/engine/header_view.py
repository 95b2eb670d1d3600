"""What consensus may see of a block (P-9)."""

from __future__ import annotations

from consensus.errors import MalformedBlock
from consensus.types import HeaderView
from node.chain.block import Block
from node.errors import PrayaError


def decode_header_view(block: bytes) -> HeaderView:
    """The header of an RLP block. Raises MalformedBlock for anything that is no block."""
    try:
        header = Block.decode(block).header
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
