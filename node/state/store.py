"""The world state in the database: a flat store for the head, the tries for roots, proofs and history."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest

from node.errors import DataError, ImpossibleState
from node.keys.hashing import keccak256
from node.state.tries import (
    EMPTY_CODE_HASH,
    EMPTY_ROOT,
    AccountLeaf,
    decode_word,
    encode_word,
    leaves,
    prove,
    read_trie,
    storage_key,
    update_trie,
)
from node.state.write_set import WriteSet
from node.storage import keyspace
from node.storage.layered import LayeredStore
from node.storage.store import KeyValueStore, Operation
from node.types import Account, Address, Hash32, StateReader

CODE_CACHE_ENTRIES = 256
"""Contract codes kept in memory: at most 6 MB at EIP-170's 24 KB each."""


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """What a write set does to the state: the new root, and the database operations that make it durable."""

    root: Hash32
    operations: tuple[Operation, ...]
    write_set: WriteSet


@dataclass(frozen=True, slots=True)
class StorageProof:
    """One slot of an eth_getProof answer: RLP nodes from the storage root down."""

    slot: int
    value: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An eth_getProof answer (EIP-1186): the leaf (nonce 0, balance 0, empty hashes where absent) and its nodes."""

    address: Address
    leaf: AccountLeaf
    proof: tuple[bytes, ...]
    storage: tuple[StorageProof, ...]


class StateStore:
    """State under one key-value store. One writer; readers on any thread stay consistent across commits."""

    def __init__(self, store: KeyValueStore, root: Hash32 = EMPTY_ROOT) -> None:
        self._kv = store
        self._root = root
        # Odd while a commit is being written. A head reader that sees another value than its own reads the
        # tries at its root instead, whose nodes are never deleted.
        self._version = 0
        self._codes: OrderedDict[Hash32, bytes] = OrderedDict()

    @property
    def root(self) -> Hash32:
        """State root of the committed head."""
        return self._root

    def head(self) -> StateReader:
        """The head's state as of now; stays at this root when the head moves on."""
        return _HeadReader(self, self._version, self._root)

    def at(self, root: Hash32) -> StateReader:
        """The state at any committed root. Reading one that is not there raises DataError."""
        return self.head() if root == self._root else _TrieReader(self, root)

    def above(self, updates: Sequence[StateUpdate]) -> StateStore:
        """The state with ``updates`` on top, each computed on the one before it, none of them written: what a block in
        flight is executed on. The head may move along ``updates`` meanwhile; moved elsewhere, answers are mixed."""
        store = StateStore(LayeredStore(self._kv, [update.operations for update in updates]), updates[-1].root)
        store._codes = self._codes
        return store

    def apply(self, write_set: WriteSet) -> StateUpdate:
        """Root and operations of the head's state after ``write_set``. Writes nothing."""
        operations: list[Operation] = [
            (keyspace.code(code_hash), code) for code_hash, code in sorted(write_set.code.items())
        ]
        changes: list[tuple[bytes, bytes]] = []
        for address in write_set.touched():
            leaf = self._updated_leaf(address, write_set, operations)
            encoded = leaf.encode() if leaf else b""
            operations.append((keyspace.account(address), encoded or None))
            changes.append((keccak256(address), encoded))
        root, nodes = update_trie(self.read_node, self._root, changes)
        operations.extend((keyspace.trie_node(node_hash), body) for node_hash, body in nodes.items())
        return StateUpdate(root, tuple(operations), write_set)

    def _updated_leaf(self, address: Address, writes: WriteSet, operations: list[Operation]) -> AccountLeaf | None:
        before = self.leaf(address)
        account = writes.accounts.get(address, before.account() if before else None)
        if before is not None and (account is None or address in writes.cleared):
            operations.extend((key, None) for key, _ in self._kv.iterate(keyspace.slots_of(address)))
            before = None
        words = writes.storage.get(address, {})
        if account is None:
            if words:
                raise ImpossibleState(f"storage written under no account at 0x{address.hex()}")
            return None
        storage_root = before.storage_root if before else EMPTY_ROOT
        if words:
            storage_root = self._update_storage(address, storage_root, words, operations)
        return AccountLeaf(account.nonce, account.balance, storage_root, account.code_hash)

    def _update_storage(
        self, address: Address, root: Hash32, words: Mapping[int, int], operations: list[Operation]
    ) -> Hash32:
        changes = []
        for slot, value in sorted(words.items()):
            encoded = encode_word(value)
            operations.append((keyspace.slot(address, slot), encoded or None))
            changes.append((storage_key(slot), encoded))
        root, nodes = update_trie(self.read_node, root, changes)
        operations.extend((keyspace.trie_node(node_hash), body) for node_hash, body in nodes.items())
        return root

    @contextmanager
    def committing(self, update: StateUpdate) -> Iterator[None]:
        """Around the write of a batch that holds ``update.operations``: moves the head when it succeeds."""
        self._version += 1
        try:
            yield
            self._root = update.root
        finally:
            self._version += 1

    def proof(self, root: Hash32, address: Address, slots: list[int]) -> AccountProof:
        """Proof of an account and of storage words at a committed root (EIP-1186)."""
        key = keccak256(address)
        encoded = read_trie(self.read_node, root, key)
        leaf = AccountLeaf.decode(encoded) if encoded else AccountLeaf(0, 0, EMPTY_ROOT, EMPTY_CODE_HASH)
        storage = []
        for slot in slots:
            slot_key = storage_key(slot)
            value, nodes = 0, tuple[bytes, ...]()
            if leaf.storage_root != EMPTY_ROOT:
                value = decode_word(read_trie(self.read_node, leaf.storage_root, slot_key))
                nodes = prove(self.read_node, leaf.storage_root, slot_key)
            storage.append(StorageProof(slot, value, nodes))
        nodes = () if root == EMPTY_ROOT else prove(self.read_node, root, key)
        return AccountProof(address, leaf, nodes, tuple(storage))

    def check_flat_equals_tries(self) -> int:
        """Compare every account and word of the flat store with the tries at the head; returns how many.

        Raises DataError naming the first difference.
        """
        accounts = words = 0
        for key, encoded in self._matched(keyspace.ACCOUNT, self._root, "account"):
            accounts += 1
            words += self._check_storage(key, AccountLeaf.decode(encoded))
        all_words = sum(1 for _ in self._kv.iterate(keyspace.SLOT))
        if all_words != words:
            raise DataError(f"{all_words} words in the flat store, {words} under an account", field="state")
        return accounts + words

    def _check_storage(self, account_key: bytes, leaf: AccountLeaf) -> int:
        prefix = keyspace.SLOT + account_key
        what = f"word of account 0x{account_key.hex()}"
        return sum(1 for _ in self._matched(prefix, leaf.storage_root, what))

    def _matched(self, prefix: bytes, root: Hash32, what: str) -> Iterator[tuple[bytes, bytes]]:
        """(secure key, value) of each flat entry under ``prefix``, which must be the trie's leaves at ``root``."""
        flat = ((key[len(prefix) :], value) for key, value in self._kv.iterate(prefix))
        for found, expected in zip_longest(flat, leaves(self.read_node, root)):
            if found != expected:
                key = min(each[0] for each in (found, expected) if each is not None)
                raise DataError(f"{what} 0x{key.hex()} differs between flat store and trie", field="state")
            yield found

    # --- what readers stand on ------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Changes whenever the flat store may; odd while it is being written."""
        return self._version

    def leaf(self, address: Address) -> AccountLeaf | None:
        """The account in the flat store."""
        encoded = self._kv.get(keyspace.account(address))
        return AccountLeaf.decode(encoded) if encoded else None

    def word(self, address: Address, slot: int) -> int:
        """The storage word in the flat store."""
        return decode_word(self._kv.get(keyspace.slot(address, slot)) or b"")

    def read_node(self, node_hash: bytes) -> bytes | None:
        """A trie node by its hash."""
        return self._kv.get(keyspace.trie_node(node_hash))

    def code(self, code_hash: Hash32) -> bytes:
        """Contract code; the same object for the same hash while it stays in a bounded cache."""
        if code_hash == EMPTY_CODE_HASH:
            return b""
        found = self._codes.get(code_hash) or self._kv.get(keyspace.code(code_hash))
        if found is None:
            raise DataError(f"no code with hash 0x{code_hash.hex()}", field="code")
        self._codes[code_hash] = found
        while len(self._codes) > CODE_CACHE_ENTRIES:
            self._codes.popitem(last=False)
        return found


