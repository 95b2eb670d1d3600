"""The breadth-first search over global states: one local state for each honest node, and the set of all facts."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from tests.model.facts import Facts, bits
from tests.model.keys import message_key, rename
from tests.model.local import Action, Locals, Outcome
from tests.model.menu import Bundle, Menu
from tests.model.properties import Properties, tell
from tests.model.setting import Bounds, Setting

State = tuple[tuple[int, ...], int]
"""The local state of each honest node, and the facts as a word."""
_STATE_BITS = 24
"""Room for the number of a local state in a packed global state."""


@dataclass
class Report:
    """What a search came to."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    exhausted: bool = False
    local_states: int = 0
    steps: int = 0
    seconds: float = 0.0
    violation: tuple[str, str] | None = None
    trace: list[str] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    """New states at each depth."""


class Symmetry:
    """Renamings under which the protocol is the same; of each orbit of states one is searched."""

    def __init__(self, bounds: Bounds, nodes: tuple[int, ...], locals_: Locals) -> None:
        self._locals, self._nodes = locals_, nodes
        swaps = [frozenset(c) for k in range(len(bounds.swap) + 1) for c in combinations(bounds.swap, k)]
        pairs: list[dict[int, int]] = [{}]
        if bounds.alike:
            one, two = bounds.alike
            pairs.append({one: two, two: one})
        self._renamings = [(swap, pair) for swap in swaps for pair in pairs if swap or pair]
        self._states: list[dict[int, int]] = [{} for _ in self._renamings]
        self._facts: list[dict[int, int]] = [{} for _ in self._renamings]
        self._words: list[dict[int, int]] = [{} for _ in self._renamings]
        self._places = []
        for _, pair in self._renamings:
            self._places.append([nodes.index(pair.get(node, node)) for node in nodes])

    def canonical(self, state: State) -> int:
        """The least of the packed renamings of ``state``."""
        locals_, mask = state
        best = pack(locals_, mask)
        for which in range(len(self._renamings)):
            moved = [0] * len(locals_)
            for place, number in enumerate(locals_):
                moved[self._places[which][place]] = self._state(which, number)
            other = pack(tuple(moved), self._word(which, mask))
            if other < best:
                best = other
        return best

    def _state(self, which: int, number: int) -> int:
        known = self._states[which].get(number)
        if known is None:
            swap, pair = self._renamings[which]
            node, *rest = self._locals.state_keys[number]
            key = (pair.get(node, node), *rename(tuple(rest), swap, pair))
            known = self._states[which][number] = self._locals.state(key, None)
        return known

    def _word(self, which: int, mask: int) -> int:
        words = self._words[which]
        known = words.get(mask)
        if known is None:
            known = 0
            for fact in bits(mask):
                known |= 1 << self._fact(which, fact)
            words[mask] = known
        return known

    def _fact(self, which: int, fact: int) -> int:
        known = self._facts[which].get(fact)
        if known is None:
            swap, pair = self._renamings[which]
            known = self._locals.fact(rename(self._locals.facts[fact], swap, pair))
            self._facts[which][fact] = known
        return known


def pack(locals_: tuple[int, ...], mask: int) -> int:
    """A global state as one number."""
    word = mask
    for number in locals_:
        word = word << _STATE_BITS | number
    return word


