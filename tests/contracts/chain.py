"""Stock py-evm under our contracts: genesis code in place, acts sent at a chosen block time, reverts as errors.

No block is made here; the node's own transition has its own tests. A chain's base state is built once and copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.state import CancunState
from eth.vm.message import Message

from contracts import addresses, artifacts, banking_calendar, bindings, consortium
from contracts.bindings import Event, Revert
from contracts.consortium import Member, Role
from tests.contracts.calendars import YEARS

GAS_PER_ACT = 8_000_000 - 21_000  # maxTxGas (P-6) less the transaction's own cost
GENESIS_GAS = 2_000_000_000
START = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)


class Reverted(Exception):
    """A call failed; ``revert`` is the decoded reason."""

    def __init__(self, revert: Revert) -> None:
        super().__init__(str(revert))
        self.revert = revert


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a successful call left: output, gas, and the decoded events of our contracts."""

    output: bytes
    gas_used: int
    events: tuple[Event, ...]

    def event(self, name: str) -> dict[str, Any]:
        """The arguments of the one event of this name."""
        (found,) = [e for e in self.events if e.name == name]
        return found.args


def member(number: int, name: str, place: str, role: Role = Role.BANK) -> Member:
    """A fictitious member with addresses made from its number."""
    return Member(
        id=number.to_bytes(32, "big"),
        name=name,
        bic=f"{name[:4].upper()}HK0X",
        lei="",
        role=role,
        place=place,
        business_address=(0xB000 + number).to_bytes(20, "big"),
        validator_address=(0xA000 + number).to_bytes(20, "big") if role is Role.BANK else None,
        encryption_key=bytes([number]) * 32,
    )


HARBOUR = member(1, "Harbour", "HKHKG")
LION = member(2, "Lion", "SGSIN")
THAMES = member(3, "Thames", "GBLON")
HUDSON = member(4, "Hudson", "USNYC")
AUDITOR = member(5, "Auditor", "HKHKG", Role.AUDITOR)
MEMBERS = (HARBOUR, LION, THAMES, HUDSON, AUDITOR)
BANKS = MEMBERS[:4]


@cache
def _base() -> tuple[dict[bytes, bytes], bytes]:
    """Key-value content and state root after genesis."""
    database = MemoryDB()
    chain = Chain(database, BLANK_ROOT_HASH, START)
    for name, address in addresses.SYSTEM_CONTRACTS.items():
        if name in artifacts.names():
            chain.state.set_code(address, artifacts.load(name).runtime_code)
            chain.state.set_nonce(address, 1)
    chain.genesis(addresses.CONSORTIUM, consortium.encode_initialize(100, 10, MEMBERS, []))
    chain.genesis(addresses.BANKING_CALENDAR, banking_calendar.encode_initialize(YEARS))
    chain.state.persist()
    return dict(database.kv_store), chain.state.state_root


class Chain:
    """One state and a clock that only the test moves."""

    def __init__(self, database: MemoryDB, root: bytes, now: datetime) -> None:
        self.now = now
        context = ExecutionContext(
            coinbase=bytes(20),
            timestamp=0,
            block_number=1,
            difficulty=0,
            mix_hash=bytes(32),
            gas_limit=60_000_000,
            prev_hashes=(),
            chain_id=4_242,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
        self._context = context
        self.state = CancunState(AtomicDB(database), context, root)

    @classmethod
    def fresh(cls, now: datetime = START) -> Chain:
        """A chain right after genesis."""
        content, root = _base()
        return cls(MemoryDB(dict(content)), root, now)

    def at(self, year: int, month: int, day: int, hour: int = 2, minute: int = 0, second: int = 0) -> Chain:
        """Moves the clock to a UTC time."""
        self.now = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return self

    def at_instant(self, timestamp: int) -> Chain:
        """Moves the clock to a Unix time."""
        self.now = datetime.fromtimestamp(timestamp, UTC)
        return self

    @property
    def timestamp(self) -> int:
        """The block's time in Unix seconds."""
        return int(self.now.timestamp())

    def genesis(self, to: bytes, data: bytes) -> Outcome:
        """A call by the genesis sender."""
        return self._run(addresses.GENESIS_SENDER, to, data, GENESIS_GAS, keep=True)

    def send(self, sender: Member | bytes, to: bytes, data: bytes) -> Outcome:
        """A transaction from a member's business account; Reverted leaves the state as it was."""
        account = sender.business_address if isinstance(sender, Member) else sender
        return self._run(account, to, data, GAS_PER_ACT, keep=True)

    def call(self, to: bytes, data: bytes) -> bytes:
        """A view."""
        return self._run(bytes(20), to, data, GENESIS_GAS, keep=False).output

    def _run(self, sender: bytes, to: bytes, data: bytes, gas: int, *, keep: bool) -> Outcome:
        self._context._timestamp = self.timestamp
        snapshot = self.state.snapshot()
        message = Message(gas, to, sender, 0, data, self.state.get_code(to))
        transaction = self.state.get_transaction_context_class()(gas_price=0, origin=sender)
        computation = self.state.computation_class.apply_message(self.state, message, transaction)
        if computation.is_error:
            self.state.revert(snapshot)
            raise Reverted(bindings.decode_revert(bytes(computation.output)))
        if keep:
            self.state.commit(snapshot)
            self.state.lock_changes()
            self.state.clear_transient_storage()
        else:
            self.state.revert(snapshot)
        return Outcome(bytes(computation.output), computation.get_gas_used(), _events(computation.get_log_entries()))


def _events(entries: Sequence[tuple[bytes, Sequence[int], bytes]]) -> tuple[Event, ...]:
    found: list[Event] = []
    for _, topics, data in entries:
        words = [t.to_bytes(32, "big") for t in topics]
        decoded = (bindings.decode_event(name, words, data) for name in artifacts.names())
        event = next((e for e in decoded if e is not None), None)
        if event is not None:
            found.append(event)
    return tuple(found)


def utc(day: date, hour: int, minute: int = 0, second: int = 0) -> int:
    """Unix seconds of a UTC time on a date."""
    return int(datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC).timestamp())
