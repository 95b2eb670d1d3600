"""Strict reading of RLP: canonical integers, fixed widths, and one error for whatever is wrong."""

from __future__ import annotations

from typing import Any

import rlp

from node.errors import DataError

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1


def decode_rlp(data: bytes, what: str) -> Any:
    """The nested lists of byte strings in ``data``; DataError for anything not canonical RLP or with a tail."""
    try:
        return rlp.decode(data, strict=True)
    except (rlp.exceptions.RLPException, RecursionError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{what} is not canonical RLP: {error}", field=what) from error


def encode_rlp(value: Any) -> bytes:
    """Canonical RLP of nested sequences of byte strings and non-negative integers."""
    data: bytes = rlp.encode(_plain(value), infer_serializer=False)  # inference would cost more than the encoding
    return data


def _plain(value: Any) -> Any:
    """Nested lists of byte strings; integers big-endian without leading zeros."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    return [_plain(item) for item in value]


def as_list(value: Any, what: str, length: int | None = None) -> list[Any]:
    """``value`` as a list, of ``length`` items where that is given."""
    if not isinstance(value, list | tuple):
        raise DataError(f"{what} is a byte string where a list is due", field=what)
    if length is not None and len(value) != length:
        raise DataError(f"{what} has {len(value)} items, {length} are due", field=what)
    return list(value)


def as_bytes(value: Any, what: str, length: int | None = None) -> bytes:
    """``value`` as a byte string, of ``length`` bytes where that is given."""
    if not isinstance(value, bytes):
        raise DataError(f"{what} is a list where a byte string is due", field=what)
    if length is not None and len(value) != length:
        raise DataError(f"{what} has {len(value)} bytes, {length} are due", field=what)
    return value


def as_uint(value: Any, what: str, maximum: int = UINT256_MAX) -> int:
    """``value`` as an integer without leading zeros, at most ``maximum``."""
    data = as_bytes(value, what)
    if data[:1] == b"\x00":
        raise DataError(f"{what} is an integer with leading zeros", field=what)
    number = int.from_bytes(data, "big")
    if number > maximum:
        raise DataError(f"{what} is above its limit {maximum}", field=what)
    return number
