"""Forms of acts, made from the acts' own parameter tables, and what officers submit read back into parameters."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from node.console.formats import money
from node.console.uploads import Form, Upload
from node.console.words import DISPOSALS, label
from node.desk.acts import Act, Param
from node.errors import DataError
from node.trade.calendar.places import PLACES

RECORD_PARTS: Final = ("lei", "registration", "vat", "name")
READ_FIRST: Final = {"lc.issue": "mt700", "invoice.register": "ubl"}
"""Acts whose file is read and shown before it is drafted, and the parameter that holds it."""

_AREAS: Final = frozenset({"instruction", "proof", "request", "evidence", "reason"})
_BANKS: Final = frozenset({"advising", "beneficiary_bank", "at", "bank", "buyer_bank"})
_SETTING = re.compile(r"([0-9]{2}[A-Z]?)\s*=(.*)\Z", re.DOTALL)
_DAY_COUNTS: Final = (("ACT_360", "ACT/360"), ("ACT_365_FIXED", "ACT/365 fixed"))
_INDEXED: Final = {
    "presentation": "presentations",
    "amendment": "amendments",
    "obligation": "obligations",
    "offer": "offers",
    "corrects": "presentations",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form. ``control``: line, area, number, date, flag, choice, checks, files, content, record."""

    name: str
    label: str
    control: str
    required: bool
    help: str
    value: Any = ""
    options: tuple[tuple[str, str], ...] = ()
    carried: Mapping[str, str] | None = None
    error: str | None = None


