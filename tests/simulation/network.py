"""The simulated network: messages are dropped, doubled, delayed and reordered, and links are cut in one direction.

It carries callables with a label, so that consensus messages, fetches and sync share one set of faults.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.scheduler import Scheduler


@dataclass(slots=True)
class LinkQuality:
    """How bad every link is; probabilities and microseconds."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay_min_us: int = 1_000
    delay_mean_us: int = 10_000
    slow: float = 0.0
    """Share of messages that take up to fifty times the mean."""


class Network:
    """Links between node indexes."""

    def __init__(self, scheduler: Scheduler, n: int, quality: LinkQuality) -> None:
        self._scheduler = scheduler
        self._n = n
        self.quality = quality
        self._cut: set[tuple[int, int]] = set()
        self._sound: frozenset[int] = frozenset()
        self._bound_us = 0
        self.sent = 0

    def is_cut(self, source: int, target: int) -> bool:
        """Whether nothing passes from source to target now."""
        sound = source in self._sound and target in self._sound
        return (source, target) in self._cut and not sound

    def send(self, source: int, target: int, deliver: Callable[[], None]) -> None:
        """Carry one message, or lose it."""
        self.sent += 1
        random, quality = self._scheduler.random, self.quality
        if self._sound and source in self._sound and target in self._sound:
            self._scheduler.after(1 + int(random.random() * self._bound_us), deliver)
            return
        if (source, target) in self._cut:
            return
        copies = 1
        if quality.drop and random.random() < quality.drop:
            return
        if quality.duplicate and random.random() < quality.duplicate:
            copies = 2
        for _ in range(copies):
            delay = quality.delay_min_us + int(random.expovariate(1.0) * quality.delay_mean_us)
            if quality.slow and random.random() < quality.slow:
                delay += int(random.random() * 50 * quality.delay_mean_us)
            self._scheduler.after(delay, deliver)

    def cut_links(self) -> list[tuple[int, int]]:
        """Every cut direction, ascending."""
        return sorted(self._cut)

    def partition(self, group: frozenset[int]) -> None:
        """Cut every link between the group and the rest, both ways."""
        for a in range(self._n):
            for b in range(self._n):
                if (a in group) != (b in group):
                    self._cut.add((a, b))

    def cut(self, source: int, target: int) -> None:
        """Cut one direction of one link."""
        self._cut.add((source, target))

    def keep_sound(self, nodes: frozenset[int], bound_us: int) -> None:
        """From now on every message between ``nodes`` arrives within ``bound_us``; other links stay as they are."""
        self._sound, self._bound_us = nodes, bound_us

    def heal(self) -> None:
        """Restore every cut link."""
        self._cut.clear()
