"""Planning the issue and the amendment of a credit: from MT700 and MT707 to calls."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from contracts import addresses
from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import AmendmentChanges, Availability, Change, ConfirmationRequest, Tenor, ToleranceKind
from node.desk.acts import Inputs
from node.desk.drafts import APPROVALS_PLACEHOLDER, ActPlan, Call
from node.desk.parties import find_by_bic, same_bic
from node.errors import DataError
from node.trade.calendar.places import find_place
from node.trade.credit_terms import (
    CreditReading,
    CreditTerms,
    UnenforcedTerm,
    check_sender,
    choose_advising,
    describe_changes,
    read_credit,
)
from node.trade.currency import format_amount, to_minor_units
from node.trade.office import Office
from node.trade.overrides import apply_overrides
from node.trade.swift import MtMessage, parse_mt, write_mt
from node.trade.swift.standard import definition_of, load_release
from node.trade.vault import json_of

_AVAILABILITY = {
    "sight_payment": Availability.SIGHT,
    "deferred_payment": Availability.DEFERRED,
    "acceptance": Availability.ACCEPTANCE,
    "negotiation": Availability.NEGOTIATION,
}
_CONFIRMATION = {
    "without": ConfirmationRequest.WITHOUT,
    "may add": ConfirmationRequest.MAY_ADD,
    "requested": ConfirmationRequest.CONFIRM,
}
_USANCE = re.compile(r"\b(\d{1,3})\s+DAYS?\b")
_PRESENTATION_DAYS_MAX = 999


def read_mt700(
    text: str | bytes, *, lenient: bool, overrides: Sequence[tuple[str, str]], today: date
) -> tuple[CreditReading, MtMessage]:
    """Parse, apply overrides, read terms; also the message as it came."""
    parsed = parse_mt(text, lenient=lenient, message_type=_bare_type(text, "700"))
    reading = read_credit(parsed.message, today=today, deviations=parsed.deviations, overrides=overrides)
    return reading, parsed.message


async def plan_issue(office: Office, inputs: Inputs) -> ActPlan:
    """Issue a credit from an MT700 (or from an application, which holds one)."""
    overrides = [(tag, text) for tag, text in inputs.items("set")]
    reading, message = read_mt700(
        inputs.need_content("mt700"), lenient=inputs.flag("lenient"), overrides=overrides, today=office.today()
    )
    stranger = check_sender(message, office.me, on_behalf=inputs.flag("on_behalf"))
    if stranger is not None:
        raise DataError(stranger.text, field="sender", code=stranger.code)
    reading.require_issuable()
    terms = reading.terms
    if terms.availability not in _AVAILABILITY:
        raise DataError(f"a credit available by {terms.availability} is not offered", field="41a", code="MIXED_PAYMENT")
    advising = _member(choose_advising(message, office.banks(), inputs.text("advising"), own=office.me))
    beneficiary_bank = office.bank(name) if (name := inputs.text("beneficiary_bank")) else advising
    notes: list[UnenforcedTerm] = list(terms.unenforced)
    nominated = _nominated(office, terms, notes)
    drawee = _drawee(office, reading.message, notes)
    place = _place(inputs.text("place") or terms.expiry_place, notes)
    recipients = office.others([advising, beneficiary_bank, office.bank_by_id(nominated)])
    sealed = await office.vault.seal_json(
        {
            "terms": terms.to_json(),
            "mt700": write_mt(reading.message),
            "received": inputs.need_content("mt700").decode("latin-1"),
        },
        kind="terms",
        name=f"terms {terms.reference}",
        recipients=recipients,
    )
    parties = lc.Parties(
        issuing_bank=office.me.id,
        applicant=office.relationship("applicant", terms.applicant),
        beneficiary=office.relationship("beneficiary", terms.beneficiary),
        advising_bank=advising.id,
        beneficiary_bank=beneficiary_bank.id,
        nominated_bank=nominated,
        reference_hash=office.reference_hash(terms.reference),
        currency=terms.currency,
        exponent=terms.exponent,
        rules=lc.Rules.EUCP21 if "eUCP" in terms.rules else lc.Rules.UCP600,
        drawee=drawee,
        confirmation_request=_CONFIRMATION[terms.confirmation],
    )
    on_chain = _terms_on_chain(reading, place, sealed.commitment)
    data = lc.encode_issue(parties, on_chain, APPROVALS_PLACEHOLDER)
    calls = [sealed.call, Call(lc.FACTORY, "issue", addresses.LETTER_OF_CREDIT_FACTORY, data)]
    return ActPlan(
        act="lc.issue",
        subject="",
        params=inputs.to_json(),
        calls=tuple(call for call in calls if call is not None),
        notes={
            "summary": f"issue {terms.currency} {format_amount(terms.amount, terms.currency)} expiring "
            f"{terms.expiry_date} {terms.expiry_place}, advised by {advising.name}",
            "terms": terms.to_json(),
            "advising": advising.name,
            "beneficiary_bank": beneficiary_bank.name,
            "place": place,
            "unenforced": [asdict(note) for note in notes],
            "overrides": [asdict(override) for override in terms.overrides],
            "deviations": [deviation.to_json() for deviation in terms.deviations],
            "confirmation": terms.confirmation_answer,
            "sealed": [sealed.to_json()],
        },
    )


def _terms_on_chain(reading: CreditReading, place: str, terms_hash: bytes) -> lc.Terms:
    """What the contract decides by; the rest of the terms stands under ``terms_hash``."""
    terms = reading.terms
    tenor, tenor_days = _tenor(terms)
    return lc.Terms(
        amount=terms.amount,
        expiry_day=terms.expiry_date,
        expiry_place=place,
        availability=_AVAILABILITY[terms.availability],
        terms_hash=terms_hash,
        tolerance_kind=_tolerance(terms),
        plus_percent=terms.tolerance_plus,
        minus_percent=terms.tolerance_minus,
        latest_shipment_day=terms.latest_shipment,
        presentation_days=_period(terms),
        partial_drawings=reading.message.component("43P", "code") != "NOT ALLOWED",
        tenor=tenor,
        tenor_days=tenor_days,
    )


async def plan_amend(office: Office, inputs: Inputs) -> ActPlan:
    """Amend by an MT707, or by restated fields of the MT700 (``set``)."""
    address = inputs.raw("credit")
    credit = await office.credit(address)
    current = await current_message(office, address)
    changes = [(tag, text) for tag, text in inputs.items("set")]
    text = inputs.content("mt707")
    deviations: list[dict[str, str]] = []
    if text is not None:
        parsed = parse_mt(text, lenient=inputs.flag("lenient"), message_type=_bare_type(text, "707"))
        if parsed.message.type != "707":
            raise DataError(f"an MT{parsed.message.type} amends no credit; MT707 is expected", field="mt707")
        if parsed.message.component("23S", "request") == "CANCEL":
            raise DataError("23S CANCEL asks for cancellation: use cancel", field="23S")
        deviations = [deviation.to_json() for deviation in parsed.deviations]
        changes = overrides_of_amendment(parsed.message, current) + changes
    if not changes:
        raise DataError("an amendment changes something: give an MT707 or set", field="set", code="NOTHING_CHANGED")
    before = read_credit(current, today=office.today()).terms
    amended, _ = apply_overrides(current, changes)
    after = read_credit(amended, today=office.today()).terms
    if after.expiry_date < office.today():
        raise DataError(f"the amended credit expired on {after.expiry_date}", field="31D", code="EXPIRED")
    _refuse_fixed(before, after)
    recipients = office.others(
        [office.bank_by_id(credit.parties.advising_bank), office.bank_by_id(credit.parties.beneficiary_bank)]
    )
    sealed = await office.vault.seal_json(
        {"set": changes, "mt707": None if text is None else text.decode("latin-1"), "number": credit.amendment_count},
        kind="amendment",
        name=f"amendment {credit.amendment_count} of {before.reference}",
        recipients=recipients,
    )
    given = _amendment_changes(before, after, sealed.commitment)
    data = lc.encode_amend(given, APPROVALS_PLACEHOLDER)
    calls = [sealed.call, Call(lc.CONTRACT, "amend", address, data)]
    return ActPlan(
        act="lc.amend",
        subject="0x" + address.hex(),
        params=inputs.to_json(),
        calls=tuple(call for call in calls if call is not None),
        notes={
            "summary": f"amendment {credit.amendment_count}: " + ", ".join(tag for tag, _ in changes),
            "changes": {name: list(pair) for name, pair in describe_changes(before, after).items()},
            "deviations": deviations,
            "sealed": [sealed.to_json()],
        },
    )


async def current_message(office: Office, address: bytes) -> MtMessage:
    """The credit's MT700 with every accepted amendment in it; DataError where the terms cannot be opened here."""
    credit = await office.credit(address)
    subject = "0x" + address.hex()
    amendments = []
    for index in range(credit.amendment_count):
        found = lc.decode_amendment(await office.read(address, lc.encode_amendment(index)))
        if found.status is lc.AmendmentStatus.ACCEPTED:
            amendments.append(found.changes.amendment_hash)
    terms_hash = await issued_terms_hash(office, credit, address)
    opened = json_of(await office.vault.open_committed(credit.parties.issuing_bank, terms_hash, subject=subject))
    if opened is None:
        raise DataError("the credit's sealed terms cannot be opened here", field="credit", code="TERMS_SEALED")
    message = parse_mt(opened["mt700"], lenient=True).message
    for commitment in amendments:
        change = json_of(await office.vault.open_committed(credit.parties.issuing_bank, commitment, subject=subject))
        if change is None:
            raise DataError("an amendment's sealed text cannot be opened here", field="credit", code="TERMS_SEALED")
        message, _ = apply_overrides(message, [(tag, text) for tag, text in change["set"]])
    return message


