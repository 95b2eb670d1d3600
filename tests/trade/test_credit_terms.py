"""Terms from an MT700: amounts, rules by date, overrides on record, what is not enforced, what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pytest

from node.errors import DataError
from node.privacy.commitment import TERMS_DOMAIN, salted_hash
from node.trade.credit_terms import (
    CreditReading,
    check_sender,
    choose_advising,
    read_credit,
)
from node.trade.rules import resolve_rules
from node.trade.swift import parse_mt
from tests.trade.samples import MT700_FIELDS, mt

TODAY = date(2026, 3, 5)


@dataclass(frozen=True)
class Bank:
    """A member for tests."""

    name: str
    bic: str
    id: bytes = field(default=bytes(32))
    business_address: bytes = field(default=bytes(20))
    encryption_key: bytes = field(default=bytes(32))


LOTUS = Bank("Lotus", "LOTUHKH0", id=b"\x01" * 32)
NANSHAN = Bank("Nanshan", "NANSCNS0XXX", id=b"\x02" * 32)
HARBOUR = Bank("Harbour", "HARBSGS0", id=b"\x03" * 32)


def read(
    fields: str = MT700_FIELDS, *, today: date = TODAY, overrides: tuple[tuple[str, str], ...] = ()
) -> CreditReading:
    """A lenient reading of sample fields."""
    parsed = parse_mt(mt("700", fields), lenient=True)
    return read_credit(parsed.message, today=today, deviations=parsed.deviations, overrides=overrides)


def test_terms_of_a_clean_credit() -> None:
    """Amount in minor units, tolerance rounded inward, dates, availability and the period for presentation."""
    terms = read().terms
    assert (terms.currency, terms.exponent, terms.amount) == ("USD", 2, 12_500_050)
    assert terms.maximum == 13_125_052  # 13,125,052.5 rounded down
    assert terms.minimum == 11_875_048  # 11,875,047.5 rounded up
    assert (terms.expiry_date, terms.expiry_place) == (date(2026, 4, 30), "HONG KONG")
    assert (terms.availability, terms.available_with_bic) == ("negotiation", "NANSCNS0XXX")
    assert (terms.latest_shipment, terms.presentation_days) == (date(2026, 4, 10), 15)
    assert terms.rules == "UCP 600"
    assert len(terms.documents_required) == 3
    read().require_issuable()


def test_what_is_not_enforced_is_listed_and_nothing_is_dropped() -> None:
    """Each field is either a term that the contract holds or on the list for the officer."""
    terms = read().terms
    listed = {term.tag for term in terms.unenforced}
    assert {"43P", "43T", "44E", "44F", "45A", "46A", "47A", "71D"} <= listed
    held = {"27", "40A", "20", "31C", "40E", "31D", "50", "59", "32B", "39A", "41A", "44C", "48", "49"}
    assert {each.tag for each in parse_mt(mt("700", MT700_FIELDS)).message.fields} == listed | held


@pytest.mark.parametrize(
    ("code", "issued", "rules"),
    [
        ("UCP LATEST VERSION", date(2007, 6, 30), "UCP 500"),
        ("UCP LATEST VERSION", date(2007, 7, 1), "UCP 600"),
        ("EUCP LATEST VERSION", date(2024, 1, 1), "UCP 600 with eUCP 2.1"),
        ("UCPURR LATEST VERSION", date(2024, 1, 1), "UCP 600 with URR 725"),
        ("ISP LATEST VERSION", date(2024, 1, 1), "ISP98"),
        ("OTHR", date(2024, 1, 1), "OTHR"),
    ],
)
def test_rules_are_resolved_by_the_date_of_issue(code: str, issued: date, rules: str) -> None:
    """Latest version is the one in force on the date in 31C."""
    assert str(resolve_rules(code, issued)) == rules


def test_an_old_credit_is_issued_only_with_rules_and_dates_restated() -> None:
    """Before July 2007 it is not UCP 600; both restatements are recorded with what stood there before."""
    old = MT700_FIELDS.replace(":31C:260302", ":31C:030302").replace("260430", "030430").replace("260410", "030410")
    reading = read(old, today=date(2003, 3, 5))
    with pytest.raises(DataError, match="UCP 500") as refused:
        reading.require_issuable()
    assert refused.value.field == "40E"
    rules_only = read(old, today=date(2003, 3, 5), overrides=(("40E", "UCP 600"),))
    assert [each.code for each in rules_only.obstacles] == ["DATES_NOT_RESTATED"]
    both = (("40E", "UCP LATEST VERSION"), ("31D", "260630HONG KONG"))
    restated = read(old, overrides=both)
    restated.require_issuable()
    assert [(each.tag, each.before) for each in restated.terms.overrides] == [
        ("40E", "UCP LATEST VERSION"),
        ("31D", "030430\nHONG KONG"),
    ]
    assert restated.terms.expiry_date == date(2026, 6, 30)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (":27:1/1", ":27:1/2", "CONTINUATION_MISSING"),
        (":31D:260430", ":31D:260304", "EXPIRED"),
        (":40E:UCP LATEST VERSION", ":40E:ISP LATEST VERSION", "RULES_NOT_UCP600"),
        ("BY NEGOTIATION", "BY MAGIC", "NO_AVAILABILITY"),
        (":43P:", ":42C:AT SIGHT\n:42D:APPLICANT\n:43P:", "DRAFT_ON_APPLICANT"),
    ],
)
def test_each_obstacle_has_its_name(old: str, new: str, code: str) -> None:
    """A credit that cannot be issued is still read and shown; the refusal names field and reason."""
    reading = read(MT700_FIELDS.replace(old, new))
    assert [each.code for each in reading.obstacles] == [code]
    with pytest.raises(DataError) as refused:
        reading.require_issuable()
    assert refused.value.details["code"] == code


def test_more_decimals_than_the_currency_are_refused_in_any_mode() -> None:
    """An amount is never rounded; tag and rule are named."""
    with pytest.raises(DataError) as refused:
        read(MT700_FIELDS.replace("USD125000,50", "JPY125000,50"))
    assert (refused.value.field, refused.value.details["rule"]) == ("32B", "C03")


def test_an_override_is_checked_like_a_field() -> None:
    """A wrong restatement names tag and rule; an empty one removes the field."""
    with pytest.raises(DataError, match="T50"):
        read(overrides=(("31D", "269931HONG KONG"),))
    with pytest.raises(DataError, match="T13"):
        read(overrides=(("99Z", "X"),))
    assert read(overrides=(("48", ""),)).terms.presentation_days == 21


def test_a_request_for_confirmation_is_recorded_and_answered() -> None:
    """49 CONFIRM is the receiver's to answer; the contract adds none."""
    terms = read(MT700_FIELDS.replace(":49:WITHOUT\n", ":49:CONFIRM\n:58A:NANSCNS0\n")).terms
    assert (terms.confirmation, terms.confirmation_answer) == ("requested", "not added")
    assert "49" in {term.tag for term in terms.unenforced}


