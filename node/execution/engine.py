"""The protocol of execution engines: they run transactions over a state reader and return a write set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from node.chain.receipt import Log
from node.execution.guard import ExecutionGuard
from node.state.write_set import WriteSet
from node.types import Account, Address, Hash32, StateReader

AccessList = tuple[tuple[Address, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What the EVM sees of a block. Base fee, difficulty, randao and blob fields are 0 (P-1, P-2)."""

    chain_id: int
    number: int
    timestamp: int
    coinbase: Address
    gas_limit: int
    ancestors: Callable[[], Iterator[Hash32]]
    """Hashes of the parent, its parent and so on; at most 256 are read (BLOCKHASH)."""


@dataclass(frozen=True, slots=True)
class EvmMessage:
    """A transaction without its signature: the top-level frame to run. Prices in wei, base fee 0."""

    sender: Address
    to: Address | None
    value: int
    data: bytes
    gas: int
    gas_price: int
    """What the sender pays for each gas, all of it to the coinbase."""
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class MessageResult:
    """Outcome of a top-level frame. ``gas_used`` is after refunds and includes the intrinsic gas."""

    succeeded: bool
    reverted: bool
    """Failed by REVERT: ``output`` is then the revert data."""
    gas_used: int
    output: bytes
    logs: tuple[Log, ...]
    error: str | None
    """The engine's words for a failure; for people, never for consensus."""
    contract_address: Address | None


class Execution(Protocol):
    """One block in the making over one state. Also reads as that state, changes included."""

    def write_parent_root(self, root: Hash32) -> None:
        """EIP-4788: store parentBeaconBlockRoot before the first transaction (P-8)."""

    def run(self, message: EvmMessage) -> MessageResult:
        """Apply one transaction, already validated, to the state.

        Raises what the guard raises; the caller then reverts to its checkpoint or drops the execution.
        """

    def checkpoint(self) -> int:
        """A mark to which :meth:`revert` returns."""

    def revert(self, checkpoint: int) -> None:
        """Undo every change since the mark."""

    def credit(self, address: Address, amount: int) -> None:
        """Add to a balance; for calls that are never committed, and for tests."""

    def write_set(self) -> WriteSet:
        """All changes against the state beneath."""

    def account(self, address: Address) -> Account | None:
        """StateReader, changes included."""

    def storage(self, address: Address, slot: int) -> int:
        """StateReader, changes included."""

    def code(self, code_hash: Hash32) -> bytes:
        """StateReader, changes included."""


class Engine(Protocol):
    """Makes executions. Stateless: one engine serves any number of threads."""

    @property
    def name(self) -> str:
        """As configured: "reference" or "fast"."""

    def begin(self, reader: StateReader, context: BlockContext, guard: ExecutionGuard) -> Execution:
        """An execution of one block over ``reader``."""
