"""The closing budget of blocks: within P-7's bound, less after failures, more after success."""

from __future__ import annotations

import random

import pytest

from node.engine.build_budget import BuildBudget

T0_MS = 2_000


def test_failed_views_halve_it_and_commits_bring_it_back() -> None:
    """From T0/16 down to the floor T0/256, and back to T0/16 with commits of anybody."""
    budget = BuildBudget(T0_MS)
    assert budget.total_s == pytest.approx(0.125)
    for _ in range(20):
        budget.view_failed()
    assert budget.total_s == pytest.approx(2 / 256)
    for _ in range(20):
        budget.committed()
    assert budget.total_s == pytest.approx(0.125)


def test_full_and_fast_own_blocks_raise_it_to_the_bound_and_no_further() -> None:
    """P-7: never above T0/4; a slow own block halves it."""
    budget = BuildBudget(T0_MS)
    for _ in range(50):
        budget.own_committed(0.1, full=True)
    assert budget.total_s == pytest.approx(0.5)
    budget.own_committed(0.1, full=False)
    assert budget.total_s == pytest.approx(0.5)
    budget.own_committed(0.6, full=True)
    assert budget.total_s == pytest.approx(0.25)


def test_roots_have_their_share() -> None:
    """What follows the transactions counts too: where roots cost as much as execution, execution gets half."""
    budget = BuildBudget(T0_MS)
    for _ in range(50):
        budget.built(0.05, 0.05)
    assert budget.closing_s == pytest.approx(budget.total_s / 2)


def test_it_stays_within_its_bounds_whatever_happens() -> None:
    """Any order of events keeps it between T0/256 and T0/4."""
    source = random.Random(7)
    budget = BuildBudget(T0_MS)
    for _ in range(2_000):
        match source.randrange(4):
            case 0:
                budget.view_failed()
            case 1:
                budget.committed()
            case 2:
                budget.own_committed(source.random(), full=source.random() < 0.5)
            case 3:
                budget.built(source.random(), source.random() * 10)
        assert 2 / 256 <= budget.total_s <= 0.5
        assert 0 < budget.closing_s <= budget.total_s
