"""A store that may be lost with the power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from node.storage.store import KeyValueStore, Operation


class UnsyncedStore:
    """Batches are atomic and not synced: for what is built anew after a power cut anyway, a replay or a check."""

    def __init__(self, store: KeyValueStore) -> None:
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
