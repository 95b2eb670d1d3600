"""The officers' commands against two running banks: text for people, JSON for programs, exit codes, secrets."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.samples import credit_message, document
from tests.network.consortium import Consortium, praya

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("cli-officers")]


@dataclass
class Terminal:
    """A person's terminal: signed in as everybody, with a folder of files."""

    banks: Consortium
    folder: Path

    def run(self, *arguments: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        return praya(*arguments, check=check, env={"PRAYA_SESSION": str(self.folder / "s" / "sessions.json"), **env})

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json").stdout)

    def file(self, name: str, content: str) -> str:
        (self.folder / name).write_bytes(content.encode())
        return str(self.folder / name)

    def message(self, reference: str, **changes: Any) -> str:
        return self.file(f"{reference}.fin", credit_message(reference, **changes))

    def issued(self, reference: str) -> str:
        """The address of a new credit."""
        draft = self.json("lc", "issue", "--mt700", self.message(reference), "--as", "maker@harbour")
        done = self.json("approve", draft["id"], "--as", "checker@harbour")
        return str(done["sent"][-1]["created"])


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    banks = Consortium.up(tmp_path_factory.mktemp("cli"), "--banks", "2")
    made = Terminal(banks, tmp_path_factory.mktemp("home"))
    for bank in banks.names:
        for user in ("maker", "checker"):
            made.run("login", "--dir", str(banks.directory), "--bank", bank, "--user", user)
    yield made
    banks.down()


def test_signing_in_and_out(terminal: Terminal) -> None:
    """The session file is the owner's alone; a wrong password ends with 77; signing out ends the session."""
    file = terminal.folder / "s" / "sessions.json"
    assert file.stat().st_mode & 0o777 == 0o600
    url = terminal.banks.node("harbour")["rest_url"]
    wrong = terminal.run("login", "--url", url, "--user", "maker", check=False, PRAYA_PASSWORD="wrong")
    assert (wrong.returncode, "name or password is wrong" in wrong.stderr) == (77, True)
    terminal.run("login", "--dir", str(terminal.banks.directory), "--bank", "harbour", "--user", "viewer")
    token = json.loads(file.read_text())["sessions"]["viewer@harbour"]["token"]
    terminal.run("logout", "--as", "viewer@harbour")
    assert terminal.run("whoami", "--as", "viewer@harbour", check=False).returncode == 77
    assert token not in file.read_text()


def test_every_reading_command_has_text_and_json(terminal: Terminal) -> None:
    """With --json each prints one JSON value and nothing else, without it text."""
    terminal.issued("CLI-1")
    for arguments in (
        ("whoami",),
        ("members",),
        ("worklist",),
        ("drafts",),
        ("lc", "list"),
        ("invoice", "list"),
        ("doc", "list"),
        ("lc", "read", "--mt700", terminal.message("CLI-R")),
    ):
        assert terminal.json(*arguments, "--as", "maker@harbour") is not None
        text = terminal.run(*arguments, "--as", "maker@harbour").stdout
        assert text.strip()
        assert "{" not in text and "[" not in text, text
        assert not re.search(r"\b1[6-9]\d{8}\b", text), f"seconds since 1970 in {text}"


def test_a_credit_is_shown_for_people(terminal: Terminal) -> None:
    """Amounts with their ISO code, dates in words, banks by name, whose turn it is; --json keeps everything."""
    credit = terminal.issued("CLI-2")
    terminal.run("lc", "advise", credit, "--as", "maker@lioncity")
    text = terminal.run("lc", "show", credit, "--as", "maker@harbour").stdout
    assert f"credit {credit}: issued" in text
    for words in ("USD 100,000.00; drawn USD 0.00", "Harbour Pearl Bank", "reference", "CLI-2", "advise"):
        assert words in text
    assert re.search(r"expires +\d\d \w{3} 20\d\d at SGSIN \(until \w{3} \d\d \w{3} 20\d\d \d\d:\d\d UTC\)", text)
    assert "None" not in text and "{" not in text
    listed = terminal.run("lc", "list", "--as", "maker@harbour").stdout.splitlines()
    assert listed[0].split() == ["credit", "state", "amount", "expires", "issuing", "bank", "next"]
    row = next(line for line in listed if line.startswith(credit))
    assert row.index("USD") > listed[0].index("state")
    whole = terminal.json("lc", "show", credit, "--as", "maker@harbour")
    assert {"parties", "terms", "presentations", "obligations", "timeline", "sealed_terms", "next"} <= set(whole)


def test_a_draft_is_shown_before_it_is_signed(terminal: Terminal) -> None:
    """The maker sees hash, call, terms and what no contract enforces, each on its line, and how it is approved."""
    text = terminal.run("lc", "issue", "--mt700", terminal.message("CLI-3"), "--as", "maker@harbour").stdout
    draft = re.search(r"draft (d-\w+): lc.issue, hash (0x[0-9a-f]{64})", text)
    assert draft
    assert "LetterOfCreditFactory.issue at 0x" in text
    assert re.search(r"amount +USD 100,000\.00", text)
    assert "43P ALLOWED: " in text
    assert f"praya approve {draft[1]} --as checker" in text
    assert "{" not in text
    same = terminal.run("approve", draft[1], "--as", "maker@harbour", check=False)
    assert (same.returncode, "maker is no checker" in same.stderr) == (77, True)
    false = terminal.run("approve", draft[1], "--hash", "0x" + "0" * 64, "--as", "checker@harbour", check=False)
    assert (false.returncode, "has changed" in false.stderr) == (65, True)
    rejected = terminal.run("reject", draft[1], "--reason", "no", "--as", "checker@harbour")
    assert "rejected" in rejected.stdout


def test_as_checker_beside_the_maker(terminal: Terminal) -> None:
    """`--as maker` and `praya approve ID` without --as mean the officers of the bank last signed in at."""
    terminal.run("login", "--dir", str(terminal.banks.directory), "--bank", "harbour", "--user", "maker")
    draft = terminal.json("lc", "issue", "--mt700", terminal.message("CLI-4"), "--as", "maker")
    outcome = terminal.run("approve", draft["id"]).stdout
    assert re.search(
        r"issue: final in block \d+, transaction 0x[0-9a-f]{64}, gas \d+, contract 0x[0-9a-f]{40}", outcome
    )
    assert outcome.strip().endswith("is final")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("lc", "issue", "--mt700", "{bad}"), 65, "43P"),
        (("lc", "issue", "--mt700", "{absent}"), 65, "cannot read"),
        (("lc", "amend", "0x" + "1" * 40, "--set", "32B"), 2, "TAG=TEXT"),
        (("lc", "show", "0x12"), 65, "40 hex digits"),
        (("lc", "advise", "0x" + "1" * 40), 65, "no credit"),
        (("invoice", "register", "--ubl", "{entities}"), 65, "entities"),
        (("doc", "submit", "--documents", "{large}", "--recipients", "LCMBSGS0"), 65, "limit"),
        (("approve", "d-000000000000", "--as", "checker@harbour"), 65, "no draft"),
        (("doc", "fetch", "0x" + "1" * 64, "--to", "{absent}"), 65, ""),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)
