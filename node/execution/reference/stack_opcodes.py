"""Stack, jumps, plain arithmetic and memory words on the frame's own list and code: most of what a contract executes.

The rules are py-evm's (node.execution.reference.computation charges their gas); what goes is four calls for each.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import and_, or_, xor
from typing import Any

from eth.exceptions import FullStack, InsufficientStack, InvalidInstruction, InvalidJumpDestination

from node.execution.reference.code_stream import JUMPDEST
from node.execution.reference.machine import STACK_LIMIT, WORD_BYTES

Opcode = Callable[[Any], None]
PUSH0, PUSH1, DUP1, SWAP1, POP, JUMP, JUMPI = 0x5F, 0x60, 0x80, 0x90, 0x50, 0x56, 0x57
ISZERO, MLOAD, MSTORE = 0x15, 0x51, 0x52
UINT256_MAX = 2**256 - 1
WORD_BITS = 256


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


def _binary(compute: Callable[[int, int], int]) -> Opcode:
    """An opcode of two words: ``compute`` gets the top and the one beneath, and answers a word."""

    def binary(computation: Any) -> None:
        values = computation.stack_values
        if len(values) < 2:
            raise InsufficientStack(f"Wanted 2 stack items, only had {len(values)}")
        left, right = values.pop(), values[-1]
        if type(left) is not int:
            left = int.from_bytes(left, "big")
        if type(right) is not int:
            right = int.from_bytes(right, "big")
        values[-1] = compute(left, right)

    return binary


def iszero(computation: Any) -> None:
    """ISZERO."""
    values = computation.stack_values
    if not values:
        raise InsufficientStack("Wanted 1 stack item, had none")
    word = values[-1]
    values[-1] = 0 if (word if type(word) is int else int.from_bytes(word, "big")) else 1


def mload(computation: Any) -> None:
    """MLOAD."""
    start = computation.stack_pop1_int()
    computation.extend_memory(start, WORD_BYTES)
    computation.stack_values.append(computation.memory_read_bytes(start, WORD_BYTES))


def mstore(computation: Any) -> None:
    """MSTORE."""
    start, word = computation.stack_pop_ints(2)
    computation.extend_memory(start, WORD_BYTES)
    computation.memory_write(start, WORD_BYTES, word.to_bytes(WORD_BYTES, "big"))


STACK_OPCODES: dict[int, Opcode] = {PUSH0: push0, POP: pop, JUMP: jump, JUMPI: jumpi}
STACK_OPCODES |= {ISZERO: iszero, MLOAD: mload, MSTORE: mstore}
STACK_OPCODES |= {
    value: _binary(compute)
    for value, compute in {
        0x01: lambda left, right: (left + right) & UINT256_MAX,
        0x02: lambda left, right: (left * right) & UINT256_MAX,
        0x03: lambda left, right: (left - right) & UINT256_MAX,
        0x04: lambda left, right: left // right if right else 0,
        0x06: lambda left, right: left % right if right else 0,
        0x10: lambda left, right: 1 if left < right else 0,
        0x11: lambda left, right: 1 if left > right else 0,
        0x14: lambda left, right: 1 if left == right else 0,
        0x16: and_,
        0x17: or_,
        0x18: xor,
        0x1B: lambda shift, word: (word << shift) & UINT256_MAX if shift < WORD_BITS else 0,
        0x1C: lambda shift, word: word >> shift if shift < WORD_BITS else 0,
    }.items()
}
STACK_OPCODES |= {PUSH1 + index: _push(index + 1) for index in range(32)}
STACK_OPCODES |= {DUP1 + index: _dup(index + 1) for index in range(16)}
STACK_OPCODES |= {SWAP1 + index: _swap(index + 1) for index in range(16)}
