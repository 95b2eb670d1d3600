"""The proxy between two banks: what it promises to carry, hold back and break, over real sockets."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import BUFFER_BYTES_MAX, Links

pytestmark = pytest.mark.asyncio

SOON_S = 0.15
"""What has not arrived after this long on a loopback interface is being held back."""


class Far:
    """The dialled bank: echoes every chunk, and notes it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections = 0
        self.echo = True
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await self.reading.wait()
                data = await reader.read(65_536)
                if not data:
                    return
                self.received += data
                if self.echo:
                    writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    one = Far()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield one
    server.close()


@pytest.fixture
async def links(far: Far) -> AsyncIterator[Links]:
    one = Links([("127.0.0.1", 1), ("127.0.0.1", far.port)], random.Random(1))  # type: ignore[attr-defined]
    await one.start()
    yield one
    await one.stop()


async def dial(links: Links) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", links.ports[0, 1])


async def arrives(reader: asyncio.StreamReader, count: int, within_s: float = 5.0) -> bytes:
    return await asyncio.wait_for(reader.readexactly(count), within_s)


async def held_back(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), SOON_S)
    except TimeoutError:
        return True
    return False


async def test_a_healthy_link_carries_every_byte_in_order(links: Links) -> None:
    """Also under jitter: chunks of one connection never overtake each other."""
    reader, writer = await dial(links)
    data = random.Random(2).randbytes(300_000)
    links.flow(0, 1).set(jitter_s=0.01)
    links.flow(1, 0).set(jitter_s=0.01)
    writer.write(data)
    assert await arrives(reader, len(data), 20.0) == data


async def test_a_delay_is_one_way(links: Links) -> None:
    """What 0 sends to 1 comes later by the delay; the way back costs nothing."""
    reader, writer = await dial(links)
    writer.write(b"a")
    await arrives(reader, 1)
    links.flow(0, 1).set(delay_s=0.3)
    began = time.monotonic()
    writer.write(b"b")
    await arrives(reader, 1)
    assert 0.3 <= time.monotonic() - began < 2.0


async def test_a_stall_in_one_direction_breaks_nothing(links: Links, far: Far) -> None:
    """1 hears 0 and 0 does not hear 1; at the end of the stall everything that was under way arrives."""
    reader, writer = await dial(links)
    writer.write(b"a")
    await arrives(reader, 1)
    links.flow(1, 0).set(stalled=True)
    writer.write(b"bcd")
    assert await held_back(reader)
    assert far.received == b"abcd"
    links.flow(1, 0).set()
    assert await arrives(reader, 3) == b"bcd"


async def test_a_stalled_link_swallows_new_connections_too(links: Links, far: Far) -> None:
    """A black hole: the dialled bank sees no connection until it is healed."""
    links.flow(0, 1).set(stalled=True)
    reader, writer = await dial(links)
    writer.write(b"a")
    assert await held_back(reader)
    assert far.connections == 0
    links.heal()
    assert await arrives(reader, 1) == b"a"


async def test_what_is_held_back_is_bounded(links: Links, far: Far) -> None:
    """A stalled direction takes BUFFER_BYTES_MAX and what the sockets hold, then the sender's own socket is full."""
    _, writer = await dial(links)
    links.flow(0, 1).set(stalled=True)
    writer.transport.set_write_buffer_limits(high=0)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:
            writer.write(bytes(65_536))
            sent += 65_536
            assert sent < 64 * BUFFER_BYTES_MAX
            await asyncio.wait_for(writer.drain(), SOON_S * 2)
    assert far.received == b""
    writer.transport.abort()


async def test_a_throttled_direction_is_slow(links: Links) -> None:
    """20,000 bytes at 40,000 a second take half a second."""
    reader, writer = await dial(links)
    links.flow(0, 1).set(bytes_per_s=40_000)
    began = time.monotonic()
    writer.write(bytes(20_000))
    await arrives(reader, 20_000)
    assert 0.4 <= time.monotonic() - began < 3.0


async def test_reset_breaks_and_allows_to_dial_anew(links: Links) -> None:
    """Both sides see the connection break; the next one is carried."""
    reader, writer = await dial(links)
    writer.write(b"a")
    await arrives(reader, 1)
    links.reset(0, 1)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await arrives(reader, 1)
    reader, writer = await dial(links)
    writer.write(b"b")
    assert await arrives(reader, 1) == b"b"


async def test_refused_until_healed(links: Links, far: Far) -> None:
    """A dropped link: the present connection and every new one are reset, in both directions of dialling."""
    reader, writer = await dial(links)
    writer.write(b"a")
    await arrives(reader, 1)
    links.refuse(1, 0)
    for _ in range(2):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await arrives(reader, 1)
        reader, writer = await dial(links)
    assert far.connections == 1
    links.heal()
    reader, writer = await dial(links)
    writer.write(b"b")
    assert await arrives(reader, 1) == b"b"


async def test_the_end_of_one_side_reaches_the_other(links: Links, far: Far) -> None:
    """A closed connection is closed at the far side after everything that was sent before."""
    far.echo = False
    _, writer = await dial(links)
    writer.write(b"last words")
    writer.close()
    async with asyncio.timeout(5):
        while far.received != b"last words":  # noqa: ASYNC110 - another task's buffer
            await asyncio.sleep(0.01)