def fields_of(
    act: Act[Any],
    *,
    values: Mapping[str, Any],
    banks: Sequence[Mapping[str, Any]],
    subject: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[Field]:
    """The act's inputs with the values typed so far; ``subject`` is the credit or invoice, for choices of its parts."""
    made = [_field(param, values.get(param.name), banks, subject) for param in act.params]
    return [replace(each, error=(errors or {}).get(each.name)) for each in made]


def _field(param: Param, value: Any, banks: Sequence[Mapping[str, Any]], subject: Mapping[str, Any] | None) -> Field:
    made = Field(param.name, label(param.name), "line", param.required, param.help, "" if value is None else value)
    names = tuple((bank["name"], f"{bank['name']} ({bank['bic']})") for bank in banks)
    if param.kind == "flag":
        return replace(made, control="flag", value=bool(value))
    if param.kind == "content" or param.name in ("mt700", "mt707", "ubl"):
        carried = value if isinstance(value, Mapping) else None
        return replace(made, control="content", value="" if carried else made.value, carried=carried)
    if param.kind in ("date", "files"):
        return replace(made, control=param.kind)
    if param.kind == "record":
        return replace(made, control="record", value=value if isinstance(value, Mapping) else {})
    if param.kind == "settings":
        return replace(
            made, control="area", help="one on each line, tag=text, such as 31D=260430HONG KONG; each is recorded"
        )
    if param.kind == "texts" and param.name == "recipients":
        chosen = value if isinstance(value, list) else []
        return replace(made, control="checks", value=chosen, options=names)
    if param.kind == "texts":
        text = "\n".join(value) if isinstance(value, list) else made.value
        return replace(made, control="area", value=text, help=f"{param.help}, one on each line")
    if param.kind == "integer":
        options = _parts(param.name, subject)
        return replace(made, control="choice" if options else "number", value=str(made.value), options=options)
    return _text_field(made, names)


def _text_field(made: Field, banks: tuple[tuple[str, str], ...]) -> Field:
    if made.name in _BANKS:
        return replace(made, control="choice", options=(("", "–"), *banks))
    if made.name == "disposal":
        return replace(made, control="choice", options=(("", "–"), *DISPOSALS.items()))
    if made.name == "day_count":
        return replace(made, control="choice", options=(("", "by currency"), *_DAY_COUNTS))
    if made.name == "place":
        places = tuple((place.code, f"{place.name} ({place.code})") for place in PLACES.values())
        return replace(made, control="choice", options=(("", "by field 31D"), *places))
    return replace(made, control="area") if made.name in _AREAS else made


def _parts(name: str, subject: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """The presentations, amendments, obligations or offers that the subject has."""
    kind = _INDEXED.get(name)
    if subject is None or kind is None:
        return ()
    options = []
    for each in subject.get(kind, ()):
        number = str(each["offer"] if kind == "offers" else each["index"])
        amount = money(each["amount"], subject["currency"]) if "amount" in each else ""
        about = amount or each.get("status") or each.get("state") or ""
        options.append((number, f"{kind[:-1].capitalize()} {number} · {about}"))
    return (("", "–"), *options) if options else ()


def params_of(act: Act[Any], form: Form) -> tuple[dict[str, Any], dict[str, Any], DataError | None]:
    """(parameters for the desk, values to show the form again with, the first wrong input)."""
    params: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    wrong: DataError | None = None
    for param in act.params:
        try:
            value, again = _read(param, form)
        except DataError as error:
            wrong = wrong or DataError(error.message, field=param.name)
            shown[param.name] = form.one(param.name)
            continue
        shown[param.name] = again
        if value not in (None, "", [], {}):
            params[param.name] = value
    return params, shown, wrong


def _read(param: Param, form: Form) -> tuple[Any, Any]:
    text = form.one(param.name)
    if param.kind == "flag":
        return param.name in form.fields, param.name in form.fields
    if param.kind == "files":
        return [_file(upload) for upload in form.uploads(param.name)], None
    if param.kind == "content" or param.name in ("mt700", "mt707", "ubl"):
        return _content(param, form)
    if param.kind == "record":
        record = {part: value for part in RECORD_PARTS if (value := form.one(f"{param.name}.{part}").strip())}
        return record, record
    if param.kind == "settings":
        return settings_of(text, param.name), text
    if param.kind == "texts":
        given = [line.strip() for value in form.all(param.name) for line in value.splitlines() if line.strip()]
        return given, given
    return text.strip(), text


def _content(param: Param, form: Form) -> tuple[Any, Any]:
    """A message or invoice: a new file first, then the text, then the file that an earlier page has read."""
    uploads, text = form.uploads(param.name), form.one(param.name)
    carried = form.one(f"{param.name}.carried")
    if uploads:
        upload = uploads[0]
        content = {"name": upload.name, "content_base64": base64.b64encode(upload.body).decode()}
    elif text.strip():
        return text, text
    elif carried:
        content = {"name": form.one(f"{param.name}.name")[:200] or "file", "content_base64": carried}
    else:
        return None, ""
    body = content_bytes(content, param.name)
    shown = {**content, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    return (content if param.kind == "content" else _decoded(body, param.name)), shown


def content_bytes(value: Any, name: str) -> bytes:
    """The bytes of a content value. DataError where a carried file was garbled."""
    if isinstance(value, str):
        return value.encode()
    try:
        return base64.b64decode(value["content_base64"], validate=True)
    except ValueError:
        raise DataError(f"{name} cannot be read", field=name) from None


def _decoded(body: bytes, name: str) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{name} is no UTF-8 text", field=name) from None


def _file(upload: Upload) -> dict[str, str]:
    return {
        "name": upload.name,
        "media_type": upload.media_type,
        "content_base64": base64.b64encode(upload.body).decode(),
    }


def settings_of(text: str, name: str = "set") -> list[list[str]]:
    """``31D=260430HONG KONG`` on each line; a line that names no tag goes on with the one before."""
    settings: list[list[str]] = []
    for line in text.splitlines():
        found = _SETTING.match(line)
        if found:
            settings.append([found.group(1), found.group(2).strip()])
        elif line.strip():
            if not settings:
                raise DataError(f"{name}: a line is TAG=text, such as 31D=260430HONG KONG", field=name)
            settings[-1][1] += "\n" + line.rstrip()
    return settings
