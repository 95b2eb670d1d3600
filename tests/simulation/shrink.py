"""From a failing schedule to the smallest options under which the same invariant still falls.

A change of options changes every later draw of the schedule, so each candidate is tried with a few shuffles of the
same seed; the first that still fails is kept, and the search starts over from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.simulation.overrides import differences
from tests.simulation.profiles import Options, draw
from tests.simulation.world import World

SHUFFLES = 6
RUNS_MAX = 600
"""Schedules that one search may run."""

OFF: dict[str, Any] = {
    "sets": (),
    "spares": 0,
    "twins": (),
    "divergent": {},
    "damage": {},
    "byzantine": {},
    "crash_gap_us": 0,
    "all_crash": 0.0,
    "edge_crash": 0.0,
    "cut_gap_us": 0,
    "adaptive": False,
    "commit_loss": 0.0,
    "pause_gap_us": 0,
    "full_disk_gap_us": 0,
    "slow_sync": 0.0,
    "unavailable": 0.0,
    "slow_execution": 0.0,
    "build_failure": 0.0,
    "late_timers": False,
    "skew_us": 0,
    "drift_ppm": 0,
    "partial_submission": 0.0,
    "flapping": None,
    "real_crypto": False,
    "wire": False,
    "replay": False,
    "strict_timestamps": False,
    "prompt": True,
}
"""Classes of faults, and the value at which each is off."""
LINKS_OFF = {"drop": 0.0, "duplicate": 0.0, "slow": 0.0}


class Shrinker:
    """One search."""

    def __init__(self, seed: int, profile: str, options: Options | None = None) -> None:
        self.seed = seed
        self.profile = profile
        self.options = options or draw(seed, profile)
        self.runs = 0
        self.invariant = self.invariant_of(self.options)
        """What falls; empty where the schedule does not fail at all."""

    def invariant_of(self, options: Options) -> str:
        """The invariant that falls under ``options``, or nothing."""
        self.runs += 1
        violation = World(self.seed, self.profile, deepcopy(options)).run().violation
        return violation.split(":")[0] if violation else ""

    def shrink(self) -> Options:
        """The smallest options found."""
        while self.invariant and self.runs < RUNS_MAX:
            if not any(self._try(candidate) for candidate in candidates(self.options)):
                break
        return self.options

    def _try(self, candidate: Options) -> bool:
        for shuffle in range(SHUFFLES):
            if self.runs >= RUNS_MAX:
                return False
            candidate.shuffle = shuffle
            if self.invariant_of(candidate) == self.invariant:
                self.options = candidate
                return True
        return False

    def overrides(self) -> list[str]:
        """What the seed's own options must be changed to."""
        return differences(draw(self.seed, self.profile), self.options)


def size(options: Options) -> int:
    """How much goes on under ``options``: classes of faults, behaviours, single faults up to 40, 100 ms of faults."""
    classes = sum(getattr(options, name) != off for name, off in OFF.items())
    links = sum(getattr(options.quality, name) != off for name, off in LINKS_OFF.items())
    behaviours = sum(len(names) for names in options.byzantine.values())
    return classes + links + behaviours + min(options.faults_max, 40) + options.fault_us // 100_000


def candidates(options: Options) -> Iterator[Options]:
    """Smaller options, the boldest first."""
    for name, off in OFF.items():
        if getattr(options, name) != off and not (name == "spares" and options.sets):
            yield _with(options, name, off)
    for name, off in LINKS_OFF.items():
        if getattr(options.quality, name) != off:
            smaller = deepcopy(options)
            setattr(smaller.quality, name, off)
            yield smaller
    for node, behaviours in options.byzantine.items():
        if len(options.byzantine) > 1:
            yield _with(options, "byzantine", {n: b for n, b in options.byzantine.items() if n != node})
        for name in behaviours if len(behaviours) > 1 else ():
            fewer = tuple(other for other in behaviours if other != name)
            yield _with(options, "byzantine", {**options.byzantine, node: fewer})
    if len(options.sets) > 1:
        yield _with(options, "sets", options.sets[:-1])
    limit = min(options.faults_max, 40)
    for fewer_faults in sorted({limit // 2, limit * 3 // 4, limit - 1} - {limit, -1}):
        yield _with(options, "faults_max", fewer_faults)
    for shorter in (options.fault_us // 2, options.fault_us * 3 // 4):
        if shorter >= 50_000:
            yield _with(options, "fault_us", shorter)
    if options.transaction_gap_us < 1_000_000:
        yield _with(options, "transaction_gap_us", 2 * options.transaction_gap_us)


def _with(options: Options, name: str, value: Any) -> Options:
    smaller = deepcopy(options)
    setattr(smaller, name, deepcopy(value))
    return smaller
