"""Calls that lend the caller's memory to the callee, and precompiles that read no more than they use (P-7).

py-evm copies a call's input, and several precompiles copy it again: a CALL of 100 gas with 1 MB of input, whose
memory is paid for once, then costs a copy of 1 MB each time. The rules of gas and depth stay py-evm's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth.abc import ComputationAPI, OpcodeAPI
from eth.constants import STACK_DEPTH_LIMIT
from eth.vm.message import Message

from node.execution.reference.modexp import modexp

COPIED_BYTES_MAX = 1_024
"""A shorter input is copied, which is quicker than lending it."""
WORD_BYTES = 32
_MODEXP = bytes(19) + b"\x05"
_INPUT_READ = {
    number.to_bytes(20, "big"): size
    # ecRecover, ecAdd and ecMul ignore what follows; blake2f and point evaluation refuse any other length.
    for number, size in {1: 128, 6: 128, 7: 96, 9: 214, 10: 193}.items()
}
"""Bytes of input that decide the result, by precompile; the others read (and charge for) all of it."""


class FrameMessage(Message):  # type: ignore[misc]
    """A frame's message without py-evm's checks of our own arguments. ``data`` may be a view of the caller's memory."""

    def __init__(
        self,
        gas: int,
        to: bytes,
        sender: bytes,
        value: int,
        data: bytes | memoryview,
        code: bytes,
        depth: int = 0,
        create_address: bytes | None = None,
        code_address: bytes | None = None,
        should_transfer_value: bool = True,
        is_static: bool = False,
        is_delegation: bool = False,
        refund: int = 0,
    ) -> None:
        self.gas = gas
        self.to = to
        self.sender = sender
        self.value = value
        self.data = data
        self.code = code
        self.depth = depth
        self._storage_address = create_address
        self._code_address = code_address
        self.should_transfer_value = should_transfer_value
        self.is_static = is_static
        self._is_delegation = is_delegation
        self.refund = refund


class _LendingCall:
    """BaseCall.__call__ of py-evm, with lent input; mixed into each of its four calls."""

    mnemonic: str

    def __call__(self, computation: Any) -> None:
        call: Any = self
        gas, value, to, sender, code_address, input_at, input_size, output_at, output_size, transfers, is_static = (
            call.get_call_params(computation)
        )
        computation.extend_memory(input_at, input_size)
        computation.extend_memory(output_at, output_size)
        code, _ = call.get_code_at_address(computation, code_address or to)
        child_gas, fee = call.compute_msg_gas(computation, gas, to, value)
        computation.consume_gas(fee, self.mnemonic)
        caller = computation.msg
        too_poor = transfers and value and computation.state.get_balance(caller.storage_address) < value
        if too_poor or caller.depth + 1 > STACK_DEPTH_LIMIT:
            computation.return_data = b""
            computation.return_gas(child_gas)
            computation.stack_push_int(0)
            return
        data = computation.memory_lend(input_at, input_size)
        try:
            child = computation.apply_child_computation(
                FrameMessage(
                    child_gas,
                    to,
                    caller.storage_address if sender is None else sender,
                    value,
                    data,
                    code,
                    caller.depth + 1,
                    code_address=code_address,
                    should_transfer_value=transfers,
                    is_static=is_static,
                )
            )
        finally:
            if type(data) is memoryview:
                data.release()  # memory that is lent cannot grow, and a failed frame may outlive its call
        computation.stack_push_int(0 if child.is_error else 1)
        if not child.should_erase_return_data:
            output = child.output
            size = min(output_size, len(output))
            computation.memory_write(output_at, size, output[:size])
        if child.should_return_gas:
            computation.return_gas(child.get_gas_remaining())


def lending(call: OpcodeAPI) -> Any:
    """``call`` (an instance of a py-evm call opcode) with lent input, as a function of the frame without its gas."""
    kind = type(call)
    return type(kind.__name__, (_LendingCall, kind), {})().__call__


def calldataload(computation: Any) -> None:
    """CALLDATALOAD of one word, whatever the size of the input."""
    start = computation.stack_pop1_int()
    word = bytes(computation.msg.data[start : start + WORD_BYTES])
    computation.stack_push_bytes(word.ljust(WORD_BYTES, b"\x00"))


def calldatacopy(computation: Any) -> None:
    """CALLDATACOPY that copies only what it charges for (3 gas a word)."""
    memory_at, start, size = computation.stack_pop_ints(3)
    computation.extend_memory(memory_at, size)
    computation.consume_gas((size + WORD_BYTES - 1) // WORD_BYTES * 3, "CALLDATACOPY fee")
    value = bytes(computation.msg.data[start : start + size])
    computation.memory_write(memory_at, size, value.ljust(size, b"\x00"))


def run_precompile(precompile: Any, computation: ComputationAPI, check: Callable[[], None]) -> None:
    """Run a precompile over the part of the input that decides its result; ``check`` is the guard's."""
    message = computation.msg
    if message.code_address == _MODEXP:
        modexp(computation, check)
        return
    if len(message.data) > COPIED_BYTES_MAX:
        read = _INPUT_READ.get(message.code_address)
        if read is not None:
            message.data = bytes(message.data[:read])
    precompile(computation)
