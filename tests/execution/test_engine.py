"""The reference engine's own parts: guard, code stream, journal, write set (P-6, P-7, P-20)."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE, GenesisAccount
from node.execution.call import CALL_CPU_SECONDS, CallRequest
from node.execution.defaults import reference_engine
from node.execution.engine import BlockContext, EvmMessage, Execution, MessageResult
from node.execution.guard import (
    CancellationToken,
    CpuBudgetExceeded,
    ExcludedPrecompileReached,
    ExecutionAbandoned,
    ExecutionGuard,
    precompile_addresses,
)
from node.execution.reference.account_db import STATE_ROOT_TOKEN, JournalAccountDB
from node.execution.reference.code_stream import JUMPDEST, PUSH1, PUSH32, Code
from node.keys.hashing import EMPTY_CODE_HASH, keccak256
from node.types import Account, Address, Hash32
from tests.execution.assembler import assemble, call_to
from tests.execution.chain import ADDRESSES, KEYS, VALIDATORS, build, extend, make_genesis, open_ledger, sign

SENDER, TARGET = ADDRESSES[0], Address(b"\x71" * 20)
FOREVER = b"\x5b" + assemble(0, "JUMP")


class FixedState:
    """A state reader over given contracts, and a sender with funds."""

    def __init__(self, codes: dict[Address, bytes], words: dict[tuple[Address, int], int] | None = None) -> None:
        self.codes = {keccak256(code): code for code in codes.values()}
        self.accounts = {address: Account(1, 0, keccak256(code)) for address, code in codes.items()}
        self.accounts[SENDER] = Account(0, 10**20, EMPTY_CODE_HASH)
        self.words = words or {}

    def account(self, address: Address) -> Account | None:
        return self.accounts.get(address)

    def storage(self, address: Address, slot: int) -> int:
        return self.words.get((address, slot), 0)

    def code(self, code_hash: Hash32) -> bytes:
        return self.codes[code_hash]


def begin(state: FixedState, guard: ExecutionGuard | None = None) -> Execution:
    context = BlockContext(1, 1, 100, VALIDATORS[0], 30_000_000, lambda: iter([Hash32(bytes(32))]))
    return reference_engine().begin(state, context, guard or ExecutionGuard())


def run(execution: Execution, *, gas: int = 8_000_000, data: bytes = b"", to: Address | None = TARGET) -> MessageResult:
    return execution.run(EvmMessage(SENDER, to, 0, data, gas, 0))


def push1_contract() -> bytes:
    """24 KB of PUSH1 that calls itself with gas for one jump, over and over (P-7)."""
    target = 24_576 - 64
    jump = b"\x61" + target.to_bytes(2, "big") + b"\x56"
    again = assemble("PUSH0", "PUSH0", "PUSH0", "PUSH0", "PUSH0", "ADDRESS", 30, "CALL", "POP")
    return jump + bytes([PUSH1]) * (target - len(jump)) + b"\x5b" + again + jump


def test_push1_contract_of_24_kb_is_tamed() -> None:
    """P-7: 100,000 gas of it took stock py-evm 62 s; here a second would be slow."""
    execution = begin(FixedState({TARGET: push1_contract()}))
    started = time.thread_time()
    result = run(execution, gas=121_000)
    assert result.gas_used == 121_000
    assert time.thread_time() - started < 1.0


@given(st.lists(st.sampled_from([0, JUMPDEST, PUSH1, PUSH1 + 1, PUSH32, 0xFE]), max_size=200).map(bytes))
def test_jump_destinations_are_those_of_a_forward_scan(code: bytes) -> None:
    """A JUMPDEST counts exactly where no PUSH before it has taken it as data (Yellow Paper, 9.4.3)."""
    data_until, expected = 0, []
    for position, opcode in enumerate(code):
        is_instruction = position >= data_until
        if is_instruction and PUSH1 <= opcode <= PUSH32:
            data_until = position + opcode - PUSH1 + 2
        expected.append(is_instruction and opcode == JUMPDEST)
    analysed = Code(code)
    assert [analysed.is_jump_destination(position) for position in range(len(code))] == expected
    assert not analysed.is_jump_destination(len(code))


def test_a_cancelled_execution_stops_soon() -> None:
    """The interpreter looks at the token: a loop of 8,000,000 gas ends when it is cancelled from another thread."""
    token = CancellationToken()
    execution = begin(FixedState({TARGET: FOREVER}), ExecutionGuard(token=token))
    timer = threading.Timer(0.05, token.cancel)
    timer.start()
    with pytest.raises(ExecutionAbandoned):
        run(execution, gas=10**9)
    timer.join()


@pytest.mark.parametrize("code", [FOREVER, call_to("CALL", TARGET), push1_contract()], ids=["loop", "frames", "push1"])
def test_cpu_budget_ends_an_execution(code: bytes) -> None:
    """The budget of the thread's CPU time is kept, in one frame or in many."""
    guard = ExecutionGuard()
    execution = begin(FixedState({TARGET: code}), guard)
    started = time.thread_time()
    guard.start_budget(0.02)
    with pytest.raises(CpuBudgetExceeded):
        run(execution, gas=10**9)
    assert time.thread_time() - started < 0.5


