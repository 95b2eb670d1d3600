"""What travels between two nodes: one version byte, one type byte, then a MessagePack array.

The type byte stands outside the MessagePack so that a frame's size limit is known before anything is parsed.
Every structure is decoded with its exact types and no unknown fields; trailing bytes are refused.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias

import msgspec

from node.errors import DataError, LimitExceeded

PROTOCOL_VERSION = 1
SUBPROTOCOL = f"praya.{PROTOCOL_VERSION}"

HELLO_BYTES_MAX = 1024
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
"""The largest consensus frame: a NEW-VIEW with its certificates and one block (genesis limits are far below)."""
TRANSACTIONS_BYTES_MAX = 1024 * 1024
TRANSACTIONS_COUNT_MAX = 1024
HEAD_BYTES_MAX = 128
REQUEST_BODY_MAX = 64 * 1024
CHUNK_BYTES = 256 * 1024
"""Large answers travel in pieces of this size, so that votes pass between them."""
RESPONSE_BYTES_MAX = 32 * 1024 * 1024
_ENVELOPE_BYTES = 256

_Bytes20 = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_UInt64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Kind = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class Priority(IntEnum):
    """Order of sending, smaller first: what ends a stalled view goes before what a new one can repeat."""

    VIEW_CHANGE = 0
    COMMIT = 1
    PREPARE = 2
    PRE_PREPARE = 3
    STATUS = 4
    REQUEST = 5
    TRANSACTION = 6


class FrameType(IntEnum):
    """The second byte of a frame."""

    HELLO = 1
    MESSAGE = 2
    TRANSACTIONS = 3
    HEAD = 4
    REQUEST = 5
    RESPONSE = 6
    GOODBYE = 7


class _Frame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """An array in the order of its fields; more or fewer are refused."""


class Hello(_Frame, frozen=True):
    """The first frame of both sides. Peers of another chain, genesis or parameters part at once."""

    chain_id: _UInt64
    genesis_hash: _Bytes32
    parameters_hash: _Bytes32
    address: _Bytes20
    instance: Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)]
    """Random for each process: a new one shows that an older connection belongs to a process that has ended."""
    head_number: _UInt64
    head_hash: _Bytes32


class MessageFrame(_Frame, frozen=True):
    """Opaque bytes for one handler ("consensus" and whatever a higher floor registers)."""

    kind: _Kind
    payload: bytes


class TransactionsFrame(_Frame, frozen=True):
    """Raw signed transactions."""

    transactions: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=TRANSACTIONS_COUNT_MAX)]


class HeadFrame(_Frame, frozen=True):
    """The sender's last final block."""

    number: _UInt64
    hash: _Bytes32


class RequestFrame(_Frame, frozen=True):
    """A question; ``id`` is unique for the asking process."""

    id: _UInt64
    kind: _Kind
    body: Annotated[bytes, msgspec.Meta(max_length=REQUEST_BODY_MAX)]


class ResponseFrame(_Frame, frozen=True):
    """One piece of an answer, in order; ``last`` ends it. A refusal has an ``error`` and no body."""

    id: _UInt64
    last: bool
    error: _Text
    body: Annotated[bytes, msgspec.Meta(max_length=CHUNK_BYTES)]


class GoodbyeFrame(_Frame, frozen=True):
    """Why the sender closes the connection; a word for logs."""

    reason: _Text


Frame: TypeAlias = Hello | MessageFrame | TransactionsFrame | HeadFrame | RequestFrame | ResponseFrame | GoodbyeFrame

_TYPES: dict[type[_Frame], FrameType] = {
    Hello: FrameType.HELLO,
    MessageFrame: FrameType.MESSAGE,
    TransactionsFrame: FrameType.TRANSACTIONS,
    HeadFrame: FrameType.HEAD,
    RequestFrame: FrameType.REQUEST,
    ResponseFrame: FrameType.RESPONSE,
    GoodbyeFrame: FrameType.GOODBYE,
}
_HEADS = {kind: bytes([PROTOCOL_VERSION, number]) for kind, number in _TYPES.items()}
_DECODERS: dict[int, msgspec.msgpack.Decoder[Frame]] = {
    number: msgspec.msgpack.Decoder(kind) for kind, number in _TYPES.items()
}
_LIMITS: dict[int, int] = {
    FrameType.HELLO: HELLO_BYTES_MAX,
    FrameType.MESSAGE: PAYLOAD_BYTES_MAX + _ENVELOPE_BYTES,
    FrameType.TRANSACTIONS: TRANSACTIONS_BYTES_MAX,
    FrameType.HEAD: HEAD_BYTES_MAX,
    FrameType.REQUEST: REQUEST_BODY_MAX + _ENVELOPE_BYTES,
    FrameType.RESPONSE: CHUNK_BYTES + 1024,
    FrameType.GOODBYE: 1024,
}
FRAME_BYTES_MAX = max(_LIMITS.values()) + 2
_ENCODER = msgspec.msgpack.Encoder()


class BadFrame(DataError):
    """A frame that no honest node of this version sends; ``reason`` is a stable word for metrics."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, field="frame", reason=reason)
        self.reason = reason


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame. Raises LimitExceeded where no peer would accept it."""
    head = _HEADS[type(frame)]
    data = head + _ENCODER.encode(frame)
    limit = _LIMITS[head[1]] + len(head)
    if len(data) > limit:
        raise LimitExceeded(
            f"a {type(frame).__name__} of {len(data)} bytes is over the limit of {limit}",
            field="frame",
            limit=limit,
            value=len(data),
        )
    return data


def decode_frame(data: bytes) -> Frame:
    """Exactly one frame. Raises BadFrame (reasons: short, version, type, size, malformed)."""
    if len(data) < 3:
        raise BadFrame("short", f"a frame of {len(data)} bytes")
    if data[0] != PROTOCOL_VERSION:
        raise BadFrame("version", f"frame version {data[0]}, this node speaks {PROTOCOL_VERSION}")
    decoder = _DECODERS.get(data[1])
    if decoder is None:
        raise BadFrame("type", f"unknown frame type {data[1]}")
    limit = _LIMITS[data[1]]
    if len(data) - 2 > limit:
        raise BadFrame("size", f"a {FrameType(data[1]).name} frame of {len(data) - 2} bytes, limit {limit}")
    try:
        return decoder.decode(memoryview(data)[2:])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadFrame("malformed", f"a {FrameType(data[1]).name} frame: {error}") from error
