"""The auditor's own banking-day arithmetic (UCP 600 articles 14(b), 29 and 33), held against what contracts stored.

The calendar's days and hours come from the state that the replay itself computed; the steps over them are taken here.
"""

from __future__ import annotations

from typing import Any, Final

from contracts import addresses, bindings
from contracts.banking_calendar import SECONDS_PER_DAY, place_key
from node import permissioning
from node.errors import DataError
from node.execution.call import CallRequest
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.keys import keccak256
from node.types import Address, StateReader

EXAMINATION_DAYS: Final = 5
"""UCP 14(b): a maximum of five banking days following the day of presentation."""
SEARCH_DAYS_MAX: Final = 366
_CALENDAR = Address(addresses.BANKING_CALENDAR)
_CREDIT_CODE = (
    bytes.fromhex("363d3d373d3d3d363d73") + addresses.LETTER_OF_CREDIT + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
)
"""EIP-1167: the code of every credit; another contract's event of the same name proves nothing."""


class DeadlineMismatch(Exception):
    """A stored deadline is not what the agreed calendar gives."""

    def __init__(self, rule: str, message: str, expected: int, found: int) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.expected = expected
        self.found = found


def check_deadlines(ledger: Ledger, executed: ExecutedBlock) -> int:
    """Recompute each deadline that a credit stored in this block, which must be the ledger's head.

    Returns how many there were; raises DeadlineMismatch for the first false one.
    """
    count = 0
    state = ledger.state_at(executed.block.header)
    for receipt in executed.receipts:
        for log in receipt.logs:
            event = bindings.decode_event("LetterOfCredit", log.topics, log.data) if log.topics else None
            if event is None or event.name != "ExaminationStarted" or not _is_credit(state, log.address):
                continue
            _check_examination(ledger, state, executed.block.header.timestamp, event)
            count += 1
    return count


def _check_examination(ledger: Ledger, state: StateReader, received_at: int, event: bindings.Event) -> None:
    member = permissioning.member_by_id(state, event.args["bank"])
    if member is None:
        raise DataError("an examination by a bank that is no member", field="bank")
    days = _Days(ledger, member.place)
    day_zero = days.banking_day_of(received_at)
    if event.args["dayZero"] != day_zero:
        raise DeadlineMismatch(
            "UCP 33", "the stored day of receipt is not the calendar's", day_zero, event.args["dayZero"]
        )
    last = day_zero
    for _ in range(EXAMINATION_DAYS):
        last = days.next_banking_day(last)
    closes_at = days.closes_at(last)
    if event.args["deadline"] != closes_at:
        raise DeadlineMismatch(
            "UCP 14(b)",
            "the stored deadline is not the close of the fifth banking day",
            closes_at,
            event.args["deadline"],
        )


def _is_credit(state: StateReader, address: Address) -> bool:
    account = state.account(address)
    return account is not None and account.code_hash == keccak256(_CREDIT_CODE)


class _Days:
    """One place's days as the calendar contract holds them on the replayed head."""

    def __init__(self, ledger: Ledger, place: str) -> None:
        self._ledger = ledger
        self._place = place_key(place)

    def banking_day_of(self, instant: int) -> int:
        """The first banking day that has not closed at ``instant`` (UCP 33)."""
        # A place east of Greenwich may close a civil date before 00:00 UTC of it: begin a day early.
        day = instant // SECONDS_PER_DAY - 1
        for _ in range(SEARCH_DAYS_MAX):
            if self.is_banking_day(day) and self.closes_at(day) >= instant:
                return day
            day += 1
        raise DataError(f"no banking day within {SEARCH_DAYS_MAX} days", field="place")

    def next_banking_day(self, day: int) -> int:
        for candidate in range(day + 1, day + 1 + SEARCH_DAYS_MAX):
            if self.is_banking_day(candidate):
                return candidate
        raise DataError(f"no banking day within {SEARCH_DAYS_MAX} days", field="place")

    def is_banking_day(self, day: int) -> bool:
        banking, _provisional = self._ask("isBankingDay", day)
        return bool(banking)

    def closes_at(self, day: int) -> int:
        return int(self._ask("closeOf", day))

    def _ask(self, function: str, day: int) -> Any:
        data = bindings.encode_call("BankingCalendar", function, [self._place, day])
        result = self._ledger.call(CallRequest(to=_CALENDAR, data=data), self._ledger.head)
        if result.error is not None:
            raise DataError(f"the calendar does not answer {function}({day}): {result.error}", field="calendar")
        return bindings.decode_result("BankingCalendar", function, result.output)
