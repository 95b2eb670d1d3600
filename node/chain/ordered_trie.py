"""Root of a Merkle-Patricia trie from RLP(index) to value, without a trie: built in memory, each node hashed once.

py-trie hashes and stores every node on the way at each insertion; for a block of several hundred transactions that
was a third of the time of its execution. py-trie stays as the oracle of the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.keys.hashing import keccak256
from node.types import Hash32

EMPTY_TRIE_ROOT = Hash32(bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"))
"""Root of the trie without keys: keccak256(rlp(b""))."""
INLINE_NODE_BYTES = 32
"""A node whose RLP is shorter stands inside its parent (Yellow Paper, appendix D)."""

_NIBBLES = tuple(bytes((byte >> 4, byte & 15)) for byte in range(256))
_Entry = tuple[bytes, bytes]
"""Nibbles of the key, one in each byte; the value."""


def ordered_root(values: Sequence[bytes]) -> Hash32:
    """Merkle-Patricia root of ``values`` keyed by the RLP of their index (Yellow Paper, 4.3.2)."""
    if not values:
        return EMPTY_TRIE_ROOT
    entries = sorted((_index_nibbles(index), value) for index, value in enumerate(values))
    return keccak256(_node(entries, 0, len(entries), 0))


def _index_nibbles(index: int) -> bytes:
    encoded = _string(index.to_bytes((index.bit_length() + 7) // 8, "big"))
    return b"".join(_NIBBLES[byte] for byte in encoded)


def _node(entries: list[_Entry], low: int, high: int, depth: int) -> bytes:
    """RLP of the node over entries[low:high], which agree in their first ``depth`` nibbles.

    The RLP of one integer is never the beginning of another's, so no branch holds a value.
    """
    first = entries[low][0]
    if high - low == 1:
        return _list(_string(_hex_prefix(first[depth:], leaf=True)) + _string(entries[low][1]))
    shared = _shared(first, entries[high - 1][0], depth)  # sorted: what first and last share, all do
    if shared > depth:
        child = _reference(_node(entries, low, high, shared))
        return _list(_string(_hex_prefix(first[depth:shared], leaf=False)) + child)
    children = [b"\x80"] * 17
    while low < high:
        nibble = entries[low][0][depth]
        end = low + 1
        while end < high and entries[end][0][depth] == nibble:
            end += 1
        children[nibble] = _reference(_node(entries, low, end, depth + 1))
        low = end
    return _list(b"".join(children))


def _shared(one: bytes, other: bytes, depth: int) -> int:
    while one[depth] == other[depth]:
        depth += 1
    return depth


def _reference(node: bytes) -> bytes:
    """How a parent names a node: by its hash, or by itself where it is short."""
    return node if len(node) < INLINE_NODE_BYTES else b"\xa0" + keccak256(node)


def _hex_prefix(nibbles: bytes, *, leaf: bool) -> bytes:
    """Hex-prefix encoding (Yellow Paper, appendix C)."""
    flag = 2 if leaf else 0
    padded = bytes((flag + 1,)) + nibbles if len(nibbles) % 2 else bytes((flag, 0)) + nibbles
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def _string(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < 0x80:
        return data
    return _prefix(len(data), 0x80) + data


def _list(payload: bytes) -> bytes:
    return _prefix(len(payload), 0xC0) + payload


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(size),)) + size
