"""``praya status`` and ``praya network status``: alive, ready and progressing, and who is silent."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.network.layout import Network, load_network
from node.cli.output import AsJson
from node.errors import ConfigError, DataError, PrayaError, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

TIMEOUT_S = 5.0
"""How long a node may take to say where it stands."""
FILE_WIDTH = 240
"""Columns where the output is no terminal."""
EXIT_NOT_PROGRESSING = 1
EXIT_NO_ANSWER = UnavailableError.exit_code


def status(
    url: Annotated[str | None, typer.Option("--url", help="The bank's JSON-RPC door.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The bank's node.toml.")] = None,
    directory: Annotated[Path | None, typer.Option("--dir", help="A network on this machine.")] = None,
    bank: Annotated[str | None, typer.Option("--bank", help="With --dir: which bank or observer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Whether one bank is alive, ready and progressing, and if not, why. Exit 0 progressing, 1 not, 69 no answer.

    Progressing: no work waits longer than the named bound without a block, and a quorum is in reach. Ready: it serves
    and may vote.
    """
    door = _door(url, config, directory, bank)
    (found,) = asyncio.run(_ask([door]))
    if isinstance(found, PrayaError):
        raise found
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        _print_bank(found)
    raise typer.Exit(0 if found["progressing"] else EXIT_NOT_PROGRESSING)


def network_status(
    directory: Annotated[Path, typer.Option("--dir", help="Folder of the network.")], as_json: AsJson = False
) -> None:
    """Every node of a network on this machine. Exit 0 where a quorum of banks progresses, 1 where not, 69 no answer."""
    from consensus.validators import quorum_size

    network = load_network(directory)
    answers = asyncio.run(_ask([node.rpc_url for node in network.nodes]))
    banks = {node.name for node in network.banks}
    rows = [_row(node.name, answer) for node, answer in zip(network.nodes, answers, strict=True)]
    progressing = sum(row["progressing"] for row in rows if row["name"] in banks)
    if as_json:
        typer.echo(json.dumps({"progressing": progressing >= quorum_size(len(banks)), "nodes": rows}, indent=1))
    else:
        _print_network(network, rows, progressing)
    if not any(row["live"] for row in rows):
        raise typer.Exit(EXIT_NO_ANSWER)
    raise typer.Exit(0 if progressing >= quorum_size(len(banks)) else EXIT_NOT_PROGRESSING)


def _door(url: str | None, config: Path | None, directory: Path | None, bank: str | None) -> str:
    if sum(given is not None for given in (url, config, directory)) != 1 or (directory is None) != (bank is None):
        raise ConfigError("give one of: --url, --config, or --dir with --bank", field="url")
    if url is not None:
        return url
    if config is not None:
        from node.config import load_config

        listen = load_config(config).listen
        return f"http://{listen.host}:{listen.rpc_port}"
    assert directory is not None and bank is not None
    return load_network(directory).node(bank).rpc_url


async def _ask(doors: Sequence[str]) -> list[dict[str, Any] | PrayaError]:
    """What each node says of itself, or why it does not."""
    from node.client import JsonRpcClient

    async def ask(door: str) -> dict[str, Any] | PrayaError:
        async with JsonRpcClient(door, timeout_s=TIMEOUT_S) as client:
            try:
                answer = await client.call("pbft_status")
            except PrayaError as error:
                return error
        if not isinstance(answer, dict) or "diagnosis" not in answer:
            return DataError(f"{door} is no node that says how it is", field="url")
        return answer

    return list(await asyncio.gather(*(ask(door) for door in doors)))


def _row(name: str, answer: dict[str, Any] | PrayaError) -> dict[str, Any]:
    """One node's line; ``status`` is its whole answer."""
    if isinstance(answer, PrayaError):
        return {"name": name, "live": False, "ready": False, "progressing": False, "diagnosis": answer.message}
    row = {field: answer[field] for field in ("live", "ready", "progressing", "diagnosis")}
    return {"name": name, **row, "status": answer}


# --- for people -------------------------------------------------------------------------------------------


