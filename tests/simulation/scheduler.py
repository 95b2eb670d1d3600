"""Virtual time: one heap of events, one random generator, no clock of the machine.

Events of the same microsecond run in an order that the generator draws, so simultaneous things permute between
seeds and never within one.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

MICROSECONDS = 1_000_000


class Scheduler:
    """``at`` and ``after`` register callbacks; ``run`` executes them in time order."""

    def __init__(self, seed: int | str) -> None:
        self.random = Random(seed)
        self.now_us = 0
        self.executed = 0
        self._heap: list[tuple[int, float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time_us: int, action: Callable[[], None]) -> None:
        """Run ``action`` at a virtual time, or now if that has passed."""
        self._count += 1
        heapq.heappush(self._heap, (max(time_us, self.now_us), self.random.random(), self._count, action))

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Run ``action`` after a delay."""
        self.at(self.now_us + delay_us, action)

    def run(self, until_us: int, stop: Callable[[], bool] | None = None, events_max: int = 1_000_000) -> bool:
        """Execute events up to ``until_us``; True as soon as ``stop`` holds, False at the time or event limit."""
        heap = self._heap
        while heap and self.executed < events_max:
            if heap[0][0] > until_us:
                break
            self.now_us, _, _, action = heapq.heappop(heap)
            self.executed += 1
            action()
            if stop is not None and stop():
                return True
        else:
            return stop is not None and stop()
        self.now_us = until_us
        return stop is not None and stop()
