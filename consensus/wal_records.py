"""What must be on disk before a message leaves (P-17), and what a restart makes of it (P-18). No files here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consensus.certificates import PreparedCertificate
from consensus.messages import NewView, PrePrepare, ViewChange
from consensus.types import Address, Digest


@dataclass(frozen=True, slots=True)
class Proposed:
    """Before own PRE-PREPARE: after a restart the same block is sent again, never another."""

    pre_prepare: PrePrepare


@dataclass(frozen=True, slots=True)
class AcceptedPrePrepare:
    """Before own PREPARE: the block that this replica executed and voted for, whole."""

    pre_prepare: PrePrepare


@dataclass(frozen=True, slots=True)
class Prepared:
    """Before own COMMIT."""

    certificate: PreparedCertificate


@dataclass(frozen=True, slots=True)
class ViewPromise:
    """Before own VIEW-CHANGE: no vote below its view any more."""

    view_change: ViewChange


@dataclass(frozen=True, slots=True)
class NewViewSent:
    """Before own NEW-VIEW; the view is entered with it."""

    new_view: NewView


@dataclass(frozen=True, slots=True)
class EnteredView:
    """Before the first vote in another primary's view."""

    new_view: NewView


@dataclass(frozen=True, slots=True)
class Committed:
    """The ledger's batch of ``height`` is synced."""

    height: int


@dataclass(frozen=True, slots=True)
class State:
    """First record of a segment: everything that still binds (P-17)."""

    epoch: int
    committed: int
    view_change: ViewChange | None
    new_view: NewView | None
    accepted: tuple[PrePrepare, ...]
    prepared: tuple[PreparedCertificate, ...]


WalRecord = Proposed | AcceptedPrePrepare | Prepared | ViewPromise | NewViewSent | EnteredView | Committed | State


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the ledger knows at open. ``certificates`` (encoded) of recent heights: the head's at least, wherever the
    head is not genesis, and those down to height - W; ``validators``: sets by epoch, those of the epochs of
    height - W .. height + 1 at least (the last is ``next_validators``). ``wal_lsn``: the LSN in the last batch."""

    height: int
    block_hash: Digest
    timestamp: int
    next_validators: tuple[Address, ...]
    certificates: Mapping[int, bytes] = field(default_factory=dict)
    validators: Mapping[int, tuple[Address, ...]] = field(default_factory=dict)
    wal_lsn: int = 0


@dataclass(frozen=True, slots=True)
class Obligations:
    """What one epoch's records bind this replica to."""

    view_change: ViewChange | None = None
    """The last promise; its view is the lowest in which this replica may vote."""
    new_view: NewView | None = None
    """Of the last view entered; None in view 0."""
    accepted: tuple[PrePrepare, ...] = ()
    """Own proposals and accepted ones above the ledger, in order of acceptance."""
    prepared: tuple[PreparedCertificate, ...] = ()
    """Above the ledger, the highest view for each height."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What ``Replica`` starts from."""

    ledger: LedgerState
    lsn: int
    """The last LSN in the WAL."""
    committed_floor: int
    """The highest height that the WAL knows committed; where the ledger is below it, nothing may be voted (P-18)."""
    epochs: Mapping[int, Obligations]
    refuse_to_vote: str = ""
    """Why this replica must not vote until it has a new key; empty where it may (P-18)."""


def encode(record: WalRecord) -> bytes:
    """The one encoding of a record."""
    from consensus import codec

    return codec.encode_record(record)


def decode(data: bytes) -> WalRecord:
    """The record that encodes to exactly ``data``; raises MalformedMessage."""
    from consensus import codec

    return codec.decode_record(data)


def restore(groups: Iterable[tuple[int, tuple[WalRecord, ...]]], ledger: LedgerState) -> Restored:
    """Fold the WAL's groups ``(lsn, records)``, in file order, over what the ledger knows (P-18)."""
    lsn = 0
    floor = 0
    epochs: dict[int, Obligations] = {}
    for group_lsn, records in groups:
        lsn = group_lsn
        for record in records:
            if isinstance(record, Committed):
                floor = max(floor, record.height)
    return Restored(ledger, lsn, floor, epochs)
