"""A letter of credit's data: Solidity's enums and structs (contracts/trade/CreditTypes.sol) as Python's.

Banks are member ids (32 bytes), corporates random ids, free text a hash; amounts are integers in minor units; a day is
a ``date`` or None where the chain holds 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, IntFlag
from typing import Final

ANY_BANK: Final = b"\xff" * 32
"""As nominated bank: the credit is available with any bank (UCP 6a)."""
NO_PARTY: Final = bytes(32)
PRESENTATION_DAYS_DEFAULT: Final = 21
"""UCP 14c, where the credit states no period."""
EXAMINATION_BANKING_DAYS: Final = 5
"""UCP 14b."""
DOCUMENTS_MAX: Final = 64
"""Anchors in one presentation."""


class Life(IntEnum):
    """How far the credit itself has come."""

    NONE = 0
    ISSUED = 1
    CANCELLED = 2
    EXPIRED = 3
    CLOSED = 4


class Rules(IntEnum):
    """The rules that a credit states; the contract issues UCP600 and EUCP21."""

    NONE = 0
    UCP600 = 1
    EUCP21 = 2
    ISP98 = 3


class Availability(IntEnum):
    """UCP 6b."""

    NONE = 0
    SIGHT = 1
    DEFERRED = 2
    ACCEPTANCE = 3
    NEGOTIATION = 4


class Tenor(IntEnum):
    """From when the days of a usance count."""

    SIGHT = 0
    AFTER_SIGHT = 1
    AFTER_SHIPMENT = 2
    FIXED_DATE = 3
    OTHER = 4


class ToleranceKind(IntEnum):
    """Exact, "about" (UCP 30a), or percentages as stated (field 39A)."""

    NONE = 0
    ABOUT = 1
    PERCENT = 2


class ConfirmationRequest(IntEnum):
    """Field 49."""

    WITHOUT = 0
    MAY_ADD = 1
    CONFIRM = 2


class Confirmation(IntEnum):
    """The requested bank's answer."""

    NONE = 0
    DECLINED = 1
    ADDED = 2


class Advice(IntEnum):
    """UCP 9."""

    NONE = 0
    ADVISED = 1
    DECLINED = 2


class AmendmentStatus(IntEnum):
    """UCP 10."""

    NONE = 0
    PENDING = 1
    ACCEPTED = 2
    REJECTED = 3


class Disposal(IntEnum):
    """UCP 16c(iii) a to d; MT734 field 77B."""

    NONE = 0
    HOLD = 1
    NOTIFY = 2
    RETURN = 3
    PREVINST = 4


class Standing(IntEnum):
    """One bank and one presentation at an instant; PRECLUDED is derived from deadline and time (UCP 16f)."""

    NONE = 0
    EXAMINING = 1
    COMPLYING = 2
    REFUSED = 3
    WAIVED = 4
    HONOURED = 5
    FORWARDED = 6
    WITHDRAWN = 7
    PRECLUDED = 8


class ObligationKind(IntEnum):
    """What honour or negotiation made a bank owe."""

    PAYMENT = 0
    UNDERTAKING = 1
    ACCEPTANCE = 2
    NEGOTIATION = 3


class Finding(IntFlag):
    """What the contract itself sees against a presentation."""

    LATE_PRESENTATION = 1  # UCP 14c
    LATE_SHIPMENT = 2  # UCP 29c
    OVERDRAWN = 4  # UCP 30
    SHORT_DRAWN = 8  # UCP 30c, 31a
    PARTIAL_DRAWING = 16  # UCP 31a
    POST_DATED = 32  # UCP 14i


class Change(IntFlag):
    """Which terms an amendment replaces; its amount changes by a difference instead."""

    NONE = 0
    TOLERANCE = 1
    EXPIRY = 2
    LATEST_SHIPMENT = 4
    PRESENTATION_DAYS = 8
    PARTIAL_DRAWINGS = 16


