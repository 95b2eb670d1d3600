"""Transaction gossip over real connections, with pools that are only lists."""

from __future__ import annotations

import asyncio

import pytest

from node.errors import InvalidTransaction
from node.keys import keccak256
from node.p2p import PeerNetwork, PeerRole
from node.p2p.gossip import TransactionGossip
from node.types import Address, Hash32
from tests.p2p.parties import Consortium, until


class Pool:
    """Admits everything but what ``refuses`` names; tells its gossip, as the transaction pool does."""

    def __init__(self, network: PeerNetwork) -> None:
        self.waiting: dict[Hash32, bytes] = {}
        self.arrivals: list[tuple[bytes, Address | None]] = []
        self.refuses: dict[bytes, str] = {}
        self.gossip = TransactionGossip(
            network, admit=self.add, pending=lambda: list(self.waiting.values()), is_pending=self.waiting.__contains__
        )

    def add(self, raw: bytes, origin: Address | None = None) -> None:
        self.arrivals.append((raw, origin))
        if raw in self.refuses:
            raise InvalidTransaction(self.refuses[raw], "refused")
        digest = Hash32(keccak256(raw))
        if digest in self.waiting:
            raise InvalidTransaction("already_known", "refused")
        self.waiting[digest] = raw
        self.gossip.accepted(digest, raw, origin)


async def _mesh(consortium: Consortium, names: str, missing: tuple[str, str] = ("", "")) -> list[Pool]:
    """Connected nodes with a pool each; the two of ``missing`` are not connected to each other."""
    parties = [consortium.add(name) for name in names]
    networks = []
    for party in parties:
        others = [o.place for o in parties if o is not party and {o.name, party.name} != set(missing)]
        networks.append(consortium.network(party, others))
    pools = [Pool(network) for network in networks]
    for network in networks:
        await network.start()
    cut = 1 if missing[0] else 0
    await until(
        lambda: sum(len(n.connected()) for n in networks) == len(names) * (len(names) - 1) - 2 * cut,
    )
    for pool in pools:
        pool.gossip.start()
    return pools


async def _stop(pools: list[Pool]) -> None:
    await asyncio.gather(*(pool.gossip.stop() for pool in pools))


async def test_every_validator_hears_of_a_transaction_once(consortium: Consortium) -> None:
    """The node with the door tells the others; while it is put into a block soon, nobody repeats it."""
    pools = await _mesh(consortium, "abcd")
    sent = [bytes([n]) * 200 for n in range(1, 200)]
    for raw in sent:
        pools[0].add(raw)
    await until(lambda: all(len(pool.waiting) == len(sent) for pool in pools))
    for pool in pools:
        pool.waiting.clear()
    await asyncio.sleep(1.0)
    assert [len(pool.arrivals) for pool in pools] == [len(sent)] * 4
    assert list(dict.fromkeys(raw for raw, _ in pools[1].arrivals)) == sent
    await _stop(pools)


async def test_a_broken_connection_is_bridged_by_the_others(consortium: Consortium) -> None:
    """Where two members are not connected, a third passes the transaction on while it waits."""
    pools = await _mesh(consortium, "abc", missing=("a", "c"))
    pools[0].add(b"transaction")
    await until(lambda: pools[2].waiting, 5.0)
    await _stop(pools)


async def test_who_connects_later_is_told_what_waits(consortium: Consortium) -> None:
    """A restarted bank's pool fills from the first peer that it meets."""
    [first] = await _mesh(consortium, "a")
    first.add(b"waiting")
    late = consortium.add("b")
    network = consortium.network(late)
    pool = Pool(network)
    await network.start()
    pool.gossip.start()
    await until(lambda: pool.waiting, 5.0)
    await _stop([first, pool])


async def test_an_observer_is_not_told(consortium: Consortium) -> None:
    """Only validators build blocks; what an observer's door takes goes to them all the same."""
    bank, auditor = consortium.add("bank"), consortium.add("auditor", PeerRole.OBSERVER)
    networks = [consortium.network(bank), consortium.network(auditor)]
    pools = [Pool(network) for network in networks]
    for network, pool in zip(networks, pools, strict=True):
        await network.start()
        pool.gossip.start()
    await until(lambda: all(network.connected() for network in networks))
    pools[0].add(b"from the bank")
    pools[1].add(b"from the auditor")
    await until(lambda: len(pools[0].waiting) == 2)
    assert len(pools[1].waiting) == 1
    await _stop(pools)


async def test_a_transaction_that_was_refused_may_come_again(consortium: Consortium) -> None:
    """A node that was behind refuses at first and admits the repetition."""
    pools = await _mesh(consortium, "ab")
    pools[1].refuses[b"early"] = "unknown_sender"
    pools[0].add(b"early")
    await until(lambda: pools[1].arrivals)
    pools[1].refuses.clear()
    await until(lambda: pools[1].waiting, 8.0)
    assert not any(refusal.reason == "bad_frames" for network in consortium.networks for refusal in network.refusals)
    await _stop(pools)


@pytest.mark.parametrize("reason", ["malformed", "bad_signature", "blob"])
async def test_a_peer_that_passes_on_rubbish_is_cut_off(consortium: Consortium, reason: str) -> None:
    """A transaction that no state makes valid counts against whoever passes it on."""
    pools = await _mesh(consortium, "ab")
    for n in range(8):
        pools[1].refuses[b"rubbish %d" % n] = reason
    for n in range(8):
        pools[0].add(b"rubbish %d" % n)
        await until(lambda n=n: len(pools[1].arrivals) == n + 1)  # type: ignore[misc]
    receiver = consortium.networks[1]
    await until(lambda: not receiver.connected())
    assert any(refusal.reason == "bad_frames" for refusal in receiver.refusals)
    await _stop(pools)