async def issued_terms_hash(office: Office, credit: lc.CreditView, address: bytes) -> bytes:
    """The commitment to the terms at issue: amendments chain their hashes onto it, so the first is looked up."""
    row = office.database.one("SELECT body FROM objects WHERE kind = 'credit-origin' AND id = ?", (address,))
    return credit.terms.terms_hash if row is None else bytes.fromhex(json.loads(row["body"])["terms_hash"])


def overrides_of_amendment(amendment: MtMessage, current: MtMessage) -> list[tuple[str, str]]:
    """An MT707's fields as restated fields of the credit's MT700."""
    changes: list[tuple[str, str]] = []
    currency = current.component("32B", "currency") or ""
    amount = to_minor_units(current.component("32B", "amount") or "", currency)
    definition = definition_of("707")
    for field in amendment.fields:
        if field.tag in ("32B", "33B"):
            if field.get("currency") != currency:
                raise DataError(
                    f"the amendment is in {field.get('currency')}, the credit in {currency}", field=field.tag
                )
            change = to_minor_units(field.get("amount") or "", currency)
            amount += change if field.tag == "32B" else -change
            if amount <= 0:
                raise DataError("the decrease leaves no amount", field="33B")
            changes.append(("32B", currency + format_amount(amount, currency, separator=",")))
        elif field.tag in _NARRATIVES:
            old = current.component(_NARRATIVES[field.tag], "text") or ""
            changes.append((_NARRATIVES[field.tag], _narrative(old, field.get("text") or "", field.tag)))
        elif field.tag in _RESTATED and field.fits:
            known = definition.by_tag[field.tag]
            changes.append((field.tag, known[0].formats[known[1]].write(field.components)))
    return changes


