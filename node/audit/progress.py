"""How far a replay is: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from node.audit.replay import Progress as Told

LINE_INTERVAL_S = 10.0
"""Where no terminal shows a bar: at most one line in this time, and none of a short replay."""


@contextmanager
def shown_progress(total: int | None, what: str = "replaying") -> Iterator[Told]:
    """Yields a function to be told each finished height and its transactions. ``total``: the last height, if known."""
    if not sys.stderr.isatty():
        yield _Lines(total, what).told
        return
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("blocks, {task.fields[rate]}", justify="right"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, rate="")
        seen = 0

        def told(height: int, transactions: int) -> None:
            nonlocal seen
            seen += transactions
            progress.update(task, completed=height, rate=_rate(height, seen, time.monotonic() - started))

        yield told


class _Lines:
    def __init__(self, total: int | None, what: str) -> None:
        self._total = total
        self._what = what
        self._started = self._shown = time.monotonic()
        self._transactions = 0

    def told(self, height: int, transactions: int) -> None:
        self._transactions += transactions
        now = time.monotonic()
        if now - self._shown < LINE_INTERVAL_S:
            return
        self._shown = now
        elapsed = now - self._started
        line = f"{self._what} {height}"
        if self._total and self._total >= height:
            left = elapsed * (self._total - height) / height
            line += f" of {self._total}, {left:.0f} s left"
        print(f"{line}, {_rate(height, self._transactions, elapsed)}", file=sys.stderr, flush=True)


def _rate(blocks: int, transactions: int, elapsed_s: float) -> str:
    seconds = max(elapsed_s, 1e-3)
    return f"{blocks / seconds:.0f} blocks/s, {transactions / seconds:.0f} transactions/s"
