"""What officers' commands share: whose sign-in, and an answer for a program or for a person."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

As = Annotated[str | None, typer.Option("--as", help="Which sign-in to use: maker, checker@harbour, ...")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]


def show(answer: Any, as_json: bool, text: str) -> None:
    """The whole answer as JSON, or ``text``."""
    typer.echo(json.dumps(answer, indent=1) if as_json else text)
