"""What a bank that joined by snapshot did not execute, copied into a second database with every hash checked again.

Headers are linked to genesis and name the validator sets, the last blocks and receipts have the roots of their headers,
and the state is copied node by node from the snapshot's root. What then follows can be executed on the copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node.chain.block import receipts_root
from node.chain.header import Header
from node.chain.snapshot import (
    SnapshotMarker,
    body_operations,
    head_operations,
    header_operations,
    validators_operation,
)
from node.chain.store import ChainStore
from node.errors import DataError
from node.execution.transition import Rules
from node.keys.hashing import keccak256
from node.state.store import StateStore
from node.state.trie_range import trie_nodes
from node.state.tries import EMPTY_CODE_HASH, AccountLeaf, leaves
from node.storage import KeyValueStore, Operation, keyspace
from node.types import Address, Hash32

BATCH = 5_000
"""Operations of one write."""


def copy_snapshot(
    stored: KeyValueStore,
    marker: SnapshotMarker,
    rules: Rules,
    genesis: tuple[Header, tuple[Address, ...]],
    to: KeyValueStore,
) -> None:
    """Write into ``to`` what the database ``stored`` must have held when it joined. ``genesis``: header and set of
    height 1, made anew. DataError names what is missing or not what a header says."""
    chain = ChainStore(stored)
    header, validators = genesis
    rows = chain.genesis_operations(header, rules.genesis.digest, validators)
    _write(to, (row for row in rows if row[0] != keyspace.HEAD_NUMBER))
    _write(to, _headers(chain, marker, rules, header))
    _write(to, _last_blocks(chain, marker))
    _write(to, _state(stored, _header(chain, marker.height).state_root))
    _write(to, head_operations(marker))


def _write(to: KeyValueStore, operations: Iterable[Operation]) -> None:
    batch: list[Operation] = []
    for operation in operations:
        batch.append(operation)
        if len(batch) >= BATCH:
            to.write(batch, sync=False)
            batch = []
    to.write(batch, sync=False)


def _headers(chain: ChainStore, marker: SnapshotMarker, rules: Rules, genesis: Header) -> Iterator[Operation]:
    parent, standing = genesis, chain.validators_change(1)[1]
    for number in range(1, marker.height + 1):
        header = _header(chain, number)
        if header.number != number or header.parent_hash != parent.hash:
            raise DataError(f"header {number} does not follow its parent", field="header")
        since, following = chain.validators_change(number + 1)
        if header.extra_data != rules.extra_data(number, following):
            raise DataError(f"the validators of height {number + 1} are not those of header {number}", field="set")
        if (since == number + 1) != (following != standing):
            raise DataError(f"a validator set is stored at height {since}, where none changes", field="set")
        yield from header_operations(header)
        if following != standing:
            yield validators_operation(number + 1, following)
        parent, standing = header, following


def _last_blocks(chain: ChainStore, marker: SnapshotMarker) -> Iterator[Operation]:
    for number in range(marker.first_block, marker.height + 1):
        header, block, receipts = _header(chain, number), chain.block(number), chain.receipts(number)
        if block is None or receipts is None:
            raise DataError(f"block {number} is missing", field="block")
        if block.hash != header.hash or block.transactions_root() != header.transactions_root:
            raise DataError(f"block {number} is not that of its header", field="block")
        if receipts_root(receipts) != header.receipts_root:
            raise DataError(f"the receipts of block {number} are not those of its header", field="receipts")
        yield from body_operations(block, receipts)


def _state(stored: KeyValueStore, root: Hash32) -> Iterator[Operation]:
    source = StateStore(stored, root)
    for node_hash, body in trie_nodes(source.read_node, [root]):
        yield keyspace.trie_node(node_hash), body
    for key, encoded in leaves(source.read_node, root):
        yield keyspace.ACCOUNT + key, encoded
        leaf = AccountLeaf.decode(encoded)
        for node_hash, body in trie_nodes(source.read_node, [leaf.storage_root]):
            yield keyspace.trie_node(node_hash), body
        for slot, word in leaves(source.read_node, leaf.storage_root):
            yield keyspace.SLOT + key + slot, word
        if leaf.code_hash != EMPTY_CODE_HASH:
            code = source.code(leaf.code_hash)
            if keccak256(code) != leaf.code_hash:
                raise DataError(f"code 0x{leaf.code_hash.hex()} is another", field="code")
            yield keyspace.code(leaf.code_hash), code


def _header(chain: ChainStore, number: int) -> Header:
    header = chain.header(number)
    if header is None:
        raise DataError(f"header {number} is missing", field="header")
    return header
