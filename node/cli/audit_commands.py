"""``praya audit``: replay a chain from genesis, or export it with its proofs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from node.audit.source import ChainSource

app = typer.Typer(no_args_is_help=True)

EXIT_FALSE = 3
"""Something does not hold. 0 is for a chain that holds whole, 69 for a source that cannot be reached."""
From = Annotated[str, typer.Option("--from", help="A bank's JSON-RPC (http://...) or an exported file.")]


@app.command()
def replay(
    source: From,
    against: Annotated[
        str | None, typer.Option("--against", help="A second source that must serve the same chain.")
    ] = None,
    to: Annotated[int | None, typer.Option("--to", min=1, help="Stop at this height instead of the head.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write the JSON report to this file.")] = None,
    genesis_hash: Annotated[
        str | None, typer.Option("--genesis-hash", help="The genesis hash you know; without it the source's is taken.")
    ] = None,
    genesis_digest: Annotated[
        str | None,
        typer.Option(
            "--genesis-digest", help="The digest you know of the whole genesis document, parameters included."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON report instead of the verdict.")] = False,
) -> None:
    """Check everything again from genesis, with no trust in the source. Exit 0 only if all holds, 3 if not."""
    from node.audit.progress import shown_progress
    from node.audit.replay import replay_chain

    with (
        _opened(source) as chain,
        _opened(against) if against is not None else nullcontext() as other,
        shown_progress(_total(chain, to)) as progress,
    ):
        outcome = replay_chain(
            chain,
            against=other,
            to=to,
            expected_genesis_hash=genesis_hash,
            expected_genesis_digest=genesis_digest,
            progress=progress,
        )
    text = json.dumps(outcome.to_json(), indent=2)
    if report is not None:
        _write(report, text + "\n")
    typer.echo(text if as_json else outcome.verdict())
    raise typer.Exit(0 if outcome.holds else EXIT_FALSE)


@app.command()
def export(
    source: From,
    to: Annotated[Path, typer.Option("--to", help="The file to write.")],
    form: Annotated[str, typer.Option("--format", help="praya (with proofs) or rlp (bare blocks).")] = "praya",
    last: Annotated[int | None, typer.Option("--last", min=1, help="Stop at this height instead of the head.")] = None,
) -> None:
    """Write the chain to one file: genesis, blocks, certificates and validator sets."""
    from node.audit.export_file import write_export
    from node.audit.progress import shown_progress
    from node.errors import ConfigError

    if form not in ("praya", "rlp"):
        raise ConfigError(f"format {form!r} is neither praya nor rlp", field="format")
    with _opened(source) as chain, shown_progress(_total(chain, last), "exporting") as progress:
        count = write_export(to, chain.genesis(), chain.blocks(last), bare=form == "rlp", progress=progress)
    typer.echo(f"{count} blocks written to {to}")


@contextmanager
def _opened(source: str) -> Iterator[ChainSource]:
    chain = _open(source)
    try:
        yield chain
    finally:
        chain.close()


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


def _total(chain: ChainSource, to: int | None) -> int | None:
    """The last height for the progress bar; None where the source's word is no number: the replay will say so."""
    from node.audit.source import SourceFault

    try:
        return chain.height() if to is None else min(to, chain.height())
    except SourceFault:
        return to


def _write(path: Path, text: str) -> None:
    from node.errors import ConfigError

    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error}", field="report") from error
