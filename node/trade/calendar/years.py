"""Computes a place's banking days and UTC hours of a year from the ``holidays`` and ``tzdata`` packages.

Saturday is excluded here for every place: the library's Hong Kong weekend is Sunday alone. Mainland China's exchanged
weekends (a Saturday or Sunday worked in exchange for a holiday, by the State Council's yearly notice) are working days
there, banks included, and count unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from contracts.banking_calendar import Hours, YearCalendar
from node.errors import DataError
from node.trade.calendar.places import Place, require_place

YEAR_MIN, YEAR_MAX = 1971, 2100
_SATURDAY = 5
_FRIDAY = 4


@lru_cache(maxsize=32)
def _zone(name: str) -> ZoneInfo:
    """The zone from the pinned ``tzdata`` package, never from the machine, so that all banks compute alike."""
    region, _, city = name.partition("/")
    with (resources.files("tzdata.zoneinfo") / region / city).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def compute_year(place: Place | str, year: int, *, working_weekends: bool = True) -> YearCalendar:
    """One place and year. ``working_weekends`` False leaves exchanged weekend days closed.

    Errors: DataError for an unknown place or a year outside YEAR_MIN to YEAR_MAX.
    """
    if isinstance(place, str):
        place = require_place(place)
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise DataError(f"year {year} is outside {YEAR_MIN} to {YEAR_MAX}", field="year")
    closed, exchanged = _closed_days(place, year)
    banking = tuple(
        day
        for day in _days(year)
        if (day.weekday() < _SATURDAY and day not in closed) or (working_weekends and day in exchanged)
    )
    return YearCalendar(place.code, year, banking, tuple(_hours(place, year)))


def compute_years(
    places: Sequence[Place | str], years: Iterable[int], *, working_weekends: bool = True
) -> list[YearCalendar]:
    """Every place for consecutive years, ascending: the argument of ``banking_calendar.encode_initialize``."""
    span = sorted(set(years))
    return [compute_year(place, year, working_weekends=working_weekends) for place in places for year in span]


def _closed_days(place: Place, year: int) -> tuple[frozenset[date], frozenset[date]]:
    import holidays  # heavy, and needed only where a calendar is made

    calendar = holidays.country_holidays(
        place.country, subdiv=place.subdivision, years=[year], categories=place.categories, language="en_US"
    )
    closed = {day for day in calendar if not _us_observed_friday(place, day, calendar[day])}
    for market in place.markets:
        closed.update(holidays.financial_holidays(market, years=[year]))
    exchanged = frozenset(day for day in getattr(calendar, "weekend_workdays", ()) if day.year == year)
    return frozenset(closed), exchanged


def _us_observed_friday(place: Place, day: date, name: str) -> bool:
    """US banks stay open on the Friday before a Saturday holiday (Federal Reserve Banks' holiday schedule)."""
    return place.country == "US" and day.weekday() == _FRIDAY and name.endswith("(observed)")


def _days(year: int) -> Iterable[date]:
    first = date(year, 1, 1)
    return (first + timedelta(days=offset) for offset in range((date(year + 1, 1, 1) - first).days))


def _hours(place: Place, year: int) -> Iterable[Hours]:
    """A segment from 1 January, and another wherever daylight saving moves the hours in UTC."""
    zone = _zone(place.zone)
    last: tuple[int, int] | None = None
    for day in _days(year):
        now = (_utc_seconds(day, place.opens, zone), _utc_seconds(day, place.closes, zone))
        if now != last:
            yield Hours(day, *now)
            last = now


def _utc_seconds(day: date, minutes: int, zone: ZoneInfo) -> int:
    """Local minutes after midnight as seconds relative to 00:00 UTC of the civil date."""
    local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int((local - midnight).total_seconds())
