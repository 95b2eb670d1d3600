"""Where a chain to be audited comes from: nothing that a source says is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from node.types import Address


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block as a source serves it: its RLP, its encoded commit certificate, and the set that sealed it where it
    differs from the height before (None elsewhere)."""

    block: bytes
    certificate: bytes
    validators: tuple[Address, ...] | None


class ChainSource(Protocol):
    """A bank's JSON-RPC or an exported file."""

    name: str

    def genesis(self) -> dict[str, Any]:
        """The genesis document."""

    def height(self) -> int:
        """The last height on offer, for the progress bar alone."""

    def blocks(self) -> Iterator[SealedBlock]:
        """Blocks from height 1 on, in order."""
