"""Looks at every bank's head all the time: the first contradiction ends the run while the banks still stand there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tests.chaos.checker import Violation, check_head
from tests.chaos.history import Head, History, Life
from tests.chaos.plan import BANKS
from tests.chaos.rpc import Doors, NoAnswer

POLL_S = 0.2


class Watcher:
    """``forked`` is set at the first head that contradicts another; ``violations`` then says which."""

    def __init__(self, doors: Doors, history: History, clock: Callable[[], float]) -> None:
        self._doors = doors
        self._history = history
        self._clock = clock
        self._hashes: dict[int, str] = {}
        self._last: dict[int, tuple[Life, int, str]] = {}
        self.heights = [0] * BANKS
        """Each bank's head as last seen."""
        self.forked = asyncio.Event()
        self.violations: list[Violation] = []
        self.grew_at_s = 0.0
        """When the highest head last rose."""
        self.longest_pause_s = 0.0

    @property
    def height(self) -> int:
        """The highest head ever seen."""
        return max(self._hashes, default=0)

    async def run(self) -> None:
        """Until cancelled: one task for each bank, since one that is stopped must not hide the others."""
        await asyncio.gather(*(self._watch(bank) for bank in range(BANKS)))

    async def until_height(self, height: int, timeout_s: float) -> bool:
        """Wait for a bank to show a head of at least ``height``; False where the time was over first."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.height < height:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_S / 4)
        except TimeoutError:
            return False
        return True

    async def until_level(self, timeout_s: float) -> bool:
        """Wait for all banks to show one head; False where the time was over first."""
        try:
            async with asyncio.timeout(timeout_s):
                while set(self.heights) != {self.height}:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_S / 4)
        except TimeoutError:
            return False
        return True

    async def _watch(self, bank: int) -> None:
        while True:
            with contextlib.suppress(NoAnswer):  # down, stopped or slow: it is looked at again
                await self._look(bank)
            await asyncio.sleep(POLL_S)

    async def _look(self, bank: int) -> None:
        life, (answer,) = await self._doors.steady(bank, "eth_getBlockByNumber", [("latest", False)])
        block = answer.get("result")
        if block is None:
            return
        number, block_hash = int(block["number"], 16), block["hash"]
        if number > self.height:
            now = self._clock()
            self.longest_pause_s = max(self.longest_pause_s, now - self.grew_at_s)
            self.grew_at_s = now
        self.heights[bank] = number
        if self._last.get(bank) != (life, number, block_hash):
            self._last[bank] = (life, number, block_hash)
            self._history.heads.append(Head(self._clock(), life, number, block_hash))
        found = check_head(self._history, self._hashes, life, number, block_hash)
        if found:
            self.violations += found
            self.forked.set()
