"""Latency, throughput and memory of four banks as real processes; subcommands of scripts/bench."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
from eth_account import Account

from tests.network.consortium import Consortium

BATCH = 50
"""Requests in one JSON-RPC batch."""
POLL_S = 0.002
FINAL_TIMEOUT_S = 300.0


class Door:
    """JSON-RPC of one bank over one kept connection."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def batch(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """Results in the order of the requests; RuntimeError names the first error."""
        rows = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(p)} for i, p in enumerate(parameters)]
        async with self._session.post(self._url, json=rows) as response:
            answers = sorted(await response.json(), key=lambda row: row["id"])
        for answer in answers:
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
        return [answer["result"] for answer in answers]

    async def call(self, method: str, *parameters: Any) -> Any:
        return (await self.batch(method, [parameters]))[0]


def sign_transfers(banks: Consortium, account: int, count: int) -> list[str]:
    fields = {
        "chainId": banks.description["chain_id"],
        "to": "0x" + "11" * 20,
        "value": 1,
        "gas": 21_000,
        "gasPrice": 0,
    }
    key = banks.accounts()[account]["private_key"]
    return [
        Account.sign_transaction({**fields, "nonce": nonce}, key).raw_transaction.to_0x_hex() for nonce in range(count)
    ]


def print_machine(banks: Consortium) -> None:
    """What was measured on, and the memory of every node."""
    load = os.getloadavg()[0]
    print(f"machine: {os.cpu_count()} processors, load {load:.1f} at the end; four banks and this client share it")
    for bank in banks.description["banks"]:
        lines = Path(f"/proc/{bank['pid']}/status").read_text().splitlines()
        values = {
            name: int(text.split()[0]) / 1_024
            for name, _, text in (line.partition(":") for line in lines)
            if name in ("VmHWM", "VmRSS")
        }
        print(f"  memory of {bank['name']:10} peak (VmHWM) {values['VmHWM']:6.1f} MB, now {values['VmRSS']:6.1f} MB")


def latency(arguments: argparse.Namespace) -> int:
    """Submission to finality of single transactions, one after the other."""
    with tempfile.TemporaryDirectory() as directory:
        banks = Consortium.up(Path(directory) / "net")
        try:
            times = asyncio.run(_single(banks, sign_transfers(banks, 0, arguments.transactions)))
            times.sort()
            print(
                f"{len(times)} transfers, one at a time, each to the next of four banks; milliseconds from the start\n"
                "of eth_sendRawTransaction to the first eth_getTransactionReceipt of that bank with an answer,\n"
                f"polled each {POLL_S * 1_000:.0f} ms"
            )
            at = {
                name: times[min(len(times) - 1, len(times) * p // 100)]
                for name, p in (("p50", 50), ("p90", 90), ("p99", 99))
            }
            print("  " + "   ".join(f"{name} {value:.1f}" for name, value in at.items()) + f"   max {times[-1]:.1f}")
            print_machine(banks)
        finally:
            banks.down()
    return 0 if at["p50"] <= arguments.limit_ms else 1


async def _single(banks: Consortium, raws: Sequence[str]) -> list[float]:
    times = []
    async with aiohttp.ClientSession() as session:
        doors = [Door(session, bank["rpc_url"]) for bank in banks.description["banks"]]
        for index, raw in enumerate(raws):
            door = doors[index % len(doors)]
            started = time.perf_counter()
            sent = await door.call("eth_sendRawTransaction", raw)
            while await door.call("eth_getTransactionReceipt", sent) is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)
            times.append((time.perf_counter() - started) * 1_000)
            await asyncio.sleep(POLL_S * 10)  # let the other banks finish this block too
    return times


def throughput(arguments: argparse.Namespace) -> int:
    """Plain transfers a second."""
    with tempfile.TemporaryDirectory() as directory:
        banks = Consortium.up(Path(directory) / "net", "--accounts", str(arguments.accounts))
        try:
            each = arguments.transactions // arguments.accounts
            raws = [sign_transfers(banks, account, each) for account in range(arguments.accounts)]
            submitted, final, height = asyncio.run(_flood(banks, raws))
            total = each * arguments.accounts
            print(
                f"{total} transfers signed beforehand, of {arguments.accounts} accounts, each at one of four banks,\n"
                f"in JSON-RPC batches of {BATCH}, one batch under way for each account; seconds from the first"
            )
            print(f"  all accepted {submitted:.2f}   all final on all four banks {final:.2f}   {height} blocks")
            print(f"  {total / final:.0f} transfers a second")
            print_machine(banks)
        finally:
            banks.down()
    return 0


async def _flood(banks: Consortium, raws: Sequence[Sequence[str]]) -> tuple[float, float, int]:
    latest = [(account["address"], "latest") for account in banks.accounts()]
    wanted = [hex(len(one)) for one in raws]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FINAL_TIMEOUT_S)) as session:
        doors = [Door(session, bank["rpc_url"]) for bank in banks.description["banks"]]
        before = int(await doors[0].call("eth_blockNumber"), 16)
        started = time.perf_counter()

        async def send(door: Door, transactions: Sequence[str]) -> None:
            for first in range(0, len(transactions), BATCH):
                await door.batch("eth_sendRawTransaction", [(raw,) for raw in transactions[first : first + BATCH]])

        await asyncio.gather(*(send(doors[i % len(doors)], one) for i, one in enumerate(raws)))
        submitted = time.perf_counter() - started
        async with asyncio.timeout(FINAL_TIMEOUT_S):
            for door in doors:
                while await door.batch("eth_getTransactionCount", latest) != wanted:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(POLL_S * 10)
        final = time.perf_counter() - started
        return submitted, final, int(await doors[0].call("eth_blockNumber"), 16) - before


def add_commands(commands: Any) -> None:
    """Register the subcommands with argparse."""
    one = commands.add_parser("latency", help="submission to finality of single transactions on four banks")
    one.add_argument("--transactions", type=int, default=300)
    one.add_argument("--limit-ms", type=float, default=150.0, help="exit 1 where p50 is above")
    one.set_defaults(run=latency)
    many = commands.add_parser("throughput", help="plain transfers a second through JSON-RPC on four banks")
    many.add_argument("--transactions", type=int, default=4_000)
    many.add_argument("--accounts", type=int, default=8)
    many.set_defaults(run=throughput)
