"""Leaves nothing behind: ends every process of a demo's folder and removes the folder, whatever became of the demo.

Run as a program with a folder, it waits until its standard input ends - which a SIGKILL of the demo brings about too -
and sweeps.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

DEATH_S = 10.0
"""How long a process killed by SIGKILL may take to go."""


def sweep(folder: Path) -> None:
    """Kill the nodes whose configuration lies in ``folder``, wait until they are gone, and remove it."""
    deadline = time.monotonic() + DEATH_S
    while (found := _nodes_of(folder)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def _nodes_of(folder: Path) -> list[int]:
    """Processes with an argument that lies in the folder: its name is random, so they are the demo's own nodes."""
    mark = os.fsencode(f"{folder}/")
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            arguments = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
            if b"--config" in arguments and any(argument.startswith(mark) for argument in arguments):
                found.append(int(entry))
    return found


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """``python -m node.cli.demo.sweeper FOLDER``."""
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    sweep(folder)


if __name__ == "__main__":
    main()
