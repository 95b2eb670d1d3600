"""The node's connections to the other members: authenticated, one for each pair, bounded in every direction."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from node.clock import Clock
from node.errors import PrayaError, UnavailableError
from node.keys.tls import BindingRefused, client_context, server_context
from node.log import get_logger
from node.p2p.conduct import Conduct
from node.p2p.dialler import PATH, Dialler
from node.p2p.frames import (
    FRAME_BYTES_MAX,
    RESPONSE_BYTES_MAX,
    SUBPROTOCOL,
    BadFrame,
    GoodbyeFrame,
    HeadFrame,
    MessageFrame,
    Priority,
    TransactionsFrame,
    decode_frame,
    encode_frame,
)
from node.p2p.handlers import FrameHandler, Handlers, HeadHandler, MetricHook, PeerHandler, TransactionsHandler
from node.p2p.identity import NodeIdentity, proved_address
from node.p2p.link import HEARTBEAT_S, Link, PeerRefused
from node.p2p.peer import Peer, PeerAddress, PeerInfo, PeerRole, RequestHandler
from node.types import Address, Hash32

TLS_HANDSHAKE_TIMEOUT_S = 5.0
INBOUND_MAX = 128
"""Incoming connections at one time, of all peers."""
REFUSALS_KEPT = 64
STOP_TIMEOUT_S = 2.0

_log = get_logger("p2p")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A connection that was not made, or ended, and why."""

    at_us: int
    peer: str
    reason: str
    message: str


