"""Bounds that every door shares. Each is named in the error that enforces it."""

from __future__ import annotations

BODY_BYTES_MAX = 5 * 1024 * 1024
"""A request's body, unless a route states its own (documents)."""
BODY_READ_TIMEOUT_S = 30.0
"""How long a client may take to send its body."""
KEEPALIVE_TIMEOUT_S = 75.0
"""How long an idle connection is kept."""
REQUEST_ID_CHARACTERS_MAX = 64
SHUTDOWN_TIMEOUT_S = 3.0
"""How long running requests may take to end when the door closes."""
