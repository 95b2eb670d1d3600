"""One connected peer: its role, its outbox, the requests under way in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from node.errors import DataError, LimitExceeded, PrayaError, UnavailableError
from node.log import get_logger
from node.p2p.frames import (
    CHUNK_BYTES,
    RESPONSE_BYTES_MAX,
    BadFrame,
    Priority,
    RequestFrame,
    ResponseFrame,
    encode_frame,
)
from node.p2p.outbox import Outbox
from node.types import Address, Hash32

REQUESTS_OPEN_MAX = 32
"""Requests that this node has open with one peer."""
SERVING_MAX = 8
"""Requests of one peer that are answered at the same time; more are answered "busy"."""
SERVING_TIMEOUT_S = 30.0
ERROR_TEXT_MAX = 200

RequestHandler: TypeAlias = Callable[[Address, bytes], Awaitable[bytes]]

_log = get_logger("p2p")


class PeerRole(StrEnum):
    """What an authenticated address is to this node, by the chain's own records."""

    VALIDATOR = "validator"
    OBSERVER = "observer"
    SOURCE = "source"
    """Named by this node's operator, unknown to the chain as far as this node has it: it may be asked, since what it
    says proves itself, and it is answered nothing."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A peer in this node's configuration: where it is dialled, and who must answer there."""

    name: str
    host: str
    port: int
    address: Address


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A connected peer as operators and other floors see it."""

    address: Address
    role: PeerRole
    name: str
    """Its name in the configuration; "" for a peer that only dials us."""
    outgoing: bool
    """True where this node dialled."""
    head_number: int
    head_hash: Hash32
    connected_since_us: int
    queued_frames: int
    dropped_frames: int


class RequestRefused(PrayaError):
    """The peer answered a request with an error (its text is in the message)."""


@dataclass(slots=True)
class _Pending:
    answer: asyncio.Future[bytes]
    pieces: list[bytes]
    size: int
    limit: int


class Peer:
    """State that lives from the first connection of an address until none is left."""

    def __init__(self, address: Address, role: PeerRole, name: str, since_us: int) -> None:
        self.address = address
        self.role = role
        self.name = name
        self.since_us = since_us
        self.outbox = Outbox()
        self.head_number = 0
        self.head_hash = Hash32(bytes(32))
        self._pending: dict[int, _Pending] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._next_id = 0

    def info(self, *, outgoing: bool) -> PeerInfo:
        """A snapshot for callers."""
        return PeerInfo(
            address=self.address,
            role=self.role,
            name=self.name,
            outgoing=outgoing,
            head_number=self.head_number,
            head_hash=self.head_hash,
            connected_since_us=self.since_us,
            queued_frames=len(self.outbox),
            dropped_frames=sum(self.outbox.dropped.values()),
        )

    # --- asking -----------------------------------------------------------------------------------

    async def request(self, kind: str, body: bytes, timeout_s: float, response_max: int) -> bytes:
        """Ask and wait. Raises UnavailableError (timeout, connection lost), RequestRefused, LimitExceeded."""
        if len(self._pending) >= REQUESTS_OPEN_MAX:
            raise LimitExceeded(
                f"{REQUESTS_OPEN_MAX} requests are open with this peer", field=kind, limit=REQUESTS_OPEN_MAX
            )
        self._next_id += 1
        number = self._next_id
        pending = _Pending(asyncio.get_running_loop().create_future(), [], 0, response_max)
        self._pending[number] = pending
        try:
            if not self.outbox.put(Priority.REQUEST, encode_frame(RequestFrame(number, kind, body))):
                raise UnavailableError("the queue to this peer is full", field=kind)
            async with asyncio.timeout(timeout_s):
                return await pending.answer
        except TimeoutError as error:
            raise UnavailableError(f"no answer to {kind} within {timeout_s} s", field=kind) from error
        finally:
            del self._pending[number]

    def receive_response(self, frame: ResponseFrame) -> None:
        """One piece of an answer. An answer that nobody waits for any more is ignored; BadFrame where it is larger
        than was agreed."""
        pending = self._pending.get(frame.id)
        if pending is None or pending.answer.done():
            return
        if frame.error:
            pending.answer.set_exception(RequestRefused(frame.error, field="request"))
            return
        pending.size += len(frame.body)
        if pending.size > pending.limit:
            pending.answer.set_exception(
                DataError(f"an answer of more than {pending.limit} bytes", field="response", limit=pending.limit)
            )
            raise BadFrame("response_size", f"an answer of more than {pending.limit} bytes")
        pending.pieces.append(frame.body)
        if frame.last:
            pending.answer.set_result(b"".join(pending.pieces))

    # --- answering --------------------------------------------------------------------------------

    def serve(self, frame: RequestFrame, handler: RequestHandler | None) -> None:
        """Answer in a task of its own, within SERVING_MAX and SERVING_TIMEOUT_S."""
        if self.role is PeerRole.SOURCE:
            self._refuse(frame.id, "the chain does not know you here")
        elif handler is None:
            self._refuse(frame.id, f"unknown request {frame.kind}")
        elif len(self._serving) >= SERVING_MAX:
            self._refuse(frame.id, f"busy: {SERVING_MAX} requests of yours are being answered")
        else:
            self._start(self._answer(frame, handler))

    async def _answer(self, frame: RequestFrame, handler: RequestHandler) -> None:
        try:
            async with asyncio.timeout(SERVING_TIMEOUT_S):
                body = await handler(self.address, frame.body)
            if len(body) > RESPONSE_BYTES_MAX:
                raise LimitExceeded(f"the answer is over {RESPONSE_BYTES_MAX} bytes", field=frame.kind)
        except PrayaError as error:
            self._refuse(frame.id, error.message)
        except TimeoutError:
            self._refuse(frame.id, f"{frame.kind} took more than {SERVING_TIMEOUT_S} s")
        except Exception:  # noqa: BLE001 - a fault of ours in one answer; the connection stays, no details leave
            _log.exception("request_failed", kind=frame.kind, peer=self.address.hex())
            self._refuse(frame.id, "internal error")
        else:
            await self._send_pieces(frame.id, body)

    async def _send_pieces(self, number: int, body: bytes) -> None:
        for start in range(0, max(1, len(body)), CHUNK_BYTES):
            last = start + CHUNK_BYTES >= len(body)
            piece = encode_frame(ResponseFrame(number, last, "", body[start : start + CHUNK_BYTES]))
            await self.outbox.put_when_room(Priority.REQUEST, piece)

    def _refuse(self, number: int, text: str) -> None:
        answer = ResponseFrame(number, True, text[:ERROR_TEXT_MAX] or "refused", b"")
        self.outbox.put(Priority.REQUEST, encode_frame(answer))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def close(self) -> None:
        """The last connection is gone: whatever waits, in either direction, ends now."""
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(UnavailableError("the connection to this peer was lost", field="peer"))
        for task in self._serving:
            task.cancel()
        self.outbox.clear()
