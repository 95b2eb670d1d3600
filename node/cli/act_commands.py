"""One command for each act of the desk (``node.trade.act_list``), and what officers read about credits and invoices."""

from __future__ import annotations

import base64
import inspect
import mimetypes
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli import desk, texts
from node.cli.output import As, AsJson, show
from node.desk.acts import Act, Param
from node.errors import DataError
from node.governance.acts import ACTS as GOVERNANCE_ACTS
from node.trade.act_list import ACTS as TRADE_ACTS

ACTS: Mapping[str, Act[Any]] = {**TRADE_ACTS, **GOVERNANCE_ACTS}
"""Every act that a bank's desk knows."""
PROPOSE = "propose-"
"""Acts of this beginning are commands of a group of their own: ``praya consortium propose add-bank``."""
FILE_TEXTS = frozenset({"mt700", "mt707", "ubl", "record"})
"""Text parameters that a person has as a file."""
FILE_BYTES_MAX = 10 * 1024 * 1024
_TYPES: dict[str, Any] = {
    "text": str,
    "integer": int,
    "date": str,
    "flag": bool,
    "address": str,
    "hash": str,
    "texts": list[str],
    "settings": list[str],
    "files": list[Path],
    "record": list[str],
}


def add_acts(group: typer.Typer, prefix: str) -> None:
    """Add every act whose name begins with ``prefix``, and the commands that read."""
    proposing = typer.Typer(no_args_is_help=True)
    for name, act in ACTS.items():
        if name.startswith(prefix + "."):
            command = name.removeprefix(prefix + ".")
            inner = proposing if command.startswith(PROPOSE) else group
            inner.command(command.removeprefix(PROPOSE), help=_help(act))(_command(act))
    if proposing.registered_commands:
        group.add_typer(proposing, name="propose", help="Propose a change, and vote for it.")
    for name, function in _READERS[prefix].items():
        group.command(name)(function)


def _help(act: Act[Any]) -> str:
    return f"{act.help[0].upper()}{act.help[1:]}. Makes a draft; another person approves it with `praya approve`."


def _command(act: Act[Any]) -> Callable[..., None]:
    """A function whose signature is the act's parameters, as typer reads it."""
    parameters = [_parameter(param) for param in act.params]
    parameters += [
        inspect.Parameter("as_", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=As),
        inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson),
    ]

    def run(as_: str | None = None, as_json: bool = False, **given: Any) -> None:
        params = {p.name: value for p in act.params if (value := _value(p, given[p.name])) is not None}
        draft = desk.open_desk(as_).post("/drafts", {"act": act.name, "params": params})
        show(draft, as_json, texts.draft_text(draft))

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = _help(act)
    return run


