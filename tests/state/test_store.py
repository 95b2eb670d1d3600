"""The state store against an independent model: flat store, tries, history, proofs."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import rlp
from trie import HexaryTrie

from node.errors import DataError
from node.keys.hashing import EMPTY_CODE_HASH, keccak256
from node.state.store import StateStore
from node.state.tries import EMPTY_ROOT, AccountLeaf, encode_word, storage_key
from node.state.write_set import OverlayReader, WriteSet
from node.storage import keyspace
from node.storage.leveldb import LevelDB
from node.types import Account, Address, Hash32

ADDRESSES = tuple(Address(bytes([index + 1]) * 20) for index in range(12))
CODE = b"\x60\x00"

Model = dict[Address, tuple[Account, dict[int, int]]]


def model_root(model: Model) -> bytes:
    """The state root by building every trie anew."""
    accounts = HexaryTrie({})
    for address, (account, words) in model.items():
        storage = HexaryTrie({})
        for slot, value in words.items():
            storage.set(storage_key(slot), encode_word(value))
        leaf = [account.nonce, account.balance, storage.root_hash, account.code_hash]
        accounts.set(keccak256(address), rlp.encode(leaf))
    root: bytes = accounts.root_hash
    return root


def random_change(random: Random, model: Model) -> WriteSet:
    """Draw a write set and apply it to the model."""
    accounts: dict[Address, Account | None] = {}
    storage: dict[Address, dict[int, int]] = {}
    cleared = set()
    for address in random.sample(ADDRESSES, 4):
        kind = random.random()
        if address in model and kind < 0.25:
            accounts[address] = None
            del model[address]
            continue
        if address in model and kind < 0.35:
            cleared.add(address)
            model[address][1].clear()
        if address not in model or kind < 0.7:
            code_hash = keccak256(CODE) if random.random() < 0.5 else EMPTY_CODE_HASH
            account = Account(random.randrange(1, 300), random.randrange(2 ** random.randrange(1, 250)), code_hash)
            accounts[address] = account
            model[address] = (account, model[address][1] if address in model else {})
        words = model[address][1]
        changes = {random.randrange(6): random.choice([0, 1, 2**200]) for _ in range(random.randrange(5))}
        changes = {slot: value for slot, value in changes.items() if words.get(slot, 0) != value}
        for slot, value in changes.items():
            words.pop(slot, None)
            if value:
                words[slot] = value
        if changes:
            storage[address] = changes
    return WriteSet(accounts, storage, frozenset(cleared), {keccak256(CODE): CODE})


def commit(database: LevelDB, store: StateStore, write_set: WriteSet) -> None:
    update = store.apply(write_set)
    with store.committing(update):
        database.write(list(update.operations), sync=False)


@pytest.mark.parametrize("seed", range(6))
def test_roots_flat_store_and_history_follow_the_model(seed: int, tmp_path: Path) -> None:
    """After each of many write sets the root is the model's, and every earlier state still reads as it was."""
    random = Random(seed)
    database = LevelDB.open(tmp_path / "db")
    store = StateStore(database)
    model: Model = {}
    history = []
    for _ in range(12):
        write_set = random_change(random, model)
        overlay = OverlayReader(store.head(), write_set)
        expected = {address: (account, dict(words)) for address, (account, words) in model.items()}
        for address in ADDRESSES:
            account, words = expected.get(address, (None, {}))
            assert overlay.account(address) == account
            assert [overlay.storage(address, slot) for slot in range(6)] == [words.get(slot, 0) for slot in range(6)]
        commit(database, store, write_set)
        assert store.root == model_root(model)
        assert store.check_flat_equals_tries() == len(model) + sum(len(words) for _, words in model.values())
        history.append((store.root, store.head(), expected))
    for root, reader, expected in history:
        for state in (store.at(root), reader):
            for address in ADDRESSES:
                account, words = expected.get(address, (None, {}))
                assert state.account(address) == account
                assert [state.storage(address, slot) for slot in range(6)] == [words.get(s, 0) for s in range(6)]


