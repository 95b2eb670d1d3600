"""From MT700 fields to a credit's terms: what the contract enforces, what it does not, what stands in the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from node.desk.canonical import canonical_json, jsonable
from node.desk.parties import BankRecord, find_bank, find_by_bic, same_bic
from node.errors import DataError
from node.trade.currency import exponent_of, to_minor_units
from node.trade.overrides import Override, apply_overrides, field_text
from node.trade.rules import RuleSet, resolve_rules
from node.trade.swift.checks import parse_mt_date
from node.trade.swift.model import Deviation, Field, MtMessage
from node.trade.swift.standard import definition_of

DEFAULT_PRESENTATION_DAYS = 21
"""Calendar days after shipment where field 48 is absent (UCP 600 art. 14 c)."""

AVAILABILITY = {
    "BY PAYMENT": "sight_payment",
    "BY DEF PAYMENT": "deferred_payment",
    "BY ACCEPTANCE": "acceptance",
    "BY NEGOTIATION": "negotiation",
    "BY MIXED PYMT": "mixed_payment",
}
CONFIRMATION = {"CONFIRM": "requested", "MAY ADD": "may add", "WITHOUT": "without"}

_UNENFORCED = {
    "23": "pre-advice is not linked",
    "39C": "additional amounts are not computed",
    "51": "the applicant's bank takes no part",
    "42C": "the tenor's text is not computed; the maturity is stated when the bank undertakes to pay",
    "42": "drafts are examined by officers",
    "42M": "the mixed payment plan is not computed",
    "42P": "the deferred payment's text is not computed; the maturity is stated when the bank undertakes to pay",
    "43P": "partial shipment is examined by officers (UCP 600 art. 31)",
    "43T": "transhipment is examined by officers (UCP 600 art. 20-24)",
    "44A": "places are examined by officers",
    "44E": "places are examined by officers",
    "44F": "places are examined by officers",
    "44B": "places are examined by officers",
    "44D": "a shipment period is examined by officers",
    "45A": "goods are examined by officers",
    "46A": "documents are examined by officers",
    "47A": "conditions are examined by officers; one without a document is disregarded (UCP 600 art. 14 h)",
    "49G": "payment conditions for the beneficiary are not enforced",
    "49H": "payment conditions for the bank are not enforced",
    "71D": "charges are not computed",
    "58": "no confirmation is added by the contract",
    "53": "reimbursement happens off the chain",
    "78": "instructions are for officers",
    "57": "a second advising bank takes no part",
    "72Z": "information between banks",
}
"""Field (without letter option) -> why the contract does not enforce it. Listed to the officer, never dropped."""


@dataclass(frozen=True, slots=True)
class UnenforcedTerm:
    """A term of the credit that binds the banks but that no contract rule checks."""

    tag: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why this credit cannot be issued as it stands; ``field`` is the tag, ``code`` a stable name."""

    code: str
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """The terms of one credit. Amounts in minor units; tolerances in percent; dates are at the place of expiry."""

    reference: str
    form: str
    rules: str
    rules_as_written: str
    issue_date: date
    expiry_date: date
    expiry_place: str
    currency: str
    exponent: int
    amount: int
    tolerance_plus: int
    tolerance_minus: int
    availability: str
    available_with_bic: str | None
    available_with: str
    draft_tenor: str | None
    latest_shipment: date | None
    presentation_days: int
    presentation_note: str | None
    applicant: str
    beneficiary: str
    beneficiary_account: str | None
    goods: str | None
    documents_required: tuple[str, ...]
    conditions: str | None
    confirmation: str
    unenforced: tuple[UnenforcedTerm, ...] = ()
    overrides: tuple[Override, ...] = ()
    deviations: tuple[Deviation, ...] = ()

    @property
    def maximum(self) -> int:
        """Most that may be drawn: rounded inward (UCP 600 art. 30, design section 5)."""
        return self.amount * (100 + self.tolerance_plus) // 100

    @property
    def minimum(self) -> int:
        """Least that a full drawing may be: rounded inward, so up."""
        return -(-self.amount * (100 - self.tolerance_minus) // 100)

    @property
    def confirmation_answer(self) -> str:
        """Field 49 is a request to the receiver; nothing here adds a confirmation (UCP 600 art. 8 d)."""
        return "not added" if self.confirmation in ("requested", "may add") else "not requested"

    def to_json(self) -> dict[str, Any]:
        """JSON-able; dates as ISO text."""
        body: dict[str, Any] = json.loads(json.dumps(asdict(self), default=jsonable))
        return body | {"confirmation_answer": self.confirmation_answer, "maximum": self.maximum}

    def canonical(self) -> bytes:
        """One encoding: UTF-8 JSON, keys sorted, no blanks. What the terms' salted hash covers."""
        return canonical_json(self.to_json())


@dataclass(frozen=True, slots=True)
class CreditReading:
    """A credit as read: shown whatever stands in the way; issued only where ``obstacles`` is empty."""

    terms: CreditTerms
    message: MtMessage
    rule_set: RuleSet
    obstacles: tuple[Obstacle, ...]

    def require_issuable(self) -> None:
        """DataError named by the first obstacle; all of them in its details."""
        if self.obstacles:
            first = self.obstacles[0]
            raise DataError(
                first.text, field=first.field, code=first.code, obstacles=[asdict(each) for each in self.obstacles]
            )


def read_credit(
    message: MtMessage,
    *,
    today: date,
    deviations: Sequence[Deviation] = (),
    overrides: Sequence[tuple[str, str]] = (),
) -> CreditReading:
    """Read an MT700 with the officer's overrides into terms.

    Errors: DataError (field = tag) only where no terms can be made at all: wrong type, or a field that the terms
    cannot do without is missing or unreadable. Everything else becomes an obstacle.
    """
    if message.type != "700":
        raise DataError(f"an MT{message.type} issues no credit; MT700 is expected", field="type")
    restated, recorded = apply_overrides(message, overrides)
    terms, rule_set = _terms(restated, recorded, deviations)
    return CreditReading(terms, restated, rule_set, tuple(_obstacles(restated, terms, rule_set, today)))


def _terms(
    message: MtMessage, overrides: tuple[Override, ...], deviations: Sequence[Deviation]
) -> tuple[CreditTerms, RuleSet]:
    currency, amount_text = _needed(message, "32B", "currency"), _needed(message, "32B", "amount")
    try:
        amount = to_minor_units(amount_text, currency)
    except DataError as error:
        raise DataError(f"field 32B: {error.message}", field="32B", rule=error.details.get("rule", "32B")) from None
    issued = parse_mt_date(_needed(message, "31C", "date"))
    as_written = _needed(message, "40E", "rules")
    rule_set = resolve_rules(as_written, issued, restated=any(each.tag == "40E" for each in overrides))
    available = _field(message, "41a")
    code = available.get("code") or ""
    days, note = _presentation_period(message)
    latest = message.component("44C", "date")
    terms = CreditTerms(
        reference=_needed(message, "20", "reference"),
        form=_needed(message, "40A", "form"),
        rules=str(rule_set),
        rules_as_written=as_written,
        issue_date=issued,
        expiry_date=parse_mt_date(_needed(message, "31D", "date")),
        expiry_place=_needed(message, "31D", "place"),
        currency=currency,
        exponent=exponent_of(currency),
        amount=amount,
        tolerance_plus=int(message.component("39A", "plus") or 0),
        tolerance_minus=int(message.component("39A", "minus") or 0),
        availability=AVAILABILITY.get(code, code.lower()),
        available_with_bic=available.get("bic"),
        available_with=available.get("bic") or available.get("name") or "",
        draft_tenor=message.component("42C", "text") or message.component("42P", "text"),
        latest_shipment=parse_mt_date(latest) if latest else None,
        presentation_days=days,
        presentation_note=note,
        applicant=_needed(message, "50", "text"),
        beneficiary=_needed(message, "59", "name"),
        beneficiary_account=message.component("59", "account"),
        goods=message.component("45A", "text"),
        documents_required=_documents(message.component("46A", "text")),
        conditions=message.component("47A", "text"),
        confirmation=CONFIRMATION.get(message.component("49", "code") or "", "without"),
        unenforced=tuple(_unenforced(message)),
        overrides=overrides,
        deviations=tuple(deviations),
    )
    return terms, rule_set


def _field(message: MtMessage, tag: str) -> Field:
    found = message.find(tag)
    if found is None:
        raise DataError(f"field {tag} is missing", field=tag, rule=f"MT{message.type}: mandatory")
    return found


def _needed(message: MtMessage, tag: str, name: str) -> str:
    value = _field(message, tag).get(name)
    if value is None:
        raise DataError(f"field {tag} cannot be read", field=tag, rule=f"MT{message.type}: format")
    return value


_DAYS_IN_TEXT = re.compile(r"\b(?:WITHIN\s+)?(\d{1,3})\s+(?:CALENDAR\s+)?DAYS?\b", re.IGNORECASE)


def _presentation_period(message: MtMessage) -> tuple[int, str | None]:
    """Field 48 as (days, note). Free text in lenient mode: its one plain number of days counts, the rest is listed."""
    field = message.find("48")
    if field is None:
        return DEFAULT_PRESENTATION_DAYS, None
    if field.fits:
        return int(field.get("days") or DEFAULT_PRESENTATION_DAYS), field.get("narrative")
    text = field_text(field)
    numbers = _DAYS_IN_TEXT.findall(text)
    if len(numbers) == 1:
        return int(numbers[0]), text
    return DEFAULT_PRESENTATION_DAYS, text


def _documents(text: str | None) -> tuple[str, ...]:
    """Field 46A as its items: each begins with ``+`` where the text uses it, else one line each."""
    if text is None:
        return ()
    lines = text.split("\n")
    if not any(line.startswith("+") for line in lines):
        return tuple(line.strip() for line in lines if line.strip())
    items: list[str] = []
    for line in lines:
        if line.startswith("+") or not items:
            items.append(line.lstrip("+").strip())
        else:
            items[-1] = f"{items[-1]} {line.strip()}"
    return tuple(item for item in items if item)


def _unenforced(message: MtMessage) -> Iterable[UnenforcedTerm]:
    definition = definition_of(message.type)
    for field in message.fields:
        known = definition.by_tag.get(field.tag)
        base = known[0].base if known else field.tag
        text = field_text(field)
        if known is None:
            yield UnenforcedTerm(field.tag, text, "no field of the standard")
        elif base in _UNENFORCED:
            yield UnenforcedTerm(field.tag, text, _UNENFORCED[base])
        elif base == "48" and (not field.fits or field.get("narrative")):
            yield UnenforcedTerm(field.tag, text, "only the number of days after shipment is computed")
        elif base == "40A" and "TRANSFERABLE" in text:
            yield UnenforcedTerm(field.tag, text, "transfer (UCP 600 art. 38) is not offered")
        elif base == "49" and text in ("CONFIRM", "MAY ADD"):
            yield UnenforcedTerm(field.tag, text, "recorded as a request to the receiver; answered: not added")


def _obstacles(message: MtMessage, terms: CreditTerms, rule_set: RuleSet, today: date) -> Iterable[Obstacle]:
    number, total = message.component("27", "number"), message.component("27", "total")
    if (number, total) != ("1", "1"):
        yield Obstacle("CONTINUATION_MISSING", "27", f"continuation missing: field 27 says {number}/{total}")
    restated = {override.tag for override in terms.overrides}
    if not rule_set.is_ucp600:
        yield Obstacle(
            "RULES_NOT_UCP600",
            "40E",
            f"field 40E means {rule_set} at {terms.issue_date}, not UCP 600; restate rules and dates to issue it",
        )
    elif "40E" in restated and "31D" not in restated and not _originally_ucp600(terms):
        yield Obstacle("DATES_NOT_RESTATED", "31D", "the rules are restated but not the expiry: restate 31D as well")
    if terms.expiry_date < today:
        yield Obstacle("EXPIRED", "31D", f"the credit expired on {terms.expiry_date}; today is {today}")
    if terms.availability not in AVAILABILITY.values():
        yield Obstacle(
            "NO_AVAILABILITY", "41a", "field 41a does not say how the credit is available (UCP 600 art. 6 b)"
        )
    if terms.amount == 0:
        yield Obstacle("NO_AMOUNT", "32B", "the amount is zero")
    drawee = message.find("42a")
    if drawee is not None and _is_applicant(drawee, terms.applicant):
        yield Obstacle(
            "DRAFT_ON_APPLICANT",
            drawee.tag,
            "a credit must not be available by draft on the applicant (UCP 600 art. 6 c)",
        )


def _originally_ucp600(terms: CreditTerms) -> bool:
    before = next((each.before for each in terms.overrides if each.tag == "40E"), None)
    return before is not None and resolve_rules(before, terms.issue_date).is_ucp600


def _is_applicant(drawee: Field, applicant: str) -> bool:
    name = " ".join((drawee.get("name") or "").upper().split())
    first_line = " ".join(applicant.upper().split("\n")[0].split())
    return bool(name) and (name in ("APPLICANT", "THE APPLICANT", "OPENER") or name.startswith(first_line))


def check_sender(message: MtMessage, own: BankRecord, *, on_behalf: bool) -> Obstacle | None:
    """The issuing bank is the node's own; another sender's BIC only where the officer says so."""
    sender = message.sender
    if sender is None or on_behalf or same_bic(sender, own.bic):
        return None
    return Obstacle(
        "SENDER_NOT_OWN", "block 1", f"the sender is {sender}, this bank is {own.bic}; use on-behalf to issue"
    )


def choose_advising(
    message: MtMessage, members: Sequence[BankRecord], advising: str | None, *, own: BankRecord | None = None
) -> BankRecord:
    """The receiver, else field 57a, else the officer's choice; the own bank only by that choice.

    Errors: DataError where none of them is a member bank.
    """
    second = message.component("57a", "bic")
    for bic in (message.receiver, second):
        found = find_by_bic(members, bic)
        if found is not None and (own is None or found.id != own.id):
            return found
    if advising is not None:
        return find_bank(members, advising)
    raise DataError(
        f"no advising bank: neither the receiver ({message.receiver}) nor field 57a ({second}) is a member; name one",
        field="advising",
        code="ADVISING_NOT_MEMBER",
    )


def describe_changes(before: CreditTerms, after: CreditTerms) -> Mapping[str, tuple[Any, Any]]:
    """Name -> (before, after) of each term that differs; records of reading are left out."""
    skipped = {"unenforced", "overrides", "deviations"}
    old, new = before.to_json(), after.to_json()
    return {name: (old[name], new[name]) for name in new if name not in skipped and old[name] != new[name]}
