"""How a schedule ends: the faults stop, and the consortium must move.

Safety mode heals everything and asks that all honest banks move on within a generous time: most schedules are about
agreement. Liveness mode is the paper's partial synchrony (consensus.md 3.3): at one moment (GST) a core of at least
Q honest banks gets links that deliver within delta; everybody else may stay cut off, slow, down or Byzantine. The core
must then commit within a bound that is computed, not guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.validators import max_faulty, quorum_size
from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

SAFETY_US = 60_000_000
"""Safety mode: virtual time within which a healed consortium must have moved, far above any bound."""
SAFETY_HEIGHTS = 2
LIVENESS_HEIGHTS = 3
SKEW_AFTER_US = 500_000
EVENTS_MAX = 60_000
EQUAL_HEIGHTS_TICKS = 10
"""All of the core stand at one height within so many T_status after the load ends (consensus.md 3.3)."""
REPAIR_TICKS = 2
"""What was lost before GST is said again with the next STATUS of both sides: the bound's own term for repair, since
the 12 delta of consensus.md 3.3 count messages that are sent after GST."""


class Healing:
    """The end of one world's schedule."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.recovery_us = 0
        self.bound_us = SAFETY_US
        self.load_ended = False
        self._core: list[Host] = []
        self._down: set[int] = set()
        self._goal = 0
        self._owed: set[int] = set()
        """Transactions that wait at every bank of the core when all heals: no primary may leave them out for ever."""

    def run(self) -> None:
        """Heal, and wait for what must come; Violation where it does not."""
        world = self._world
        if world.options.liveness:
            self._choose_core()
        else:
            self._heal_all()
        self._goal = max((host.ledger.height for host in self._moving()), default=0) + (
            LIVENESS_HEIGHTS if world.options.liveness else SAFETY_HEIGHTS
        )
        self._owed = set.intersection(*(set(host.pool) for host in self._moving())) if self._moving() else set()
        if not self._enough():
            world.count("no_quorum_left")
            if not world.options.over_faulty:
                world.checker.fail("liveness", "no quorum of sound banks is left within the fault budget")
            return
        healed_at = world.scheduler.now_us
        if world.options.liveness:
            self._wait(self.bound_us, self._new_heights, "3 new heights")
            self.recovery_us = world.scheduler.now_us - healed_at
            rest = healed_at + self.bound_us + self._censorship_us() - world.scheduler.now_us
            self._wait(rest, self._nothing_owed, "transactions that waited at GST")
            self.load_ended = True
            self._wait(EQUAL_HEIGHTS_TICKS * world.options.status_interval_us, self._equal, "equal heights")
        else:
            self._wait(SAFETY_US, lambda: self._new_heights() and self._nothing_owed(), "new heights and transactions")
            self.recovery_us = world.scheduler.now_us - healed_at

    def stays_down(self, host: Host) -> bool:
        """Whether this host is one of those that liveness mode leaves for dead."""
        return host.index in self._down

    def _wait(self, within_us: int, condition: object, what: str) -> None:
        world = self._world
        assert callable(condition)
        if not world.scheduler.run(world.scheduler.now_us + max(0, within_us), condition, EVENTS_MAX):
            storm = world.scheduler.executed >= EVENTS_MAX
            heights = {host.index: host.ledger.height for host in self._moving()}
            world.checker.fail(
                "liveness",
                f"no {what} after {within_us / 1e6:.1f} s{' (event limit)' if storm else ''}: heights {heights}, "
                f"goal {self._goal}, waiting {sorted(self._waiting())[:5]}",
            )

    # --- conditions -----------------------------------------------------------------------------------------

    def _moving(self) -> list[Host]:
        """Banks that must move: the core; in safety mode every honest one whose log and execution are sound."""
        if self._world.options.liveness:
            return self._core
        return [host for host in self._world.honest if not host.dead and host.divergent_from is None]

    def _enough(self) -> bool:
        """Whether a quorum of the current set can vote at all: a run over the fault budget may have none."""
        moving = [host for host in self._moving() if not host.rolled_back]
        if not moving:
            return False
        members = max(moving, key=lambda host: host.ledger.height).ledger.next_validators
        return len({host.address for host in moving} & set(members)) >= quorum_size(len(members))

    def _new_heights(self) -> bool:
        return all(host.ledger.height >= self._goal for host in self._moving())

    def _waiting(self) -> set[int]:
        return set().union(*(self._owed - host.ledger.included for host in self._moving()))

    def _nothing_owed(self) -> bool:
        return all(self._owed <= host.ledger.included for host in self._moving())

    def _equal(self) -> bool:
        return len({host.ledger.height for host in self._core}) == 1

    # --- safety mode ------------------------------------------------------------------------------------------

    def _heal_all(self) -> None:
        world = self._world
        world.healed = True
        world.network.heal()
        world.links.changed()
        quality = world.network.quality
        quality.drop = quality.slow = 0.0
        quality.delay_mean_us = min(quality.delay_mean_us, 8_000)
        world.options.slow_execution = world.options.build_failure = world.options.unavailable = 0.0
        for host in world.hosts:
            self._repair(host)

    def _repair(self, host: Host) -> None:
        host.crash_in = host.disk.cut_in = None
        host.disk.full = False
        host.clock.skew_us = max(-SKEW_AFTER_US, min(SKEW_AFTER_US, host.clock.skew_us))
        if not host.alive:
            self._world.scheduler.after(1_000, lambda: self._world.start(host))

    # --- liveness mode ----------------------------------------------------------------------------------------

    def _choose_core(self) -> None:
        """GST: at least Q sound honest validators, and some of the others with them by chance."""
        world, random = self._world, self._world.scheduler.random
        world.healed = True
        sound = [h for h in world.honest if not h.dead and not h.rolled_back and h.divergent_from is None]
        ahead = max(sound, key=lambda host: host.ledger.height)
        members = [host for host in sound if host.address in ahead.ledger.next_validators]
        quorum = quorum_size(len(ahead.ledger.next_validators))
        self._core = random.sample(members, random.randint(min(quorum, len(members)), len(members)))
        world.network.keep_sound(frozenset(host.index for host in self._core), world.options.delta_us)
        world.links.changed()
        world.options.slow_execution = world.options.build_failure = 0.0
        for host in world.hosts:
            if host in self._core:
                self._repair(host)
            elif not host.faulty and random.random() < 0.3:
                self._down.add(host.index)
                if host.alive:
                    host.crash()
        self.bound_us = self._bound_us()

    def _bound_us(self) -> int:
        """B = T_now + sum over i = 0..f of min(T0 * 2^(k + i), Tmax) + 12 delta (consensus.md 3.3), and the repair
        term: k is the highest count of failed views in the core."""
        o = self._world.options
        k = max((host.replica.status().failed_views for host in self._core if host.alive), default=0)
        f = max_faulty(o.n)

        def patience(failed: int) -> int:
            return min(o.timeout_us << min(failed, 40), o.timeout_max_us)

        views = sum(patience(k + i) for i in range(f + 1))
        return patience(k) + views + 12 * o.delta_us + REPAIR_TICKS * o.status_interval_us

    def _censorship_us(self) -> int:
        """K_censor: T_age has at most doubled once for each view passed for age, f of them in a row were Byzantine,
        and each costs a view change of its own."""
        o = self._world.options
        f = max_faulty(o.n)
        return sum((o.age_limit_us << i) + 2 * o.timeout_us + 12 * o.delta_us for i in range(f + 2))
