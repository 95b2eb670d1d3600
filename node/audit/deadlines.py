"""The auditor's own banking-day arithmetic (UCP 600 articles 14, 29 and 33), held against what credits stored.

The calendar's days and hours come from the state that the replay itself computed; the steps over them are taken here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from contracts import addresses, bindings
from contracts import letter_of_credit as lc
from contracts.banking_calendar import SECONDS_PER_DAY
from node.errors import DataError
from node.execution.call import CallRequest
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.keys import keccak256
from node.types import Address, StateReader, to_hex

EXAMINATION_DAYS: Final = 5
"""UCP 14(b): a maximum of five banking days following the day of presentation."""
SEARCH_DAYS_MAX: Final = 366
_CALENDAR: Final = Address(addresses.BANKING_CALENDAR)
_CONSORTIUM: Final = Address(addresses.CONSORTIUM)
_CREDIT_CODE_HASH: Final = keccak256(
    bytes.fromhex("363d3d373d3d3d363d73") + addresses.LETTER_OF_CREDIT + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
)
"""EIP-1167: the code of every credit; another contract's event of the same name proves nothing."""


class DeadlineMismatch(Exception):
    """A stored deadline is not what the agreed calendar gives."""

    def __init__(self, rule: str, field: str, message: str, expected: int, found: int) -> None:
        super().__init__(message)
        self.rule = rule
        self.field = field
        self.message = message
        self.expected = expected
        self.found = found


def check_deadlines(ledger: Ledger, executed: ExecutedBlock) -> int:
    """Recompute each deadline that a credit stored in this block, which must be the ledger's head.

    Returns how many there were; raises DeadlineMismatch for the first false one, DataError or ValueError where a
    credit does not answer as credits do.
    """
    count = 0
    state = ledger.state_at(executed.block.header)
    views = _Views(ledger)
    for receipt in executed.receipts:
        for log in receipt.logs:
            check = _CHECKS.get(log.topics[0]) if log.topics else None
            if check is None or not _is_credit(state, log.address):
                continue  # before anything is decoded: a stranger's log of that name may hold anything
            event = bindings.decode_event(lc.CONTRACT, log.topics, log.data)
            if event is None:
                raise DataError("a credit's event does not decode", field="event")
            count += check(_Credit(views, log.address), executed.block.header.timestamp, event)
    return count


def _check_expiry(credit: _Credit, _now: int, _event: bindings.Event) -> int:
    """An expiry on a day that is no banking day moves to the next one's close (29(a))."""
    view = credit.ask("credit")
    days = credit.days(view["terms"]["expiryPlace"])
    expected = days.closes_at(days.banking_day_from(view["terms"]["expiryDay"]))
    _compare("UCP 29(a)", "expiresAt", "the stored expiry", expected, view["expiresAt"])
    return 1


def _check_presentation(credit: _Credit, _now: int, event: bindings.Event) -> int:
    """The period for presentation after shipment (14(c)), where one was stored."""
    made = credit.ask("presentation", event.args["presentation"])
    stored, expected = made["lastPresentationAt"], 0
    if made["shipmentDay"] and made["transportOriginal"]:
        view = credit.ask("credit")
        if made["termsVersion"] != view["termsVersion"]:
            return 0  # amended later in the same block: the terms that counted are no longer readable
        days = credit.days(credit.place_of(made["examiningBank"]))
        expected = days.closes_at(days.banking_day_from(made["shipmentDay"] + view["terms"]["presentationDays"]))
    _compare("UCP 14(c)", "lastPresentationAt", "the stored last day for presentation", expected, stored)
    return int(expected != 0)


def _check_examination(credit: _Credit, now: int, event: bindings.Event) -> int:
    """Five banking days after the banking day of receipt (14(b), 33), as announced and as stored."""
    bank = event.args["bank"]
    days = credit.days(credit.place_of(bank))
    stored, _standing = credit.ask("examination", event.args["presentation"], bank)
    day_zero = days.banking_day_of(now)
    for found in (event.args["dayZero"], stored["dayZero"]):
        _compare("UCP 33", "dayZero", "the stored day of receipt", day_zero, found)
    last = day_zero
    for _ in range(EXAMINATION_DAYS):
        last = days.banking_day_from(last + 1)
    for found in (event.args["deadline"], stored["deadline"]):
        _compare("UCP 14(b)", "deadline", "the stored end of the examination", days.closes_at(last), found)
    return 1


