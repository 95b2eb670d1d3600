"""Options set by hand: ``name=value`` with a Python literal, ``quality.name=value`` for the links'."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tests.simulation.profiles import Options


def apply(options: Options, overrides: Sequence[str]) -> Options:
    """``options``, changed; ValueError on an unknown name or a value that is no literal."""
    for text in overrides:
        name, _, value = text.partition("=")
        target: Any = options
        *path, last = name.split(".")
        for part in path:
            target = getattr(target, part, None)
        if target is None or last not in getattr(type(target), "__dataclass_fields__", {}):
            raise ValueError(f"no option {name!r}")
        setattr(target, last, ast.literal_eval(value))
    return options


def differences(old: Options, new: Options) -> list[str]:
    """The overrides that turn ``old`` into ``new``."""
    return _differences(old, new, "")


def _differences(old: Any, new: Any, prefix: str) -> list[str]:
    found: list[str] = []
    for item in fields(old):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if item.name == "quality":
            found += _differences(before, after, "quality.")
        elif before != after:
            found.append(f"{prefix}{item.name}={after!r}")
    return found
