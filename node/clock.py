"""Time: the machine's two clocks, and the test clock's steps of block time (P-19)."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from node.errors import DataError

CLOCK_FILE = "test-clock.json"
STEPS_MAX = 10_000


class Clock(Protocol):
    """``monotonic_us`` drives timers; ``unix_s`` is block time, which a test clock may move forward."""

    def monotonic_us(self) -> int: ...

    def unix_s(self) -> int: ...


class SystemClock:
    """The machine's clocks as they are."""

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def unix_s(self) -> int:
        return int(time.time())


@dataclass(frozen=True, slots=True)
class ClockStep:
    """From the machine time ``at_s`` on, block time runs ``offset_s`` ahead of the machine's clock."""

    at_s: float
    offset_s: int


class SteppedClock(SystemClock):
    """Block time of a test-clock network: the machine's, ticking, plus the offset of the last step reached (P-19).

    The steps lie in the bank's folder and are read at start and again by :meth:`reload`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps = read_clock_steps(path)

    def unix_s(self) -> int:
        now = time.time()
        return int(now + self._offset_s(now))

    def reload(self) -> list[ClockStep]:
        """Read the file again; the steps that are still to come, in order."""
        self._steps = read_clock_steps(self._path)
        now = time.time()
        return [step for step in self._steps if step.at_s > now]

    def _offset_s(self, now: float) -> int:
        return next((step.offset_s for step in reversed(self._steps) if step.at_s <= now), self._steps[0].offset_s)


def read_clock_steps(path: Path) -> list[ClockStep]:
    """The steps in a bank's ``test-clock.json``. DataError where they are malformed or would move time back."""
    try:
        document = json.loads(path.read_text())
        steps = [ClockStep(float(entry["at_s"]), int(entry["offset_s"])) for entry in document["steps"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no test clock: {error}", field="steps") from error
    if not 0 < len(steps) <= STEPS_MAX:
        raise DataError(f"{path}: {len(steps)} steps, the limit is 1 to {STEPS_MAX}", field="steps")
    for earlier, later in itertools.pairwise(steps):
        if later.at_s < earlier.at_s or later.offset_s < earlier.offset_s:
            raise DataError(f"{path}: the test clock moves forward only", field="steps")
    return steps


def write_clock_steps(path: Path, steps: list[ClockStep]) -> None:
    """Replace the file whole."""
    temporary = path.with_suffix(".new")
    document = {"steps": [{"at_s": step.at_s, "offset_s": step.offset_s} for step in steps]}
    temporary.write_text(json.dumps(document) + "\n")
    temporary.replace(path)