class _TrieReader:
    """The state at one root, read from the tries."""

    def __init__(self, store: StateStore, root: Hash32) -> None:
        self._store = store
        self._root = root
        self._storage_roots: dict[Address, Hash32] = {}

    def account(self, address: Address) -> Account | None:
        leaf = self._leaf(address)
        return leaf.account() if leaf else None

    def storage(self, address: Address, slot: int) -> int:
        root = self._storage_roots.get(address)
        if root is None:
            leaf = self._leaf(address)
            root = leaf.storage_root if leaf else EMPTY_ROOT
            self._storage_roots[address] = root
        return decode_word(read_trie(self._store.read_node, root, storage_key(slot)))

    def code(self, code_hash: Hash32) -> bytes:
        return self._store.code(code_hash)

    def _leaf(self, address: Address) -> AccountLeaf | None:
        encoded = read_trie(self._store.read_node, self._root, keccak256(address))
        return AccountLeaf.decode(encoded) if encoded else None


class _HeadReader:
    """The head's state from the flat store for as long as the head stands; after that from the tries."""

    def __init__(self, store: StateStore, version: int, root: Hash32) -> None:
        self._store = store
        self._version = version if version % 2 == 0 else -1
        self._history = _TrieReader(store, root)

    def account(self, address: Address) -> Account | None:
        if self._store.version == self._version:
            leaf = self._store.leaf(address)
            if self._store.version == self._version:
                return leaf.account() if leaf else None
        return self._history.account(address)

    def storage(self, address: Address, slot: int) -> int:
        if self._store.version == self._version:
            value = self._store.word(address, slot)
            if self._store.version == self._version:
                return value
        return self._history.storage(address, slot)

    def code(self, code_hash: Hash32) -> bytes:
        return self._store.code(code_hash)
