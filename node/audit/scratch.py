"""The ledger that a replay builds and throws away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from node.chain.genesis import Genesis
from node.execution.ledger import Ledger
from node.storage.leveldb import LevelDB
from node.storage.store import Operation


class UnsyncedStore:
    """A LevelDB whose batches are atomic and not synced: after a power cut, a replay begins again anyway."""

    def __init__(self, store: LevelDB) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        """The value at ``key``, or None."""
        return self._store.get(key)

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs under ``prefix``, ascending."""
        return self._store.iterate(prefix)

    def floor(self, prefix: bytes, key: bytes) -> tuple[bytes, bytes] | None:
        """The pair with the greatest key at or below ``key`` under ``prefix``."""
        return self._store.floor(prefix, key)

    def write(self, operations: Sequence[Operation], *, sync: bool) -> None:
        """One atomic batch, whatever ``sync`` says."""
        self._store.write(operations, sync=False)

    def close(self) -> None:
        """Release the directory."""
        self._store.close()


def open_scratch_ledger(directory: str, genesis: Genesis) -> Ledger:
    """A ledger at height 0 in a fresh directory; ConfigError or DataError for a genesis that contradicts itself."""
    store = UnsyncedStore(LevelDB.open(Path(directory) / "chain"))
    try:
        return Ledger.open_store(store, genesis)
    except BaseException:
        store.close()
        raise
