"""Loads a standards release (``tables/sr2025.json``) into definitions of messages, fields and network rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from node.errors import DataError
from node.trade.swift.formats import FieldFormat, compile_format

DEFAULT_RELEASE = "sr2025"
RELEASES = ("sr2025",)


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """One field of a message: ``base`` is the tag without the letter option where there are several options."""

    base: str
    mandatory: bool
    formats: Mapping[str, FieldFormat]
    codes: Mapping[str, frozenset[str]]
    line_codes: frozenset[str]
    leading_codes: frozenset[str]
    position: int

    @property
    def label(self) -> str:
        """How the standard writes the tag: ``41a`` where a letter option must be chosen."""
        return self.base if "" in self.formats else f"{self.base}a"


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """A network-validated rule: its kind, what it binds, the error code, and the rule's name in the standard."""

    kind: str
    code: str
    rule: str
    tags: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    needs: str
    component: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class MessageDefinition:
    """A message type: its fields by full tag (``41A``) in the order of the standard, and its rules."""

    type: str
    name: str
    release: str
    fields: tuple[FieldDefinition, ...]
    by_tag: Mapping[str, tuple[FieldDefinition, str]]
    rules: tuple[NetworkRule, ...]


@lru_cache(maxsize=8)
def load_release(release: str = DEFAULT_RELEASE) -> Mapping[str, MessageDefinition]:
    """Every message of a release, by type. DataError for a release that this build does not carry."""
    if release not in RELEASES:
        raise DataError(f"standards release {release!r} is not known; known: {', '.join(RELEASES)}", field="release")
    text = (resources.files("node.trade.swift.tables") / f"{release}.json").read_text(encoding="utf-8")
    document = json.loads(text)
    options: Mapping[str, Any] = document["options"]
    return {
        number: _message(number, body, options, document["release"]) for number, body in document["messages"].items()
    }


def definition_of(message_type: str, release: str = DEFAULT_RELEASE) -> MessageDefinition:
    """The definition of ``"700"``; DataError names the types that this release carries."""
    messages = load_release(release)
    if message_type not in messages:
        raise DataError(f"MT{message_type} is not supported; supported: {', '.join(sorted(messages))}", field="type")
    return messages[message_type]


def _message(number: str, body: Mapping[str, Any], options: Mapping[str, Any], release: str) -> MessageDefinition:
    fields = tuple(_field(position, entry, options) for position, entry in enumerate(body["fields"]))
    by_tag = {
        f"{definition.base}{letter}": (definition, letter) for definition in fields for letter in definition.formats
    }
    rules = tuple(_rule(entry) for entry in body["rules"])
    return MessageDefinition(number, body["name"], release, fields, by_tag, rules)


def _field(position: int, entry: Mapping[str, Any], options: Mapping[str, Any]) -> FieldDefinition:
    formats: dict[str, FieldFormat] = {}
    for letter, reference in entry["formats"].items():
        spec = options[reference] if isinstance(reference, str) else reference
        formats[letter] = compile_format(spec["format"], tuple(spec["components"]))
    return FieldDefinition(
        base=entry["tag"],
        mandatory=entry["status"] == "M",
        formats=formats,
        codes={name: frozenset(values) for name, values in entry.get("codes", {}).items()},
        line_codes=frozenset(entry.get("line_codes", ())),
        leading_codes=frozenset(entry.get("leading_codes", ())),
        position=position,
    )


def _rule(entry: Mapping[str, Any]) -> NetworkRule:
    tags = entry.get("tags") or ([entry["tag"]] if "tag" in entry else [])
    return NetworkRule(
        kind=entry["kind"],
        code=entry["code"],
        rule=entry["rule"],
        tags=tuple(tags),
        groups=tuple(tuple(group) for group in entry.get("groups", ())),
        needs=entry.get("needs", ""),
        component=entry.get("component", ""),
        values=frozenset(entry.get("values", ())),
    )
