"""Small calendars for the contract tests: weekdays less a few named holidays, 09:00 to 17:00 local time.

The node's own computation from tzdata and the holidays library is tested where it lives.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contracts.banking_calendar import SECONDS_PER_DAY, Hours, YearCalendar, day_number

ZONES = {"HKHKG": "Asia/Hong_Kong", "SGSIN": "Asia/Singapore", "GBLON": "Europe/London", "USNYC": "America/New_York"}
HOLIDAYS = {
    "HKHKG": {
        date(2026, 1, 1),
        date(2026, 2, 17),
        date(2026, 2, 18),
        date(2026, 2, 19),
        date(2026, 4, 3),
        date(2026, 4, 6),
        date(2026, 5, 1),
        date(2026, 7, 1),
        date(2026, 10, 1),
        date(2026, 12, 25),
    },
    "SGSIN": {date(2026, 1, 1), date(2026, 2, 17), date(2026, 2, 18), date(2026, 5, 1), date(2026, 12, 25)},
    "GBLON": {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 4), date(2026, 12, 25)},
    "USNYC": {date(2026, 1, 1), date(2026, 7, 3), date(2026, 11, 26), date(2026, 12, 25)},
}
HALF_DAYS = {date(2026, 12, 24): time(12, 0)}


def _seconds(day: date, at: time, zone: ZoneInfo) -> int:
    instant = int(datetime.combine(day, at, zone).timestamp())
    return instant - day_number(day) * SECONDS_PER_DAY


def make_year(place: str, year: int) -> YearCalendar:
    """A year of a place."""
    zone = ZoneInfo(ZONES[place])
    days = [date(year, 1, 1) + timedelta(days=i) for i in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)]
    hours: list[Hours] = []
    for day in days:
        closes = HALF_DAYS.get(day, time(17, 0)) if place == "HKHKG" else time(17, 0)
        found = Hours(day, _seconds(day, time(9, 0), zone), _seconds(day, closes, zone))
        if not hours or (found.opens, found.closes) != (hours[-1].opens, hours[-1].closes):
            hours.append(found)
    banking = tuple(d for d in days if d.weekday() < 5 and d not in HOLIDAYS[place])
    return YearCalendar(place, year, banking, tuple(hours))


YEARS = tuple(make_year(place, year) for place in ZONES for year in (2026, 2027))
