"""Real nodes on loopback for the tests: one authority, one key and one certificate for each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from node.clock import SystemClock
from node.keys import PrivateKey
from node.keys.tls import CertificateAuthority, TlsFiles, make_authority, make_node_files
from node.p2p import NodeIdentity, PeerAddress, PeerNetwork, PeerRole
from node.types import Address, Hash32

CHAIN_ID = 31337
GENESIS = Hash32(b"\x01" * 32)
PARAMETERS = Hash32(b"\x02" * 32)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the loop run until the condition holds; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the conditions are of several objects and have no one event
            await asyncio.sleep(0.005)


@dataclass
class Party:
    """A node that may be started: its key, its files, its place."""

    name: str
    key: PrivateKey
    tls: TlsFiles
    port: int
    role: PeerRole = PeerRole.VALIDATOR

    @property
    def address(self) -> Address:
        return self.key.address

    @property
    def place(self) -> PeerAddress:
        return PeerAddress(self.name, "127.0.0.1", self.port, self.address)


@dataclass
class Consortium:
    """Members under one authority; ``networks`` are those that run and are stopped at the end of the test."""

    root: Path
    authority: CertificateAuthority = field(default_factory=lambda: make_authority("Test consortium"))
    parties: list[Party] = field(default_factory=list)
    networks: list[PeerNetwork] = field(default_factory=list)

    def add(self, name: str, role: PeerRole = PeerRole.VALIDATOR, key: PrivateKey | None = None) -> Party:
        """A registered member with a sound certificate."""
        party = self.outsider(name, role, key)
        self.parties.append(party)
        return party

    def outsider(self, name: str, role: PeerRole = PeerRole.VALIDATOR, key: PrivateKey | None = None) -> Party:
        """Someone with a sound certificate whom the chain does not know."""
        key = key or PrivateKey.generate()
        tls = make_node_files(self.root / name, self.authority, key, chain_id=CHAIN_ID, common_name=name)
        return Party(name, key, tls, free_port(), role)

    def authorise(self, address: Address) -> PeerRole | None:
        return next((party.role for party in self.parties if party.address == address), None)

    def network(
        self,
        party: Party,
        peers: list[PeerAddress] | None = None,
        *,
        genesis: Hash32 = GENESIS,
        head: Callable[[], int] = lambda: 0,
    ) -> PeerNetwork:
        """A network for the party, not started; it dials every other member unless told otherwise."""
        network = PeerNetwork(
            NodeIdentity(party.address, CHAIN_ID, genesis, PARAMETERS, party.tls),
            listen_host="127.0.0.1",
            listen_port=party.port,
            peers=[other.place for other in self.parties] if peers is None else peers,
            authorise=self.authorise,
            head=lambda: (head(), Hash32(head().to_bytes(32, "big"))),
            clock=SystemClock(),
        )
        self.networks.append(network)
        return network

    async def stop(self) -> None:
        await asyncio.gather(*(network.stop() for network in self.networks))
