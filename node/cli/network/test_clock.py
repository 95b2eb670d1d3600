"""``praya network advance``: move every bank's block time forward at one instant (P-19)."""

from __future__ import annotations

import datetime as dt
import re
import time
from pathlib import Path

from node.cli.network import processes
from node.cli.network.layout import Network, NodeFolder
from node.clock import CLOCK_FILE, ClockStep, read_clock_steps, write_clock_steps
from node.errors import ConfigError, UnavailableError

LEAD_S = 1.0
"""How far ahead the instant of the jump lies, so that every node has read of it."""
ADVANCE_TIMEOUT_S = 60.0
ADVANCE_MAX_S = 200 * 366 * 86_400
_DURATION = re.compile(r"(\d{1,9})([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def parse_start(text: str) -> int:
    """Unix seconds of an ISO date (00:00 UTC) or an ISO time in UTC. ConfigError names what is accepted."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no ISO date or UTC time like 2026-03-02T09:00:00", field="test-clock"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    seconds = int(moment.timestamp())
    if seconds < 0:
        raise ConfigError(f"{text!r} lies before 1970", field="test-clock")
    return seconds


def parse_duration(text: str) -> int:
    """Seconds of a duration like 3d, 36h, 90m. ConfigError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is no duration like 3d, 36h or 90m", field="duration")
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if not 0 < seconds <= ADVANCE_MAX_S:
        raise ConfigError(f"{text!r} is outside 1 s to 200 years", field="duration")
    return seconds


def block_time_now(network: Network) -> int:
    """The network's present block time by its test clock."""
    return int(time.time()) + _steps(network)[-1].offset_s


def advance(network: Network, seconds: int) -> int:
    """Move every node's block time ``seconds`` forward, stopped ones included; the new block time.

    Returns when a block with the new time is final on every running bank. ConfigError where the network keeps the
    machine's time.
    """
    if network.test_clock is None:
        raise ConfigError("this network keeps real time: only one made with --test-clock can be advanced", field="dir")
    steps = _steps(network)
    at_s = max(time.time() + LEAD_S, steps[-1].at_s)
    steps.append(ClockStep(at_s, steps[-1].offset_s + seconds))
    for node in network.nodes:
        write_clock_steps(clock_file(node), steps)
    running = [node for node in network.banks if processes.running(node) is not None]
    target = int(at_s) + steps[-1].offset_s
    deadline = time.monotonic() + LEAD_S + ADVANCE_TIMEOUT_S
    for node in running:
        while (found := processes.head_timestamp(node)) is None or found < target:
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{node.name} has no block of the new time after {ADVANCE_TIMEOUT_S:.0f} s", field=node.name
                )
            time.sleep(processes.POLL_S)
    return target


def clock_file(node: NodeFolder) -> Path:
    """The node's own copy of the steps."""
    return node.path / CLOCK_FILE


def _steps(network: Network) -> list[ClockStep]:
    # A node that was away keeps the others' time: the longest history is the network's.
    return max((read_clock_steps(clock_file(node)) for node in network.nodes), key=len)


def as_utc(seconds: int) -> str:
    """An instant as people read it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%a %d %b %Y %H:%M:%S UTC")
