"""``praya demo``: a town to look at, or the story told once."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

SEED_BITS = 32


def demo(
    once: Annotated[bool, typer.Option("--once", help="Tell the whole story without questions, then end.")] = False,
    start: Annotated[
        str | None, typer.Option("--start", help="With --once: begin on this ISO date or UTC time.")
    ] = None,
    strict_time: Annotated[
        bool, typer.Option("--strict-time", help="Each block later than its parent, as other implementations want it.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="With --once: keep the exported chain in this file.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="With --once: seed of the draw of the flipped byte.")
    ] = None,
) -> None:
    """Four banks and an observer on this machine, until interrupted; nothing stays behind."""
    from node.cli.demo.town import Interrupted

    try:
        if once:
            _require_folder(export)
            from node.cli.demo.dates import start_of
            from node.cli.demo.story import tell_once

            tell_once(
                start_of(start) if start is not None else None,
                strict_time=strict_time,
                seed=secrets.randbits(SEED_BITS) if seed is None else seed,
                export_to=None if export is None else export.absolute(),
            )
        else:
            from node.cli.demo.visit import receive

            _refuse_options_of_once(start, export, seed)
            receive(strict_time=strict_time)
    except Interrupted as end:
        typer.echo("\nAll processes ended, the folder is removed.", err=True)
        raise typer.Exit(0 if not once else end.exit_code) from None


def _refuse_options_of_once(*values: object) -> None:
    from node.errors import ConfigError

    if any(value is not None for value in values):
        raise ConfigError("--start, --export and --seed belong to --once", field="once")


def _require_folder(export: Path | None) -> None:
    from node.errors import ConfigError

    if export is not None and not export.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {export.absolute().parent} to write the export to", field="export")