def _parameter(param: Param) -> inspect.Parameter:
    if param.required and (param.kind == "address" or param.name == "proposal"):
        annotation: Any = Annotated[str, typer.Argument(help=param.help)]
        default: Any = inspect.Parameter.empty
    else:
        kind = Path if param.name in FILE_TEXTS else _TYPES[param.kind]
        option = typer.Option("--" + param.name.replace("_", "-"), help=_option_help(param))
        optional = not param.required and param.kind != "flag"
        annotation = Annotated[(kind | None) if optional else kind, option]
        default = False if param.kind == "flag" else (None if optional else inspect.Parameter.empty)
    return inspect.Parameter(param.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _option_help(param: Param) -> str:
    form = {"settings": " (TAG=TEXT, repeatable)", "record": " (KEY=TEXT, repeatable)", "files": " (repeatable)"}
    file = " (file)" if param.name in FILE_TEXTS else form.get(param.kind, "")
    if param.kind == "text" and not file:
        file = " (@FILE reads a file)"
    return (param.help or param.name.replace("_", " ")) + file


def _value(param: Param, given: Any) -> Any:
    """What the desk expects of what was typed; None for an option that was not given."""
    if given is None or given is False or given == []:
        return None
    if isinstance(given, Path):  # exact bytes: a file may state its own encoding
        return read_file(given)
    match param.kind:
        case "text" if given.startswith("@"):
            return read_text(Path(given[1:]))
        case "settings":
            return [list(_pair(param, text)) for text in given]
        case "record":
            return dict(_pair(param, text) for text in given)
        case "files":
            return [read_file(path) for path in given]
    return given


def _pair(param: Param, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        form = "TAG=TEXT" if param.kind == "settings" else "KEY=TEXT"
        raise typer.BadParameter(f"takes {form}, not {text!r}", param_hint=f"--{param.name}")
    return key, value


def read_text(path: Path) -> str:
    """A text file, UTF-8 or Latin-1. DataError names the file."""
    raw = _read(path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DataError(f"{path} is over the size limit of {FILE_BYTES_MAX} bytes", field="file")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", field="file") from error


def read_file(path: Path) -> dict[str, str]:
    """A file as the REST door takes it: name, media type, content in base64. DataError names the file."""
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"name": path.name, "media_type": media_type, "content_base64": base64.b64encode(_read(path)).decode()}


# --- reading --------------------------------------------------------------------------------------------

Address = Annotated[str, typer.Argument(help="The contract's address.")]
All = Annotated[bool, typer.Option("--all", help="Other banks' too.")]
Anchor = Annotated[str, typer.Argument(help="The document's anchor, 0x and 64 hex digits.")]


def lc_show(credit: Address, as_: As = None, as_json: AsJson = False) -> None:
    """One credit: facts, clocks, whose turn it is."""
    found = desk.open_desk(as_).get(f"/credits/{credit}")
    show(found, as_json, texts.credit_text(found))


def lc_list(as_: As = None, everything: All = False, as_json: AsJson = False) -> None:
    """Credits, newest first."""
    rows = desk.open_desk(as_).get("/credits", mine="0" if everything else "1")
    show(rows, as_json, texts.credit_rows(rows))


def lc_apply(
    mt700: Annotated[Path, typer.Option("--mt700", help="The customer's application as an MT700 (file).")],
    lenient: Annotated[bool, typer.Option("--lenient", help="Accept deviations, each named.")] = False,
    note: Annotated[str, typer.Option("--note", help="For the file.")] = "",
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Record a customer's application; it stays in the bank's own database."""
    body = {"mt700": read_text(mt700), "lenient": lenient, "note": note}
    found = desk.open_desk(as_).post("/applications", body)
    show(found, as_json, f"application {found['id']}\n" + texts.reading_text(found["shown"]))


def lc_read(
    mt700: Annotated[Path, typer.Option("--mt700", help="The message (file).")],
    lenient: Annotated[bool, typer.Option("--lenient", help="Accept deviations, each named.")] = False,
    restated: Annotated[list[str] | None, typer.Option("--set", help="TAG=TEXT, repeatable.")] = None,
    advising: Annotated[str | None, typer.Option("--advising", help="Advising bank.")] = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Read and show a credit, with everything that stands in the way of issuing it."""
    pairs = [list(_pair(Param("set", "settings"), text)) for text in restated or []]
    body = {"mt700": read_text(mt700), "lenient": lenient, "set": pairs, "advising": advising}
    found = desk.open_desk(as_).post("/readings/mt700", body)
    show(found, as_json, texts.reading_text(found))


def lc_mt734(
    credit: Address,
    presentation: Annotated[int, typer.Option("--presentation", help="Index of the presentation, from 0.")],
    as_: As = None,
) -> None:
    """The MT734 text of a refusal, for a presenter off the network."""
    found = desk.open_desk(as_).get(f"/credits/{credit}/presentations/{presentation}/mt734")
    typer.echo(found["mt734"])


def invoice_show(invoice: Address, as_: As = None, as_json: AsJson = False) -> None:
    """One invoice with its offers."""
    found = desk.open_desk(as_).get(f"/invoices/{invoice}")
    show(found, as_json, texts.invoice_text(found))


def invoice_list(
    as_: As = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only those in which this bank has a part.")] = False,
    as_json: AsJson = False,
) -> None:
    """Invoices, newest first."""
    rows = desk.open_desk(as_).get("/invoices", mine="1" if mine else "0")
    show(rows, as_json, texts.invoice_rows(rows))


def doc_fetch(
    anchor: Anchor,
    to: Annotated[Path, typer.Option("--to", help="Where to write it.")],
    as_: As = None,
) -> None:
    """Fetch, open and check a document that was sealed for this bank."""
    body, name = desk.open_desk(as_).download(f"/documents/{anchor}")
    to.write_bytes(body)
    typer.echo(f"{name}: {len(body)} bytes written to {to}")


def doc_verify(
    anchor: Anchor,
    file: Annotated[Path | None, typer.Option("--file", help="Check that this file is the document.")] = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Check a document against the chain."""
    bank = desk.open_desk(as_)
    path = f"/documents/{anchor}/verification"
    found = bank.get(path) if file is None else bank.post_bytes(path, _read(file))
    show(found, as_json, "\n".join(f"{key}: {value}" for key, value in found.items()))
    if not found["commitment_holds"] or found["file_matches"] is False:
        raise typer.Exit(1)


def doc_list(
    subject: Annotated[str | None, typer.Option("--subject", help="Of one credit or invoice.")] = None,
    as_: As = None,
    as_json: AsJson = False,
) -> None:
    """Documents that this bank sealed or opened."""
    rows = desk.open_desk(as_).get("/documents", **({"subject": subject} if subject else {}))
    show(rows, as_json, "\n".join(f"{r['anchor']}  {r['kind']:<14} {r['name']}" for r in rows) or "none")


def consortium_show(as_: As = None, as_json: AsJson = False) -> None:
    """Members, validators now and at the edges ahead, votes needed."""
    found = desk.open_desk(as_).get("/consortium")
    show(found, as_json, texts.consortium_text(found))


def consortium_proposals(
    as_: As = None,
    every: Annotated[bool, typer.Option("--all", help="Executed, withdrawn and expired ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Proposals that can be voted on, with their votes."""
    rows = desk.open_desk(as_).get("/consortium/proposals", state="all" if every else "open")
    show(rows, as_json, "\n".join(texts.proposal_text(row) for row in rows) or "none")


def consortium_proposal(
    proposal: Annotated[str, typer.Argument(help="The proposal's id.")], as_: As = None, as_json: AsJson = False
) -> None:
    """One proposal with its votes."""
    found = desk.open_desk(as_).get(f"/consortium/proposals/{proposal}")
    show(found, as_json, texts.proposal_text(found))


_READERS: dict[str, dict[str, Callable[..., None]]] = {
    "lc": {"show": lc_show, "list": lc_list, "apply": lc_apply, "read": lc_read, "mt734": lc_mt734},
    "invoice": {"show": invoice_show, "list": invoice_list},
    "doc": {"fetch": doc_fetch, "verify": doc_verify, "list": doc_list},
    "consortium": {"show": consortium_show, "proposals": consortium_proposals, "proposal": consortium_proposal},
}
