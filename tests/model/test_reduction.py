"""The reductions lose nothing: whatever happens message by message, in any order, the search has been there."""

from __future__ import annotations

from random import Random

import pytest

from tests.model.configurations import CONFIGURATIONS
from tests.model.facts import bits
from tests.model.local import Action, Item, Local, copy
from tests.model.search import Search
from tests.model.setting import Bounds

WALKS = 12
STEPS = 80


class Walk:
    """The same nodes without the search's reductions: one message at a time, and everything heard is kept."""

    def __init__(self, search: Search, random: Random) -> None:
        self.search, self.random = search, random
        self.nodes: list[Local] = []
        self.numbers: list[int] = []
        """The normal forms of the nodes' states."""
        self.mask = 0
        for node in search.nodes:
            begun = search.locals.begin(node)
            for fact in begun.facts:
                self.mask |= 1 << fact
            self.nodes.append(self._copy(search.locals.at(begun.state)))
            self.numbers.append(begun.state)

    @staticmethod
    def _copy(local: Local) -> Local:
        return Local(local.node, copy(local.replica), local.wal, local.chain)

    def step(self) -> None:
        place = self.random.randrange(len(self.nodes))
        pool = self._pool(place)
        if not pool:
            return
        item = self.random.choice(pool)
        local = self._copy(self.nodes[place])
        facts: list[int] = []
        self.search.locals.work_off(local, [], (item,), facts)
        self.nodes[place] = local
        self.numbers[place] = self.search.locals.number(self._copy(local))
        for fact in facts:
            self.mask |= 1 << fact

    def _pool(self, place: int) -> list[Item]:
        """All that honest nodes have said, all that the menu offers anybody, split into single messages."""
        search = self.search
        said = [m for fact in bits(self.mask) if (m := search.locals.messages[fact]) is not None]
        offered: dict[int, None] = {}
        for other, state in enumerate(self.numbers):
            for bundle in search.menu.bundles(state, self.mask):
                for item in bundle:
                    if other == place or not isinstance(search.menu.items[item], Action):
                        offered[item] = None
        return [*said, *said, *(search.menu.items[item] for item in offered)]


SEARCHED = {
    "new view": CONFIGURATIONS["patient"].bounds,
    "window": Bounds(byzantine=frozenset({0}), heights=2, views=(0,), window=2, swap=(1, 2), alike=(2, 3)),
    "slow": Bounds(byzantine=frozenset({3}), heights=2, views=(0,), window=2, slow=True),
}


@pytest.mark.parametrize("name", SEARCHED)
def test_a_random_walk_stays_within_what_was_searched(name: str) -> None:
    """Every state of unreduced random schedules, in its normal form, is among those of the exhausted search."""
    search = Search(SEARCHED[name])
    report = search.run(10**6)
    assert report.exhausted and report.violation is None
    visited = set()
    for seed in range(WALKS):
        walk = Walk(search, Random(seed))
        for _ in range(STEPS):
            walk.step()
            state = search.symmetry.canonical((tuple(walk.numbers), walk.mask))
            visited.add(state)
            assert state in search.seen
    print(f"{len(visited)} of {report.states} states met")
    assert len(visited) > 40
