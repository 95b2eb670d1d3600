"""Banking days for ``praya network advance --banking-days``: the calendar that genesis was made from."""

from __future__ import annotations

import datetime as dt

from contracts.banking_calendar import PlaceCalendar
from node.errors import ConfigError
from node.trade.calendar import PLACES, compute_years, find_place

BANKING_DAYS_MAX = 2_500


def same_time_banking_days_later(now: int, count: int, place: str) -> int:
    """The instant that lies ``count`` banking days of ``place`` after ``now``, at the same time of day (UTC)."""
    found = find_place(place)
    if found is None:
        known = ", ".join(sorted(PLACES))
        raise ConfigError(f"no calendar for place {place!r}: there are {known}", field="place")
    if not 0 < count <= BANKING_DAYS_MAX:
        raise ConfigError(f"--banking-days is {count}, allowed are 1 to {BANKING_DAYS_MAX}", field="banking-days")
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    years = range(moment.year, moment.year + 2 + count // 200)
    calendar = PlaceCalendar(found.code, tuple(compute_years([found], years)))
    day, left = moment.date(), count
    while left:
        day += dt.timedelta(days=1)
        left -= calendar.is_banking_day(day)
    return now + (day - moment.date()).days * 86_400
