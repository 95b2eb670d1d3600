"""Pages for reading: the worklist, credits, invoices, members."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from node.console import formats, words
from node.console.references import reference_in
from node.console.visit import NotFound, Visit, download
from node.errors import DataError, UnavailableError
from node.trade.overrides import field_text
from node.trade.swift import SwiftError, parse_mt

ROWS_MAX: Final = 200
"""Rows of a list on one page; a filter narrows it."""
RUNNING: Final = ("EXAMINING", "PRECLUDED")


# ---------------------------------------------------------------------- worklist


async def worklist(visit: Visit) -> web.StreamResponse:
    """This bank's turns by legal deadline, drafts to approve, own drafts, acts on their way."""
    desk = visit.desk
    work = await desk.worklist(visit.user)
    views = {view["address"]: view for view in [*await desk.credits(), *await desk.invoices(mine=True)]}
    references = await visit.references.of(desk, [views[a] for a in {t["address"]: 0 for t in work["turns"]}])
    turns = [
        {
            **turn,
            "view": views[turn["address"]],
            "reference": references[turn["address"]],
            "counterparty": _counterparty(views[turn["address"]], desk.me()["id"]),
            "clock": _turn_clock(visit, views[turn["address"]], turn, work["now"]),
            "amount": _turn_amount(views[turn["address"]], turn),
            "acts": [act for act in words.TURN_ACTS.get(turn["act"], ()) if visit.has("maker")],
        }
        for turn in work["turns"]
    ]
    return visit.page("worklist.html", "worklist", now=work["now"], turns=turns, work=work, me=desk.me())


def _turn_amount(view: Mapping[str, Any], turn: Mapping[str, Any]) -> str:
    """The amount at stake: the presentation's or the obligation's, else the deal's."""
    for kind in ("presentation", "obligation"):
        if kind in turn:
            return str(view[f"{kind}s"][turn[kind]]["amount"])
    return str(view["amount"])


def _turn_clock(visit: Visit, view: Mapping[str, Any], turn: Mapping[str, Any], now: int) -> formats.Clock | None:
    if turn["act"] == "examine":
        for each in view["presentations"][turn["presentation"]]["examinations"]:
            if each["bank"] == turn["bank"]:
                return _examination_clock(each, visit.places(), now)
    if turn["act"] == "honour":
        return None  # the clock of the examination has been answered, or has run out: at once
    return formats.plain_clock(turn["deadline"], place=visit.place, now=now)


def _examination_clock(each: Mapping[str, Any], places: Mapping[str, str], now: int) -> formats.Clock:
    return formats.examination_clock(
        each["day_zero"],
        each["deadline"],
        place=places.get(each["bank"], ""),
        now=now,
        provisional=each["provisional"],
        running=each["standing"] in RUNNING,
    )


def _counterparty(view: Mapping[str, Any], me: str) -> str:
    if "parties" in view:
        parties = view["parties"]
        other = "beneficiary_bank" if parties["issuing_bank"] == me else "issuing_bank"
        return parties[f"{other}_name"] or ""
    return (view["buyer_bank_name"] if view["seller_bank"] == me else view["seller_bank_name"]) or ""


# ---------------------------------------------------------------------- credits


async def credits_list(visit: Visit) -> web.StreamResponse:
    """Credits, newest first: this bank's, or every member's facts with ``?all=1``."""
    everything = visit.query("all") == "1"
    views, references, left = await _listed(visit, await visit.desk.credits(mine=not everything))
    now = visit.desk.me()["block_time"]
    rows = [
        {
            "view": view,
            "reference": references[view["address"]],
            "expiry": formats.plain_clock(view["expires_at"], place=visit.place, now=now),
        }
        for view in views
    ]
    return visit.page("credits.html", "credits", rows=rows, everything=everything, left=left, wanted=visit.query("q"))


async def _listed(
    visit: Visit, views: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], dict[str, str], int]:
    """The views that hold every word of ``?q=``, their references, and how many more there are than one page shows."""
    wanted = visit.query("q").lower().split()
    references = await visit.references.of(visit.desk, views)
    if wanted:
        views = [view for view in views if all(word in _searched(view, references) for word in wanted)]
    return list(views[:ROWS_MAX]), references, max(0, len(views) - ROWS_MAX)


