"""Officers' commands: sign in, draft, approve, read. Each act is a command made from the table of acts."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli import desk
from node.cli.output import As, AsJson, show
from node.client.rest import RestClient
from node.errors import ConfigError, DataError

PASSWORD_ENV = "PRAYA_PASSWORD"  # noqa: S105 - the name of a variable
GROUPS = {
    "lc": "Letters of credit under UCP 600.",
    "invoice": "Invoices and their financing.",
    "doc": "Documents.",
    "consortium": "Members, validators, and the members' votes.",
}


def register(app: typer.Typer) -> None:
    """Add the officers' commands to the tree. The acts are loaded only where one is asked for."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    for name, text in GROUPS.items():
        group = typer.Typer(no_args_is_help=True)
        if wanted == name:
            from node.cli.act_commands import add_acts

            add_acts(group, name)
        app.add_typer(group, name=name, help=text)
    for command in (login, logout, whoami, worklist, drafts, approve, reject, members):
        app.command()(command)


def login(
    user: Annotated[str, typer.Option("--user", help="Officer's name.")],
    url: Annotated[str | None, typer.Option("--url", help="The bank's REST door, .../api/v1.")] = None,
    directory: Annotated[Path | None, typer.Option("--dir", help="A network on this machine.")] = None,
    bank: Annotated[str | None, typer.Option("--bank", help="With --dir: which bank.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Sign in at a bank. With --dir and --bank, the logins of a network on this machine are used."""
    if (url is None) == (directory is None or bank is None):
        raise ConfigError("give either --url, or --dir with --bank", field="url")
    password: str | None = None
    if url is None and directory is not None and bank is not None:
        url, password = _local_login(directory, bank, user)
    assert url is not None
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    password = password or os.environ.get(PASSWORD_ENV) or getpass.getpass(f"{user}'s password: ")
    answer = RestClient(url).post("/session", {"user": user, "password": password})
    name = f"{user}@{bank or url.split('//')[-1].split('/')[0]}"
    desk.save_session(name, desk.Session(url, answer["token"], answer["user"], answer["bank"]))
    typer.echo(f"{name}: signed in at {answer['bank']} as {', '.join(answer['roles'])}")


def logout(as_: As = None) -> None:
    """Sign out."""
    name, session = desk.load_session(as_)
    RestClient(session.rest_url, session.token).delete("/session")
    desk.forget_session(name)
    typer.echo(f"{name}: signed out")


def whoami(as_: As = None, as_json: AsJson = False) -> None:
    """Who is signed in, at which bank, and its today."""
    me = desk.open_desk(as_).get("/me")
    show(me, as_json, f"{me['user']} ({', '.join(me['roles'])}) at {me['name']}, {me['bic']}; today is {me['today']}")


def members(as_: As = None, as_json: AsJson = False) -> None:
    """The consortium's members."""
    rows = desk.open_desk(as_).get("/members")
    show(rows, as_json, "\n".join(f"{r['bic']:<12} {r['role']:<10} {r['place']:<6} {r['name']}" for r in rows))


def worklist(as_: As = None, as_json: AsJson = False) -> None:
    """What waits for you: drafts to approve, and this bank's turns by legal deadline."""
    found = desk.open_desk(as_).get("/worklist")
    lines = [f"approve  {d['id']}  {d['act']}  by {d['maker']}" for d in found["to_approve"]]
    lines += [f"turn     {t['address']}  {t['act']}  due {_when(t['deadline'])}" for t in found["turns"]]
    lines += [f"drafted  {d['id']}  {d['act']}" for d in found["mine"]]
    show(found, as_json, "\n".join(lines) or "nothing waits")


def drafts(
    as_: As = None,
    state: Annotated[str | None, typer.Option("--state", help="pending, approved, final, failed or rejected.")] = None,
    as_json: AsJson = False,
) -> None:
    """Drafts, newest first."""
    rows = desk.open_desk(as_).get("/drafts", **({"state": state} if state else {}))
    show(rows, as_json, "\n".join(f"{d['id']}  {d['state']:<9} {d['act']:<22} by {d['maker']}" for d in rows) or "none")


def approve(
    draft: Annotated[str, typer.Argument(help="The draft's id.")],
    as_: As = None,
    draft_hash: Annotated[
        str | None, typer.Option("--hash", help="The hash you were shown; without it, that of the draft shown now.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Return when the act is final.")] = True,
    as_json: AsJson = False,
) -> None:
    """Approve another person's draft: it is signed, sent, and followed to final."""
    bank = desk.open_desk(as_ or _checker_beside_current())
    if draft_hash is None:
        found = bank.get(f"/drafts/{draft}")
        draft_hash = found["hash"]
        if not as_json:
            typer.echo(f"{found['act']} drafted by {found['maker']}, hash {draft_hash}")
    outcome = bank.post(f"/drafts/{draft}/approval", {"hash": draft_hash, "wait": wait})
    show(outcome, as_json, _outcome_text(outcome))
    if outcome["state"] == "failed":
        raise DataError(f"{draft} failed: {outcome['reason']}", field="draft")


def reject(
    draft: Annotated[str, typer.Argument(help="The draft's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Refuse another's draft, or withdraw your own."""
    outcome = desk.open_desk(as_).post(f"/drafts/{draft}/rejection", {"reason": reason})
    show(outcome, as_json, f"{draft} is {outcome['state']}")


def _outcome_text(outcome: dict[str, Any]) -> str:
    lines = []
    for sent in outcome["sent"]:
        made = f", contract {sent['created']}" if sent["created"] else ""
        lines.append(
            f"{sent['function']}: final in block {sent['block_number']}, transaction {sent['tx_hash']}, "
            f"gas {sent['gas_used']}{made}"
        )
    return "\n".join([*lines, f"{outcome['id']} is {outcome['state']}"])


def _when(seconds: int | None) -> str:
    if seconds is None:
        return "at any time"
    from node.cli.network.test_clock import as_utc

    return as_utc(seconds)


def _local_login(directory: Path, bank: str, user: str) -> tuple[str, str]:
    from node.cli.network.layout import load_network

    network = load_network(directory)
    node = network.node(bank)
    logins = json.loads(network.logins_file.read_text())["logins"]
    for entry in logins:
        if (entry["bank"], entry["user"]) == (bank, user):
            return f"{node.web_url}/api/v1", str(entry["password"])
    raise ConfigError(f"{bank} has no officer {user!r} in {network.logins_file}", field="user")


def _checker_beside_current() -> str | None:
    """The checker who is signed in at the same bank as the current user, where there is one."""
    return desk.sibling("checker")
