"""Time: the machine's two clocks, and the test clock's offset on block time (P-19)."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """``monotonic_us`` drives timers; ``unix_s`` is block time, which a test clock may move forward."""

    def monotonic_us(self) -> int: ...

    def unix_s(self) -> int: ...


class SystemClock:
    """The machine's clocks; block time is shifted by ``offset_s``, forward only (P-19)."""

    def __init__(self, offset_s: int = 0) -> None:
        self._offset_s = offset_s

    @property
    def offset_s(self) -> int:
        """Seconds that block time runs ahead of (negative: behind) the machine's clock."""
        return self._offset_s

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def unix_s(self) -> int:
        return int(time.time()) + self._offset_s

    def advance(self, offset_s: int) -> None:
        """Move block time forward to a larger offset; a smaller one is refused."""
        if offset_s < self._offset_s:
            raise ValueError("the test clock moves forward only")
        self._offset_s = offset_s
