"""One encoding for each message, and one total, strict decoder: decode(x) succeeds only if encode gives x back.

``version u8 | kind u8 | body | signature 65`` (REPAIR has no signature). Integers are big endian and of fixed
width; byte strings carry a u32 length, lists a u16 count; flags are exactly 0 or 1; lists have one legal order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from consensus.certificates import SIGNATURE_BYTES, CommitCertificate, PreparedCertificate
from consensus.domain import Kind
from consensus.errors import MalformedMessage
from consensus.messages import (
    Commit,
    Complain,
    NewView,
    Prepare,
    PrePrepare,
    Reason,
    Repair,
    Reproposal,
    SignedMessage,
    Status,
    ViewChange,
    WireMessage,
)
from consensus.types import Proposal
from consensus.validators import MAX_VALIDATORS

VERSION = 1
MAX_BLOCK_BYTES = 16 << 20
"""Far above any genesis limit: a bound on memory, not a rule of the chain."""
MAX_CERTIFICATE_BYTES = 89 + SIGNATURE_BYTES * MAX_VALIDATORS
MAX_PREPARED = 16
"""Prepared certificates in one VIEW-CHANGE; the window is never larger."""
MAX_REPAIR = 16
"""Certificates in one REPAIR."""
MAX_VIEW = (1 << 62) - 1
"""Views above are malformed, so that view + 1 always fits."""
_SMALL = 256
_MAX_VIEW_CHANGE = 1024 + (MAX_PREPARED + 1) * (MAX_CERTIFICATE_BYTES + 128)
MAX_BYTES: dict[Kind, int] = {
    Kind.PRE_PREPARE: MAX_BLOCK_BYTES + MAX_CERTIFICATE_BYTES + _SMALL,
    Kind.PREPARE: _SMALL,
    Kind.COMMIT: _SMALL,
    Kind.COMPLAIN: _SMALL,
    Kind.VIEW_CHANGE: _MAX_VIEW_CHANGE,
    Kind.NEW_VIEW: 16 << 20,
    Kind.STATUS: _SMALL,
    Kind.REPAIR: _SMALL + MAX_REPAIR * (MAX_CERTIFICATE_BYTES + 4),
}
"""Largest encoding accepted for each kind, checked before anything is parsed."""


class Writer:
    """Appends fixed-width fields."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def uint(self, value: int, width: int) -> Writer:
        self._parts.append(value.to_bytes(width, "big"))
        return self

    def fixed(self, data: bytes, width: int) -> Writer:
        if len(data) != width:
            raise ValueError(f"a field of {width} bytes got {len(data)}")
        self._parts.append(data)
        return self

    def blob(self, data: bytes) -> Writer:
        return self.uint(len(data), 4).raw(data)

    def raw(self, data: bytes) -> Writer:
        self._parts.append(data)
        return self

    def bytes(self) -> bytes:
        return b"".join(self._parts)


