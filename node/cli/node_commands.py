"""``praya node``: run one bank's node from its configuration, and show the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def run(config: Annotated[Path, typer.Option("--config", help="The node's node.toml.")]) -> None:
    """Run a node until SIGTERM or SIGINT; a second signal ends it at once."""
    from node.app import run_node
    from node.config import load_config

    raise typer.Exit(run_node(load_config(config)))


@app.command()
def settings() -> None:
    """Every setting with its default and meaning."""
    from rich.console import Console
    from rich.table import Table

    from node.config import settings_table

    table = Table("setting", "default", "meaning", box=None)
    for row in settings_table():
        table.add_row(*row)
    Console().print(table)
