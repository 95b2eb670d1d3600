"""What waits to be sent to one peer: bounded in frames and bytes, most urgent first."""

from __future__ import annotations

import asyncio
from collections import deque

from node.p2p.frames import Priority

OUTBOX_FRAMES_MAX = 4096
OUTBOX_BYTES_MAX = 32 * 1024 * 1024


class Outbox:
    """A queue for each priority under one bound. Where it is full, the oldest frame of the least urgent priority
    gives way, never one that is more urgent than the newcomer; consensus repairs by STATUS, so losing is safe."""

    def __init__(self, *, frames_max: int = OUTBOX_FRAMES_MAX, bytes_max: int = OUTBOX_BYTES_MAX) -> None:
        self._queues: tuple[deque[bytes], ...] = tuple(deque() for _ in Priority)
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._frames = 0
        self._bytes = 0
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.dropped: dict[Priority, int] = dict.fromkeys(Priority, 0)
        """Frames given up so far, by priority."""

    def __len__(self) -> int:
        return self._frames

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def put(self, priority: Priority, data: bytes) -> bool:
        """Queue a frame; False where everything that waits is more urgent and there is no room."""
        while self._frames >= self._frames_max or (self._frames and self._bytes + len(data) > self._bytes_max):
            if not self._drop_for(priority):
                self.dropped[priority] += 1
                return False
        self._queues[priority].append(data)
        self._frames += 1
        self._bytes += len(data)
        self._ready.set()
        if self._frames * 2 > self._frames_max or self._bytes * 2 > self._bytes_max:
            self._room.clear()
        return True

    async def put_when_room(self, priority: Priority, data: bytes) -> bool:
        """Queue a piece of a large answer once the outbox is at most half full."""
        await self._room.wait()
        return self.put(priority, data)

    async def take(self) -> bytes:
        """The most urgent frame, oldest first within its priority; waits for one."""
        while not self._frames:
            self._ready.clear()
            await self._ready.wait()
        queue = next(queue for queue in self._queues if queue)
        data = queue.popleft()
        self._account_for_removal(data)
        return data

    def clear(self) -> None:
        """Forget everything: the peer is gone, and what it missed is asked for anew."""
        for queue in self._queues:
            queue.clear()
        self._frames = self._bytes = 0
        self._ready.clear()
        self._room.set()

    def _drop_for(self, newcomer: Priority) -> bool:
        for priority in reversed(Priority):
            if priority < newcomer:
                return False
            if self._queues[priority]:
                self._account_for_removal(self._queues[priority].popleft())
                self.dropped[priority] += 1
                return True
        return False

    def _account_for_removal(self, data: bytes) -> None:
        self._frames -= 1
        self._bytes -= len(data)
        if self._frames * 2 <= self._frames_max and self._bytes * 2 <= self._bytes_max:
            self._room.set()
