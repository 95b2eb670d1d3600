"""A seed is one schedule: in every process, under every hash seed, watched or not (I15)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.simulation.profiles import draw
from tests.simulation.world import World, run_seed

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
from tests.simulation.batch import run_one
from tests.simulation.command import digest
for seed, profile in ((7, "default"), (3, "crashes"), (11, "byzantine"), (4, "twins"), (2, "reconfiguration")):
    result = run_one(seed, profile, verbose=True)
    print(seed, profile, digest(result), len(result.transcript), result.events)
"""


def test_a_seed_is_one_schedule_whatever_the_hash_seed() -> None:
    """The digest over all events and effects of a seed is the same in every process, also under another
    PYTHONHASHSEED."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    lines = outputs.pop().splitlines()
    assert len(lines) == 5
    assert all(int(line.split()[3]) > 100 for line in lines), "transcripts hold something"


def test_watching_does_not_change_a_run() -> None:
    """A run with a transcript is the run without one."""
    quiet, loud = run_seed(5, "default"), run_seed(5, "default", verbose=True)
    assert (quiet.events, quiet.virtual_us, quiet.counts) == (loud.events, loud.virtual_us, loud.counts)
    assert loud.transcript
    assert not quiet.transcript


def test_recorded_steps_replay_to_the_same_effects() -> None:
    """The same events at the same moments give a fresh replica the same effects; a wrong record is seen."""
    options = draw(5, "default")
    options.replay = True
    world = World(5, "default", options)
    result = world.run()
    assert result.violation is None
    assert result.counts["replayed"] >= 1
    from tests.simulation.checker import Violation
    from tests.simulation.final_checks import replay

    host = next(host for host in world.honest if host.alive and len(host.recording) > 20)
    event, now, _ = host.recording[-5]
    host.recording[-5] = (event, now, ["never made"])  # type: ignore[list-item]
    try:
        replay(world, host)
    except Violation as violation:
        assert violation.invariant == "I15"
    else:
        raise AssertionError("other effects went unnoticed")
