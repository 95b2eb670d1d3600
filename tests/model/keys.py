"""Canonical keys: what of a message, and of a replica, makes a difference to what can still happen.

A replica's key is everything reachable from its ``Core`` except the fields that ``LEFT_OUT`` names with its reason.
A field that is added to the core later is in the key until somebody argues that it may be left out.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from consensus import messages as m
from consensus.certificates import CommitCertificate, PreparedCertificate
from consensus.core import Core
from consensus.message_log import MessageLog, Slot
from consensus.types import Proposal
from tests.model.setting import Name, Setting, Who
from tests.simulation.blocks import block_hash

LEFT_OUT: dict[str, dict[str, str]] = {
    "Core": {
        "config": "constant",
        "signer": "constant",
        "verifier": "constant, but for a cache",
        "decode_header": "constant",
        "schedule": "follows from the height",
        "members": "follows from the epoch",
        "n": "follows from the epoch",
        "quorum": "follows from the epoch",
        "timestamp": "a function of the block",
        "certificates": "valid ones of one block are alike (kept apart by Bounds.certificates)",
        "lsn": "a counter; nothing compares it but the host",
        "next_token": "a counter",
        "now": "time stands still",
        "timers": "time is abstracted: which timers run follows from the rest",
        "answers": "bounds repair, which is no retransmission here: the network never forgets",
        "fetching": "as above",
        "claims": "hints for sync, which happens at will",
        "sync_target": "as above",
        "convicted": "a bound on reports",
        "_effects": "empty between steps",
        "_records": "empty between steps",
        "again": "no meaning between steps",
    },
    "Slot": {
        "pre_prepares": "the network never forgets: delivered again when it matters",
        "blocks": "fetched at once wherever needed",
        "executed": "executed at once wherever needed",
        "checked": "judged again with the same result",
        "refused": "the refusal of a proposal only takes away",
        "paused": "no execution is abandoned by the host",
        "history": "for STATE records, whose restart is compared by what it restores",
    },
    "Synchroniser": {
        "failed_views": "patience only",
        "complaints": "the network never forgets: delivered again when they matter",
        "age_passed": "patience only",
    },
    "Work": {
        "oldest_us": "time",
        "early_us": "time",
        "heartbeat_due": "work is always pending",
        "pending": "always",
        "empty_due": "work is always pending",
        "stalled": "never",
    },
}
"""Fields that a key leaves out, by class, and why that is sound."""


def message_key(s: Setting, message: m.Message) -> tuple[Any, ...]:
    """The content of a signed message, up to the signers of the certificates in it."""
    name = s.names.__getitem__
    match message:
        case m.PrePrepare() | m.Prepare() | m.Commit():
            place = (message.epoch, message.view, message.height, name(message.block_hash))
            return (type(message).__name__, *place, Who(message.sender))
        case m.Complain():
            return ("Complain", message.epoch, message.view, message.base, int(message.reason), Who(message.sender))
        case m.ViewChange():
            base = _base(s, message.base_certificate)
            reported = tuple((p.view, p.height, name(p.block_hash)) for p in message.prepared)
            return ("ViewChange", message.epoch, message.view, message.base_height, base, reported, Who(message.sender))
        case m.NewView():
            best = max(message.view_changes, key=lambda change: change.base_height)
            base = _base(s, best.base_certificate)
            entries = tuple((r.height, name(r.block_hash)) for r in message.reproposals)
            return ("NewView", message.epoch, message.view, best.base_height, base, entries, Who(message.sender))
        case _:
            raise AssertionError(f"{type(message).__name__} is not part of the search")


def _base(s: Setting, certificate: CommitCertificate | None) -> Any:
    return None if certificate is None else certificate_key(s, certificate)


def certificate_key(s: Setting, certificate: CommitCertificate) -> Any:
    """Which block; who sealed it, and in which view, only where the search is about that."""
    name = s.names[certificate.block_hash]
    if s.bounds.certificates:
        return (certificate.height, name, certificate.view, certificate.bitmap)
    return (certificate.height, name)


def replica_key(s: Setting, core: Core) -> Any:
    """Everything of the replica that the future depends on."""
    return _Walk(s, core).key()


class _Walk:
    def __init__(self, s: Setting, core: Core) -> None:
        self.s, self.core = s, core

    def key(self) -> Any:
        left_out = LEFT_OUT["Core"]
        values = vars(self.core)
        parts = [("me", Who(self.core.index) if self.core.index is not None else self.s.node_of[self.core.me])]
        parts += [(k, self.of(v)) for k, v in sorted(values.items()) if k not in left_out and k not in ("me", "index")]
        if self.s.bounds.certificates:
            parts.append(("certificates", self.of(self.core.certificates)))
        return tuple(parts)

    def of(self, value: Any) -> Any:
        """A hashable image of any value in the core."""
        if isinstance(value, m.SignedMessage):
            return message_key(self.s, value)
        if isinstance(value, CommitCertificate):
            return certificate_key(self.s, value)
        if isinstance(value, PreparedCertificate):
            return (value.epoch, value.view, value.height, self.s.names[value.block_hash])
        if isinstance(value, bytes):
            return self.s.names.get(value, value)
        if isinstance(value, Proposal):
            return self.s.names[block_hash(value.block)]
        if isinstance(value, Enum):
            return value.name
        if isinstance(value, Slot):
            return self.slot(value)
        if isinstance(value, MessageLog):
            return tuple((k, self.of(v)) for k, v in sorted(vars(value).items()))
        if is_dataclass(value) and not isinstance(value, type):
            return self.fields(value)
        if isinstance(value, dict):
            return tuple((self.of(k), image) for k in sorted(value) if (image := self.of(value[k])) is not None)
        if isinstance(value, frozenset):
            return value
        if isinstance(value, set):
            return frozenset(self.of(v) for v in value)
        if isinstance(value, list | tuple):
            return tuple(self.of(v) for v in value)
        return value

    def fields(self, value: Any) -> Any:
        kind = type(value).__name__
        left_out = LEFT_OUT.get(kind, {})
        parts = [(f.name, getattr(value, f.name)) for f in fields(value) if f.name not in left_out]
        if kind == "Synchroniser":
            parts = [(k, self.promises(v) if k == "view_changes" else v) for k, v in parts]
        return (kind, *((k, self.of(v)) for k, v in parts))

    def promises(self, heard: dict[int, m.ViewChange]) -> frozenset[Any]:
        """Own ones: others' are forgotten. Without the sender's number, which the message holds itself."""
        return frozenset(message_key(self.s, change) for change in heard.values())

    def slot(self, slot: Slot) -> Any:
        """A slot that holds nothing but others' votes is as good as none: they can be heard again. Own votes of views
        that are left say nothing any more."""
        core, left_out = self.core, LEFT_OUT["Slot"]
        parts = []
        for f in fields(slot):
            if f.name in left_out or f.name == "height":
                continue
            value = getattr(slot, f.name)
            if f.name in ("prepares", "commits"):
                own = value.get(core.index, {})
                value = {view: vote for view, vote in own.items() if view >= core.views.view}
            if value:
                parts.append((f.name, self.of(value)))
        return tuple(parts) or None


def rename(key: Any, swap: frozenset[int], alike: dict[int, int]) -> Any:
    """``key`` with the labels a and b exchanged at some heights, and validators exchanged by ``alike``."""
    if isinstance(key, Name):
        return Name(_OTHER.get(label, label) if h in swap else label for h, label in enumerate(key, start=1))
    if isinstance(key, Who):
        return Who(alike.get(key, key))
    if isinstance(key, tuple):
        return tuple(rename(part, swap, alike) for part in key)
    if isinstance(key, frozenset):
        return frozenset(rename(part, swap, alike) for part in key)
    return key


_OTHER = {"a": "b", "b": "a"}
