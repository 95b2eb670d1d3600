"""A mutant: one rule of the core broken, as textual edits to a copy of consensus/."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class StaleMutant(Exception):
    """The text that a mutant replaces is not in the core exactly once: the list must follow the core."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace ``old``, which stands exactly once in the module, by ``new``."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """``profiles``: of the simulator, where chance is to find it; a scenario that must fail under it names it."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    profiles: tuple[str, ...]


def apply(mutant: Mutant, folder: Path) -> None:
    """Make ``folder`` a project whose consensus/ is a broken copy; everything else is linked. Raises StaleMutant."""
    shutil.copytree(ROOT / "consensus", folder / "consensus", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("node", "contracts", "tests", "scripts", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    for edit in mutant.edits:
        path = folder / "consensus" / f"{edit.module}.py"
        path.write_text(edited(path.read_text(), edit, mutant.name))


def edited(text: str, edit: Edit, name: str) -> str:
    """``text`` with the edit made; StaleMutant unless its old text stands there exactly once."""
    if text.count(edit.old) != 1:
        raise StaleMutant(f"{name}: {edit.module}.py has {text.count(edit.old)} times: {edit.old!r}")
    return text.replace(edit.old, edit.new)
