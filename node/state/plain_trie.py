"""Merkle-Patricia tries by py-trie, key by key: what the batch updater must equal, and what proofs are made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import rlp
from trie import HexaryTrie
from trie.exceptions import MissingTrieNode
from trie.utils.nodes import is_extension_node

from node.errors import DataError
from node.state.batch_trie import NodeReader
from node.types import Hash32


class StoredNodes:
    """Stored nodes with fresh ones on top; what py-trie calls a database."""

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


def update_trie_plainly(
    read: NodeReader, root: Hash32, changes: Iterable[tuple[bytes, bytes]]
) -> tuple[Hash32, dict[bytes, bytes]]:
    """As :func:`node.state.batch_trie.update_trie`, key by key; intermediate nodes of the work are dropped."""
    nodes = StoredNodes(read)
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
