"""The table of rules (PROTOCOL.md) names only what exists: every place in the code, every test, every rule."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "tests" / "PROTOCOL.md").read_text()


def test_every_place_and_test_in_the_table_exists() -> None:
    """A rename without the table fails here."""
    named = re.findall(r"`([\w/]+\.py)(?:::?(\w+))?`", TABLE)
    assert len(named) > 60
    for path, name in named:
        source = (ROOT / path).read_text()
        assert not name or re.search(rf"^\s*(?:async def|def|class) {name}\b", source, re.MULTILINE), f"{path}: {name}"


def test_every_rule_has_a_line() -> None:
    """P-1 to P-20."""
    assert {int(number) for number in re.findall(r"^\| P-(\d+) \|", TABLE, re.MULTILINE)} == set(range(1, 21))