class Search:
    """One configuration, searched from its beginning."""

    def __init__(self, bounds: Bounds, only: frozenset[str] | None = None) -> None:
        """``only``: the properties that end the search; None for all."""
        self.setting = Setting(bounds)
        self.locals = Locals(self.setting)
        self.facts = Facts(self.locals)
        self.menu = Menu(self.setting, self.locals, self.facts)
        self.properties = Properties(self.setting, self.locals, self.facts, only)
        self.nodes = self.setting.honest
        self._beginning: State = ((), 0)
        self.seen: set[int] = set()
        """Canonical forms of all states found."""
        self.symmetry = Symmetry(bounds, self.nodes, self.locals)
        self._outcomes: dict[tuple[int, Bundle, int], Outcome | None] = {}
        self._events: list[tuple[int, Bundle]] = []
        self._event_numbers: dict[tuple[int, Bundle], int] = {}
        self._parents = array("q")
        self._causes = array("l")

    def run(self, limit: int, seconds: float = float("inf")) -> Report:
        """Search until a property falls, nothing is new, ``limit`` distinct states are found or time is up."""
        began = time.monotonic()
        report = Report()
        seen = self.seen
        first = self._first()
        if self.setting.bounds.prelude is not None:
            first = self._after_prelude(self.setting.bounds.prelude)
        self._beginning = first
        seen.add(self.symmetry.canonical(first))
        self._remember(-1, -1)
        level: list[tuple[int, State]] = [(0, first)]
        report.states, report.levels = 1, [1]
        while level and report.violation is None:
            following: list[tuple[int, State]] = []
            for number, state in level:
                for cause, after, facts in self._successors(state):
                    report.transitions += 1
                    fallen = self._judge(state[1], facts)
                    if fallen is None:
                        canonical = self.symmetry.canonical(after)
                        if canonical in seen:
                            continue
                        seen.add(canonical)
                    self._remember(number, cause)
                    following.append((report.states, after))
                    report.states += 1
                    if fallen is not None:
                        report.violation = fallen
                        report.trace = self._trace(report.states - 1)
                        break
                if report.violation or report.states >= limit or time.monotonic() - began > seconds:
                    break
            else:
                report.levels.append(len(following))
                report.depth += bool(following)
                level = following
                continue
            report.levels.append(len(following))
            report.depth += 1
            break
        else:
            report.exhausted = not level
        report.local_states = len(self.locals.states)
        report.steps = self.locals.steps
        report.seconds = time.monotonic() - began
        return report

    def _first(self) -> State:
        outcomes = [self.locals.begin(node) for node in self.nodes]
        return tuple(outcome.state for outcome in outcomes), self._word(outcomes)

    def _after_prelude(self, view: int) -> State:
        """Have the first epoch's validators alone come to its end, in a way that has decided its last block in ``view``
        and has seen a NEW-VIEW of view 1; then leave to the rest of the search those who are in the next set."""
        everybody = self.nodes
        self.nodes = tuple(node for node in everybody if node in self.setting.nodes(0))
        first = self._first()
        seen, level, found = {first}, [first], None
        while level and found is None:
            following = []
            for state in level:
                for _, after, _ in self._successors(state):
                    if after not in seen:
                        seen.add(after)
                        following.append(after)
                        if found is None and self._is_over(after[1], view):
                            found = after
            level = following
        assert found is not None
        reached = dict(zip(self.nodes, found[0], strict=True))
        self.nodes = tuple(node for node in everybody if node in self.setting.nodes(1))
        begun = {node: self.locals.begin(node).state for node in self.nodes if node not in reached}
        return tuple((reached | begun)[node] for node in self.nodes), found[1]

    def _is_over(self, mask: int, view: int) -> bool:
        facts = self.facts
        last = self.setting.bounds.epoch_length - 1
        liars = len(self.setting.liars(0))
        decided = any(
            (mask & word).bit_count() + liars >= self.setting.quorum(0)
            for place, word in facts.commits.items()
            if place[:3] == (0, view, last)
        )
        return decided and bool(facts.new_views[(0, 1)] & mask)

    @staticmethod
    def _word(outcomes: list[Outcome]) -> int:
        word = 0
        for outcome in outcomes:
            for fact in outcome.facts:
                word |= 1 << fact
        return word

    def _successors(self, state: State) -> Iterator[tuple[int, State, tuple[int, ...]]]:
        locals_, mask = state
        for place, number in enumerate(locals_):
            for bundle in self.menu.bundles(number, mask):
                outcome = self._act(number, bundle, mask)
                if outcome is None:
                    continue
                word = mask
                for fact in outcome.facts:
                    word |= 1 << fact
                if word == mask and outcome.state == number:
                    continue
                after = (*locals_[:place], outcome.state, *locals_[place + 1 :])
                yield self._event(place, bundle), (after, word), outcome.facts

    def _act(self, number: int, bundle: Bundle, mask: int) -> Outcome | None:
        # Each crash is a fact of its own, so that they can be counted.
        crashes = (mask & self.facts.crashes).bit_count()
        key = (number, bundle, crashes)
        if key in self._outcomes:
            return self._outcomes[key]
        self.locals.crashes = crashes
        outcome: Outcome | None = self.locals.act(number, tuple(self.menu.items[i] for i in bundle))
        if outcome is not None and outcome.state == number and not outcome.facts:
            outcome = None
        self._outcomes[key] = outcome
        return outcome

    def _judge(self, mask: int, facts: tuple[int, ...]) -> tuple[str, str] | None:
        for fact in facts:
            if not mask >> fact & 1:
                fallen = self.properties.judge(fact, mask)
                if fallen is not None:
                    return fallen
                mask |= 1 << fact
        return None

    # --- traces -----------------------------------------------------------------------------------------

    def _event(self, place: int, bundle: Bundle) -> int:
        key = (place, bundle)
        number = self._event_numbers.get(key)
        if number is None:
            number = self._event_numbers[key] = len(self._events)
            self._events.append(key)
        return number

    def _remember(self, parent: int, cause: int) -> None:
        self._parents.append(parent)
        self._causes.append(cause)

    def _trace(self, number: int) -> list[str]:
        """The events that lead to a state, replayed from the beginning, in words."""
        causes: list[int] = []
        while self._parents[number] >= 0:
            causes.append(self._causes[number])
            number = self._parents[number]
        state, lines = self._beginning, []
        for cause in reversed(causes):
            place, bundle = self._events[cause]
            locals_, mask = state
            outcome = self._act(locals_[place], bundle, mask)
            assert outcome is not None
            heard = "; ".join(self._tell_item(item) for item in bundle)
            lines.append(f"node {self.nodes[place]}: {heard}")
            for fact in outcome.facts:
                if not mask >> fact & 1:
                    lines.append(f"    -> {tell(self.locals.facts[fact])}")
                    mask |= 1 << fact
            state = ((*locals_[:place], outcome.state, *locals_[place + 1 :]), mask)
        return lines

    def _tell_item(self, number: int) -> str:
        item = self.menu.items[number]
        if isinstance(item, Action):
            return {"timer": "its timer fires", "build": "its block is built"}.get(item.kind, item.kind)
        return "hears " + tell(message_key(self.setting, item))
