"""The scenarios by name: each is a function of a stage, with the rules (mutants) that it guards."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.scenarios.stage import Stage

WIDTH = 118

Script = Callable[[Stage], None]


@dataclass(frozen=True)
class Scenario:
    """One scripted schedule; ``kills`` names the mutants under which it must fail."""

    name: str
    script: Script
    kills: tuple[str, ...]
    n: int = 4
    options: dict[str, Any] = field(default_factory=dict)

    def play(self) -> Stage:
        """Run the script and check what must always hold; AssertionError where it does not."""
        stage = Stage(self.n, self.name, **self.options)
        stage.begin()
        self.script(stage)
        stage.finish()
        return stage

    def transcript(self) -> str:
        """What is committed under ``transcripts/``."""
        story = textwrap.fill(" ".join((self.script.__doc__ or "").split()), WIDTH)
        return f"{self.name}\n{story}\n\n{self.play().transcript()}"


SCENARIOS: dict[str, Scenario] = {}


def scenario(*, kills: tuple[str, ...] = (), n: int = 4, **options: Any) -> Callable[[Script], Script]:
    """Enter a script under its function's name."""

    def enter(script: Script) -> Script:
        name = script.__name__
        assert name not in SCENARIOS
        SCENARIOS[name] = Scenario(name, script, kills, n, options)
        return script

    return enter
