"""What hosts know of their connections, which is late and, for one host in some runs, wrong for ever (R-9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import types as c

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World


class Links:
    """Tells the hosts of one world whom they are connected to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: dict[int, tuple[int, frozenset[int]]] = {}
        """By node: the process that was told, and what."""

    def changed(self) -> None:
        """Every host learns a while later whom it is connected to now."""
        delay = self._world.options.link_delay_us
        for host in self._world.hosts:
            host.after(self._world.gap(delay), lambda host=host: self._update(host))

    def started(self, host: Host) -> None:
        """A process has begun: it looks at its connections at once, and the others see it come."""
        self._update(host)
        if host.index == self._world.options.flapping:
            self._flap(host)
        self.changed()

    def _update(self, host: Host) -> None:
        others = self._world.others[host.index]
        self._tell(host, frozenset(other for other in others if self._connected(host.index, other)))

    def _connected(self, one: int, other: int) -> bool:
        """Whether a connection between the two can stand: it needs both ends and both directions."""
        network, hosts = self._world.network, self._world.hosts
        cut = network.is_cut(one, other) or network.is_cut(other, one)
        return hosts[one].alive and hosts[other].alive and not cut

    def _flap(self, host: Host) -> None:
        """The fault of one host: it is wrong about its links, again and again, also after all else has healed."""
        random = self._world.scheduler.random
        others = self._world.others[host.index]
        self._tell(host, frozenset(other for other in others if random.random() < 0.5))
        host.after(random.randrange(10_000, 400_000), lambda: self._flap(host))

    def _tell(self, host: Host, links: frozenset[int]) -> None:
        told = (host.generation, links)
        if host.alive and self._told.get(host.index) != told:
            self._told[host.index] = told
            hosts = self._world.hosts
            host.feed(c.PeersReachable(frozenset(hosts[other].address for other in links)))
