"""Telling a story: named steps, each printed with the blocks, transactions and gas of what it did."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.cli.demo.town import Town
from node.cli.network.test_clock import as_utc
from node.errors import PrayaError


class StepFailed(PrayaError):
    """The story stopped; the message names the step."""


def print_line(line: str) -> None:
    """At once, also into a pipe."""
    print(line, flush=True)


@dataclass(slots=True)
class Notes:
    """What later steps need of earlier ones."""

    credit: str = ""
    invoice: str = ""
    copy: str = ""
    anchor: str = ""
    rival_offer: dict[str, Any] = field(default_factory=dict)
    export: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called, and what is done."""

    title: str
    play: Callable[[Story], None]


class Story:
    """A town, its papers and a voice."""

    def __init__(
        self,
        town: Town,
        *,
        serial: str,
        seed: int,
        export_to: Path | None = None,
        voice: Callable[[str], None] = print_line,
    ) -> None:
        self.town = town
        self.papers = town.papers(serial)
        self.notes = Notes()
        self.seed = seed
        self.export_to = export_to
        self.voice = voice
        self.acts = 0
        self.gas = 0

    def say(self, text: str) -> None:
        """A line of the present step."""
        for line in text.splitlines():
            self.voice(f"      {line}")

    def act(self, bank: str, act: str, **params: Any) -> dict[str, Any]:
        """Maker drafts, checker approves; printed and returned when final."""
        return self.approve(bank, self.town.desk(bank).draft(act, **params))

    def approve(self, bank: str, draft: dict[str, Any]) -> dict[str, Any]:
        """The checker's half of an act."""
        outcome = self.town.desk(bank).approve(draft)
        for sent in outcome["sent"]:
            self.say(
                f"block {sent['block_number']}  tx {sent['tx_hash']}  gas {sent['gas_used']:,}  {sent['function']}"
            )
            self.gas += sent["gas_used"]
            self.town.saw(sent["block_number"])
        self.acts += 1
        return outcome

    def refused(self, expected: str, attempt: Callable[[], Any]) -> None:
        """``attempt`` must be refused under the name ``expected``; the refusal is printed."""
        try:
            attempt()
        except PrayaError as error:
            if not (error.field or "").startswith(expected):
                raise
            self.say(f"refused: {error.message} [{error.field}]")
            return
        raise StepFailed(f"what must be refused as {expected} was accepted", field=expected)

    def advance(self, seconds: int) -> None:
        """Move the network's clock."""
        self.say(f"block time is now {as_utc(self.town.advance(seconds))}")


def tell(story: Story, steps: Sequence[Step]) -> None:
    """Play the steps in order. StepFailed names the one that failed."""
    started = time.monotonic()
    for number, step in enumerate(steps, start=1):
        print(f"{number:>3}. {step.title}", flush=True)
        try:
            step.play(story)
        except Exception as error:
            reason = error.message if isinstance(error, PrayaError) else f"{type(error).__name__}: {error}"
            where = f" [{error.field}]" if isinstance(error, PrayaError) and error.field else ""
            sys.stdout.flush()
            raise StepFailed(f"step {number} of {len(steps)} failed: {step.title}: {reason}{where}") from error
    print(
        f"\nAll {len(steps)} steps hold: {story.acts} acts, {story.gas:,} gas, {time.monotonic() - started:.1f} s.",
        flush=True,
    )