def test_apply_writes_nothing_and_keeps_no_needless_nodes(tmp_path: Path) -> None:
    """The update is data until it is committed; only nodes that the new root reaches are in it."""
    database = LevelDB.open(tmp_path / "db")
    store = StateStore(database)
    accounts: dict[Address, Account | None] = {address: Account(1, 1, EMPTY_CODE_HASH) for address in ADDRESSES}
    update = store.apply(WriteSet(accounts))
    assert list(database.iterate(b"")) == []
    nodes = [key for key, _ in update.operations if key.startswith(keyspace.TRIE_NODE)]
    with store.committing(update):
        database.write(list(update.operations), sync=False)
    reached = {store.root}
    waiting = [store.root]
    while waiting:
        body = store.read_node(waiting.pop())
        assert body is not None
        node = rlp.decode(body)
        is_leaf = len(node) == 2 and node[0][0] >> 4 >= 2  # hex prefix (Yellow Paper, appendix C)
        children = node[:16] if len(node) == 17 else [] if is_leaf else [node[1]]
        for child in children:
            if isinstance(child, bytes) and child:
                reached.add(Hash32(child))
                waiting.append(Hash32(child))
    assert len(nodes) == len(set(nodes)) == len(reached)


def test_proofs_verify_against_the_root(tmp_path: Path) -> None:
    """eth_getProof's nodes prove what is there and what is absent (EIP-1186)."""
    database = LevelDB.open(tmp_path / "db")
    store = StateStore(database)
    accounts: dict[Address, Account | None] = {address: Account(1, 9, EMPTY_CODE_HASH) for address in ADDRESSES[:6]}
    commit(database, store, WriteSet(accounts, {ADDRESSES[0]: {slot: slot + 1 for slot in range(20)}}))
    for address in ADDRESSES:
        proof = store.proof(store.root, address, [3, 99])
        found = HexaryTrie.get_from_proof(store.root, keccak256(address), [rlp.decode(node) for node in proof.proof])
        assert found == (proof.leaf.encode() if address in accounts else b"")
    proof = store.proof(store.root, ADDRESSES[0], [3, 99])
    for slot, value in ((3, 4), (99, 0)):
        entry = proof.storage[0 if slot == 3 else 1]
        nodes = [rlp.decode(node) for node in entry.proof]
        assert entry.value == value
        assert HexaryTrie.get_from_proof(proof.leaf.storage_root, storage_key(slot), nodes) == encode_word(value)
    assert store.proof(EMPTY_ROOT, ADDRESSES[0], [1]).proof == ()


@pytest.mark.parametrize("damage", ["word", "account", "missing word", "stray word", "node"])
def test_the_check_finds_any_difference_between_flat_store_and_tries(damage: str, tmp_path: Path) -> None:
    """One changed, missing or stray record is named."""
    database = LevelDB.open(tmp_path / "db")
    store = StateStore(database)
    commit(database, store, WriteSet({ADDRESSES[0]: Account(1, 9, EMPTY_CODE_HASH)}, {ADDRESSES[0]: {1: 5}}))
    operations: dict[str, tuple[bytes, bytes | None]] = {
        "word": (keyspace.slot(ADDRESSES[0], 1), encode_word(6)),
        "account": (keyspace.account(ADDRESSES[0]), AccountLeaf(2, 9, EMPTY_ROOT, EMPTY_CODE_HASH).encode()),
        "missing word": (keyspace.slot(ADDRESSES[0], 1), None),
        "stray word": (keyspace.slot(ADDRESSES[1], 1), encode_word(6)),
        "node": (keyspace.trie_node(store.root), None),
    }
    database.write([operations[damage]], sync=False)
    with pytest.raises(DataError):
        store.check_flat_equals_tries()
