"""The ``praya`` command without a network: its tree, its exit codes, the bounds of its options."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from node.cli.act_commands import ACTS, PROPOSE, add_acts
from tests.network.consortium import praya

LC = """apply issue advise amend accept-amendment reject-amendment present examine refuse waive honour settle cancel
    show list"""
INVOICE = "register buyer-accept offer accept-offer disburse repay show list"
DOC = "submit fetch verify"
CONSORTIUM = "show proposals vote withdraw execute add-bank remove-bank set-validator"
TOP = "network node audit lc invoice doc consortium login logout whoami members worklist drafts approve reject"


def _commands(group: str) -> set[str]:
    app = typer.Typer()
    add_acts(app, group)
    inner = [propose.typer_instance for propose in app.registered_groups]
    return {str(command.name) for each in (app, *inner) if each is not None for command in each.registered_commands}


def test_help_lists_every_group_and_command() -> None:
    """`praya --help` names each group and command with a line of help, `praya lc --help` each act."""
    text = praya("--help").stdout
    assert not [name for name in TOP.split() if not re.search(rf"^\W*{name} +\S", text, re.MULTILINE)]
    lc = praya("lc", "--help").stdout
    assert not [name for name in LC.split() if not re.search(rf"^\W*{name} +\S", lc, re.MULTILINE)]


def test_every_act_has_a_command() -> None:
    """The table of acts and the command line name the same acts, and all that the trade needs are there."""
    commands = {group: _commands(group) for group in ("lc", "invoice", "doc", "consortium")}
    split = [(name.partition(".")[0], name.partition(".")[2].removeprefix(PROPOSE)) for name in ACTS]
    assert not [name for group, name in split if name not in commands[group]]
    assert set(LC.split()) <= commands["lc"]
    assert set(INVOICE.split()) <= commands["invoice"]
    assert set(DOC.split()) <= commands["doc"]
    assert set(CONSORTIUM.split()) <= commands["consortium"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nonsense",), 2, "No such command"),
        (("lc", "issue"), 2, "--mt700"),
        (("lc", "show", "--what"), 2, "No such option"),
        (("network", "up", "--dir", "x", "--banks", "four"), 2, "--banks"),
        (("whoami",), 77, "praya login"),
        (("lc", "list", "--as", "maker@nowhere"), 77, "maker@nowhere"),
        (("login", "--user", "maker"), 78, "--url"),
        (("login", "--user", "maker", "--dir", "absent", "--bank", "harbour"), 78, "no network"),
        (("login", "--user", "maker", "--url", "http://127.0.0.1:1/api/v1"), 69, "cannot reach"),
        (("network", "down", "--dir", "absent"), 78, "no network"),
        (("network", "stop", "harbour", "--dir", "absent"), 78, "no network"),
        (("node", "run", "--config", "absent.toml"), 78, "absent.toml"),
        (("audit", "replay", "--from", "absent.praya"), 78, "absent.praya"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_exit_codes_tell_what_went_wrong(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    """2 usage, 69 unreachable, 77 not allowed, 78 configuration: one line, no stack trace."""
    environment = {"PRAYA_SESSION": str(tmp_path / "sessions.json"), "PRAYA_PASSWORD": "not needed here"}
    result = praya(*arguments, check=False, env=environment)
    assert result.returncode == code, result.stderr
    assert words in _plain(result.stderr)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "limit"),
    [
        ("--banks", "0", "1 to 10"),
        ("--banks", "11", "1 to 10"),
        ("--observers", "11", "0 to 10"),
        ("--accounts", "1001", "0 to 1000"),
        ("--accounts", "-1", "0 to 1000"),
        ("--chain-id", "0", "1 to 4503599627370476"),
        ("--chain-id", "4503599627370477", "1 to 4503599627370476"),
        ("--test-clock", "yesterday", "ISO date"),
    ],
)
def test_options_of_a_network_have_bounds(tmp_path: Path, option: str, value: str, limit: str) -> None:
    """A value outside is refused with 78, the option and its limits, and nothing is written."""
    directory = tmp_path / "net"
    result = praya("network", "init", "--dir", str(directory), f"{option}={value}", check=False)
    assert result.returncode == 78
    assert limit in result.stderr
    assert not directory.exists()


def test_the_largest_chain_id_is_taken_and_init_describes_the_network(tmp_path: Path) -> None:
    """init writes a folder for each node and prints what `up` prints; a second init refuses the folder."""
    options = ("--banks", "1", "--observers", "1", "--accounts", "0", "--chain-id", "4503599627370476")
    described = json.loads(praya("network", "init", "--dir", str(tmp_path / "n"), *options, "--json").stdout)
    assert set(described) == {"chain_id", "genesis_hash", "banks", "observers", "accounts_file"}
    assert described["chain_id"] == 4503599627370476
    bank = described["banks"][0]
    keys = "name pid rpc_url ws_url rest_url console_url metrics_url validator_address log_path"
    assert set(bank) >= set(keys.split())
    assert bank["pid"] is None
    again = praya("network", "init", "--dir", str(tmp_path / "n"), *options, check=False)
    assert (again.returncode, "holds a network already" in again.stderr) == (78, True)


def _plain(text: str) -> str:
    """Without colours, boxes and line breaks."""
    return re.sub(r"[\s│╭╮╰╯─]+", " ", re.sub(r"\x1b\[[0-9;]*m", "", text))
