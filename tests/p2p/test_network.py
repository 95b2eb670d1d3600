"""Connections between members, over real TLS sockets on loopback."""

from __future__ import annotations

import asyncio
import os

import pytest

from node.errors import DataError, LimitExceeded, UnavailableError
from node.p2p import PeerInfo, PeerNetwork, PeerRole, Priority, RequestRefused
from node.types import Address, Hash32
from tests.p2p.parties import Consortium, free_port, until


async def _pair(consortium: Consortium) -> tuple[PeerNetwork, PeerNetwork]:
    """Two members, connected."""
    a, b = consortium.add("a"), consortium.add("b")
    first, second = consortium.network(a), consortium.network(b)
    for network in (first, second):
        await network.start()
    await until(lambda: first.connected() and second.connected())
    return first, second


async def test_four_members_form_one_connection_for_each_pair(consortium: Consortium) -> None:
    """Everyone dials everyone; of two crossing connections both sides keep the same one."""
    parties = [consortium.add(name) for name in "abcd"]
    networks = [consortium.network(party) for party in parties]
    await asyncio.gather(*(network.start() for network in networks))
    await until(lambda: all(len(network.connected()) == 3 for network in networks))
    await asyncio.sleep(1.5)  # crossing connections retire within one second
    for mine in networks:
        assert len(mine.connected()) == 3
        for theirs in networks:
            if theirs is not mine:
                assert mine.connected()[theirs.me].outgoing is not theirs.connected()[mine.me].outgoing


async def test_messages_arrive_in_order_with_their_sender(consortium: Consortium) -> None:
    """A thousand messages of one priority arrive unchanged, in order, from the authenticated address."""
    first, second = await _pair(consortium)
    received: list[tuple[Address, bytes]] = []
    second.on_frame("consensus", lambda peer, payload: received.append((peer, payload)))
    sent = [os.urandom(50 + index % 700) for index in range(1000)]
    for payload in sent:
        assert first.send(second.me, Priority.COMMIT, payload)
    await until(lambda: len(received) == len(sent))
    assert received == [(first.me, payload) for payload in sent]


async def test_a_large_message_passes_whole(consortium: Consortium) -> None:
    """A frame of several megabytes, as a proposal with a full block may be, arrives unchanged."""
    first, second = await _pair(consortium)
    received: list[bytes] = []
    second.on_frame("consensus", lambda _peer, payload: received.append(payload))
    block = os.urandom(6 * 1024 * 1024)
    assert first.broadcast(Priority.PRE_PREPARE, block) == 1
    await until(lambda: received)
    assert received == [block]


async def test_a_message_over_the_limit_is_refused_before_it_leaves(consortium: Consortium) -> None:
    """The sender learns the limit by name; the connection stays."""
    first, second = await _pair(consortium)
    with pytest.raises(LimitExceeded, match="limit"):
        first.send(second.me, Priority.COMMIT, bytes(17 * 1024 * 1024))
    assert first.is_connected(second.me)


async def test_requests_are_answered_in_pieces_and_in_parallel(consortium: Consortium) -> None:
    """An answer larger than one piece arrives whole; several requests run at once."""
    first, second = await _pair(consortium)
    gate = asyncio.Event()
    large = os.urandom(3 * 1024 * 1024 + 17)

    async def slow(_peer: Address, body: bytes) -> bytes:
        await gate.wait()
        return body

    async def blob(_peer: Address, _body: bytes) -> bytes:
        return large

    second.on_request("slow", slow)
    second.on_request("blob", blob)
    waiting = asyncio.create_task(first.request(second.me, "slow", b"later"))
    assert await first.request(second.me, "blob", b"") == large
    assert await first.request(second.me, "blob", b"") == large
    assert not waiting.done()
    gate.set()
    assert await waiting == b"later"


