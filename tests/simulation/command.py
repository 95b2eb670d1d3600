"""``scripts/simulate``: run a batch, show a schedule, shrink a failing one, keep the record of batches."""

from __future__ import annotations

import argparse
import hashlib
import shlex
from contextlib import nullcontext

from tests.simulation import mutants, records
from tests.simulation.batch import run_batch, run_one
from tests.simulation.overrides import apply
from tests.simulation.profiles import PROFILES, draw
from tests.simulation.shrink import Shrinker, size
from tests.simulation.world import TRANSCRIPT_LINES, Result

LINE_MAX = 400
"""A transcript's line is cut here."""


def command(seed: int, profile: str, overrides: tuple[str, ...] = (), mutant: str = "") -> str:
    """What shows one schedule again."""
    parts = ["scripts/simulate", "--seed", str(seed), "--profile", profile]
    parts += [part for text in overrides for part in ("--set", text)]
    parts += ["--mutant", mutant] if mutant else []
    return shlex.join([*parts, "--count", "1", "--transcript"])


def digest(result: Result) -> str:
    """SHA-256 over the whole transcript: every event and effect of every bank, in order."""
    return hashlib.sha256("\n".join(result.transcript).encode()).hexdigest()


def show(seed: int, profile: str, overrides: tuple[str, ...], lines: int) -> Result:
    """Run one seed again and print the end of its transcript."""
    result = run_one(seed, profile, overrides, verbose=True)
    for line in result.transcript[-lines:] if lines else []:
        print(line[:LINE_MAX])
    print(f"events and effects: sha256 {digest(result)}")
    print(f"seed {seed}, profile {profile}: {result.violation or 'no violation'}")
    return result


def shrink(seed: int, profile: str, overrides: tuple[str, ...], mutant: str, lines: int) -> bool:
    """Reduce a failing schedule and print what is left; False where it does not fail."""
    search = Shrinker(seed, profile, apply(draw(seed, profile), overrides))
    if not search.invariant:
        print(f"seed {seed}, profile {profile}: no violation to shrink")
        return False
    before = size(search.options)
    search.shrink()
    smallest = tuple(search.overrides())
    show(seed, profile, smallest, lines)
    print(f"{search.invariant} falls; size {before} -> {size(search.options)} in {search.runs} runs")
    print(f"  {command(seed, profile, smallest, mutant)}")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Deterministic simulation of consensus")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--profile", default="default", choices=sorted(PROFILES))
    parser.add_argument("--count", type=int, default=500, help="how many seeds, counting up")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one option by hand")
    parser.add_argument("--mutant", default="", choices=["", *sorted(mutants.MUTANTS)], help="break one rule first")
    parser.add_argument("--transcript", action="store_true", help="print the first seed's transcript")
    parser.add_argument("--lines", type=int, default=TRANSCRIPT_LINES, help="transcript lines, counted from the end")
    parser.add_argument("--shrink", action="store_true", help="reduce the first seed's failing schedule")
    parser.add_argument("--record", action="store_true", help="add this batch to tests/simulation/batches.csv")
    parser.add_argument("--totals", action="store_true", help="print what was recorded so far, and end")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Entry of scripts/simulate; the exit status is 1 if any schedule violated an invariant."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.totals:
        print("\n".join(records.totals(records.read())))
        return 0
    overrides = tuple(options.set)
    try:
        apply(draw(options.seed, options.profile), overrides)
    except (ValueError, SyntaxError) as error:
        parser.error(str(error))
    with mutants.mutated(options.mutant) if options.mutant else nullcontext():
        if options.transcript:
            return 1 if show(options.seed, options.profile, overrides, options.lines).violation else 0
        if options.shrink:
            return int(shrink(options.seed, options.profile, overrides, options.mutant, options.lines))
        return _batch(options, overrides)


def _batch(options: argparse.Namespace, overrides: tuple[str, ...]) -> int:
    seeds = range(options.seed, options.seed + options.count)
    summary = run_batch(options.profile, seeds, jobs=options.jobs, overrides=overrides)
    print(f"profile {options.profile}, seeds {seeds.start}..{seeds.stop - 1}")
    for line in summary.lines():
        print(line)
    for failure in summary.failures:
        again = command(failure.seed, failure.profile, overrides, options.mutant)
        print(f"FAILED seed {failure.seed}: {failure.violation}\n  {again}")
    if summary.failures:
        first = summary.failures[0]
        show(first.seed, first.profile, overrides, options.lines)
    if options.record and not overrides and not options.mutant:
        failures = len(summary.failures)
        records.append(records.Batch(options.profile, options.seed, summary.schedules, failures, records.commit()))
    return 1 if summary.failures else 0
