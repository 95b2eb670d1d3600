"""Strict reading of RLP: canonical integers, fixed widths, and one error for whatever is wrong."""

from __future__ import annotations

from typing import Any

import rlp

from node.errors import DataError

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1
NESTING_MAX = 16
"""Lists within lists; a block needs 6 (block, transactions, transaction, access list, entry, slots)."""


def decode_rlp(data: bytes, what: str) -> Any:
    """The nested lists of byte strings in ``data``; DataError for anything not canonical RLP, with a tail or nested
    deeper than NESTING_MAX."""
    if _nests_too_deep(data):
        raise DataError(f"{what} nests lists deeper than {NESTING_MAX}", field=what, limit=NESTING_MAX)
    try:
        return rlp.decode(data, strict=True)
    except (rlp.exceptions.RLPException, RecursionError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{what} is not canonical RLP: {error}", field=what) from error


def _nests_too_deep(data: bytes) -> bool:
    """Whether a reader would open more than NESTING_MAX lists at once. The library's reader and our writer recurse: a
    stranger's bytes must not bring either of them to the interpreter's limit, wherever they are called from."""
    ends: list[int] = []
    position, size = 0, len(data)
    while position < size:
        while ends and ends[-1] <= position:
            ends.pop()
        first = data[position]
        position += 1
        if first < 0x80:
            continue
        is_list = first >= 0xC0
        length = first - (0xC0 if is_list else 0x80)
        if length > 55:
            width = length - 55
            length = int.from_bytes(data[position : position + width], "big")
            position += width
        if is_list:
            ends.append(position + length)
            if len(ends) > NESTING_MAX:
                return True
        else:
            position += length
    return False


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
