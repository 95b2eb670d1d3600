"""TCP proxies between the banks: every connection from one to another passes here, and can be hurt on its way.

A direction of a pair of banks has one :class:`Flow`, shared by all its connections, whichever side dialled. What is
stalled or delayed is kept within ``BUFFER_BYTES_MAX`` a connection and direction; beyond it the sender's own socket
fills, as in a real network. Nothing is ever lost within a living connection: TCP does not lose, it stalls or breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

CHUNK_BYTES = 16_384
BUFFER_BYTES_MAX = 512 * 1024
"""Bytes that one direction of one connection holds back."""
CONNECTIONS_MAX = 256
"""Connections at one time; one beyond them is reset."""
CONNECT_TIMEOUT_S = 5.0


@dataclass
class Flow:
    """How one direction between two banks is hurt at the moment; the defaults are a healthy link."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    stalled: bool = False
    """Nothing passes, nothing breaks: what was under way arrives when it ends."""
    bytes_per_s: float | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    passed_bytes: int = 0

    def set(
        self,
        *,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        stalled: bool = False,
        bytes_per_s: float | None = None,
    ) -> None:
        """Replace the state of this direction; without arguments it is healthy."""
        self.delay_s, self.jitter_s, self.stalled, self.bytes_per_s = delay_s, jitter_s, stalled, bytes_per_s
        self.changed.set()
        self.changed = asyncio.Event()

    async def until_open(self) -> None:
        """Return when the direction is not stalled."""
        while self.stalled:
            await self.changed.wait()


class Links:
    """All proxies of a network: one listening port for each ordered pair of banks.

    ``source`` draws the jitter. Directions are named by the banks' numbers: ``flow(a, b)`` is what a sends to b.
    """

    def __init__(self, targets: list[tuple[str, int]], source: random.Random) -> None:
        self._targets = targets
        self._source = source
        self._servers: list[asyncio.Server] = []
        count = range(len(targets))
        self._flows = {(a, b): Flow() for a in count for b in count if a != b}
        self._refused: set[frozenset[int]] = set()
        self._connections: dict[asyncio.Task[None], frozenset[int]] = {}
        self._sockets: dict[frozenset[int], set[asyncio.StreamWriter]] = {}
        self.ports: dict[tuple[int, int], int] = {}
        """(dialling bank, dialled bank) -> the port of the proxy that stands for the dialled bank."""

    def flow(self, a: int, b: int) -> Flow:
        """What bank ``a`` sends to bank ``b``."""
        return self._flows[a, b]

    def flows(self) -> Iterator[Flow]:
        return iter(self._flows.values())

    async def start(self) -> None:
        """Open a port on the loopback interface for each ordered pair."""
        for a, b in self._flows:
            server = await asyncio.start_server(
                lambda reader, writer, pair=(a, b): self._accept(*pair, reader, writer), "127.0.0.1", 0
            )
            self._servers.append(server)
            self.ports[a, b] = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every port and connection."""
        for server in self._servers:
            server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    # --- what the nemesis does ------------------------------------------------------------------------

    def reset(self, a: int, b: int) -> None:
        """Break every connection between two banks with a TCP reset; they may dial anew."""
        for writer in list(self._sockets.get(frozenset((a, b)), ())):
            _abort(writer)

    def refuse(self, a: int, b: int) -> None:
        """Break every connection between two banks and every new one, until :meth:`allow`."""
        self._refused.add(frozenset((a, b)))
        self.reset(a, b)

    def allow(self, a: int, b: int) -> None:
        self._refused.discard(frozenset((a, b)))

    def heal(self) -> None:
        """Every link as if nothing had been."""
        self._refused.clear()
        for flow in self._flows.values():
            flow.set()

    # --- connections ----------------------------------------------------------------------------------

    async def _accept(self, a: int, b: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = frozenset((a, b))
        task = asyncio.current_task()
        assert task is not None
        if pair in self._refused or len(self._connections) >= CONNECTIONS_MAX:
            _abort(writer)
            return
        self._connections[task] = pair
        sockets = self._sockets.setdefault(pair, set())
        sockets.add(writer)
        try:
            await self._carry(a, b, reader, writer, sockets)
        except (OSError, TimeoutError):
            pass  # one side is gone, or was never there
        except asyncio.CancelledError:
            pass  # stop() ends it; a cancelled callback of start_server would be reported as a fault
        finally:
            sockets.discard(writer)
            _abort(writer)
            del self._connections[task]

    async def _carry(
        self,
        a: int,
        b: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        sockets: set[asyncio.StreamWriter],
    ) -> None:
        # A stalled link swallows the SYN too: the far side hears nothing of it.
        await self._flows[a, b].until_open()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            far_reader, far_writer = await asyncio.open_connection(*self._targets[b])
        sockets.add(far_writer)
        try:
            ways = [
                asyncio.ensure_future(self._pump(self._flows[a, b], reader, far_writer)),
                asyncio.ensure_future(self._pump(self._flows[b, a], far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            sockets.discard(far_writer)
            _abort(far_writer)

    async def _pump(self, flow: Flow, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction of one connection, in order."""
        loop = asyncio.get_running_loop()
        waiting: deque[tuple[float, bytes]] = deque()
        held = 0
        arrived, room = asyncio.Event(), asyncio.Event()

        async def read() -> None:
            nonlocal held
            while True:
                data = await reader.read(CHUNK_BYTES)
                waiting.append((loop.time() + flow.delay_s + self._source.uniform(0.0, flow.jitter_s), data))
                held += len(data)
                arrived.set()
                if not data:
                    return
                while held > BUFFER_BYTES_MAX:
                    room.clear()
                    await room.wait()

        reading = asyncio.ensure_future(read())
        try:
            while True:
                while not waiting:
                    arrived.clear()
                    if reading.done() and reading.exception() is not None:
                        raise reading.exception() or OSError
                    await _either(arrived, reading)
                due, data = waiting[0]
                await asyncio.sleep(max(0.0, due - loop.time()))
                await flow.until_open()
                waiting.popleft()
                if not data:
                    with contextlib.suppress(OSError, RuntimeError):
                        writer.write_eof()
                    return
                if flow.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / flow.bytes_per_s)
                writer.write(data)
                await writer.drain()
                flow.passed_bytes += len(data)
                held -= len(data)
                room.set()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _either(event: asyncio.Event, task: asyncio.Future[None]) -> None:
    """Wait for the event, or for the task to end."""
    waiter = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([waiter, task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, whatever is still unsent."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
