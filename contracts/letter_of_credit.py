"""LetterOfCredit and its factory: terms and records as dataclasses, acts as call data.

Banks are member ids (32 bytes), corporates random ids, free text a hash; amounts are integers in minor units; a day is
a ``date`` or None where the chain holds 0. What each act means and which article guards it stands in
contracts/trade/ILetterOfCredit.sol; a refusal decodes by ``bindings.decode_revert``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import IntEnum, IntFlag
from typing import Any, Final, TypeVar

from contracts import bindings
from contracts.banking_calendar import day_date, day_number, place_key, place_name

CONTRACT: Final = "LetterOfCredit"
FACTORY: Final = "LetterOfCreditFactory"
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


T = TypeVar("T")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _is_day(name: str) -> bool:
    return name.endswith("_day") or name == "day_zero"


def _to_chain(name: str, value: Any) -> Any:
    if _is_day(name):
        return 0 if value is None else day_number(value)
    if name == "expiry_place":
        return place_key(value) if value else bytes(32)
    if name == "currency":
        return value.encode("ascii")
    if isinstance(value, IntEnum | IntFlag):
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def _argument(record: Any) -> dict[str, Any]:
    return {_camel(f.name): _to_chain(f.name, getattr(record, f.name)) for f in fields(record)}


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "expiry_place": place_name,
    "currency": lambda raw: raw.decode("ascii"),
    "rules": Rules,
    "availability": Availability,
    "tenor": Tenor,
    "tolerance_kind": ToleranceKind,
    "confirmation_request": ConfirmationRequest,
    "confirmation": Confirmation,
    "advice": Advice,
    "life": Life,
    "disposal": Disposal,
    "standing": Standing,
    "kind": ObligationKind,
    "changed": Change,
}


def _from_chain(name: str, value: Any) -> Any:
    if _is_day(name):
        return day_date(value) if value else None
    reader = _READERS.get(name)
    return reader(value) if reader is not None else value


def _record(kind: type[T], values: Mapping[str, Any], **ready: Any) -> T:
    read = {
        f.name: ready[f.name] if f.name in ready else _from_chain(f.name, values[_camel(f.name)])
        for f in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**read)


# ------------------------------------------------------------------ the factory


def encode_issue(parties: Parties, terms: Terms, approvals_hash: bytes) -> bytes:
    """Call data for the factory; the issuing bank is bound when it is included (UCP 7b)."""
    return bindings.encode_call(FACTORY, "issue", [_argument(parties), _argument(terms), approvals_hash])


def encode_credit_of(issuing_bank: bytes, reference_hash: bytes) -> bytes:
    """Call data for the factory; the result is decoded by ``decode_credit_of``."""
    return bindings.encode_call(FACTORY, "creditOf", [issuing_bank, reference_hash])


def decode_credit_of(data: bytes) -> tuple[bytes, bool]:
    """Where the credit stands or would stand, and whether it was issued."""
    address, issued = bindings.decode_result(FACTORY, "creditOf", data)
    return address, issued


# ------------------------------------------------------------------ acts on a credit


def _act(name: str, *args: Any) -> bytes:
    return bindings.encode_call(CONTRACT, name, args)


def encode_advise(approvals_hash: bytes) -> bytes:
    """The advising bank advises (UCP 9)."""
    return _act("advise", approvals_hash)


def encode_decline_advice(reason_hash: bytes, approvals_hash: bytes) -> bytes:
    """The advising bank elects not to advise (UCP 9e)."""
    return _act("declineAdvice", reason_hash, approvals_hash)


def encode_decline_confirmation(approvals_hash: bytes) -> bytes:
    """The bank asked to confirm does not (UCP 8d)."""
    return _act("declineConfirmation", approvals_hash)


def encode_amend(changes: AmendmentChanges, approvals_hash: bytes) -> bytes:
    """The issuing bank amends and is bound from here (UCP 10b)."""
    return _act("amend", _argument(changes), approvals_hash)


def encode_accept_amendment(index: int, instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The beneficiary's bank accepts the whole amendment (UCP 10c)."""
    return _act("acceptAmendment", index, instruction_hash, approvals_hash)


def encode_reject_amendment(
    index: int, instruction_hash: bytes, approvals_hash: bytes, *, partly: bool = False
) -> bytes:
    """The beneficiary's bank rejects; ``partly``: a part was accepted, which rejects all (UCP 10d, 10e)."""
    return _act("rejectAmendment", index, partly, instruction_hash, approvals_hash)