_NARRATIVES = {"45B": "45A", "46B": "46A", "47B": "47A", "49M": "49G", "49N": "49H"}
_RESTATED = frozenset(load_release()["700"].by_tag) - {"27", "20", "23", "31C", "32B", "51A", "51D", "72Z"}
"""Fields that an MT707 states anew just as an MT700 does."""


def _narrative(old: str, text: str, tag: str) -> str:
    """Line codes of an amended narrative: /ADD/ appends, /DELETE/ takes the quoted lines out, /REPALL/ replaces."""
    parts = re.split(r"^/(ADD|DELETE|REPALL)/", text, flags=re.MULTILINE)
    if parts[0].strip() or len(parts) < 3:
        raise DataError(f"field {tag} begins with /ADD/, /DELETE/ or /REPALL/", field=tag, rule="line codes")
    lines = old.split("\n") if old else []
    for code, body in zip(parts[1::2], parts[2::2], strict=True):
        given = body.strip("\n").split("\n")
        if code == "REPALL":
            lines = given
        elif code == "ADD":
            lines += given
        else:
            for line in given:
                if line not in lines:
                    raise DataError(
                        f"field {tag} deletes a line that is not there: {line!r}", field=tag, rule="/DELETE/"
                    )
                lines.remove(line)
    return "\n".join(lines)


def _bare_type(text: str | bytes, message_type: str) -> str | None:
    """The type to assume for a text block without headers; None where headers say it."""
    raw = text.encode() if isinstance(text, str) else text
    return None if raw.lstrip().startswith(b"{") else message_type


