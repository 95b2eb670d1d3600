"""How far a replay is, on a terminal and in a log."""

from __future__ import annotations

import sys

import pytest
from rich.console import Console

from node.audit import progress
from node.audit.progress import shown_progress


def test_a_log_gets_lines_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal: a line when the interval is over, on stderr."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with shown_progress(40) as told:
        for height in range(1, 21):
            now[0] += 1.0
            told(height, 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "replaying 10 of 40, 30 s left, 1 blocks/s, 3 transactions/s",
        "replaying 20 of 40, 20 s left, 1 blocks/s, 3 transactions/s",
    ]


def test_an_unknown_or_false_total_is_not_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source's word about its height is no more than that."""
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    for total in (None, 0, 3):
        with shown_progress(total, "exporting") as told:
            told(7, 0)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all(line.startswith("exporting 7, ") for line in lines)


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished blocks, the rate and the time left."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(stderr=stderr, force_terminal=True, width=120))
    with shown_progress(40) as told:
        told(10, 5)
        told(40, 5)
    shown = capsys.readouterr().err
    assert "replaying" in shown and "40/40" in shown and "blocks/s" in shown
