"""Frames, outbox and conduct: what is refused, what gives way, what is slowed."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import DataError, LimitExceeded
from node.p2p import Priority
from node.p2p.conduct import BAD_FRAMES_MAX, BAD_FRAMES_WINDOW_US, BYTES_BURST, PAUSE_US, Conduct
from node.p2p.dialler import BACKOFF_MAX_S, backoff_s
from node.p2p.frames import (
    CHUNK_BYTES,
    BadFrame,
    Frame,
    GoodbyeFrame,
    HeadFrame,
    Hello,
    MessageFrame,
    RequestFrame,
    ResponseFrame,
    TransactionsFrame,
    decode_frame,
    encode_frame,
)
from node.p2p.outbox import Outbox
from node.sync.messages import BlocksAnswer, BlocksRequest, ProposalAnswer, ProposalRequest, decode_body

SAMPLES: tuple[Frame, ...] = (
    Hello(1337, bytes(32), bytes(32), bytes(20), bytes(8), 5, bytes(32)),
    MessageFrame("consensus", b"\x00\xff" * 100),
    TransactionsFrame((b"one", b"", b"three")),
    HeadFrame(2**63 - 1, bytes(32)),
    RequestFrame(7, "blocks", b"body"),
    ResponseFrame(7, True, "", b"piece"),
    GoodbyeFrame("stopping"),
)


@pytest.mark.parametrize("frame", SAMPLES, ids=lambda frame: type(frame).__name__)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    """Every kind of frame comes back equal, and no shorter or longer bytes mean anything."""
    data = encode_frame(frame)
    assert decode_frame(data) == frame
    for end in range(len(data)):
        with pytest.raises(BadFrame):
            decode_frame(data[:end])
    with pytest.raises(BadFrame):
        decode_frame(data + b"\x00")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(range(9)))
def test_any_bytes_are_a_frame_or_a_named_refusal(tail: bytes, kind: int) -> None:
    """The decoder is total: nothing but BadFrame comes out of hostile bytes."""
    try:
        frame = decode_frame(bytes([1, kind]) + tail)
    except BadFrame as error:
        assert error.reason in {"short", "version", "type", "size", "malformed"}
    else:
        assert decode_frame(encode_frame(frame)) == frame


def test_flipped_bits_never_raise_anything_else() -> None:
    """Ten thousand mutations of sound frames end in a frame or BadFrame."""
    rng = random.Random(1)
    encoded = [encode_frame(frame) for frame in SAMPLES]
    for _ in range(10_000):
        data = bytearray(rng.choice(encoded))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with contextlib.suppress(BadFrame):
            decode_frame(bytes(data))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([BlocksAnswer, BlocksRequest, ProposalAnswer, ProposalRequest]))
def test_bodies_of_sync_are_read_totally(data: bytes, kind: type[BlocksAnswer]) -> None:
    """Any body is one of its kind or a DataError."""
    try:
        decode_body(data, kind)
    except DataError as error:
        assert error.field == "body"


def test_each_kind_has_its_own_size_limit() -> None:
    """A large consensus message passes where a head, a request or a piece of that size does not."""
    encode_frame(MessageFrame("consensus", bytes(2 * 1024 * 1024)))
    for frame in (
        GoodbyeFrame("x" * 5000),
        RequestFrame(1, "blocks", bytes(70_000)),
        ResponseFrame(1, True, "", bytes(CHUNK_BYTES + 2000)),
        TransactionsFrame((bytes(2 * 1024 * 1024),)),
    ):
        with pytest.raises(LimitExceeded) as caught:
            encode_frame(frame)
        assert caught.value.details["limit"] < caught.value.details["value"]


async def test_the_most_urgent_frame_leaves_first() -> None:
    """Priorities in order, first in first out within each."""
    outbox = Outbox()
    for priority in (Priority.TRANSACTION, Priority.STATUS, Priority.PREPARE, Priority.COMMIT, Priority.VIEW_CHANGE):
        for n in (0, 1):
            assert outbox.put(priority, bytes([priority, n]))
    taken = [await outbox.take() for _ in range(10)]
    assert taken == sorted(taken)


async def test_the_oldest_of_the_least_urgent_gives_way() -> None:
    """A full outbox loses transactions before requests, the oldest first, and never a vote for a transaction."""
    outbox = Outbox(frames_max=4)
    for n in range(3):
        outbox.put(Priority.TRANSACTION, b"t%d" % n)
    outbox.put(Priority.REQUEST, b"r")
    assert outbox.put(Priority.COMMIT, b"c0")
    assert outbox.put(Priority.TRANSACTION, b"t3")
    assert outbox.dropped[Priority.TRANSACTION] == 2
    for n in range(1, 4):
        assert outbox.put(Priority.COMMIT, b"c%d" % n)
    assert not outbox.put(Priority.TRANSACTION, b"t4")
    assert not outbox.put(Priority.PREPARE, b"p")
    assert [await outbox.take() for _ in range(4)] == [b"c0", b"c1", b"c2", b"c3"]
    assert sum(outbox.dropped.values()) == 7


async def test_memory_is_bounded_in_bytes() -> None:
    """A flood of large frames never holds more than the limit, whatever the count."""
    outbox = Outbox(bytes_max=10_000)
    for _ in range(100):
        outbox.put(Priority.PRE_PREPARE, bytes(900))
        assert outbox.size_bytes <= 10_000
    assert outbox.dropped[Priority.PRE_PREPARE] == 89


async def test_pieces_of_an_answer_wait_for_room() -> None:
    """A large answer fills at most half of the outbox, so it never pushes anything out."""
    outbox = Outbox(frames_max=8)

    async def fill() -> None:
        for n in range(20):
            await outbox.put_when_room(Priority.REQUEST, bytes([n]))

    filling = asyncio.create_task(fill())
    await asyncio.sleep(0)
    assert len(outbox) == 5
    assert [await outbox.take() for _ in range(20)] == [bytes([n]) for n in range(20)]
    await filling
    assert sum(outbox.dropped.values()) == 0


def test_bad_frames_are_forgiven_over_time_and_cut_off_in_a_burst() -> None:
    """One bad frame now and then is borne for ever; a burst is followed by a pause that ends."""
    conduct, now = Conduct(), 0
    for _ in range(5 * BAD_FRAMES_MAX):
        now += BAD_FRAMES_WINDOW_US // (BAD_FRAMES_MAX - 1) + 1
        assert not conduct.bad_frame(now)
    now += BAD_FRAMES_WINDOW_US
    assert [conduct.bad_frame(now) for _ in range(BAD_FRAMES_MAX)] == [False] * (BAD_FRAMES_MAX - 1) + [True]
    assert conduct.pause_left_us(now) == PAUSE_US
    assert conduct.pause_left_us(now + PAUSE_US) == 0


def test_a_flood_is_slowed_and_fair_traffic_is_not() -> None:
    """A thousand frames a second pass at once; beyond the burst the reader waits as long as the excess lasts."""
    conduct, now = Conduct(), 1_000_000
    for _ in range(5_000):
        now += 1_000
        assert conduct.delay_for(500, now) == 0
    assert max(conduct.delay_for(500, now) for _ in range(30_000)) > 1
    fresh = Conduct()
    assert fresh.delay_for(BYTES_BURST + 64 * 1024 * 1024, 0) == pytest.approx(1.0)


def test_back_off_doubles_to_its_cap_with_jitter() -> None:
    """Never less than half of the doubled time, never more than it, never more than the cap."""
    for failures in range(40):
        ceiling = min(BACKOFF_MAX_S, 0.1 * 2**failures)
        for _ in range(20):
            assert ceiling / 2 <= backoff_s(failures, BACKOFF_MAX_S) <= ceiling
