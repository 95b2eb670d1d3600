"""The calendar contract answers as the published years say, and as the Python twin computes."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from contracts import addresses, bindings
from contracts import banking_calendar as bc
from contracts.banking_calendar import Hours, PlaceCalendar, YearCalendar
from tests.contracts.calendars import YEARS, ZONES, make_year
from tests.contracts.chain import HARBOUR, Chain
from tests.contracts.raising import reverts

CALENDAR = addresses.BANKING_CALENDAR


def years_of(place: str) -> list[YearCalendar]:
    return [y for y in YEARS if y.place == place]


@pytest.fixture
def chain() -> Chain:
    return Chain.fresh()


def ask(chain: Chain, name: str, data: bytes) -> object:
    return bindings.decode_result(bc.CONTRACT, name, chain.call(CALENDAR, data))


@pytest.mark.parametrize("place", [*ZONES, "XXNIL"])
def test_every_answer_equals_the_python_twin(chain: Chain, place: str) -> None:
    """Days, closings, receipts and deadlines agree inside the horizon, at its edges and beyond it."""
    twin = PlaceCalendar(place, years_of(place))
    draw = random.Random(place)
    days = [date(2025, 12, 29) + timedelta(days=i) for i in range(12)]
    days += [date(2027, 12, 20) + timedelta(days=i) for i in range(20)]
    days += [date(2026, 1, 1) + timedelta(days=draw.randrange(730)) for _ in range(25)]
    for day in days:
        assert ask(chain, "isBankingDay", bc.encode_is_banking_day(place, day)) == (
            twin.is_banking_day(day),
            not twin.agreed(day),
        )
        assert ask(chain, "closeOf", bc.encode_close_of(place, day)) == twin.close_of(day)
        found = bc.decode_deadline(chain.call(CALENDAR, bc.encode_add_banking_days(place, day, 5)))
        assert found == twin.add_banking_days(day, 5)
        found = bc.decode_deadline(chain.call(CALENDAR, bc.encode_banking_day_from(place, day)))
        assert found == twin.banking_day_from(day)
        instant = bc.day_number(day) * bc.SECONDS_PER_DAY + draw.randrange(bc.SECONDS_PER_DAY)
        number, provisional = ask(chain, "bankingDayOf", bc.encode_banking_day_of(place, instant))  # type: ignore[misc]
        assert (bc.day_date(number), provisional) == twin.banking_day_of(instant)


def test_receipt_after_closing_counts_on_the_next_banking_day(chain: Chain) -> None:
    """UCP 33: the last second of business still counts, the one after it does not."""
    close = int(datetime(2026, 6, 12, 9, 0, tzinfo=UTC).timestamp())  # Friday 17:00 in Hong Kong
    on_time = ask(chain, "bankingDayOf", bc.encode_banking_day_of("HKHKG", close))
    late = ask(chain, "bankingDayOf", bc.encode_banking_day_of("HKHKG", close + 1))
    assert on_time == (bc.day_number(date(2026, 6, 12)), False)
    assert late == (bc.day_number(date(2026, 6, 15)), False)


def test_daylight_saving_time_moves_the_closing(chain: Chain) -> None:
    """London closes at 17:00 UTC in winter and 16:00 UTC in summer."""
    for day, hour in ((date(2026, 3, 27), 17), (date(2026, 3, 30), 16), (date(2026, 10, 26), 17)):
        expected = int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp())
        assert ask(chain, "closeOf", bc.encode_close_of("GBLON", day)) == expected


def test_a_short_day_closes_early(chain: Chain) -> None:
    """Christmas Eve in Hong Kong ends at noon."""
    expected = int(datetime(2026, 12, 24, 4, tzinfo=UTC).timestamp())
    assert ask(chain, "closeOf", bc.encode_close_of("HKHKG", date(2026, 12, 24))) == expected


def test_deadlines_beyond_the_horizon_are_provisional(chain: Chain) -> None:
    """Five banking days from 29 December 2027 reach into an unpublished year."""
    data = bc.encode_add_banking_days("HKHKG", date(2027, 12, 29), 5)
    assert bc.decode_deadline(chain.call(CALENDAR, data)).provisional
    first, last = ask(chain, "horizonOf", bindings.encode_call(bc.CONTRACT, "horizonOf", [bc.place_key("HKHKG")]))  # type: ignore[misc]
    assert (bc.day_date(first), bc.day_date(last)) == (date(2026, 1, 1), date(2027, 12, 31))


def test_publications_are_listed_in_order(chain: Chain) -> None:
    """Each published year stands on record with its digest; the version counts them."""
    assert ask(chain, "version", bindings.encode_call(bc.CONTRACT, "version")) == len(YEARS)
    for index, year in enumerate(YEARS):
        found = ask(chain, "publication", bindings.encode_call(bc.CONTRACT, "publication", [index]))
        assert (found["place"], found["year"]) == (bc.place_key(year.place), year.year)  # type: ignore[index]


def test_only_genesis_fills_the_calendar_and_only_once(chain: Chain) -> None:
    """Nobody else may, and not a second time."""
    data = bc.encode_initialize([])
    with reverts("CalendarNotGenesis", sender=HARBOUR.business_address):
        chain.send(HARBOUR, CALENDAR, data)
    with reverts("CalendarAlreadyInitialized"):
        chain.genesis(CALENDAR, data)


def test_bad_years_are_refused() -> None:
    """A gap, a bit beyond the year and disordered hours each have their error."""
    good = make_year("HKHKG", 2026)
    cases: list[tuple[str, list[YearCalendar]]] = [
        ("CalendarYearNotNext", [good, make_year("HKHKG", 2028)]),
        ("CalendarYearOutOfRange", [replace(good, year=1970, banking_days=())]),
        ("CalendarHoursInvalid", [replace(good, hours=())]),
        ("CalendarHoursInvalid", [replace(good, hours=good.hours[::-1])]),
        ("CalendarHoursInvalid", [replace(good, hours=(Hours(date(2026, 1, 1), 5, 5),))]),
        ("CalendarHoursInvalid", [replace(good, hours=(*good.hours, Hours(date(2027, 1, 1), 0, 5)))]),
    ]
    for error, years in cases:
        with reverts(error):
            empty_calendar().genesis(CALENDAR, bc.encode_initialize(years))
    argument = list(good.as_argument())
    argument[2] = [argument[2][0], argument[2][1] | 1 << (365 - 256)]  # 2026 has 365 days: 0 to 364
    with reverts("CalendarBitBeyondYear"):
        empty_calendar().genesis(CALENDAR, bindings.encode_call(bc.CONTRACT, "initialize", [[tuple(argument)]]))


def empty_calendar() -> Chain:
    """A chain whose calendar is not filled."""
    chain = Chain.fresh()
    chain.state.delete_storage(CALENDAR)
    return chain
