"""The fast ordered root against py-trie."""

from __future__ import annotations

import random

import pytest
import rlp
from trie import HexaryTrie

from node.chain.ordered_trie import EMPTY_TRIE_ROOT, ordered_root


def reference_root(values: list[bytes]) -> bytes:
    trie = HexaryTrie({}, prune=True)
    for index, value in enumerate(values):
        trie.set(rlp.encode(index), value)
    return bytes(trie.root_hash)


@pytest.mark.parametrize("count", [*range(20), 127, 128, 129, 255, 256, 257, 300, 1_000])
def test_it_is_the_root_of_the_trie(count: int) -> None:
    """For every shape of index keys and for values short enough to stand inside their parents, both agree."""
    source = random.Random(count)
    for size in (1, 3, 31, 32, 60, 300):
        values = [source.randbytes(source.randint(1, size)) for _ in range(count)]
        assert ordered_root(values) == reference_root(values)


def test_no_values_have_the_empty_root() -> None:
    """The trie without keys has keccak256(rlp(b"")) for its root."""
    assert ordered_root([]) == EMPTY_TRIE_ROOT == reference_root([])
