"""Acts that officers can draft: their names, their parameters, and the checks that every door shares.

What an act does is its planner's business; a planner works in a ``Workplace`` of its own (trade's office, governance's
council), and the composition root brings the acts of all workplaces to one desk."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Generic, TypeVar

from node.desk.drafts import ActPlan
from node.errors import DataError, LimitExceeded

TEXT_MAX = 128 * 1024
CONTENT_MAX = 2 * 1024 * 1024
"""One message or invoice file; documents have their own limit."""
SHOWN_MAX = 32 * 1024
LIST_MAX = 64
INTEGER_MAX = 2**63 - 1
YEAR_MIN = 1970
"""Days on the chain are counted from here."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}\Z")


@dataclass(frozen=True, slots=True)
class Param:
    """One input of an act.

    Kinds: text, content (a text, or {content_base64} for exact bytes), integer, date (ISO), flag, address (0x, 20
    bytes), hash (0x, 32 bytes), texts, settings (list of [tag, text]), files (list of {name, media_type,
    content_base64 | text}), record (text to text).
    """

    name: str
    kind: str
    required: bool = False
    help: str = ""


class Inputs:
    """An act's validated inputs by name; absent optional ones read as None, False or empty."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        return None if value is None else str(value)

    def need_text(self, name: str) -> str:
        return str(self._values[name])

    def content(self, name: str) -> bytes | None:
        """The bytes of a content parameter."""
        value = self._values.get(name)
        return None if value is None else file_bytes(value)

    def need_content(self, name: str) -> bytes:
        content = self.content(name)
        assert content is not None  # validated as required
        return content

    def integer(self, name: str) -> int | None:
        value = self._values.get(name)
        return None if value is None else int(value)

    def need_integer(self, name: str) -> int:
        return int(self._values[name])

    def day(self, name: str) -> date | None:
        value = self._values.get(name)
        return None if value is None else date.fromisoformat(value)

    def flag(self, name: str) -> bool:
        return bool(self._values.get(name, False))

    def raw(self, name: str) -> bytes:
        """A required address or hash."""
        return bytes.fromhex(self._values[name][2:])

    def items(self, name: str) -> list[Any]:
        return list(self._values.get(name) or [])

    def record(self, name: str) -> dict[str, str] | None:
        value = self._values.get(name)
        return None if value is None else dict(value)

    def to_json(self) -> dict[str, Any]:
        """For the draft; files without their bytes."""
        shown = dict(self._values)
        for name, value in shown.items():
            if isinstance(value, dict) and ("content_base64" in value or "text" in value):
                shown[name] = _shown_content(value)
            if isinstance(value, list) and value and isinstance(value[0], dict):
                shown[name] = [{"name": entry.get("name"), "media_type": entry.get("media_type")} for entry in value]
        return shown


def _shown_content(entry: Mapping[str, Any]) -> Any:
    """A content parameter in a draft: its text where it is short, else name, size and hash."""
    if isinstance(text := entry.get("text"), str) and len(text) <= SHOWN_MAX:
        return text
    content = file_bytes(entry)
    return {"name": entry.get("name"), "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


Workplace = TypeVar("Workplace")
Plan = Callable[[Inputs], Awaitable[ActPlan]]


@dataclass(frozen=True, slots=True)
class Act(Generic[Workplace]):
    """An act: its name (``lc.issue``), what it is for, its parameters, and the planner that makes calls of them."""

    name: str
    help: str
    params: tuple[Param, ...]
    planner: Callable[[Workplace, Inputs], Awaitable[ActPlan]]

    def at(self, workplace: Workplace) -> BoundAct:
        """The act as this bank carries it out."""
        return BoundAct(self, partial(self.planner, workplace))

    def validated(self, given: Mapping[str, Any]) -> Inputs:
        """Inputs of the right types. DataError whose field is the parameter's name."""
        known = {param.name: param for param in self.params}
        for name in given:
            if name not in known:
                raise DataError(f"{self.name} has no parameter {name!r}", field=name)
        values: dict[str, Any] = {}
        for param in self.params:
            value = given.get(param.name)
            if value is None or value == "":
                if param.required:
                    raise DataError(f"{self.name} needs {param.name}", field=param.name)
                continue
            values[param.name] = _CHECKS[param.kind](param.name, value)
        return Inputs(values)

    def to_json(self) -> dict[str, Any]:
        """For doors that build forms and documents of it."""
        return {
            "name": self.name,
            "help": self.help,
            "params": [
                {"name": param.name, "kind": param.kind, "required": param.required, "help": param.help}
                for param in self.params
            ],
        }


