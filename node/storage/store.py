"""What the floors above ask of a key-value store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

Operation = tuple[bytes, bytes | None]
"""Key and new value; None deletes the key."""


class KeyValueStore(Protocol):
    """An ordered map of bytes to bytes with atomic batches. Safe for one writer and many reading threads."""

    def get(self, key: bytes) -> bytes | None:
        """The value at ``key``, or None."""

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key starts with ``prefix``, in ascending key order, as they stood at the call."""

    def floor(self, prefix: bytes, key: bytes) -> tuple[bytes, bytes] | None:
        """The pair with the greatest key at or below ``key`` among those that start with ``prefix``."""

    def write(self, operations: Sequence[Operation], *, sync: bool) -> None:
        """Apply all operations or none; with ``sync`` they are on disk when the call returns."""

    def close(self) -> None:
        """Release the database; a later call of any other method raises UnavailableError."""
