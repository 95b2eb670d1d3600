"""The shape of a method: everything that dispatch, documentation and tests need to know of it, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from node.rpc.params import Param


class Runs(Enum):
    """Where a handler runs."""

    LOOP = "loop"
    """On the event loop: cheap, or touches the pool. Called as handler(context, *arguments).

    One that meets a block which is not kept decoded (ColdBlock) is called again in a worker thread."""
    THREAD = "thread"
    """In a worker thread: executes, or reads many blocks. Called as handler(context, *arguments)."""
    FILTERS = "filters"
    """In a worker thread, with the table of installed filters. Called as handler(context, filters, *arguments)."""
    CONNECTION = "connection"
    """On the event loop, with a WebSocket connection. Called as handler(connection, *arguments)."""


@dataclass(frozen=True, slots=True)
class Method:
    """One JSON-RPC method."""

    name: str
    handler: Callable[..., Any]
    summary: str
    params: tuple[Param, ...] = ()
    runs: Runs = Runs.LOOP
