"""Pages for acting: forms of acts, reading a message before it is drafted, drafts, approval, following to final."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from contracts import bindings
from node.console import forms, words
from node.console.formats import money, size
from node.console.uploads import ACCEPTED_KINDS, FILE_BYTES_MAX, FILES_MAX, FORM_BYTES_MAX
from node.console.visit import NotFound, Visit, see
from node.desk.acts import Act
from node.desk.drafts import APPROVALS_PLACEHOLDER
from node.errors import DataError, LimitExceeded, PrayaError, UnavailableError
from node.trade.swift import SwiftError

DRAFT_STATES: Final = ("pending", "approved", "final", "failed", "rejected")
REASON_CHARACTERS_MAX: Final = 500
VALUE_CHARACTERS_MAX: Final = 200
"""Longer values of a decoded call are cut in the page; the hash covers all of them."""
_UPLOAD_LIMITS: Final = (
    f"{FILES_MAX} files of {size(FILE_BYTES_MAX)} each, {size(FORM_BYTES_MAX)} together; {ACCEPTED_KINDS}"
)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")


async def acts_list(visit: Visit) -> web.StreamResponse:
    """Every act that officers can draft."""
    groups = {"lc": "Letters of credit", "invoice": "Invoices", "doc": "Documents", "consortium": "Consortium"}
    known = visit.desk.acts()
    acts = {title: [act for act in known if act["name"].startswith(f"{key}.")] for key, title in groups.items()}
    return visit.page("acts.html", "acts", groups={title: found for title, found in acts.items() if found})


# ---------------------------------------------------------------------- forms


async def act_form(visit: Visit) -> web.StreamResponse:
    """An empty form, with what the link says filled in."""
    visit.user.require("maker")
    act = _act(visit, visit.path("act"))
    values = {param.name: visit.query(param.name) for param in act.params if visit.query(param.name)}
    return await _form_page(visit, act, values)


async def draft_act(visit: Visit) -> web.StreamResponse:
    """Read and show, or draft."""
    visit.user.require("maker")
    act = _act(visit, visit.path("act"))
    return await _submitted(visit, act, None)


async def revision_form(visit: Visit) -> web.StreamResponse:
    """A pending draft's form, to write it anew."""
    visit.user.require("maker")
    draft = _draft(visit)
    act = _act(visit, draft["act"])
    values = dict(draft["params"])
    for param in act.params:
        if param.kind == "settings" and isinstance(values.get(param.name), list):
            values[param.name] = "\n".join(f"{tag}={text}" for tag, text in values[param.name])
        if param.kind == "files" or (param.kind == "content" and isinstance(values.get(param.name), Mapping)):
            values.pop(param.name, None)  # a draft keeps no file: it is chosen again
    return await _form_page(visit, act, values, revises=draft)


async def revise_draft(visit: Visit) -> web.StreamResponse:
    """Write a pending draft anew: its hash changes, and who has seen the old one cannot approve it."""
    visit.user.require("maker")
    draft = _draft(visit)
    return await _submitted(visit, _act(visit, draft["act"]), draft)


async def _submitted(visit: Visit, act: Act[Any], revises: Mapping[str, Any] | None) -> web.StreamResponse:
    params, shown, wrong = forms.params_of(act, visit.form)
    try:
        if wrong is not None:
            raise wrong
        if visit.form.one("step") == "read":
            return await _form_page(visit, act, shown, revises=revises, reading=_reading(visit, act, params))
        if revises is None:
            draft = await visit.desk.draft(act.name, params, visit.user)
        else:
            draft = await visit.desk.revise(revises["id"], params, visit.user)
    except PrayaError as error:
        status = 413 if isinstance(error, LimitExceeded) else 503 if isinstance(error, UnavailableError) else 422
        return await _form_page(visit, act, shown, revises=revises, error=error, status=status)
    return see(f"/drafts/{draft['id']}")


