"""`scripts/bench join`: a new bank and a long thin chain, by snapshot and by executing every block."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from node.chain.genesis import GenesisAccount
from node.chain.parameters import ChainParameters
from node.clock import SystemClock
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER, keccak256
from node.storage import LevelDB
from node.storage.unsynced import UnsyncedStore
from node.sync import SnapshotServer, Syncer
from node.sync.joiner import SnapshotJoiner
from node.sync.staging import Staging
from node.types import Address
from tests.p2p.parties import Consortium, until
from tests.sync import chain

EPOCH_LENGTH = 100
"""L of the networks that `praya network init` makes."""
NEVER = 10**9


def prepare_chain(accounts: int) -> None:
    """Four validators that stay, epochs of the usual length, so many accounts in genesis."""
    chain.PARAMETERS = ChainParameters(epoch_length=EPOCH_LENGTH)
    chain.CHANGE_EPOCH = NEVER
    few = chain._accounts
    many = {Address(keccak256(b"account %d" % n)[12:]): GenesisAccount(balance=n + 1) for n in range(accounts)}
    chain._accounts = lambda: few() | many


def grow(path: Path, blocks: int) -> Ledger:
    """A chain of so many blocks without transactions, each executed and sealed; not synced block by block."""
    store = UnsyncedStore(LevelDB.open(path))
    ledger = Ledger.open_store(store, chain.genesis(), rules=chain.rules())
    while ledger.head.number < blocks:
        chain.extend(ledger)
    return ledger


async def serve(root: Path, ledger: Ledger, by_blocks: int) -> tuple[Any, Any]:
    """A consortium with one member that serves the ledger; its head is ``by_blocks`` for block sync where given."""
    consortium = Consortium(root)
    party = consortium.add("server")
    network = consortium.network(party, head=lambda: by_blocks or ledger.head.number)
    parameters = chain.PARAMETERS
    server = SnapshotServer(ledger.chain, ledger.state, window=parameters.window, epoch_length=parameters.epoch_length)
    for kind, handler in server.handlers.items():
        network.on_request(kind, handler)
    _syncer(network, ledger)
    await network.start()
    late = consortium.network(consortium.add("late"))
    await late.start()
    await until(late.connected)
    return consortium, late


def _syncer(network: Any, ledger: Ledger) -> Syncer:
    return Syncer(
        network=network,
        chain=ledger.chain,
        config=chain.config(ledger.genesis_hash),
        verifier=SECP256K1_VERIFIER,
        import_block=partial(chain.import_into, ledger),
        clock=SystemClock(),
        block_bytes_max=2**21,
    )


async def by_snapshot(root: Path, full: Ledger) -> dict[str, float]:
    """Seconds of the join, by stage."""
    consortium, network = await serve(root, full, 0)
    store = LevelDB.open(root / "joining")
    staging = Staging(store)
    empty = chain.open_ledger(root / "empty")
    staging.begin(empty.head, chain.genesis().digest, empty.next_validators)
    empty.close()
    joiner = SnapshotJoiner(
        network=network,
        staging=staging,
        config=chain.config(staging.header(0).hash),
        verifier=SECP256K1_VERIFIER,
        clock=SystemClock(),
        blocks_min=2,
        block_bytes_max=2**21,
    )
    stages: dict[str, float] = {}
    started = time.perf_counter()
    running = asyncio.create_task(joiner.run())
    before, stage = started, joiner.progress.stage
    while not running.done():
        await asyncio.wait({running}, timeout=0.02)
        if joiner.progress.stage != stage or running.done():
            now = time.perf_counter()
            stages[stage] = stages.get(stage, 0.0) + now - before
            before, stage = now, joiner.progress.stage
    marker = await running
    assert marker is not None
    assert marker.height == full.head.number
    store.close()
    await consortium.stop()
    joined = chain.open_ledger(root / "joining")
    assert joined.head_hash == full.head_hash
    joined.close()
    return stages


async def by_blocks(root: Path, full: Ledger, count: int) -> float:
    """Seconds to fetch, prove, execute and commit the first ``count`` blocks."""
    consortium, network = await serve(root, full, count)
    late = chain.open_ledger(root / "late")
    syncer = _syncer(network, late)
    syncer.start()
    started = time.perf_counter()
    syncer.start_sync(count)
    await until(lambda: late.head.number >= count, seconds=36_000)
    seconds = time.perf_counter() - started
    await syncer.stop()
    await consortium.stop()
    late.close()
    return seconds


def join(arguments: argparse.Namespace) -> int:
    """Print what a join takes by snapshot and by blocks, in one run on one chain."""
    prepare_chain(arguments.accounts)
    with tempfile.TemporaryDirectory(prefix="join-") as directory:
        root = Path(directory)
        started = time.perf_counter()
        full = grow(Path(arguments.chain) if arguments.chain else root / "chain", arguments.blocks)
        made_s = time.perf_counter() - started
        blocks, executed = full.head.number, min(arguments.executed, full.head.number)
        print(f"chain: {blocks:,} blocks without transactions, {arguments.accounts:,} accounts; made in {made_s:.0f} s")
        stages = asyncio.run(by_snapshot(root / "snapshot", full))
        snapshot_s = sum(stages.values())
        print(f"by snapshot: {snapshot_s:.1f} s  (" + ", ".join(f"{k} {v:.1f} s" for k, v in stages.items()) + ")")
        full_s = asyncio.run(by_blocks(root / "blocks", full, executed))
        rate = executed / full_s
        scaled_s = blocks / rate
        print(f"by blocks:   {full_s:.1f} s for {executed:,} blocks: {rate:.0f} a second, so {scaled_s:.0f} s for all")
        print(f"ratio:       {scaled_s / snapshot_s:.1f}")
        full.close()
        shutil.rmtree(root / "snapshot")
    return 0


def add_commands(commands: Any) -> None:
    """Register `join`."""
    parser = commands.add_parser("join", help="a new bank on a long chain: by snapshot against executing every block")
    parser.add_argument("--blocks", type=int, default=5_000, help="length of the chain")
    parser.add_argument("--accounts", type=int, default=5_000, help="accounts in genesis")
    parser.add_argument(
        "--executed", type=int, default=1_000, help="blocks that are really executed; the rest is scaled"
    )
    parser.add_argument("--chain", default="", help="folder to keep the chain in, for another run")
    parser.set_defaults(run=join)
