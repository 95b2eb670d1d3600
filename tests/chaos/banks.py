"""Four banks as ``praya network`` makes them, with a proxy in every link, and what can be done to their processes."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import signal
import struct
from pathlib import Path

from node.cli.network import processes
from node.cli.network.files import NetworkSpec, init_network
from node.cli.network.layout import Network, NodeFolder
from tests.chaos.history import History, Life
from tests.chaos.plan import BANKS
from tests.chaos.proxy import Links

SHIM = Path(__file__).parent / "clock_shim"
CLOCK_FILE = "chaos-clock"
CHAIN_ID = 853_600
BACKUPS = "backups"
DATA_PARTS = ("chain", "wal")


class Banks:
    """The processes, their folders, the links between them. What blocks runs in a thread: the proxies go on."""

    def __init__(self, network: Network, links: Links, history: History) -> None:
        self.network = network
        self.links = links
        self._history = history
        self._starts = [0] * BANKS

    @classmethod
    async def make(cls, directory: Path, accounts: int, source: random.Random, history: History) -> Banks:
        """A new network in ``directory``, nothing started yet. Each bank dials the others at the proxies' ports."""
        spec = NetworkSpec(
            banks=BANKS, observers=0, accounts=accounts, chain_id=CHAIN_ID, strict_time=False, test_clock=None
        )
        network = await asyncio.to_thread(init_network, directory, spec)
        links = Links([(bank.host, bank.p2p_port) for bank in network.banks], source)
        await links.start()
        for (a, b), port in links.ports.items():
            file = network.banks[a].config_file
            text = file.read_text()
            before = f'name = "{network.banks[b].name}"\nhost = "{network.banks[b].host}"\nport = '
            assert text.count(before) == 1
            file.write_text(text.replace(f"{before}{network.banks[b].p2p_port}", f"{before}{port}"))
        for bank in network.banks:
            (bank.path / CLOCK_FILE).write_bytes(struct.pack("d", 0.0))
        # The nodes inherit this: Python imports the shim first, and it acts where a clock file lies.
        present = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(SHIM) + (os.pathsep + present if present else "")
        return cls(network, links, history)

    def folder(self, bank: int) -> NodeFolder:
        return self.network.banks[bank]

    def name(self, bank: int) -> str:
        return self.folder(bank).name

    def life(self, bank: int) -> Life:
        """The bank's present or last process."""
        return Life(bank, self._starts[bank])

    def is_running(self, bank: int) -> bool:
        return processes.running(self.folder(bank)) is not None

    async def start(self, *banks: int, rolled_back: bool = False) -> None:
        """Start the processes; one that runs is left alone."""
        for bank in banks:
            if self.is_running(bank):
                continue
            self._starts[bank] += 1
            if rolled_back:
                self._history.rolled_back.add(self.life(bank))
            await asyncio.to_thread(processes.start, self.folder(bank))

    async def stop(self, *banks: int, kill: bool = False) -> None:
        """SIGTERM or SIGKILL, together, and wait for the end."""
        await asyncio.to_thread(processes.stop, [self.folder(bank) for bank in banks], kill=kill)

    def signal(self, bank: int, number: signal.Signals) -> None:
        """A signal to the process of a bank, if it has one."""
        mark = processes.running(self.folder(bank))
        if mark is not None:
            os.kill(mark.pid, number)

    def limit_file_size(self, bank: int, room_bytes: int | None) -> bool:
        """As if the disk were full for a running process: no file of it grows past the vote log's present size plus
        ``room_bytes``, and a write across that line is torn there (EFBIG, not ENOSPC, by the same paths). It needs
        no privilege and no file system of its own. None: room again. False where the process is gone.

        PermissionError where the machine forbids one user's process to limit another.
        """
        mark = processes.running(self.folder(bank))
        if mark is None:
            return False
        try:
            _, hard = resource.prlimit(mark.pid, resource.RLIMIT_FSIZE)
            soft = hard
            if room_bytes is not None:
                segments = sorted((self.folder(bank).path / "wal").glob("wal-*"))
                soft = (segments[-1].stat().st_size if segments else 0) + room_bytes
            resource.prlimit(mark.pid, resource.RLIMIT_FSIZE, (soft, hard))
        except (ProcessLookupError, FileNotFoundError):
            return False
        return True

    def set_clock(self, bank: int, offset_s: float) -> None:
        """Move a bank's clock against the machine's, at once, while it runs."""
        with (self.folder(bank).path / CLOCK_FILE).open("r+b") as file:
            file.write(struct.pack("d", offset_s))

    # --- older data ---------------------------------------------------------------------------------------

    def _backup(self, bank: int, label: str) -> Path:
        return self.network.path / BACKUPS / f"{self.name(bank)}-{label}"

    async def back_up(self, bank: int, label: str) -> None:
        """Copy chain and vote log of a stopped bank."""
        assert not self.is_running(bank)
        target = self._backup(bank, label)
        shutil.rmtree(target, ignore_errors=True)
        for part in DATA_PARTS:
            await asyncio.to_thread(shutil.copytree, self.folder(bank).path / part, target / part)

    async def restore(self, bank: int, label: str, *parts: str) -> None:
        """Put parts of such a copy back into a stopped bank's folder."""
        assert not self.is_running(bank)
        for part in parts:
            target = self.folder(bank).path / part
            shutil.rmtree(target)
            await asyncio.to_thread(shutil.copytree, self._backup(bank, label) / part, target)

    # --- the end ------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """No process and no connection stays behind, not even a stopped one."""
        for bank in range(BANKS):
            self.signal(bank, signal.SIGCONT)
        await self.stop(*range(BANKS), kill=True)
        await self.links.stop()
