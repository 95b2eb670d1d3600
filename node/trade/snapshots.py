"""Facts of a credit and of an invoice as JSON, read through the contracts' views, and what time makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from enum import IntEnum, IntFlag
from functools import partial
from typing import Any

from contracts import invoice_financing as financing
from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import Standing
from node.trade.currency import format_amount

Read = Callable[[bytes], bytes]
Money = Callable[[int], str]
"""An amount of a deal as text, by the exponent that stands with it: a member may have written any three letters."""
LIST_READ_MAX = 1_000
"""Items of a credit's lists that are read into the model; the contract's gas keeps them far below."""


def credit_snapshot(read: Read) -> dict[str, Any]:
    """Parties, terms, state, amendments, presentations with each bank's examination, obligations."""
    credit = lc.decode_credit(read(lc.encode_credit()))
    body: dict[str, Any] = _plain(credit)
    body["amendments"] = [
        _plain(lc.decode_amendment(read(lc.encode_amendment(index))))
        for index in range(min(credit.amendment_count, LIST_READ_MAX))
    ]
    body["obligations"] = [
        _plain(lc.decode_obligation(read(lc.encode_obligation(index))))
        for index in range(min(credit.obligation_count, LIST_READ_MAX))
    ]
    body["presentations"] = [
        _presentation(read, credit, index) for index in range(min(credit.presentation_count, LIST_READ_MAX))
    ]
    return body


def _presentation(read: Read, credit: lc.CreditView, index: int) -> dict[str, Any]:
    found = lc.decode_presentation(read(lc.encode_presentation(index)))
    examinations = []
    for bank in dict.fromkeys((found.examining_bank, credit.parties.issuing_bank)):
        examination = lc.decode_examination(read(lc.encode_examination(index, bank)))
        if examination.standing is not Standing.NONE:
            examinations.append({"bank": _plain(bank), **_plain(examination)})
    findings = lc.decode_findings(read(lc.encode_findings(index)))
    return {
        "index": index,
        **_plain(found),
        "findings": [finding.name for finding in lc.Finding if finding in findings],
        "examinations": examinations,
    }


def invoice_snapshot(read: Read) -> dict[str, Any]:
    """The invoice with every offer."""
    invoice = financing.decode_invoice(read(financing.encode_invoice()))
    body: dict[str, Any] = _plain(invoice)
    body["offers"] = [
        {"offer": number, **_plain(financing.decode_offer(read(financing.encode_offer_of(number))))}
        for number in _offer_numbers(invoice.offer_count)
    ]
    return body


def _offer_numbers(count: int) -> range:
    return range(1, min(count, LIST_READ_MAX) + 1)


def credit_view(address: bytes, facts: Mapping[str, Any], now: int, members: Sequence[Member]) -> dict[str, Any]:
    """A credit at ``now``: expiry and preclusion derived, banks named, amounts as text, whose turn it is."""
    names = {"0x" + member.id.hex(): member.name for member in members}
    parties, terms = dict(facts["parties"]), dict(facts["terms"])
    currency = parties["currency"]
    money = partial(format_amount, currency=currency, exponent=parties["exponent"])
    presentations = [_presentation_view(each, now, names, money) for each in facts["presentations"]]
    expired = now > facts["expires_at"]
    view = {
        "address": "0x" + address.hex(),
        "parties": {
            **parties,
            **{
                f"{role}_name": names.get(parties[role])
                for role in ("issuing_bank", "advising_bank", "beneficiary_bank", "nominated_bank")
            },
        },
        "terms": terms,
        "currency": currency,
        "amount": money(terms["amount"]),
        "drawn": money(facts["drawn"]),
        "available": money(facts["available"]),
        "life": facts["life"],
        "expired": expired,
        "expires_at": facts["expires_at"],
        "expiry_provisional": facts["expiry_provisional"],
        "advice": facts["advice"],
        "confirmation": facts["confirmation"],
        "cancellation_consented": facts["cancellation_consented"],
        "terms_version": facts["terms_version"],
        "issued_at": facts["issued_at"],
        "amendments": [{"index": index, **each} for index, each in enumerate(facts["amendments"])],
        "presentations": presentations,
        "obligations": [
            {
                "index": index,
                **each,
                "amount": money(each["amount"]),
                "debtor_name": names.get(each["debtor"]),
                "creditor_name": names.get(each["creditor"]),
            }
            for index, each in enumerate(facts["obligations"])
        ],
    }
    view["next"] = _next_acts(view, names, facts["available"])
    return view