def test_bad_input_ends_in_one_line(terminal: Terminal, arguments: tuple[str, ...], code: int, words: str) -> None:
    """The reason on stderr, the exit code of its kind, no stack trace."""
    files = {
        "bad": terminal.message("CLI-BAD", replace=(":43P:ALLOWED", ":43P:PERHAPS")),
        "absent": str(terminal.folder / "absent"),
        "entities": terminal.file("e.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        "large": terminal.file("large.pdf", "x" * 10_600_000),
    }
    given = [each.format(**files) for each in arguments]
    result = terminal.run(*given, *([] if "--as" in given else ["--as", "maker@harbour"]), check=False)
    assert result.returncode == code, (result.stdout, result.stderr)
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_a_document_goes_from_bank_to_bank(terminal: Terminal) -> None:
    """Submitted by one bank, listed and fetched by the other, verified against the chain."""
    content = "INVOICE 0042"
    path = terminal.file("invoice.txt", content)
    draft = terminal.json("doc", "submit", "--documents", path, "--recipients", "LCMBSGS0", "--as", "maker@harbour")
    terminal.run("approve", draft["id"], "--as", "checker@harbour")
    anchor = next(
        row["anchor"] for row in terminal.json("doc", "list", "--as", "maker@harbour") if row["name"] == "invoice.txt"
    )
    fetched = terminal.folder / "fetched.txt"
    text = terminal.run("doc", "fetch", anchor, "--to", str(fetched), "--as", "maker@lioncity").stdout
    assert "invoice.txt: 12 bytes" in text
    assert fetched.read_text() == content
    terminal.run("doc", "verify", anchor, "--file", str(fetched), "--as", "maker@lioncity")
    fetched.write_text(content + "!")
    assert (
        terminal.run("doc", "verify", anchor, "--file", str(fetched), "--as", "maker@lioncity", check=False).returncode
        == 1
    )


def test_what_the_rest_door_takes_the_command_line_sends(terminal: Terminal) -> None:
    """A presentation by options: files, flags, numbers and dates arrive as the act names them."""
    credit = terminal.issued("CLI-5")
    draft = terminal.json(
        "lc", "present", credit, "--amount", "1000.00", "--documents", terminal.file("a.pdf", "A"),
        "--documents", terminal.file("b.pdf", "B"), "--transport-original", "--shipment-date", "2026-01-05",
        "--as", "maker@lioncity",
    )  # fmt: skip
    assert [each["name"] for each in draft["params"]["documents"]] == ["a.pdf", "b.pdf"]
    assert draft["params"]["transport_original"] is True
    assert document("a.pdf", b"A")["content_base64"] not in json.dumps(draft)
