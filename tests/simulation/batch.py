"""Many schedules: what they came to, and at what rate."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

from tests.simulation.monitors import SOMETIMES
from tests.simulation.overrides import apply
from tests.simulation.profiles import draw
from tests.simulation.world import Result, World

CHUNK = 50


@dataclass(slots=True)
class Summary:
    """What a batch came to."""

    schedules: int = 0
    with_label: Counter[str] = field(default_factory=Counter)
    """Schedules in which a label was counted at least once."""
    commits: int = 0
    events: int = 0
    recoveries_us: list[int] = field(default_factory=list)
    failures: list[Result] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of all processes together."""

    def add(self, result: Result) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.with_label.update(label for label, count in result.counts.items() if count)
        self.commits += result.counts["commits"]
        self.events += result.events
        if result.violation:
            self.failures.append(result)
        elif result.recovery_us:
            self.recoveries_us.append(result.recovery_us)

    def lines(self) -> list[str]:
        """The report."""
        recoveries = sorted(self.recoveries_us) or [0]
        p50, p99 = recoveries[len(recoveries) // 2], recoveries[len(recoveries) * 99 // 100]
        rare = ", ".join(f"{label} {self.with_label[label]}" for label in SOMETIMES)
        return [
            f"schedules {self.schedules}, failures {len(self.failures)}, "
            f"wall {self.wall_s:.1f} s ({_rate(self.schedules, self.wall_s)} a minute), "
            f"cpu {self.cpu_s:.1f} s ({_rate(self.schedules, self.cpu_s)} a minute of one core)",
            f"  with a view change: {self.with_label['view_entered']}",
            f"  with a re-proposal of a prepared block: {self.with_label['reproposal_of_prepared']}",
            f"  with a restart with votes in the WAL: {self.with_label['restart_with_votes']}",
            f"  with a crash {self.with_label['crash']}, a pause {self.with_label['pause']}, "
            f"a full disk {self.with_label['disk_full']}, a block fetched {self.with_label['fetched']}, "
            f"synced {self.with_label['synced']}, a new segment {self.with_label['segment']}, "
            f"evidence {self.with_label['evidence']}, a new set {self.with_label['set_entered']}, "
            f"replayed {self.with_label['replayed']}",
            f"  sometimes: {rare}",
            f"commits {self.commits}, events {self.events}",
            f"virtual time from healing to new blocks everywhere: p50 {p50 / 1e6:.2f} s, "
            f"p99 {p99 / 1e6:.2f} s, max {recoveries[-1] / 1e6:.2f} s",
        ]


def _rate(schedules: int, seconds: float) -> str:
    return f"{schedules / seconds * 60:.0f}" if seconds else "-"


Work = tuple[str, list[int], tuple[str, ...]]


def run_one(seed: int, profile: str, overrides: Sequence[str] = (), *, verbose: bool = False) -> Result:
    """One schedule, with some of its options set by hand."""
    return World(seed, profile, apply(draw(seed, profile), overrides), verbose=verbose).run()


def _run_chunk(work: Work) -> tuple[list[Result], float]:
    profile, seeds, overrides = work
    started = time.process_time()
    gc.disable()  # a schedule lives for 50 ms: its cycles are collected between chunks
    try:
        results = [replace(run_one(seed, profile, overrides), transcript=[]) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()
    return results, time.process_time() - started


def run_batch(
    profile: str, seeds: Iterable[int], *, jobs: int = 1, failures_max: int = 5, overrides: tuple[str, ...] = ()
) -> Summary:
    """Run ``seeds``; stops early after ``failures_max`` failures."""
    summary = Summary()
    started = time.monotonic()
    order = list(seeds)
    chunks: list[Work] = [(profile, order[i : i + CHUNK], overrides) for i in range(0, len(order), CHUNK)]

    def add(done: tuple[list[Result], float]) -> bool:
        for result in done[0]:
            summary.add(result)
        summary.cpu_s += done[1]
        return len(summary.failures) >= failures_max

    if jobs == 1:
        for chunk in chunks:
            if add(_run_chunk(chunk)):
                break
    else:
        with get_context("fork").Pool(jobs) as pool:
            for done in pool.imap(_run_chunk, chunks):
                if add(done):
                    pool.terminate()
                    break
    summary.wall_s = time.monotonic() - started
    return summary
