"""Before a node is built: filling an empty chain folder by snapshot, where the configuration asks for it.

The snapshot is staged in a folder of its own beside the chain, which nothing else reads; when it is whole, it takes the
chain's place by renames alone. A join that was interrupted goes on at the next start; with ``sync.mode = "full"`` what
was staged is removed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from node import permissioning
from node.app.keys import NodeKeys
from node.chain.genesis import Genesis
from node.chain.header import Header
from node.chain.snapshot import SnapshotMarker
from node.clock import SystemClock
from node.config import NodeConfig
from node.errors import ImpossibleState
from node.execution.consensus_config import consensus_config
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER
from node.keys.tls import TlsFiles
from node.log import get_logger
from node.metrics import Metrics
from node.p2p import NodeIdentity, PeerAddress, PeerNetwork, PeerRole
from node.storage import LevelDB
from node.sync.headers import Pin
from node.sync.joiner import SnapshotJoiner
from node.sync.staging import Staging
from node.types import Address, Hash32
from node.web.health import Check, HealthReport, health_application
from node.web.server import HttpServer

CHAIN_FOLDER = "chain"
STAGING_FOLDER = "chain.joining"

_log = get_logger("app")


@dataclass(frozen=True, slots=True)
class _Start:
    """What an empty ledger knows: genesis and the set that decides block 1."""

    genesis: Genesis
    header: Header
    validators: tuple[Address, ...]
    members: frozenset[Address]


async def join_if_wanted(config: NodeConfig) -> SnapshotMarker | None:
    """Fill the chain folder by snapshot where it is empty and the mode says so; None where the node is to execute from
    genesis, or has a chain already. Cancelling it keeps what was proved. Raises PrayaError."""
    chain, staged = config.directory / CHAIN_FOLDER, config.directory / STAGING_FOLDER
    await asyncio.to_thread(_remove_rest, chain, staged)
    if config.sync.mode != "snapshot":
        await asyncio.to_thread(_discard, staged)
        return None
    start = await asyncio.to_thread(_read_start, config, chain)
    if start is None:
        await asyncio.to_thread(_discard, staged)
        return None
    if _is_finished(staged):
        _take_over(chain, staged)  # a stop came between the last batch and the rename
        return None
    marker = await _join(config, start, staged)
    if marker is None:
        _log.info("the chain is too short for a snapshot: every block is executed", sync_mode=config.sync.mode)
        await asyncio.to_thread(_discard, staged)
        return None
    _take_over(chain, staged)
    return marker


def _read_start(config: NodeConfig, chain: Path) -> _Start | None:
    """None where the chain has blocks."""
    ledger = Ledger.open(chain, Genesis.load(config.directory / "genesis.json"))
    try:
        if ledger.head.number:
            return None
        state = ledger.state.head()
        rows = permissioning.members(state)
        members = {Address(a) for row in rows for a in (row.validator_address, row.business_address) if a is not None}
        return _Start(ledger.genesis, ledger.head, ledger.next_validators, frozenset(members))
    finally:
        ledger.close()


async def _join(config: NodeConfig, start: _Start, staged: Path) -> SnapshotMarker | None:
    store = await asyncio.to_thread(LevelDB.open, staged)
    metrics = Metrics()
    network = _network(config, start, metrics)
    try:
        staging = Staging(store)
        await asyncio.to_thread(staging.begin, start.header, start.genesis.digest, start.validators)
        joiner = SnapshotJoiner(
            network=network,
            staging=staging,
            config=consensus_config(start.genesis, start.header.hash),
            verifier=SECP256K1_VERIFIER,
            clock=SystemClock(),
            blocks_min=config.sync.snapshot_min_blocks,
            block_bytes_max=start.genesis.parameters.limits.block_bytes_max,
            check_pivot=lambda pivot: _check_validators(staging, pivot),
            pin=_pin(config.sync.trusted_block),
        )

        def report() -> HealthReport:
            p = joiner.progress
            detail = f"{p.stage}: headers {p.height} of {p.target}, state {p.state_share:.0%}"
            check = Check("joined", False, detail)
            return HealthReport(ready=False, progressing=True, reason=f"joining by snapshot, {detail}", checks=(check,))

        health = HttpServer(health_application(metrics, report), config.listen.host, config.listen.metrics_port)
        await network.start()
        await health.start()
        try:
            _log.info("joining by snapshot", peers=len(config.peers), pinned=bool(config.sync.trusted_block))
            return await joiner.run()
        finally:
            await health.stop()
            await network.stop()
    finally:
        store.close()


def _network(config: NodeConfig, start: _Start, metrics: Metrics) -> PeerNetwork:
    """Connections to the configured peers and the members of genesis. Who they are by now is not known yet, and nothing
    of what they say is believed."""
    observer = config.node.role == "observer"
    keys = NodeKeys.load(config.directory / "keystore", observer=observer)
    peers = tuple(
        PeerAddress(peer.name, peer.host, peer.port, Address(bytes.fromhex(peer.address[2:]))) for peer in config.peers
    )
    known = start.members | {peer.address for peer in peers}
    network = PeerNetwork(
        NodeIdentity(
            address=keys.transport.address,
            chain_id=start.genesis.chain_id,
            genesis_hash=start.header.hash,
            parameters_hash=start.genesis.digest,
            tls=TlsFiles.in_directory(config.directory / "tls"),
        ),
        listen_host=config.listen.host,
        listen_port=config.listen.p2p_port,
        peers=peers,
        authorise=lambda address: PeerRole.VALIDATOR if address in known else None,
        head=lambda: (0, start.header.hash),
        clock=SystemClock(),
        metrics=metrics.count_p2p,
    )
    network.on_frame("consensus", lambda _peer, _payload: None)  # no replica here yet: STATUS will say it again
    return network


def _check_validators(staging: Staging, pivot: Header) -> None:
    """P-12: the state has the validators that the headers led to."""
    by_state = tuple(permissioning.validators_at(staging.state().head(), pivot.number + 1))
    by_headers = staging.validators(pivot.number + 1)
    if by_state != by_headers:
        raise ImpossibleState(f"state and headers of block {pivot.number} disagree on the next validators (P-12)")


def _pin(text: str) -> Pin | None:
    if not text:
        return None
    height, _, block_hash = text.partition(":0x")
    return Pin(int(height), Hash32(bytes.fromhex(block_hash)))


def _take_over(chain: Path, staged: Path) -> None:
    """Put a finished snapshot in the place of a chain folder that holds nothing but genesis. Renames alone, so that no
    stop leaves half a database: between the two there is no chain, and the next start makes an empty one and comes back
    here."""
    _remove_rest(chain)
    chain.rename(_gone(chain))
    staged.rename(chain)
    handle = os.open(chain.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    _remove_rest(chain)


def _is_finished(staged: Path) -> bool:
    if not (staged / "CURRENT").exists():
        return False
    store = LevelDB.open(staged)
    try:
        return not Staging(store).chain.is_empty
    finally:
        store.close()


def _discard(folder: Path) -> None:
    """Out of the way by one rename, then removed: a database with some of its files gone would not open."""
    _remove_rest(folder)
    if folder.exists():
        folder.rename(_gone(folder))
    _remove_rest(folder)


def _gone(folder: Path) -> Path:
    return folder.with_name(folder.name + ".gone")


def _remove_rest(*folders: Path) -> None:
    """What a removal that was cut short has left."""
    for folder in folders:
        if _gone(folder).exists():
            shutil.rmtree(_gone(folder))