def _amendment_changes(before: CreditTerms, after: CreditTerms, commitment: bytes) -> AmendmentChanges:
    given = AmendmentChanges(amendment_hash=commitment, amount_change=after.amount - before.amount)
    changed = Change.NONE
    if (before.tolerance_plus, before.tolerance_minus) != (after.tolerance_plus, after.tolerance_minus):
        changed |= Change.TOLERANCE
        given = replace(
            given,
            tolerance_kind=_tolerance(after),
            plus_percent=after.tolerance_plus,
            minus_percent=after.tolerance_minus,
        )
    if (before.expiry_date, before.expiry_place) != (after.expiry_date, after.expiry_place):
        changed |= Change.EXPIRY
        given = replace(given, expiry_day=after.expiry_date, expiry_place=_place(after.expiry_place, []))
    if before.latest_shipment != after.latest_shipment:
        changed |= Change.LATEST_SHIPMENT
        given = replace(given, latest_shipment_day=after.latest_shipment)
    if before.presentation_days != after.presentation_days:
        changed |= Change.PRESENTATION_DAYS
        given = replace(given, presentation_days=_period(after))
    before_partial, after_partial = (_partial_allowed(terms) for terms in (before, after))
    if before_partial != after_partial:
        changed |= Change.PARTIAL_DRAWINGS
        given = replace(given, partial_drawings=after_partial)
    return replace(given, changed=changed)


def _partial_allowed(terms: CreditTerms) -> bool:
    return not any(term.tag == "43P" and term.text == "NOT ALLOWED" for term in terms.unenforced)


def _refuse_fixed(before: CreditTerms, after: CreditTerms) -> None:
    """What no amendment of the contract changes: currency, availability, reference, rules."""
    for name in ("currency", "availability", "available_with", "reference", "rules_as_written"):
        if getattr(before, name) != getattr(after, name):
            raise DataError(f"an amendment cannot change {name}; issue a new credit", field=name, code="FIXED_TERM")


def _member(bank: Any) -> Member:
    assert isinstance(bank, Member)
    return bank


def _nominated(office: Office, terms: CreditTerms, notes: list[UnenforcedTerm]) -> bytes:
    bic = terms.available_with_bic
    if bic is None:
        if "ANY BANK" in " ".join(terms.available_with.upper().split()):
            return lc.ANY_BANK
        known = next((bank for bank in office.banks() if bank.name.upper() in terms.available_with.upper()), None)
    elif same_bic(bic, office.me.bic):
        return office.me.id
    else:
        known = next((bank for bank in office.banks() if same_bic(bank.bic, bic)), None)
    if known is not None:
        return known.id
    reason = "no member: documents are presented at the issuing bank (UCP 600 art. 6 a, d ii)"
    notes.append(UnenforcedTerm("41a", terms.available_with, reason))
    return office.me.id


def _drawee(office: Office, message: MtMessage, notes: list[UnenforcedTerm]) -> bytes:
    field = message.find("42a")
    if field is None:
        return lc.NO_PARTY
    found = find_by_bic(office.banks(), field.get("bic"))
    if found is not None:
        return found.id
    notes.append(UnenforcedTerm(field.tag, field.get("bic") or field.get("name") or "", "the drawee is no member"))
    return office.me.id


def _tenor(terms: CreditTerms) -> tuple[Tenor, int]:
    """The usance that field 42C, 42P or 42M writes: so many days after sight or after shipment, else OTHER."""
    text = " ".join((terms.draft_tenor or "").upper().split())
    days = _USANCE.findall(text)
    if terms.availability == "sight_payment" or (terms.availability == "negotiation" and (not days)):
        return Tenor.SIGHT, 0
    if len(days) == 1 and "SIGHT" in text:
        return Tenor.AFTER_SIGHT, int(days[0])
    if len(days) == 1 and any(word in text for word in ("SHIPMENT", "B/L", "BILL OF LADING", "TRANSPORT", "ON BOARD")):
        return Tenor.AFTER_SHIPMENT, int(days[0])
    return Tenor.OTHER, 0


def _tolerance(terms: CreditTerms) -> ToleranceKind:
    return ToleranceKind.PERCENT if terms.tolerance_plus or terms.tolerance_minus else ToleranceKind.NONE


def _period(terms: CreditTerms) -> int:
    if terms.presentation_days > _PRESENTATION_DAYS_MAX:
        raise DataError(f"field 48 has more than {_PRESENTATION_DAYS_MAX} days", field="48")
    return terms.presentation_days


def _place(text: str, notes: list[UnenforcedTerm]) -> str:
    place = find_place(text)
    if place is not None:
        return place.code
    notes.append(UnenforcedTerm("31D", text, "no calendar for this place: its deadlines are provisional"))
    return "".join(each for each in text.upper() if each.isascii() and each.isprintable())[:32].strip() or "UNKNOWN"
