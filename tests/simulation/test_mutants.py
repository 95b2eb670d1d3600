"""The simulator catches broken rules: each mutant of the core dies, by the invariant that it should break."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.world import World, run_seed

AGREEMENT = frozenset({"I1", "I5", "I9"})

EXPECTED = {
    "M1": ("byzantine", {"I4", "I9"}),
    "M13": ("default", {"I9", "I14"}),
    "M15": ("default", {"I7"}),
    "M18 promise": ("crashes", {"I7"}),
    "M18 certificates": ("crashes", {"I9", "I14"}),
    "M18 votes": ("crashes", {"I6", "I9", "I14"}),
}
"""The profile that finds each, and the invariants that may fall to it."""


def first_death(name: str, profile: str, seeds: int, enforced: frozenset[str] | None = None) -> tuple[int, str]:
    """The first seed that kills the mutant, and how; fails if none does."""
    with mutated(name):
        for seed in range(seeds):
            violation = World(seed, profile, enforced=enforced).run().violation
            if violation is not None:
                return seed, violation
    pytest.fail(f"{name} survived {seeds} schedules of {profile}")


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_dies(name: str) -> None:
    """Within 300 schedules, by the right invariant, watching those alone (I17 sees most of them at the first restart);
    the same seed is clean without the mutant."""
    profile, invariants = EXPECTED[name]
    seed, violation = first_death(name, profile, 300, frozenset(invariants))
    print(f"{name}: seed {seed} of {profile}: {violation}")
    assert violation.split(":")[0] in invariants
    assert run_seed(seed, profile).violation is None


@pytest.mark.parametrize(("name", "profile"), [("M13", "byzantine"), ("M18 votes", "crashes")])
def test_mutant_breaks_agreement_itself(name: str, profile: str) -> None:
    """Watching agreement and decided blocks alone, the simulator still finds the fork that the rule prevents."""
    seed, violation = first_death(name, profile, 300, AGREEMENT)
    print(f"{name}: seed {seed} of {profile}: {violation}")
