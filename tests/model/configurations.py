"""The configurations that are searched, by name, and the command that searches one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from tests.model.mutants import MUTANTS, mutated
from tests.model.properties import PROPERTIES
from tests.model.search import Report, Search
from tests.model.setting import Bounds


@dataclass(frozen=True)
class Configuration:
    """``violates``: the properties that must fall, since more is faulty than the protocol bears; none otherwise."""

    about: str
    bounds: Bounds
    violates: frozenset[str] = frozenset()


def liar(*nodes: int) -> frozenset[int]:
    return frozenset(nodes)


SETS = ((0, 1, 2, 3), (4, 5, 6, 7))
CALM = frozenset({"timer:2", "timer:3"})
"""Only node 1 loses patience in epoch 0, which shortens the way to its end."""
CHANGED = ((0, 1, 2, 3), (2, 3, 4, 5))

CONFIGURATIONS: dict[str, Configuration] = {
    "primary": Configuration(
        "the primary of view 0 is Byzantine; two views",
        Bounds(byzantine=liar(0), views=(1,), swap=(1,), alike=(2, 3)),
    ),
    "patient": Configuration(
        "the primary of view 0 is Byzantine and proposes one block; only node 1 loses patience by itself",
        Bounds(byzantine=liar(0), views=(1,), labels=("a",), alike=(2, 3), lost=frozenset({"timer:2", "timer:3"})),
    ),
    "primary-wide": Configuration(
        "as primary; votes are also delivered where they do not belong",
        Bounds(byzantine=liar(0), views=(1,), swap=(1,), alike=(2, 3), wide=True),
    ),
    "next": Configuration(
        "the primary of view 1 is Byzantine; two views",
        Bounds(byzantine=liar(1), views=(1,), swap=(1,), alike=(2, 3)),
    ),
    "next-wide": Configuration(
        "as next; with NEW-VIEWs of too few",
        Bounds(byzantine=liar(1), views=(1,), swap=(1,), alike=(2, 3), wide=True),
    ),
    "backup": Configuration("a backup is Byzantine; two views", Bounds(byzantine=liar(3), views=(1,))),
    "views": Configuration("the primary of view 0 is Byzantine; three views", Bounds(byzantine=liar(0), swap=(1,))),
    "views-next": Configuration(
        "the primary of view 1 is Byzantine; three views", Bounds(byzantine=liar(1), swap=(1,))
    ),
    "views-backup": Configuration("a backup is Byzantine; three views", Bounds(byzantine=liar(3))),
    "views-wide": Configuration(
        "as views; votes are also delivered where they do not belong", Bounds(byzantine=liar(0), swap=(1,), wide=True)
    ),
    "later": Configuration(
        "the primary of view 1 is Byzantine and proposes one block; only node 0 loses patience by itself; three views",
        Bounds(byzantine=liar(1), labels=("a",), lost=frozenset({"timer:2", "timer:3"})),
    ),
    "heights": Configuration(
        "the primary of view 0 is Byzantine; two heights, two views",
        Bounds(byzantine=liar(0), heights=2, views=(1,), swap=(1, 2), alike=(2, 3)),
    ),
    "heights-next": Configuration(
        "the primary of view 1 is Byzantine; two heights, two views",
        Bounds(byzantine=liar(1), heights=2, views=(1,), swap=(1, 2), alike=(2, 3)),
    ),
    "heights-views": Configuration(
        "the primary of view 0 is Byzantine; two heights, three views",
        Bounds(byzantine=liar(0), heights=2, swap=(1, 2)),
    ),
    "crash": Configuration(
        "the primary of view 0 is Byzantine, and a backup dies once and starts again from its log",
        Bounds(byzantine=liar(0), views=(1,), swap=(1,), crashes=1, crashing=liar(2)),
    ),
    "crash-next": Configuration(
        "the primary of view 1 is Byzantine, and the primary of view 0 dies once",
        Bounds(byzantine=liar(1), views=(1,), swap=(1,), alike=(2, 3), crashes=1, crashing=liar(0)),
    ),
    "crash-new-view": Configuration(
        "a backup is Byzantine, and the primary of view 1 dies twice",
        Bounds(byzantine=liar(3), views=(1,), crashes=2, crashing=liar(1)),
    ),
    "crash-heights": Configuration(
        "the primary of view 0 is Byzantine, a backup dies once; two heights",
        Bounds(byzantine=liar(0), heights=2, views=(1,), swap=(1, 2), crashes=1, crashing=liar(2)),
    ),
    "certificates": Configuration(
        "the primary of view 0 is Byzantine; every valid certificate of block 1 may be held, and carried by block 2",
        Bounds(byzantine=liar(0), heights=2, views=(1,), labels=("a",), certificates=True),
    ),
    "certificates-window": Configuration(
        "W = 2; as certificates: block 3 names any valid certificate of block 1; one view",
        Bounds(byzantine=liar(0), heights=3, views=(0,), window=2, labels=("a",), certificates=True),
    ),
    "edge": Configuration(
        "disjoint sets: the last block of epoch 0 is decided in view 0, a NEW-VIEW of view 1 is left over; in epoch 1 "
        "the primary of view 1 is Byzantine",
        Bounds(
            sets=SETS, byzantine=liar(0, 6), heights=2, views=(1, 1), epoch_length=2, prelude=0, swap=(2,), lost=CALM
        ),
    ),
    "edge-later": Configuration(
        "as edge; the last block is decided in view 1",
        Bounds(
            sets=SETS, byzantine=liar(0, 6), heights=2, views=(1, 1), epoch_length=2, prelude=1, swap=(2,), lost=CALM
        ),
    ),
    "edge-changed": Configuration(
        "two of four stay over the edge; in epoch 1 the primary of view 1 is Byzantine",
        Bounds(sets=CHANGED, byzantine=liar(0, 4), heights=2, views=(1, 1), epoch_length=2, prelude=0, swap=(2,)),
    ),
    "edge-wide": Configuration(
        "as edge; NEW-VIEWs of the earlier epoch are delivered too, and nobody's patience ends in epoch 1",
        Bounds(
            sets=SETS,
            byzantine=liar(0, 6),
            heights=2,
            views=(1, 1),
            epoch_length=2,
            prelude=0,
            swap=(2,),
            wide=True,
            lost=CALM | {"timer:4", "timer:5", "timer:7"},
        ),
    ),
    "window": Configuration(
        "W = 2: two heights in flight, two views; the primary of view 0 is Byzantine",
        Bounds(byzantine=liar(0), heights=2, views=(1,), window=2, swap=(1, 2), alike=(2, 3)),
    ),
    "window-next": Configuration(
        "W = 2; the primary of view 1 is Byzantine",
        Bounds(byzantine=liar(1), heights=2, views=(1,), window=2, swap=(1, 2), alike=(2, 3)),
    ),
    "window-backup": Configuration(
        "W = 2; a backup is Byzantine", Bounds(byzantine=liar(3), heights=2, views=(1,), window=2)
    ),
    "window-slow": Configuration(
        "W = 2; a backup is Byzantine, ledgers are written slowly",
        Bounds(byzantine=liar(3), heights=2, views=(1,), window=2, slow=True),
    ),
    "window-three": Configuration(
        "W = 2; three heights, the primary of view 0 is Byzantine",
        Bounds(byzantine=liar(0), heights=3, views=(1,), window=2, swap=(1, 2, 3), alike=(2, 3)),
    ),
    "window-views": Configuration(
        "W = 2; three views, the primary of view 0 is Byzantine",
        Bounds(byzantine=liar(0), heights=2, window=2, swap=(1, 2)),
    ),
    "window-crash": Configuration(
        "W = 2; the primary of view 0 is Byzantine, a backup dies once, ledgers are written slowly",
        Bounds(byzantine=liar(0), heights=2, views=(1,), window=2, swap=(1, 2), crashes=1, crashing=liar(2), slow=True),
    ),
    "window-later": Configuration(
        "W = 2; the primary of view 1 is Byzantine and proposes one block; only node 0 loses patience; three views",
        Bounds(byzantine=liar(1), heights=2, window=2, labels=("a",), lost=frozenset({"timer:2", "timer:3"})),
    ),
    "slow": Configuration(
        "W = 1; the primary of view 1 is Byzantine, ledgers are written slowly; two heights",
        Bounds(byzantine=liar(1), heights=2, views=(1,), swap=(1, 2), alike=(2, 3), slow=True),
    ),
    "two-liars": Configuration(
        "over-faulty: two of four are Byzantine",
        Bounds(byzantine=liar(0, 3), views=(1,), swap=(1,)),
        frozenset({"agreement", "seals", "prepared"}),
    ),
    "two-liars-later": Configuration(
        "over-faulty: the primary of view 1 and a backup are Byzantine",
        Bounds(byzantine=liar(1, 3), views=(1,), swap=(1,)),
        frozenset({"agreement", "seals", "decided"}),
    ),
}


def explore(name: str, states: int, seconds: float = float("inf"), only: frozenset[str] | None = None) -> Report:
    """Search one configuration."""
    return Search(CONFIGURATIONS[name].bounds, only).run(states, seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its status is 0 where the outcome is the one that must be."""
    parser = argparse.ArgumentParser("explore", description=__doc__)
    parser.add_argument("--config", default="", help="a configuration; without it all are listed")
    parser.add_argument("--mutant", default="", help="break one rule first: " + ", ".join(MUTANTS))
    parser.add_argument("--states", type=int, default=1_000_000, help="stop after so many distinct states")
    parser.add_argument("--property", action="append", help="look at this one only (repeatable)")
    options = parser.parse_args(arguments)
    name = options.config or (MUTANTS[options.mutant].configuration if options.mutant else "")
    if not name:
        for known, configuration in CONFIGURATIONS.items():
            print(f"{known:18} {configuration.about}")
        return 0
    configuration = CONFIGURATIONS[name]
    only = frozenset(options.property) if options.property else None
    with mutated(options.mutant) if options.mutant else nullcontext():
        report = explore(name, options.states, only=only)
    show(name, report, only)
    wanted = bool(configuration.violates) or bool(options.mutant)
    return 0 if wanted == (report.violation is not None) else 1


def show(name: str, report: Report, only: frozenset[str] | None) -> None:
    """Print what a search came to."""
    print(f"configuration {name}: {CONFIGURATIONS[name].about}")
    print(
        f"{report.states:,} distinct states, {report.transitions:,} transitions, depth {report.depth}, "
        f"{'exhausted' if report.exhausted else 'not exhausted'}, {report.seconds:.1f} s"
    )
    print(f"{report.local_states:,} local states by {report.steps:,} runs of the real replica")
    print("checked: " + ", ".join(sorted(only or PROPERTIES)))
    if report.violation is None:
        print("no violation")
        return
    print(f"violation of {report.violation[0]}: {report.violation[1]}")
    for line in report.trace:
        print("  " + line)


if __name__ == "__main__":
    sys.exit(main())
