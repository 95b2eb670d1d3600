"""Events, effects and messages as readable lines."""

from __future__ import annotations

HIDDEN = ("signature", "certificate", "pre_prepare", "prepares", "seals", "base_certificate")
"""Fields that a transcript leaves out."""


def describe(what: object) -> str:
    """An event, effect or message in one readable line."""
    if isinstance(what, str):
        return what
    if isinstance(what, bytes):
        return what.hex()[:8]
    if isinstance(what, tuple):
        return "(" + ", ".join(describe(item) for item in what) + ")"
    if isinstance(what, frozenset):
        return "{" + ", ".join(sorted(describe(item) for item in what)) + "}"
    fields = getattr(what, "__dataclass_fields__", None)
    if fields is None:
        return str(what)
    parts = [f"{name}={describe(getattr(what, name))}" for name in fields if name not in HIDDEN]
    return f"{type(what).__name__}({', '.join(parts)})"
