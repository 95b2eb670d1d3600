"""The batch updater against py-trie: equal roots, equal reachable nodes, over memory and over LevelDB."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import DataError, ImpossibleState
from node.keys.hashing import keccak256
from node.state.batch_trie import EMPTY_ROOT, read_trie, update_trie
from node.state.plain_trie import update_trie_plainly
from node.state.tries import leaves, prove
from node.storage import keyspace
from node.storage.leveldb import LevelDB
from node.types import Hash32

Nodes = dict[bytes, bytes]

# Keys of two bytes over few digits: shared beginnings, extensions and splits at every depth, nodes short enough to
# stand in their parents; and whole hashes, as the state has them.
SHORT_KEYS = st.lists(st.sampled_from([0x00, 0x01, 0x10, 0x11, 0xF0]), min_size=3, max_size=3).map(bytes)
HASHED_KEYS = st.integers(0, 40).map(lambda number: keccak256(bytes([number])))
VALUES = st.one_of(st.just(b""), st.binary(min_size=1, max_size=4), st.binary(min_size=30, max_size=80))


def batches(keys: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[list[tuple[bytes, bytes]]]]:
    return st.lists(st.lists(st.tuples(keys, VALUES), max_size=12), max_size=6)


def nothing(node_hash: bytes) -> bytes | None:
    """A store without nodes."""
    return None


def reachable(nodes: Nodes, root: Hash32) -> Nodes:
    """What of ``nodes`` the trie at ``root`` needs, found by py-trie's walk."""
    used: Nodes = {}

    def read(node_hash: bytes) -> bytes | None:
        body = nodes.get(node_hash)
        if body is not None:
            used[node_hash] = body
        return body

    list(leaves(read, root))
    return used


@pytest.mark.parametrize("keys", [SHORT_KEYS, HASHED_KEYS], ids=["short", "hashed"])
def test_batches_are_py_tries(keys: st.SearchStrategy[bytes]) -> None:
    """Random batches of puts and deletes, one upon the other: root, nodes, content and readings equal py-trie's."""

    @given(batches(keys))
    @settings(deadline=None, max_examples=300)
    def check(rounds: list[list[tuple[bytes, bytes]]]) -> None:
        ours: Nodes = {}
        theirs: Nodes = {}
        content: dict[bytes, bytes] = {}
        root = plain_root = EMPTY_ROOT
        for changes in rounds:
            root, fresh = update_trie(ours.get, root, changes)
            plain_root, plain_fresh = update_trie_plainly(theirs.get, plain_root, changes)
            assert root == plain_root
            ours |= fresh
            theirs |= plain_fresh
            content.update(changes)
            assert set(fresh) <= set(reachable(ours, root))  # nothing is stored that the root does not reach
            assert reachable(ours, root) == reachable(theirs, root)
            for key, value in content.items():
                assert read_trie(ours.get, root, key) == value

    check()


@pytest.mark.parametrize("size", [1, 7, 400])
def test_batches_over_leveldb(tmp_path: Path, size: int) -> None:
    """What was written is read back: roots equal py-trie's, proofs hold, and all deleted the trie is empty."""
    random = Random(size)
    store = LevelDB.open(tmp_path)

    def read(node_hash: bytes) -> bytes | None:
        return store.get(keyspace.trie_node(node_hash))

    root = EMPTY_ROOT
    content: dict[bytes, bytes] = {}
    for _ in range(6):
        changes = [(keccak256(random.randbytes(1)), random.randbytes(random.randrange(90))) for _ in range(size)]
        expected, _ = update_trie_plainly(read, root, changes)
        root, fresh = update_trie(read, root, changes)
        assert root == expected
        store.write([(keyspace.trie_node(node_hash), body) for node_hash, body in fresh.items()], sync=False)
        content.update(changes)
    present = {key: value for key, value in content.items() if value}
    assert dict(leaves(read, root)) == present
    for key in [*list(content)[:5], keccak256(b"absent key")]:
        proof: Nodes = {keccak256(body): body for body in prove(read, root, key)}
        assert read_trie(proof.get, root, key) == content.get(key, b"")
    emptied, fresh = update_trie(read, root, [(key, b"") for key in present])
    assert (emptied, fresh) == (EMPTY_ROOT, {})
    store.close()


def test_the_last_of_equal_keys_counts_and_no_changes_change_nothing() -> None:
    """As writes one after the other would."""
    key = keccak256(b"k")
    root, nodes = update_trie(nothing, EMPTY_ROOT, [(key, b"a"), (key, b"b")])
    assert read_trie(nodes.get, root, key) == b"b"
    assert update_trie(nothing, root, []) == (root, {})


def test_a_missing_node_is_named() -> None:
    """DataError, for updates and for readings, never a wrong root."""
    root, nodes = update_trie(nothing, EMPTY_ROOT, [(keccak256(bytes([n])), b"v" * 40) for n in range(9)])
    body = nodes.pop(root)
    only_root: Nodes = {root: body}
    for read in (nodes.get, only_root.get):
        with pytest.raises(DataError, match="missing"):
            update_trie(read, root, [(keccak256(b"\x01"), b"w")])
        with pytest.raises(DataError, match="missing"):
            read_trie(read, root, keccak256(b"\x01"))


def test_keys_of_two_lengths_are_refused() -> None:
    """A branch with a value is no node of a secure trie."""
    root, fresh = update_trie_plainly(nothing, EMPTY_ROOT, [(b"\x12", b"a" * 40), (b"\x12\x34", b"b" * 40)])
    with pytest.raises(ImpossibleState):
        read_trie(fresh.get, root, b"\x12\x34")
