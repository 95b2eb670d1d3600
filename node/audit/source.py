"""Where a chain to be audited comes from: nothing that a source says is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from node.errors import DataError
from node.types import Address


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block as a source serves it: its RLP, its encoded commit certificate, and the set that sealed it where it
    differs from the height before (None elsewhere)."""

    block: bytes
    certificate: bytes
    validators: tuple[Address, ...] | None


class SourceFault(DataError):
    """What the source gave is not of the promised form: the chain it offers cannot be true.

    ``rule`` is the finding's: "file" or "source", "P-3" where it is the genesis.
    """

    def __init__(
        self, rule: str, message: str, *, expected: Any = None, found: Any = None, field: str | None = None
    ) -> None:
        super().__init__(message, field=field or rule)
        self.rule = rule
        self.expected = expected
        self.found = found


class ChainSource(Protocol):
    """A bank's JSON-RPC or an exported file. Its methods raise SourceFault, or UnavailableError."""

    name: str

    def genesis(self) -> dict[str, Any]:
        """The genesis document."""

    def height(self) -> int:
        """The last height on offer; believed by the progress bar alone."""

    def blocks(self, last: int | None = None) -> Iterator[SealedBlock]:
        """Blocks from height 1 on, in order, at most to ``last``. An end before the head that the source itself
        named is a SourceFault."""

    def close(self) -> None:
        """Release files and connections."""
