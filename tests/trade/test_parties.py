"""Banks as officers write them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from node.desk.parties import find_bank
from node.errors import DataError


@dataclass(frozen=True)
class _Bank:
    name: str
    bic: str
    id: bytes
    business_address: bytes
    encryption_key: bytes = b""


BANKS = [
    _Bank("Lion City Merchant Bank (fictitious)", "LCMBSGS0", b"\x01" * 32, b"\x01" * 20),
    _Bank("Lion Rock Bank (fictitious)", "LRBKHKH0", b"\x02" * 32, b"\x02" * 20),
    _Bank("Lion City", "LCXXSGS0", b"\x03" * 32, b"\x03" * 20),
]


@pytest.mark.parametrize(
    ("written", "bic"),
    [
        ("LCMBSGS0", "LCMBSGS0"),
        ("lcmbsgs0xxx", "LCMBSGS0"),
        ("lion city merchant bank (fictitious)", "LCMBSGS0"),
        ("lioncitymerchant", "LCMBSGS0"),
        ("Lion Rock", "LRBKHKH0"),
        ("Lion City", "LCXXSGS0"),  # a whole name comes before the beginning of another
        ("0x" + "02" * 20, "LRBKHKH0"),
    ],
)
def test_a_bank_is_found_by_bic_name_beginning_or_address(written: str, bic: str) -> None:
    """Whatever an officer types that can mean one member only."""
    assert find_bank(BANKS, written).bic == bic


@pytest.mark.parametrize("written", ["Tiger", "", " ", "()", "lion", "LCMBSGS1"])
def test_what_means_no_bank_or_several_is_refused_with_the_list(written: str) -> None:
    """Never a guess."""
    with pytest.raises(DataError, match="LCMBSGS0"):
        find_bank(BANKS, written)
