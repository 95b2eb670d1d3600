"""The progress bar of a replay: blocks, rate and time left, on a terminal; nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def shown_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yields a function to be told each finished height."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda height: None
        return
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed:.0f} blocks/s", justify="right"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("replay", total=total)
        yield lambda height: progress.update(task, completed=height)
