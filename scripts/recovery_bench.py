"""How four banks as real processes start, and how they come through failures; subcommands of scripts/bench."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
from network_bench import Door, sign_transfers

from node.cli.network import processes
from node.cli.network.files import NetworkSpec, init_network
from node.cli.network.layout import Network, load_network
from tests.network.consortium import Consortium

POLL_S = 0.01
TIMEOUT_S = 120.0
DOWN_PER_TRIAL = tuple(itertools.combinations(range(4), 2))
"""Pairs of banks that are down together; trials take them in turn, so that the primary is among them half the time."""


def print_load() -> None:
    print(f"machine: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end; all banks share it")


def recovery(arguments: argparse.Namespace) -> int:
    """Two of four banks are killed, one is started again: seconds from the start of its process to a new block."""
    times = []
    with tempfile.TemporaryDirectory() as directory:
        banks = Consortium.up(Path(directory) / "net")
        try:
            folders = load_network(banks.directory).banks
            for trial in range(arguments.trials):
                first, second = DOWN_PER_TRIAL[trial % len(DOWN_PER_TRIAL)]
                if trial % 2:
                    first, second = second, first
                living = [folder.name for index, folder in enumerate(folders) if index not in (first, second)]
                processes.stop([folders[first], folders[second]], kill=True)
                height = max(banks.height(name) for name in living)
                banks.transfer(living[0])
                time.sleep(arguments.down_s)
                assert max(banks.height(name) for name in living) == height, "two of four made a block"
                view = banks.status(living[0])
                began = time.monotonic()
                processes.start(folders[first])
                while max(banks.height(name) for name in living) <= height:
                    assert time.monotonic() < began + TIMEOUT_S, "no new block"
                    time.sleep(POLL_S)
                times.append(time.monotonic() - began)
                print(
                    f"  {folders[first].name:8} and {folders[second].name:8} down for {arguments.down_s:.0f} s, the"
                    f" first started: new block after {times[-1]:5.2f} s   (was in view {view['view']},"
                    f" {view['failedViews']} failed)",
                    flush=True,
                )
                processes.start(folders[second])
                processes.wait_for_height(folders, height + 1)
        finally:
            banks.down()
    p50, worst = statistics.median(times), max(times)
    print(f"two of four down, one started again, {len(times)} trials: p50 {p50:.2f} s   max {worst:.2f} s")
    print_load()
    return 0 if p50 <= arguments.limit_s else 1


def one_down(arguments: argparse.Namespace) -> int:
    """Transfers and blocks a second with four banks, and with one of them killed, in one run and at the same doors."""
    with tempfile.TemporaryDirectory() as directory:
        banks = Consortium.up(Path(directory) / "net", "--accounts", str(arguments.accounts))
        try:
            folders = load_network(banks.directory).banks
            raws = [sign_transfers(banks, account, arguments.transactions) for account in range(arguments.accounts)]
            doors = [row["rpc_url"] for row in banks.description["banks"][:3]]
            rates = asyncio.run(_rates(doors, raws, arguments.seconds, folders[3]))
        finally:
            banks.down()
    (healthy_tx, healthy_blocks), (down_tx, down_blocks) = rates
    print(
        f"{arguments.accounts} clients at three banks, each sends its next transfer when the last is final;"
        f" {arguments.seconds:.0f} s each:"
    )
    print(f"  four banks          {healthy_tx:7.1f} transfers/s   {healthy_blocks:6.1f} blocks/s")
    print(f"  the fourth killed   {down_tx:7.1f} transfers/s   {down_blocks:6.1f} blocks/s   (from the kill on)")
    share = down_tx / healthy_tx
    print(
        f"  {100 * share:.0f} % of the healthy rate in transfers, {100 * down_blocks / healthy_blocks:.0f} % in blocks"
    )
    print_load()
    return 0 if share >= arguments.share else 1


async def _rates(urls: Sequence[str], raws: Sequence[Sequence[str]], seconds: float, victim: Any) -> list[Any]:
    found = []
    queues = [iter(one) for one in raws]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        doors = [Door(session, url) for url in urls]
        for phase in range(2):
            await _window(doors, queues, 3.0 if phase == 0 else 0.0)
            before = int(await doors[0].call("eth_blockNumber"), 16)
            if phase == 1:
                processes.stop([victim], kill=True)
            started = time.monotonic()
            done = await _window(doors, queues, seconds)
            elapsed = time.monotonic() - started
            height = int(await doors[0].call("eth_blockNumber"), 16)
            found.append((done / elapsed, (height - before) / elapsed))
    return found


async def _window(doors: Sequence[Door], queues: Sequence[Any], seconds: float) -> int:
    """Every client sends one transfer after the other until the time is over; how many became final."""
    end = time.monotonic() + seconds

    async def client(index: int) -> int:
        door, done = doors[index % len(doors)], 0
        while time.monotonic() < end:
            raw = next(queues[index], None)
            assert raw is not None, "the signed transfers are used up: more of them with --transactions"
            sent = await door.call("eth_sendRawTransaction", raw)
            while await door.call("eth_getTransactionReceipt", sent) is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)
            done += 1
        return done

    return sum(await asyncio.gather(*(client(index) for index in range(len(queues)))))


def cold_start(arguments: argparse.Namespace) -> int:
    """From an empty folder to block 1 on all four banks, and from the first process to block 1."""
    spec = NetworkSpec(banks=4, observers=0, accounts=1, chain_id=853_600, strict_time=False, test_clock=None)
    made, first, everywhere = [], [], []
    for _ in range(arguments.trials):
        with tempfile.TemporaryDirectory() as directory:
            began = time.monotonic()
            network = init_network(Path(directory) / "net", spec)
            made.append(time.monotonic() - began)
            try:
                a, b = _start_all(network)
                first.append(a)
                everywhere.append(b)
            finally:
                processes.stop(network.nodes)
        print(
            f"  keys, genesis and folders {made[-1]:.2f} s; from the first process: block 1 at one bank after"
            f" {first[-1]:.2f} s, final at all four after {everywhere[-1]:.2f} s",
            flush=True,
        )
    p50 = statistics.median(everywhere)
    print(
        f"four banks, {len(made)} trials, p50: init {statistics.median(made):.2f} s, then block 1 at one bank"
        f" {statistics.median(first):.2f} s, at all four {p50:.2f} s"
    )
    print_load()
    return 0 if p50 <= arguments.limit_s else 1


def _start_all(network: Network) -> tuple[float, float]:
    began = time.monotonic()
    for folder in network.banks:
        processes.start(folder)
    waiting, first = list(network.banks), 0.0
    while waiting:
        assert time.monotonic() < began + TIMEOUT_S, "no block 1"
        waiting = [folder for folder in waiting if (processes.block_number(folder) or 0) < 1]
        if len(waiting) < len(network.banks) and not first:
            first = time.monotonic() - began
        time.sleep(POLL_S)
    return first, time.monotonic() - began


def add_commands(commands: Any) -> None:
    """Register the subcommands with argparse."""
    one = commands.add_parser("recovery", help="two of four banks down, one started again: seconds to a new block")
    one.add_argument("--trials", type=int, default=6)
    one.add_argument("--down-s", type=float, default=10.0, help="how long two banks are down")
    one.add_argument("--limit-s", type=float, default=3.0, help="exit 1 where p50 is above")
    one.set_defaults(run=recovery)
    two = commands.add_parser("one-down", help="rate with one of four banks killed, against the healthy rate")
    two.add_argument("--seconds", type=float, default=30.0, help="length of each of the two measurements")
    two.add_argument("--accounts", type=int, default=6, help="clients; each waits for its transfer to be final")
    two.add_argument("--transactions", type=int, default=3_000, help="signed beforehand for each client")
    two.add_argument("--share", type=float, default=0.9, help="exit 1 where the rate falls below this share")
    two.set_defaults(run=one_down)
    three = commands.add_parser("cold-start", help="four banks from nothing to block 1")
    three.add_argument("--trials", type=int, default=3)
    three.add_argument("--limit-s", type=float, default=4.0, help="exit 1 where p50 at all four is above")
    three.set_defaults(run=cold_start)
