"""A short search of each configuration, and of the core with each rule broken; the long ones are scripts/explore's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.model.configurations import CONFIGURATIONS, explore
from tests.model.mutants import MUTANTS, mutated

STATES = 400
"""Of each configuration here: some seconds together."""
LONG = {"M7", "M10"}
"""Mutants that need three views: README says after how many states they die."""


@pytest.mark.parametrize("name", [name for name, c in CONFIGURATIONS.items() if not c.violates])
def test_nothing_falls_within_the_first_states(name: str) -> None:
    """Breadth first, the nearest states to the beginning: no property falls where no more than f are faulty."""
    report = explore(name, STATES)
    assert report.violation is None, "\n".join([str(report.violation), *report.trace])
    assert report.states >= STATES or report.exhausted


@pytest.mark.parametrize("name", [name for name, c in CONFIGURATIONS.items() if c.violates])
def test_more_faults_than_f_break_it(name: str) -> None:
    """The search can see what it looks for: with two liars of four each of the named properties falls."""
    for wanted in sorted(CONFIGURATIONS[name].violates):
        report = explore(name, 20_000, only=frozenset({wanted}))
        assert report.violation is not None
        assert report.violation[0] == wanted


@pytest.mark.parametrize("name", [name for name in MUTANTS if name not in LONG])
def test_a_broken_rule_is_found(name: str) -> None:
    """With one rule of the core broken a property falls."""
    with mutated(name):
        report = explore(MUTANTS[name].configuration, 40_000)
    print(f"{name}: {report.states} states, {report.violation}")
    assert report.violation is not None


def test_a_search_is_the_same_every_time() -> None:
    """States, transitions and numbers of local states do not depend on the hash seed."""
    code = (
        "from tests.model.configurations import explore; "
        "r = explore('next', 800); print(r.levels, r.transitions, r.steps)"
    )
    seen = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        seen.add(run.stdout)
    assert len(seen) == 1
