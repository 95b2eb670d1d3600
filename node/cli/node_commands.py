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


@app.command("new-key")
def new_key_(
    config: Annotated[Path, typer.Option("--config", help="The node's node.toml.")],
    host: Annotated[list[str] | None, typer.Option("--host", help="Name or address at which peers dial it.")] = None,
) -> None:
    """Draw this bank's next validator key (lost signing state means a new key), and a request for its certificate.

    The request goes to the consortium's authority; its answer belongs beside it, as node.crt.
    """
    from node.app import new_key
    from node.chain.genesis import Genesis
    from node.cli.network_commands import new_key_text
    from node.config import load_config

    settings = load_config(config)
    chain_id = Genesis.load(settings.directory / "genesis.json").chain_id
    hosts = tuple(host) if host else new_key.HOSTS_LOCAL
    made = new_key.prepare(settings.directory, chain_id=chain_id, name=settings.node.name, hosts=hosts)
    typer.echo(new_key_text(made.address, f'"{settings.node.member}"'))
    typer.echo(f"certificate request for the consortium's authority: {made.request}")


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


@app.command()
def check(config: Annotated[Path, typer.Option("--config", help="The stopped node's node.toml.")]) -> None:
    """Rebuild state, tries and indexes from the blocks alone and compare them with what is stored.

    Exit 0 where all is equal, 65 with the first difference. Signatures of banks are the business of `praya audit`.
    """
    from node.audit.progress import shown_progress
    from node.chain.genesis import Genesis
    from node.config import load_config
    from node.execution.check import check_database

    directory = load_config(config).directory
    genesis = Genesis.load(directory / "genesis.json")
    with shown_progress(None, "checking") as progress:
        report = check_database(directory / "chain", genesis, progress=progress)
    typer.echo(
        f"height {report.head}: {report.entries} entries are what the blocks make of them; "
        f"{report.state} accounts and storage words are equal in flat store and tries"
    )
    if report.snapshot is not None:
        typer.echo(f"{report.snapshot.sentence()}; their hashes alone were checked")
