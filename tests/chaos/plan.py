"""What the nemesis will do, drawn from a seed: rounds of faults that overlap, each healed before the next round.

The plan is the same for a seed on every machine; how far a run comes in its minutes, and what the banks were doing at
each moment, is not. Faults are dealt from a shuffled deck, so that a run of some ten rounds meets every kind.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

BANKS = 4
FAULTY_MAX = 1
"""f: banks whose disk or clock may lie at one time. Everything else may strike any number of them."""
LINK_KINDS = ("reset", "refuse", "one_way", "delay", "throttle", "partition", "isolate", "flapping")
PROCESS_KINDS = ("kill", "kill_two", "pause", "pause_two", "power_cut", "disk_full")
CLOCK_KINDS = ("clock_far", "clock_near")
ROLLBACK_KINDS = ("rollback_chain", "rollback_votes", "rollback_folder")
KINDS = (*PROCESS_KINDS, *LINK_KINDS, *CLOCK_KINDS, *ROLLBACK_KINDS)
SECOND_FAULT_CHANCE = 0.6
DURATION_S = (1.0, 7.0)
START_S = (0.0, 2.0)
CALM_S = (0.5, 2.0)
DELAY_S = (0.02, 0.6)
THROTTLE_BYTES_PER_S = (2_000.0, 60_000.0)
FAR_S = 3_600.0
"""The largest wrong clock of one bank; beyond the tolerance of P-4 at any rate."""
NEAR_S = 2.0
"""Every bank's clock may be off by this at once: two of them are then within the tolerance of 5 s (P-4)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: after ``start_s`` of its round it strikes ``banks`` for ``duration_s``."""

    kind: str
    banks: tuple[int, ...]
    start_s: float
    duration_s: float
    amount: float = 0.0
    """Seconds of delay or clock offset, bytes a second, or bytes of room on the disk; by ``kind``."""

    def __str__(self) -> str:
        banks = ",".join(map(str, self.banks))
        amount = f" {self.amount:.2f}" if self.amount else ""
        return f"{self.kind}({banks}{amount}) at {self.start_s:.1f} for {self.duration_s:.1f} s"


@dataclass(frozen=True, slots=True)
class Round:
    """Faults that overlap, then a calm."""

    number: int
    faults: tuple[Fault, ...]
    calm_s: float

    def __str__(self) -> str:
        return f"round {self.number}: " + "; ".join(map(str, self.faults)) + f"; calm {self.calm_s:.1f} s"


def plan(seed: int) -> Iterator[Round]:
    """Rounds without end."""
    source = random.Random(seed)
    deck: list[str] = []

    def deal(allowed: tuple[str, ...]) -> str:
        """The next kind from the deck that is allowed here; a used-up deck is shuffled anew."""
        for _ in range(2):
            for kind in deck:
                if kind in allowed:
                    deck.remove(kind)
                    return kind
            deck.extend(source.sample(KINDS, len(KINDS)))
        raise AssertionError("every kind is in a fresh deck")

    number = 0
    while True:
        number += 1
        kinds = [deal(KINDS)]
        if kinds[0] not in ROLLBACK_KINDS and source.random() < SECOND_FAULT_CHANCE:
            kinds.append(deal(_beside(kinds[0])))
        faults = tuple(_draw(kind, source) for kind in kinds)
        yield Round(number, faults, source.uniform(*CALM_S))


def _beside(kind: str) -> tuple[str, ...]:
    """What may overlap with ``kind``: one fault of the processes, and anything of the links, at a time."""
    if kind in LINK_KINDS:
        return (*PROCESS_KINDS, *CLOCK_KINDS, *LINK_KINDS)
    return LINK_KINDS


def _draw(kind: str, source: random.Random) -> Fault:
    order = source.sample(range(BANKS), BANKS)
    start, duration = source.uniform(*START_S), source.uniform(*DURATION_S)
    amount = 0.0
    match kind:
        case "kill" | "pause" | "isolate" | "rollback_chain" | "rollback_votes" | "rollback_folder":
            banks = order[:1]
        case "disk_full":
            banks, amount = order[:1], float(source.choice((0, source.randrange(1, 2_000))))
        case "kill_two" | "pause_two" | "reset" | "refuse" | "one_way" | "flapping":
            banks = order[:2]
        case "delay":
            banks, amount = order[: source.choice((2, 4))], source.uniform(*DELAY_S)
        case "throttle":
            banks, amount = order[: source.choice((2, 4))], source.uniform(*THROTTLE_BYTES_PER_S)
        case "clock_far":
            banks, amount = order[:1], source.choice((-1, 1)) * source.uniform(10.0, FAR_S)
        case "clock_near":
            banks, amount = order, source.uniform(0.5, NEAR_S)
        case _:  # partition: the first two against the last two; power_cut: all
            banks = order
    return Fault(kind, tuple(banks), start, duration, amount)
