"""Random schedules of the real core and the real WAL under faults hold every invariant, and come back to life."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.batch import Summary, command, run_batch
from tests.simulation.checker import independent_quorum
from tests.simulation.profiles import PROFILES, Options, draw
from tests.simulation.world import World, run_seed

ROOT = Path(__file__).resolve().parents[2]
AGREEMENT = frozenset({"I1", "I5", "I9"})


def assert_clean(summary: Summary, profile: str) -> None:
    """No failures, or a message with each command that shows one again."""
    told = [f"{failure.violation}: {command(failure.seed, profile)}" for failure in summary.failures]
    assert not told, "\n".join(told)


@pytest.mark.timeout(600)
def test_five_hundred_schedules_at_four_banks() -> None:
    """500 schedules hold I1 to I11 and end with all honest banks at new heights; at least 50 of them held each of:
    a view change, a re-proposal of a prepared block, a restart with votes in the WAL."""
    summary = run_batch("default", range(500))
    print("\n".join(summary.lines()))
    assert_clean(summary, "default")
    assert summary.schedules == 500
    assert summary.with_label["view_entered"] >= 50
    assert summary.with_label["reproposal_of_prepared"] >= 50
    assert summary.with_label["restart_with_votes"] >= 50


@pytest.mark.parametrize(("profile", "count"), [("n1", 20), ("n2", 15), ("n5", 20), ("n7", 10), ("calm", 10)])
def test_other_sizes(profile: str, count: int) -> None:
    """Consortiums of other sizes, where Q is not 2f + 1, and a calm one, hold the same invariants."""
    assert_clean(run_batch(profile, range(count)), profile)


@pytest.mark.parametrize("profile", ["crashes", "byzantine", "rot"])
def test_one_kind_of_fault_alone(profile: str) -> None:
    """Power cuts without liars, liars without power cuts, and damaged logs without either."""
    assert_clean(run_batch(profile, range(60)), profile)


def test_real_signatures_and_bytes_on_the_wire() -> None:
    """With secp256k1 keys and every message encoded, the same holds; a share of all seeds runs so."""
    for seed in range(3):
        options = draw(seed, "default")
        options.real_crypto = options.wire = True
        assert World(seed, "default", options).run().violation is None
    drawn = [draw(seed, "default") for seed in range(1_000)]
    assert 3 <= sum(options.real_crypto for options in drawn) <= 25
    assert all(options.wire for options in drawn if options.real_crypto)


def test_a_seed_is_one_schedule_whatever_the_hash_seed() -> None:
    """The transcript of a seed is the same in every process, also under another PYTHONHASHSEED (I15)."""
    program = "import sys; from tests.simulation.batch import main; sys.exit(main(sys.argv[1:]))"
    for seed, profile in ((7, "default"), (3, "crashes"), (11, "byzantine")):
        arguments = ["--seed", str(seed), "--profile", profile, "--transcript", "--lines", "100000"]
        outputs = {
            subprocess.run(
                [sys.executable, "-c", program, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                check=True,
            ).stdout
            for hash_seed in ("0", "1", "4242")
        }
        assert len(outputs) == 1
        assert len(outputs.pop().splitlines()) > 100


def test_watching_does_not_change_a_run() -> None:
    """A run with a transcript is the run without one."""
    quiet, loud = run_seed(5, "default"), run_seed(5, "default", verbose=True)
    assert (quiet.events, quiet.virtual_us, quiet.counts) == (loud.events, loud.virtual_us, loud.counts)
    assert loud.transcript
    assert not quiet.transcript


def test_more_than_f_faulty_banks_do_break_agreement() -> None:
    """Two liars among four fork the chain in some schedules: invariants that can fail say something by holding."""
    found = 0
    for seed in range(25):
        options = Options(n=4, byzantine={0: ("equivocate", "vote_for_all"), 1: ("vote_for_all",)})
        found += World(seed, "over-faulty", options, enforced=AGREEMENT).run().violation is not None
    assert found >= 2


def test_the_command_reports_and_reproduces() -> None:
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


def test_quorums_of_the_checker_are_the_core_s() -> None:
    """The checker counts quorums by a formula of its own, which agrees with the core's."""
    from consensus.validators import quorum_size

    assert [independent_quorum(n) for n in range(1, 40)] == [quorum_size(n) for n in range(1, 40)]


def test_every_profile_draws() -> None:
    """Each profile's options are a function of the seed, and never more than f banks are Byzantine."""
    for profile in PROFILES:
        for seed in range(50):
            options = draw(seed, profile)
            assert options == draw(seed, profile)
            assert len(options.byzantine) <= (options.n - 1) // 3