@dataclass(frozen=True, slots=True)
class Parties:
    """What no amendment changes. ``drawee`` is NO_PARTY where no draft is called for."""

    issuing_bank: bytes
    applicant: bytes
    beneficiary: bytes
    advising_bank: bytes
    beneficiary_bank: bytes
    nominated_bank: bytes
    reference_hash: bytes
    currency: str
    exponent: int
    rules: Rules = Rules.UCP600
    drawee: bytes = NO_PARTY
    confirmation_request: ConfirmationRequest = ConfirmationRequest.WITHOUT


@dataclass(frozen=True, slots=True)
class Terms:
    """What amendments change. ``terms_hash`` commits to the sealed text, onto which each amendment is chained."""

    amount: int
    expiry_day: date | None
    expiry_place: str
    availability: Availability
    terms_hash: bytes
    tolerance_kind: ToleranceKind = ToleranceKind.NONE
    plus_percent: int = 0
    minus_percent: int = 0
    latest_shipment_day: date | None = None
    presentation_days: int = PRESENTATION_DAYS_DEFAULT
    partial_drawings: bool = True
    tenor: Tenor = Tenor.SIGHT
    tenor_days: int = 0
    maturity_day: date | None = None


@dataclass(frozen=True, slots=True)
class AmendmentChanges:
    """An amendment's content; a field counts only where ``changed`` names it."""

    amendment_hash: bytes
    amount_change: int = 0
    changed: Change = Change.NONE
    tolerance_kind: ToleranceKind = ToleranceKind.NONE
    plus_percent: int = 0
    minus_percent: int = 0
    expiry_day: date | None = None
    expiry_place: str = ""
    latest_shipment_day: date | None = None
    presentation_days: int = 0
    partial_drawings: bool = False


@dataclass(frozen=True, slots=True)
class Amendment:
    """An amendment on record; ``answered_at`` is 0 while it is pending."""

    changes: AmendmentChanges
    status: AmendmentStatus
    issued_at: int
    answered_at: int
    instruction_hash: bytes


@dataclass(frozen=True, slots=True)
class PresentationInput:
    """What a presenter states. ``documents`` are anchors; ``previous`` is 1 + the index of what is corrected."""

    examining_bank: bytes
    amount: int
    documents: tuple[bytes, ...]
    shipment_day: date | None = None
    transport_original: bool = False
    full_quantity: bool = False
    previous: int = 0


@dataclass(frozen=True, slots=True)
class Presentation:
    """A presentation on record; times in Unix seconds, ``last_presentation_at`` 0 where 14c has no period."""

    presenter: bytes
    examining_bank: bytes
    documents_hash: bytes
    amount: int
    consumed: int
    received_at: int
    last_presentation_at: int
    shipment_day: date | None
    terms_version: int
    previous: int
    replaced_by: int
    transport_original: bool
    full_quantity: bool


@dataclass(frozen=True, slots=True)
class Examination:
    """One bank's clock and answer. ``standing`` is at the time of the block that was asked."""

    presenter: bytes
    disposal: Disposal
    provisional: bool
    documents_returned: bool
    discrepancy_count: int
    day_zero: date | None
    calendar_version: int
    deadline: int
    decided_at: int
    discrepancies_hash: bytes
    standing: Standing


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a bank owes; ``settled_at`` is 0 while it is open."""

    presentation: int
    kind: ObligationKind
    maturity_day: date | None
    due_at: int
    settled_at: int
    value_day: date | None
    amount: int
    debtor: bytes
    creditor: bytes
    proof_hash: bytes


@dataclass(frozen=True, slots=True)
class CreditView:
    """Everything but the lists. ``available`` is what may still be drawn; ``expired`` is by time alone."""

    parties: Parties
    terms: Terms
    life: Life
    advice: Advice
    confirmation: Confirmation
    cancellation_consented: bool
    expiry_provisional: bool
    expired: bool
    terms_version: int
    open_examinations: int
    unsettled: int
    expires_at: int
    issued_at: int
    drawn: int
    available: int
    amendment_count: int
    presentation_count: int
    obligation_count: int