@dataclass(frozen=True, slots=True)
class BoundAct:
    """An act with its workplace: what a desk lists and plans."""

    act: Act[Any]
    plan: Plan


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise DataError(f"{name} is a text", field=name)
    if len(value) > TEXT_MAX:
        raise DataError(f"{name} has more than {TEXT_MAX} characters", field=name)
    return value


def _integer(name: str, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= INTEGER_MAX:
        return value
    raise DataError(f"{name} is a whole number from 0 to {INTEGER_MAX}", field=name)


def _date(name: str, value: Any) -> str:
    try:
        day = date.fromisoformat(_text(name, value))
    except ValueError:
        raise DataError(f"{name} is a date YYYY-MM-DD", field=name) from None
    if day.year < YEAR_MIN:
        raise DataError(f"{name} is a date from {YEAR_MIN} on", field=name)
    return day.isoformat()


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise DataError(f"{name} is true or false", field=name)


def _address(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise DataError(f"{name} is an address: 0x and 40 hex digits", field=name)
    return value.lower()


def _hash(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _HASH.match(value):
        raise DataError(f"{name} is a hash: 0x and 64 hex digits", field=name)
    return value.lower()


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise DataError(f"{name} is a list of at most {LIST_MAX}", field=name)
    return value


def _texts(name: str, value: Any) -> list[str]:
    return [_text(name, each) for each in _list(name, value)]


def _settings(name: str, value: Any) -> list[list[str]]:
    entries = _list(name, value)
    if any(not isinstance(entry, list | tuple) or len(entry) != 2 for entry in entries):
        raise DataError(f"{name} is a list of [tag, text]", field=name)
    return [[_text(name, tag), _text(name, text)] for tag, text in entries]


def _files(name: str, value: Any) -> list[dict[str, Any]]:
    entries = _list(name, value)
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise DataError(f"{name} is a list of files with a name", field=name)
    return entries


def _content(name: str, value: Any) -> Any:
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise DataError(f"{name} is a text or a file", field=name)
    try:
        content = file_bytes(value)
    except DataError as error:
        raise DataError(error.message, field=name) from None
    if len(content) > CONTENT_MAX:
        raise LimitExceeded(
            f"{name} has {len(content)} bytes, the limit is {CONTENT_MAX}", field=name, limit=CONTENT_MAX
        )
    return value


def file_bytes(entry: Mapping[str, Any]) -> bytes:
    """The content of an uploaded file: ``content_base64``, or ``text``. DataError where neither stands."""
    if isinstance(text := entry.get("text"), str):
        return text.encode()
    encoded = entry.get("content_base64")
    if not isinstance(encoded, str):
        raise DataError("a document needs content_base64 or text", field="documents")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise DataError("content_base64 is no base64", field="documents") from None


def _record(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or any(not isinstance(k, str) or not isinstance(v, str) for k, v in value.items()):
        raise DataError(f"{name} is a record of texts", field=name)
    return value


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "text": _text,
    "content": _content,
    "integer": _integer,
    "date": _date,
    "flag": _flag,
    "address": _address,
    "hash": _hash,
    "texts": _texts,
    "settings": _settings,
    "files": _files,
    "record": _record,
}
