"""Fields of a message that an officer restates (``--set 31D=...``): checked like fields, and each recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from node.errors import DataError
from node.trade.swift.codec import make_field
from node.trade.swift.model import Deviation, Field, MtMessage, SwiftError
from node.trade.swift.standard import definition_of

OVERRIDES_MAX = 40


@dataclass(frozen=True, slots=True)
class Override:
    """A field that the officer restated: what the message said (None: nothing) and what counts instead."""

    tag: str
    before: str | None
    after: str | None


def apply_overrides(message: MtMessage, changes: Sequence[tuple[str, str]]) -> tuple[MtMessage, tuple[Override, ...]]:
    """Restate fields (``("31D", "301231HONG KONG")``; an empty text removes the field).

    The new text is checked as strictly as in a message, but field 40E may also name an edition ("UCP 600").
    Errors: SwiftError for an unknown tag or a wrong text; DataError for more than OVERRIDES_MAX.
    """
    if len(changes) > OVERRIDES_MAX:
        raise DataError(f"at most {OVERRIDES_MAX} fields can be restated", field="set")
    definition = definition_of(message.type)
    recorded: list[Override] = []
    fields = list(message.fields)
    for tag, text in changes:
        if tag not in definition.by_tag:
            raise SwiftError([Deviation("T13", tag, f"MT{message.type}", f"MT{message.type} has no field {tag}")])
        field_definition = definition.by_tag[tag][0]
        same = {f"{field_definition.base}{letter}" for letter in field_definition.formats}
        before = next((each for each in fields if each.tag in same), None)
        fields = [each for each in fields if each.tag not in same]
        if text:
            fields.append(_restated(message.type, tag, text))
        recorded.append(Override(tag, None if before is None else field_text(before), text or None))
    known = definition.by_tag
    fields.sort(key=lambda each: known[each.tag][0].position if each.tag in known else len(definition.fields))
    return replace(message, fields=tuple(fields)), tuple(recorded)


def _restated(message_type: str, tag: str, text: str) -> Field:
    field, deviations = make_field(message_type, tag, text, lenient=True)
    wrong = [each for each in deviations if not (tag == "40E" and each.code == "E_CODE")]
    if wrong:
        raise SwiftError(wrong)
    return field


def field_text(field: Field) -> str:
    """The field's parts as one readable text (lists and records; messages are written by the codec)."""
    return "\n".join(part for part in field.components.values() if part)
