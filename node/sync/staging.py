"""A ledger in the making, in a database of its own that nobody reads before its last batch.

Each batch holds what was proved together with how far that is, and is synced: an interrupted join goes on where it
was. The keys are the ledger's own, but without a head there is no ledger; the last batch writes head and marker and
removes the marks of progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from node.chain.block import Block
from node.chain.header import Header
from node.chain.receipt import Receipt
from node.chain.snapshot import (
    SnapshotMarker,
    body_operations,
    head_operations,
    header_operations,
    validators_operation,
)
from node.chain.store import ChainStore
from node.errors import DataError
from node.state.store import StateStore
from node.state.tries import EMPTY_CODE_HASH, AccountLeaf
from node.storage import KeyValueStore, Operation, keyspace
from node.sync.headers import ProvedHeader
from node.types import Address, Hash32

FIRST_ORIGIN = bytes(32)
CLEARED_AT_ONCE = 10_000
"""Keys of one batch of deletions."""
Leaves = Sequence[tuple[bytes, bytes]]


def key_after(key: bytes) -> bytes:
    """The next key of a trie."""
    return (int.from_bytes(key, "big") + 1).to_bytes(len(key), "big")


class Staging:
    """Synchronous, from any thread; each batch is of one caller."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self.chain = ChainStore(store)

    def begin(self, genesis: Header, genesis_digest: Hash32, validators: Sequence[Address]) -> None:
        """Height 0, where nothing is staged yet. DataError where another genesis is: the folder must be removed."""
        found = self.chain.genesis_digest()
        if found is not None:
            if found != genesis_digest:
                raise DataError("the staged snapshot is of another genesis", field="genesis")
            self.chain.check_format()
            return
        rows = self.chain.genesis_operations(genesis, genesis_digest, validators)
        operations: list[Operation] = [row for row in rows if row[0] != keyspace.HEAD_NUMBER]
        self._write([*operations, (keyspace.JOIN_TIP, keyspace.encode_height(0))])

    # --- headers ----------------------------------------------------------------------------------

    def tip(self) -> Header:
        """The last proved header."""
        return self.header(keyspace.decode_height(self._store.get(keyspace.JOIN_TIP) or b""))

    def header(self, number: int) -> Header:
        """A proved header; DataError where it is not staged."""
        header = self.chain.header(number)
        if header is None:
            raise DataError(f"header {number} is not staged", field="header")
        return header

    def validators(self, height: int) -> tuple[Address, ...]:
        """S(height), up to the tip's next height."""
        return self.chain.validators_change(height)[1]

    def add_headers(self, proved: Sequence[ProvedHeader]) -> None:
        """Headers that follow the tip."""
        operations: list[Operation] = []
        for one in proved:
            number = one.header.number
            operations += header_operations(one.header)
            if one.certificate:
                operations.append((keyspace.certificate_by_number(number), one.certificate))
            if one.validators is not None:
                operations.append(validators_operation(number + 1, one.validators))
        operations.append((keyspace.JOIN_TIP, keyspace.encode_height(proved[-1].header.number)))
        self._write(operations)

    # --- state ------------------------------------------------------------------------------------

    def pivot(self) -> Header | None:
        """The block whose state is fetched; None before one is chosen."""
        value = self._store.get(keyspace.JOIN_PIVOT)
        return None if value is None else self.header(keyspace.decode_height(value))

    def choose(self, pivot: Header) -> None:
        """Fetch the state of this block. What is there of another one is removed first, its mark before the rest: a
        join that is cut short in between chooses anew, and never goes on with a state that has holes."""
        self._write([(keyspace.JOIN_PIVOT, None), (keyspace.JOIN_ORIGIN, None)])
        self._clear()
        self._write([(keyspace.JOIN_PIVOT, keyspace.encode_height(pivot.number)), (keyspace.JOIN_ORIGIN, FIRST_ORIGIN)])

    def account_origin(self) -> bytes | None:
        """Where to go on with the accounts; None where all are here."""
        return self._store.get(keyspace.JOIN_ORIGIN) or None

    def storage_origin(self, account_key: bytes) -> bytes | None:
        """Where to go on with the storage of an account of the present range; None where it is whole."""
        found = self._store.get(keyspace.join_storage(account_key))
        return FIRST_ORIGIN if found is None else found or None

    def add_accounts(self, leaves: Leaves, nodes: Mapping[bytes, bytes], *, complete: bool) -> None:
        """A proved range of accounts, whose storage and codes are here."""
        following = b"" if complete else key_after(leaves[-1][0])
        self._write(
            [
                *((keyspace.ACCOUNT + key, value) for key, value in leaves),
                *((keyspace.join_storage(key), None) for key, _ in leaves),
                *_nodes(nodes),
                (keyspace.JOIN_ORIGIN, following),
            ]
        )

    def add_storage(self, ranges: Iterable[tuple[bytes, Leaves, Mapping[bytes, bytes], bool]]) -> None:
        """(account key, leaves, nodes, complete) of proved ranges of storage."""
        operations: list[Operation] = []
        for account_key, leaves, nodes, complete in ranges:
            prefix = keyspace.SLOT + account_key
            operations += ((prefix + key, value) for key, value in leaves)
            operations += _nodes(nodes)
            operations.append((keyspace.join_storage(account_key), b"" if complete else key_after(leaves[-1][0])))
        self._write(operations)

    def missing_codes(self, hashes: Iterable[bytes]) -> list[bytes]:
        """Those that are not here yet, each once, in order."""
        wanted = dict.fromkeys(hashes)
        wanted.pop(EMPTY_CODE_HASH, None)
        return [code_hash for code_hash in wanted if self._store.get(keyspace.code(code_hash)) is None]

    def add_codes(self, codes: Mapping[bytes, bytes]) -> None:
        """Codes by their hashes."""
        self._write([(keyspace.code(code_hash), code) for code_hash, code in codes.items()])

    # --- the end ----------------------------------------------------------------------------------

    def add_block(
        self, block: Block, receipts: Sequence[Receipt], certificate: bytes, carried: tuple[int, bytes] | None
    ) -> None:
        """One of the last blocks up to the pivot, with its certificate and the one that it carries (P-11)."""
        operations = body_operations(block, receipts)
        operations.append((keyspace.certificate_by_number(block.number), certificate))
        if carried is not None:
            operations.append((keyspace.certificate_by_number(carried[0]), carried[1]))
        self._write(operations)

    def state(self) -> StateStore:
        """The state of the pivot."""
        pivot = self.pivot()
        if pivot is None:
            raise DataError("no snapshot is chosen", field="pivot")
        return StateStore(self._store, pivot.state_root)

    def check_state(self) -> int:
        """Every account, word and code is here, in flat store and tries; how many. DataError where not: a fault of
        ours, since each range was proved."""
        state = self.state()
        for _, encoded in self._store.iterate(keyspace.ACCOUNT):
            state.code(AccountLeaf.decode(encoded).code_hash)
        return state.check_flat_equals_tries()

    def finish(self, marker: SnapshotMarker) -> None:
        """The one batch that makes it a ledger. Headers above the snapshot go: block sync brings them with blocks."""
        operations: list[Operation] = [(key, None) for key, _ in self._store.iterate(keyspace.JOINING)]
        for number in range(marker.height + 1, self.tip().number + 1):
            header = self.header(number)
            operations += [(key, None) for key, _ in header_operations(header)]
            operations.append((keyspace.certificate_by_number(number), None))
            if self.chain.validators_change(number + 1)[0] == number + 1:
                operations.append((keyspace.validators_from(number + 1), None))
        self._write([*operations, *head_operations(marker)])

    def _clear(self) -> None:
        prefixes = (keyspace.ACCOUNT, keyspace.SLOT, keyspace.TRIE_NODE, keyspace.CODE, keyspace.JOIN_STORAGE)
        for prefix in prefixes:
            gone: list[Operation] = []
            for key, _ in self._store.iterate(prefix):
                gone.append((key, None))
                if len(gone) >= CLEARED_AT_ONCE:
                    self._write(gone)
                    gone = []
            self._write(gone)

    def _write(self, operations: Sequence[Operation]) -> None:
        if operations:
            self._store.write(operations, sync=True)


def _nodes(nodes: Mapping[bytes, bytes]) -> list[Operation]:
    return [(keyspace.trie_node(node_hash), body) for node_hash, body in nodes.items()]
