"""Field formats of the MT standards as data: ``4*35x``, ``3!a15d``, ``[/34x]``, compiled into a reader and a writer.

Notation (SWIFT User Handbook, Standards MT General Information): ``n`` digits, ``a`` capitals, ``c`` capitals and
digits, ``x`` and ``z`` the two text character sets, ``d`` an amount with its comma; ``3!`` exactly three, ``16`` at
most sixteen, ``4*35`` at most four lines of thirty-five; ``[...]`` optional; ``$`` a line end. Our one addition is
``<BIC>`` for 4!a2!a2!c[3!c], so that a bank's code is one component.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

CHARSETS: Mapping[str, str] = {
    "n": "0-9",
    "a": "A-Z",
    "c": "A-Z0-9",
    "h": "A-F0-9",
    "x": r"A-Za-z0-9/\-?:().,'+ ",
    "z": r"A-Za-z0-9/\-?:().,'+ =!\"%&*<>;{@#_",
}
"""Characters of each set, as the inside of a regular expression's class; a line end never belongs to them."""

BIC_PATTERN = r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?"
_TOKEN = re.compile(
    r"(?P<bic><BIC>)|(?P<spec>(?P<count>\d+)(?:\*(?P<length>\d+))?(?P<fixed>!)?(?P<set>[nachxzd]))|(?P<char>.)"
)

Components = dict[str, str | None]
"""Component name -> text; None where an optional one is absent; lines are joined by a line feed."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that stand in the field as they are (``/``, or a line end)."""

    text: str


@dataclass(frozen=True, slots=True)
class Component:
    """A named part of the field with the regular expression that it must match."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Optional:
    """Parts that may be absent together."""

    items: tuple[Item, ...]


Item = Literal | Component | Optional


@dataclass(frozen=True, slots=True)
class FieldFormat:
    """One compiled format: ``read`` splits a value into its components, ``write`` joins them again."""

    text: str
    items: tuple[Item, ...]
    regex: re.Pattern[str]

    def read(self, value: str) -> Components | None:
        """The components of ``value`` (lines parted by a line feed), or None where it does not fit."""
        match = self.regex.fullmatch(value)
        return None if match is None else dict(match.groupdict())

    def write(self, components: Mapping[str, str | None]) -> str:
        """The field's text from its components alone."""
        return _write(self.items, components)


@lru_cache(maxsize=512)
def compile_format(text: str, names: tuple[str, ...]) -> FieldFormat:
    """Compile ``text``; ``names`` gives each component its name in order. A wrong table is a ValueError at load."""
    items, used = _parse_items(text, names)
    if used != len(names):
        raise ValueError(f"format {text!r} has {used} components, the table names {len(names)}")
    return FieldFormat(text, items, re.compile(_pattern(items)))


def _parse_items(text: str, names: Sequence[str]) -> tuple[tuple[Item, ...], int]:
    stack: list[list[Item]] = [[]]
    used = 0
    for match in _TOKEN.finditer(text):
        char = match.group("char")
        if char == "[":
            stack.append([])
        elif char == "]":
            inner = stack.pop()
            stack[-1].append(Optional(tuple(inner)))
        elif char == "$":
            stack[-1].append(Literal("\n"))
        elif char is not None:
            stack[-1].append(Literal(char))
        else:
            if used >= len(names):
                raise ValueError(f"format {text!r} has more components than names")
            stack[-1].append(Component(names[used], _component_pattern(match)))
            used += 1
    if len(stack) != 1:
        raise ValueError(f"format {text!r} has unbalanced brackets")
    return tuple(stack[0]), used


def _component_pattern(match: re.Match[str]) -> str:
    if match.group("bic"):
        return BIC_PATTERN
    count, letter = int(match.group("count")), match.group("set")
    if letter == "d":  # at least one digit, the comma, then decimals; the comma counts in the length
        return rf"(?=[0-9,]{{2,{count}}}(?![0-9,]))[0-9]+,[0-9]*"
    characters = f"[{CHARSETS[letter]}]"
    if match.group("length"):
        line = f"{characters}{{1,{match.group('length')}}}"
        return f"{line}(?:\n{line}){{0,{count - 1}}}"
    if match.group("fixed"):
        return f"{characters}{{{count}}}"
    return f"{characters}{{1,{count}}}?"  # shortest first, so that a following optional part gets its share


def _pattern(items: Sequence[Item]) -> str:
    parts: list[str] = []
    for item in items:
        if isinstance(item, Literal):
            parts.append(re.escape(item.text))
        elif isinstance(item, Component):
            parts.append(f"(?P<{item.name}>{item.pattern})")
        else:
            parts.append(f"(?:{_pattern(item.items)})?")
    return "".join(parts)


def _write(items: Sequence[Item], components: Mapping[str, str | None]) -> str:
    parts: list[str] = []
    for item in items:
        if isinstance(item, Literal):
            parts.append(item.text)
        elif isinstance(item, Component):
            parts.append(components.get(item.name) or "")
        elif _any_present(item.items, components):
            parts.append(_write(item.items, components))
    return "".join(parts)


def _any_present(items: Sequence[Item], components: Mapping[str, str | None]) -> bool:
    return any(
        components.get(item.name) is not None if isinstance(item, Component) else _any_present(item.items, components)
        for item in items
        if not isinstance(item, Literal)
    )
