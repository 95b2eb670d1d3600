"""The MT734 of a refusal: what a presenter off the network is sent (UCP 600 article 16 c, d)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date

from node.errors import DataError
from node.trade.currency import format_amount
from node.trade.swift.codec import parse_mt, write_mt
from node.trade.swift.model import ApplicationHeader, BasicHeader, Field, MtMessage

LINES_MAX = 70
LINE_CHARACTERS = 50
_OUTSIDE_Z = re.compile(r"[^A-Za-z0-9/\-?:().,'+ =!\"%&*<>;{@#_]")


def refusal_text(
    sender: str,
    receiver: str,
    *,
    reference: str,
    their_reference: str,
    day: date,
    currency: str,
    amount: int,
    discrepancies: Sequence[str],
    disposal: str,
) -> str:
    """A whole MT734, ready for the gateway (session and sequence are the gateway's to set).

    Each discrepancy is numbered and wrapped to field 77J. Errors: DataError where they do not fit its 70 lines, or a
    reference is not one of field 20 or 21 (SwiftError names it).
    """
    fields = (
        Field("20", {"reference": reference[:16]}),
        Field("21", {"reference": their_reference[:16]}),
        Field(
            "32A",
            {
                "date": day.strftime("%y%m%d"),
                "currency": currency,
                "amount": format_amount(amount, currency, separator=","),
            },
        ),
        Field("77J", {"text": discrepancy_lines(discrepancies)}),
        Field("77B", {"text": disposal}),
    )
    message = MtMessage(
        type="734",
        fields=fields,
        basic=BasicHeader("F", "01", _terminal(sender, "A"), "0000", "000000"),
        application=ApplicationHeader("I", "734", _terminal(receiver, "X"), "", "N"),
    )
    text = write_mt(message)
    parse_mt(text)  # what we send is strict, or we do not send it
    return text


def discrepancy_lines(discrepancies: Sequence[str]) -> str:
    """Numbered, in the z character set, at most 70 lines of 50; DataError beyond."""
    lines: list[str] = []
    for number, text in enumerate(discrepancies, 1):
        lines += _wrapped(f"{number}. {swift_text(text)}")
    if len(lines) > LINES_MAX:
        raise DataError(
            f"the discrepancies need {len(lines)} lines, field 77J has {LINES_MAX}", field="77J", rule="70*50z"
        )
    return "\n".join(lines)


def swift_text(text: str) -> str:
    """Any text in the z character set: accents dropped, what has no counterpart becomes a question mark."""
    plain = unicodedata.normalize("NFKD", " ".join(text.split()))
    ascii_text = "".join(each for each in plain if not unicodedata.combining(each))
    return _OUTSIDE_Z.sub("?", ascii_text).upper()


def _wrapped(text: str) -> list[str]:
    lines: list[str] = [""]
    for word in text.split(" "):
        while len(word) > LINE_CHARACTERS:
            lines.append(word[:LINE_CHARACTERS])
            word = word[LINE_CHARACTERS:]
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= LINE_CHARACTERS:
            lines[-1] = joined
        else:
            lines.append(word)
    # a line of a message never begins with a colon or a hyphen
    return [line if not line.startswith((":", "-")) else f"({line[1:]}" for line in lines if line]


def _terminal(bic: str, letter: str) -> str:
    """The logical terminal of a BIC: BIC8, terminal letter, branch."""
    return bic[:8] + letter + (bic[8:11] or "XXX")
