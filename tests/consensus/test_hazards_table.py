"""The table of hazards (README.md) is complete, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLE = (Path(__file__).parent / "README.md").read_text()
HAZARDS = 46
ROW = re.compile(r"^\| (H\d+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


@cache
def functions(path: Path) -> frozenset[str]:
    """Names of the functions that a file defines, read without running it."""
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_hazard_has_its_row() -> None:
    """H1 to H46, once each, in order."""
    assert [name for name, _ in ROW.findall(TABLE)] == [f"H{i}" for i in range(1, HAZARDS + 1)]


def test_every_named_test_exists() -> None:
    """A rename without the table fails here; so does a row without a test."""
    for hazard, cell in ROW.findall(TABLE):
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", cell)
        assert named, hazard
        for path, name in named:
            assert name in functions(TESTS / path), f"{hazard}: {path}::{name}"
