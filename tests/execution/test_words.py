"""Our stack, arithmetic and memory opcodes against py-evm's own, one at a time."""

from __future__ import annotations

from typing import Any

import pytest
from eth.exceptions import VMError
from eth.vm.forks.cancun.opcodes import CANCUN_OPCODES
from eth.vm.memory import Memory
from eth.vm.stack import Stack
from hypothesis import given, settings
from hypothesis import strategies as st

from node.execution.reference.code_stream import CodeStream
from node.execution.reference.computation import OPCODE_TABLE
from node.execution.reference.machine import MachineMemory, MachineStack
from node.execution.reference.stack_opcodes import STACK_OPCODES

CODE = bytes(range(0x50, 0x90)) + b"\x5b" * 8
MEMORY_BYTES = 2_048

WORDS = st.one_of(
    st.integers(0, 300),
    st.integers(0, 255).map(lambda bits: 2**bits),
    st.integers(0, 2**256 - 1),
    st.binary(max_size=32),
)


class _Frame:
    """As much of a frame as these opcodes use; memory is paid for."""

    def __init__(self, stack: Any, memory: Any, words: list[int | bytes], counter: int) -> None:
        self._stack, self._memory = stack, memory
        stack.values.extend(words)
        self.stack_values = stack.values
        self.code = CodeStream(CODE)
        self.code.program_counter = counter
        self.memory_write, self.memory_read_bytes = memory.write, memory.read_bytes
        memory.extend(0, MEMORY_BYTES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stack, name.removeprefix("stack_"))

    def consume_gas(self, amount: int, reason: str) -> None:
        """Gas is charged by the table and compared there."""

    def extend_memory(self, start: int, size: int) -> None:
        if start + size > MEMORY_BYTES:
            raise VMError("no gas for that")

    def outcome(self, run: Any) -> Any:
        """Stack as integers, memory and counter afterwards, or the kind of failure."""
        try:
            run(self)
        except VMError as error:
            return type(error)
        words = [word if type(word) is int else int.from_bytes(word, "big") for word in self._stack.values]
        return words, bytes(self._memory._bytes), self.code.program_counter


@pytest.mark.parametrize("value", sorted(STACK_OPCODES))
def test_opcodes_are_py_evms(value: int) -> None:
    """Any words as integers or bytes, too few and too many: the same stack, memory, counter, failure and gas."""
    theirs = CANCUN_OPCODES[value]
    assert OPCODE_TABLE[value][0] == theirs.gas_cost

    @given(st.lists(WORDS, max_size=18), st.sampled_from([0, 1, 30, len(CODE) - 2, len(CODE)]), st.booleans())
    @settings(deadline=None, max_examples=60)
    def check(words: list[int | bytes], counter: int, full: bool) -> None:
        if full:
            words = [*[1] * (1024 - len(words)), *words]
        ours = _Frame(MachineStack(), MachineMemory(), words, counter)
        stock = _Frame(Stack(), Memory(), words, counter)
        assert ours.outcome(STACK_OPCODES[value]) == stock.outcome(theirs)

    check()
