"""A member bank that sends hand-made transactions to the contracts cannot spoil the others' desks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from contracts import addresses, banking_calendar, bindings
from contracts import letter_of_credit as lc
from node.desk.sender import sign_transaction
from node.errors import DataError
from tests.contracts.credit_desk import APPROVALS, PARTIES, TERMS
from tests.trade.samples import MT700_FIELDS, mt
from tests.trade.town import Desk, Town

LOTUS, NANSHAN, HARBOUR = range(3)
DAY_MAX = 2**32 - 1


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Four banks on 5 March 2026."""
    made = Town(tmp_path, datetime(2026, 3, 5, 3, tzinfo=UTC), [2026])
    yield made
    made.close()


async def _sent(town: Town, desk: Desk, to: bytes, data: bytes) -> None:
    """A transaction of the bank's business account that no officer has drafted."""
    sender, chain = desk.service._sender, desk.service.office.chain
    nonce = chain.next_nonce(sender._key.address)
    raw = sign_transaction(sender._key, chain_id=chain.chain_id, nonce=nonce, gas=4_000_000, to=to, data=data)
    final = await chain.wait_final(await chain.submit(raw))
    assert final.succeeded


def _issue(me: bytes, other: bytes, *, currency: str = "USD", exponent: int = 2) -> bytes:
    parties = replace(
        PARTIES,
        issuing_bank=me,
        advising_bank=other,
        beneficiary_bank=other,
        nominated_bank=me,
        currency=currency,
        exponent=exponent,
        reference_hash=currency.encode().ljust(32, bytes([exponent])),
    )
    terms = replace(TERMS, expiry_day=date(2026, 7, 31), latest_shipment_day=date(2026, 7, 10))
    return lc.encode_issue(parties, terms, APPROVALS)


async def test_a_day_beyond_all_calendars_stops_nobody(town: Town) -> None:
    """The latest date of shipment as the largest word of 32 bits: every desk reads on, and the credit too."""
    hostile, honest = town.desks[HARBOUR], town.desks[NANSHAN]
    data = _issue(hostile.service.office.me.id, honest.service.office.me.id)
    stated = (date(2026, 7, 10) - date(1970, 1, 1)).days.to_bytes(32, "big")
    assert data.count(stated) == 1
    await _sent(town, hostile, addresses.LETTER_OF_CREDIT_FACTORY, data.replace(stated, DAY_MAX.to_bytes(32, "big")))
    done = await town.desks[LOTUS].do("lc.issue", mt700=mt("700", MT700_FIELDS))
    listed = await honest.service.credits()
    assert done["sent"][-1]["created"] in [each["address"] for each in listed]
    assert [each["terms"]["latest_shipment_day"] for each in listed if each["drawn"] == "0.00"][-1] == "9999-12-31"
    assert banking_calendar.day_date(DAY_MAX) == date.max


@pytest.mark.parametrize(("currency", "exponent"), [("ZZZ", 3), ("USD", 0)])
async def test_an_unknown_currency_or_exponent_stops_nobody(town: Town, currency: str, exponent: int) -> None:
    """The amount reads by the deal's own exponent; an officer's words for it are refused where ISO's differs."""
    hostile, honest = town.desks[HARBOUR], town.desks[NANSHAN]
    data = _issue(hostile.service.office.me.id, honest.service.office.me.id, currency=currency, exponent=exponent)
    await _sent(town, hostile, addresses.LETTER_OF_CREDIT_FACTORY, data)
    (found,) = await honest.service.credits()
    assert (found["currency"], found["amount"]) == (currency, "10000.000" if exponent else "10000000")
    files = [{"name": "a.pdf", "text": "x"}]
    with pytest.raises(DataError) as refused:
        await honest.service.draft(
            "lc.present", {"credit": found["address"], "amount": "1", "documents": files}, honest.maker
        )
    assert refused.value.field == "currency"


def test_the_bindings_say_what_does_not_fit() -> None:
    """An argument beyond its type is a BindingError, which the desk names to the officer."""
    with pytest.raises(bindings.BindingError):
        bindings.encode_call("BankingCalendar", "isBankingDay", [bytes(32), DAY_MAX + 1])
