"""BankingCalendar: years as data, calls, and the same arithmetic in Python for auditors and for display.

A *place* is a text such as ``HKHKG``; on the chain it stands left-aligned in 32 bytes. A *day* is a ``date`` here and
the number of days since 1970-01-01 there. Hours are seconds relative to 00:00 UTC of the civil date (see
IBankingCalendar.sol). Sources of the rules: UCP 600 articles 2, 14(b), 29 and 33; design.md section 8.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from contracts import bindings

CONTRACT: Final = "BankingCalendar"
EPOCH: Final = date(1970, 1, 1)
_LAST_DAY = (date.max - EPOCH).days
SECONDS_PER_DAY: Final = 86_400
SEARCH_DAYS_MAX: Final = 366
PLACE_CHARACTERS_MAX: Final = 32


def place_key(place: str) -> bytes:
    """A place's name as the chain holds it: ASCII, left-aligned in 32 bytes."""
    raw = place.encode("ascii")
    if not 1 <= len(raw) <= PLACE_CHARACTERS_MAX or not place.isprintable():
        raise ValueError(f"place {place!r}: 1 to {PLACE_CHARACTERS_MAX} printable ASCII characters")
    return raw.ljust(32, b"\0")


def place_name(key: bytes) -> str:
    """The reverse of place_key; bytes that are no text (a credit may name any place) are shown escaped."""
    return key.rstrip(b"\0").decode("ascii", "backslashreplace")


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The reverse of day_number. A day is a word of 32 bits that any member bank may have written, so reading never
    fails: what lies beyond the year 9999 reads as its last day."""
    return EPOCH + timedelta(days=min(number, _LAST_DAY))


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening and closing, in seconds relative to 00:00 UTC of each civil date from ``first_day`` on."""

    first_day: date
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class YearCalendar:
    """One place and year: banking days ascending, hours ascending with the first on 1 January."""

    place: str
    year: int
    banking_days: tuple[date, ...]
    hours: tuple[Hours, ...]

    def bitmap(self) -> tuple[int, int]:
        """Bit i of word w: 1 January + (256 w + i) days is a banking day."""
        first = date(self.year, 1, 1)
        words = [0, 0]
        for day in self.banking_days:
            if day.year != self.year:
                raise ValueError(f"banking day {day} is not in {self.year}")
            offset = (day - first).days
            words[offset // 256] |= 1 << (offset % 256)
        return words[0], words[1]

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``Year``."""
        hours = [(day_number(h.first_day), h.opens, h.closes) for h in self.hours]
        return (place_key(self.place), self.year, list(self.bitmap()), hours)


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant, the banking day whose closing it is, and whether it rests on days beyond the agreed horizon."""

    at: int
    day: date
    provisional: bool


def encode_initialize(years: Iterable[YearCalendar]) -> bytes:
    """Call data that fills the calendar at genesis; each place's years ascending and without gaps."""
    return bindings.encode_call(CONTRACT, "initialize", [[y.as_argument() for y in years]])


def encode_is_banking_day(place: str, day: date) -> bytes:
    """Call data; the result is decoded by ``bindings.decode_result`` as (banking, provisional)."""
    return bindings.encode_call(CONTRACT, "isBankingDay", [place_key(place), day_number(day)])


def encode_close_of(place: str, day: date) -> bytes:
    """Call data; the result is the closing instant in Unix seconds."""
    return bindings.encode_call(CONTRACT, "closeOf", [place_key(place), day_number(day)])


def encode_banking_day_of(place: str, timestamp: int) -> bytes:
    """Call data; the result is (day number, provisional)."""
    return bindings.encode_call(CONTRACT, "bankingDayOf", [place_key(place), timestamp])


def encode_banking_day_from(place: str, day: date) -> bytes:
    """Call data; the result is decoded by ``decode_deadline``."""
    return bindings.encode_call(CONTRACT, "bankingDayFrom", [place_key(place), day_number(day)])


def encode_add_banking_days(place: str, day: date, n: int) -> bytes:
    """Call data; the result is decoded by ``decode_deadline``."""
    return bindings.encode_call(CONTRACT, "addBankingDays", [place_key(place), day_number(day), n])


def decode_deadline(data: bytes) -> Deadline:
    """The answer of ``addBankingDays`` or ``bankingDayFrom``."""
    at, day, provisional = bindings.decode_result(CONTRACT, "addBankingDays", data)
    return Deadline(at, day_date(day), provisional)


class PlaceCalendar:
    """The contract's arithmetic for one place, in Python: what an auditor recomputes deadlines with.

    ``years`` are the place's published years, ascending without gaps; none makes every answer provisional.
    """

    def __init__(self, place: str, years: Sequence[YearCalendar] = ()) -> None:
        self.place = place
        self._banking = frozenset(d for y in years for d in y.banking_days)
        self._hours = [h for y in years for h in y.hours]
        self._starts = [h.first_day for h in self._hours]
        self._horizon = (date(years[0].year, 1, 1), date(years[-1].year, 12, 31)) if years else None

    def agreed(self, day: date) -> bool:
        """True inside the horizon."""
        return self._horizon is not None and self._horizon[0] <= day <= self._horizon[1]

    def is_banking_day(self, day: date) -> bool:
        """Beyond the horizon: Monday to Friday."""
        return day in self._banking if self.agreed(day) else day.weekday() < 5

    def close_of(self, day: date) -> int:
        """Closing instant in Unix seconds; beyond the horizon 24:00 UTC."""
        midnight = day_number(day) * SECONDS_PER_DAY
        if not self.agreed(day):
            return midnight + SECONDS_PER_DAY
        return midnight + self._hours[bisect_right(self._starts, day) - 1].closes

    def banking_day_of(self, timestamp: int) -> tuple[date, bool]:
        """The banking day on which a receipt at this instant counts (UCP 33), and whether that is provisional."""
        day = datetime.fromtimestamp(timestamp, UTC).date() - timedelta(days=1)
        provisional = False
        for _ in range(SEARCH_DAYS_MAX + 1):
            if self.close_of(day) >= timestamp:
                provisional = provisional or not self.agreed(day)
                if self.is_banking_day(day):
                    return day, provisional
            day += timedelta(days=1)
        raise ValueError(f"{self.place} has no banking day before {day}")

    def banking_day_from(self, day: date) -> Deadline:
        """The first banking day that is not before a date (UCP 29a)."""
        provisional = False
        for _ in range(SEARCH_DAYS_MAX + 1):
            provisional = provisional or not self.agreed(day)
            if self.is_banking_day(day):
                return Deadline(self.close_of(day), day, provisional)
            day += timedelta(days=1)
        raise ValueError(f"{self.place} has no banking day before {day}")

    def add_banking_days(self, day: date, n: int) -> Deadline:
        """The n-th banking day following a day (UCP 14b: n = 5)."""
        provisional = False
        for _ in range(n):
            step = self.banking_day_from(day + timedelta(days=1))
            day, provisional = step.day, provisional or step.provisional
        return Deadline(self.close_of(day), day, provisional)