class Reader:
    """Takes fixed-width fields; raises MalformedMessage at the first that does not fit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, width: int) -> bytes:
        end = self._at + width
        if end > len(self._data):
            raise MalformedMessage("the message ends inside a field")
        part = self._data[self._at : end]
        self._at = end
        return part

    def uint(self, width: int, limit: int | None = None) -> int:
        value = int.from_bytes(self.take(width), "big")
        if limit is not None and value > limit:
            raise MalformedMessage(f"{value} is above the limit {limit}")
        return value

    def view(self) -> int:
        return self.uint(8, MAX_VIEW)

    def flag(self) -> bool:
        return bool(self.uint(1, 1))

    def blob(self, limit: int) -> bytes:
        return self.take(self.uint(4, limit))

    def end(self) -> None:
        if self._at != len(self._data):
            raise MalformedMessage("bytes follow the message")


def _ascending(values: list[int], what: str) -> None:
    if any(a >= b for a, b in itertools.pairwise(values)):
        raise MalformedMessage(f"{what} must ascend")


# --- parts --------------------------------------------------------------------------------------------


def write_prepared(w: Writer, c: PreparedCertificate) -> None:
    """A prepared certificate inside another structure."""
    w.uint(c.epoch, 8).uint(c.view, 8).uint(c.height, 8).fixed(c.block_hash, 32)
    w.fixed(c.pre_prepare, SIGNATURE_BYTES).uint(c.bitmap, 32)
    for signature in c.prepares:
        w.fixed(signature, SIGNATURE_BYTES)


def read_prepared(r: Reader) -> PreparedCertificate:
    """Reverse of write_prepared."""
    epoch, view, height, block_hash = r.uint(8), r.view(), r.uint(8), r.take(32)
    pre_prepare = r.take(SIGNATURE_BYTES)
    bitmap = r.uint(32)
    signatures = tuple(r.take(SIGNATURE_BYTES) for _ in range(bitmap.bit_count()))
    return PreparedCertificate(epoch, view, height, block_hash, pre_prepare, bitmap, signatures)


def _write_pre_prepare(w: Writer, m: PrePrepare) -> None:
    w.uint(m.epoch, 8).uint(m.view, 8).uint(m.height, 8).fixed(m.block_hash, 32)
    w.blob(m.proposal.block).blob(m.proposal.certificate).uint(m.sender, 2)


def _read_pre_prepare(r: Reader) -> PrePrepare:
    epoch, view, height, block_hash = r.uint(8), r.view(), r.uint(8), r.take(32)
    proposal = Proposal(r.blob(MAX_BLOCK_BYTES), r.blob(MAX_CERTIFICATE_BYTES))
    return PrePrepare(epoch, view, height, block_hash, proposal, r.uint(2), b"")


def _write_vote(w: Writer, m: Prepare | Commit) -> None:
    w.uint(m.epoch, 8).uint(m.view, 8).uint(m.height, 8).fixed(m.block_hash, 32).uint(m.sender, 2)


def _read_prepare(r: Reader) -> Prepare:
    return Prepare(r.uint(8), r.view(), r.uint(8), r.take(32), r.uint(2), b"")


def _read_commit(r: Reader) -> Commit:
    return Commit(r.uint(8), r.view(), r.uint(8), r.take(32), r.uint(2), b"")


def _write_complain(w: Writer, m: Complain) -> None:
    w.uint(m.epoch, 8).uint(m.view, 8).uint(m.base, 8).uint(m.reason, 1).uint(m.echo, 1).uint(m.sender, 2)


def _read_complain(r: Reader) -> Complain:
    epoch, view, base = r.uint(8), r.view(), r.uint(8)
    return Complain(epoch, view, base, Reason(r.uint(1, max(Reason))), r.flag(), r.uint(2), b"")


def _write_view_change(w: Writer, m: ViewChange) -> None:
    w.uint(m.epoch, 8).uint(m.view, 8).uint(m.base_height, 8)
    w.uint(m.base_certificate is not None, 1)
    if m.base_certificate is not None:
        w.blob(m.base_certificate.encode())
    w.uint(len(m.prepared), 1)
    for certificate in m.prepared:
        write_prepared(w, certificate)
    w.uint(m.sender, 2)


def _read_view_change(r: Reader) -> ViewChange:
    epoch, view, base_height = r.uint(8), r.view(), r.uint(8)
    base = CommitCertificate.decode(r.blob(MAX_CERTIFICATE_BYTES)) if r.flag() else None
    prepared = tuple(read_prepared(r) for _ in range(r.uint(1, MAX_PREPARED)))
    return ViewChange(epoch, view, base_height, base, prepared, r.uint(2), b"")


def _write_new_view(w: Writer, m: NewView) -> None:
    w.uint(m.epoch, 8).uint(m.view, 8).uint(len(m.view_changes), 2)
    for view_change in m.view_changes:
        _write_view_change(w, view_change)
        w.fixed(view_change.signature, SIGNATURE_BYTES)
    w.uint(len(m.reproposals), 1)
    for item in m.reproposals:
        w.uint(item.height, 8).fixed(item.block_hash, 32).fixed(item.signature, SIGNATURE_BYTES)
    w.uint(m.sender, 2)


def _read_new_view(r: Reader) -> NewView:
    epoch, view = r.uint(8), r.view()
    changes = tuple(
        replace(_read_view_change(r), signature=r.take(SIGNATURE_BYTES)) for _ in range(r.uint(2, MAX_VALIDATORS))
    )
    _ascending([change.sender for change in changes], "view changes")
    items = tuple(Reproposal(r.uint(8), r.take(32), r.take(SIGNATURE_BYTES)) for _ in range(r.uint(1, MAX_PREPARED)))
    _ascending([item.height for item in items], "re-proposals")
    return NewView(epoch, view, changes, items, r.uint(2), b"")


def _write_status(w: Writer, m: Status) -> None:
    w.uint(m.epoch, 8).uint(m.committed, 8).uint(m.view, 8).uint(m.promise, 8)
    w.uint(m.has_proposal, 1).uint(m.sender, 2)


def _read_status(r: Reader) -> Status:
    return Status(r.uint(8), r.uint(8), r.view(), r.view(), r.flag(), r.uint(2), b"")


def _write_repair(w: Writer, m: Repair) -> None:
    w.uint(len(m.certificates), 1)
    for certificate in m.certificates:
        w.blob(certificate.encode())


def _read_repair(r: Reader) -> Repair:
    items = tuple(CommitCertificate.decode(r.blob(MAX_CERTIFICATE_BYTES)) for _ in range(r.uint(1, MAX_REPAIR)))
    _ascending([item.height for item in items], "certificates")
    return Repair(items)


_Codec = tuple[type[Any], Callable[[Writer, Any], None], Callable[[Reader], Any]]
_CODECS: dict[Kind, _Codec] = {
    Kind.PRE_PREPARE: (PrePrepare, _write_pre_prepare, _read_pre_prepare),
    Kind.PREPARE: (Prepare, _write_vote, _read_prepare),
    Kind.COMMIT: (Commit, _write_vote, _read_commit),
    Kind.COMPLAIN: (Complain, _write_complain, _read_complain),
    Kind.VIEW_CHANGE: (ViewChange, _write_view_change, _read_view_change),
    Kind.NEW_VIEW: (NewView, _write_new_view, _read_new_view),
    Kind.STATUS: (Status, _write_status, _read_status),
    Kind.REPAIR: (Repair, _write_repair, _read_repair),
}
_KINDS: dict[type[Any], Kind] = {entry[0]: kind for kind, entry in _CODECS.items()}


# --- whole messages -----------------------------------------------------------------------------------


def kind_of(message: WireMessage) -> Kind:
    """The message's kind byte."""
    return _KINDS[type(message)]


