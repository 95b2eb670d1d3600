"""Sets of facts as words: bit i is fact number i. Which facts exclude each other, and which belong together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.model.local import Key, Locals

VOTES = ("PrePrepare", "Prepare", "Commit")


def bits(word: int) -> Iterator[int]:
    """The numbers in ``word``, ascending."""
    while word:
        low = word & -word
        yield low.bit_length() - 1
        word ^= low


class Facts:
    """Indexes over the facts of one search, kept as they appear."""

    def __init__(self, locals_: Locals) -> None:
        self._locals = locals_
        locals_.on_fact = self._add
        self.rivals: list[int] = []
        """By fact: those that may never stand beside it."""
        self.bars: list[int] = []
        """By fact: those after which it may not come (a promise bars votes in lower views)."""
        self.prepares: dict[tuple[int, int, int, Key], int] = defaultdict(int)
        """(epoch, view, height, block): honest PREPAREs."""
        self.commits: dict[tuple[int, int, int, Key], int] = defaultdict(int)
        self.proposals: dict[tuple[int, int, int], int] = defaultdict(int)
        """(epoch, view, height): honest PRE-PREPAREs."""
        self.complaints: dict[tuple[int, int], int] = defaultdict(int)
        """(epoch, view wanted)."""
        self.view_changes: dict[tuple[int, int], int] = defaultdict(int)
        self.new_views: dict[tuple[int, int], int] = defaultdict(int)
        """(epoch, view): NEW-VIEWs, honest ones and those that anybody has entered."""
        self.entered: dict[Key, int] = defaultdict(int)
        """NEW-VIEWs entered by honest replicas (whoever made them), by content."""
        self.slots: dict[tuple[int, int, int, int], int] = defaultdict(int)
        """(epoch, view, height, kind): all votes there; for mutants that miscount."""
        self.voting = 0
        """All PREPAREs and COMMITs, and PRE-PREPAREs and NEW-VIEWs: what certificates are made of."""
        self.crashes = 0

    def _add(self, fact: int) -> None:
        key, bit = self._locals.facts[fact], 1 << fact
        rivals = bars = 0
        for other, known in enumerate(self._locals.facts[:fact]):
            if exclude(key, known):
                rivals |= 1 << other
                self.rivals[other] |= bit
            if barred(key, known):
                bars |= 1 << other
            if barred(known, key):
                self.bars[other] |= bit
        self.rivals.append(rivals)
        self.bars.append(bars)
        kind = key[0]
        if kind == "Prepare":
            self.prepares[key[1:5]] |= bit
            self.slots[(*key[1:4], 2)] |= bit
        elif kind == "Commit":
            self.commits[key[1:5]] |= bit
            self.slots[(*key[1:4], 3)] |= bit
        elif kind == "PrePrepare":
            self.proposals[key[1:4]] |= bit
        elif kind == "Complain":
            self.complaints[key[1:3]] |= bit
        elif kind == "ViewChange":
            self.view_changes[key[1:3]] |= bit
        elif kind == "NewView":
            self.new_views[key[1:3]] |= bit
        elif kind == "Crash":
            self.crashes |= bit
        if kind in (*VOTES, "NewView"):
            self.voting |= bit


def exclude(a: Key, b: Key) -> bool:
    """Whether two facts contradict each other: that is what agreement and honesty mean."""
    if a[0] != b[0]:
        return False
    if a[0] == "Delivered":
        return a[1] == b[1] and a[2] != b[2]
    if a[0] == "Prepared":
        return a[1:4] == b[1:4] and a[4] != b[4]
    if a[0] in VOTES:
        return a[1:4] == b[1:4] and a[5] == b[5] and a[4] != b[4]
    if a[0] in ("ViewChange", "NewView"):
        return a[1:3] == b[1:3] and a[-1] == b[-1] and a != b
    return False


def barred(late: Key, early: Key) -> bool:
    """Whether the promise ``early`` forbids that its sender says ``late`` after it."""
    if early[0] != "ViewChange" or late[0] not in VOTES:
        return False
    return late[1] == early[1] and late[5] == early[-1] and late[2] < early[2]