def _presentation_view(facts: Mapping[str, Any], now: int, names: Mapping[str, str], money: Money) -> dict[str, Any]:
    examinations = []
    for each in facts["examinations"]:
        standing = each["standing"]
        if standing in ("EXAMINING", "PRECLUDED"):  # the stored clock and the present time decide (UCP 16 f)
            standing = "PRECLUDED" if now > each["deadline"] else "EXAMINING"
        examinations.append({**each, "standing": standing, "bank_name": names.get(each["bank"])})
    return {
        **facts,
        "amount": money(facts["amount"]),
        "presenter_name": names.get(facts["presenter"]),
        "examining_bank_name": names.get(facts["examining_bank"]),
        "examinations": examinations,
    }


def _next_acts(view: Mapping[str, Any], names: Mapping[str, str], available: int) -> list[dict[str, Any]]:
    """Whose turn it is, those under a legal deadline first; acts are the command line's words."""
    turns: list[dict[str, Any]] = []

    def turn(bank: str, act: str, deadline: int | None = None, **where: Any) -> None:
        turns.append({"bank": bank, "bank_name": names.get(bank), "act": act, "deadline": deadline, **where})

    for presentation in view["presentations"]:
        for each in presentation["examinations"]:
            if each["standing"] == "EXAMINING":
                turn(each["bank"], "examine", each["deadline"], presentation=presentation["index"])
            elif each["standing"] in ("COMPLYING", "WAIVED", "PRECLUDED"):
                turn(each["bank"], "honour", each["deadline"], presentation=presentation["index"])
    for obligation in view["obligations"]:
        if not obligation["settled_at"]:
            turn(obligation["debtor"], "settle", obligation["due_at"], obligation=obligation["index"])
    if view["life"] == "ISSUED":
        if view["advice"] == "NONE":
            turn(view["parties"]["advising_bank"], "advise")
        for amendment in view["amendments"]:
            if amendment["status"] == "PENDING":
                turn(view["parties"]["beneficiary_bank"], "answer-amendment", amendment=amendment["index"])
        if not view["expired"] and not turns and available > 0:
            turn(view["parties"]["beneficiary_bank"], "present", view["expires_at"])
    return sorted(turns, key=lambda each: (each["deadline"] is None, each["deadline"] or 0))


def invoice_view(address: bytes, facts: Mapping[str, Any], now: int, members: Sequence[Member]) -> dict[str, Any]:
    """An invoice as it stands at ``now``: offers expired by time, amounts as text, banks by name."""
    names = {"0x" + member.id.hex(): member.name for member in members}
    terms = facts["terms"]
    currency = terms["currency"]
    money = partial(format_amount, currency=currency, exponent=terms["exponent"])
    offers = []
    for each in facts["offers"]:
        state = each["state"]
        if state in ("OPEN", "ACCEPTED") and now > each["terms"]["expiry"]:
            state = "EXPIRED"
        legs = {name: value if name == "discount_days" else money(value) for name, value in each["legs"].items()}
        offers.append({**each, "state": state, "bank_name": names.get(each["bank"]), "legs": legs})
    return {
        "address": "0x" + address.hex(),
        "terms": terms,
        "currency": currency,
        "amount": money(terms["amount"]),
        "seller_bank": facts["seller_bank"],
        "seller_bank_name": names.get(facts["seller_bank"]),
        "buyer_bank_name": names.get(terms["buyer_bank"]),
        "registered_at": facts["registered_at"],
        "buyer_accepted_at": facts["buyer_accepted_at"],
        "buyer_acceptance_self_attested": facts["buyer_acceptance_self_attested"],
        "offers": offers,
        "next": _next_invoice_acts(facts, offers, names),
    }


def _next_invoice_acts(
    facts: Mapping[str, Any], offers: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    buyer_bank = facts["terms"]["buyer_bank"]
    if facts["buyer_accepted_at"] is None and int(buyer_bank, 16):
        turns.append({"bank": buyer_bank, "act": "buyer-accept", "deadline": None})
    words = {"OPEN": ("seller", "accept-offer"), "ACCEPTED": ("bank", "disburse"), "DISBURSED": ("bank", "repay")}
    for each in offers:
        if each["state"] in words:
            who, act = words[each["state"]]
            bank = facts["seller_bank"] if who == "seller" else each["bank"]
            deadline = each["terms"]["expiry"] if act != "repay" else None
            turns.append({"bank": bank, "act": act, "deadline": deadline, "offer": each["offer"]})
    return [{**turn, "bank_name": names.get(turn["bank"])} for turn in turns]


def _plain(value: Any) -> Any:
    """A record of the bindings as JSON: enums by name, bytes as hex, days as ISO dates."""
    if isinstance(value, IntFlag):
        return [flag.name for flag in type(value) if flag and flag in value]
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
