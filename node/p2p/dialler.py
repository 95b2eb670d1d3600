"""Keeps one configured peer connected: dials, checks who answers, waits longer after each failure."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp

from node.errors import PrayaError
from node.keys.tls import BindingRefused
from node.p2p.frames import FRAME_BYTES_MAX, SUBPROTOCOL
from node.p2p.identity import proved_address
from node.p2p.link import HEARTBEAT_S, Link, PeerRefused
from node.p2p.peer import PeerAddress
from node.types import Address

PATH = "/p2p"
DIAL_TIMEOUT_S = 5.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 2.0
REFUSED_BACKOFF_MAX_S = 15.0
"""Cap where the other side answered and one of the two refused: configuration rarely heals in seconds."""
GRACE_S = 0.25
"""The higher address dials this much later, so that two starting nodes rarely cross."""
SETTLED_S = 1.0
"""A connection that lasted this long resets the back-off."""

_jitter = random.SystemRandom()


class Host(Protocol):
    """What a dialler needs of its network."""

    @property
    def me(self) -> Address: ...

    @property
    def chain_id(self) -> int: ...

    def is_connected(self, address: Address) -> bool: ...

    async def until_disconnected(self, address: Address) -> None: ...

    def pause_left_s(self, address: Address) -> float: ...

    def refused(self, reason: str, message: str, *, peer: str) -> None: ...


class Dialler:
    """One task for one configured peer."""

    def __init__(
        self,
        target: PeerAddress,
        host: Host,
        client: aiohttp.ClientSession,
        context: ssl.SSLContext,
        session: Callable[[Link, Address], Awaitable[None]],
    ) -> None:
        self._target = target
        self._host = host
        self._client = client
        self._context = context
        self._session = session

    async def run(self) -> None:
        """Dial for ever; cancelled by the network's stop."""
        loop = asyncio.get_running_loop()
        failures = 0
        if self._host.me > self._target.address:
            await asyncio.sleep(GRACE_S)
        while True:
            await self._host.until_disconnected(self._target.address)
            await asyncio.sleep(self._host.pause_left_s(self._target.address))
            cap, began = BACKOFF_MAX_S, loop.time()
            try:
                await self._dial()
            except (PeerRefused, BindingRefused) as error:
                cap = REFUSED_BACKOFF_MAX_S
                self._host.refused(error.reason, error.message, peer=self._target.name)
            except PrayaError as error:
                self._host.refused("unavailable", error.message, peer=self._target.name)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._host.refused(_reason(error), f"{error}" or type(error).__name__, peer=self._target.name)
            failures = 0 if loop.time() - began > SETTLED_S + DIAL_TIMEOUT_S else failures + 1
            if not self._host.is_connected(self._target.address):
                await asyncio.sleep(backoff_s(failures, cap))

    async def _dial(self) -> None:
        url = f"wss://{_bracketed(self._target.host)}:{self._target.port}{PATH}"
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                socket = await self._client.ws_connect(
                    url,
                    ssl=self._context,
                    protocols=(SUBPROTOCOL,),
                    heartbeat=HEARTBEAT_S,
                    compress=0,
                    max_msg_size=FRAME_BYTES_MAX,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise PeerRefused("refused_by_peer", f"the peer answered {error.status}: {error.message}") from error
        link = Link(socket, outgoing=True)
        try:
            self._check(socket)
            await self._session(link, self._target.address)
        finally:
            await link.close()

    def _check(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """The certificate must speak for the address that the configuration expects at this place."""
        address = proved_address(socket.get_extra_info("ssl_object"), self._host.chain_id)
        if address != self._target.address:
            raise PeerRefused(
                "identity_mismatch",
                f"{self._target.name} should be 0x{self._target.address.hex()}, there answers 0x{address.hex()}",
            )
        if socket.protocol != SUBPROTOCOL:
            raise PeerRefused("version", f"the peer does not speak {SUBPROTOCOL}")


def backoff_s(failures: int, cap: float) -> float:
    """Seconds to wait after so many failures in a row: doubling, capped, with jitter of one half."""
    ceiling = min(cap, BACKOFF_FIRST_S * float(1 << min(failures, 16)))
    return ceiling * _jitter.uniform(0.5, 1.0)


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "certificate"
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls"
    return "unreachable"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
