"""Every named scenario holds, reads as it did when it was reviewed, and fails when the rule it guards is broken."""

from __future__ import annotations

import difflib

import pytest

from tests.scenarios.catalogue import SCENARIOS, TRANSCRIPTS
from tests.scenarios.mutants import MUTANTS, mutated

REQUIRED = frozenset(
    {
        "mixed_view_seals",
        "ibft1_case1_five_nodes",
        "ibft1_case2_six_nodes",
        "besu_1734_expiry_vs_commit",
        "dbft_four_good_nodes",
        "neo_commit_locked",
        "fisco_2211_huge_view",
        "indy_1488_old_timestamp",
        "celo_706_capped_backoff",
        "malachite_864_restart_rebuild",
        "horcrux_amnesia",
        "diem_1324_hidden_cert",
        "berger_dark_replicas",
        "smartbft_350_deposed_leader",
        "concord_912_idle_laggard",
        "concord_50_poisoned_vc",
        "fabric_1111_s_prime",
        "simplex_543_ex_validator",
        "epoch_edge_during_view_change",
        "all_power_cut_at_each_effect",
        "twins_split_brain_n4",
        "disjoint_sets_old_new_view",
    }
)
BITES = [(name, mutant) for name, scenario in SCENARIOS.items() for mutant in scenario.kills]


def test_every_required_scenario_is_there() -> None:
    """By name; and no transcript is left of one that is gone."""
    assert set(SCENARIOS) >= REQUIRED
    assert {path.stem for path in TRANSCRIPTS.glob("*.txt")} == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_holds_and_reads_as_reviewed(name: str) -> None:
    """A change of behaviour shows as a diff here; ``scripts/scenarios --write`` accepts it."""
    expected = (TRANSCRIPTS / f"{name}.txt").read_text()
    played = SCENARIOS[name].transcript()
    lines = difflib.unified_diff(expected.splitlines(), played.splitlines(), "reviewed", "now", lineterm="", n=2)
    assert played == expected, "\n".join(lines)


@pytest.mark.parametrize(("name", "mutant"), BITES)
def test_a_scenario_bites(name: str, mutant: str) -> None:
    """With its rule broken, the scenario's own assertions fail (not only its transcript)."""
    with mutated(mutant), pytest.raises((AssertionError, LookupError)):
        SCENARIOS[name].play()


def test_every_mutant_here_has_a_killer() -> None:
    """The list is data for the killing of mutants too rare for chance: none stands in it without a scenario."""
    assert {mutant for _, mutant in BITES} >= set(MUTANTS)
