"""Runs the named scenarios and the simulator on broken copies of the core until each is caught."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import ROOT, Mutant, apply

SCHEDULES_MAX = 20_000
"""A mutant that no scenario kills and that lives longer than this in every profile named has survived."""
SCHEDULES_BESIDE_SCENARIO = 2_000
"""Where a scenario kills it, chance is given so many schedules, to know how rare the mutant's harm is."""
TIMEOUT_S = 7_200
_SCENARIOS = """
import json, sys
from tests.scenarios.catalogue import SCENARIOS
failed = []
for name, scenario in SCENARIOS.items():
    if sys.argv[1] in scenario.kills:
        try:
            scenario.play()
        except (AssertionError, LookupError):
            failed.append(name)
print(json.dumps(failed))
"""
_SCHEDULES = """
import json, sys
from tests.simulation.batch import run_batch
first, count = int(sys.argv[2]), int(sys.argv[3])
found = run_batch(sys.argv[1], range(first, first + count), failures_max=1)
worst = min(found.failures, key=lambda one: one.seed, default=None)
print(json.dumps(None if worst is None else [worst.seed, worst.violation]))
"""


@dataclass(frozen=True, slots=True)
class Death:
    """What caught a mutant: scenarios, a profile's schedules (from seed 0 on), or both."""

    mutant: Mutant
    scenarios: tuple[str, ...]
    profile: str
    schedules: int
    violated: str
    seconds: float

    @property
    def survived(self) -> bool:
        """Nothing caught it."""
        return not self.scenarios and not self.violated

    def row(self) -> str:
        """A line of the table."""
        scripted = ", ".join(f"`{name}`" for name in self.scenarios)
        chance = f"{self.schedules:,} of `{self.profile}`: {self.violated}" if self.violated else ""
        if not chance and self.schedules:
            chance = f"not in {self.schedules:,}"
        return f"| {self.mutant.name} | {self.mutant.breaks} | {scripted} | {chance} |"


def hunt(mutant: Mutant, schedules_max: int = SCHEDULES_MAX) -> Death:
    """Play every scenario that claims to kill the mutant, then its profiles until one does."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        apply(mutant, folder)
        failed = tuple(run_in(folder, _SCENARIOS, mutant.name))
        most = min(schedules_max, SCHEDULES_BESIDE_SCENARIO) if failed else schedules_max
        profile, count, violated = _chance(folder, mutant.profiles, most)
    return Death(mutant, failed, profile, count, violated, time.monotonic() - started)


def _chance(folder: Path, profiles: Sequence[str], most: int) -> tuple[str, int, str]:
    ran = 0
    for profile in profiles if most else ():
        found = run_in(folder, _SCHEDULES, profile, "0", str(most))
        if found is not None:
            seed, violation = found
            if run_in(ROOT, _SCHEDULES, profile, str(seed), "1") is not None:
                raise RuntimeError(f"seed {seed} of {profile} fails without any mutant")
            return profile, seed + 1, violation.split(":")[0][:40]
        ran += most
    return "", ran, ""


def run_in(folder: Path, code: str, *arguments: str) -> Any:
    """The JSON that ``code`` prints in the project at ``folder``, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    return json.loads(done.stdout.splitlines()[-1])


def table(deaths: Iterable[Death]) -> list[str]:
    """The report, as Markdown."""
    head = ["| mutant | the rule that it breaks | scenarios that fail | schedules |", "|---|---|---|---|"]
    return head + [death.row() for death in deaths]


def main(arguments: list[str] | None = None) -> int:
    """Entry of scripts/mutants; the exit status is 1 if a mutant survives."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description="Broken copies of the core, caught")
    parser.add_argument("names", nargs="*", help="mutants to hunt; all where none is named")
    parser.add_argument(
        "--schedules", type=int, default=SCHEDULES_MAX, help="at most, for each profile of a mutant; 0: scenarios alone"
    )
    parser.add_argument("--jobs", type=int, default=1, help="mutants hunted side by side")
    parser.add_argument("--table", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    known = {mutant.name: mutant for mutant in MUTANTS}
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no such mutant: {', '.join(unknown)}")
    chosen = [known[name] for name in options.names] if options.names else list(MUTANTS)
    deaths = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for death in pool.map(lambda mutant: hunt(mutant, options.schedules), chosen):
            print(f"{death.row()} {death.seconds:.0f} s", flush=True)
            deaths.append(death)
    counted = sorted(death.schedules for death in deaths if death.violated)
    if counted:
        print(f"{len(deaths)} mutants; schedules needed: median {counted[len(counted) // 2]}, most {counted[-1]}")
    survivors = [death.mutant.name for death in deaths if death.survived]
    print(f"survivors: {', '.join(survivors) or 'none'}")
    if options.table:
        options.table.write_text("\n".join(table(deaths)) + "\n")
    return 1 if survivors else 0
