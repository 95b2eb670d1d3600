"""Officers' commands."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the officers' commands to the tree."""
