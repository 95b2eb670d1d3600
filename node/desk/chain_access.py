"""The chain as the trade services see it: members, calls, estimates, submission, and following to final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from contracts import bindings
from contracts.banking_calendar import SECONDS_PER_DAY, day_date
from contracts.consortium import Member, Role
from node.chain.receipt import Log
from node.errors import DataError, PrayaError
from node.types import Hash32

FINAL_TIMEOUT_S = 60.0
DROP_CHECK_S = 0.5
INSTANT_MAX = 253_402_300_800
"""The year 10,000: beyond it a number is shown as it stands."""


class ContractRefusal(DataError):
    """A contract refuses the act. ``field`` is the custom error's name (with the article), ``details`` its values as
    they are; the message says them for people: banks of ``members`` by name, instants and days as dates."""

    def __init__(self, revert: bindings.Revert, members: Sequence[Member] = ()) -> None:
        values = {
            name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in revert.args.items()
        }
        banks = {member.id: member.name for member in members}
        spoken = ", ".join(f"{name} {_spoken(name, value, banks)}" for name, value in revert.args.items())
        message = f"the contract refuses: {revert.name}" + (f" ({spoken})" if spoken else "")
        super().__init__(message, field=revert.name, code=revert.name, values=values)
        self.revert = revert


def _spoken(name: str, value: Any, banks: Mapping[bytes, str]) -> str:
    """An error's argument for people. Contracts name instants ``...At``, ``deadline``, ``expiry``, days ``...Day``."""
    if isinstance(value, bytes):
        return banks.get(value, "0x" + value.hex())
    if isinstance(value, int) and name.endswith(("At", "deadline", "expiry")) and 0 < value < INSTANT_MAX:
        return datetime.fromtimestamp(value, UTC).strftime("%a %d %b %Y %H:%M:%S UTC")
    if isinstance(value, int) and name.endswith("Day") and 0 < value < INSTANT_MAX // SECONDS_PER_DAY:
        return day_date(value).isoformat()
    return str(value)


@dataclass(frozen=True, slots=True)
class FinalTransaction:
    """A transaction in a final block; ``logs`` with their index in the block."""

    tx_hash: Hash32
    block_number: int
    succeeded: bool
    gas_used: int
    logs: tuple[Log, ...]


class ChainAccess(Protocol):
    """What the services need of a chain (``node.desk.ledger_chain.LedgerChain`` is the node's)."""

    @property
    def chain_id(self) -> int: ...

    def head_number(self) -> int: ...

    def block_time(self) -> int:
        """Unix seconds that an act made now would see: the clock of blocks (P-19), never below the head's."""

    def members(self) -> list[Member]: ...

    def call(self, to: bytes, data: bytes, sender: bytes) -> bytes:
        """Output of a call on the head's state; ContractRefusal where it reverts."""

    def estimate_gas(self, to: bytes, data: bytes, sender: bytes) -> int:
        """A gas limit that suffices; ContractRefusal where the call reverts."""

    def next_nonce(self, address: bytes) -> int: ...

    async def submit(self, raw: bytes) -> Hash32: ...

    def find(self, tx_hash: Hash32) -> FinalTransaction | None:
        """A final transaction, or None."""

    async def next_block(self, after: int) -> int:
        """The head's number as soon as it is above ``after``."""

    async def wait_final(self, tx_hash: Hash32, timeout_s: float = FINAL_TIMEOUT_S) -> FinalTransaction:
        """UnavailableError where it is not final in time, or was dropped."""


def active_banks(members: list[Member]) -> list[Member]:
    """Members that are banks and active."""
    return [member for member in members if member.role is Role.BANK and member.active]


def member_of(members: list[Member], address: bytes) -> Member:
    """The member whose business account this is; PrayaError where there is none."""
    for member in members:
        if member.business_address == address:
            return member
    raise PrayaError(f"0x{address.hex()} is no member's business account", field="member")


def member_named(members: list[Member], member_id: bytes) -> Member | None:
    """The member with this id."""
    return next((member for member in members if member.id == member_id), None)