@pytest.mark.parametrize("kind", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_an_excluded_precompile_is_reached_even_by_a_frame_that_fails(kind: str) -> None:
    """P-6: entering the frame is what counts, without gas for the precompile and inside a revert."""
    guard = ExecutionGuard(excluded=precompile_addresses((8,)))
    code = call_to(kind, bytes(19) + b"\x08", gas=0) + assemble(0, 0, "REVERT")
    with pytest.raises(ExcludedPrecompileReached) as caught:
        run(begin(FixedState({TARGET: code}), guard))
    assert caught.value.number == 8


@pytest.mark.parametrize(
    "code",
    [
        call_to("CALL", bytes(19) + b"\x08", value=1),
        call_to("CALLCODE", bytes(19) + b"\x08", value=1),
        assemble(bytes(19) + b"\x08", "BALANCE", "POP", bytes(19) + b"\x08", "EXTCODESIZE"),
        call_to("STATICCALL", bytes(19) + b"\x06"),
    ],
    ids=["no balance", "no balance either", "only looked at", "another precompile"],
)
def test_what_enters_no_frame_reaches_nothing(code: bytes) -> None:
    """P-6: a call that fails its balance check enters no frame; looking at an address is no call."""
    guard = ExecutionGuard(excluded=precompile_addresses((7, 8)))
    assert run(begin(FixedState({TARGET: code}), guard)).succeeded


def test_deepest_recursion_runs_on_a_threads_stack() -> None:
    """Frames as deep as the gas cap reaches end by the EVM's rules, not by Python's stack."""
    state = FixedState({TARGET: call_to("CALL", TARGET) + assemble("STOP")})
    results: list[MessageResult] = []
    worker = threading.Thread(target=lambda: results.append(run(begin(state), gas=30_000_000)))
    worker.start()
    worker.join()
    assert results[0].succeeded


def test_transient_storage_ends_with_its_transaction_and_with_a_revert() -> None:
    """EIP-1153."""
    inner = Address(b"\x72" * 20)
    code = (
        assemble(1, "TLOAD", 0, "SSTORE", 5, 1, "TSTORE")
        + call_to("DELEGATECALL", inner)
        + assemble(1, "TLOAD", 1, "SSTORE")
    )
    execution = begin(FixedState({TARGET: code, inner: assemble(9, 1, "TSTORE", 0, 0, "REVERT")}))
    for _ in range(2):
        assert run(execution).succeeded
        assert (execution.storage(TARGET, 0), execution.storage(TARGET, 1)) == (0, 5)


def test_equal_writes_leave_an_empty_write_set() -> None:
    """P-20: EIP-4788's code set again, a word written and put back, an account touched: no trace."""
    state = FixedState({BEACON_ROOTS_ADDRESS: BEACON_ROOTS_CODE, TARGET: b"\x00"}, {(TARGET, 1): 7})
    journal = JournalAccountDB(state)
    journal.set_code(BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE)
    journal.set_storage(TARGET, 1, 8)
    journal.set_storage(TARGET, 1, 7)
    journal.touch_account(Address(b"\x55" * 20))
    journal.set_balance(VALIDATORS[0], 0)
    journal.delete_account(Address(b"\x56" * 20))
    assert journal.write_set().is_empty
    assert not journal.write_set().code


def test_a_deleted_account_masks_its_storage_until_a_revert() -> None:
    """A clear is a journalled mark over the flat store; what is written after it stays."""
    state = FixedState({TARGET: b"\x00"}, {(TARGET, 1): 7, (TARGET, 2): 8})
    journal = JournalAccountDB(state)
    before = journal.record()
    journal.delete_account(TARGET)
    assert (journal.get_storage(TARGET, 1), journal.account_exists(TARGET)) == (0, False)
    assert journal.write_set().accounts == {TARGET: None}
    journal.set_balance(TARGET, 1)
    journal.set_storage(TARGET, 2, 3)
    writes = journal.write_set()
    assert writes.cleared == {TARGET}
    assert writes.storage == {TARGET: {2: 3}}
    journal.discard(before)
    assert (journal.get_storage(TARGET, 1), journal.get_storage(TARGET, 2)) == (7, 8)
    assert journal.write_set().is_empty


def test_the_journal_has_no_state_root_and_never_persists() -> None:
    """P-20: snapshot and revert move a token; py-evm's own writing is refused."""
    journal = JournalAccountDB(FixedState({}))
    journal.state_root = STATE_ROOT_TOKEN
    assert journal.make_state_root() == STATE_ROOT_TOKEN
    with pytest.raises(Exception, match="another state root"):
        journal.state_root = b"\x01" * 32
    with pytest.raises(Exception, match="write to the database"):
        journal.persist()


def test_builder_evicts_what_is_too_slow_and_closes_when_its_budget_is_used(tmp_path: Path) -> None:
    """P-7: alone above twice the budget: evicted with the reason, undone; the block closes after the budget."""
    ledger = open_ledger(
        tmp_path, make_genesis({TARGET: GenesisAccount(nonce=1, code=assemble("JUMPDEST", 1, 0, "SSTORE", 0, "JUMP"))})
    )
    slow = sign(KEYS[0], to=TARGET, gas=8_000_000)
    after = sign(KEYS[1], to=ADDRESSES[0], value=1)
    built = build(ledger, [slow, after], cpu_budget_s=0.02, tx_cpu_max_s=0.04)
    assert built.evicted == ((slow.hash, "cpu_time"),)
    assert built.executed.block.transactions == ()
    again = extend(ledger, [after])
    assert again.executed.gas_used == 21_000
    assert ledger.state.head().storage(TARGET, 0) == 0


def test_a_call_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """eth_call has a CPU budget of its own."""
    monkeypatch.setattr("node.execution.call.CALL_CPU_SECONDS", 0.02)
    assert CALL_CPU_SECONDS > 1
    ledger = open_ledger(tmp_path, make_genesis({TARGET: GenesisAccount(nonce=1, code=FOREVER)}))
    with pytest.raises(CpuBudgetExceeded):
        ledger.call(CallRequest(to=TARGET), ledger.head)
