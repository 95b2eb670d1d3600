"""What a store would hold if batches that are not written yet were."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from node.errors import ImpossibleState
from node.storage.store import KeyValueStore, Operation


class LayeredStore:
    """Reads ``batches`` (the last one on top) over ``base``. Nothing can be written through it.

    Where ``base`` takes in the lowest batches meanwhile, in their order, every answer stays what it was.
    """

    def __init__(self, base: KeyValueStore, batches: Sequence[Sequence[Operation]]) -> None:
        self._base = base
        self._layers: tuple[Mapping[bytes, bytes | None], ...] = tuple(dict(batch) for batch in reversed(batches))

    def get(self, key: bytes) -> bytes | None:
        """The value at ``key``, or None."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        return self._base.get(key)

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs under ``prefix``, ascending."""
        changed: dict[bytes, bytes | None] = {}
        for layer in reversed(self._layers):
            changed.update((key, value) for key, value in layer.items() if key.startswith(prefix))
        kept = ((key, value) for key, value in self._base.iterate(prefix) if key not in changed)
        fresh = ((key, value) for key, value in sorted(changed.items()) if value is not None)
        return heapq.merge(kept, fresh)

    def floor(self, prefix: bytes, key: bytes) -> tuple[bytes, bytes] | None:
        """Not for blocks that are not final."""
        raise ImpossibleState("a question about history was asked of unwritten batches")

    def write(self, operations: Sequence[Operation], *, sync: bool) -> None:
        """Nothing of an uncommitted block is ever written."""
        raise ImpossibleState("a write through a view of unwritten batches")

    def close(self) -> None:
        """The base stays open: it is another's."""
