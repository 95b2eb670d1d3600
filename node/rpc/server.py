"""The door itself: POST / is JSON-RPC over HTTP, GET / with Upgrade is JSON-RPC over WebSocket, on one port."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from threading import get_ident

from aiohttp import WSCloseCode, WSMsgType, web

from node.chain import Transaction
from node.execution.transition import ExecutedBlock
from node.log import get_logger
from node.metrics import Metrics
from node.rpc.context import CommittedBlock, RpcContext
from node.rpc.dispatcher import Dispatcher, encode
from node.rpc.subscriptions import Connection
from node.types import Address
from node.web.limits import BODY_BYTES_MAX, BODY_READ_TIMEOUT_S
from node.web.problems import problem, web_title
from node.web.server import HttpServer, new_application

_log = get_logger("rpc")

CONNECTIONS_MAX = 256
"""WebSocket clients at a time."""
REQUESTS_PER_CONNECTION_MAX = 64
"""Requests of one WebSocket client in work; further ones wait unread."""
HEARTBEAT_S = 30.0
"""A WebSocket client that answers no ping for this long is gone."""
CONTENT_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")


class RpcServer:
    """JSON-RPC on one port. ``port`` 0 takes a free one; ``url`` and ``ws_url`` then say which."""

    def __init__(
        self,
        context: RpcContext,
        *,
        host: str,
        port: int,
        allowed_hosts: Collection[str],
        metrics: Metrics | None = None,
    ) -> None:
        self._context = context
        self._metrics = metrics
        self._dispatcher = Dispatcher(context, self._observe)
        self._connections: dict[Connection, web.WebSocketResponse] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        application = new_application(allowed_hosts)
        application.router.add_post("/", self._serve_http)
        application.router.add_get("/", self._serve_websocket)
        application.on_shutdown.append(self._close_connections)
        self._server = HttpServer(application, host, port, cancel_on_disconnect=True)

    async def start(self) -> None:
        """Listen and follow the head; ConfigError where the port cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._context.loop_thread = get_ident()
        await self._server.start()
        self._context.ledger.on_commit.append(self._committed)
        self._context.pool.accepted_listeners.append(self._accepted)

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._committed in self._context.ledger.on_commit:
            self._context.ledger.on_commit.remove(self._committed)
            self._context.pool.accepted_listeners.remove(self._accepted)
        self._context.cancel.cancel()  # running calls end now, and are answered
        await self._server.stop()
        await self._dispatcher.close()

    @property
    def url(self) -> str:
        """Where HTTP clients connect."""
        return self._server.url

    @property
    def ws_url(self) -> str:
        """Where WebSocket clients connect."""
        return "ws" + self._server.url.removeprefix("http")

    def _observe(self, method: str, code: int) -> None:
        if self._metrics is not None:
            self._metrics.rpc_requests.labels(method, str(code)).inc()

    # --- HTTP -----------------------------------------------------------------------------------------

    async def _serve_http(self, request: web.Request) -> web.StreamResponse:
        if request.content_type not in CONTENT_TYPES:
            return problem(415, web_title(415), detail="JSON-RPC takes application/json", field="Content-Type")
        try:
            async with asyncio.timeout(BODY_READ_TIMEOUT_S):
                body = await request.read()
        except TimeoutError:
            return problem(408, web_title(408), detail=f"the body took more than {BODY_READ_TIMEOUT_S:.0f} s")
        except web.HTTPRequestEntityTooLarge:
            return problem(413, web_title(413), detail=f"a request has at most {BODY_BYTES_MAX} bytes", field="body")
        answer = await self._dispatcher.answer(body)
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=answer, content_type="application/json")

    # --- WebSocket ------------------------------------------------------------------------------------

    async def _serve_websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=BODY_BYTES_MAX, compress=False)
        if not socket.can_prepare(request).ok:
            return problem(426, web_title(426), detail="POST a JSON-RPC request, or connect with WebSocket")
        if len(self._connections) >= CONNECTIONS_MAX:
            return problem(503, web_title(503), detail=f"{CONNECTIONS_MAX} clients are connected already")
        await socket.prepare(request)
        connection = Connection(lambda value: encode(value).decode(), lambda: self._drop(socket))
        self._connections[connection] = socket
        writer = asyncio.create_task(_write(socket, connection))
        requests: set[asyncio.Task[None]] = set()
        try:
            await self._read(socket, connection, requests)
        finally:
            del self._connections[connection]
            for task in (writer, *requests):
                task.cancel()
            await asyncio.gather(writer, *requests, return_exceptions=True)
        return socket

    async def _read(
        self, socket: web.WebSocketResponse, connection: Connection, requests: set[asyncio.Task[None]]
    ) -> None:
        slots = asyncio.Semaphore(REQUESTS_PER_CONNECTION_MAX)
        async for message in socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            body = message.data.encode("utf-8", "replace") if message.type is WSMsgType.TEXT else message.data
            await slots.acquire()
            task = asyncio.create_task(self._answer(body, connection))
            requests.add(task)
            task.add_done_callback(requests.discard)
            task.add_done_callback(lambda _task: slots.release())

    async def _answer(self, body: bytes, connection: Connection) -> None:
        answer = await self._dispatcher.answer(body, connection)
        if answer is not None:
            connection.send(answer.decode())

    def _drop(self, socket: web.WebSocketResponse) -> None:
        """A client that does not read what it asked for is closed."""
        _log.warning("websocket client does not keep up; closed")
        task = asyncio.ensure_future(socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow"))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _close_connections(self, _application: web.Application) -> None:
        for socket in list(self._connections.values()):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the node is stopping")

    # --- what is pushed -------------------------------------------------------------------------------

    def _committed(self, executed: ExecutedBlock) -> None:
        """Called in the committing thread."""
        committed = CommittedBlock(executed.block, executed.receipts)
        self._context.keep(committed)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, committed)

    def _publish(self, committed: CommittedBlock) -> None:
        for connection in list(self._connections):
            connection.publish_block(committed)

    def _accepted(self, transaction: Transaction, _origin: Address | None) -> None:
        for connection in self._connections:
            connection.publish_transaction(transaction)


async def _write(socket: web.WebSocketResponse, connection: Connection) -> None:
    """Send what waits, in order, until the connection ends."""
    with suppress(ConnectionError):
        while True:
            await socket.send_str(await connection.outgoing.get())
