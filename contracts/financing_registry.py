"""FinancingRegistry: tags, holds and what a bank may know of a tag (design.md section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from contracts import bindings

CONTRACT: Final = "FinancingRegistry"
WHOLE_BPS: Final = 10_000
MIN_FRACTION_BPS: Final = 100
TAGS_MAX: Final = 8


class TagView(IntEnum):
    """Which normalisation of the invoice a tag was made of (trade.md 5.3). Only EXACT excludes."""

    EXACT = 0
    NORMALISED_NUMBER = 1
    NO_DATE = 2
    NO_AMOUNT = 3
    PURCHASE_ORDER = 4
    TRANSPORT_DOCUMENT = 5


class HoldState(IntEnum):
    """A hold's state as read now; EXPIRED is derived from block time."""

    NONE = 0
    HELD = 1
    FINANCED = 2
    PAID = 3
    RELEASED = 4
    EXPIRED = 5


@dataclass(frozen=True, slots=True)
class Tag:
    """The tag function's output (32 bytes) with its key's version."""

    value: bytes
    key_version: int = 1
    view: TagView = TagView.EXACT

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``Tag``."""
        return (self.value, self.key_version, int(self.view))


@dataclass(frozen=True, slots=True)
class TagStatus:
    """Fractions of an invoice in basis points; ``free_bps`` is 0 for a tombstone."""

    registrations: int
    held_bps: int
    financed_bps: int
    paid_bps: int
    free_bps: int
    tombstoned: bool

    @property
    def word(self) -> str:
        """``free``, ``partly`` or ``taken``: all that a rival needs."""
        if self.free_bps == WHOLE_BPS:
            return "free"
        return "partly" if self.free_bps else "taken"


@dataclass(frozen=True, slots=True)
class Hold:
    """A bank's claim on a fraction of an invoice until ``expiry`` (Unix seconds, the last of the hold)."""

    bank: bytes
    financing: bytes
    expiry: int
    fraction_bps: int
    state: HoldState


def tags_argument(tags: Sequence[Tag]) -> list[tuple[Any, ...]]:
    """The Solidity ``Tag[]``."""
    return [t.as_argument() for t in tags]


def encode_initialize(holds_for_bank_max: int, hold_seconds_max: int) -> bytes:
    """Call data that sets the limits at genesis."""
    return bindings.encode_call(CONTRACT, "initialize", [holds_for_bank_max, hold_seconds_max])


def encode_status_of(tag: Tag) -> bytes:
    """Call data; the result is decoded by ``decode_status``."""
    return bindings.encode_call(CONTRACT, "statusOf", [tag.as_argument()])


def decode_status(data: bytes) -> TagStatus:
    """The answer of ``statusOf``."""
    found = bindings.decode_result(CONTRACT, "statusOf", data)
    return TagStatus(
        registrations=found["registrations"],
        held_bps=found["heldBps"],
        financed_bps=found["financedBps"],
        paid_bps=found["paidBps"],
        free_bps=found["freeBps"],
        tombstoned=found["tombstoned"],
    )


def encode_hold_of(hold_id: int) -> bytes:
    """Call data; the result is decoded by ``decode_hold``."""
    return bindings.encode_call(CONTRACT, "holdOf", [hold_id])


def decode_hold(data: bytes) -> Hold:
    """The answer of ``holdOf``; ``state`` NONE where there is no such hold."""
    found = bindings.decode_result(CONTRACT, "holdOf", data)
    return Hold(
        bank=found["bank"],
        financing=found["financing"],
        expiry=found["expiry"],
        fraction_bps=found["fractionBps"],
        state=HoldState(found["state"]),
    )


def encode_live_holds_of(bank: bytes) -> bytes:
    """Call data; the result is the number of the bank's holds that count towards its limit."""
    return bindings.encode_call(CONTRACT, "liveHoldsOf", [bank])


def encode_tags_of(financing: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_tags``."""
    return bindings.encode_call(CONTRACT, "tagsOf", [financing])


def decode_tags(data: bytes) -> tuple[Tag, ...]:
    """The answer of ``tagsOf``."""
    found = bindings.decode_result(CONTRACT, "tagsOf", data)
    return tuple(Tag(t["value"], t["keyVersion"], TagView(t["tagView"])) for t in found)
