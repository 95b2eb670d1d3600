"""Batches that were run, kept in ``batches.csv``: profile, first seed, count, failures, commit. Seed ranges of one
profile never overlap, so that the counts can be added up."""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.simulation.profiles import PROFILES

BATCHES = Path(__file__).with_name("batches.csv")
FIELDS = ("profile", "first_seed", "count", "failures", "commit")


@dataclass(frozen=True, slots=True)
class Batch:
    """One run of scripts/simulate that ended by itself."""

    profile: str
    first_seed: int
    count: int
    failures: int
    commit: str


def read(path: Path = BATCHES) -> list[Batch]:
    """All recorded batches; ValueError on a line that is none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    if tuple(header) != FIELDS:
        raise ValueError(f"{path}: the first line must be {','.join(FIELDS)}")
    return [Batch(row[0], int(row[1]), int(row[2]), int(row[3]), row[4]) for row in rows]


def append(batch: Batch, path: Path = BATCHES) -> None:
    """Add one; ValueError where its seeds were run before under the same profile."""
    for other in read(path):
        if overlap(batch, other):
            raise ValueError(f"these seeds of {batch.profile} were run before: {other}")
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(FIELDS)
        writer.writerow(astuple(batch))


def overlap(a: Batch, b: Batch) -> bool:
    """Whether two batches share a schedule."""
    apart = a.first_seed + a.count <= b.first_seed or b.first_seed + b.count <= a.first_seed
    return a.profile == b.profile and not apart


def totals(batches: list[Batch]) -> list[str]:
    """Schedules by profile, and the two sums that the targets are about."""
    counts: Counter[str] = Counter()
    for batch in batches:
        counts[batch.profile] += batch.count
    lines = [f"{profile:16} {count:>9,}" for profile, count in sorted(counts.items())]
    larger = sum(count for profile, count in counts.items() if profile in {f"n{n}" for n in range(5, 11)})
    small = sum(count for profile, count in counts.items() if profile in PROFILES) - larger
    failures = sum(batch.failures for batch in batches)
    return [*lines, f"n = 4 and below {small:,}; n = 5 to 10 {larger:,}; failures {failures}"]


def commit() -> str:
    """The commit that is checked out, marked where files differ from it; empty outside a repository."""
    answers = []
    for question in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        done = subprocess.run(["git", *question], cwd=BATCHES.parent, capture_output=True, text=True, check=False)
        answers.append(done.stdout.strip() if done.returncode == 0 else "")
    return answers[0] + ("+" if answers[1] else "")
