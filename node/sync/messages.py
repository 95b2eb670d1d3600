"""The two questions of block sync and their answers, as bodies of peer-to-peer requests."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from node.errors import DataError

BLOCKS = "blocks"
PROPOSAL = "proposal"

RANGE_COUNT_MAX = 256
"""Blocks in one answer."""
RANGE_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of one answer; a single block may be larger, so that every block can be served."""
CERTIFICATE_BYTES_MAX = 89 + 65 * 256
"""A commit certificate with every seal that its bitmap can name (P-10)."""

_Height = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Certificate = Annotated[bytes, msgspec.Meta(max_length=CERTIFICATE_BYTES_MAX)]


class Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An array in the order of its fields; more or fewer are refused."""


class BlocksRequest(Body, frozen=True):
    """Final blocks from ``start`` upwards."""

    start: _Height
    count: Annotated[int, msgspec.Meta(ge=1, le=RANGE_COUNT_MAX)]


class BlockRecord(Body, frozen=True):
    """One final block: its RLP, a certificate of it, and the canonical certificate of height - W that its header
    names (empty for heights up to W, P-11)."""

    block: bytes
    certificate: _Certificate
    carried: _Certificate


class BlocksAnswer(Body, frozen=True):
    """Consecutive blocks, fewer than asked for where the chain or the byte limit ends; none above the head."""

    blocks: Annotated[tuple[BlockRecord, ...], msgspec.Meta(max_length=RANGE_COUNT_MAX)]


class ProposalRequest(Body, frozen=True):
    """The block of this hash, final or only proposed."""

    height: _Height
    block_hash: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class ProposalAnswer(Body, frozen=True):
    """The block and the certificate that it carries; no certificate of its own."""

    block: bytes
    carried: _Certificate


_T = TypeVar("_T", bound=Body)


def encode_body(body: Body) -> bytes:
    """MessagePack of a question or an answer."""
    return msgspec.msgpack.encode(body)


def decode_body(data: bytes, kind: type[_T]) -> _T:
    """Exactly one body of this kind. Raises DataError."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise DataError(f"{kind.__name__}: {error}", field="body") from error
