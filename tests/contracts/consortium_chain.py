"""A consortium of banks whose contracts run on the reference engine, one transaction in each block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from contracts import bindings
from contracts.addresses import SYSTEM_CONTRACTS
from contracts.bindings import Event, Revert
from contracts.consortium import Member, Role
from node.chain.genesis import GenesisAccount
from node.execution.engine import BlockContext, EvmMessage, MessageResult
from node.execution.genesis_alloc import AllocReader, ConsortiumSpec, build_alloc
from node.execution.guard import ExecutionGuard
from node.execution.reference import ReferenceEngine
from node.keys import PrivateKey, keccak256
from node.state.write_set import WriteSet
from node.types import ZERO_ADDRESS, Account, Address, Hash32, StateReader

CHAIN_ID = 852
START = 1_790_000_000
"""2026-09-21, a Monday."""
GAS = 8_000_000
"""maxTxGas (P-6): an act that needs more could not be sent."""
APPROVALS = b"\xa5" * 32
ENGINE = ReferenceEngine()
CONTRACTS = {
    name: SYSTEM_CONTRACTS[name]
    for name in (
        "Consortium",
        "BankingCalendar",
        "DocumentRegistry",
        "FinancingRegistry",
        "InvoiceFinancing",
        "InvoiceFinancingFactory",
    )
}
"""A network without letters of credit."""


def bank_key(index: int, use: str = "business") -> PrivateKey:
    """A key that is the same in every run."""
    return PrivateKey.from_bytes(keccak256(f"{use} {index}".encode()))


def sample_member(index: int, role: Role = Role.BANK) -> Member:
    """A fictitious member."""
    return Member(
        id=keccak256(f"member {index}".encode()),
        name=f"Fictitious Bank {index}" + " of the Long Harbour Street" * (index % 2),
        bic=f"TST{chr(65 + index % 26)}HK{index % 10}0",
        lei=f"{index:020d}",
        role=role,
        place="HKHKG",
        business_address=bank_key(index).address,
        validator_address=bank_key(index, "validator").address if role is Role.BANK else None,
        encryption_key=keccak256(f"encryption {index}".encode()),
    )


def sample_spec(banks: int = 4, watchers: int = 1) -> ConsortiumSpec:
    """A consortium of so many banks, an auditor where there is a watcher, and one developer."""
    roles = [Role.BANK] * banks + [Role.AUDITOR] * watchers
    return ConsortiumSpec(
        chain_id=CHAIN_ID,
        timestamp=START,
        members=tuple(sample_member(i, role) for i, role in enumerate(roles)),
        developers=(Address(bank_key(0, "developer").address),),
    )


class Refused(Exception):
    """A transaction that reverted; ``reason`` is decoded."""

    def __init__(self, reason: Revert) -> None:
        super().__init__(str(reason))
        self.reason = reason


class ConsortiumChain:
    """Runs transactions through the reference engine on a state in memory. Time moves by ``pass_time`` alone."""

    def __init__(self, spec: ConsortiumSpec) -> None:
        self.spec = spec
        self.alloc: dict[Address, GenesisAccount] = build_alloc(spec, CONTRACTS)
        self.number = 1
        self.timestamp = spec.timestamp + 60

    @property
    def state(self) -> StateReader:
        """The state after the last transaction."""
        return _State(self.alloc)

    def pass_time(self, seconds: int) -> None:
        """Move block time forward."""
        self.timestamp += seconds

    def send(self, sender: bytes, to: bytes, data: bytes, gas: int = GAS) -> MessageResult:
        """One transaction in one block; Refused where it reverts."""
        result, writes = self._run(sender, to, data, gas)
        self._apply(writes)
        self.number += 1
        if not result.succeeded:
            raise Refused(bindings.decode_revert(result.output))
        return result

    def call(self, to: bytes, data: bytes) -> bytes:
        """A question that changes nothing; Refused where it reverts."""
        result, _ = self._run(ZERO_ADDRESS, to, data, GAS)
        if not result.succeeded:
            raise Refused(bindings.decode_revert(result.output))
        return result.output

    def ask(self, contract: str, function: str, *args: object) -> object:
        """A view of a system contract, decoded."""
        output = self.call(SYSTEM_CONTRACTS[contract], bindings.encode_call(contract, function, args))
        return bindings.decode_result(contract, function, output)

    def _run(self, sender: bytes, to: bytes, data: bytes, gas: int) -> tuple[MessageResult, WriteSet]:
        context = BlockContext(CHAIN_ID, self.number, self.timestamp, ZERO_ADDRESS, 2 * 30_000_000, _no_ancestors)
        execution = ENGINE.begin(self.state, context, ExecutionGuard())
        message = EvmMessage(Address(sender), Address(to), 0, data, gas, 0)
        return execution.run(message), execution.write_set()

    def _apply(self, writes: WriteSet) -> None:
        for address, account in writes.accounts.items():
            if account is None:
                self.alloc.pop(address, None)
                continue
            before = self.alloc.get(address, GenesisAccount())
            code = writes.code.get(account.code_hash, before.code)
            self.alloc[address] = GenesisAccount(account.nonce, account.balance, code, before.storage)
        for address, words in writes.storage.items():
            self.alloc[address] = with_storage(self.alloc[address], words)


def with_storage(account: GenesisAccount, words: dict[int, int]) -> GenesisAccount:
    """The account with these words written; 0 deletes."""
    storage = {slot: word for slot, word in {**account.storage, **words}.items() if word}
    return replace(account, storage=storage)


def events_of(result: MessageResult, contract: str) -> list[Event]:
    """The decoded logs of a contract's type, in order."""
    found = (bindings.decode_event(contract, log.topics, log.data) for log in result.logs)
    return [event for event in found if event is not None]


def _no_ancestors() -> Iterator[Hash32]:
    return iter(())


class _State(AllocReader):
    def account(self, address: Address) -> Account | None:
        found = super().account(address)
        return None if found is None or self.alloc[address].is_empty else found
