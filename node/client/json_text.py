"""Parsing JSON from strangers: a bound on nesting before any parser recurses.

The interpreter's recursion limit does not protect here: a library of the execution layer raises it to 100,000 frames,
and the standard parser, written in C, then overruns its stack and ends the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

NESTING_MAX = 64
"""Levels of arrays and objects. Ethereum's requests, a genesis and a batch with access lists need fewer than 10."""
BRACKETS_MAX = 1_000_000
"""Opening brackets in one text: a genesis of a thousand accounts has a few thousand."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class NestingError(ValueError):
    """The text nests deeper, or holds more brackets, than is read."""


def check_nesting(text: bytes, maximum: int = NESTING_MAX) -> None:
    """NestingError where arrays and objects nest deeper than ``maximum``. Linear in the text's length."""
    openings = text.count(b"[") + text.count(b"{")
    if openings <= maximum:
        return
    if openings > BRACKETS_MAX:
        raise NestingError(f"the text has {openings} arrays and objects, the limit is {BRACKETS_MAX}")
    # Only what structures the text stays: escapes out, all but quotes and brackets out, then every other piece
    # between quotes, which is the inside of a string.
    unescaped = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    pieces = unescaped.translate(_ONE_KIND, _NOT_STRUCTURE).split(b'"')
    brackets = b"".join(pieces[::2])
    for _ in range(maximum):
        brackets = brackets.replace(b"[]", b"")  # one level, everywhere
    if brackets.count(b"[") > maximum or (brackets and brackets.count(b"[") == brackets.count(b"]")):
        raise NestingError(f"arrays and objects nest deeper than {maximum}")


def parse_json(text: bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value in UTF-8 JSON ``text``; ValueError for malformed or too deeply nested text, NaN and infinities."""
    check_nesting(text)
    return json.loads(text.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=object_pairs_hook)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
