"""What the simulator once found, each as a schedule of its own, kept for ever."""

from __future__ import annotations

from tests.simulation.profiles import Options
from tests.simulation.world import World


def calm_world() -> World:
    """Four honest banks on good links, all running."""
    world = World(1, "scripted", Options(n=4, epoch_length=50, transaction_gap_us=60_000))
    world.begin()
    return world


def run_until_height(world: World, height: int) -> None:
    """Until every bank whose log is sound has committed ``height``."""
    limit = world.scheduler.now_us + 30_000_000
    assert world.scheduler.run(limit, lambda: all(h.ledger.height >= height for h in world.hosts if not h.dead))


def test_refusal_to_vote_outlives_every_restart() -> None:
    """P-18: a bank whose log was rolled back refuses to vote, also after it has followed the chain and restarted
    again. (It once persisted what it followed under low sequence numbers, and then found nothing amiss.)"""
    world = calm_world()
    bank = world.hosts[1]
    run_until_height(world, 2)
    bank.disk.keep_image(bank.wal.last_synced_lsn)
    run_until_height(world, 5)
    bank.damage = "rollback"
    bank.crash()
    assert bank.rolled_back
    for height in (9, 13, 25, 60):
        world.scheduler.run(world.scheduler.now_us + 700_000)
        assert bank.replica.status().refuse_to_vote
        run_until_height(world, height)
        assert bank.ledger.height >= height, "it still follows"
        bank.crash()
    run_until_height(world, 64)
    assert bank.replica.status().refuse_to_vote


def test_a_corrupt_log_keeps_one_bank_down_and_no_other() -> None:
    """P-17: with a flipped bit in its log a bank does not start, and the other three go on."""
    world = calm_world()
    bank = world.hosts[2]
    run_until_height(world, 3)
    bank.damage = "flip"
    bank.crash()
    run_until_height(world, 10)
    assert not bank.alive
    assert world.counts["wal_corrupt"] >= 1
