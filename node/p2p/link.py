"""One authenticated WebSocket: the exchange of Hellos, then frames both ways until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web

from node.errors import PrayaError
from node.p2p.frames import BadFrame, GoodbyeFrame, Hello, decode_frame, encode_frame
from node.p2p.outbox import Outbox

HELLO_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
HEARTBEAT_S = 10.0
"""A peer that answers no ping for half of this is gone."""
FRAMES_PER_TURN = 32
"""After so many frames the reader lets others run, however fast the peer sends."""

WebSocket: TypeAlias = ClientWebSocketResponse | web.WebSocketResponse


class PeerRefused(PrayaError):
    """A connection that must not be; ``reason`` is a stable word for metrics and tests."""

    exit_code = 77

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, field="peer", reason=reason)
        self.reason = reason


class Link:
    """A WebSocket whose certificate has been checked. ``outgoing``: this node dialled."""

    def __init__(self, socket: WebSocket, *, outgoing: bool) -> None:
        self._socket = socket
        self.outgoing = outgoing
        self.instance = b""
        """The process at the other end, from its Hello."""
        self._writer: asyncio.Task[None] | None = None
        self._retirement: asyncio.TimerHandle | None = None
        self._closers: set[asyncio.Task[None]] = set()

    async def exchange_hellos(self, mine: Hello) -> Hello:
        """Send ours, wait for theirs. Raises PeerRefused."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                await self._socket.send_bytes(encode_frame(mine))
                message = await self._socket.receive()
        except (TimeoutError, ConnectionError, RuntimeError) as error:
            raise PeerRefused("hello", "no Hello from the peer") from error
        if message.type is not WSMsgType.BINARY:
            raise PeerRefused("hello", "the peer closed before its Hello")
        try:
            theirs = decode_frame(message.data)
        except BadFrame as error:
            raise PeerRefused("hello", f"the peer's Hello is unreadable: {error.message}") from error
        if isinstance(theirs, GoodbyeFrame):
            raise PeerRefused("goodbye", f"the peer refuses: {theirs.reason}")
        if not isinstance(theirs, Hello):
            raise PeerRefused("hello", "the peer's first frame is no Hello")
        self.instance = theirs.instance
        return theirs

    async def run(self, outbox: Outbox, receive: Callable[[bytes | None], Awaitable[bool]]) -> None:
        """Send what the outbox holds (unless retired) and hand each received frame to ``receive`` (None: something
        that is no frame) until either side closes or ``receive`` answers False."""
        if self._retirement is None:
            self._writer = asyncio.get_running_loop().create_task(self._write(outbox))
        try:
            await self._read(receive)
        finally:
            self._stop_writing()
            await self.close()

    def retire(self) -> None:
        """Another connection takes over: stop sending, go on reading what is under way, close soon."""
        self._stop_writing()
        self._retirement = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self.close_soon)

    def close_soon(self) -> None:
        """Close without waiting for it."""
        task = asyncio.get_running_loop().create_task(self.close())
        self._closers.add(task)
        task.add_done_callback(self._closers.discard)

    async def say_goodbye(self, reason: str) -> None:
        """Tell the peer why, then close."""
        with suppress(TimeoutError, ConnectionError, RuntimeError):  # the peer may be gone already
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.send_bytes(encode_frame(GoodbyeFrame(reason[:200])))
        await self.close()

    async def close(self) -> None:
        """Close within CLOSE_TIMEOUT_S, whatever the peer does."""
        if self._retirement is not None:
            self._retirement.cancel()
        with suppress(TimeoutError, ConnectionError, RuntimeError):  # the transport goes with the request
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _read(self, receive: Callable[[bytes | None], Awaitable[bool]]) -> None:
        count = 0
        async for message in self._socket:
            data = message.data if message.type is WSMsgType.BINARY else None
            if not await receive(data):
                return
            count += 1
            if count % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)
        if self._socket.close_code == WSCloseCode.MESSAGE_TOO_BIG:
            await receive(None)

    async def _write(self, outbox: Outbox) -> None:
        try:
            while True:
                await self._socket.send_bytes(await outbox.take())
        except (ConnectionError, RuntimeError):
            self.close_soon()  # the reader ends with the connection

    def _stop_writing(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