_CHECKS = {
    bindings.event_topic(lc.CONTRACT, name): check
    for name, check in {
        "CreditIssued": _check_expiry,
        "AmendmentAccepted": _check_expiry,
        "DocumentsPresented": _check_presentation,
        "ExaminationStarted": _check_examination,
    }.items()
}
"""First topics of the events that come with a stored deadline."""


def _compare(rule: str, field: str, what: str, expected: int, found: int) -> None:
    if expected != found:
        raise DeadlineMismatch(rule, field, f"{what} is not what the calendar gives", expected, found)


def _is_credit(state: StateReader, address: Address) -> bool:
    account = state.account(address)
    return account is not None and account.code_hash == _CREDIT_CODE_HASH


class _Views:
    """What contracts answer on the replayed head, each question asked once.

    Words are left as the contracts hold them, undecorated: a credit may name any place and any day, and a false alarm
    about them would be as bad as a missed one.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._answers: dict[tuple[Address, bytes], Any] = {}

    def ask(self, contract: str, to: Address, function: str, args: Sequence[Any]) -> Any:
        """The decoded answer of a view; DataError where there is none."""
        data = bindings.encode_call(contract, function, args)
        if (to, data) not in self._answers:
            result = self._ledger.call(CallRequest(to=to, data=data), self._ledger.head)
            if result.error is not None:
                message = f"{contract} at {to_hex(to)} does not answer {function}: {result.error}"
                raise DataError(message, field=function)
            self._answers[to, data] = bindings.decode_result(contract, function, result.output)
        return self._answers[to, data]


class _Credit:
    """One credit, and the calendar of its banks, on the replayed head."""

    def __init__(self, views: _Views, address: Address) -> None:
        self._views = views
        self._address = address

    def ask(self, function: str, *args: Any) -> Any:
        """The answer of one of the credit's views."""
        return self._views.ask(lc.CONTRACT, self._address, function, args)

    def place_of(self, bank: bytes) -> bytes:
        """Key of the place where a member bank does business."""
        return bytes(self._views.ask("Consortium", _CONSORTIUM, "placeOf", [bank]))

    def days(self, place: bytes) -> _Days:
        """The calendar of a place."""
        return _Days(self._views, place)


class _Days:
    """One place's days as the calendar contract holds them on the replayed head. Days count from 1970-01-01."""

    def __init__(self, views: _Views, place: bytes) -> None:
        self._views = views
        self._place = place

    def banking_day_of(self, instant: int) -> int:
        """The first banking day that has not closed at ``instant`` (UCP 33)."""
        # A place west of Greenwich may still be open on the civil date before the UTC one: begin a day early.
        day = instant // SECONDS_PER_DAY - 1
        for _ in range(SEARCH_DAYS_MAX):
            if self._is_banking_day(day) and self.closes_at(day) >= instant:
                return day
            day += 1
        raise DataError(f"no banking day within {SEARCH_DAYS_MAX} days", field="place")

    def banking_day_from(self, day: int) -> int:
        """The first banking day that is not before ``day``."""
        for candidate in range(day, day + SEARCH_DAYS_MAX):
            if self._is_banking_day(candidate):
                return candidate
        raise DataError(f"no banking day within {SEARCH_DAYS_MAX} days", field="place")

    def closes_at(self, day: int) -> int:
        """Unix seconds of the close of business."""
        return int(self._ask("closeOf", day))

    def _is_banking_day(self, day: int) -> bool:
        banking, _provisional = self._ask("isBankingDay", day)
        return bool(banking)

    def _ask(self, function: str, day: int) -> Any:
        return self._views.ask("BankingCalendar", _CALENDAR, function, [self._place, day])
