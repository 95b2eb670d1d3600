"""The list of mutants follows the core, and the hunt catches what it should."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from consensus import message_log
from consensus.validators import quorum_size
from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import hunt
from tests.mutants.living import in_force
from tests.mutants.mutant import ROOT, Mutant, StaleMutant, apply, edited
from tests.scenarios.catalogue import SCENARIOS
from tests.simulation.profiles import PROFILES

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
NUMBERED = frozenset(f"M{number}" for number in range(1, 41))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_core(mutant: Mutant) -> None:
    """Each text to replace stands exactly once in its module, and what results is Python that differs."""
    sources: dict[str, str] = {}
    for edit in mutant.edits:
        text = sources.get(edit.module) or (ROOT / "consensus" / f"{edit.module}.py").read_text()
        sources[edit.module] = edited(text, edit, mutant.name)
    for module, text in sources.items():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse((ROOT / "consensus" / f"{module}.py").read_text()))


def test_the_list_is_whole() -> None:
    """M1 to M40 are all there, each name once; profiles exist, and what scenarios claim to kill is in the list."""
    assert len(BY_NAME) == len(MUTANTS)
    assert {name.split()[0] for name in BY_NAME} >= NUMBERED
    assert {profile for mutant in MUTANTS for profile in mutant.profiles} <= set(PROFILES)
    claimed = {name for scenario in SCENARIOS.values() for name in scenario.kills}
    assert claimed <= set(BY_NAME)
    assert all(mutant.profiles or mutant.name in claimed for mutant in MUTANTS)


def test_a_mutant_in_force_is_gone_afterwards() -> None:
    """Every mutant can be put in force in this process, wherever its functions are imported, and leaves no trace."""
    for mutant in MUTANTS:
        with in_force(mutant):
            assert quorum_size(5) == (3 if mutant.name == "M3" else 4), mutant.name
    assert quorum_size(5) == 4
    assert (message_log.VIEWS_KEPT, message_log.BLOCKS_KEPT) == (3, 8)


def test_a_text_that_is_gone_is_noticed(tmp_path: Path) -> None:
    """A mutant that no longer fits is an error, not a copy of the true core that "survives"."""
    stale = Mutant("stale", "nothing", BY_NAME["M1"].edits * 2, ())
    with pytest.raises(StaleMutant):
        apply(stale, tmp_path)


@pytest.mark.parametrize("name", ["M2", "M17 proposed", "M23"])
def test_the_hunt_catches_a_mutant(name: str) -> None:
    """By chance, and where a scenario claims it, by that scenario, in processes of their own."""
    death = hunt(BY_NAME[name], 60)
    assert not death.survived
    assert death.violated
    assert set(death.scenarios) == {one for one, scenario in SCENARIOS.items() if name in scenario.kills}
