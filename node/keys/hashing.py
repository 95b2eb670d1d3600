"""Keccak-256 as Ethereum uses it (not the later SHA3-256)."""

from __future__ import annotations

import sha3

from node.types import Hash32

_keccak_256 = sha3.keccak_256


def keccak256(data: bytes) -> Hash32:
    """Keccak-256 of ``data``, 32 bytes."""
    return Hash32(_keccak_256(data).digest())


EMPTY_CODE_HASH = keccak256(b"")
"""Code hash of an account without code."""