def _print_bank(found: dict[str, Any]) -> None:
    from rich.table import Table

    console = _console()
    console.print(found["diagnosis"], markup=False)
    console.print()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(found):
        facts.add_row(name, value)
    console.print(facts)
    console.print()
    banks = Table("bank", "in reach", "heard", "voted for", "committed", "missed", "wants", box=None, pad_edge=False)
    for bank in found["banks"]:
        banks.add_row(*_bank_cells(bank, found["height"]))
    console.print(banks)


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("node", f"{found['name']}, {found['role']}"),
        ("live / ready / progressing", " / ".join(_yes(found[key]) for key in ("live", "ready", "progressing"))),
        ("height", f"{int(found['height'], 16)}, {found['secondsSinceBlock']} s ago"),
        ("work", _work(found)),
        ("quorum", f"{len(found['reachable'])} of {len(found['validators'])} reachable, {found['quorum']} needed"),
        ("next epoch", _edge(found)),
        ("sync", f"fetching up to {found['sync']['target']}" if found["sync"]["syncing"] else "in step"),
    ]
    if found["snapshot"] is not None:
        rows.append(("history", found["snapshot"]["meaning"]))
    if "view" in found:
        rows += [
            ("agreement", _agreement(found)),
            ("primary", found["primaryName"]),
            ("vote log", _wal(found)),
        ]
    return rows


def _work(found: dict[str, Any]) -> str:
    oldest = found["oldestPendingSeconds"]
    age = f", the oldest for {oldest} s" if oldest is not None else ""
    return f"{found['pendingTransactions']} transactions wait{age}; overdue after {found['overdueAfterSeconds']:.0f} s"


def _edge(found: dict[str, Any]) -> str:
    change = found["setChange"]
    waits = f"; {len(change['validators'])} validators from block {change['height']}" if change is not None else ""
    return f"from block {found['nextEpochEdge']}{waits}"


def _agreement(found: dict[str, Any]) -> str:
    where = f"epoch {found['epoch']}, view {found['view']}"
    if found["phase"] != "normal":
        where += f", changing to view {found['promise']}"
        where += f" for {found['viewChangeSeconds']} s" if found["viewChangeSeconds"] is not None else ""
    return f"{where}; {found['failedViews']} failed views, patience {found['patienceSeconds']} s"


def _wal(found: dict[str, Any]) -> str:
    if found["refuseToVote"]:
        return f"refuses to vote: {found['refuseToVote']}"
    wal = found["wal"]
    return f"synced to record {wal['synced_lsn']}" if wal["usable"] else "not usable"


def _bank_cells(bank: dict[str, Any], height: str) -> tuple[str, ...]:
    if bank["me"]:
        return (f"{bank['name']} (this node)", "yes", "", "", str(int(height, 16)), "", "")
    heard = "never" if bank["lastHeardSeconds"] is None else f"{bank['lastHeardSeconds']} s ago"
    reach = "yes" if bank["reachable"] else "silent" if bank["connected"] else "no"
    wants = f"view {bank['wantsView']} ({bank['reason']})" if bank["wantsView"] is not None else ""
    committed = "?" if bank["committed"] is None else str(bank["committed"])
    return (bank["name"], reach, heard, str(bank["lastVoteHeight"]), committed, str(bank["missedVotes"]), wants)


def _print_network(network: Network, rows: Sequence[dict[str, Any]], progressing: int) -> None:
    from rich.table import Table

    table = Table("node", "live", "ready", "progressing", "height", "view", "what it says", box=None, pad_edge=False)
    for row in rows:
        found = row.get("status", {})
        marks = (_yes(row[key]) for key in ("live", "ready", "progressing"))
        height = str(int(found["height"], 16)) if found else ""
        table.add_row(row["name"], *marks, height, str(found.get("view", "")), row["diagnosis"])
    console = _console()
    console.print(f"{progressing} of {len(network.banks)} banks progress")
    console.print()
    console.print(table)


def _console() -> Console:
    from rich.console import Console

    # A sentence is one line for whoever reads it with a program; a table is as wide as it is.
    return Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
