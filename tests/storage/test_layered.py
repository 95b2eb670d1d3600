"""Unwritten batches over a store, on a real LevelDB."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import ImpossibleState
from node.storage.layered import LayeredStore
from node.storage.leveldb import LevelDB
from node.storage.store import Operation

_keys = st.sampled_from([b"a", b"a1", b"a2", b"b", b"b1", b"c"])
_batches = st.lists(st.lists(st.tuples(_keys, st.none() | st.binary(min_size=1, max_size=2)), max_size=6), max_size=4)


@settings(max_examples=60, deadline=None)
@given(written=_batches, waiting=_batches, taken_in=st.integers(0, 4))
def test_it_reads_as_if_the_batches_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    written: list[list[Operation]],
    waiting: list[list[Operation]],
    taken_in: int,
) -> None:
    """Every read is the one of a store that holds the batches; also after the lowest of them were written beneath."""
    folder: Path = tmp_path_factory.mktemp("layered")
    base, oracle = LevelDB.open(folder / "base"), LevelDB.open(folder / "oracle")
    for batch in written:
        base.write(batch, sync=False)
    for batch in [*written, *waiting]:
        oracle.write(batch, sync=False)
    view = LayeredStore(base, waiting)
    for batch in [[], *waiting[:taken_in]]:
        base.write(batch, sync=False)
        assert [view.get(key) for key in (b"a", b"a1", b"a2", b"b", b"c", b"zz")] == [
            oracle.get(key) for key in (b"a", b"a1", b"a2", b"b", b"c", b"zz")
        ]
        assert [list(view.iterate(prefix)) for prefix in (b"", b"a", b"b1")] == [
            list(oracle.iterate(prefix)) for prefix in (b"", b"a", b"b1")
        ]
    base.close()
    oracle.close()


def test_nothing_is_written_through_it(tmp_path: Path) -> None:
    """A write, or a question about history, is an impossible state; closing it leaves the base open."""
    base = LevelDB.open(tmp_path / "db")
    view = LayeredStore(base, [[(b"a", b"1")]])
    with pytest.raises(ImpossibleState):
        view.write([(b"b", b"2")], sync=False)
    with pytest.raises(ImpossibleState):
        view.floor(b"a", b"a")
    view.close()
    assert base.get(b"a") is None
    base.close()
