"""Four banks and an observer for as long as a demo lasts: made in a temporary folder, gone with it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from node.cli.demo.desk import Desk
from node.cli.demo.papers import Papers, day_in_hong_kong
from node.cli.demo.sweeper import sweep
from node.cli.network import processes, test_clock
from node.cli.network.layout import Network
from node.errors import UnavailableError

BANKS, OBSERVERS = 4, 1
IMPORTER, EXPORTER, FINANCIER, RIVAL = "harbour", "lioncity", "thames", "huangpu"
OBSERVER = "auditor"
CHAIN_ID = 853_600
SWEEP_S = 30.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody wants the demo to end; it passes every ``except Exception`` on its way to the clean-up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Town:
    """The running network, one desk for each bank, and a folder for papers."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.desks = {node.name: Desk(network, node) for node in network.nodes}
        self.height = 1
        """The last block that the story knows of."""
        self._lock = threading.Lock()

    def desk(self, name: str) -> Desk:
        """A bank's desk, with its head as far as the story is."""
        desk = self.desks[name]
        desk.await_height(self.height)
        return desk

    def saw(self, height: int) -> None:
        """A block is final."""
        with self._lock:
            self.height = max(self.height, height)

    def now(self) -> int:
        """Block time."""
        return test_clock.block_time_now(self.network)

    def advance(self, seconds: int) -> int:
        """Move every bank's clock; the new block time."""
        reached = test_clock.advance(self.network, seconds)
        self.saw(processes.block_number(self.desks[IMPORTER].node) or 0)
        return reached

    def papers(self, serial: str) -> Papers:
        """A folder of papers dated today."""
        return Papers(self.folder / "papers" / serial, day_in_hong_kong(self.now()), serial)


@contextlib.contextmanager
def open_town(start: int, *, strict_time: bool) -> Iterator[Town]:
    """Make the town, its clock at ``start``; whatever happens, end its processes and remove its folder."""
    with _interruptible(), _temporary_folder() as folder:
        yield Town(_start_network(folder, start, strict_time=strict_time), folder)


def _start_network(directory: Path, start: int, *, strict_time: bool) -> Network:
    from node.cli.network.files import NetworkSpec, init_network

    spec = NetworkSpec(
        banks=BANKS,
        observers=OBSERVERS,
        accounts=1,
        chain_id=CHAIN_ID,
        strict_time=strict_time,
        test_clock=start,
    )
    network = init_network(directory, spec)
    for node in network.nodes:
        processes.start(node)
    processes.wait_for_height(network.nodes, 1)
    return network


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="praya-")).resolve()
    watcher = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "node.cli.demo.sweeper", str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        cwd=folder,
    )
    try:
        yield folder
    finally:
        for number in _ENDING:  # the second Ctrl-C does not end the cleaning
            signal.signal(number, signal.SIG_IGN)
        sweep(folder)
        assert watcher.stdin is not None
        watcher.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watcher.wait(SWEEP_S)
        if folder.exists():
            raise UnavailableError(f"{folder} cannot be removed", field="folder")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    def end(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    # What is ignored on purpose stays ignored (nohup); Ctrl-C is ours even where a script started us in its background.
    heard = [n for n in _ENDING if n != signal.SIGHUP or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
