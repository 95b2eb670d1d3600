"""More faulty banks than f: the checker is known to bite, the guilty are named, and wrong execution only stops."""

from __future__ import annotations

import pytest

from consensus.validators import max_faulty
from tests.simulation.batch import run_batch
from tests.simulation.profiles import draw
from tests.simulation.world import World

FORK = frozenset({"I1", "I5", "I14"})


@pytest.mark.timeout(300)
def test_f_plus_one_liars_fork_the_chain_and_are_convicted() -> None:
    """With f + 1 liars or twins agreement falls in some schedules, and of each such fork the auditor convicts at least
    f + 1 banks, none of them honest (I14)."""
    forks = {"liars": 0, "twins": 0}
    for seed in range(100):
        options = draw(seed, "over_faulty")
        result = World(seed, "over_faulty", options, enforced=FORK).run()
        if result.violation is None:
            continue
        assert not result.violation.startswith("I14"), result.violation
        forks["twins" if options.twins else "liars"] += 1
        assert result.convicted > max_faulty(options.n), (seed, result.violation)
    print(forks)
    assert all(count >= 1 for count in forks.values()), forks


def test_wrong_execution_stops_and_does_not_fork() -> None:
    """H43: a bank whose execution gives another root halts when others commit; more than f of them stop the chain;
    nobody ever forks it."""
    summary = run_batch("roots", range(40))
    assert [f"{failure.seed}: {failure.violation}" for failure in summary.failures] == []
    assert summary.with_label["halted"] >= 3
    assert summary.with_label["no_quorum_left"] >= 3
