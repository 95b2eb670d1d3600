"""``praya audit``: replay a chain from genesis, or export it with its proofs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from node.audit.source import ChainSource

app = typer.Typer(no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help="A bank's JSON-RPC (http://...) or an exported file.")]


@app.command()
def replay(
    source: From,
    report: Annotated[Path | None, typer.Option("--report", help="Write the JSON report to this file.")] = None,
    genesis_hash: Annotated[
        str | None, typer.Option("--genesis-hash", help="The genesis hash you know; without it the source's is taken.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON report instead of the verdict.")] = False,
) -> None:
    """Check everything again from genesis, with no trust in the source. Exit 0 only if all holds."""
    from node.audit.progress import shown_progress
    from node.audit.replay import replay_chain

    chain = _open(source)
    with shown_progress(chain.height()) as progress:
        outcome = replay_chain(chain, expected_genesis_hash=genesis_hash, progress=progress)
    text = json.dumps(outcome.to_json(), indent=2)
    if report is not None:
        report.write_text(text + "\n")
    typer.echo(text if as_json else outcome.verdict())
    raise typer.Exit(0 if outcome.holds else 3)


@app.command()
def export(
    source: From,
    to: Annotated[Path, typer.Option("--to", help="The file to write.")],
    form: Annotated[str, typer.Option("--format", help="praya (with proofs) or rlp (bare blocks).")] = "praya",
) -> None:
    """Write the chain to one file: genesis, blocks, certificates and validator sets."""
    from node.audit.export_file import write_export
    from node.errors import ConfigError

    if form not in ("praya", "rlp"):
        raise ConfigError(f"format {form!r} is neither praya nor rlp", field="format")
    chain = _open(source)
    count = write_export(to, chain.genesis(), chain.blocks(), bare=form == "rlp")
    typer.echo(f"{count} blocks written to {to}")


def _open(source: str) -> ChainSource:
    if source.startswith(("http://", "https://")):
        from node.audit.rpc_source import RpcSource

        return RpcSource(source)
    from node.audit.export_file import ExportFile
    from node.errors import ConfigError

    path = Path(source)
    if not path.is_file():
        raise ConfigError(f"{source} is neither a URL nor a file", field="from")
    return ExportFile(path)
