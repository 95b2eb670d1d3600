"""``scripts/chaos``: a network, a load, a nemesis for some minutes, and a verdict."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from node.chain.genesis import Genesis
from node.cli.network import processes
from node.execution.ledger import Ledger
from node.types import to_hex
from tests.chaos.banks import CHAIN_ID, Banks
from tests.chaos.checker import Violation, check
from tests.chaos.clients import RECIPIENT, Client
from tests.chaos.history import Accepted, Dropped, FinalBank, History, Receipt
from tests.chaos.nemesis import Nemesis
from tests.chaos.plan import BANKS, KINDS, plan
from tests.chaos.rpc import Doors
from tests.chaos.watcher import Watcher

CLIENTS = 6
RECOVERY_BOUND_S = 60.0
"""From the heal of a round to new blocks. By the bound of the protocol (T_now + the timeouts of f + 1 views + 12 delta)
some 40 s after the longest partition of the plan, and the start of all processes on a loaded machine on top."""
SETTLE_TIMEOUT_S = 180.0
"""At the end: until every transaction is final and all banks show one head."""
UP_TIMEOUT_S = 120.0
TAIL_LINES = 15
COMMAND_TIMEOUT_S = 3_600


@dataclass
class Outcome:
    """What a run found, and the numbers of its summary."""

    seed: int
    directory: Path
    minutes: float
    violations: list[Violation] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    rounds: list[str] = field(default_factory=list)


class Run:
    """One run. ``execute`` returns its outcome; the processes are gone then, whatever happened."""

    def __init__(self, directory: Path, seed: int, minutes: float, bound_s: float, *, quiet: bool = False) -> None:
        self._directory = directory
        self._seed = seed
        self._minutes = minutes
        self._bound_s = bound_s
        self._quiet = quiet
        self._source = random.Random(seed)
        self._history = History()
        self._began = time.monotonic()
        self._counter = ""

    def _clock(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)

    async def execute(self) -> Outcome:
        banks = await Banks.make(self._directory, CLIENTS, self._source, self._history)
        doors = Doors(banks)
        outcome = Outcome(self._seed, self._directory, self._minutes)
        try:
            await self._whole(banks, doors, outcome)
        finally:
            await doors.close()
            await banks.close()
        return outcome

    async def _whole(self, banks: Banks, doors: Doors, outcome: Outcome) -> None:
        watcher = Watcher(doors, self._history, self._clock)
        nemesis = Nemesis(banks, doors, watcher, self._history, bound_s=self._bound_s, clock=self._clock, say=self._say)
        await banks.start(*range(BANKS))
        clients = [
            Client(doors, self._history, row["private_key"], CHAIN_ID, random.Random(index), self._clock)
            for index, row in enumerate(json.loads(banks.network.accounts_file.read_text())["accounts"])
        ]
        watching = asyncio.create_task(watcher.run())
        if not await watcher.until_height(1, UP_TIMEOUT_S):
            raise RuntimeError("the network does not start:\n" + processes.log_tail(banks.folder(0)))
        self._counter = await clients[0].deploy_counter()
        for client in clients:
            client.counter = self._counter
        load = [asyncio.create_task(client.run()) for client in clients]
        try:
            await self._rounds(nemesis, watcher, [*load, watching])
            settled = not watcher.forked.is_set() and await self._settle(clients, watcher)
            if not settled and not watcher.forked.is_set():
                waiting = sum(client.under_way for client in clients)
                self._history.remarks.append(
                    f"not settled {SETTLE_TIMEOUT_S:.0f} s after the last fault: {waiting} transactions wait,"
                    f" heads {watcher.heights}"
                )
        finally:
            for task in (*load, watching):
                task.cancel()
            results = await asyncio.gather(*load, watching, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
        outcome.rounds = [str(one) for one in nemesis.rounds]
        outcome.violations = [*watcher.violations]
        if settled:
            outcome.violations += await self._judge(banks, doors, clients, watcher.height)
        else:
            outcome.violations += check(self._history, [EMPTY_BANK]) if watcher.forked.is_set() else []
            outcome.violations += [Violation("remark", text) for text in self._history.remarks]
        outcome.lines = self._summary(banks, nemesis, watcher)

    async def _rounds(self, nemesis: Nemesis, watcher: Watcher, others: list[asyncio.Task[None]]) -> None:
        """Rounds until the minutes are over, a fork is seen, or one of ``others`` fails (they never end well)."""
        end = self._clock() + self._minutes * 60
        watcher.grew_at_s = self._clock()
        forked = asyncio.create_task(watcher.forked.wait())
        for one in plan(self._seed):
            if self._clock() >= end:
                break
            going = asyncio.create_task(nemesis.run_round(one))
            await asyncio.wait({going, forked, *others}, return_when=asyncio.FIRST_COMPLETED)
            if not going.done():
                going.cancel()
                await asyncio.gather(going, return_exceptions=True)
                break
            await going
            if not self._history.recoveries[-1].in_time:
                break
        forked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await forked

    async def _settle(self, clients: list[Client], watcher: Watcher) -> bool:
        """No new transactions; every one under way becomes final, and all banks show one head."""
        self._say(f"{self._clock():7.1f} s  settling")
        for client in clients:
            client.draining = True
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                while any(client.under_way for client in clients):  # noqa: ASYNC110 - other processes
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return False
        return await watcher.until_level(SETTLE_TIMEOUT_S)

    # --- the verdict ----------------------------------------------------------------------------------

    async def _judge(self, banks: Banks, doors: Doors, clients: list[Client], height: int) -> list[Violation]:
        self._say(f"{self._clock():7.1f} s  reading all chains")
        finals = [await self._final_bank(doors, bank, clients, height) for bank in range(BANKS)]
        self._say(f"{self._clock():7.1f} s  praya audit replay")
        found = await self._audit(banks)
        await banks.stop(*range(BANKS))
        self._say(f"{self._clock():7.1f} s  praya node check at four banks")
        for bank in range(BANKS):
            found += await self._check_database(banks, bank)
            stored = await asyncio.to_thread(stored_hashes, banks, bank)
            finals[bank] = replace(finals[bank], stored_hashes=stored)
        return [*found, *check(self._history, finals)]

    async def _final_bank(self, doors: Doors, bank: int, clients: list[Client], height: int) -> FinalBank:
        chain = await doors.chain(bank, height)
        places = await doors.places(bank, height)
        nonces = {
            client.address: int(await doors.call(bank, "eth_getTransactionCount", client.address, "latest"), 16)
            for client in clients
        }
        received = int(await doors.call(bank, "eth_getBalance", RECIPIENT, "latest"), 16)
        counted = int(await doors.call(bank, "eth_getStorageAt", self._counter, "0x0", "latest"), 16)
        return FinalBank(chain, (), places, nonces, received, counted)

    async def _audit(self, banks: Banks) -> list[Violation]:
        source, against = banks.folder(0).rpc_url, banks.folder(BANKS - 1).rpc_url
        code, output = await praya("audit", "replay", "--from", source, "--against", against)
        return [] if code == 0 else [Violation("audit", output)]

    async def _check_database(self, banks: Banks, bank: int) -> list[Violation]:
        code, output = await praya("node", "check", "--config", str(banks.folder(bank).config_file))
        return [] if code == 0 else [Violation("database", f"{banks.name(bank)}: {output}")]

    def _summary(self, banks: Banks, nemesis: Nemesis, watcher: Watcher) -> list[str]:
        accepted = {answer.hash for answer in self._history.answers if isinstance(answer, Accepted)}
        evicted = Counter(answer.reason for answer in self._history.answers if isinstance(answer, Dropped))
        times = sorted(recovery.seconds for recovery in self._history.recoveries)
        views = [
            banks.folder(bank).log_file.read_text(errors="replace").count('"event": "view changed"')
            for bank in range(BANKS)
        ]
        lines = [f"seed {self._seed}, {len(nemesis.rounds)} rounds in {self._minutes:g} min of faults", "faults:"]
        lines += [f"  {kind:16} {nemesis.done[kind]:5}" for kind in KINDS if nemesis.done[kind]]
        lines += [f"  {kind:16} skipped {count}" for kind, count in sorted(nemesis.skipped.items())]
        lines += [
            f"transactions: {len(self._history.transactions)} signed, {len(accepted)} accepted,"
            f" {len({answer.hash for answer in self._history.answers if isinstance(answer, Receipt)})} final,"
            f" {sum(evicted.values())} evicted{f' {dict(evicted)}' if evicted else ''}",
            f"blocks: {watcher.height}; processes started: {sum(banks.life(b).number for b in range(BANKS))};"
            f" view changes entered, by bank: {views}",
        ]
        if times:
            lines.append(
                f"recovery after {len(times)} heals: p50 {statistics.median(times):.2f} s, max {times[-1]:.2f} s;"
                f" longest pause between blocks, faults included: {watcher.longest_pause_s:.1f} s"
            )
        return lines


EMPTY_BANK = FinalBank((), (), {}, {}, 0, 0)


def stored_hashes(banks: Banks, bank: int) -> tuple[str, ...]:
    """Block hashes in a stopped bank's data directory."""
    folder = banks.folder(bank).path
    ledger = Ledger.open(folder / "chain", Genesis.load(folder / "genesis.json"))
    try:
        headers = (ledger.chain.header(number) for number in range(ledger.head.number + 1))
        return tuple(to_hex(header.hash) if header is not None else "" for header in headers)
    finally:
        ledger.close()


