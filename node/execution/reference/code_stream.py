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
STOP = 0x00
CODE_CACHE_ENTRIES = 256
"""Codes whose destinations are kept across blocks: at most 12 MB."""


class Code(bytes):
    """Contract code with its jump destinations, computed at the first jump."""

    @cached_property
    def jump_destinations(self) -> bytes:
        """One byte for each position: 1 where a JUMPDEST is an instruction, not data of a PUSH."""
        flags = bytearray(len(self))
        code = bytes(self)
        position, end = 0, len(code)
        while position < end:
            opcode = code[position]
            if PUSH1 <= opcode <= PUSH32:
                position += opcode - PUSH1 + 2
                continue
            if opcode == JUMPDEST:
                flags[position] = 1
            position += 1
        return bytes(flags)


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
        return bool(self.code.jump_destinations[position])
