"""What is checked once, when a schedule has ended well: the light client (I16) and recorded steps again (I15)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consensus.certificates import CommitCertificate
from consensus.errors import InvalidChain
from consensus.light_client import HeaderChain, Link
from consensus.types import HeaderView
from consensus.validators import validator_set_hash
from tests.simulation.blocks import decode_header
from tests.simulation.host import Host
from tests.simulation.ledger import Entry

if TYPE_CHECKING:
    from tests.simulation.world import World


def run(world: World) -> None:
    """All final checks."""
    sound = [host for host in world.honest if host.ledger.height and not host.dead]
    if sound:
        follow_by_headers(world, max(sound, key=lambda host: host.ledger.height))
    for host in world.honest:
        if host.alive:
            replay(world, host)


def follow_by_headers(world: World, host: Host) -> None:
    """I16: a light client that knows genesis and its set accepts the committed chain, across every set change, and at
    one height, drawn, no other block, no fewer seals and no other set."""
    genesis = HeaderView(
        hash=world.config.genesis_hash,
        parent_hash=bytes(32),
        number=0,
        timestamp=world.genesis_time,
        extra_data=validator_set_hash(0, world.validators),
        parent_beacon_block_root=bytes(32),
        coinbase=bytes(20),
    )
    chain = HeaderChain(world.config, genesis, world.validators, world.verifier)
    tried = world.scheduler.random.randint(1, host.ledger.height)
    for entry in host.ledger.entries:
        link = Link(decode_header(entry.proposal.block), entry.certificate, entry.next_validators)
        if entry.block.number == tried:
            _try_forgeries(world, chain, link, entry)
        try:
            chain.append(link)
        except InvalidChain as error:
            world.checker.fail("I16", f"the light client refuses the committed block {entry.block.number}: {error}")
    world.count("light_client")


def _try_forgeries(world: World, chain: HeaderChain, link: Link, entry: Entry) -> None:
    certificate = CommitCertificate.decode(entry.certificate)
    quorum_less_one = certificate
    while quorum_less_one.bitmap.bit_count() * 3 >= 2 * len(chain.validators):
        lowest = quorum_less_one.bitmap & -quorum_less_one.bitmap
        quorum_less_one = replace(
            quorum_less_one, bitmap=quorum_less_one.bitmap ^ lowest, seals=quorum_less_one.seals[1:]
        )
    other = replace(link.header, hash=bytes(32))
    forgeries = {
        "another block": replace(link, header=other),
        "too few seals": replace(link, certificate=quorum_less_one.encode()),
        "a view that nobody sealed": replace(
            link, certificate=replace(certificate, view=certificate.view + 1).encode()
        ),
        "another set": replace(link, next_validators=(b"\x01" * 20,)),
    }
    for what, forgery in forgeries.items():
        try:
            chain.append(forgery)
        except InvalidChain:
            continue
        world.checker.fail("I16", f"the light client accepts {what} at height {entry.block.number}")


def replay(world: World, host: Host) -> None:
    """I15: the same events at the same moments give a fresh replica the same effects."""
    if host.restored is None or not host.recording:
        return
    twin = world.make_replica(host, host.restored)
    for number, (event, now, effects) in enumerate(host.recording):
        again = twin.step(event, now)
        if again != effects:
            world.checker.fail("I15", f"node {host.index}, step {number}: other effects when replayed")
    world.count("replayed")
