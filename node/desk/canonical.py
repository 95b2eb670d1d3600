"""One byte form for what is hashed: JSON with sorted keys."""

from __future__ import annotations

import json
from datetime import date
from typing import Any


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no blanks, UTF-8, no floats by construction."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=jsonable).encode()


def jsonable(value: Any) -> Any:
    """Dates and bytes as text; for ``json.dumps``'s ``default``."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"{type(value).__name__} has no canonical form")
