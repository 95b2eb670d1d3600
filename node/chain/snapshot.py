"""A chain whose state was taken over at a height instead of being executed up to it, and that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.chain.block import Block
from node.chain.header import Header
from node.chain.receipt import Receipt
from node.chain.rlp_fields import encode_rlp
from node.errors import DataError, UnavailableError
from node.storage import Operation, keyspace
from node.types import Address

_BYTES = 8 + 8 + 1


class HistoryMissing(UnavailableError):
    """A block, receipt or state from before the snapshot that this bank joined by: another bank has it."""


@dataclass(frozen=True, slots=True)
class SnapshotMarker:
    """Where this bank's own history starts. Absent where it executed every block from genesis."""

    height: int
    """The snapshot: neither this block nor any below it was executed here; its state root was proved, and the state
    against it."""
    first_block: int
    """The lowest block (but genesis) that is stored with its receipts; below stand headers alone."""
    pinned: bool
    """Whether the operator had named a block of the chain. Without, a fresh bank is as safe as the keys of all past
    validators (long-range attack, posterior corruption)."""

    def encode(self) -> bytes:
        """17 bytes: two heights and a flag."""
        return self.height.to_bytes(8, "big") + self.first_block.to_bytes(8, "big") + bytes([self.pinned])

    @classmethod
    def decode(cls, data: bytes) -> SnapshotMarker:
        """Read what :meth:`encode` wrote; DataError for anything else."""
        if len(data) != _BYTES or data[16] > 1:
            raise DataError("the snapshot marker is malformed", field="snapshot")
        return cls(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big"), bool(data[16]))

    def sentence(self) -> str:
        """What operators and clients are told."""
        return (
            f"this bank joined by snapshot: history starts at height {self.height + 1}; blocks up to {self.height} "
            f"were not executed here, and none below {self.first_block} is stored"
        )

    def missing(self, what: str) -> HistoryMissing:
        """The error that says what is not here, and why."""
        return HistoryMissing(
            f"{what} is not here: {self.sentence()}; ask a bank that holds the whole chain",
            field="height",
            snapshot=self.height,
            first_block=self.first_block,
        )


def header_operations(header: Header) -> list[Operation]:
    """A header below the snapshot, with the height of its hash."""
    return [
        (keyspace.header_by_number(header.number), header.rlp()),
        (keyspace.number_by_hash(header.hash), keyspace.encode_height(header.number)),
    ]


def body_operations(block: Block, receipts: Sequence[Receipt]) -> list[Operation]:
    """A whole block at or below the snapshot, with its receipts and the places of its transactions."""
    number = keyspace.encode_height(block.number)
    places = [
        (keyspace.transaction_location(transaction.hash), number + index.to_bytes(4, "big"))
        for index, transaction in enumerate(block.transactions)
    ]
    return [
        (keyspace.block_by_number(block.number), block.rlp()),
        (keyspace.receipts_by_number(block.number), encode_rlp([receipt.encode() for receipt in receipts])),
        *places,
    ]


def validators_operation(height: int, validators: Sequence[Address]) -> Operation:
    """A validator set from the first height at which it is in force (P-12)."""
    return keyspace.validators_from(height), b"".join(validators)


def head_operations(marker: SnapshotMarker) -> list[Operation]:
    """What makes a staged snapshot the ledger: its head and its marker. In the last batch."""
    return [
        (keyspace.HEAD_NUMBER, keyspace.encode_height(marker.height)),
        (keyspace.SNAPSHOT_MARKER, marker.encode()),
    ]
