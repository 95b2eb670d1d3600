"""Checks beyond the format: dates, amounts, currencies, references, code words, order, presence, network rules."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from node.errors import DataError
from node.trade.currency import EXPONENTS, to_minor_units
from node.trade.swift.model import Deviation, Field, MtMessage
from node.trade.swift.standard import FieldDefinition, MessageDefinition, NetworkRule

_CENTURY_PIVOT = 80


def parse_mt_date(text: str) -> date:
    """YYMMDD -> date; 80-99 are of the 1900s (SWIFT's window). DataError with rule T50 otherwise."""
    try:
        year = int(text[:2])
        return date(year + (1900 if year >= _CENTURY_PIVOT else 2000), int(text[2:4]), int(text[4:6]))
    except ValueError:
        raise DataError(f"{text!r} is not a date YYMMDD", field="date", rule="T50") from None


def check_field(field: Field, definition: FieldDefinition) -> Iterator[Deviation]:
    """Everything that one field can break on its own."""
    if not field.fits:
        return
    yield from _check_money(field)
    if (text := field.get("date")) is not None:
        try:
            parse_mt_date(text)
        except DataError:
            yield Deviation("T50", field.tag, "date YYMMDD", f"{text!r} is no date")
    if (reference := field.get("reference")) is not None and (
        reference.startswith("/") or reference.endswith("/") or "//" in reference
    ):
        yield Deviation("T26", field.tag, "no / at either end, no //", f"{reference!r}")
    for name, allowed in definition.codes.items():
        value = field.get(name)
        if value is not None and value not in allowed:
            yield Deviation("E_CODE", field.tag, "one of " + ", ".join(sorted(allowed)), f"{value!r}")
    yield from _check_text(field, definition)


def _check_money(field: Field) -> Iterator[Deviation]:
    currency, amount = field.get("currency"), field.get("amount")
    if currency is None or amount is None:
        return
    if currency not in EXPONENTS:
        yield Deviation("T52", field.tag, "ISO 4217 currency", f"{currency!r}")
        return
    decimals = len(amount.partition(",")[2])
    if decimals > EXPONENTS[currency]:
        yield Deviation(
            "C03", field.tag, f"{currency} has {EXPONENTS[currency]} decimals", f"{amount!r} has {decimals}"
        )
        return
    try:
        to_minor_units(amount, currency)
    except DataError as error:
        yield Deviation("T43", field.tag, "amount", error.message)


def _check_text(field: Field, definition: FieldDefinition) -> Iterator[Deviation]:
    text = field.get("text") or field.get("narrative") or ""
    lines = text.split("\n")
    if any(line.startswith((":", "-")) for line in lines[1:]):
        yield Deviation("T31", field.tag, "no line begins with : or -", "a line of the text begins with : or -")
    if definition.line_codes and _code_word(lines[0]) not in definition.line_codes:
        expected = ", ".join(f"/{code}/" for code in sorted(definition.line_codes))
        yield Deviation("E_LINE_CODE", field.tag, f"begins with one of {expected}", f"{lines[0][:20]!r}")
    if definition.leading_codes and not any(
        lines[0] == code or lines[0].startswith((f"/{code}/", f"{code} ", f"{code}/"))
        for code in definition.leading_codes
    ):
        expected = ", ".join(sorted(definition.leading_codes))
        yield Deviation("E_CODE", field.tag, f"begins with one of {expected}", f"{lines[0][:20]!r}")


def _code_word(line: str) -> str:
    parts = line.split("/")
    return parts[1] if len(parts) >= 3 and parts[0] == "" else ""


def check_message(message: MtMessage, definition: MessageDefinition) -> Iterator[Deviation]:
    """Presence, order, repetition and the network rules of the message."""
    positions: list[int] = []
    seen: set[str] = set()
    for field in message.fields:
        known = definition.by_tag.get(field.tag)
        if known is None:
            continue
        base = known[0].base
        if base in seen:
            yield Deviation("E_REPEATED", field.tag, f"MT{definition.type}: once", f"field {field.tag} stands twice")
        elif positions and known[0].position < max(positions):
            yield Deviation(
                "E_ORDER",
                field.tag,
                f"MT{definition.type}: order of fields",
                f"field {field.tag} is out of order",
            )
        seen.add(base)
        positions.append(known[0].position)
    for field_definition in definition.fields:
        if field_definition.mandatory and field_definition.base not in seen:
            label = field_definition.label
            yield Deviation("T13", label, f"MT{definition.type}: mandatory", f"mandatory field {label} is missing")
    for rule in definition.rules:
        deviation = _RULES[rule.kind](rule, message)
        if deviation is not None:
            yield deviation


def _present(message: MtMessage, tags: tuple[str, ...]) -> list[str]:
    return [tag for tag in tags if message.find(tag) is not None]


def _together(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    present = _present(message, rule.tags)
    if len(present) in (0, len(rule.tags)):
        return None
    missing = next(tag for tag in rule.tags if tag not in present)
    return Deviation(rule.code, present[0], rule.rule, f"{present[0]} without {missing}")


def _one_of_groups(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    present = [group for group in rule.groups if _present(message, group)]
    if len(present) < 2:
        return None
    tags = ", ".join(tag for group in present for tag in _present(message, group))
    return Deviation(rule.code, present[1][0], rule.rule, f"only one of these may stand: {tags}")


def _not_both(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    present = _present(message, rule.tags)
    if len(present) < 2:
        return None
    return Deviation(rule.code, present[1], rule.rule, " and ".join(present) + " exclude each other")


def _exactly_one(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    present = _present(message, rule.tags)
    if len(present) == 1:
        return None
    names = " or ".join(rule.tags)
    return Deviation(rule.code, rule.tags[0], rule.rule, f"exactly one of {names} must stand")


def _implies(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    tag = rule.tags[0]
    if message.find(tag) is None or message.find(rule.needs) is not None:
        return None
    return Deviation(rule.code, rule.needs, rule.rule, f"{tag} needs {rule.needs}")


def _requires_when(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    value = message.component(rule.tags[0], rule.component)
    if value not in rule.values or message.find(rule.needs) is not None:
        return None
    return Deviation(rule.code, rule.needs, rule.rule, f"{rule.tags[0]} {value} needs {rule.needs}")


def _same_currency(rule: NetworkRule, message: MtMessage) -> Deviation | None:
    currencies = {message.component(tag, "currency") for tag in rule.tags} - {None}
    if len(currencies) <= 1:
        return None
    return Deviation(rule.code, rule.tags[-1], rule.rule, "the currencies of " + " and ".join(rule.tags) + " differ")


_RULES = {
    "together": _together,
    "one_of_groups": _one_of_groups,
    "not_both": _not_both,
    "exactly_one": _exactly_one,
    "implies": _implies,
    "requires_when": _requires_when,
    "same_currency": _same_currency,
}
