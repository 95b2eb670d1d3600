"""Small-scope mutation of messages (ByzzFuzz): any field of any message, one step off or at its extreme."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from random import Random
from typing import Any

from consensus import codec
from consensus import messages as m
from consensus.errors import ConsensusError

HUGE = (0, 1, (1 << 31) - 1, 1 << 32, codec.MAX_VIEW, codec.MAX_VIEW + 1, 1 << 63, (1 << 64) - 1)
"""Integers at the edges of widths and limits."""
ATTEMPTS = 4


def mutate(random: Random, message: m.WireMessage) -> m.WireMessage:
    """``message`` with one field changed, somewhere inside; itself where no attempt gives something that can be
    encoded (a liar, too, must put bytes on the wire)."""
    for _ in range(ATTEMPTS):
        changed = _change(random, message)
        try:
            codec.encode_message(changed)
        except (ValueError, OverflowError, ConsensusError):
            continue
        return changed  # type: ignore[no-any-return]
    return message


def _change(random: Random, item: Any) -> Any:
    if is_dataclass(item) and not isinstance(item, type):
        names = [field.name for field in fields(item) if field.name != "signature"]
        name = random.choice(names)
        return replace(item, **{name: _change(random, getattr(item, name))})
    if isinstance(item, bool):
        return not item
    if isinstance(item, Enum):
        return random.choice(list(type(item)))
    if isinstance(item, int):
        return random.choice(HUGE) if random.random() < 0.4 else max(0, item + random.choice((-1, 1)))
    if isinstance(item, bytes):
        return _change_bytes(random, item)
    if isinstance(item, tuple):
        return _change_tuple(random, item)
    return item


def _change_bytes(random: Random, item: bytes) -> bytes:
    if not item:
        return b"\x00"
    position = random.randrange(len(item))
    flipped = bytes((item[position] ^ 1 << random.randrange(8),))
    return random.choice((item[:position] + flipped + item[position + 1 :], bytes(len(item)), item[:-1]))


def _change_tuple(random: Random, item: tuple[Any, ...]) -> tuple[Any, ...]:
    if not item:
        return item
    position = random.randrange(len(item))
    kind = random.random()
    if kind < 0.25:
        return item[:position] + item[position + 1 :]
    if kind < 0.4:
        return (*item, item[position])
    if kind < 0.5:
        return item[::-1]
    return (*item[:position], _change(random, item[position]), *item[position + 1 :])
