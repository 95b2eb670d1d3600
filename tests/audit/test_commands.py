"""``praya audit`` as a command: verdict, JSON report, exit codes 0, 3 and 69, never a stack trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from node.audit import rpc_source
from node.audit.replay import CHECKS
from node.cli import main
from node.cli.audit_commands import app
from tests.audit.rpc_server import serving
from tests.audit.sealed_chain import SealedChain, tell_story


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SealedChain:
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain")
    chronicle.close()
    return chronicle.chain


@pytest.fixture(scope="module")
def exported(chain: SealedChain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain.write(tmp_path_factory.mktemp("export") / "chain.praya")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_eight_checks_are_named() -> None:
    """The report's scope is the list that the code works through, whole lines."""
    assert [check.split(".")[0] for check in CHECKS] == [str(number) for number in range(1, 9)]
    assert all(check.endswith(")") for check in CHECKS)


def test_a_true_chain_exits_0_with_its_report(chain: SealedChain, exported: Path, tmp_path: Path) -> None:
    """Plain verdict on the terminal, JSON in the file, rates in both."""
    result = run("replay", "--from", exported, "--report", tmp_path / "report.json")
    assert result.exit_code == 0 and result.stdout.startswith(f"TRUE: {chain.height} blocks")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["holds"] is True and report["finding"] is None
    assert report["head"] == {
        "height": chain.height,
        "hash": "0x" + chain.header(chain.height).hash.hex(),
        "state_root": "0x" + chain.header(chain.height).state_root.hex(),
    }
    assert report["checked"]["blocks"] == chain.height and report["checked"]["deadlines"] == 5
    assert report["blocks_per_s"] > 0 and report["duration_s"] > 0
    assert report["scope"] == list(CHECKS)
    assert report["genesis_demanded"] == [] and "compare them with those you know" in result.stdout


def test_a_false_chain_exits_3_and_says_where(chain: SealedChain, tmp_path: Path) -> None:
    """Height, rule, field, expected and found, in words and in JSON."""
    false = chain.with_header(7, state_root=b"\x5a" * 32).write(tmp_path / "false.praya")
    result = run("replay", "--from", false)
    assert result.exit_code == 3
    assert result.stdout.startswith("FALSE at block 7: P-1 [state_root]")
    assert f"found    0x{'5a' * 32}" in result.stdout
    result = run("replay", "--from", false, "--json")
    finding = json.loads(result.stdout)["finding"]
    assert result.exit_code == 3
    assert (finding["check"], finding["height"], finding["rule"], finding["field"]) == (6, 7, "P-1", "state_root")
    assert finding["found"] == "0x" + "5a" * 32 != finding["expected"]
    assert run("replay", "--from", false, "--to", "6").exit_code == 0


def test_files_that_are_no_export_exit_3(tmp_path: Path) -> None:
    """Empty files and other files are false, with the reason."""
    for content in (b"", b"hello", b"\x00" * 1_000):
        (tmp_path / "file").write_bytes(content)
        result = run("replay", "--from", tmp_path / "file")
        assert result.exit_code == 3 and "no chain export" in result.stdout


def test_a_known_genesis_may_be_demanded(chain: SealedChain, exported: Path) -> None:
    """Options for the hash and for the digest that binds all parameters."""
    known = "0x" + chain.genesis_hash.hex()
    digest = "0x" + chain.genesis.digest.hex()
    assert run("replay", "--from", exported, "--genesis-hash", known, "--genesis-digest", digest).exit_code == 0
    assert run("replay", "--from", exported, "--genesis-digest", known).exit_code == 3


def test_export_and_cross_check_against_a_node(chain: SealedChain, exported: Path, tmp_path: Path) -> None:
    """From a node to a file, whole or up to a height; the same bytes as a writer's own; then one against the other."""
    with serving(chain) as server:
        assert run("export", "--from", server.url, "--to", tmp_path / "out.praya").exit_code == 0
        assert (tmp_path / "out.praya").read_bytes() == exported.read_bytes()
        assert run("export", "--from", server.url, "--to", tmp_path / "five.praya", "--last", "5").exit_code == 0
        result = run("replay", "--from", server.url, "--against", tmp_path / "five.praya")
        assert result.exit_code == 0 and "five.praya ends at height 5" in result.stdout
    assert run("replay", "--from", tmp_path / "five.praya", "--against", exported).exit_code == 0
    assert run("export", "--from", exported, "--to", tmp_path / "bare", "--format", "rlp").exit_code == 0
    assert (tmp_path / "bare").read_bytes() == b"".join(sealed.block for sealed in chain.blocks)


def test_an_unreachable_node_ends_the_process_with_69() -> None:
    """As an operator sees it: one line on stderr."""
    command = (sys.executable, "-m", "node", "audit", "replay", "--from", "http://127.0.0.1:9")
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 69 and result.stdout == ""
    assert result.stderr.startswith("praya: cannot reach") and result.stderr.count("\n") == 1


def test_other_errors_have_their_exit_codes(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """69 for a source that cannot be reached, 78 for a wrong argument; one line, no stack trace."""
    monkeypatch.setattr(rpc_source, "PAUSE_S", 0.001)
    for arguments, code in (
        (("replay", "--from", "http://127.0.0.1:9"), 69),
        (("export", "--from", "http://127.0.0.1:9", "--to", tmp_path / "none"), 69),
        (("replay", "--from", tmp_path / "missing"), 78),
        (("export", "--from", exported, "--to", tmp_path / "no" / "folder"), 78),
        (("replay", "--from", exported, "--report", tmp_path / "no" / "folder"), 78),
    ):
        monkeypatch.setattr(sys, "argv", ["praya", "audit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        error = capsys.readouterr().err
        assert ended.value.code == code, error
        assert error.count("\n") == 1 and error.startswith("praya: ")
    assert list(tmp_path.iterdir()) == []
