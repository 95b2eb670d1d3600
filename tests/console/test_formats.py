"""Amounts, times and deadlines as officers read them; uploads by their bytes; settings by lines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from node.console.formats import examination_clock, group, moment, money, plain_clock
from node.console.forms import settings_of
from node.console.uploads import kind_of, safe_name
from node.errors import DataError

CLOSE = int(datetime(2026, 11, 25, 9, tzinfo=UTC).timestamp())


def _at(day: int, hour: int = 3) -> int:
    return int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("now", "text", "level"),
    [
        (_at(18), "Day 0 of 5 · due Wed 25 Nov 17:00 HKT", "calm"),
        (_at(19), "Day 1 of 5 · due Wed 25 Nov 17:00 HKT", "calm"),
        (_at(21), "Day 2 of 5 · due Wed 25 Nov 17:00 HKT", "calm"),  # a Saturday
        (_at(23), "Day 3 of 5 · due Wed 25 Nov 17:00 HKT", "soon"),
        (_at(24, 17), "Day 5 of 5 · due Wed 25 Nov 17:00 HKT", "urgent"),  # already the 25th in Hong Kong
        (CLOSE, "Day 5 of 5 · due Wed 25 Nov 17:00 HKT", "urgent"),
        (CLOSE + 1, "Deadline passed · was Wed 25 Nov 17:00 HKT", "over"),
    ],
)
def test_the_day_of_the_five(now: int, text: str, level: str) -> None:
    """Banking days of the examining bank's own place are counted back from the stored deadline (UCP 600 14 b)."""
    clock = examination_clock("2026-11-18", CLOSE, place="HKHKG", now=now, provisional=False)
    assert (clock.text, clock.level) == (text, level)


def test_times_name_their_zone() -> None:
    """The bank's place first, then UTC; another UTC day is said; places without letters show the offset."""
    assert moment(CLOSE, "HKHKG") == "Wed 25 Nov 2026 17:00 HKT (09:00 UTC)"
    assert moment(_at(24, 17), "HKHKG") == "Wed 25 Nov 2026 01:00 HKT (24 Nov 17:00 UTC)"
    assert moment(CLOSE, "SGSIN") == "Wed 25 Nov 2026 17:00 UTC+8 (09:00 UTC)"
    assert moment(CLOSE, "NOWHERE") == "Wed 25 Nov 2026 09:00 UTC"
    later = plain_clock(CLOSE, place="HKHKG", now=_at(20))
    assert later is not None
    assert later.text == "5 days left · due Wed 25 Nov 17:00 HKT"


def test_amounts_carry_code_and_grouping() -> None:
    """Minor units and decimal texts alike, by the currency's own exponent, never a float."""
    assert money(123456789012345678, "USD") == "USD 1,234,567,890,123,456.78"
    assert money("1000", "JPY") == "JPY 1,000"
    assert money(1234567, "BHD") == "BHD 1,234.567"
    assert money(-500000, "USD") == "USD -5,000.00"
    assert group("1234567.50") == "1,234,567.50"


def test_files_are_known_by_their_bytes() -> None:
    """The name and the sender's word for the kind count for nothing; names lose folders and control characters."""
    assert kind_of(b"%PDF-1.7") == "application/pdf"
    assert kind_of(b"<?xml version='1.0'?>") == "application/xml"
    assert kind_of("信用證".encode()) == "text/plain"
    for body in (b"", b"MZ\x90\x00", b"\x7fELF\x00", b"\xff\xfe\xfa"):
        with pytest.raises(DataError):
            kind_of(body)
    assert safe_name("C:\\temp\\..\\a<b>.pdf") == "a_b_.pdf"
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("發票 1.pdf") == "發票 1.pdf"
    assert safe_name("..\r\nSet-Cookie: x") == "_Set-Cookie_ x"
    assert safe_name("///") == "file"


def test_restated_fields_by_line() -> None:
    """TAG=text; a line without a tag goes on with the field before."""
    assert settings_of("48=10\n46A=+INVOICE\n+PACKING LIST\n\n31D=260430HONG KONG") == [
        ["48", "10"],
        ["46A", "+INVOICE\n+PACKING LIST"],
        ["31D", "260430HONG KONG"],
    ]
    with pytest.raises(DataError):
        settings_of("no tag")