def encode_consent_to_cancellation(instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The beneficiary's bank passes on consent (UCP 10a)."""
    return _act("consentToCancellation", instruction_hash, approvals_hash)


def encode_cancel(approvals_hash: bytes) -> bytes:
    """The issuing bank cancels with that consent (UCP 10a)."""
    return _act("cancel", approvals_hash)


def encode_expire(approvals_hash: bytes) -> bytes:
    """A party records expiry with nothing in progress (UCP 6d)."""
    return _act("expire", approvals_hash)


def encode_close(approvals_hash: bytes) -> bytes:
    """A party closes what is spent or ended, and settled."""
    return _act("close", approvals_hash)


def encode_present(given: PresentationInput, approvals_hash: bytes) -> bytes:
    """Documents are presented (UCP 6d, 14c, 29a)."""
    return _act("present", _argument(given), approvals_hash)


def encode_forward_documents(index: int, approvals_hash: bytes) -> bytes:
    """A bank sends documents on to the issuing bank, whose clock starts."""
    return _act("forwardDocuments", index, approvals_hash)


def encode_seek_waiver(index: int, request_hash: bytes, approvals_hash: bytes) -> bytes:
    """The issuing bank approaches the applicant; its clock runs on (UCP 16b)."""
    return _act("seekWaiver", index, request_hash, approvals_hash)


def encode_determine_compliance(index: int, approvals_hash: bytes) -> bytes:
    """The examining bank finds the presentation complying (UCP 15)."""
    return _act("determineCompliance", index, approvals_hash)


def encode_refuse(
    index: int, discrepancy_count: int, discrepancies_hash: bytes, disposal: Disposal, approvals_hash: bytes
) -> bytes:
    """The examining bank's single notice of refusal (UCP 16c, 16d)."""
    return _act("refuse", index, discrepancy_count, discrepancies_hash, int(disposal), approvals_hash)


def encode_return_documents(index: int, approvals_hash: bytes) -> bytes:
    """The refusing bank returns the documents (UCP 16e)."""
    return _act("returnDocuments", index, approvals_hash)


def encode_waive(index: int, evidence_hash: bytes, approvals_hash: bytes) -> bytes:
    """The issuing bank takes up despite discrepancies (UCP 16b)."""
    return _act("waive", index, evidence_hash, approvals_hash)


def encode_withdraw(index: int, bank: bytes, instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The presenter takes an undecided presentation back."""
    return _act("withdraw", index, bank, instruction_hash, approvals_hash)


def encode_honour(index: int, approvals_hash: bytes, *, stated_maturity: date | None = None) -> bytes:
    """Honour or negotiation (UCP 7, 12, 15); ``stated_maturity`` only with Tenor.OTHER."""
    return _act("honour", index, day_number(stated_maturity) if stated_maturity else 0, approvals_hash)


def encode_settle(index: int, proof_hash: bytes, value_day: date, approvals_hash: bytes) -> bytes:
    """The debtor records payment of an obligation."""
    return _act("settle", index, proof_hash, day_number(value_day), approvals_hash)


# ------------------------------------------------------------------ reading


def encode_credit() -> bytes:
    """Call data; the result is decoded by ``decode_credit``."""
    return _act("credit")


def decode_credit(data: bytes) -> CreditView:
    """The answer of ``credit``."""
    found = bindings.decode_result(CONTRACT, "credit", data)
    parties = _record(Parties, found["parties"])
    return _record(CreditView, found, parties=parties, terms=_record(Terms, found["terms"]))


def encode_amendment(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_amendment``."""
    return _act("amendment", index)


def decode_amendment(data: bytes) -> Amendment:
    """The answer of ``amendment``."""
    found = bindings.decode_result(CONTRACT, "amendment", data)
    changes = _record(AmendmentChanges, found["changes"])
    return _record(Amendment, found, changes=changes, status=AmendmentStatus(found["status"]))


def encode_presentation(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_presentation``."""
    return _act("presentation", index)


def decode_presentation(data: bytes) -> Presentation:
    """The answer of ``presentation``."""
    return _record(Presentation, bindings.decode_result(CONTRACT, "presentation", data))


def encode_obligation(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_obligation``."""
    return _act("obligation", index)


def decode_obligation(data: bytes) -> Obligation:
    """The answer of ``obligation``."""
    return _record(Obligation, bindings.decode_result(CONTRACT, "obligation", data))


def encode_examination(index: int, bank: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_examination``."""
    return _act("examination", index, bank)


def decode_examination(data: bytes) -> Examination:
    """The answer of ``examination``."""
    found, standing = bindings.decode_result(CONTRACT, "examination", data)
    return _record(Examination, found, standing=Standing(standing))


def encode_findings(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_findings``."""
    return _act("findings", index)


def decode_findings(data: bytes) -> Finding:
    """The answer of ``findings``."""
    return Finding(bindings.decode_result(CONTRACT, "findings", data))


# ------------------------------------------------------------------ whose turn it is


def next_acts(credit: CreditView, examinations: Mapping[tuple[int, bytes], Examination]) -> list[tuple[bytes, str]]:
    """Who can move the credit on, and how: (member id, act), the bank under a legal deadline first.

    ``examinations`` by (presentation, bank). Acts are the command line's words.
    """
    acts: list[tuple[int, bytes, str]] = []
    for (_, bank), found in examinations.items():
        if found.standing is Standing.EXAMINING:
            acts.append((found.deadline, bank, "examine"))
        elif found.standing in (Standing.COMPLYING, Standing.WAIVED, Standing.PRECLUDED):
            acts.append((found.deadline, bank, "honour"))
    turn = [(bank, act) for _, bank, act in sorted(acts)]
    if credit.life is not Life.ISSUED:
        return turn
    if credit.advice is Advice.NONE:
        turn.append((credit.parties.advising_bank, "advise"))
    if not credit.expired and credit.available and not acts:
        turn.append((credit.parties.beneficiary_bank, "present"))
    return turn
