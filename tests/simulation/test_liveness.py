"""After the network heals for a core of Q honest banks, the core moves within the bound of partial synchrony."""

from __future__ import annotations

import pytest

from tests.simulation.batch import run_batch
from tests.simulation.profiles import Options
from tests.simulation.test_schedules import assert_clean
from tests.simulation.world import World


@pytest.mark.timeout(300)
def test_a_healed_core_commits_within_the_bound() -> None:
    """At the typical parameters (n = 4, delta 50 ms, T0 1 s, Tmax 30 s) every core commits three new heights within B,
    then what waited at GST, then stands at one height; half of them within 3 s of virtual time, 99 % within 35 s."""
    summary = run_batch("liveness", range(40))
    print("\n".join(summary.lines()))
    assert_clean(summary, "liveness")
    times = sorted(summary.recoveries_us)
    assert times[len(times) // 2] < 3_000_000
    assert times[len(times) * 99 // 100] < 35_000_000


def test_the_bound_is_computed_from_failed_views() -> None:
    """With no failed view, B is twice T0 and the next view's patience, and 12 delta and two STATUS intervals."""
    options = Options(liveness=True, timeout_us=1_000_000, timeout_max_us=30_000_000, status_interval_us=1_000_000)
    world = World(1, "scripted", options)
    assert world.run().violation is None
    assert world.healing.bound_us == 2 * 1_000_000 + 2_000_000 + 12 * 50_000 + 2 * 1_000_000


def test_a_core_that_stands_still_is_seen() -> None:
    """The liveness check can fail: with two of four banks cut off for good it does."""
    world = World(2, "scripted", Options(liveness=True))
    world.healing._choose_core = lambda: setattr(world.healing, "_core", world.hosts)  # type: ignore[method-assign]
    world.network.partition(frozenset((0, 1)))
    world.healing.bound_us = 5_000_000
    assert (world.run().violation or "").startswith("liveness")
