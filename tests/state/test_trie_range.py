"""Range proofs: an honest one holds and gives the trie's own nodes; nothing else does. py-trie is the oracle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from node.errors import DataError
from node.state.batch_trie import EMPTY_ROOT, INLINE_NODE_BYTES, update_trie
from node.state.trie_range import FIRST_KEY, TrieRange, read_range, trie_nodes, verify_range
from node.types import Hash32

LAST_KEY = b"\xff" * 32
# Few distinct bytes at both ends: long shared paths, extensions, and short leaves that stand inside their parents.
_BYTE = st.sampled_from([0x00, 0x01, 0x10, 0x7F, 0xFF])
KEYS = st.builds(
    lambda head, tail: bytes(head) + bytes(32 - len(head) - len(tail)) + bytes(tail),
    st.lists(_BYTE, max_size=3),
    st.lists(_BYTE, max_size=2),
) | st.binary(min_size=32, max_size=32)
VALUES = st.binary(min_size=1, max_size=3) | st.binary(min_size=30, max_size=70)
TRIES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=40)


def stored(content: dict[bytes, bytes]) -> tuple[Hash32, dict[bytes, bytes]]:
    """Root and nodes, as the ledger's own updater makes them; the oracle has the same root."""
    root, nodes = update_trie(lambda _hash: None, EMPTY_ROOT, content.items())
    oracle = HexaryTrie({})
    for key, value in content.items():
        oracle.set(key, value)
    assert oracle.root_hash == root
    return root, nodes


