"""PUSH, DUP, SWAP, POP and jumps on the frame's own list and code: two thirds of what a contract executes.

The rules are py-evm's (node.execution.reference.computation charges their gas); what goes is four calls for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth.exceptions import FullStack, InsufficientStack, InvalidInstruction, InvalidJumpDestination

from node.execution.reference.code_stream import JUMPDEST
from node.execution.reference.machine import STACK_LIMIT

Opcode = Callable[[Any], None]
PUSH0, PUSH1, DUP1, SWAP1, POP, JUMP, JUMPI = 0x5F, 0x60, 0x80, 0x90, 0x50, 0x56, 0x57


def _push(size: int) -> Opcode:
    def push(computation: Any) -> None:
        values = computation.stack_values
        if len(values) >= STACK_LIMIT:
            raise FullStack("Stack limit reached")
        stream = computation.code
        start = stream.program_counter
        end = stream.program_counter = start + size
        word = stream.code[start:end]
        # Past the end of the code there are zeros.
        values.append(int.from_bytes(word if len(word) == size else word.ljust(size, b"\x00"), "big"))

    return push


def push0(computation: Any) -> None:
    """EIP-3855."""
    values = computation.stack_values
    if len(values) >= STACK_LIMIT:
        raise FullStack("Stack limit reached")
    values.append(0)


def _dup(position: int) -> Opcode:
    def dup(computation: Any) -> None:
        values = computation.stack_values
        if len(values) >= STACK_LIMIT:
            raise FullStack("Stack limit reached")
        if len(values) < position:
            raise InsufficientStack(f"Insufficient stack items for DUP{position}")
        values.append(values[-position])

    return dup


def _swap(position: int) -> Opcode:
    lower = -1 - position

    def swap(computation: Any) -> None:
        values = computation.stack_values
        if len(values) <= position:
            raise InsufficientStack(f"Insufficient stack items for SWAP{position}")
        values[-1], values[lower] = values[lower], values[-1]

    return swap


def pop(computation: Any) -> None:
    """POP."""
    values = computation.stack_values
    if not values:
        raise InsufficientStack("Wanted 1 stack item, had none")
    values.pop()


def jump(computation: Any) -> None:
    """JUMP."""
    _go(computation.code, computation.stack_pop1_int())


def jumpi(computation: Any) -> None:
    """JUMPI."""
    target, condition = computation.stack_pop_ints(2)
    if condition:
        _go(computation.code, target)


def _go(stream: Any, target: int) -> None:
    code = stream.code
    if target >= len(code) or code[target] != JUMPDEST:
        raise InvalidJumpDestination("Invalid Jump Destination")
    if not stream.is_valid_opcode(target):
        raise InvalidInstruction("Jump resulted in invalid instruction")
    stream.program_counter = target


STACK_OPCODES: dict[int, Opcode] = {PUSH0: push0, POP: pop, JUMP: jump, JUMPI: jumpi}
STACK_OPCODES |= {PUSH1 + index: _push(index + 1) for index in range(32)}
STACK_OPCODES |= {DUP1 + index: _dup(index + 1) for index in range(16)}
STACK_OPCODES |= {SWAP1 + index: _swap(index + 1) for index in range(16)}
