"""Genesis making: the alloc of a consortium, and the genesis document around it (P-3, P-12).

The system contracts' runtime code goes straight into alloc; their storage is what their ``initialize`` functions
leave behind when the genesis sender calls them, so no second description of the layout exists here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from consensus.validators import validator_set_hash
from contracts import addresses, artifacts, bindings, consortium, financing_registry
from contracts import banking_calendar as calendar
from contracts.consortium import Member
from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE, Genesis, GenesisAccount, genesis_header
from node.chain.parameters import ChainParameters
from node.errors import ConfigError, ImpossibleState
from node.execution.engine import BlockContext, EvmMessage
from node.execution.genesis_state import genesis_write_set
from node.execution.guard import ExecutionGuard
from node.execution.reference import ReferenceEngine
from node.keys import keccak256
from node.permissioning import validators_at
from node.state.store import StateStore
from node.state.write_set import WriteSet
from node.storage.store import Operation
from node.types import ZERO_ADDRESS, Account, Address, Hash32, StateReader, to_hex

EPOCH_LENGTH: Final = 100
"""L: heights of one epoch (P-13)."""
ACTIVATION_DELAY: Final = 10
"""D: from a change of the validator set to the earliest edge at which it enters (P-12)."""
WINDOW: Final = 1
"""W: blocks agreed on at once; with 1 a header names its parent's certificate (P-11)."""
TIMEOUT_MS: Final = 2_000
"""T0: first patience with a primary (P-4)."""
TIMEOUT_MAX_MS: Final = 30_000
STATUS_INTERVAL_MS: Final = 500
"""T_status: repeats STATUS and whatever was lost (P-14)."""
AGE_LIMIT_MS: Final = 8_000
"""T_age: four times T0, so that a primary that works is never blamed for one slow block (P-14)."""
TOLERANCE_S: Final = 5
HEARTBEAT_S: Final = 600
"""An idle chain makes a block every ten minutes (P-16)."""
MIN_BLOCK_PERIOD_MS: Final = 0
MAX_TX_GAS: Final = 8_000_000
"""24 KiB of code deposits 4.9M (P-6)."""
GAS_LIMIT: Final = 60_000_000
"""Half of it is usable, so that the base fee stays 0 (P-2)."""
EXCLUDED_PRECOMPILES: Final = (7, 8, 9, 10)
"""ecMul, pairing, blake2f, point evaluation (P-6, P-7)."""
DEVELOPER_BALANCE: Final = 10**24
"""A million ether in wei: gas costs nothing here, but tools refuse accounts that own nothing."""
HOLDS_FOR_BANK_MAX: Final = 64
HOLD_SECONDS_MAX: Final = 7 * 86_400
SYSTEM_NONCE: Final = 1
"""As if created by a transaction (EIP-161); a factory's first clone counts from here."""
INITIALIZE_GAS: Final = 10**12
"""Enough for a thousand members and developers; no block holds these calls."""


@dataclass(frozen=True, slots=True)
class ConsortiumSpec:
    """What an operator decides of a new consortium. ``timestamp`` in Unix seconds.

    ``calendars`` are computed by the caller; ``developers`` may send and deploy and are funded.
    """

    chain_id: int
    timestamp: int
    members: tuple[Member, ...]
    developers: tuple[Address, ...] = ()
    calendars: tuple[calendar.YearCalendar, ...] = ()
    epoch_length: int = EPOCH_LENGTH
    activation_delay: int = ACTIVATION_DELAY
    window: int = WINDOW
    strict_timestamps: bool = False
    test_clock: int | None = None
    gas_limit: int = GAS_LIMIT
    holds_for_bank_max: int = HOLDS_FOR_BANK_MAX
    hold_seconds_max: int = HOLD_SECONDS_MAX


