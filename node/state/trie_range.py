"""All leaves of a trie between two keys, with a proof that none is missing, added or changed.

A range runs from ``origin`` to its last leaf, or to the end of the trie where it is ``complete``. Its proof is the
nodes on the way to its boundaries (none for the end of the trie). The verifier walks down from the root alone: a
subtrie that lies whole within the range is built anew from the leaves and must have the hash that its parent names; one
that lies outside may hold no leaf; one that straddles a boundary is opened, which only the node of that very hash can
do. So nothing is believed but the root, and what was verified is the trie's own nodes: every node of a trie is built or
opened in the ranges that cover it, and can be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node.errors import DataError
from node.keys.hashing import keccak256
from node.state.batch_trie import (
    EMPTY_ROOT,
    HASH_PREFIX,
    NOTHING,
    REFERENCE_BYTES,
    Branch,
    Entry,
    Extension,
    Leaf,
    Node,
    NodeReader,
    Reference,
    TrieBatch,
    decode_node,
    encode_node,
    encode_string,
    string_content,
)
from node.types import Hash32

KEY_BYTES = 32
FIRST_KEY = bytes(KEY_BYTES)
_DIGITS = 2 * KEY_BYTES
_HEX = "0123456789abcdef"
_LAST_DIGITS = "f" * _DIGITS
LEAF_BYTES = KEY_BYTES + 8
"""What a leaf counts beside its value, against the limit of bytes."""


@dataclass(frozen=True, slots=True)
class TrieRange:
    """Leaves in ascending order of their keys. ``complete``: no leaf of the trie follows."""

    leaves: tuple[tuple[bytes, bytes], ...]
    complete: bool
    proof: tuple[bytes, ...]


def read_range(read: NodeReader, root: Hash32, origin: bytes, *, leaves_max: int, bytes_max: int) -> TrieRange:
    """The range from ``origin`` on, at least one leaf where there is one. DataError where a node is missing, or
    ``root`` is none."""
    if root == EMPTY_ROOT:
        return TrieRange((), True, ())
    batch = TrieBatch(read)
    taken: list[tuple[bytes, bytes]] = []
    size = 0
    complete = True
    for key, value in leaves_from(batch, HASH_PREFIX + root, "", origin.hex()):
        size += LEAF_BYTES + len(value)
        if taken and (len(taken) >= leaves_max or size > bytes_max):
            complete = False
            break
        if len(key) != _DIGITS:
            raise DataError(f"0x{root.hex()} is a node within a trie, not its root", field="root")
        taken.append((bytes.fromhex(key), value))
    boundaries = [origin] if origin != FIRST_KEY else []
    if not complete:
        boundaries.append(taken[-1][0])
    proof = {body: None for key in boundaries for body in _path_nodes(read, root, key)}
    return TrieRange(tuple(taken), complete, tuple(proof))


def leaves_from(batch: TrieBatch, reference: Reference, prefix: str, low: str) -> Iterator[tuple[str, bytes]]:
    """(key in hexadecimal, value) of every leaf under ``reference`` at or above ``low``, ascending."""
    node = batch.load(reference)
    if isinstance(node, Leaf):
        key = prefix + node.path
        if key >= low:
            yield key, string_content(node.value)
    elif isinstance(node, Extension):
        below = prefix + node.path
        if below >= low[: len(below)]:
            yield from leaves_from(batch, node.child, below, low)
    else:
        for digit, child in zip(_HEX, node.children, strict=True):
            below = prefix + digit
            if child != NOTHING and below >= low[: len(below)]:
                yield from leaves_from(batch, child, below, low)


def _path_nodes(read: NodeReader, root: Hash32, key: bytes) -> Iterator[bytes]:
    """Bodies of the nodes that have a hash on the way to ``key``, the root first, as far as the way goes."""
    digits, depth, reference = key.hex(), 0, HASH_PREFIX + root
    while reference != NOTHING:
        if len(reference) == REFERENCE_BYTES:
            body = read(reference[1:])
            if body is None:
                raise DataError(f"trie node 0x{reference[1:].hex()} is missing", field="trie")
            yield body
        else:
            body = reference
        node = decode_node(body)
        if isinstance(node, Branch):
            reference = node.children[int(digits[depth], 16)]
            depth += 1
        elif isinstance(node, Extension) and digits.startswith(node.path, depth):
            reference = node.child
            depth += len(node.path)
        else:
            return


def verify_range(root: Hash32, origin: bytes, found: TrieRange) -> dict[bytes, bytes]:
    """The nodes of the trie at ``root`` that the range shows, by their hashes. DataError unless the range holds
    exactly the trie's leaves from ``origin`` to its last one, or to the end where it is complete."""
    entries = _checked_entries(origin, found)
    if not entries and root == EMPTY_ROOT:
        return {}
    high = _LAST_DIGITS if found.complete else entries[-1][0]
    verifier = _Verifier({keccak256(body): body for body in found.proof}, origin.hex(), high)
    verifier.check(HASH_PREFIX + root, "", entries)
    return verifier.nodes


