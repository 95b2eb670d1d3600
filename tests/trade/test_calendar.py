"""Banking days: known days of known places, hours in UTC, and the contract's own arithmetic on the result."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from contracts.banking_calendar import PlaceCalendar
from node.errors import DataError
from node.trade.calendar import PLACES, compute_year, compute_years, find_place


@pytest.mark.parametrize(
    ("place", "day", "open_"),
    [
        ("HKHKG", date(2026, 4, 3), False),  # Good Friday, a general holiday
        ("HKHKG", date(2026, 4, 11), False),  # a Saturday
        ("HKHKG", date(2026, 2, 16), True),  # the eve of Lunar New Year
        ("HKHKG", date(2026, 2, 17), False),
        ("HKHKG", date(2026, 2, 20), True),
        ("CNSHA", date(2026, 2, 18), False),
        ("CNSHA", date(2026, 2, 14), True),  # an exchanged working Saturday
        ("CNSHA", date(2026, 2, 21), False),  # any other Saturday
        ("GBLON", date(2026, 12, 28), False),  # Boxing Day moved to Monday
        ("USNYC", date(2026, 7, 3), True),  # the Friday before a Saturday holiday
        ("USNYC", date(2026, 11, 26), False),
        ("NLAMS", date(2026, 4, 3), False),  # closed in the euro's settlement system
        ("SGSIN", date(2026, 8, 10), False),
    ],
)
def test_known_days(place: str, day: date, open_: bool) -> None:
    """Holidays, weekends and their exceptions stand as the places keep them."""
    assert (day in compute_year(place, day.year).banking_days) is open_


def test_exchanged_weekends_can_be_left_closed() -> None:
    """A consortium that does not count China's working Saturdays says so."""
    assert date(2026, 2, 14) not in compute_year("CNSHA", 2026, working_weekends=False).banking_days


def test_hours_follow_daylight_saving() -> None:
    """London closes at 17:00 local time: 17:00 UTC in winter, 16:00 UTC in summer; Hong Kong opens at 01:00 UTC."""
    london = PlaceCalendar("GBLON", compute_years(["GBLON"], [2026]))
    assert datetime.fromtimestamp(london.close_of(date(2026, 1, 5)), UTC).hour == 17
    assert datetime.fromtimestamp(london.close_of(date(2026, 7, 6)), UTC).hour == 16
    assert len(compute_year("GBLON", 2026).hours) == 3
    hong_kong = compute_year("HKHKG", 2026).hours
    assert (hong_kong[0].opens, hong_kong[0].closes) == (3600, 9 * 3600)


def test_five_banking_days_over_lunar_new_year() -> None:
    """A presentation on the eve of Lunar New Year 2026 has five banking days more (UCP 600 art. 14 b)."""
    calendar = PlaceCalendar("HKHKG", compute_years(["HKHKG"], [2026, 2027]))
    assert calendar.add_banking_days(date(2026, 2, 16), 5).day == date(2026, 2, 26)
    over_new_year = calendar.add_banking_days(date(2026, 12, 30), 5)
    assert over_new_year.day == date(2027, 1, 7)
    assert not over_new_year.provisional


def test_every_place_of_every_year_is_publishable() -> None:
    """Days lie inside their year and hours begin on 1 January, as far back as the oldest sample."""
    for year in (2003, 2026, 2028):
        for code in PLACES:
            computed = compute_year(code, year)
            computed.bitmap()
            assert computed.hours[0].first_day == date(year, 1, 1)
            assert 230 < len(computed.banking_days) < 262


def test_places_are_found_in_the_text_of_a_credit() -> None:
    """Field 31D names a place as banks write it; an unknown one is None, and an unknown code is refused."""
    found = find_place("HONG KONG")
    assert found is not None
    assert found.code == "HKHKG"
    assert find_place("COUNTERS IN AMSTERDAM") is PLACES["NLAMS"]
    assert find_place("ATLANTIS") is None
    with pytest.raises(DataError, match="ATLANTIS"):
        compute_year("ATLANTIS", 2026)
