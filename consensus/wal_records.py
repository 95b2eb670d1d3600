"""What must be on disk before a message leaves (P-17), and what a restart makes of it (P-18). No files here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from consensus import codec
from consensus.certificates import PreparedCertificate
from consensus.codec import Reader, Writer
from consensus.errors import MalformedMessage
from consensus.messages import NewView, PrePrepare, ViewChange
from consensus.types import Address, Digest

_Signed = TypeVar("_Signed", PrePrepare, ViewChange, NewView)


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


Obligation = Proposed | AcceptedPrePrepare | Prepared | ViewPromise | NewViewSent | EnteredView
"""Records that bind this replica in one epoch."""
WalRecord = Obligation | Committed | State


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the ledger knows at open. ``certificates`` (encoded) of recent heights: the head's at least, wherever the
    head is not genesis, and those down to height - W; ``validators``: sets by epoch, those of
    ``validators.epochs_at_open`` (the last is ``next_validators``). ``wal_lsn``: the LSN in the last batch."""

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


_TAGS: dict[type[WalRecord], int] = {
    Proposed: 1,
    AcceptedPrePrepare: 2,
    Prepared: 3,
    ViewPromise: 4,
    NewViewSent: 5,
    EnteredView: 6,
    Committed: 7,
    State: 8,
}
MAX_ACCEPTED = 255
"""Accepted proposals in one State record."""


def encode(record: WalRecord) -> bytes:
    """The one encoding of a record: ``tag u8 | body``."""
    w = Writer().uint(_TAGS[type(record)], 1)
    match record:
        case Proposed(message) | AcceptedPrePrepare(message):
            codec.write_signed(w, message)
        case Prepared(certificate):
            codec.write_prepared(w, certificate)
        case ViewPromise(view_change):
            codec.write_signed(w, view_change)
        case NewViewSent(new_view) | EnteredView(new_view):
            codec.write_signed(w, new_view)
        case Committed(height):
            w.uint(height, 8)
        case State():
            _write_state(w, record)
    return w.bytes()


def decode(data: bytes) -> WalRecord:
    """The record that encodes to exactly ``data``; raises MalformedMessage."""
    r = Reader(data)
    record = _read_record(r, r.uint(1))
    r.end()
    return record


def _read_record(r: Reader, tag: int) -> WalRecord:
    if tag == 1:
        return Proposed(_read(r, PrePrepare))
    if tag == 2:
        return AcceptedPrePrepare(_read(r, PrePrepare))
    if tag == 3:
        return Prepared(codec.read_prepared(r))
    if tag == 4:
        return ViewPromise(_read(r, ViewChange))
    if tag == 5:
        return NewViewSent(_read(r, NewView))
    if tag == 6:
        return EnteredView(_read(r, NewView))
    if tag == 7:
        return Committed(r.uint(8))
    if tag == 8:
        return _read_state(r)
    raise MalformedMessage(f"unknown record tag {tag}")


def _read(r: Reader, expected: type[_Signed]) -> _Signed:
    message = codec.read_signed(r)
    if not isinstance(message, expected):
        raise MalformedMessage(f"the record must hold a {expected.__name__}")
    return message


def _write_state(w: Writer, state: State) -> None:
    w.uint(state.epoch, 8).uint(state.committed, 8)
    for message in (state.view_change, state.new_view):
        w.uint(message is not None, 1)
        if message is not None:
            codec.write_signed(w, message)
    w.uint(len(state.accepted), 1)
    for accepted in state.accepted:
        codec.write_signed(w, accepted)
    w.uint(len(state.prepared), 1)
    for certificate in state.prepared:
        codec.write_prepared(w, certificate)


def _read_state(r: Reader) -> State:
    epoch, committed = r.uint(8), r.uint(8)
    view_change = _read(r, ViewChange) if r.flag() else None
    new_view = _read(r, NewView) if r.flag() else None
    accepted = tuple(_read(r, PrePrepare) for _ in range(r.uint(1, MAX_ACCEPTED)))
    prepared = tuple(codec.read_prepared(r) for _ in range(r.uint(1, codec.MAX_PREPARED)))
    return State(epoch, committed, view_change, new_view, accepted, prepared)


# --- restart ------------------------------------------------------------------------------------------


def restore(groups: Iterable[tuple[int, tuple[WalRecord, ...]]], ledger: LedgerState) -> Restored:
    """Fold the WAL's groups ``(lsn, records)``, in file order, over what the ledger knows (P-18).

    Obligations at heights that the ledger has passed are dropped; all others are kept, whether the ledger has reached
    them or not (the replica ignores those of epochs that it has left)."""
    lsn = 0
    floor = 0
    refuse = ""
    epochs: dict[int, Obligations] = {}
    for group_lsn, records in groups:
        if group_lsn < lsn:
            refuse = f"the WAL runs backwards at LSN {group_lsn}"
        lsn = max(lsn, group_lsn)
        for record in records:
            if isinstance(record, Committed):
                floor = max(floor, record.height)
            elif isinstance(record, State):
                floor = max(floor, record.committed)
                epochs[record.epoch] = Obligations(
                    record.view_change, record.new_view, record.accepted, record.prepared
                )
            else:
                epoch = _epoch(record)
                epochs[epoch] = _fold(epochs.get(epoch, Obligations()), record)
    if ledger.wal_lsn > lsn:
        # The WAL lost what the ledger saw synced: votes may be out that nobody here remembers (P-18).
        refuse = f"the ledger has seen LSN {ledger.wal_lsn}, the WAL ends at {lsn}"
    kept = {e: _above(o, ledger.height) for e, o in epochs.items()}
    return Restored(ledger, lsn, floor, kept, refuse)


def _epoch(record: Obligation) -> int:
    match record:
        case Proposed(message) | AcceptedPrePrepare(message):
            return message.epoch
        case Prepared(certificate):
            return certificate.epoch
        case ViewPromise(view_change):
            return view_change.epoch
        case _:
            return record.new_view.epoch


def _fold(o: Obligations, record: Obligation) -> Obligations:
    """``o`` after one more record."""
    match record:
        case Proposed(message) | AcceptedPrePrepare(message):
            return replace(o, accepted=(*o.accepted, message))
        case Prepared(certificate):
            others = [c for c in o.prepared if c.height != certificate.height]
            rivals = [c for c in o.prepared if c.height == certificate.height]
            best = max([*rivals, certificate], key=lambda c: c.view)
            return replace(o, prepared=tuple(sorted([*others, best], key=lambda c: c.height)))
        case ViewPromise(view_change):
            return replace(o, view_change=view_change)
        case _:
            return replace(o, new_view=record.new_view)


def _above(o: Obligations, height: int) -> Obligations:
    return replace(
        o,
        accepted=tuple(m for m in o.accepted if m.height > height),
        prepared=tuple(c for c in o.prepared if c.height > height),
    )
