"""What may end an execution from outside the EVM's own rules (P-6, P-7)."""

from __future__ import annotations

import time

from node.errors import PrayaError
from node.types import Address, to_hex

OPCODES_PER_CHECK = 256
"""Opcodes between two looks at the token and the clock: under a millisecond of plain opcodes."""


class CancellationToken:
    """Set once, from any thread, when the result of an execution is no longer wanted."""

    __slots__ = ("_cancelled",)

    def __init__(self) -> None:
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """True after :meth:`cancel`."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask the execution to stop at its next check."""
        self._cancelled = True


class ExecutionAbandoned(Exception):
    """The token was cancelled: the input is neither valid nor invalid (P-7)."""


class CpuBudgetExceeded(PrayaError):
    """An execution used more of its thread's CPU time than its budget (P-7)."""

    def __init__(self, budget_s: float) -> None:
        super().__init__(f"execution used more than {budget_s:.3f} s of CPU time", field="cpu", limit_s=budget_s)


class ExcludedPrecompileReached(PrayaError):
    """A frame was entered whose code address is a precompile that genesis excludes (P-6)."""

    def __init__(self, address: Address) -> None:
        number = int.from_bytes(address, "big")
        super().__init__(f"the precompile at {to_hex(address)} is excluded on this chain", field="precompile")
        self.number = number


class ExecutionGuard:
    """Token, CPU deadline and excluded precompiles of one execution; engines consult it as they go.

    The budget counts CPU time of the thread that calls :meth:`start_budget`, which must be the one that executes.
    """

    __slots__ = ("_budget_s", "_deadline", "_token", "excluded")

    def __init__(self, *, excluded: frozenset[Address] = frozenset(), token: CancellationToken | None = None) -> None:
        self.excluded = excluded
        self._token = token or CancellationToken()
        self._deadline: float | None = None
        self._budget_s = 0.0

    def start_budget(self, budget_s: float) -> None:
        """Allow ``budget_s`` seconds of this thread's CPU time from now."""
        self._budget_s = budget_s
        self._deadline = time.thread_time() + budget_s

    def check(self) -> None:
        """Raise ExecutionAbandoned or CpuBudgetExceeded where it is time to stop."""
        if self._token.cancelled:
            raise ExecutionAbandoned("the execution was abandoned")
        if self._deadline is not None and time.thread_time() > self._deadline:
            raise CpuBudgetExceeded(self._budget_s)

    def enter_frame(self, code_address: bytes) -> None:
        """Called when a frame is entered; raises ExcludedPrecompileReached for an excluded one (P-6)."""
        if code_address in self.excluded:
            raise ExcludedPrecompileReached(Address(code_address))
        self.check()


def precompile_addresses(numbers: tuple[int, ...]) -> frozenset[Address]:
    """Addresses of precompiles by their numbers."""
    return frozenset(Address(number.to_bytes(20, "big")) for number in numbers)
