"""py-evm's Cancun computation with our code stream, guard and bounded bookkeeping. The rules stay py-evm's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.constants import CREATE_CONTRACT_ADDRESS, GAS_VERYLOW
from eth.exceptions import Halt, OutOfGas
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.opcodes import CANCUN_OPCODES
from eth.vm.logic.invalid import InvalidOpcode
from eth.vm.opcode import _FastOpcode
from eth.vm.opcode_values import CALL, CALLCODE, CALLDATACOPY, CALLDATALOAD, DELEGATECALL, SELFDESTRUCT, STATICCALL

from node.execution.guard import OPCODES_PER_CHECK
from node.execution.reference.calls import (
    COPIED_BYTES_MAX,
    FrameMessage,
    calldatacopy,
    calldataload,
    lending,
    run_precompile,
)
from node.execution.reference.code_stream import CodeStream
from node.execution.reference.machine import MachineGasMeter, MachineMemory, MachineStack
from node.execution.reference.stack_opcodes import STACK_OPCODES

RawLog = tuple[int, bytes, tuple[int, ...], bytes]


OpcodeEntry = tuple[int, Callable[[Any], None], str]
"""Gas before it runs (0 where the opcode charges for itself), what to run, and its name."""


def _opcode_table() -> tuple[OpcodeEntry, ...]:
    """All 256 opcodes, those of fixed cost taken apart so that the interpreter charges them itself.

    SELFDESTRUCT comes without py-evm's deprecation warning, which it would raise at every use.
    """
    table: list[OpcodeEntry] = []
    for value in range(256):
        opcode = CANCUN_OPCODES.get(value) or InvalidOpcode(value)
        if value == SELFDESTRUCT:
            opcode = opcode.__wrapped__
        if type(opcode) is _FastOpcode:
            table.append((opcode.gas_cost, opcode.logic_fn, opcode.mnemonic))
        else:
            table.append((0, opcode, opcode.mnemonic))
    for value in (CALL, CALLCODE, DELEGATECALL, STATICCALL):
        opcode = CANCUN_OPCODES[value]
        table[value] = (opcode.gas_cost, lending(opcode), opcode.mnemonic)
    for value, run in STACK_OPCODES.items():
        gas, _, name = table[value]
        table[value] = (gas, run, name)
    table[CALLDATALOAD] = (GAS_VERYLOW, calldataload, "CALLDATALOAD")
    table[CALLDATACOPY] = (GAS_VERYLOW, calldatacopy, "CALLDATACOPY")
    return tuple(table)


OPCODE_TABLE = _opcode_table()


class ReferenceComputation(CancunComputation):  # type: ignore[misc]
    """One frame. A finished child is folded into its parent, so memory follows depth and not the number of calls."""

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        # BaseComputation.__init__ and ShanghaiComputation.__init__, without py-evm's code stream.
        self.state = state
        self.msg = message
        self.transaction_context = transaction_context
        self.code = CodeStream(message.code)
        meter = MachineGasMeter(message.gas)
        self._gas_meter = meter
        self.consume_gas = meter.consume_gas  # one call less at each charge
        self.children: list[ComputationAPI] = []
        self.accounts_to_delete: list[bytes] = []
        self.beneficiaries: list[bytes] = []
        stack = MachineStack()
        self._stack = stack
        self.stack_values = stack.values
        # Bound once for each frame; py-evm looks them up through cached properties.
        self.stack_push_int = stack.push_int
        self.stack_push_bytes = stack.push_bytes
        self.stack_pop1_int = stack.pop1_int
        self.stack_pop_ints = stack.pop_ints
        self.stack_swap = stack.swap
        self.stack_dup = stack.dup
        self._memory = MachineMemory()
        self._log_entries: list[RawLog] = []
        self.data_floor_cost = 0
        state.mark_address_warm(state.coinbase)  # EIP-3651
        self._child_logs: list[RawLog] = []
        self._child_refund = 0
        self._child_deletions: set[bytes] = set()
        self._child_beneficiaries: set[bytes] = set()
        self._child_touched: set[bytes] = set()

    def memory_lend(self, start: int, size: int) -> bytes | memoryview:
        """A range of memory for a callee, while this frame waits: large ones uncopied, for the caller to release."""
        if size <= COPIED_BYTES_MAX:
            return self._memory.read_bytes(start, size)
        view: memoryview = self._memory.read(start, size)
        return view

    def prepare_child_message(
        self, gas: int, to: bytes, value: int, data: bytes, code: bytes, **kwargs: Any
    ) -> MessageAPI:
        """BaseComputation's, without checks of our own arguments; for CREATE and CREATE2."""
        kwargs.setdefault("sender", self.msg.storage_address)
        return FrameMessage(gas=gas, to=to, value=value, data=data, code=code, depth=self.msg.depth + 1, **kwargs)

    # --- children -------------------------------------------------------------------------------------

    @property
    def is_error(self) -> bool:
        """Whether the frame failed."""
        return self._error is not None

    def add_child_computation(self, child_computation: ComputationAPI) -> None:
        """Set the return data as py-evm does, and take over what the child leaves behind; then it can go."""
        child: Any = child_computation
        error = child._error
        if child.msg.is_create:
            self.return_data = b"" if error is None else child.output
        else:
            self.return_data = b"" if error is not None and error.burns_gas else child.output
        if error is not None:
            self._child_refund += child.msg.refund
            return
        self._child_refund += child.get_gas_refund()
        if child._log_entries or child._child_logs:
            self._child_logs.extend(child.get_raw_log_entries())
        if child.accounts_to_delete or child._child_deletions:
            self._child_deletions.update(child.get_accounts_for_deletion())
            self._child_beneficiaries.update(child.get_self_destruct_beneficiaries())
        self._child_touched.update(child.touched_accounts())

    def get_gas_refund(self) -> int:
        """Own and children's refunds (EIP-3529); a failed frame has none."""
        if self.is_error:
            refund: int = self.msg.refund
            return refund
        total: int = self.msg.refund + self._gas_meter.gas_refunded + self._child_refund
        return total

    def get_raw_log_entries(self) -> tuple[RawLog, ...]:
        """Own and children's logs in the order of their counter."""
        return () if self.is_error else tuple(sorted([*self._log_entries, *self._child_logs]))

    def get_accounts_for_deletion(self) -> list[bytes]:
        """Accounts that end with this transaction (EIP-6780)."""
        return [] if self.is_error else sorted(self._child_deletions.union(self.accounts_to_delete))

    def get_self_destruct_beneficiaries(self) -> list[bytes]:
        """Who received a self-destructing account's balance."""
        return [] if self.is_error else sorted(self._child_beneficiaries.union(self.beneficiaries))

    def touched_accounts(self) -> set[bytes]:
        """Accounts that EIP-161 may clear.

        py-evm also yields address 3 from failed frames, for an incident of 2016; as no state here ever holds an
        empty account, a reverted touch leaves nothing to clear.
        """
        if self.is_error:
            return set()
        touched = self._child_touched.union(self.get_self_destruct_beneficiaries())
        if self.msg.to != CREATE_CONTRACT_ADDRESS:
            touched.add(self.msg.to)
        return touched

    def extend_memory(self, start_position: int, size: int) -> None:
        """Pay for memory up to the end of the range; most ranges are paid for already."""
        if start_position + size > len(self._memory):
            super().extend_memory(start_position, size)

    # --- the interpreter ------------------------------------------------------------------------------

    @classmethod
    def apply_computation(
        cls,
        state: StateAPI,
        message: MessageAPI,
        transaction_context: TransactionContextAPI,
        parent_computation: ComputationAPI | None = None,
    ) -> ComputationAPI:
        """BaseComputation.apply_computation with the guard in its loop."""
        with cls(state, message, transaction_context) as computation:
            if parent_computation is not None:
                computation.contracts_created = parent_computation.contracts_created
            else:
                computation.contracts_created = []
                if message.is_create:
                    cls.consume_initcode_gas_cost(computation)  # EIP-3860
            if message.is_create:
                computation.contracts_created.append(message.storage_address)
            guard = state.guard
            code_address = message.code_address
            guard.enter_frame(code_address)  # P-6: reached, whatever becomes of the frame
            precompile = cls._precompiles.get(code_address)
            if precompile is not None:
                run_precompile(precompile, computation, guard.check)
            else:
                _interpret(computation, guard)
        return computation


def _interpret(computation: Any, guard: Any) -> None:
    stream = computation.code
    code = stream.code
    table = OPCODE_TABLE
    countdown = OPCODES_PER_CHECK
    meter = computation._gas_meter
    try:
        while True:
            counter = stream.program_counter
            try:
                cost, run, name = table[code[counter]]
            except IndexError:
                return  # past the end: STOP
            stream.program_counter = counter + 1
            if cost:
                remaining = meter.gas_remaining - cost
                if remaining < 0:
                    raise OutOfGas(f"Out of gas: Needed {cost} - Remaining {meter.gas_remaining} - Reason: {name}")
                meter.gas_remaining = remaining
            run(computation)
            countdown -= 1
            if not countdown:
                countdown = OPCODES_PER_CHECK
                guard.check()
    except Halt:
        return