async def praya(*arguments: str) -> tuple[int, str]:
    """Run the ``praya`` command; exit code and output."""

    def run() -> tuple[int, str]:
        result = subprocess.run(
            [sys.executable, "-m", "node", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        return result.returncode, (result.stdout + result.stderr)[-2_000:]

    return await asyncio.to_thread(run)


def report(outcome: Outcome) -> None:
    """The summary, and where something is wrong all that helps to see why."""
    for line in outcome.lines:
        print(line)
    if not outcome.violations:
        print("no violation: one chain, nothing lost, no receipt changed, nothing twice, moving again in time")
        return
    print(f"\n{len(outcome.violations)} VIOLATIONS")
    for violation in outcome.violations:
        print(f"  {violation}")
    print(f"plan of seed {outcome.seed}:")
    for one in outcome.rounds:
        print(f"  {one}")
    for log in sorted(outcome.directory.glob("banks/*/logs/node.log")):
        print(f"--- the end of {log}")
        print("\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:]))
    print(f"every folder is kept: {outcome.directory}\nagain: scripts/chaos --seed {outcome.seed} ...")


def main(arguments: list[str] | None = None) -> int:
    """Entry of scripts/chaos; 0 where every promise was kept."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description="Real faults on four real bank processes")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are struck")
    parser.add_argument("--seed", type=int, default=None, help="of the plan; drawn and printed where not given")
    parser.add_argument("--keep", action="store_true", help="keep the folders also where all is well")
    parser.add_argument("--bound-s", type=float, default=RECOVERY_BOUND_S, help="to new blocks after each heal")
    parser.add_argument("--directory", type=Path, default=None, help="a new folder for the network")
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else secrets.randbelow(1_000_000)
    directory = options.directory or Path(tempfile.mkdtemp(prefix="praya-chaos-"))
    print(f"seed {seed}, folder {directory}", flush=True)
    outcome = asyncio.run(Run(directory, seed, options.minutes, options.bound_s).execute())
    report(outcome)
    if not outcome.violations and not options.keep:
        shutil.rmtree(directory)
    return 1 if outcome.violations else 0
