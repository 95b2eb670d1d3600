"""Contract code as the interpreter reads it. Jump destinations are found once for each code (P-7).

py-evm's own stream is rebuilt for each call and finds destinations by a recursive look back, which costs a
contract of 24 KB of PUSH1 that calls itself 618 us a gas.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from eth.abc import CodeStreamAPI

from node.types import Hash32

JUMPDEST = 0x5B
PUSH1 = 0x60
PUSH32 = 0x7F
PUSH_DATA_BYTES_MAX = 32
STOP = 0x00
CODE_CACHE_ENTRIES = 512
"""Codes kept across blocks: with their marks at most 24 MB, with the destinations asked for 40 MB more."""
DESTINATIONS_MAX = 1_024
"""Answers kept for each code."""


_STEPS = bytes(value - PUSH1 + 2 if PUSH1 <= value <= PUSH32 else 1 for value in range(256))
"""Bytes from an instruction to the next one, by opcode."""


class Code(bytes):
    """Contract code that knows its jump destinations; one pass over it, at the first jump."""

    @cached_property
    def _pushes(self) -> bytes:
        """One byte for each position: 1 where an instruction is a PUSH. The loop's time is what an attacker buys."""
        steps = self.translate(_STEPS)
        marks = bytearray(len(self))
        position = 0
        try:
            while True:
                step = steps[position]
                if step != 1:
                    marks[position] = 1
                position += step
        except IndexError:
            return bytes(marks)

    @cached_property
    def _destinations(self) -> dict[int, bool]:
        return {}

    def is_jump_destination(self, position: int) -> bool:
        """Whether there is a JUMPDEST that is an instruction, not data of a PUSH (Yellow Paper, 9.4.3)."""
        known = self._destinations.get(position)
        if known is None:
            if len(self._destinations) >= DESTINATIONS_MAX:
                self._destinations.clear()
            known = self._destinations[position] = self._is_destination(position)
        return known

    def _is_destination(self, position: int) -> bool:
        if position >= len(self) or self[position] != JUMPDEST:
            return False
        push = self._pushes.rfind(b"\x01", max(0, position - PUSH_DATA_BYTES_MAX), position)
        return push < 0 or push + _STEPS[self[push]] <= position


_codes: OrderedDict[Hash32, Code] = OrderedDict()


def code_of(code_hash: Hash32, body: bytes) -> Code:
    """The code with this hash, the same object while it stays in a bounded cache."""
    code = _codes.get(code_hash)
    if code is None:
        code = _codes[code_hash] = Code(body)
        while len(_codes) > CODE_CACHE_ENTRIES:
            _codes.popitem(last=False)
    return code


class CodeStream(CodeStreamAPI):  # type: ignore[misc]
    """A program counter over code. Past the end it reads STOP."""

    __slots__ = ("_length", "code", "program_counter")

    def __init__(self, code: bytes) -> None:
        self.code = code
        self._length = len(code)
        self.program_counter = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end; moves the counter by ``size``."""
        start = self.program_counter
        self.program_counter = start + size
        return self.code[start : start + size]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> int:
        return self.code[i]

    def __iter__(self) -> Iterator[int]:
        while self.program_counter < self._length:
            opcode = self.code[self.program_counter]
            self.program_counter += 1
            yield opcode
        yield STOP

    def peek(self) -> int:
        """The opcode at the counter."""
        return self.code[self.program_counter] if self.program_counter < self._length else STOP

    @contextmanager
    def seek(self, program_counter: int) -> Iterator[CodeStream]:
        """Read elsewhere and come back."""
        anchor = self.program_counter
        self.program_counter = program_counter
        try:
            yield self
        finally:
            self.program_counter = anchor

    def is_valid_opcode(self, position: int) -> bool:
        """Asked for jump targets that hold a JUMPDEST byte: is it an instruction?"""
        if position >= self._length:
            return False
        if not isinstance(self.code, Code):
            self.code = Code(self.code)  # initcode: seen by this frame alone
        return self.code.is_jump_destination(position)
