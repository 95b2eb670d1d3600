"""Random schedules of the real core and the real WAL under faults hold every invariant, and come back to life."""

from __future__ import annotations

import pytest

from tests.simulation.batch import Summary, run_batch
from tests.simulation.checker import independent_quorum
from tests.simulation.command import command
from tests.simulation.profiles import PROFILES, draw
from tests.simulation.world import World

SIZES = [("n1", 20), ("n2", 15), ("n3", 10), ("n5", 10), ("n7", 4), ("n10", 1), ("calm", 10)]
WINDOWS = [("w2", 40), ("w3", 25), ("w4", 25)]
KINDS = ["byzantine", "crashes", "machines", "rot", "reconfiguration", "twins"]


def assert_clean(summary: Summary, profile: str) -> None:
    """No failures, or a message with each command that shows one again."""
    told = [f"{failure.violation}: {command(failure.seed, profile)}" for failure in summary.failures]
    assert not told, "\n".join(told)


@pytest.mark.timeout(600)
def test_three_hundred_schedules_at_four_banks() -> None:
    """300 schedules hold every invariant and end with all honest banks at new heights; at least 30 of them held each
    of: a view change, a re-proposal of a prepared block, a restart with votes in the WAL."""
    summary = run_batch("default", range(300))
    print("\n".join(summary.lines()))
    assert_clean(summary, "default")
    assert summary.schedules == 300
    for label in ("view_entered", "reproposal_of_prepared", "restart_with_votes", "restored_equal", "light_client"):
        assert summary.with_label[label] >= 30, label
    for label in ("new_view_of_0", "new_view_of_1", "join_by_f_plus_1", "learned_while_changing", "torn_tail"):
        assert summary.with_label[label] >= 3, label
    assert summary.with_label["replayed"] >= 1


@pytest.mark.parametrize(("profile", "count"), SIZES)
def test_other_sizes(profile: str, count: int) -> None:
    """Consortiums of other sizes, where Q is not 2f + 1, and a calm one, hold the same invariants."""
    assert_clean(run_batch(profile, range(count)), profile)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("profile", "count"), WINDOWS)
def test_several_heights_in_flight(profile: str, count: int) -> None:
    """With W = 2 to 4 the same invariants hold, and some NEW-VIEW proposes more than one block again (R-10)."""
    summary = run_batch(profile, range(count))
    assert_clean(summary, profile)
    assert any(summary.with_label[f"new_view_of_{length}"] for length in (2, 3, 4)), summary.with_label


@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", KINDS)
def test_one_kind_of_fault_alone(profile: str) -> None:
    """Liars, power cuts, failing machines, damaged logs, changes of the set and twins, without most of the others."""
    summary = run_batch(profile, range(30))
    assert_clean(summary, profile)
    if profile == "reconfiguration":
        assert summary.with_label["set_entered"] >= 15
    if profile == "machines":
        assert summary.with_label["pause"] >= 4
        assert summary.with_label["disk_full"] >= 1


def test_real_signatures_and_bytes_on_the_wire() -> None:
    """With secp256k1 keys and every message encoded, the same holds; a share of all seeds runs so."""
    for seed in range(3):
        options = draw(seed, "default")
        options.real_crypto = options.wire = True
        assert World(seed, "default", options).run().violation is None
    drawn = [draw(seed, "default") for seed in range(1_000)]
    assert 3 <= sum(options.real_crypto for options in drawn) <= 25
    assert all(options.wire for options in drawn if options.real_crypto)


def test_quorums_of_the_checker_are_the_core_s() -> None:
    """The checker counts quorums by a formula of its own, which agrees with the core's."""
    from consensus.validators import quorum_size

    assert [independent_quorum(n) for n in range(1, 40)] == [quorum_size(n) for n in range(1, 40)]


def test_every_profile_draws_within_its_fault_budget() -> None:
    """Each profile's options are a function of the seed, and in no set that is ever in force more than f are faulty,
    except where a profile is about that."""
    for profile in PROFILES:
        for seed in range(60):
            options = draw(seed, profile)
            assert options == draw(seed, profile)
            faulty = {*options.byzantine, *options.twins, *options.damage, *options.divergent}
            for members in (tuple(range(options.n)), *options.sets):
                within = len(faulty.intersection(members)) <= (len(members) - 1) // 3
                assert members
                assert within or options.over_faulty, (profile, seed)