def test_a_period_in_free_text_keeps_its_number_and_is_listed() -> None:
    """Lenient reading takes the one plain number of days; what hangs on it is for the officers."""
    terms = read(MT700_FIELDS.replace(":48:15\n", ":48:WITHIN 9 DAYS OF THE RECEIPT\n")).terms
    assert terms.presentation_days == 9
    assert terms.presentation_note == "WITHIN 9 DAYS OF THE RECEIPT"
    assert "48" in {term.tag for term in terms.unenforced}


def test_the_sender_must_be_the_own_bank() -> None:
    """Another bank's credit is not issued here unless on its behalf."""
    message = parse_mt(mt("700", MT700_FIELDS)).message
    assert check_sender(message, LOTUS, on_behalf=False) is None
    obstacle = check_sender(message, NANSHAN, on_behalf=False)
    assert obstacle is not None
    assert obstacle.code == "SENDER_NOT_OWN"
    assert check_sender(message, NANSHAN, on_behalf=True) is None


def test_advising_is_the_receiver_else_57a_else_the_officers_choice() -> None:
    """The order of the three, and a clear error where none is a member."""
    message = parse_mt(mt("700", MT700_FIELDS)).message
    assert choose_advising(message, [LOTUS, NANSHAN], None) is NANSHAN
    with_57a = parse_mt(mt("700", MT700_FIELDS + ":57A:HARBSGS0\n")).message
    assert choose_advising(with_57a, [LOTUS, HARBOUR], None) is HARBOUR
    assert choose_advising(message, [LOTUS, HARBOUR], "harbour") is HARBOUR
    assert choose_advising(message, [LOTUS, NANSHAN], "lotus", own=NANSHAN) is LOTUS
    with pytest.raises(DataError, match="no advising bank"):
        choose_advising(message, [LOTUS, NANSHAN], None, own=NANSHAN)
    with pytest.raises(DataError, match="no advising bank") as refused:
        choose_advising(message, [LOTUS, HARBOUR], None)
    assert refused.value.field == "advising"


def test_the_commitment_covers_terms_and_salt() -> None:
    """Equal terms hash alike; another salt or another term does not."""
    first, again = read().terms.canonical(), read().terms.canonical()
    assert first == again
    assert salted_hash(bytes(32), first, domain=TERMS_DOMAIN) == salted_hash(bytes(32), again, domain=TERMS_DOMAIN)
    assert salted_hash(b"\x01" * 32, first, domain=TERMS_DOMAIN) != salted_hash(bytes(32), first, domain=TERMS_DOMAIN)
    other = read(MT700_FIELDS.replace("125000,50", "125000,51")).terms.canonical()
    assert salted_hash(bytes(32), other, domain=TERMS_DOMAIN) != salted_hash(bytes(32), first, domain=TERMS_DOMAIN)
