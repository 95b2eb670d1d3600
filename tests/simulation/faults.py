"""What goes wrong in a schedule besides liars: crashes, cut links, clocks, full disks, frozen machines.

Every fault that is a moment in time counts against ``options.faults_max``, so that a failing schedule can be shrunk to
the shortest run of faults that still fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.host import Host

if TYPE_CHECKING:
    from tests.simulation.world import World

DISK_FULL_US = 200_000
"""How long a full disk stays full, on average."""


class Faults:
    """Plans and commits the faults of one world, until it heals."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._left = world.options.faults_max

    def begin(self) -> None:
        """Plan the first fault of each kind that the options ask for."""
        o = self._world.options
        for index, kind in o.damage.items():
            self._plan_damage(self._world.hosts[index], kind)
        for gap, fault in (
            (o.crash_gap_us, self._crash),
            (o.cut_gap_us, self._cut),
            (700_000 if o.skew_us else 0, self._clock_jump),
            (o.pause_gap_us, self._pause),
            (o.full_disk_gap_us, self._fill_disk),
        ):
            if gap:
                self._repeat(gap, fault)
        if o.cut_gap_us and self._spend():
            self._cut()  # links may be cut from the beginning

    def _repeat(self, mean_us: int, fault: Callable[[], None]) -> None:
        """``fault`` again and again, ``mean_us`` apart on average."""

        def again() -> None:
            if self._spend():
                fault()
                self._repeat(mean_us, fault)

        self._world.scheduler.after(self._world.gap(mean_us), again)

    def _spend(self) -> bool:
        """Whether one more fault may happen."""
        if self._world.healed or not self._left:
            return False
        self._left -= 1
        return True

    # --- processes and machines ---------------------------------------------------------------------------

    def _crash(self) -> None:
        world, random = self._world, self._world.scheduler.random
        if random.random() < world.options.all_crash:
            for host in world.hosts:
                host.power_cut = True
                if host.alive:
                    host.crash()
        else:
            self._doom(random.choice(world.hosts), effects=40, syncs=6)

    def _doom(self, host: Host, effects: int, syncs: int) -> None:
        """Plan the death of ``host``: between two of its next effects, or inside one of its next syncs."""
        random = self._world.scheduler.random
        host.power_cut = random.random() < 0.7
        if host.power_cut and random.random() < 0.4:
            host.disk.cut_in = random.randrange(syncs)
        else:
            host.crash_in = random.randrange(effects)

    def at_edge(self, host: Host) -> None:
        """``host`` has written the last block before an edge: some crash right there."""
        random, share = self._world.scheduler.random, self._world.options.edge_crash
        if share and random.random() < share and self._spend():
            self._doom(host, effects=12, syncs=3)

    def _pause(self) -> None:
        world, random = self._world, self._world.scheduler.random
        host = random.choice(world.hosts)
        if host.alive and not host.frozen:
            duration = world.gap(random.choice((20_000, 200_000, 800_000)))
            world.count("pause")
            world.note(f"node {host.index} freezes for {duration} us")
            host.freeze(duration, random.choice((0, duration)))

    def _plan_damage(self, host: Host, kind: str) -> None:
        """Plan a crash of ``host`` that its disk does not survive whole."""
        host.damage = kind
        delay = self._world.scheduler.random.randrange(50_000, self._world.options.fault_us)
        self._world.scheduler.after(delay, lambda: host.alive and host.crash())

    def _fill_disk(self) -> None:
        world = self._world
        host = world.scheduler.random.choice(world.hosts)
        host.disk.full = True
        world.note(f"the disk of node {host.index} is full")
        world.scheduler.after(world.gap(DISK_FULL_US), lambda: setattr(host.disk, "full", False))

    # --- links and clocks ---------------------------------------------------------------------------------

    def _cut(self) -> None:
        world, network = self._world, self._world.network
        random, nodes = world.scheduler.random, len(world.hosts)
        kind = random.random()
        if world.options.adaptive and kind < 0.6:
            network.heal()
            for node in world.nodes_of.get(self._victim(), ()):
                network.partition(frozenset((node,)))
        elif kind < 0.35:
            network.heal()
        elif kind < 0.7 and nodes > 1:
            network.partition(frozenset(random.sample(range(nodes), random.randint(1, nodes // 2))))
        elif nodes > 1:
            for _ in range(random.randint(1, nodes)):
                network.cut(*random.sample(range(nodes), 2))
        world.links.changed()
        world.note(f"links cut: {network.cut_links()}")

    def _victim(self) -> bytes:
        """The leader that an adversary would take: of the view that comes next, or of the present one."""
        world = self._world
        statuses = [host.replica.status() for host in world.honest if host.alive]
        if not statuses:
            return b""
        ahead = max(statuses, key=lambda status: (status.epoch, status.promise))
        members = ahead.validators
        return members[(ahead.epoch + ahead.promise + world.scheduler.random.randrange(2)) % len(members)]

    def _clock_jump(self) -> None:
        random, skew = self._world.scheduler.random, self._world.options.skew_us
        random.choice(self._world.hosts).clock.skew_us = random.randint(-skew, skew)