def expected(content: dict[bytes, bytes], origin: bytes, last: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((key, value) for key, value in sorted(content.items()) if origin <= key <= last)


@settings(max_examples=150, deadline=None)
@given(TRIES, st.integers(1, 12))
def test_the_ranges_of_a_trie_hold_and_give_all_its_nodes(content: dict[bytes, bytes], leaves_max: int) -> None:
    """Range by range from the first key to the end: each holds, none is empty, and together they are the trie, node
    for node, so that the trie can be stored from them alone."""
    root, nodes = stored(content)
    origin, shown, found = FIRST_KEY, dict[bytes, bytes](), dict[bytes, bytes]()
    while True:
        answer = read_range(nodes.get, root, origin, leaves_max=leaves_max, bytes_max=10**6)
        shown |= verify_range(root, origin, answer)
        found |= dict(answer.leaves)
        if answer.complete:
            break
        assert answer.leaves
        origin = (int.from_bytes(answer.leaves[-1][0], "big") + 1).to_bytes(32, "big")
    assert found == content
    assert shown == nodes
    assert dict(trie_nodes(shown.get, [root])) == nodes


@settings(max_examples=100, deadline=None)
@given(TRIES, KEYS)
def test_a_range_proved_by_the_oracle_holds(content: dict[bytes, bytes], origin: bytes) -> None:
    """Proof nodes that py-trie makes for the two boundaries are as good as ours."""
    root, nodes = stored(content)
    last = max(content)
    trie = HexaryTrie(dict(nodes), root)
    bodies = [rlp.encode(node) for key in (origin, last) for node in trie.get_proof(key)]
    proof = tuple(body for body in bodies if len(body) >= INLINE_NODE_BYTES or body == rlp.encode(trie.root_node.raw))
    leaves = expected(content, origin, last)
    verify_range(root, origin, TrieRange(leaves, complete=True, proof=proof))
    if leaves:
        verify_range(root, origin, TrieRange(leaves, complete=False, proof=proof))


def mutations(answer: TrieRange, data: st.DataObject) -> TrieRange:
    """One change that makes the range another one, or none that could be made."""
    leaves = list(answer.leaves)
    kind = data.draw(st.sampled_from(["drop", "value", "key", "extra", "complete", "shift", "node", "empty"]))
    place = data.draw(st.integers(0, max(0, len(leaves) - 1)))
    if kind == "drop" and leaves:
        del leaves[place]
    elif kind == "value" and leaves:
        leaves[place] = (leaves[place][0], data.draw(VALUES))
    elif kind == "key" and leaves:
        leaves[place] = (data.draw(KEYS), leaves[place][1])
    elif kind == "extra":
        leaves = sorted({**dict(leaves), data.draw(KEYS): data.draw(VALUES)}.items())
    elif kind == "complete":
        return replace(answer, complete=not answer.complete)
    elif kind == "shift" and leaves:
        return replace(answer, leaves=tuple(leaves[:place]), complete=True)
    elif kind == "node" and answer.proof:
        proof = list(answer.proof)
        which = data.draw(st.integers(0, len(proof) - 1))
        proof[which] = data.draw(st.sampled_from([b"", b"\xc0", proof[which][:-1], proof[which] + b"\x00"]))
        return replace(answer, proof=tuple(proof))
    elif kind == "empty":
        return TrieRange((), complete=True, proof=answer.proof)
    return replace(answer, leaves=tuple(leaves))


@settings(max_examples=400, deadline=None)
@given(TRIES, KEYS, st.integers(1, 12), st.data())
def test_what_is_accepted_is_true(
    content: dict[bytes, bytes], origin: bytes, leaves_max: int, data: st.DataObject
) -> None:
    """Whatever is done to an answer (a leaf dropped, changed, moved or added, a boundary shifted, a proof's node
    damaged): it is refused with our error, or what it says is still exactly the trie's content."""
    root, nodes = stored(content)
    answer = read_range(nodes.get, root, origin, leaves_max=leaves_max, bytes_max=10**6)
    changed = answer
    for _ in range(data.draw(st.integers(1, 3))):
        changed = mutations(changed, data)
    try:
        shown = verify_range(root, origin, changed)
    except DataError:
        return
    last = LAST_KEY if changed.complete else changed.leaves[-1][0]
    assert changed.leaves == expected(content, origin, last)
    assert shown.items() <= nodes.items()


CONTENT = {bytes([n]) * 32: bytes([n + 1]) * 40 for n in range(0, 250, 10)}


@pytest.mark.parametrize("at", [0, 3, 7])
@pytest.mark.parametrize("change", ["drop", "value", "extra", "end", "other root"])
def test_each_lie_is_refused(change: str, at: int) -> None:
    """The named lies, at the lower boundary, within and at the upper boundary."""
    root, nodes = stored(CONTENT)
    origin = bytes([35]) * 32
    answer = read_range(nodes.get, root, origin, leaves_max=8, bytes_max=10**6)
    assert len(answer.leaves) == 8
    verify_range(root, origin, answer)
    leaves = list(answer.leaves)
    key, value = leaves[at]
    if change == "drop":
        # The last leaf may be left out by an honest server: then the proof must be that of the leaf before it.
        del leaves[at]
    elif change == "value":
        leaves[at] = (key, value + b"\x01")
    elif change == "extra":
        leaves.insert(at, (key[:-1] + bytes([key[-1] - 1]), b"\x01"))
    elif change == "other root":
        root = Hash32(b"\x55" * 32)
    with pytest.raises(DataError):
        verify_range(root, origin, TrieRange(tuple(leaves), change == "end", answer.proof))


def test_a_leaf_beside_an_extension_is_refused() -> None:
    """Where all keys of the trie share digits, a key in the range that does not share them is none of its leaves."""
    content = {b"\x11\x11" + bytes([n]) * 30: b"\x05" * 40 for n in range(0, 200, 20)}
    root, nodes = stored(content)
    origin = b"\x11\x11" + bytes([50]) * 30
    answer = read_range(nodes.get, root, origin, leaves_max=100, bytes_max=10**6)
    verify_range(root, origin, answer)
    for stray in (b"\x11\x12" + bytes(30), b"\x22" * 32, LAST_KEY):
        with pytest.raises(DataError):
            verify_range(root, origin, TrieRange((*answer.leaves, (stray, b"\x01")), True, answer.proof))


def test_answers_of_no_sound_form_are_refused() -> None:
    """A short key, an empty value, keys out of order or below the origin, and nothing without an end."""
    root, nodes = stored(CONTENT)
    whole = read_range(nodes.get, root, FIRST_KEY, leaves_max=100, bytes_max=10**6)
    assert whole.complete
    assert whole.proof == ()
    one, two, *_ = whole.leaves
    for leaves, complete in (
        (((one[0][:-1], one[1]),), True),
        (((one[0], b""),), True),
        ((two, one), True),
        ((one, one), True),
        ((), False),
    ):
        with pytest.raises(DataError):
            verify_range(root, FIRST_KEY, TrieRange(leaves, complete, ()))
    with pytest.raises(DataError):
        verify_range(root, LAST_KEY, whole)
    with pytest.raises(DataError):
        verify_range(root, b"\x00", whole)


def test_an_answer_is_bounded_and_the_empty_trie_is_empty() -> None:
    """Leaves and bytes each end a range, never before its first leaf; the empty trie has one range."""
    root, nodes = stored(CONTENT)
    assert len(read_range(nodes.get, root, FIRST_KEY, leaves_max=3, bytes_max=10**6).leaves) == 3
    assert len(read_range(nodes.get, root, FIRST_KEY, leaves_max=100, bytes_max=170).leaves) == 2
    assert len(read_range(nodes.get, root, FIRST_KEY, leaves_max=100, bytes_max=1).leaves) == 1
    nothing = read_range(nodes.get, EMPTY_ROOT, FIRST_KEY, leaves_max=3, bytes_max=10)
    assert nothing == TrieRange((), complete=True, proof=())
    assert verify_range(EMPTY_ROOT, FIRST_KEY, nothing) == {}
    with pytest.raises(DataError):
        verify_range(EMPTY_ROOT, FIRST_KEY, TrieRange(((LAST_KEY, b"\x01"),), complete=True, proof=()))
    with pytest.raises(DataError, match="missing"):
        read_range({}.get, root, FIRST_KEY, leaves_max=3, bytes_max=10)
