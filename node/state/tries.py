"""Merkle-Patricia tries over the node table of the database (py-trie's HexaryTrie, secure keys).

Nodes are stored by their keccak-256 and never deleted, so every committed root stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import rlp
from rlp.codec import encode_raw
from trie import HexaryTrie
from trie.exceptions import MissingTrieNode
from trie.utils.nibbles import bytes_to_nibbles
from trie.utils.nodes import extract_key, is_extension_node, is_leaf_node

from node.errors import DataError
from node.keys.hashing import keccak256
from node.types import Account, Hash32

NodeReader = Callable[[bytes], bytes | None]
"""Node body by its hash."""

EMPTY_ROOT = Hash32(bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"))
"""Root of the trie without keys: keccak256(rlp(b""))."""
EMPTY_CODE_HASH = Hash32(bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"))
"""keccak256(b"")."""
INLINE_NODE_BYTES = 32
"""A node whose RLP is shorter stands inside its parent (yellow paper, appendix D)."""


@dataclass(frozen=True, slots=True)
class AccountLeaf:
    """An account as its trie leaf (and our flat store) holds it."""

    nonce: int
    balance: int
    storage_root: Hash32
    code_hash: Hash32

    def account(self) -> Account:
        """The part that engines see."""
        return Account(self.nonce, self.balance, self.code_hash)

    def encode(self) -> bytes:
        """RLP of the four fields, as in Ethereum's account trie."""
        fields = [minimal_bytes(self.nonce), minimal_bytes(self.balance), self.storage_root, self.code_hash]
        encoded: bytes = encode_raw(fields)
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> AccountLeaf:
        """Read RLP that :meth:`encode` wrote; DataError on anything else."""
        try:
            nonce, balance, storage_root, code_hash = rlp.decode(data)
        except (rlp.exceptions.RLPException, ValueError, TypeError) as error:
            raise DataError(f"malformed account leaf: {error}", field="account") from error
        return cls(
            int.from_bytes(nonce, "big"),
            int.from_bytes(balance, "big"),
            Hash32(storage_root),
            Hash32(code_hash),
        )


def minimal_bytes(value: int) -> bytes:
    """Big-endian without leading zeros; b"" for 0 (RLP's integer)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def storage_key(slot: int) -> bytes:
    """Secure key of a storage word."""
    return keccak256(slot.to_bytes(32, "big"))


def encode_word(value: int) -> bytes:
    """RLP of a storage word, as in its trie; b"" (absent) for 0."""
    if not value:
        return b""
    encoded: bytes = encode_raw(minimal_bytes(value))
    return encoded


def decode_word(data: bytes) -> int:
    """The storage word of a trie leaf; 0 where absent."""
    return int.from_bytes(rlp.decode(data), "big") if data else 0


class _Nodes:
    """Node table with fresh nodes on top; what py-trie calls a database."""

    def __init__(self, read: NodeReader) -> None:
        self._read = read
        self.fresh: dict[bytes, bytes] = {}

    def __getitem__(self, node_hash: bytes) -> bytes:
        body = self.fresh.get(node_hash) or self._read(node_hash)
        if body is None:
            raise KeyError(node_hash)
        return body

    def __setitem__(self, node_hash: bytes, body: bytes) -> None:
        self.fresh[node_hash] = body

    def __contains__(self, node_hash: bytes) -> bool:
        return node_hash in self.fresh or self._read(node_hash) is not None


def update_trie(
    read: NodeReader, root: Hash32, changes: Iterable[tuple[bytes, bytes]]
) -> tuple[Hash32, dict[bytes, bytes]]:
    """Apply (key, value) pairs (b"" deletes) to the trie at ``root``.

    Returns the new root and the fresh nodes that it reaches; intermediate nodes of the work are dropped.
    Raises DataError where a node of the old trie is missing.
    """
    nodes = _Nodes(read)
    trie = HexaryTrie(nodes, root)
    try:
        for key, value in changes:
            trie.set(key, value)
    except MissingTrieNode as error:
        raise DataError(f"trie node {error.missing_node_hash!r} is missing", field="trie") from error
    return Hash32(trie.root_hash), _reachable(trie.root_hash, nodes.fresh)


def _reachable(root: bytes, fresh: dict[bytes, bytes]) -> dict[bytes, bytes]:
    reached: dict[bytes, bytes] = {}
    waiting = [root]
    while waiting:
        node_hash = waiting.pop()
        body = fresh.get(node_hash)
        if body is not None and node_hash not in reached:
            reached[node_hash] = body
            waiting.extend(_child_hashes(rlp.decode(body)))
    return reached


def _child_hashes(node: list[bytes | list[bytes]]) -> Iterator[bytes]:
    """Hashes that a decoded node points at, those of nodes embedded in it included."""
    if len(node) == 17:
        children = node[:16]
    elif is_extension_node(node):
        children = [node[1]]
    else:
        return
    for child in children:
        if isinstance(child, list):
            yield from _child_hashes(child)  # type: ignore[arg-type]
        elif child:
            yield child


def read_trie(read: NodeReader, root: Hash32, key: bytes) -> bytes:
    """The value at ``key``, b"" where absent; DataError where a node is missing."""
    try:
        value: bytes = HexaryTrie(_Nodes(read), root).get(key)
    except MissingTrieNode as error:
        raise DataError(f"no state at root 0x{root.hex()}: a trie node is missing", field="trie") from error
    return value


def prove(read: NodeReader, root: Hash32, key: bytes) -> tuple[bytes, ...]:
    """RLP of the nodes on the way to ``key``, root first, as eth_getProof gives them (EIP-1186)."""
    try:
        path = HexaryTrie(_Nodes(read), root).get_proof(key)
    except (KeyError, MissingTrieNode) as error:
        raise DataError(f"no state at root 0x{root.hex()}: a trie node is missing", field="trie") from error
    encoded = [rlp.encode(node) for node in path]
    return tuple(body for i, body in enumerate(encoded) if i == 0 or len(body) >= INLINE_NODE_BYTES)


def leaves(read: NodeReader, root: Hash32) -> Iterator[tuple[bytes, bytes]]:
    """Every (secure key, value) of a trie in key order; DataError where a node is missing."""
    if root == EMPTY_ROOT:
        return
    waiting: list[tuple[tuple[int, ...], bytes | list[bytes]]] = [((), root)]
    while waiting:
        prefix, pointer = waiting.pop()
        node = pointer if isinstance(pointer, list) else _load(read, pointer)
        if len(node) == 17:
            waiting.extend(((*prefix, i), node[i]) for i in reversed(range(16)) if node[i])
        elif is_leaf_node(node):
            yield _join_nibbles(prefix + tuple(extract_key(node))), node[1]
        else:
            waiting.append((prefix + tuple(extract_key(node)), node[1]))


def _load(read: NodeReader, node_hash: bytes) -> list[bytes]:
    body = read(node_hash)
    if body is None:
        raise DataError(f"trie node 0x{node_hash.hex()} is missing", field="trie")
    node: list[bytes] = rlp.decode(body)
    return node


def _join_nibbles(nibbles: tuple[int, ...]) -> bytes:
    key = bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))
    assert tuple(bytes_to_nibbles(key)) == nibbles
    return key
