"""The replica's timers on the event loop's monotonic clock: at most one of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from consensus.types import TimerKey, TimerKind
from node.clock import Clock


class Timers:
    """Holds one pending call for each TimerKind; setting a kind again replaces it."""

    def __init__(self, clock: Clock, fire: Callable[[TimerKey], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._pending: dict[TimerKind, tuple[TimerKey, asyncio.TimerHandle]] = {}

    def set(self, key: TimerKey, at_us: int) -> None:
        """Fire ``key`` at the monotonic time ``at_us``."""
        self.cancel(key.kind)
        delay_s = max(0, at_us - self._clock.monotonic_us()) / 1_000_000
        handle = asyncio.get_running_loop().call_later(delay_s, self._expired, key)
        self._pending[key.kind] = (key, handle)

    def cancel(self, kind: TimerKind) -> None:
        """Forget the timer of this kind, if one runs."""
        pending = self._pending.pop(kind, None)
        if pending is not None:
            pending[1].cancel()

    def expire_now(self, kind: TimerKind) -> None:
        """Fire the running timer of this kind at once (P-19: a jump of the test clock makes a heartbeat due)."""
        pending = self._pending.get(kind)
        if pending is not None:
            pending[1].cancel()
            self._expired(pending[0])

    def close(self) -> None:
        """Cancel everything."""
        for _, handle in self._pending.values():
            handle.cancel()
        self._pending.clear()

    def _expired(self, key: TimerKey) -> None:
        self._pending.pop(key.kind, None)
        self._fire(key)