async def test_requests_fail_by_name(consortium: Consortium) -> None:
    """Unknown kind, refusal, fault, timeout, too large an answer, nobody there: each has its error, none hangs."""
    first, second = await _pair(consortium)

    async def refuse(_peer: Address, _body: bytes) -> bytes:
        raise DataError("no such block", field="height")

    async def fault(_peer: Address, _body: bytes) -> bytes:
        raise ZeroDivisionError("secret detail")

    async def never(_peer: Address, _body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    async def blob(_peer: Address, _body: bytes) -> bytes:
        return bytes(1000)

    for kind, handler in (("refuse", refuse), ("fault", fault), ("never", never), ("blob", blob)):
        second.on_request(kind, handler)
    with pytest.raises(RequestRefused, match="unknown request"):
        await first.request(second.me, "nothing", b"")
    with pytest.raises(RequestRefused, match="no such block"):
        await first.request(second.me, "refuse", b"")
    with pytest.raises(RequestRefused, match=r"^internal error$"):
        await first.request(second.me, "fault", b"")
    with pytest.raises(UnavailableError, match="within"):
        await first.request(second.me, "never", b"", timeout_s=0.1)
    with pytest.raises(DataError, match="more than 999 bytes"):
        await first.request(second.me, "blob", b"", response_max=999)
    with pytest.raises(UnavailableError, match="not connected"):
        await first.request(Address(bytes(20)), "blob", b"")
    assert len(await first.request(second.me, "blob", b"", response_max=1000)) == 1000


async def test_open_requests_are_bounded_on_both_sides(consortium: Consortium) -> None:
    """The answering side says busy beyond its bound; all that wait end when the peer goes."""
    first, second = await _pair(consortium)

    async def never(_peer: Address, _body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    second.on_request("never", never)
    asked = [asyncio.create_task(first.request(second.me, "never", b"")) for _ in range(40)]
    await until(lambda: sum(task.done() for task in asked) == 32)
    errors = [task.exception() for task in asked if task.done()]
    assert sum(isinstance(error, LimitExceeded) for error in errors) == 8
    assert sum(isinstance(error, RequestRefused) and "busy" in error.message for error in errors) == 24
    await second.stop()
    consortium.networks.remove(second)
    for task in asked:
        with pytest.raises((UnavailableError, RequestRefused, LimitExceeded)):
            await task


async def test_a_peer_that_restarts_is_connected_again(consortium: Consortium) -> None:
    """After a restart of the other process the pair is connected within seconds, and both sides are told."""
    a, b = consortium.add("a"), consortium.add("b")
    first, second = consortium.network(a), consortium.network(b)
    seen: list[PeerInfo] = []
    lost: list[PeerInfo] = []
    first.on_connect(seen.append)
    first.on_disconnect(lost.append)
    await first.start()
    await second.start()
    await until(lambda: len(seen) == 1)
    await second.stop()
    await until(lambda: lost)
    assert not first.connected()
    third = consortium.network(b, head=lambda: 7)
    await third.start()
    await until(lambda: len(seen) == 2, 5.0)
    assert seen[1].address == b.address
    await until(lambda: first.connected()[b.address].head_number == 7)


async def test_heads_and_transactions_have_their_own_frames(consortium: Consortium) -> None:
    """A head announcement updates what is known of the peer; transactions arrive as they were sent."""
    first, second = await _pair(consortium)
    heads: list[tuple[Address, int]] = []
    batches: list[tuple[bytes, ...]] = []
    second.on_head(lambda peer, number, _hash: heads.append((peer, number)))
    second.on_transactions(lambda _peer, batch: batches.append(batch))
    first.announce_head(5, Hash32(b"\x05" * 32))
    assert first.send_transactions([b"one", b"two"], [second.me]) == (second.me,)
    await until(lambda: heads and batches)
    assert heads == [(first.me, 5)]
    assert batches == [(b"one", b"two")]
    assert second.connected()[first.me].head_hash == b"\x05" * 32


async def test_who_loses_membership_is_parted_from(consortium: Consortium) -> None:
    """After a block that removes a member its connection ends, and is not made again."""
    first, second = await _pair(consortium)
    removed = next(party for party in consortium.parties if party.address == second.me)
    consortium.parties.remove(removed)
    first.reauthorise()
    await until(lambda: not first.connected())
    await until(lambda: any(r.reason == "refused_by_peer" for r in second.refusals))
    assert not first.connected()


async def test_an_observer_is_connected_by_its_own_role(consortium: Consortium) -> None:
    """An observing member's certificate speaks for its business address, and it is known as an observer."""
    bank, auditor = consortium.add("bank"), consortium.add("auditor", PeerRole.OBSERVER)
    first, second = consortium.network(bank, []), consortium.network(auditor)
    await first.start()
    await second.start()
    await until(first.connected)
    assert first.connected()[auditor.address].role is PeerRole.OBSERVER


async def test_a_source_is_asked_and_answered_nothing(consortium: Consortium) -> None:
    """Whom the chain does not know yet, and the operator names: it answers this node's questions, has none answered,
    and its transactions are not taken."""
    bank, source = consortium.add("bank"), consortium.outsider("source")
    first, second = consortium.network(bank, []), consortium.network(source, [bank.place])
    first._authorise = lambda _address: PeerRole.SOURCE
    batches: list[tuple[bytes, ...]] = []
    first.on_transactions(lambda _peer, batch: batches.append(batch))

    async def answer(_peer: Address, body: bytes) -> bytes:
        return body[::-1]

    for network in (first, second):
        network.on_request("turn", answer)
        await network.start()
    await until(lambda: first.connected() and second.connected())
    assert await first.request(source.address, "turn", b"abc") == b"cba"
    second.send_transactions([b"one"], [bank.address])
    with pytest.raises(RequestRefused, match="does not know you"):
        await second.request(bank.address, "turn", b"abc")
    assert batches == []


async def test_a_busy_port_is_named(consortium: Consortium) -> None:
    """A second node on one port is told which port."""
    a, b = consortium.add("a"), consortium.add("b")
    b.port = a.port
    await consortium.network(a).start()
    with pytest.raises(UnavailableError, match=str(a.port)):
        await consortium.network(b).start()


async def test_a_new_process_replaces_the_connection_of_the_old_one(consortium: Consortium) -> None:
    """A peer that died without a word is not waited for: its restarted process is connected at once, in whichever
    direction, and requests to the dead one end."""
    a, b = consortium.add("a"), consortium.add("b")
    first = consortium.network(a, [])
    seen: list[PeerInfo] = []
    first.on_connect(seen.append)
    await first.start()
    old = consortium.network(b, [a.place])

    async def never(_peer: Address, _body: bytes) -> bytes:
        await asyncio.Event().wait()
        return b""

    old.on_request("never", never)
    await old.start()
    await until(lambda: len(seen) == 1)
    asked = asyncio.create_task(first.request(b.address, "never", b""))
    b.port = free_port()
    new = consortium.network(b, [a.place])
    received: list[bytes] = []
    new.on_frame("consensus", lambda _peer, payload: received.append(payload))
    await new.start()
    await until(lambda: len(seen) == 2)
    with pytest.raises(UnavailableError, match="lost"):
        await asked
    assert first.send(b.address, Priority.COMMIT, b"to the new one")
    await until(lambda: received)


async def test_votes_pass_a_flood_of_transactions(consortium: Consortium) -> None:
    """While a peer is sent more than its connection carries, a vote overtakes what waits, and memory is bounded."""
    first, second = await _pair(consortium)
    order: list[str] = []
    second.on_transactions(lambda _peer, _batch: order.append("transactions"))
    second.on_frame("consensus", lambda _peer, _payload: order.append("vote"))
    batch = [os.urandom(1000) for _ in range(500)]
    for _ in range(300):
        first.send_transactions(batch, [second.me])
    info = first.connected()[second.me]
    assert info.queued_frames * 500_000 <= 32 * 1024 * 1024
    assert info.dropped_frames > 100
    first.send(second.me, Priority.COMMIT, b"vote")
    await until(lambda: "vote" in order)
    assert order.index("vote") < 20