def encode_body(message: WireMessage) -> bytes:
    """The body without kind and signature: what body_digest hashes."""
    writer = Writer()
    _CODECS[kind_of(message)][1](writer, message)
    return writer.bytes()


def encode_message(message: WireMessage) -> bytes:
    """The one encoding of ``message``."""
    writer = Writer().uint(VERSION, 1).uint(kind_of(message), 1).raw(encode_body(message))
    if not isinstance(message, Repair):
        writer.fixed(message.signature, SIGNATURE_BYTES)
    return writer.bytes()


def peek_kind(data: bytes) -> Kind:
    """The kind of an encoded message within its size limit; raises MalformedMessage."""
    if len(data) < 2 or data[0] != VERSION:
        raise MalformedMessage("unknown message version")
    try:
        kind = Kind(data[1])
    except ValueError:
        raise MalformedMessage(f"unknown message kind {data[1]}") from None
    if len(data) > MAX_BYTES[kind]:
        raise MalformedMessage(f"{kind.name} of {len(data)} bytes is above the limit {MAX_BYTES[kind]}")
    return kind


def decode_message(data: bytes) -> WireMessage:
    """The message that encodes to exactly ``data``; raises MalformedMessage and nothing else."""
    kind = peek_kind(data)
    reader = Reader(data)
    reader.take(2)
    message: WireMessage = _CODECS[kind][2](reader)
    if not isinstance(message, Repair):
        message = replace(message, signature=reader.take(SIGNATURE_BYTES))
    reader.end()
    return message


def write_signed(writer: Writer, message: SignedMessage) -> None:
    """A whole message as a length-prefixed part of a WAL record."""
    writer.blob(encode_message(message))


def read_signed(reader: Reader) -> WireMessage:
    """Reverse of write_signed."""
    return decode_message(reader.blob(max(MAX_BYTES.values())))