def _searched(view: Mapping[str, Any], references: Mapping[str, str]) -> str:
    """What a row of a list can be found by."""
    banks = [value for key, value in [*view.items(), *view.get("parties", {}).items()] if key.endswith("_bank_name")]
    parts = [references.get(view["address"]), view["address"], view["currency"], view["amount"], *banks]
    return " ".join([*(str(part) for part in parts if part), words.next_actor(view)]).lower()


async def credit(visit: Visit) -> web.StreamResponse:
    """One credit with its clocks, timeline, sealed texts where this bank may read them, and the proof."""
    view = await found(visit, "credit")
    visit.references.keep(view["address"], reference_in(view))
    me, now = visit.desk.me(), visit.desk.me()["block_time"]
    names, places = visit.names(), visit.places()
    clocks = {
        (each["index"], exam["bank"]): _examination_clock(exam, places, now)
        for each in view["presentations"]
        for exam in each["examinations"]
    }
    return visit.page(
        "credit.html",
        "credits",
        view=view,
        reference=reference_in(view),
        me=me,
        names=names,
        parties=_parties(view),
        clocks=clocks,
        bar=_availability(view),
        expiry=formats.plain_clock(view["expires_at"], place=visit.place, now=now),
        dues={
            each["index"]: formats.plain_clock(each["due_at"], place=visit.place, now=now)
            for each in view["obligations"]
        },
        story=story(view["timeline"], names),
        background=[event for event in view["timeline"] if words.is_background(event)],
        message=_tags(view["current_mt700"]),
        presented=_presented(view["timeline"]),
        documents=visit.desk.documents(view["address"]),
        document_names={each["anchor"]: each["name"] for each in visit.desk.documents()},
        acts=_open_acts(view, me["id"]) if visit.has("maker") else [],
    )


async def found(visit: Visit, kind: str) -> dict[str, Any]:
    """The credit or invoice of the path; NotFound where there is none."""
    try:
        return await (visit.desk.credit if kind == "credit" else visit.desk.invoice)(visit.path(kind))
    except UnavailableError:
        raise
    except DataError as error:
        raise NotFound(error.message, field=kind) from None


