"""What stands in the state's Merkle-Patricia tries (secure keys), with proofs and walks over their nodes.

Nodes are stored by their keccak-256 and never deleted, so every committed root stays readable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import rlp
from rlp.codec import encode_raw
from trie import HexaryTrie
from trie.exceptions import MissingTrieNode

from node.errors import DataError
from node.keys.hashing import keccak256
from node.state.batch_trie import (
    EMPTY_ROOT,
    HASH_PREFIX,
    INLINE_NODE_BYTES,
    NodeReader,
    TrieBatch,
    read_trie,
    update_trie,
)
from node.state.plain_trie import StoredNodes
from node.state.trie_range import leaves_from
from node.types import Account, Hash32

__all__ = [
    "EMPTY_CODE_HASH",
    "EMPTY_ROOT",
    "AccountLeaf",
    "NodeReader",
    "decode_word",
    "encode_word",
    "leaves",
    "minimal_bytes",
    "prove",
    "read_trie",
    "storage_key",
    "update_trie",
]

EMPTY_CODE_HASH = Hash32(bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"))
"""keccak256(b"")."""


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


def prove(read: NodeReader, root: Hash32, key: bytes) -> tuple[bytes, ...]:
    """RLP of the nodes on the way to ``key``, root first, as eth_getProof gives them (EIP-1186)."""
    try:
        path = HexaryTrie(StoredNodes(read), root).get_proof(key)
    except (KeyError, MissingTrieNode) as error:
        raise DataError(f"no state at root 0x{root.hex()}: a trie node is missing", field="trie") from error
    encoded = [rlp.encode(node) for node in path]
    return tuple(body for i, body in enumerate(encoded) if i == 0 or len(body) >= INLINE_NODE_BYTES)


def leaves(read: NodeReader, root: Hash32) -> Iterator[tuple[bytes, bytes]]:
    """Every (secure key, value) of a trie in key order; DataError where a node is missing."""
    if root != EMPTY_ROOT:
        for key, value in leaves_from(TrieBatch(read), HASH_PREFIX + root, "", ""):
            yield bytes.fromhex(key), value
