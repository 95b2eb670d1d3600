"""The auditor's own banking-day arithmetic (UCP 600 articles 14, 29 and 33), held against what credits stored.

The calendar's days and hours come from the state that the replay itself computed; the steps over them are taken here.
"""

from __future__ import annotations

from typing import Any, Final

from contracts import addresses, bindings
from contracts import letter_of_credit as lc
from contracts.banking_calendar import SECONDS_PER_DAY, day_number, place_key
from node import permissioning
from node.errors import DataError
from node.execution.call import CallRequest
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.keys import keccak256
from node.types import Address, StateReader, to_hex

EXAMINATION_DAYS: Final = 5
"""UCP 14(b): a maximum of five banking days following the day of presentation."""
SEARCH_DAYS_MAX: Final = 366
_CALENDAR = Address(addresses.BANKING_CALENDAR)
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
    for receipt in executed.receipts:
        for log in receipt.logs:
            event = bindings.decode_event(lc.CONTRACT, log.topics, log.data) if log.topics else None
            check = _CHECKS.get(event.name) if event is not None else None
            if event is not None and check is not None and _is_credit(state, log.address):
                count += check(_Credit(ledger, state, log.address), executed.block.header.timestamp, event)
    return count


def _check_expiry(credit: _Credit, _now: int, _event: bindings.Event) -> int:
    """An expiry on a day that is no banking day moves to the next one's close (29(a))."""
    view = credit.view()
    if view.terms.expiry_day is None:
        raise DataError("a credit without an expiry date", field="expiryDay")
    days = credit.days(view.terms.expiry_place)
    last = days.banking_day_from(day_number(view.terms.expiry_day))
    _compare("UCP 29(a)", "expiresAt", "the stored expiry", days.closes_at(last), view.expires_at)
    return 1


def _check_presentation(credit: _Credit, _now: int, event: bindings.Event) -> int:
    """The period for presentation after shipment (14(c)), where one was stored."""
    made = lc.decode_presentation(credit.ask(lc.encode_presentation(event.args["presentation"])))
    now_standing = credit.view()
    if made.shipment_day is None or not made.transport_original:
        _compare(
            "UCP 14(c)", "lastPresentationAt", "the stored last day for presentation", 0, made.last_presentation_at
        )
        return 0
    if made.terms_version != now_standing.terms_version:
        return 0  # amended later in the same block: the terms that counted are no longer readable
    days = credit.days(credit.place_of(made.examining_bank))
    last = days.banking_day_from(day_number(made.shipment_day) + now_standing.terms.presentation_days)
    stored = made.last_presentation_at
    _compare("UCP 14(c)", "lastPresentationAt", "the stored last day for presentation", days.closes_at(last), stored)
    return 1


def _check_examination(credit: _Credit, now: int, event: bindings.Event) -> int:
    """Five banking days after the banking day of receipt (14(b), 33), as announced and as stored."""
    bank = event.args["bank"]
    days = credit.days(credit.place_of(bank))
    stored = lc.decode_examination(credit.ask(lc.encode_examination(event.args["presentation"], bank)))
    day_zero = days.banking_day_of(now)
    stored_day = day_number(stored.day_zero) if stored.day_zero is not None else 0
    for found in (event.args["dayZero"], stored_day):
        _compare("UCP 33", "dayZero", "the stored day of receipt", day_zero, found)
    last = day_zero
    for _ in range(EXAMINATION_DAYS):
        last = days.banking_day_from(last + 1)
    for found in (event.args["deadline"], stored.deadline):
        _compare("UCP 14(b)", "deadline", "the stored end of the examination", days.closes_at(last), found)
    return 1


_CHECKS = {
    "CreditIssued": _check_expiry,
    "AmendmentAccepted": _check_expiry,
    "DocumentsPresented": _check_presentation,
    "ExaminationStarted": _check_examination,
}
"""Events that come with a stored deadline."""


def _compare(rule: str, field: str, what: str, expected: int, found: int) -> None:
    if expected != found:
        raise DeadlineMismatch(rule, field, f"{what} is not what the calendar gives", expected, found)


def _is_credit(state: StateReader, address: Address) -> bool:
    account = state.account(address)
    return account is not None and account.code_hash == _CREDIT_CODE_HASH


def _call(ledger: Ledger, to: Address, data: bytes, what: str) -> bytes:
    result = ledger.call(CallRequest(to=to, data=data), ledger.head)
    if result.error is not None:
        raise DataError(f"{what} does not answer: {result.error}", field=what)
    return result.output


class _Credit:
    """One credit, and the calendar of its banks, on the replayed head."""

    def __init__(self, ledger: Ledger, state: StateReader, address: Address) -> None:
        self._ledger = ledger
        self._state = state
        self._address = address

    def ask(self, data: bytes) -> bytes:
        """The answer of one of the credit's views."""
        return _call(self._ledger, self._address, data, f"the credit {to_hex(self._address)}")

    def view(self) -> lc.CreditView:
        """The credit as it stands after the block."""
        return lc.decode_credit(self.ask(lc.encode_credit()))

    def place_of(self, bank: bytes) -> str:
        """Where a member bank does business."""
        member = permissioning.member_by_id(self._state, bank)
        if member is None:
            raise DataError("an examination by a bank that is no member", field="bank")
        return member.place

    def days(self, place: str) -> _Days:
        """The calendar of a place."""
        return _Days(self._ledger, place)


class _Days:
    """One place's days as the calendar contract holds them on the replayed head. Days count from 1970-01-01."""

    def __init__(self, ledger: Ledger, place: str) -> None:
        self._ledger = ledger
        self._place = place_key(place)

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
        data = bindings.encode_call("BankingCalendar", function, [self._place, day])
        return bindings.decode_result("BankingCalendar", function, _call(self._ledger, _CALENDAR, data, "the calendar"))