def _parties(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    parties = view["parties"]
    roles = ("issuing_bank", "advising_bank", "beneficiary_bank", "nominated_bank")
    any_or_none = {"nominated_bank": "any bank, or the issuing bank"}
    return [(words.plain(role), parties[f"{role}_name"] or any_or_none.get(role, "no member")) for role in roles]


def _availability(view: Mapping[str, Any]) -> dict[str, Any]:
    """The bar of drawn and available amounts, in whole percent of what can be drawn at most."""
    drawn, left = Decimal(view["drawn"]), Decimal(view["available"])
    total = drawn + left
    return {"drawn": drawn, "total": total, "percent": int(100 * drawn / total) if total else 0}


def story(timeline: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """What happened, newest first: words, bank, time, block."""
    told = [
        {**event, "words": words.event_words(event), "bank": words.event_bank(event, names)}
        for event in timeline
        if not words.is_background(event)
    ]
    return told[::-1]


def _tags(message: str | None) -> list[tuple[str, str, str]]:
    """A message's fields as (tag, name, text)."""
    if not message:
        return []
    try:
        fields = parse_mt(message, lenient=True).message.fields
    except SwiftError:
        return []
    return [(field.tag, words.TAG_NAMES.get(field.tag, ""), field_text(field)) for field in fields]


def _presented(timeline: Sequence[Mapping[str, Any]]) -> dict[int, list[str]]:
    """The anchors of each presentation's documents."""
    return {
        event["args"]["presentation"]: list(event["args"]["documents"])
        for event in timeline
        if event["event"] == "DocumentsPresented"
    }


def _open_acts(view: Mapping[str, Any], me: str) -> list[tuple[str, str, str]]:
    """(act, query, about) that this bank's role lets it draft; the contract has the last word."""
    parties, here = view["parties"], f"credit={view['address']}"
    acts: list[tuple[str, str, str]] = []
    for turn in view["next"]:
        if turn["bank"] == me:
            parts = [kind for kind in ("presentation", "obligation", "amendment") if kind in turn]
            where = "".join(f"&{kind}={turn[kind]}" for kind in parts)
            about = ", ".join(f"{kind} {turn[kind]}" for kind in parts)
            acts += [(act, here + where, about) for act in words.TURN_ACTS.get(turn["act"], ())]
    for presentation in view["presentations"]:
        for each in presentation["examinations"]:
            if each["bank"] == me and each["standing"] == "REFUSED" and not each["documents_returned"]:
                where, about = f"{here}&presentation={presentation['index']}", f"presentation {presentation['index']}"
                acts.append(("lc.return-documents", where, about))
                acts += [] if presentation["replaced_by"] else [("lc.waive", where, about)]
    if view["life"] == "ISSUED":
        if parties["issuing_bank"] == me:
            acts += [("lc.amend", here, ""), ("lc.cancel", here, "")]
            acts += [("lc.expire", here, "")] if view["expired"] else []
        if parties["beneficiary_bank"] == me:
            acts += [("lc.present", here, ""), ("lc.consent-cancel", here, "")]
    acts.append(("doc.submit", f"subject={view['address']}", ""))
    return list(dict.fromkeys(acts))


async def credit_message(visit: Visit) -> web.StreamResponse:
    """The MT700 with every accepted amendment, as a file. NotFound where its terms are not for this bank."""
    view = await found(visit, "credit")
    if not view["current_mt700"]:
        raise NotFound("the credit's sealed terms cannot be opened here", field="credit")
    return download(view["current_mt700"].encode(), f"mt700-{reference_in(view) or view['address'][:10]}.txt")


async def refusal_message(visit: Visit) -> web.StreamResponse:
    """The MT734 of a refusal, as a file."""
    number = visit.path("presentation")
    view = await found(visit, "credit")
    notice = view["discrepancies"].get(number) if number.isdecimal() else None
    if not notice or "mt734" not in notice:
        raise NotFound("this presentation was not refused, or its notice is sealed", field="presentation")
    return download(str(notice["mt734"]).encode(), f"mt734-{reference_in(view) or view['address'][:10]}-{number}.txt")


# ---------------------------------------------------------------------- invoices and members


async def invoices_list(visit: Visit) -> web.StreamResponse:
    """Registered invoices; all by default, since any bank may offer."""
    mine = visit.query("mine") == "1"
    views, references, left = await _listed(visit, await visit.desk.invoices(mine=mine))
    rows = [{"view": view, "reference": references[view["address"]]} for view in views]
    return visit.page("invoices.html", "invoices", rows=rows, mine=mine, left=left, wanted=visit.query("q"))


async def invoice(visit: Visit) -> web.StreamResponse:
    """One invoice with its offers and timeline."""
    view = await found(visit, "invoice")
    me, names = visit.desk.me(), visit.names()
    here = f"invoice={view['address']}"
    acts: list[tuple[str, str, str]] = []
    for turn in view["next"]:
        if turn["bank"] == me["id"]:
            where = (f"&offer={turn['offer']}", f"offer {turn['offer']}") if "offer" in turn else ("", "")
            acts += [(act, here + where[0], where[1]) for act in words.TURN_ACTS.get(turn["act"], ())]
    acts.append(("invoice.offer", here, ""))
    for each in view["offers"]:
        if each["state"] in ("OPEN", "ACCEPTED", "DISBURSED") and me["id"] in (each["bank"], view["seller_bank"]):
            acts.append(("invoice.release", f"{here}&offer={each['offer']}", f"offer {each['offer']}"))
    return visit.page(
        "invoice.html",
        "invoices",
        view=view,
        reference=reference_in(view),
        me=me,
        clocks={
            each["offer"]: formats.plain_clock(each["terms"]["expiry"], place=visit.place, now=me["block_time"])
            for each in view["offers"]
            if each["state"] in ("OPEN", "ACCEPTED")
        },
        story=story(view["timeline"], names),
        background=[event for event in view["timeline"] if words.is_background(event)],
        acts=list(dict.fromkeys(acts)) if visit.has("maker") else [],
    )


async def invoice_file(visit: Visit) -> web.StreamResponse:
    """The invoice's own XML, as a file. NotFound where it is not for this bank."""
    view = await found(visit, "invoice")
    sealed = view["sealed_invoice"]
    if not sealed or "xml_base64" not in sealed:
        raise NotFound("the invoice's sealed file cannot be opened here", field="invoice")
    return download(base64.b64decode(sealed["xml_base64"]), f"invoice-{reference_in(view) or view['address'][:10]}.xml")


async def members(visit: Visit) -> web.StreamResponse:
    """Who stands in the consortium."""
    return visit.page("members.html", "members", members=visit.desk.members(), me=visit.desk.me())
