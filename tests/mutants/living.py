"""A mutant in force in this very process: the code of the core's living functions is exchanged for that of the edited
text, wherever they have been imported to. Scenarios are tried so without a process and a copy for each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any
from unittest import mock

from tests.mutants.mutant import ROOT, Mutant, StaleMutant, edited


@contextmanager
def in_force(mutant: Mutant) -> Iterator[None]:
    """The core with this mutant's edits; StaleMutant where they change nothing that runs."""
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        text = texts.get(edit.module) or (ROOT / "consensus" / f"{edit.module}.py").read_text()
        texts[edit.module] = edited(text, edit, mutant.name)
    with ExitStack() as stack:
        for name, text in texts.items():
            module = importlib.import_module(f"consensus.{name}")
            fresh = ModuleType(module.__name__)
            exec(compile(text, module.__file__ or name, "exec"), fresh.__dict__)
            if not _exchange(stack, module, fresh):
                raise StaleMutant(f"{mutant.name}: nothing that runs in {name}.py differs")
        yield


def _exchange(stack: ExitStack, living: Any, fresh: Any) -> int:
    """Make functions and constants of a module or class those of ``fresh`` until ``stack`` is closed; how many."""
    changed = 0
    for name, new in list(vars(fresh).items()):
        old = vars(living).get(name)
        if name.startswith("__"):
            continue
        if isinstance(new, FunctionType) and isinstance(old, FunctionType):
            if new is not old and _differs(old.__code__, new.__code__):
                stack.callback(setattr, old, "__code__", old.__code__)
                old.__code__ = new.__code__
                changed += 1
        elif isinstance(new, type) and isinstance(old, type):
            if new is not old:  # what is imported is one and the same; what is defined here was made anew
                changed += _exchange(stack, old, new)
        elif name not in vars(living) or (isinstance(new, int | str | bytes) and new != old):
            stack.enter_context(mock.patch.object(living, name, new, create=True))
            changed += 1
    return changed


def _differs(old: CodeType, new: CodeType) -> bool:
    """Whether they do different things; the lines on which they stand do not count."""
    if (old.co_code, old.co_names, old.co_varnames) != (new.co_code, new.co_names, new.co_varnames):
        return True
    pairs = zip(old.co_consts, new.co_consts, strict=False)
    return len(old.co_consts) != len(new.co_consts) or any(
        _differs(a, b) if isinstance(a, CodeType) and isinstance(b, CodeType) else a != b for a, b in pairs
    )
