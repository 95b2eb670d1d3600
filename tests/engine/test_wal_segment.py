"""A scan of a segment tells a torn tail from corruption, whatever byte is cut or flipped."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from node.engine.wal_segment import (
    PAYLOAD_BYTES_MAX,
    SECTOR_BYTES,
    encode_group,
    encode_segment_header,
    scan_segment,
)

NUMBER = 7


def segment(batches: list[list[tuple[bytes, ...]]], number: int = NUMBER) -> tuple[bytes, list[int]]:
    """A segment of batches of groups, and the offset at which each group ends."""
    data = bytearray(encode_segment_header(number))
    ends, lsn = [], 0
    for batch in batches:
        for index, payloads in enumerate(batch):
            lsn += 1
            data += encode_group(number, len(data), lsn, payloads, begins_batch=index == 0)
            ends.append(len(data))
    return bytes(data), ends


SAMPLE = [[(b"one",)], [(b"two", b"")], [(b"x" * 700,), (b"four", b"\x00\x01" * 300)], [(b"five",)]]


def test_whole_segment_reads_back() -> None:
    """Every group comes back with its sequence number and payloads, in order."""
    data, _ = segment(SAMPLE)
    scan = scan_segment(data, NUMBER)
    assert [(group.lsn, group.payloads) for group in scan.groups] == [
        (1, (b"one",)),
        (2, (b"two", b"")),
        (3, (b"x" * 700,)),
        (4, (b"four", b"\x00\x01" * 300)),
        (5, (b"five",)),
    ]
    assert scan.end == len(data)
    assert not scan.torn
    assert scan.corrupt is None


def test_cut_at_every_byte_leaves_the_whole_groups_before_it() -> None:
    """A file that ends anywhere is a torn tail, and no group is ever half there."""
    data, ends = segment(SAMPLE)
    for size in range(len(data)):
        scan = scan_segment(data[:size], NUMBER)
        assert scan.corrupt is None
        assert len(scan.groups) == sum(end <= size for end in ends)
        assert scan.torn == (size not in ends and size != len(encode_segment_header(NUMBER)))


def test_every_flipped_bit_of_every_byte_is_corruption() -> None:
    """No single flipped bit passes for sound data or for a torn tail, not even in the last record."""
    data, _ = segment(SAMPLE)
    for position in range(len(data)):
        for bit in (0, 3, 7):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            assert scan_segment(bytes(damaged), NUMBER).corrupt is not None, (position, bit)


def test_lost_sectors_of_the_last_batch_are_a_torn_tail() -> None:
    """Any subset of the last batch's sectors may read as zeros after a power cut: earlier groups stay."""
    data, ends = segment([*SAMPLE, [(b"y" * 900,), (b"z" * 1500, b"end")]])
    synced = ends[-3]
    cells = [synced, *range((synced // SECTOR_BYTES + 1) * SECTOR_BYTES, len(data), SECTOR_BYTES), len(data)]
    pairs = list(pairwise(cells))
    for mask in range(1, 1 << len(pairs)):
        damaged = bytearray(data)
        for index, (start, end) in enumerate(pairs):
            if mask >> index & 1:
                damaged[start:end] = bytes(end - start)
        scan = scan_segment(bytes(damaged), NUMBER)
        assert scan.corrupt is None
        assert scan.torn
        assert len(scan.groups) in (5, 6)


def test_a_lost_sector_before_a_later_batch_is_corruption() -> None:
    """A later batch proves that the earlier one had been synced."""
    data, ends = segment([[(b"a" * 2000,)], [(b"b",)]])
    damaged = bytearray(data)
    damaged[SECTOR_BYTES : 2 * SECTOR_BYTES] = bytes(SECTOR_BYTES)
    assert scan_segment(bytes(damaged), NUMBER).corrupt is not None
    assert scan_segment(bytes(damaged[: ends[0]]), NUMBER).torn


def test_bytes_of_a_block_never_pass_for_a_frame() -> None:
    """A payload that holds a frame of the same log does not turn a torn tail into corruption."""
    data, ends = segment([[(b"first",)]])
    inner = encode_group(NUMBER, ends[0], 9, (b"forged",), begins_batch=True)
    data, ends = segment([[(b"first",)], [(inner * 20,)]])
    for size in range(ends[0] + 1, len(data)):
        scan = scan_segment(data[:size], NUMBER)
        assert scan.torn
        assert scan.corrupt is None


def test_a_segment_under_another_number_is_corruption() -> None:
    """A file that was renamed or copied over another is not this log."""
    data, _ = segment(SAMPLE, number=3)
    assert scan_segment(data, NUMBER).corrupt is not None


def test_sequence_numbers_must_rise() -> None:
    """Two groups with one sequence number are damage, although each is sound."""
    data = bytearray(encode_segment_header(NUMBER))
    for _ in range(2):
        data += encode_group(NUMBER, len(data), 5, (b"p",), begins_batch=True)
    assert "sequence number 5 follows 5" in str(scan_segment(bytes(data), NUMBER).corrupt)


def test_random_damage_never_invents_a_group() -> None:
    """Overwritten ranges either leave a prefix of the true groups or are called corruption."""
    data, _ = segment(SAMPLE)
    whole = scan_segment(data, NUMBER).groups
    rng = Random(20)
    for _ in range(2_000):
        damaged = bytearray(data)
        start = rng.randrange(len(data))
        end = min(len(data), start + rng.randint(1, 600))
        damaged[start:end] = rng.randbytes(end - start)
        scan = scan_segment(bytes(damaged), NUMBER)
        assert scan.groups == whole[: len(scan.groups)]


def test_groups_outside_the_format_are_refused() -> None:
    """An empty group and a payload over the limit are refused by name."""
    with pytest.raises(ValueError, match="at least one"):
        encode_group(1, 0, 1, (), begins_batch=True)
    with pytest.raises(ValueError, match=str(PAYLOAD_BYTES_MAX)):
        encode_group(1, 0, 1, (bytes(PAYLOAD_BYTES_MAX + 1),), begins_batch=True)
