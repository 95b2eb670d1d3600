"""The plan of a seed: the same everywhere, every kind within a few rounds, never more liars than the protocol bears."""

from __future__ import annotations

from itertools import islice

import pytest

from tests.chaos.plan import BANKS, CLOCK_KINDS, FAULTY_MAX, KINDS, LINK_KINDS, ROLLBACK_KINDS, plan
from tests.chaos.test_chaos import SEED

SEEDS = range(50)
ROUNDS = 40


def test_a_seed_has_one_plan() -> None:
    """Two plans of one seed are equal, those of two seeds are not."""
    assert list(islice(plan(5), ROUNDS)) == list(islice(plan(5), ROUNDS))
    assert list(islice(plan(5), ROUNDS)) != list(islice(plan(6), ROUNDS))


def test_the_two_minutes_of_the_suite_meet_most_kinds() -> None:
    """The seed of test_chaos.py was chosen for it."""
    assert len({fault.kind for one in islice(plan(SEED), 9) for fault in one.faults}) >= 15


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_comes_soon(seed: int) -> None:
    """The deck: no kind waits longer than two decks' worth of faults."""
    dealt = [fault.kind for one in islice(plan(seed), ROUNDS) for fault in one.faults]
    assert set(dealt[: 2 * len(KINDS)]) == set(KINDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_at_most_f_banks_lie_and_process_faults_do_not_overlap(seed: int) -> None:
    """Older data or a clock beyond the tolerance strike one bank of a round; a round has one fault of processes, clocks
    or data beside faults of links, and an older data directory stands alone."""
    for one in islice(plan(seed), ROUNDS):
        kinds = [fault.kind for fault in one.faults]
        assert sum(kind not in LINK_KINDS for kind in kinds) <= 1
        for fault in one.faults:
            assert set(fault.banks) <= set(range(BANKS))
            assert len(set(fault.banks)) == len(fault.banks)
            if fault.kind in ROLLBACK_KINDS or fault.kind == CLOCK_KINDS[0]:
                assert len(fault.banks) == FAULTY_MAX
            if fault.kind in ROLLBACK_KINDS:
                assert len(kinds) == 1
