"""Many schedules: counts, and for a failing seed the command that shows it again and its transcript."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.simulation.profiles import PROFILES
from tests.simulation.world import TRANSCRIPT_LINES, Result, run_seed

CHUNK = 20


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

    def add(self, result: Result) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.with_label.update(label for label, count in result.counts.items() if count)
        self.commits += result.counts["commits"]
        self.events += result.events
        if result.violation:
            self.failures.append(result)
        else:
            self.recoveries_us.append(result.recovery_us)

    def lines(self) -> list[str]:
        """The report."""
        recoveries = sorted(self.recoveries_us) or [0]
        rate = self.schedules / self.wall_s * 60 if self.wall_s else 0
        return [
            f"schedules {self.schedules}, failures {len(self.failures)}, "
            f"wall {self.wall_s:.1f} s ({rate:.0f} a minute)",
            f"  with a view change: {self.with_label['view_entered']}",
            f"  with a re-proposal of a prepared block: {self.with_label['reproposal_of_prepared']}",
            f"  with a restart with votes in the WAL: {self.with_label['restart_with_votes']}",
            f"  with a crash {self.with_label['crash']}, a block fetched {self.with_label['fetched']}, "
            f"synced {self.with_label['synced']}, a new segment {self.with_label['segment']}, "
            f"evidence {self.with_label['evidence']}",
            f"commits {self.commits}, events {self.events}",
            f"virtual time from healing to new blocks everywhere: p50 {recoveries[len(recoveries) // 2] / 1e6:.2f} s, "
            f"p99 {recoveries[len(recoveries) * 99 // 100] / 1e6:.2f} s, max {recoveries[-1] / 1e6:.2f} s",
        ]


def _run_chunk(work: tuple[str, list[int]]) -> list[Result]:
    profile, seeds = work
    return [run_seed(seed, profile) for seed in seeds]


def run_batch(profile: str, seeds: Iterable[int], *, jobs: int = 1, failures_max: int = 5) -> Summary:
    """Run ``seeds``; stops early after ``failures_max`` failures."""
    summary = Summary()
    started = time.monotonic()
    order = list(seeds)
    chunks = [(profile, order[i : i + CHUNK]) for i in range(0, len(order), CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            for result in _run_chunk(chunk):
                summary.add(result)
            if len(summary.failures) >= failures_max:
                break
    else:
        with get_context("fork").Pool(jobs) as pool:
            for results in pool.imap(_run_chunk, chunks):
                for result in results:
                    summary.add(result)
                if len(summary.failures) >= failures_max:
                    pool.terminate()
                    break
    summary.wall_s = time.monotonic() - started
    return summary


def command(seed: int, profile: str) -> str:
    """What shows one schedule again."""
    return f"scripts/simulate --seed {seed} --profile {profile} --count 1 --transcript"


def show(seed: int, profile: str, lines: int = TRANSCRIPT_LINES) -> Result:
    """Run one seed again and print the end of its transcript."""
    result = run_seed(seed, profile, verbose=True)
    for line in result.transcript[-lines:]:
        print(line[:400])
    print(f"seed {seed}, profile {profile}: {result.violation or 'no violation'}")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Entry of scripts/simulate; the exit status is 1 if any schedule violated an invariant."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Deterministic simulation of consensus")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--profile", default="default", choices=sorted(PROFILES))
    parser.add_argument("--count", type=int, default=500, help="how many seeds, counting up")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--transcript", action="store_true", help="print the first seed's transcript")
    parser.add_argument("--lines", type=int, default=TRANSCRIPT_LINES, help="transcript lines, counted from the end")
    options = parser.parse_args(arguments)
    if options.transcript:
        return 1 if show(options.seed, options.profile, options.lines).violation else 0
    seeds = range(options.seed, options.seed + options.count)
    summary = run_batch(options.profile, seeds, jobs=options.jobs)
    print(f"profile {options.profile}, seeds {seeds.start}..{seeds.stop - 1}")
    for line in summary.lines():
        print(line)
    for failure in summary.failures:
        print(f"FAILED seed {failure.seed}: {failure.violation}\n  {command(failure.seed, failure.profile)}")
    if summary.failures:
        first = summary.failures[0]
        show(first.seed, first.profile, options.lines)
    return 1 if summary.failures else 0