def _reading(visit: Visit, act: Act[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The message as read, with its deviations, obstacles and what the contract does not enforce."""
    name = forms.READ_FIRST.get(act.name)
    if name is None:
        raise DataError(f"{act.name} has nothing to read", field="step")
    if name not in params:
        raise DataError(f"{act.name} needs {name}", field=name)
    content = forms.content_bytes(params[name], name)
    if name == "ubl":
        return {"invoice": visit.desk.read_invoice_file(content)}
    overrides = [(tag, text) for tag, text in params.get("set", [])]
    lenient = bool(params.get("lenient"))
    advising = params.get("advising")
    try:
        read = visit.desk.read_mt700(content, lenient=lenient, overrides=overrides, advising=advising)
    except SwiftError as error:
        if lenient:
            raise
        try:  # show what lenient reading would make of it; the officer decides
            read = visit.desk.read_mt700(content, lenient=True, overrides=overrides, advising=advising)
        except PrayaError:
            raise error from None
        read["strict_error"] = error.message
    if params.get("on_behalf"):
        read["obstacles"] = [each for each in read["obstacles"] if each["code"] != "SENDER_NOT_OWN"]
    return {"credit": read}


async def _form_page(
    visit: Visit,
    act: Act[Any],
    values: Mapping[str, Any],
    *,
    revises: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    error: PrayaError | None = None,
    status: int = 200,
) -> web.Response:
    subject = await _subject(visit, values)
    errors = _errors_of(act, error)
    banks = [member for member in visit.desk.members() if member["role"] == "BANK" and member["active"]]
    fields = forms.fields_of(act, values=values, banks=banks, subject=subject, errors=errors)
    deviations = error.details.get("deviations", []) if error is not None else []
    return visit.page(
        "act_form.html",
        "acts",
        status=status,
        act=act,
        fields=fields,
        subject=subject,
        revises=revises,
        reading=reading,
        error=error,
        error_fields=errors,
        deviations=deviations,
        read_first=forms.READ_FIRST.get(act.name),
        consequence=words.CONSEQUENCES.get(act.name),
        today=visit.desk.me()["today"],
        record_parts=forms.RECORD_PARTS,
        upload_limits=_UPLOAD_LIMITS,
    )


def _errors_of(act: Act[Any], error: PrayaError | None) -> dict[str, str]:
    """The error beside its field. One that names an MT tag or an article belongs to the message, or to the form."""
    if error is None:
        return {}
    names = {param.name for param in act.params}
    if error.field in names and error.field is not None:
        return {error.field: error.message}
    if isinstance(error, SwiftError):
        return {next((name for name in ("mt700", "mt707") if name in names), ""): error.message}
    return {}


async def _subject(visit: Visit, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The credit or invoice that the form is about, where its address is known already."""
    readers = {
        "credit": (visit.desk.credit,),
        "invoice": (visit.desk.invoice,),
        "subject": (visit.desk.credit, visit.desk.invoice),
    }
    for name, tried in readers.items():
        address = values.get(name)
        if isinstance(address, str) and _ADDRESS.match(address):
            for read in tried:
                try:
                    return await read(address)
                except DataError:
                    continue
    return None


def _act(visit: Visit, name: str) -> Act[Any]:
    act = visit.desk.act(name)
    if act is None:
        raise NotFound(f"there is no act {name[:64]!r}", field="act")
    return act


# ---------------------------------------------------------------------- drafts


async def drafts_list(visit: Visit) -> web.StreamResponse:
    """Drafts, newest first."""
    state = visit.query("state")
    if state and state not in DRAFT_STATES:
        raise NotFound(f"drafts are {', '.join(DRAFT_STATES)}", field="state")
    drafts = visit.desk.drafts(state or None)
    return visit.page("drafts.html", "drafts", drafts=drafts, state=state, states=DRAFT_STATES)


async def draft_page(visit: Visit) -> web.StreamResponse:
    """What will be signed, in words and in full; who may approve it; and where it is on its way to final."""
    draft = _draft(visit)
    pending = draft["state"] == "pending"
    own = draft["maker"] == visit.user.name
    currency = await _currency(visit, draft)
    return visit.page(
        "draft.html",
        "drafts",
        draft=draft,
        calls=[_call_shown(call) for call in draft["calls"]],
        consequence=words.CONSEQUENCES.get(draft["act"]),
        created=next((sent["created"] for sent in draft["sent"] if sent["created"]), None),
        blocks=sorted({sent["block_number"] for sent in draft["sent"] if sent["block_number"] is not None}),
        may_approve=pending and not own and visit.has("checker"),
        may_reject=pending and (own or visit.has("checker")),
        may_revise=pending and own and visit.has("maker"),
        own=own,
        subject_path=_subject_path(draft),
        reason_max=REASON_CHARACTERS_MAX,
        currency=currency,
        changes=_changes(draft, currency),
    )


async def _currency(visit: Visit, draft: Mapping[str, Any]) -> str | None:
    """The currency of the deal whose amounts the draft's notes state in minor units."""
    if not draft["subject"] or not {"legs", "legs_if_disbursed_today", "changes"} & set(draft["notes"]):
        return None
    try:
        read = visit.desk.credit if draft["act"].startswith("lc.") else visit.desk.invoice
        return str((await read(draft["subject"]))["currency"])
    except PrayaError:
        return None


def _changes(draft: Mapping[str, Any], currency: str | None) -> list[tuple[str, str, str]]:
    """An amendment's differences as (term, before, after)."""

    def text(name: str, value: Any) -> str:
        if isinstance(value, int) and currency and name in ("amount", "maximum"):
            return money(value, currency)
        if isinstance(value, list):
            return "\n".join(map(str, value))
        return "" if value is None else str(value)

    return [(name, *(text(name, each) for each in pair)) for name, pair in draft["notes"].get("changes", {}).items()]


def _subject_path(draft: Mapping[str, Any]) -> str | None:
    kind = {"lc": "credits", "invoice": "invoices"}.get(draft["act"].partition(".")[0])
    return f"/{kind}/{draft['subject']}" if draft["subject"] and kind else None


def _call_shown(call: Mapping[str, str]) -> dict[str, Any]:
    """A call with its arguments decoded from the very bytes that will be signed."""
    data = bytes.fromhex(call["data"].removeprefix("0x"))
    try:
        _, arguments = bindings.decode_call(call["contract"], data)
        rows = list(_rows("", arguments))
    except bindings.BindingError:
        rows = []
    return {**call, "words": words.call_words(call["contract"], call["function"]), "size": len(data), "rows": rows}


def _rows(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Nested arguments as (path, text)."""
    if isinstance(value, Mapping):
        items = [(str(name), each) for name, each in value.items()]
    elif isinstance(value, list | tuple):
        items = [(str(index), each) for index, each in enumerate(value)]
    else:
        return [(prefix, _value_text(value))]
    return [row for name, each in items for row in _rows(f"{prefix}.{name}" if prefix else name, each)]


def _value_text(value: Any) -> str:
    if value == APPROVALS_PLACEHOLDER:
        return "the hash of both approvals (filled in when this draft is approved)"
    if isinstance(value, bytes):
        value = value.rstrip(b"\x00").decode() if _is_word(value) else "0x" + value.hex()
    text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}… ({len(text)} characters)"


def _is_word(value: bytes) -> bool:
    """Currencies and places stand in fixed bytes."""
    text = value.rstrip(b"\x00")
    return 0 < len(text) <= 11 and text.isascii() and text.decode().isalnum()


async def approve_draft(visit: Visit) -> web.StreamResponse:
    """Approve exactly the hash that the page showed; the draft's page then follows to final."""
    draft_id = visit.path("draft")
    _draft(visit)
    await visit.desk.approve(draft_id, visit.form.one("hash"), visit.user, wait=False)
    return see(f"/drafts/{draft_id}")


async def reject_draft(visit: Visit) -> web.StreamResponse:
    """Refuse, or withdraw one's own."""
    draft = _draft(visit)
    reason = visit.form.one("reason").strip()
    if not reason and draft["maker"] != visit.user.name:
        raise DataError("a rejection states its reason", field="reason")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise LimitExceeded(f"a reason has at most {REASON_CHARACTERS_MAX} characters", field="reason")
    visit.desk.reject(draft["id"], reason or "withdrawn by its maker", visit.user)
    return see(f"/drafts/{draft['id']}")


def _draft(visit: Visit) -> dict[str, Any]:
    try:
        return visit.desk.draft_status(visit.path("draft"))
    except DataError as error:
        raise NotFound(error.message, field="draft") from None