@dataclass(slots=True)
class AllocReader:
    """An alloc as a state: what the contracts and the permissioning readers see at height 0."""

    alloc: dict[Address, GenesisAccount]
    _codes: dict[Hash32, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._codes = {_code_hash(a.code): a.code for a in self.alloc.values()}

    def account(self, address: Address) -> Account | None:
        """The account, or None."""
        found = self.alloc.get(address)
        return None if found is None else Account(found.nonce, found.balance, _code_hash(found.code))

    def storage(self, address: Address, slot: int) -> int:
        """A storage word; 0 where nothing stands."""
        found = self.alloc.get(address)
        return 0 if found is None else found.storage.get(slot, 0)

    def code(self, code_hash: Hash32) -> bytes:
        """Code by its hash."""
        return self._codes.get(code_hash, b"")


@lru_cache(maxsize=64)
def _code_hash(code: bytes) -> Hash32:
    return Hash32(keccak256(code))


def chain_parameters(spec: ConsortiumSpec) -> ChainParameters:
    """The ``pbft`` block with this module's defaults and the specification's choices (P-3)."""
    return ChainParameters(
        epoch_length=spec.epoch_length,
        activation_delay=spec.activation_delay,
        window=spec.window,
        timeout_ms=TIMEOUT_MS,
        timeout_max_ms=TIMEOUT_MAX_MS,
        status_interval_ms=STATUS_INTERVAL_MS,
        age_limit_ms=AGE_LIMIT_MS,
        tolerance_s=TOLERANCE_S,
        heartbeat_s=HEARTBEAT_S,
        strict_timestamps=spec.strict_timestamps,
        min_block_period_ms=MIN_BLOCK_PERIOD_MS,
        max_tx_gas=MAX_TX_GAS,
        excluded_precompiles=EXCLUDED_PRECOMPILES,
        test_clock=spec.test_clock,
    )


def make_genesis(spec: ConsortiumSpec) -> Genesis:
    """The genesis of a consortium. ConfigError names what the specification has wrong."""
    alloc = build_alloc(spec)
    return Genesis(
        parameters=chain_parameters(spec),
        chain_id=spec.chain_id,
        gas_limit=spec.gas_limit,
        timestamp=spec.timestamp,
        extra_data=validator_set_hash(1 // spec.epoch_length, validators_at(AllocReader(alloc), 1)),
        alloc=alloc,
    )


def build_alloc(
    spec: ConsortiumSpec, contracts: Mapping[str, bytes] = addresses.SYSTEM_CONTRACTS
) -> dict[Address, GenesisAccount]:
    """Every account of height 0: system contracts with their storage, EIP-4788's contract, funded developers.

    ``contracts`` maps artefacts to their addresses. ConfigError where an initialiser refuses the specification.
    """
    alloc = {
        Address(address): GenesisAccount(nonce=SYSTEM_NONCE, code=artifacts.load(name).runtime_code)
        for name, address in contracts.items()
    }
    alloc[BEACON_ROOTS_ADDRESS] = GenesisAccount(nonce=1, code=BEACON_ROOTS_CODE)
    alloc = _with_storage(alloc, _initialize(AllocReader(alloc), spec))
    for developer in spec.developers:
        if developer in alloc:
            raise ConfigError(f"developer {to_hex(developer)} stands at a system contract", field="developers")
        alloc[developer] = GenesisAccount(balance=DEVELOPER_BALANCE)
    return {address: alloc[address] for address in sorted(alloc)}


def genesis_hash(genesis: Genesis) -> Hash32:
    """Hash of the block at height 0, computed from the document alone."""
    update = StateStore(_NothingStored()).apply(genesis_write_set(genesis))
    return genesis_header(genesis, update.root).hash


class _NothingStored:
    """The key-value store beneath the empty state: it holds nothing, and nothing is written to it."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def floor(self, prefix: bytes, key: bytes) -> tuple[bytes, bytes] | None:
        return None

    def write(self, operations: Sequence[Operation], *, sync: bool) -> None:
        raise ImpossibleState("a genesis hash is computed without a database")

    def close(self) -> None:
        """Nothing to release."""


def _initialize(reader: StateReader, spec: ConsortiumSpec) -> WriteSet:
    """Run the initialisers in the order of their addresses, in one scratch block at height 0."""
    context = BlockContext(
        chain_id=spec.chain_id,
        number=0,
        timestamp=spec.timestamp,
        coinbase=ZERO_ADDRESS,
        gas_limit=INITIALIZE_GAS,
        ancestors=_no_ancestors,
    )
    execution = ReferenceEngine().begin(reader, context, ExecutionGuard())
    for name, data in _initializers(spec):
        message = EvmMessage(
            sender=Address(addresses.GENESIS_SENDER),
            to=Address(addresses.SYSTEM_CONTRACTS[name]),
            value=0,
            data=data,
            gas=INITIALIZE_GAS,
            gas_price=0,
        )
        result = execution.run(message)
        if not result.succeeded:
            reason = bindings.decode_revert(result.output, [name]) if result.reverted else result.error
            raise ConfigError(f"{name} refuses its initial values: {reason}", field=name)
    return execution.write_set()


def _initializers(spec: ConsortiumSpec) -> Iterator[tuple[str, bytes]]:
    try:
        yield (
            consortium.CONTRACT,
            consortium.encode_initialize(spec.epoch_length, spec.activation_delay, spec.members, spec.developers),
        )
        yield calendar.CONTRACT, calendar.encode_initialize(spec.calendars)
        yield (
            financing_registry.CONTRACT,
            financing_registry.encode_initialize(spec.holds_for_bank_max, spec.hold_seconds_max),
        )
    except ValueError as error:
        raise ConfigError(f"the consortium's specification: {error}", field="members") from error


def _with_storage(alloc: dict[Address, GenesisAccount], writes: WriteSet) -> dict[Address, GenesisAccount]:
    """The alloc with the words that the initialisers wrote; the genesis sender leaves no trace."""
    changed = set(writes.accounts) - {Address(addresses.GENESIS_SENDER), ZERO_ADDRESS}
    if changed or writes.cleared or writes.code:
        raise ImpossibleState("an initialiser changed more than storage")
    filled = dict(alloc)
    for address, words in writes.storage.items():
        account = alloc[address]
        storage = {slot: words[slot] for slot in sorted(words) if words[slot]}
        filled[address] = GenesisAccount(account.nonce, account.balance, account.code, storage)
    return filled


def _no_ancestors() -> Iterator[Hash32]:
    return iter(())
