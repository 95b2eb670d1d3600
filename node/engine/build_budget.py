"""How much CPU time a proposed block may use: learnt from how the last ones went, within P-7's bound."""

from __future__ import annotations

START_DIVISOR = 16
"""A new node's blocks close at T0/16: n replicas on slower or busier machines execute them within T0 too."""
CEILING_DIVISOR = 4
"""P-7: no block is planned above T0/4."""
FLOOR_DIVISOR = 256
"""Below this nothing is gained: a builder places at least one transaction, however long it takes."""
SLOW_DIVISOR = 4
"""Own block that took more than T0/4 of wall time from build to commit: the next is half as large."""
FAST_DIVISOR = 8
GROWTH = 1.25
MEMORY = 0.25
"""Weight of the last block in the running share of what follows execution (roots, write set)."""


class BuildBudget:
    """The closing budget of the next own block, in seconds of thread CPU time.

    Halves with each failed view and with each own block that was slow; grows by a quarter with each commit, up to
    T0/16, and beyond that up to T0/4 only by own blocks that were full and fast.
    """

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_s = timeout_ms / 1_000
        self._total_s = self._timeout_s / START_DIVISOR
        self._finish_share = 0.5

    @property
    def total_s(self) -> float:
        """For execution and roots together."""
        return self._total_s

    @property
    def closing_s(self) -> float:
        """For execution alone: what is left once the roots have their share."""
        return self._total_s / (1 + self._finish_share)

    def built(self, execution_cpu_s: float, finish_cpu_s: float) -> None:
        """A block with transactions was built: learn what its roots cost beside its execution."""
        if execution_cpu_s > 0:
            share = min(finish_cpu_s / execution_cpu_s, 4.0)
            self._finish_share += MEMORY * (share - self._finish_share)

    def view_failed(self) -> None:
        """A view ended without its block: whatever the cause, ask less of the next."""
        self._set(self._total_s / 2)

    def committed(self) -> None:
        """A block of anybody is final: recover."""
        start_s = self._timeout_s / START_DIVISOR
        if self._total_s < start_s:
            self._set(min(start_s, self._total_s * GROWTH))

    def own_committed(self, wall_s: float, *, full: bool) -> None:
        """An own block became final ``wall_s`` after its build began; ``full``: its budget had closed it."""
        if wall_s > self._timeout_s / SLOW_DIVISOR:
            self._set(self._total_s / 2)
        elif full and wall_s < self._timeout_s / FAST_DIVISOR:
            self._set(self._total_s * GROWTH)

    def _set(self, seconds: float) -> None:
        self._total_s = min(max(seconds, self._timeout_s / FLOOR_DIVISOR), self._timeout_s / CEILING_DIVISOR)
