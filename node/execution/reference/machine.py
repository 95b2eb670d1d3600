"""Stack, memory and gas meter for the interpreter: py-evm's behaviour without its checks of our own arguments.

py-evm validates types and ranges that its opcodes cannot break; those checks are more than a third of a plain
opcode's time. What a contract can cause (lack of gas, stack over- and underflow) raises as it does there.
"""

from __future__ import annotations

from typing import Any

from eth.exceptions import FullStack, InsufficientStack, OutOfGas
from eth.vm.gas_meter import GasMeter, allow_negative_refund_strategy
from eth.vm.memory import Memory
from eth.vm.stack import Stack

STACK_LIMIT = 1024
WORD_BYTES = 32


class MachineGasMeter(GasMeter):  # type: ignore[misc]
    """Gas of one frame; refunds may be negative until the transaction ends (EIP-2200)."""

    def __init__(self, start_gas: int) -> None:
        self.refund_strategy = allow_negative_refund_strategy
        self.start_gas = start_gas
        self.gas_remaining = start_gas
        self.gas_refunded = 0

    def consume_gas(self, amount: int, reason: str) -> None:
        """Take gas or raise OutOfGas."""
        remaining = self.gas_remaining - amount
        if remaining < 0:
            raise OutOfGas(f"Out of gas: Needed {amount} - Remaining {self.gas_remaining} - Reason: {reason}")
        self.gas_remaining = remaining


class MachineMemory(Memory):  # type: ignore[misc]
    """Memory of one frame, in bytes; :meth:`extend` has been paid for by the caller."""

    __slots__ = ()

    def write(self, start_position: int, size: int, value: bytes) -> None:
        """Write ``value``, which has ``size`` bytes, inside memory that exists."""
        if size:
            self._bytes[start_position : start_position + size] = value

    def read_bytes(self, start_position: int, size: int) -> bytes:
        """The bytes of a range that exists, copied once."""
        return bytes(memoryview(self._bytes)[start_position : start_position + size])

    def copy(self, destination: int, source: int, length: int) -> None:
        """Move a range inside memory that exists (EIP-5656)."""
        if length:
            view = memoryview(self._bytes)
            view[destination : destination + length] = view[source : source + length]


class MachineStack(Stack):  # type: ignore[misc]
    """Up to 1024 words, each kept as the integer or the bytes that pushed it."""

    __slots__ = ()

    def push_int(self, value: int) -> None:
        """Push a word below 2**256."""
        if len(self.values) >= STACK_LIMIT:
            raise FullStack("Stack limit reached")
        self._append(value)

    def push_bytes(self, value: bytes) -> None:
        """Push a word of at most 32 bytes."""
        if len(self.values) >= STACK_LIMIT:
            raise FullStack("Stack limit reached")
        self._append(value)

    def pop1_int(self) -> int:
        """Pop one word as an integer."""
        try:
            value = self._pop()
        except IndexError:
            raise InsufficientStack("Wanted 1 stack item, had none") from None
        return value if type(value) is int else int.from_bytes(value, "big")

    def pop_ints(self, num_items: int) -> tuple[int, ...]:
        """Pop words as integers, top first."""
        return tuple([x if type(x) is int else int.from_bytes(x, "big") for x in self.pop_any(num_items)])

    def pop_any(self, num_items: int) -> tuple[Any, ...]:
        """Pop words as they are, top first."""
        values = self.values
        if num_items > len(values):
            raise InsufficientStack(f"Wanted {num_items} stack items, only had {len(values)}")
        taken = tuple(values[: -num_items - 1 : -1])
        del values[-num_items:]
        return taken
