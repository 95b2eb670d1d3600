"""``praya demo`` as a visitor meets it: a table of doors that open, and nothing left when it ends."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from node.cli.demo.dates import banking_days_before_today, start_of
from node.cli.demo.sweeper import sweep
from node.cli.demo.table import NO_ANSWER
from node.cli.demo.teller import Step, StepFailed, Story, tell
from node.errors import DataError


def _demo(scratch: Path) -> subprocess.Popen[str]:
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "node", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )


def _read_until(process: subprocess.Popen[str], ending: str) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(ending):
            return "".join(lines)
    raise AssertionError("".join(lines))


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _processes_of(scratch: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(scratch).encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.network
@pytest.mark.xdist_group("demo-visit")
def test_every_door_in_the_table_opens_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Five nodes; their consoles, JSON-RPC and logins work; the clock stands at the present, with a credit on day 3."""
    scratch = tmp_path / "scratch"
    process = _demo(scratch)
    try:
        shown = _read_until(process, "Next: ")
        assert NO_ANSWER not in shown
        rpc = re.findall(r"JSON-RPC (http://127\.0\.0\.1:\d+)", shown)
        consoles = re.findall(r"console +(http://127\.0\.0\.1:\d+/)", shown)
        assert (len(rpc), len(consoles)) == (5, 5)
        assert len(set(re.findall(r"(?:maker|checker|viewer) / (\S+)", shown))) == 9
        assert "day 3 of 5" in shown
        for url in consoles:
            assert urllib.request.urlopen(url, timeout=10).status == 200
        heads = [_latest(url) for url in rpc]
        assert len({head["hash"] for head in heads}) == 1
        assert abs(int(heads[0]["timestamp"], 16) - time.time()) < 120
        assert len(_processes_of(scratch)) == 6  # five nodes and the one that waits to clean up
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[0]
    assert process.returncode == 0, rest
    assert list(scratch.iterdir()) == []
    assert _processes_of(scratch) == []


def _latest(url: str) -> dict[str, str]:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", False]}
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return dict(json.load(urllib.request.urlopen(request, timeout=10))["result"])


@pytest.mark.network
@pytest.mark.xdist_group("demo-visit")
def test_a_killed_demo_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL of the demo itself: its nodes end and its folder goes all the same."""
    scratch = tmp_path / "scratch"
    process = _demo(scratch)
    _read_until(process, "seeding")
    assert len(_processes_of(scratch)) == 6
    process.kill()
    process.wait()
    _wait(lambda: not _processes_of(scratch) and not list(scratch.iterdir()), "the sweep")


def test_a_failed_step_is_named() -> None:
    """The story ends at the first step that fails, and the error says which and why."""
    played: list[str] = []

    def refuse(_story: Story) -> None:
        raise DataError("no such credit", field="credit")

    steps = [
        Step("The first", lambda _story: played.append("first")),
        Step("The second", refuse),
        Step("The third", lambda _story: played.append("third")),
    ]
    with pytest.raises(StepFailed, match=r"step 2 of 3 failed: The second: no such credit \[credit\]"):
        tell(cast(Story, None), steps)
    assert played == ["first"]


def test_sweeping_ends_only_processes_of_the_folder(tmp_path: Path) -> None:
    """A node of the folder is killed; another folder's, and a process that merely names the folder, live on."""
    mine, other = tmp_path / "praya-a", tmp_path / "praya-ab"
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    for folder in (mine, other):
        folder.mkdir()
    node = subprocess.Popen([*program, "--config", f"{mine}/banks/x/node.toml"])
    neighbour = subprocess.Popen([*program, "--config", f"{other}/banks/x/node.toml"])
    reader = subprocess.Popen([*program, f"{mine}/banks/x/logs/node.log"])
    try:
        sweep(mine)
        assert node.poll() is not None
        assert not mine.exists()
        assert other.exists()
        assert (neighbour.poll(), reader.poll()) == (None, None)
    finally:
        for process in (node, neighbour, reader):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("today", "day_zero"),
    [
        ("2026-11-20T05:00:00+00:00", "2026-11-17"),  # Friday: Wednesday, Thursday, Friday have begun
        ("2026-11-22T05:00:00+00:00", "2026-11-17"),  # Sunday: the same three
        ("2026-11-22T23:00:00+00:00", "2026-11-18"),  # Monday morning in Hong Kong
        ("2026-02-20T05:00:00+00:00", "2026-02-12"),  # the first day after three of Lunar New Year
        ("2027-01-03T05:00:00+00:00", "2026-12-28"),  # across the year: 29, 30 and 31 December
    ],
)
def test_the_demo_begins_three_banking_days_ago(today: str, day_zero: str) -> None:
    """Ten o'clock in Hong Kong, three of its banking days before today."""
    now = dt.datetime.fromisoformat(today).timestamp()
    assert banking_days_before_today(3, now=now) == start_of(day_zero)
    assert start_of(day_zero) == dt.datetime.fromisoformat(day_zero + "T02:00:00+00:00").timestamp()
