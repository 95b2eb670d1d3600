"""The MT734 that a refusal renders: strict whatever the officers wrote."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import DataError
from node.trade.refusal import discrepancy_lines, refusal_text, swift_text
from node.trade.swift import SwiftError, parse_mt


def _render(discrepancies: list[str], **changes: str) -> str:
    given_fields = {"reference": "IMP-2026-0017", "their_reference": "NONREF"} | changes
    return refusal_text(
        "LOTUHKH0",
        "NANSCNS0XXX",
        day=date(2026, 4, 8),
        currency="JPY",
        amount=1_000_000,
        discrepancies=discrepancies,
        disposal="NOTIFY",
        **given_fields,
    )


def test_a_refusal_as_it_is_sent() -> None:
    """Numbered discrepancies in lines of fifty, the amount with its comma, the disposal's code word."""
    text = _render(["Invoice not signed", "Bill of lading shows transhipment, which the credit prohibits (field 43T)"])
    message = parse_mt(text).message
    assert (message.sender, message.receiver) == ("LOTUHKH0", "NANSCNS0")
    assert message.component("32A", "amount") == "1000000,"
    assert message.component("77J", "text") == (
        "1. INVOICE NOT SIGNED\n2. BILL OF LADING SHOWS TRANSHIPMENT, WHICH THE\nCREDIT PROHIBITS (FIELD 43T)"
    )
    assert message.component("77B", "text") == "NOTIFY"


def test_what_does_not_fit_is_refused_by_its_field() -> None:
    """More than seventy lines, and a reference that no field 20 may hold."""
    with pytest.raises(DataError) as long:
        discrepancy_lines(["x" * 49] * 71)
    assert long.value.field == "77J"
    with pytest.raises(SwiftError, match="T26"):
        _render(["LATE"], reference="/BAD/")


def test_foreign_letters_keep_their_base() -> None:
    """Accents go, what has no counterpart becomes a question mark."""
    assert swift_text("Zürich  naïve 香 [x]") == "ZURICH NAIVE ? ?X?"


@settings(max_examples=120, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=8))
def test_any_text_renders_strictly(discrepancies: list[str]) -> None:
    """Whatever is typed, the message that leaves passes the strict reader (the renderer reads its own text)."""
    assert parse_mt(_render(discrepancies)).deviations == ()
