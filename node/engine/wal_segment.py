"""The bytes of a write-ahead log segment: how records are framed, and what damage a scan can tell apart.

A segment is a header and then frames:

| part | bytes | |
|---|---|---|
| type | 1 | 0x80 begins a batch (what one fdatasync covers), 0x40 ends a group; the low bits are 1: an encoded record |
| length | 4 | of the payload, big endian |
| lsn | 8 | of the group |
| header check | 4 | CRC-32 of the 13 bytes above |
| payload | length | |
| check | 4 | CRC-32 of everything above but the header check |
| end mark | 1 | 0xA5 |

Both checks start from a value that binds segment number and file offset, so that bytes of a block which happen to
look like a frame (their author knows neither) never count as one, and a frame in the wrong place is damage. CRC-32
is ``zlib.crc32``: the standard library has no CRC-32C, and both find every burst of up to 32 bits.

Why flags, checks and marks: after a power cut the file may end early, and sectors that never reached the disk read
as zeros; nothing else happens to bytes that were being written. So damage is a *torn tail*, and may be cut off,
only if the file ends inside the frame or a whole sector's share of it is zero, and if no frame of a later batch
follows (a later batch is written only after the earlier one was synced). All other damage is *corruption*: a vote
that was sent may stand there, so the node must not vote (P-17, P-18).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

MAGIC = b"PRAYAWAL"
VERSION = 1
SECTOR_BYTES = 512
"""The smallest unit that a disk writes whole."""
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
"""Far above any record (a block with its certificates); a larger length is damage."""

_SEGMENT_HEADER = struct.Struct(">8sIQ")
_FRAME_HEADER = struct.Struct(">BIQ")
_CRC = struct.Struct(">I")
_POSITION = struct.Struct(">QQ")
_END_MARK = b"\xa5"

SEGMENT_HEADER_BYTES = _SEGMENT_HEADER.size + _CRC.size
FRAME_HEADER_BYTES = _FRAME_HEADER.size + _CRC.size
FRAME_TRAILER_BYTES = _CRC.size + len(_END_MARK)

BEGINS_BATCH = 0x80
ENDS_GROUP = 0x40
RECORD = 0x01
"""A payload is one ``consensus.wal_records`` encoding; the other values are free for later formats."""
_TYPE_MASK = 0x3F


@dataclass(frozen=True, slots=True)
class Group:
    """The records of one append: all of them are there, or none."""

    lsn: int
    payloads: tuple[bytes, ...]


@dataclass(slots=True)
class Scan:
    """What a segment holds, up to the first damage."""

    groups: list[Group] = field(default_factory=list)
    end: int = 0
    """Bytes up to and including the last whole group; what follows is ``damage``, if any."""
    torn: bool = False
    corrupt: str | None = None
    """What is wrong, and where, if it cannot be a torn tail."""


def encode_segment_header(number: int) -> bytes:
    """The first bytes of segment ``number``."""
    head = _SEGMENT_HEADER.pack(MAGIC, VERSION, number)
    return head + _CRC.pack(zlib.crc32(head))


def encode_group(number: int, offset: int, lsn: int, payloads: tuple[bytes, ...], *, begins_batch: bool) -> bytes:
    """The frames of one group, to stand at ``offset`` of segment ``number``.

    Raises ValueError on an empty group or a payload over the limit.
    """
    if not payloads:
        raise ValueError("a group holds at least one record")
    out = bytearray()
    last = len(payloads) - 1
    for index, payload in enumerate(payloads):
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"record of {len(payload)} bytes; the limit is {PAYLOAD_BYTES_MAX}")
        flags = (BEGINS_BATCH if begins_batch and index == 0 else 0) | (ENDS_GROUP if index == last else 0)
        seed = _seed(number, offset + len(out))
        head = _FRAME_HEADER.pack(flags | RECORD, len(payload), lsn)
        head_check = zlib.crc32(head, seed)
        out += head
        out += _CRC.pack(head_check)
        out += payload
        out += _CRC.pack(zlib.crc32(payload, head_check))
        out += _END_MARK
    return bytes(out)


def scan_segment(data: bytes, number: int) -> Scan:
    """Read every whole group of a segment and judge what follows them."""
    scan = Scan()
    header = encode_segment_header(number)
    if data[: len(header)] != header:
        first_sector = data[:SECTOR_BYTES]
        if data == header[: len(data)] or (not any(first_sector) and _later_batch(data, 0, number) is None):
            scan.torn = True
        else:
            scan.corrupt = f"segment {number}: its header is damaged"
        return scan
    position = scan.end = len(header)
    payloads: list[bytes] = []
    while position < len(data):
        frame = _read_frame(data, position, number)
        if frame is None:
            _judge_damage(scan, data, position, number)
            return scan
        flags, lsn, payload = frame
        payloads.append(payload)
        position += FRAME_HEADER_BYTES + len(payload) + FRAME_TRAILER_BYTES
        if flags & ENDS_GROUP:
            if scan.groups and lsn <= scan.groups[-1].lsn:
                scan.corrupt = f"segment {number}: sequence number {lsn} follows {scan.groups[-1].lsn}"
                return scan
            scan.groups.append(Group(lsn, tuple(payloads)))
            payloads = []
            scan.end = position
    scan.torn = bool(payloads)
    return scan


def _seed(number: int, offset: int) -> int:
    return zlib.crc32(_POSITION.pack(number, offset))


def _read_header(data: bytes, position: int, number: int) -> tuple[int, int, int] | None:
    """Flags, payload length and lsn of a sound frame header at ``position``."""
    if len(data) - position < FRAME_HEADER_BYTES:
        return None
    head = data[position : position + _FRAME_HEADER.size]
    (check,) = _CRC.unpack_from(data, position + _FRAME_HEADER.size)
    if zlib.crc32(head, _seed(number, position)) != check:
        return None
    flags, length, lsn = _FRAME_HEADER.unpack(head)
    if flags & _TYPE_MASK != RECORD or length > PAYLOAD_BYTES_MAX:
        return None
    return flags, length, lsn


def _read_frame(data: bytes, position: int, number: int) -> tuple[int, int, bytes] | None:
    """Flags, lsn and payload of a sound frame at ``position``."""
    header = _read_header(data, position, number)
    if header is None:
        return None
    flags, length, lsn = header
    start = position + FRAME_HEADER_BYTES
    end = start + length
    if end + FRAME_TRAILER_BYTES > len(data) or data[end + _CRC.size : end + FRAME_TRAILER_BYTES] != _END_MARK:
        return None
    payload = data[start:end]
    (head_check,) = _CRC.unpack_from(data, position + _FRAME_HEADER.size)
    if zlib.crc32(payload, head_check) != _CRC.unpack_from(data, end)[0]:
        return None
    return flags, lsn, payload


def _judge_damage(scan: Scan, data: bytes, position: int, number: int) -> None:
    """Torn tail or corruption: see the module's text."""
    later = _later_batch(data, position, number)
    if later is not None:
        scan.corrupt = f"segment {number}: damaged at byte {position}, and a later batch stands at byte {later}"
        return
    header = _read_header(data, position, number)
    if header is None:
        end = len(data)
        torn = end - position < FRAME_HEADER_BYTES or _lost_sector(data, position, end)
    else:
        end = position + FRAME_HEADER_BYTES + header[1] + FRAME_TRAILER_BYTES
        torn = end > len(data) or _lost_sector(data, position, end)
    if torn:
        scan.torn = True
    else:
        scan.corrupt = f"segment {number}: damaged at byte {position}, and no lost sector explains it"


def _lost_sector(data: bytes, start: int, end: int) -> bool:
    """Whether some sector's share of data[start:end] is all zero. (A frame begins and ends with bytes that are not.)"""
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if not any(data[start:stop]):
            return True
        start = stop
    return False


def _later_batch(data: bytes, position: int, number: int) -> int | None:
    """Where after ``position`` a sound frame begins a batch; None if nowhere."""
    for start in range(position + 1, len(data) - FRAME_HEADER_BYTES - FRAME_TRAILER_BYTES + 1):
        if data[start] & BEGINS_BATCH and _read_frame(data, start, number) is not None:
            return start
    return None