def _checked_entries(origin: bytes, found: TrieRange) -> list[Entry]:
    if len(origin) != KEY_BYTES:
        raise DataError(f"a range begins at a key of {KEY_BYTES} bytes", field="origin")
    if not found.leaves and not found.complete:
        raise DataError("a range without a leaf that is not the last", field="range")
    before: bytes | None = None
    for key, value in found.leaves:
        if len(key) != KEY_BYTES or not value:
            raise DataError("a leaf with a key of another length, or without a value", field="range")
        if key < origin or (before is not None and key <= before):
            raise DataError("the leaves of a range are not in ascending order from its origin", field="range")
        before = key
    return [(key.hex(), encode_string(value)) for key, value in found.leaves]


class _Verifier:
    """``nodes`` collects what was built and what was opened."""

    def __init__(self, proof: dict[Hash32, bytes], low: str, high: str) -> None:
        self._proof = proof
        self._low = low
        self._high = high
        self.nodes: dict[bytes, bytes] = {}

    def check(self, reference: Reference, prefix: str, entries: list[Entry]) -> None:
        """``entries`` are exactly the leaves in the range under ``reference``, where keys begin with ``prefix``."""
        first, last = prefix.ljust(_DIGITS, "0"), prefix.ljust(_DIGITS, "f")
        if last < self._low or first > self._high:
            return  # no entry can be here: all lie between low and high
        if self._low <= first and last <= self._high:
            self._check_whole(reference, entries, len(prefix))
            return
        if reference == NOTHING:
            _require(not entries, prefix)
            return
        node = self._open(reference)
        if isinstance(node, Leaf):
            key = prefix + node.path
            _require(len(key) == _DIGITS, prefix)
            _require(entries == ([(key, node.value)] if self._low <= key <= self._high else []), prefix)
        elif isinstance(node, Extension):
            below = prefix + node.path
            _require(all(key.startswith(below) for key, _ in entries), prefix)
            self.check(node.child, below, entries)
        else:
            for digit, child in zip(_HEX, node.children, strict=True):
                below = prefix + digit
                self.check(child, below, [entry for entry in entries if entry[0][len(prefix)] == digit])

    def _check_whole(self, reference: Reference, entries: list[Entry], depth: int) -> None:
        batch = TrieBatch(lambda _hash: None)
        node = batch.built(entries, depth)
        if node is None:
            _require(reference == NOTHING, "")
            return
        if depth == 0:  # the root is hashed, however short it is
            body = encode_node(node)
            batch.fresh[keccak256(body)] = body
            _require(reference == HASH_PREFIX + keccak256(body), "")
        else:
            _require(reference == batch.reference(node), entries[0][0][:depth])
        self.nodes |= batch.fresh

    def _open(self, reference: Reference) -> Node:
        if len(reference) < REFERENCE_BYTES:
            return decode_node(reference)
        node_hash = Hash32(reference[1:])
        body = self._proof.get(node_hash)
        if body is None:
            raise DataError(f"the proof of a range lacks node 0x{node_hash.hex()}", field="proof")
        self.nodes[node_hash] = body
        return decode_node(body)


def _require(holds: bool, prefix: str) -> None:
    if not holds:
        raise DataError(f"a range is not the trie's at 0x{prefix}", field="range")


def trie_nodes(read: NodeReader, roots: Iterable[Hash32]) -> Iterator[tuple[bytes, bytes]]:
    """(hash, body) of every node of these tries, each with its hash checked. DataError where one is missing."""
    for root in roots:
        waiting: list[Reference] = [] if root == EMPTY_ROOT else [HASH_PREFIX + root]
        while waiting:
            reference = waiting.pop()
            body = reference
            if len(reference) == REFERENCE_BYTES:
                stored = read(reference[1:])
                if stored is None or keccak256(stored) != reference[1:]:
                    raise DataError(f"trie node 0x{reference[1:].hex()} is missing or another", field="trie node")
                yield reference[1:], stored
                body = stored
            node = decode_node(body)
            if isinstance(node, Extension):
                waiting.append(node.child)
            elif isinstance(node, Branch):
                waiting.extend(child for child in node.children if child != NOTHING)
