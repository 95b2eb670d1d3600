"""Structured logs: readable on a terminal, JSON lines otherwise; an event is a noun with fields."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

_WITHOUT = "rich"
_present = sys.modules.get(_WITHOUT)
sys.modules[_WITHOUT] = None  # type: ignore[assignment] # structlog loads it where it is, for colours in stack traces
try:
    import structlog
finally:
    del sys.modules[_WITHOUT]
    if _present is not None:
        sys.modules[_WITHOUT] = _present

LEVELS = ("debug", "info", "warning", "error")


def configure_logging(*, level: str = "info", stream: TextIO | None = None, json_lines: bool | None = None) -> None:
    """Set the process's logging once. JSON where the stream is no terminal, unless told otherwise."""
    out = stream if stream is not None else sys.stderr
    as_json = not out.isatty() if json_lines is None else json_lines
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )


def get_logger(room: str) -> Any:
    """A logger that names its room of the house in every line."""
    return structlog.get_logger(room=room)  # a lazy proxy: configured at first use, not at import
