"""scripts/simulate: reports, reproduces, shrinks and keeps its record."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from tests.simulation import records
from tests.simulation.command import command, main
from tests.simulation.mutants import mutated
from tests.simulation.overrides import apply, differences
from tests.simulation.profiles import Options, draw
from tests.simulation.shrink import Shrinker, size
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_reports_and_ends_with_success() -> None:
    """scripts/simulate prints the counters of a batch and ends with 0."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "simulate"), "--seed", "100", "--count", "20", "--jobs", "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profile default, seeds 100..119" in done.stdout
    assert "schedules 20, failures 0" in done.stdout
    for words in ("with a view change", "re-proposal of a prepared block", "restart with votes in the WAL", "commits"):
        assert words in done.stdout


def test_a_failing_seed_prints_the_command_that_shows_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """With a rule broken the batch ends with 1 and a command that reproduces the failure and a transcript."""
    assert main(["--profile", "crashes", "--mutant", "M18 votes", "--count", "40", "--lines", "30"]) == 1
    said = capsys.readouterr().out
    line = next(line for line in said.splitlines() if line.strip().startswith("scripts/simulate"))
    assert "--mutant 'M18 votes'" in line
    assert len(said.splitlines()) > 30


@pytest.mark.timeout(300)
def test_a_failing_schedule_shrinks_and_still_fails() -> None:
    """Of a schedule that a mutant fails, shrinking leaves less than half, and the same invariant falls again under the
    printed overrides; without the mutant that schedule is clean."""
    with mutated("M13"):
        seed = next(s for s in itertools.count() if World(s, "default").run().violation)
        search = Shrinker(seed, "default")
        before = size(search.options)
        search.shrink()
        overrides = search.overrides()
        again = World(seed, "default", apply(draw(seed, "default"), overrides)).run()
        print(command(seed, "default", tuple(overrides), "M13"), before, size(search.options), search.runs)
        assert (again.violation or "").split(":")[0] == search.invariant
        assert size(search.options) < before / 2
    assert World(seed, "default", apply(draw(seed, "default"), overrides)).run().violation is None


def test_overrides_name_options_and_nothing_else() -> None:
    """An override sets one option, or one of the links'; an unknown name or a value that is no literal is refused."""
    options = apply(Options(), ["n=7", "quality.drop=0.5", "byzantine={1: ('silent',)}"])
    assert (options.n, options.quality.drop, options.byzantine) == (7, 0.5, {1: ("silent",)})
    assert apply(Options(), differences(Options(), options)) == options
    for wrong in ("m=7", "quality.n=1", "__class__=1", "n=import os"):
        with pytest.raises((ValueError, SyntaxError)):
            apply(Options(), [wrong])


def test_the_record_counts_no_schedule_twice(tmp_path: Path) -> None:
    """Batches add up; seeds that were run before under a profile are refused; the committed record holds to that."""
    path = tmp_path / "batches.csv"
    records.append(records.Batch("default", 0, 100, 0, "abc"), path)
    records.append(records.Batch("default", 100, 50, 0, "abc"), path)
    records.append(records.Batch("n7", 0, 10, 0, "abd"), path)
    assert "n = 4 and below 150; n = 5 to 10 10; failures 0" in records.totals(records.read(path))
    with pytest.raises(ValueError, match="run before"):
        records.append(records.Batch("default", 149, 1, 0, "abe"), path)
    kept = records.read()
    assert not [(a, b) for a, b in itertools.combinations(kept, 2) if records.overlap(a, b)]
