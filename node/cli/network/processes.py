"""The processes of a network on one machine: start, watch, stop. A pid is trusted only with its start time."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from node.cli.network.layout import NodeFolder
from node.errors import UnavailableError

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.05
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process as the machine knows it: its id and the clock tick at which it began."""

    pid: int
    started: int


def start_time(pid: int) -> int | None:
    """The kernel's start tick of a live process; None where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def running(folder: NodeFolder) -> ProcessMark | None:
    """The node's process, if the one that wrote its mark still lives."""
    try:
        document = json.loads(folder.pid_file.read_text())
        mark = ProcessMark(int(document["pid"]), int(document["started"]))
    except (OSError, ValueError, KeyError):
        return None
    return mark if start_time(mark.pid) == mark.started else None


def start(folder: NodeFolder) -> ProcessMark:
    """Start one node in a session of its own, its output appended to its log. A running one is left alone."""
    present = running(folder)
    if present is not None:
        return present
    folder.log_file.parent.mkdir(parents=True, exist_ok=True)
    with folder.log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
            [sys.executable, "-m", "node", "node", "run", "--config", str(folder.config_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=folder.path,
        )
    began = start_time(process.pid)
    mark = ProcessMark(process.pid, began if began is not None else 0)
    temporary = folder.pid_file.with_suffix(".new")
    temporary.write_text(json.dumps({"pid": mark.pid, "started": mark.started}))
    temporary.replace(folder.pid_file)
    return mark


def stop(folders: Iterable[NodeFolder], *, kill: bool = False) -> list[str]:
    """Stop nodes by SIGTERM (``kill``: SIGKILL), together; what outlives its time is killed.

    Returns the names of those that ran. Leaves no process behind.
    """
    marks = {folder: mark for folder in folders if (mark := running(folder)) is not None}
    for mark in marks.values():
        _signal(mark, signal.SIGKILL if kill else signal.SIGTERM)
    gone = _wait(lambda: all(start_time(mark.pid) != mark.started for mark in marks.values()), STOP_TIMEOUT_S)
    if not gone:
        for mark in marks.values():
            _signal(mark, signal.SIGKILL)
        if not _wait(lambda: all(start_time(m.pid) != m.started for m in marks.values()), STOP_TIMEOUT_S):
            raise UnavailableError("a node does not die by SIGKILL", field="pid")
    for folder in marks:
        folder.pid_file.unlink(missing_ok=True)
    return [folder.name for folder in marks]


def wait_for_height(folders: Iterable[NodeFolder], height: int, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return when every node serves a final block of at least ``height``.

    Raises UnavailableError with the log's end of the first node that died or stayed behind.
    """
    deadline = time.monotonic() + timeout_s
    for folder in folders:
        while (found := block_number(folder)) is None or found < height:
            if running(folder) is None:
                raise UnavailableError(f"{folder.name} has stopped:\n{log_tail(folder)}", field=folder.name)
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{folder.name} is at height {found}, not {height}, after {timeout_s:.0f} s:\n{log_tail(folder)}",
                    field=folder.name,
                )
            time.sleep(POLL_S)


def block_number(folder: NodeFolder) -> int | None:
    """The node's head by its own JSON-RPC; None while it does not answer."""
    head = _latest(folder)
    return None if head is None else int(head["number"], 16)


def head_timestamp(folder: NodeFolder) -> int | None:
    """Block time of the node's head; None while it does not answer."""
    head = _latest(folder)
    return None if head is None else int(head["timestamp"], 16)


def _latest(folder: NodeFolder) -> dict[str, str] | None:
    params = ["latest", False]
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": params})
    try:
        answer = json.loads(http_request(folder.host, folder.rpc_port, "POST", "/", body))
        return dict(answer["result"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None


def http_request(host: str, port: int, method: str, path: str, body: str | None = None) -> str:
    """One small HTTP request to a door of a node on this machine. Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        text = response.read().decode()
        if response.status >= 400:
            raise http.client.HTTPException(f"{path}: {response.status}")
        return text
    finally:
        connection.close()


def log_tail(folder: NodeFolder) -> str:
    """The last lines of a node's log."""
    try:
        lines = folder.log_file.read_text(errors="replace").splitlines()
    except OSError:
        return "(no log)"
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _signal(mark: ProcessMark, number: signal.Signals) -> None:
    if start_time(mark.pid) == mark.started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(mark.pid, number)


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
