"""How officers read amounts, times and deadlines: codes and grouping, the zone named, the day of the five counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from contracts.banking_calendar import PlaceCalendar
from node.errors import DataError
from node.trade.calendar import compute_year
from node.trade.calendar.places import PLACES
from node.trade.currency import format_amount

EXAMINATION_DAYS = 5
"""Banking days after the day of presentation (UCP 600 article 14 b)."""
DAY_S = 86_400
SOON_S = 2 * DAY_S


@dataclass(frozen=True, slots=True)
class Clock:
    """A deadline as a chip: ``text`` without colour says everything, ``level`` is calm, soon, urgent or over."""

    text: str
    level: str
    at: int
    provisional: bool = False


def group(amount: str) -> str:
    """``1234567.50`` as ``1,234,567.50``; decimal text in, decimal text out."""
    whole, dot, fraction = amount.partition(".")
    sign = "-" if whole.startswith("-") else ""
    digits = whole.removeprefix("-")
    return f"{sign}{int(digits):,}{dot}{fraction}" if digits.isdecimal() else amount


def money(amount: str | int, currency: str) -> str:
    """Code and grouped amount; an integer counts minor units."""
    try:
        text = format_amount(abs(amount), currency) if isinstance(amount, int) else amount
    except DataError:  # a code outside the table: the number is shown as it stands
        text = str(amount)
    return f"{currency} {'-' if isinstance(amount, int) and amount < 0 else ''}{group(text)}"


def zone_of(place: str) -> tzinfo:
    """The time zone of a bank's place; UTC where the place has no calendar here."""
    known = PLACES.get(place)
    return ZoneInfo(known.zone) if known else UTC


def zone_name(when: datetime) -> str:
    """HKT, GMT, or UTC+8 where the zone has no letters of its own."""
    name = when.strftime("%Z")
    return name if name.isalpha() else f"UTC{name[0]}{int(name[1:3])}" if name[1:3].isdecimal() else name


def moment(at: int, place: str) -> str:
    """``Wed 25 Nov 2026 17:00 HKT (09:00 UTC)``: the bank's place first."""
    local = datetime.fromtimestamp(at, zone_of(place))
    universal = datetime.fromtimestamp(at, UTC)
    text = f"{local:%a} {local.day} {local:%b %Y %H:%M} {zone_name(local)}"
    if zone_name(local) == "UTC":
        return text
    other_day = f"{universal.day} {universal:%b} " if universal.date() != local.date() else ""
    return f"{text} ({other_day}{universal:%H:%M} UTC)"


def iso(at: int) -> str:
    """For the ``datetime`` attribute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def due(at: int, place: str, now: int) -> str:
    """``due Wed 25 Nov 17:00 HKT``; the year where it is another one."""
    local = datetime.fromtimestamp(at, zone_of(place))
    year = f" {local.year}" if local.year != datetime.fromtimestamp(now, zone_of(place)).year else ""
    return f"due {local:%a} {local.day} {local:%b}{year} {local:%H:%M} {zone_name(local)}"


def day(text: str | None) -> str:
    """An ISO date as ``15 May 2026``."""
    if not text:
        return "–"
    try:
        value = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{value.day} {value:%b %Y}"


def examination_clock(
    day_zero: str, deadline: int, *, place: str, now: int, provisional: bool, running: bool = True
) -> Clock:
    """``Day 3 of 5 · due Wed 25 Nov 17:00 HKT``: the clock of one examining bank, in its own place's time.

    The deadline is the contract's; the days are counted back from it over the place's computed calendar. The day of
    presentation is day 0.
    """
    if not running:
        return Clock(due(deadline, place, now), "done", deadline, provisional)
    if now > deadline:
        return Clock(f"Deadline passed · {due(deadline, place, now).replace('due', 'was', 1)}", "over", deadline)
    zone = zone_of(place)
    today, last = (datetime.fromtimestamp(each, zone).date() for each in (now, deadline))
    start = date.fromisoformat(day_zero)
    number = max(0, EXAMINATION_DAYS - _banking_days(place, max(today, start), last))
    level = "urgent" if number >= EXAMINATION_DAYS else "soon" if number >= EXAMINATION_DAYS - 2 else "calm"
    return Clock(f"Day {number} of {EXAMINATION_DAYS} · {due(deadline, place, now)}", level, deadline, provisional)


def plain_clock(deadline: int | None, *, place: str, now: int) -> Clock | None:
    """The chip of any other deadline, with the days that are left."""
    if deadline is None:
        return None
    left = deadline - now
    if left < 0:
        return Clock(f"Overdue · {due(deadline, place, now).replace('due', 'was', 1)}", "over", deadline)
    days = left // DAY_S
    words = "today" if left < DAY_S else f"{days} day{'s' if days != 1 else ''} left"
    level = "urgent" if left < DAY_S else "soon" if left < SOON_S else "calm"
    return Clock(f"{words[0].upper()}{words[1:]} · {due(deadline, place, now)}", level, deadline)


def _banking_days(place: str, after: date, until: date) -> int:
    """Banking days later than ``after``, up to and with ``until``."""
    count, each = 0, after
    while each < until and count <= EXAMINATION_DAYS:
        each += timedelta(days=1)
        count += _is_banking_day(place, each)
    return count


def _is_banking_day(place: str, each: date) -> bool:
    if place not in PLACES:
        return each.weekday() < 5
    return _calendar(place, each.year).is_banking_day(each)


@lru_cache(maxsize=64)
def _calendar(place: str, year: int) -> PlaceCalendar:
    return PlaceCalendar(place, [compute_year(place, year)])


def short(identity: str) -> str:
    """``0xb459…ffce``."""
    return identity if len(identity) <= 14 else f"{identity[:6]}…{identity[-4:]}"


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:,.1f} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:,.1f} MiB"
