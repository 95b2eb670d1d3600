"""Strict reading of JSON documents that a chain stands on: no unknown field, no missing one, no duplicate."""

from __future__ import annotations

import re
from typing import Any

from node.client.json_text import parse_json as parse_json_bytes
from node.errors import ConfigError

_REQUIRED = object()
_HEX_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]*)\Z")
_HEX_DATA = re.compile(r"0x([0-9a-fA-F]{2})*\Z")
_DECIMAL = re.compile(r"(0|[1-9][0-9]*)\Z")
QUANTITY_TEXT_MAX = 80
"""Characters of the longest quantity that is read: 2**256 - 1 has 78 decimal digits."""


def parse_json(text: str) -> Any:
    """Parse JSON; ConfigError for malformed text, duplicate keys, NaN and infinities."""
    try:
        return parse_json_bytes(text.encode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"malformed JSON: {error}", field="genesis") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise ConfigError(f"the key {key!r} stands twice", field=key)
        document[key] = value
    return document


class Fields:
    """An object whose fields are taken one by one; what is left at the end is unknown."""

    def __init__(self, document: Any, name: str) -> None:
        if not isinstance(document, dict):
            raise ConfigError(f"{name or 'the document'} is an object", field=name or None)
        self._left = dict(document)
        self._name = name

    def path(self, name: str) -> str:
        """The full name of a field, for errors."""
        return f"{self._name}.{name}" if self._name else name

    def take(self, name: str, default: Any = _REQUIRED) -> Any:
        """The value of a field; ConfigError where it is missing and has no default."""
        value = self._left.pop(name, default)
        if value is _REQUIRED:
            raise ConfigError(f"{self.path(name)} is missing", field=self.path(name))
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A JSON integer within bounds."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{self.path(name)} is an integer, found {value!r}", field=self.path(name))
        if not low <= value <= high:
            raise ConfigError(f"{self.path(name)} is {value}, allowed are {low} to {high}", field=self.path(name))
        return value

    def boolean(self, name: str) -> bool:
        """A JSON true or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.path(name)} is true or false, found {value!r}", field=self.path(name))
        return value

    def done(self) -> None:
        """ConfigError where a field was not taken."""
        if self._left:
            name = self.path(sorted(self._left)[0])
            raise ConfigError(f"{name} is no field of this document", field=name)


def quantity(value: Any, name: str) -> int:
    """An integer written as a JSON integer, a hex quantity ("0x1f") or decimal text."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and len(value) <= QUANTITY_TEXT_MAX:
        if _HEX_QUANTITY.match(value):
            return int(value, 16)
        if _DECIMAL.match(value):
            return int(value)
    raise ConfigError(f"{name} is a non-negative integer or a 0x-quantity without leading zeros", field=name)


def data(value: Any, name: str, length: int | None = None) -> bytes:
    """Bytes written as 0x-hex, of ``length`` bytes where that is given."""
    if isinstance(value, str) and _HEX_DATA.match(value):
        content = bytes.fromhex(value[2:])
        if length is None or len(content) == length:
            return content
    size = "0x-prefixed hex" if length is None else f"0x-prefixed hex of {length} bytes"
    raise ConfigError(f"{name} is {size}", field=name)
