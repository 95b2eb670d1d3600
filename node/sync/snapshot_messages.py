"""The questions of a bank that joins by snapshot and their answers, as bodies of peer-to-peer requests."""

from __future__ import annotations

from typing import Annotated

import msgspec

from node.sync.messages import CERTIFICATE_BYTES_MAX, BlockRecord, Body

HEADERS = "headers"
TRIES = "tries"
CODES = "codes"
TAIL = "tail"

HEADERS_COUNT_MAX = 512
"""Headers in one answer."""
HEADER_BYTES_MAX = 1_024
"""RLP of a header: about 600 bytes, of which the bloom has 256."""
RANGES_MAX = 64
"""Tries that one question asks for."""
LEAVES_MAX = 2_048
"""Leaves of one answer, all its ranges together."""
TRIES_BYTES_MAX = 512 * 1024
"""Keys and values of one answer, all its ranges together; a range has one leaf at least."""
PROOF_NODES_MAX = 130
"""Nodes on the way to two boundaries, each at most 64 deep."""
LEAF_VALUE_BYTES_MAX = 128
"""An account's leaf is at most 110 bytes, a word's 33."""
CODES_MAX = 64
CODES_BYTES_MAX = 4 * 1024 * 1024
"""Codes of one answer; at least one, however long genesis made it."""
RECEIPTS_MAX = 1_000_000

_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Height = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
_Node = Annotated[bytes, msgspec.Meta(max_length=544)]
"""The RLP of a full branch has 532 bytes."""


class HeadersRequest(Body, frozen=True):
    """Headers from ``start`` upwards."""

    start: _Height
    count: Annotated[int, msgspec.Meta(ge=1, le=HEADERS_COUNT_MAX)]


class HeaderRecord(Body, frozen=True):
    """A header. With the certificate of its block where it is the last of an epoch or of the answer, and the addresses
    of S(number + 1) in a row where that set is another than S(number); both are empty elsewhere."""

    header: Annotated[bytes, msgspec.Meta(max_length=HEADER_BYTES_MAX)]
    certificate: Annotated[bytes, msgspec.Meta(max_length=CERTIFICATE_BYTES_MAX)]
    validators: Annotated[bytes, msgspec.Meta(max_length=20 * 256)]


class HeadersAnswer(Body, frozen=True):
    """Consecutive headers, none above the head; they end where the server has a certificate."""

    records: Annotated[tuple[HeaderRecord, ...], msgspec.Meta(max_length=HEADERS_COUNT_MAX)]


class RangeQuestion(Body, frozen=True):
    """The leaves of the trie at ``root`` from the key ``origin`` on: an account trie or a storage trie."""

    root: _Bytes32
    origin: _Bytes32


class TriesRequest(Body, frozen=True):
    """Several ranges, in the order in which they are wanted."""

    ranges: Annotated[tuple[RangeQuestion, ...], msgspec.Meta(min_length=1, max_length=RANGES_MAX)]


class RangeAnswer(Body, frozen=True):
    """A range and its proof (node.state.trie_range)."""

    leaves: Annotated[
        tuple[tuple[_Bytes32, Annotated[bytes, msgspec.Meta(max_length=LEAF_VALUE_BYTES_MAX)]], ...],
        msgspec.Meta(max_length=LEAVES_MAX),
    ]
    complete: bool
    proof: Annotated[tuple[_Node, ...], msgspec.Meta(max_length=PROOF_NODES_MAX)]


class TriesAnswer(Body, frozen=True):
    """The first of the ranges that were asked for, at least one; all but the last are complete."""

    ranges: Annotated[tuple[RangeAnswer, ...], msgspec.Meta(min_length=1, max_length=RANGES_MAX)]


class CodesRequest(Body, frozen=True):
    """Contract codes by their hashes."""

    hashes: Annotated[tuple[_Bytes32, ...], msgspec.Meta(min_length=1, max_length=CODES_MAX)]


class CodesAnswer(Body, frozen=True):
    """The first of the codes that were asked for, at least one."""

    codes: Annotated[tuple[bytes, ...], msgspec.Meta(min_length=1, max_length=CODES_MAX)]


class TailRequest(Body, frozen=True):
    """A whole final block with its receipts."""

    height: _Height


class TailAnswer(Body, frozen=True):
    """The block as block sync has it, and its encoded receipts in order."""

    record: BlockRecord
    receipts: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=RECEIPTS_MAX)]
