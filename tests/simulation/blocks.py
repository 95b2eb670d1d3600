"""Opaque blocks of the simulator: a fixed, deterministic encoding with the header fields that consensus reads."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache

from consensus.errors import MalformedBlock
from consensus.types import Address, Digest, HeaderView

_HEAD = struct.Struct(">4s32sQQ32s32s20sBII")
_MAGIC = b"SIMB"
TRANSACTIONS_MAX = 4
"""Transactions that one simulated block holds: few, so that work lasts for several blocks."""
DECODED_KEPT = 256
"""Blocks whose decoding is remembered: pure functions of bytes, asked for by every bank."""


@dataclass(frozen=True, slots=True)
class SimulatedBlock:
    """A block's content; ``lies`` marks one whose execution differs from what its header claims."""

    parent_hash: Digest
    number: int
    timestamp: int
    extra_data: bytes
    parent_beacon_block_root: Digest
    coinbase: Address
    transactions: tuple[int, ...]
    salt: int = 0
    lies: bool = False

    def encode(self) -> bytes:
        head = _HEAD.pack(
            _MAGIC,
            self.parent_hash,
            self.number,
            self.timestamp,
            self.extra_data,
            self.parent_beacon_block_root,
            self.coinbase,
            self.lies,
            self.salt,
            len(self.transactions),
        )
        return head + struct.pack(f">{len(self.transactions)}I", *self.transactions)


@lru_cache(maxsize=DECODED_KEPT)
def block_hash(data: bytes) -> Digest:
    """The simulator's block hash."""
    return hashlib.sha256(b"block" + data).digest()


@lru_cache(maxsize=DECODED_KEPT)
def decode_block(data: bytes) -> SimulatedBlock:
    """Strict inverse of ``encode``; MalformedBlock on anything else."""
    if len(data) < _HEAD.size:
        raise MalformedBlock("too short")
    magic, parent, number, timestamp, extra, root, coinbase, lies, salt, count = _HEAD.unpack_from(data)
    if magic != _MAGIC or lies > 1 or len(data) != _HEAD.size + 4 * count:
        raise MalformedBlock("not a simulated block")
    transactions = struct.unpack_from(f">{count}I", data, _HEAD.size)
    return SimulatedBlock(parent, number, timestamp, extra, root, coinbase, transactions, salt, bool(lies))


@lru_cache(maxsize=DECODED_KEPT)
def decode_header(data: bytes) -> HeaderView:
    """What consensus reads of a simulated block."""
    block = decode_block(data)
    return HeaderView(
        hash=block_hash(data),
        parent_hash=block.parent_hash,
        number=block.number,
        timestamp=block.timestamp,
        extra_data=block.extra_data,
        parent_beacon_block_root=block.parent_beacon_block_root,
        coinbase=block.coinbase,
    )
