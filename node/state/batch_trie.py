"""Merkle-Patricia tries changed in batches: each node on the way to a change is read, built and hashed once.

py-trie (node.state.plain_trie) hashes and stores every node on the way at each key; it is the tests' oracle. All keys
of a trie have one length, as keccak-256 makes them, so that no branch holds a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from node.errors import DataError, ImpossibleState
from node.keys.hashing import keccak256
from node.types import Hash32

NodeReader = Callable[[bytes], bytes | None]
"""Node body by its hash."""

EMPTY_ROOT = Hash32(bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"))
"""Root of the trie without keys: keccak256(rlp(b""))."""
INLINE_NODE_BYTES = 32
"""A node whose RLP is shorter stands inside its parent (Yellow Paper, appendix D)."""

NOTHING = b"\x80"
"""RLP of no bytes: no child, or no value in a branch."""
HASH_PREFIX = b"\xa0"
"""RLP prefix of 32 bytes."""
_CHILDREN = "0123456789abcdef"
_FULL_BRANCH = b"\xf9\x02\x11"
"""How the RLP of a branch of sixteen hashes begins."""
REFERENCE_BYTES = 33

Reference = bytes
"""A child as it stands in its parent's RLP: a hash with its prefix, a short node itself, or nothing."""
Entry = tuple[str, bytes]
"""Key in hexadecimal digits (nibbles), and the RLP of its value; b"" deletes."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """The rest of a key, and the RLP of its value."""

    path: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """Digits that all keys below share."""

    path: str
    child: Reference


@dataclass(frozen=True, slots=True)
class Branch:
    """One reference for each next digit."""

    children: list[Reference]


Node = Leaf | Extension | Branch


def update_trie(
    read: NodeReader, root: Hash32, changes: Iterable[tuple[bytes, bytes]]
) -> tuple[Hash32, dict[bytes, bytes]]:
    """Apply (key, value) pairs (b"" deletes; the last of equal keys counts) to the trie at ``root``.

    Returns the new root and the nodes on the way to the changes, by their hashes. Raises DataError where a node of
    the old trie is missing.
    """
    entries = sorted({key.hex(): encode_string(value) if value else b"" for key, value in changes}.items())
    if not entries:
        return root, {}
    batch = TrieBatch(read)
    before = None if root == EMPTY_ROOT else batch.load(HASH_PREFIX + root)
    after = batch.changed(before, entries, 0)
    if after is None:
        return EMPTY_ROOT, batch.fresh
    body = encode_node(after)
    new_root = keccak256(body)
    batch.fresh[new_root] = body
    return new_root, batch.fresh


def read_trie(read: NodeReader, root: Hash32, key: bytes) -> bytes:
    """The value at ``key``, b"" where absent; DataError where a node is missing."""
    if root == EMPTY_ROOT:
        return b""
    digits = key.hex()
    batch = TrieBatch(read)
    reference = HASH_PREFIX + root
    depth = 0
    while reference != NOTHING:
        node = batch.load(reference)
        if isinstance(node, Branch):
            reference = node.children[int(digits[depth], 16)]
            depth += 1
        elif not digits.startswith(node.path, depth):
            return b""
        elif isinstance(node, Leaf):
            return string_content(node.value)
        else:
            reference = node.child
            depth += len(node.path)
    return b""


class TrieBatch:
    """One batch of changes: reads old nodes, and collects the new ones."""

    def __init__(self, read: NodeReader) -> None:
        self._read = read
        self.fresh: dict[bytes, bytes] = {}

    def load(self, reference: Reference) -> Node:
        """The node behind a reference."""
        if len(reference) < REFERENCE_BYTES:
            return decode_node(reference)
        body = self._read(reference[1:])
        if body is None:
            raise DataError(f"trie node 0x{reference[1:].hex()} is missing", field="trie")
        return decode_node(body)

    def changed(self, node: Node | None, entries: list[Entry], depth: int) -> Node | None:
        """``node``, which stands ``depth`` digits down, after ``entries``, which agree in all digits above it."""
        if isinstance(node, Branch):
            return self._changed_branch(node.children.copy(), entries, depth, {})
        if isinstance(node, Extension):
            return self._changed_extension(node, entries, depth)
        if isinstance(node, Leaf):
            key = entries[0][0][:depth] + node.path
            entries = sorted({key: node.value, **dict(entries)}.items())
        return self.built([entry for entry in entries if entry[1]], depth)

    def _changed_branch(
        self, children: list[Reference], entries: list[Entry], depth: int, waiting: dict[int, Node]
    ) -> Node | None:
        """A branch after ``entries``; ``waiting`` are children that have no reference yet."""
        for index, group in _groups(entries, depth):
            child = waiting.pop(index, None)
            if child is None and children[index] != NOTHING:
                child = self.load(children[index])
            changed = self.changed(child, group, depth + 1)
            children[index] = NOTHING
            if changed is not None:
                waiting[index] = changed
        kept = [index for index in range(16) if index in waiting or children[index] != NOTHING]
        if not kept:
            return None
        if len(kept) == 1:
            (index,) = kept
            only = waiting.get(index) or self.load(children[index])
            if isinstance(only, Branch) and index not in waiting:
                return Extension(_CHILDREN[index], children[index])
            return self._under(_CHILDREN[index], only)
        for index, child in waiting.items():
            children[index] = self.reference(child)
        return Branch(children)

    def _changed_extension(self, node: Extension, entries: list[Entry], depth: int) -> Node | None:
        path = node.path
        # What is not below the extension cannot be deleted.
        entries = [entry for entry in entries if entry[1] or entry[0].startswith(path, depth)]
        if not entries:
            return node
        shared = min(_shared(path, key, depth) for key in (entries[0][0], entries[-1][0]))  # sorted: the least
        if shared == len(path):
            return self._under(path, self.changed(self.load(node.child), entries, depth + shared))
        children, nodes = [NOTHING] * 16, dict[int, Node]()
        index, rest = int(path[shared], 16), path[shared + 1 :]
        if rest:
            nodes[index] = Extension(rest, node.child)
        else:
            children[index] = node.child
        return self._under(path[:shared], self._changed_branch(children, entries, depth + shared, nodes))

    def built(self, entries: list[Entry], depth: int) -> Node | None:
        """A trie of nothing but ``entries``, none of which deletes."""
        if not entries:
            return None
        first, last = entries[0][0], entries[-1][0]
        if len(entries) == 1:
            return Leaf(first[depth:], entries[0][1])
        shared = depth
        while first[shared] == last[shared]:
            shared += 1
        children = [NOTHING] * 16
        for index, group in _groups(entries, shared):
            child = self.built(group, shared + 1)
            if child is not None:
                children[index] = self.reference(child)
        return self._under(first[depth:shared], Branch(children))

    def _under(self, path: str, node: Node | None) -> Node | None:
        """``node`` with ``path`` before it; what has a path of its own takes it in."""
        if not path or node is None:
            return node
        if isinstance(node, Leaf):
            return Leaf(path + node.path, node.value)
        if isinstance(node, Extension):
            return Extension(path + node.path, node.child)
        return Extension(path, self.reference(node))

    def reference(self, node: Node) -> Reference:
        """How a parent names ``node``, which is final with this."""
        body = encode_node(node)
        if len(body) < INLINE_NODE_BYTES:
            return body
        node_hash = keccak256(body)
        self.fresh[node_hash] = body
        return HASH_PREFIX + node_hash


def _groups(entries: list[Entry], depth: int) -> list[tuple[int, list[Entry]]]:
    """Runs of entries with the same digit at ``depth``."""
    if len(entries) == 1:
        return [(int(entries[0][0][depth], 16), entries)]
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry[0][depth], []).append(entry)
    return [(int(digit, 16), group) for digit, group in groups.items()]


def _shared(path: str, key: str, depth: int) -> int:
    """Digits of ``path`` that ``key`` has from ``depth`` on."""
    if key.startswith(path, depth):
        return len(path)
    return next(index for index, digit in enumerate(path) if key[depth + index] != digit)


# --- RLP of nodes (Yellow Paper, appendices B to D) ---------------------------------------------------


def encode_node(node: Node) -> bytes:
    """RLP of a node."""
    if isinstance(node, Branch):
        return _list(b"".join(node.children) + NOTHING)
    if isinstance(node, Leaf):
        return _list(encode_string(_hex_prefix(node.path, 2)) + node.value)
    return _list(encode_string(_hex_prefix(node.path, 0)) + node.child)


def _hex_prefix(path: str, flag: int) -> bytes:
    return bytes.fromhex(f"{flag + 1}{path}" if len(path) % 2 else f"{flag}0{path}")


def decode_node(body: bytes) -> Node:
    """The node of this RLP, which must be one: what is read here was hashed by an honest updater."""
    if len(body) == 532 and body.startswith(_FULL_BRANCH) and body.endswith(NOTHING):
        children = [body[at : at + REFERENCE_BYTES] for at in range(3, 531, REFERENCE_BYTES)]
        if all(child[0] == 0xA0 for child in children):
            return Branch(children)
    items = _items(body)
    if len(items) == 17 and items[16] == NOTHING:
        return Branch(items[:16])
    if len(items) != 2:
        raise ImpossibleState(f"a trie node of {len(items)} items, or a branch with a value")
    path = string_content(items[0]).hex()
    flag = int(path[0], 16)
    digits = path[1:] if flag & 1 else path[2:]
    return Leaf(digits, items[1]) if flag & 2 else Extension(digits, items[1])


def _items(body: bytes) -> list[bytes]:
    """The items of an RLP list, each with its prefix."""
    at, end = _span(body, 0)
    items = []
    while at < end:
        _, after = _span(body, at)
        items.append(body[at:after])
        at = after
    return items


def string_content(item: bytes) -> bytes:
    """The bytes of an RLP string."""
    start, end = _span(item, 0)
    return item[start:end]


def _span(body: bytes, at: int) -> tuple[int, int]:
    """Where the content of the RLP item at ``at`` starts and ends."""
    prefix = body[at]
    if prefix < 0x80:
        return at, at + 1
    size = prefix - (0xC0 if prefix >= 0xC0 else 0x80)
    start = at + 1
    if size > 55:
        start += size - 55
        size = int.from_bytes(body[at + 1 : start], "big")
    return start, start + size


def encode_string(data: bytes) -> bytes:
    """RLP of a byte string."""
    if len(data) == 1 and data[0] < 0x80:
        return data
    return _prefix(len(data), 0x80) + data


def _list(payload: bytes) -> bytes:
    return _prefix(len(payload), 0xC0) + payload


def _prefix(size: int, offset: int) -> bytes:
    if size < 56:
        return bytes((offset + size,))
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(encoded),)) + encoded
