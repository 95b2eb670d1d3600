"""When the demo begins: far enough back that its banking days end at the present."""

from __future__ import annotations

import datetime as dt
import time

from contracts.banking_calendar import PlaceCalendar
from node.cli.demo.papers import HONG_KONG
from node.cli.network import test_clock
from node.trade.calendar import compute_years

PLACE = "HKHKG"
MORNING = dt.time(10, 0)
"""Hong Kong's banks are open, Singapore's too."""


def banking_days_before_today(count: int, *, now: float | None = None) -> int:
    """Ten in the morning of the Hong Kong banking day with ``count`` banking days after it, up to and with today."""
    today = dt.datetime.fromtimestamp(time.time() if now is None else now, HONG_KONG).date()
    calendar = PlaceCalendar(PLACE, tuple(compute_years([PLACE], range(today.year - 1, today.year + 1))))
    day, passed = today, 0
    while not (passed == count and calendar.is_banking_day(day)):
        passed += calendar.is_banking_day(day)
        day -= dt.timedelta(days=1)
    return _morning_of(day)


def start_of(text: str) -> int:
    """``--start``: an ISO date means ten in the morning in Hong Kong, a time is taken as it stands (UTC)."""
    try:
        return _morning_of(dt.date.fromisoformat(text))
    except ValueError:
        return test_clock.parse_start(text)


def _morning_of(day: dt.date) -> int:
    return int(dt.datetime.combine(day, MORNING, HONG_KONG).timestamp())