class PeerNetwork:
    """Handlers are plain functions that return at once (they queue); request handlers are coroutines.

    ``authorise`` says what an authenticated address is by the last committed state, None for a stranger; validators
    of the last committed set must always be let in, also while this node is behind. ``head`` is the last final
    block, for the Hello. ``on_failure`` hears of faults of this node's own tasks, ``on_frame_failure`` of faults in
    taking one frame, which a peer may have provoked: that frame is lost and the connection stays.
    """

    def __init__(
        self,
        identity: NodeIdentity,
        *,
        listen_host: str,
        listen_port: int,
        peers: Sequence[PeerAddress],
        authorise: Callable[[Address], PeerRole | None],
        head: Callable[[], tuple[int, Hash32]],
        clock: Clock,
        metrics: MetricHook | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
        on_frame_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._identity = identity
        self._listen = (listen_host, listen_port)
        self._targets = tuple(peer for peer in peers if peer.address != identity.address)
        self._names = {peer.address: peer.name for peer in peers}
        self._authorise = authorise
        self._head = head
        self._clock = clock
        self._metrics: MetricHook = metrics or (lambda _name, _amount, _labels: None)
        self._on_failure = on_failure or _log_failure
        self._on_frame_failure = on_frame_failure or _log_failure
        self._instance = os.urandom(8)
        self._peers: dict[Address, Peer] = {}
        self._links: dict[Address, Link] = {}
        self._gone: dict[Address, asyncio.Event] = {}
        self._conduct: dict[Address, Conduct] = {}
        self._sessions: set[asyncio.Task[None]] = set()
        self._handlers = Handlers(self._metrics)
        self._inbound = 0
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._client: aiohttp.ClientSession | None = None
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS_KEPT)
        """The last refused or failed connections, oldest first: for operators and tests."""

    # --- wiring, before start ---------------------------------------------------------------------

    def on_frame(self, kind: str, handler: FrameHandler) -> None:
        """Who receives messages of this kind. A PrayaError from a handler counts as a bad frame of the peer."""
        self._handlers.frames[kind] = handler

    def on_request(self, kind: str, handler: RequestHandler) -> None:
        """Who answers requests of this kind; a PrayaError's message goes to the asker."""
        self._handlers.requests[kind] = handler

    def on_transactions(self, handler: TransactionsHandler) -> None:
        """Who receives raw transactions."""
        self._handlers.transactions.append(handler)

    def on_head(self, handler: HeadHandler) -> None:
        """Called for each head that a peer announces, its Hello's included."""
        self._handlers.heads.append(handler)

    def on_connect(self, handler: PeerHandler) -> None:
        """Called when an address becomes connected, or its process turned out to be a new one."""
        self._handlers.connected.append(handler)

    def on_disconnect(self, handler: PeerHandler) -> None:
        """Called when the last connection of an address is gone."""
        self._handlers.disconnected.append(handler)

    # --- life -------------------------------------------------------------------------------------

    @property
    def me(self) -> Address:
        return self._identity.address

    @property
    def chain_id(self) -> int:
        return self._identity.chain_id

    @property
    def port(self) -> int:
        """The port that is listened on (the chosen one where 0 was asked for)."""
        if self._server is None:
            raise UnavailableError("the peer port is not open", field="p2p_port")
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Open the port and begin to dial. ConfigError for unusable certificates, UnavailableError for a port."""
        server, client = server_context(self._identity.tls), client_context(self._identity.tls)
        app = web.Application(client_max_size=1024)
        app.router.add_get(PATH, self._accept)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=5.0, handle_signals=False, shutdown_timeout=STOP_TIMEOUT_S
        )
        await self._runner.setup()
        assert self._runner.server is not None
        host, port = self._listen
        try:
            self._server = await asyncio.get_running_loop().create_server(
                self._runner.server, host, port, ssl=server, ssl_handshake_timeout=TLS_HANDSHAKE_TIMEOUT_S
            )
        except OSError as error:
            await self._runner.cleanup()
            raise UnavailableError(f"cannot listen on {host}:{port}: {error.strerror}", field="p2p_port") from error
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), cookie_jar=aiohttp.DummyCookieJar()
        )
        for target in self._targets:
            self._spawn(Dialler(target, self, self._client, client, self._session).run())

    async def stop(self) -> None:
        """Say goodbye, close every connection and the port."""
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(link.say_goodbye("stopping") for link in list(self._links.values())))
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- sending ----------------------------------------------------------------------------------

    def connected(self) -> dict[Address, PeerInfo]:
        """A snapshot of every connected peer."""
        return {address: self._info(peer) for address, peer in self._peers.items()}

    def is_connected(self, address: Address) -> bool:
        return address in self._peers

    def send(self, to: Address, priority: Priority, payload: bytes, kind: str = "consensus") -> bool:
        """Queue a message; False where the peer is not connected or everything queued is more urgent."""
        return self._put(to, priority, encode_frame(MessageFrame(kind, payload)))

    def broadcast(
        self,
        priority: Priority,
        payload: bytes,
        kind: str = "consensus",
        to: Iterable[Address] | None = None,
    ) -> int:
        """Queue a message, encoded once, for these addresses (None: every connected peer); how many took it."""
        data = encode_frame(MessageFrame(kind, payload))
        targets = list(self._peers) if to is None else to
        return sum(self._put(address, priority, data) for address in targets if address != self.me)

    def send_transactions(self, transactions: Sequence[bytes], to: Iterable[Address]) -> tuple[Address, ...]:
        """Queue raw transactions, encoded once; the addresses that took them. LimitExceeded where they do not fit
        one frame (the gossip batches them)."""
        data = encode_frame(TransactionsFrame(tuple(transactions)))
        return tuple(address for address in to if self._put(address, Priority.TRANSACTION, data))

    def announce_head(self, number: int, block_hash: Hash32) -> int:
        """Tell every connected peer of a new final block."""
        data = encode_frame(HeadFrame(number, block_hash))
        return sum(self._put(address, Priority.STATUS, data) for address in list(self._peers))

    async def request(
        self,
        to: Address,
        kind: str,
        body: bytes,
        timeout_s: float = 10.0,
        *,
        response_max: int = RESPONSE_BYTES_MAX,
    ) -> bytes:
        """Ask one peer. Raises UnavailableError (not connected, lost, timeout), RequestRefused (its error),
        LimitExceeded (too many open), DataError (answer over ``response_max``)."""
        peer = self._peers.get(to)
        if peer is None:
            raise UnavailableError(f"0x{to.hex()} is not connected", field=kind)
        return await peer.request(kind, body, timeout_s, response_max)

    def reauthorise(self) -> None:
        """After a block that may have changed members: apply roles anew, part from those who have none."""
        for address, peer in list(self._peers.items()):
            role = self._authorise(address)
            if role is None:
                self._refuse("unauthorised", "no longer a member", peer=self._name(address))
                self._cut(address, "unauthorised")
            else:
                peer.role = role

    def report_bad(self, address: Address, reason: str) -> None:
        """A higher floor convicts a peer of something no honest node sends; counts as a bad frame."""
        self._bad(address, reason, reason)

    # --- for the diallers -------------------------------------------------------------------------

    async def until_disconnected(self, address: Address) -> None:
        """Return once no connection with this address is left."""
        while address in self._peers:
            await self._gone.setdefault(address, asyncio.Event()).wait()

    def pause_left_s(self, address: Address) -> float:
        """How long this address is still shut out for bad frames."""
        return self._conduct_of(address).pause_left_us(self._clock.monotonic_us()) / 1_000_000

    def refused(self, reason: str, message: str, *, peer: str) -> None:
        self._refuse(reason, message, peer=peer)

    # --- sessions ---------------------------------------------------------------------------------

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        """A TLS client of this consortium asks for a connection: check who it is before the upgrade."""
        try:
            address = self._caller(request)
        except (BindingRefused, PeerRefused) as error:
            self._refuse(error.reason, error.message, peer=request.remote or "")
            return web.Response(status=403, reason=error.reason, text=error.message)
        socket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), heartbeat=HEARTBEAT_S, compress=False, max_msg_size=FRAME_BYTES_MAX
        )
        await socket.prepare(request)
        link = Link(socket, outgoing=False)
        self._inbound += 1
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            await self._session(link, address)
        except PeerRefused as error:
            self._refuse(error.reason, error.message, peer=self._name(address))
        finally:
            self._sessions.discard(task)
            self._inbound -= 1
            await link.close()
        return socket

    def _caller(self, request: web.Request) -> Address:
        tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        address = proved_address(tls, self.chain_id)
        if self._inbound >= INBOUND_MAX:
            raise PeerRefused("full", f"{INBOUND_MAX} connections are open")
        self._admissible(address)
        if SUBPROTOCOL not in request.headers.get("Sec-WebSocket-Protocol", ""):
            raise PeerRefused("version", f"this node speaks {SUBPROTOCOL}")
        return address

    def _admissible(self, address: Address) -> PeerRole:
        if address == self.me:
            raise PeerRefused("self", "the certificate is this node's own")
        role = self._authorise(address)
        if role is None:
            raise PeerRefused("unauthorised", f"0x{address.hex()} is no member's address")
        if self.pause_left_s(address) > 0:
            raise PeerRefused("paused", "this peer sent too many bad frames")
        return role

    async def _session(self, link: Link, address: Address) -> None:
        """From Hello to the end of one connection whose certificate speaks for ``address``. PeerRefused."""
        role = self._admissible(address)
        theirs = await link.exchange_hellos(self._identity.hello(self._instance, self._head()))
        try:
            self._identity.check_hello(theirs, address)
        except PeerRefused as error:
            await link.say_goodbye(error.reason)
            raise
        if not self._admit(link, address, role):
            link.retire()
        peer = self._peers[address]
        try:
            self._handlers.head(peer, theirs.head_number, Hash32(theirs.head_hash))
            await link.run(peer.outbox, lambda data: self._receive(peer, data))
        finally:
            if self._links.get(address) is link:
                self._part(peer)

    def _admit(self, link: Link, address: Address, role: PeerRole) -> bool:
        """One connection for a pair: that of the process which runs now; of two, the one that the lower address
        dialled; of two in one direction, the newer. Both sides come to the same choice. False: this one goes."""
        old = self._links.get(address)
        lower_dials = self.me < address
        if (
            old is not None
            and old.instance == link.instance
            and old.outgoing != link.outgoing
            and old.outgoing is lower_dials
        ):
            return False
        self._links[address] = link
        fresh = old is None or old.instance != link.instance
        if fresh:
            if address in self._peers:
                self._peers[address].close()
            self._peers[address] = Peer(address, role, self._names.get(address, ""), self._clock.monotonic_us())
        if old is not None:
            old.retire()
        if fresh:
            self._metrics("peers", len(self._peers), {})
            _log.info("peer_connected", peer=self._name(address), role=str(role), outgoing=link.outgoing)
            self._tell(self._handlers.connected, self._info(self._peers[address]))
        return True

    def _part(self, peer: Peer) -> None:
        info = self._info(peer)
        del self._links[peer.address], self._peers[peer.address]
        peer.close()
        gone = self._gone.pop(peer.address, None)
        if gone is not None:
            gone.set()
        self._metrics("peers", len(self._peers), {})
        _log.info("peer_disconnected", peer=self._name(peer.address))
        self._tell(self._handlers.disconnected, info)

    def _cut(self, address: Address, reason: str) -> None:
        link = self._links.get(address)
        if link is not None:
            self._spawn(link.say_goodbye(reason))

    # --- receiving --------------------------------------------------------------------------------

    async def _receive(self, peer: Peer, data: bytes | None) -> bool:
        """One frame; False ends the connection."""
        if data is None:
            return not self._bad(peer.address, "not_binary", "a message that is no frame, or over the size limit")
        self._metrics("bytes_received", len(data), {})
        try:
            frame = decode_frame(data)
            if isinstance(frame, GoodbyeFrame):
                return False
            self._handlers.dispatch(peer, frame)
        except PrayaError as error:
            reason = error.reason if isinstance(error, BadFrame) else (error.field or "handler")
            if self._bad(peer.address, reason, error.message):
                return False
        except Exception as error:  # noqa: BLE001 - ours, not the peer's
            self._on_frame_failure(error)
        delay = self._conduct_of(peer.address).delay_for(len(data), self._clock.monotonic_us())
        if delay > 0:
            await asyncio.sleep(delay)
        return True

    def _bad(self, address: Address, reason: str, message: str) -> bool:
        """Count a bad frame; True where the peer is cut off for it."""
        self._metrics("bad_frames", 1, {"reason": reason})
        _log.warning("bad_frame", peer=self._name(address), reason=reason, message=message[:200])
        if not self._conduct_of(address).bad_frame(self._clock.monotonic_us()):
            return False
        self._refuse("bad_frames", "too many bad frames", peer=self._name(address))
        self._cut(address, "bad frames")
        return True

    # --- details ----------------------------------------------------------------------------------

    def _put(self, to: Address, priority: Priority, data: bytes) -> bool:
        peer = self._peers.get(to)
        if peer is None:
            return False
        before = sum(peer.outbox.dropped.values())
        taken = peer.outbox.put(priority, data)
        lost = sum(peer.outbox.dropped.values()) - before
        if lost:
            self._metrics("frames_dropped", lost, {"priority": priority.name.lower()})
        if taken:
            self._metrics("frames_sent", 1, {"priority": priority.name.lower()})
        return taken

    def _info(self, peer: Peer) -> PeerInfo:
        link = self._links.get(peer.address)
        return peer.info(outgoing=link is not None and link.outgoing)

    def _tell(self, handlers: Iterable[PeerHandler], info: PeerInfo) -> None:
        for handler in handlers:
            try:
                handler(info)
            except Exception as error:  # noqa: BLE001 - see _receive
                self._on_failure(error)

    def _conduct_of(self, address: Address) -> Conduct:
        return self._conduct.setdefault(address, Conduct())

    def _name(self, address: Address) -> str:
        return self._names.get(address) or f"0x{address.hex()}"

    def _refuse(self, reason: str, message: str, *, peer: str) -> None:
        self._metrics("refused", 1, {"reason": reason})
        if not self.refusals or (self.refusals[-1].peer, self.refusals[-1].reason) != (peer, reason):
            _log.info("connection_refused", peer=peer, reason=reason, message=message[:200])
        self.refusals.append(Refusal(self._clock.monotonic_us(), peer, reason, message))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._sessions.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_failure(error)


def _log_failure(error: BaseException) -> None:
    _log.error("handler_failed", exc_info=error)
