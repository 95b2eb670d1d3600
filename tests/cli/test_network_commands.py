"""``praya network``: life of a consortium, and the test clock that moves every bank."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.network.processes import start_time
from tests.network.consortium import Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("cli-network")]

START = dt.datetime(2026, 2, 13, 2, 0, tzinfo=dt.UTC)  # a Friday, 10:00 in Hong Kong; Lunar New Year begins on the 17th


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four banks that stand at START."""
    options = ("--accounts", "1", "--test-clock", START.strftime("%Y-%m-%dT%H:%M:%SZ"))
    banks = Consortium.up(tmp_path_factory.mktemp("clock"), *options)
    yield banks
    banks.down()


def _time(banks: Consortium, name: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(banks.web3(name).eth.get_block("latest")["timestamp"], dt.UTC)


def _advance(banks: Consortium, *options: str) -> str:
    return praya("network", "advance", *options, "--dir", str(banks.directory)).stdout


def test_a_test_clock_network_begins_at_its_start(clocked: Consortium) -> None:
    """Genesis and block 1 bear START's time."""
    genesis = clocked.web3("harbour").eth.get_block(0)
    assert genesis["timestamp"] == int(START.timestamp())
    assert START <= _time(clocked, "harbour") < START + dt.timedelta(minutes=5)


def test_advance_moves_every_bank_a_stopped_one_included(clocked: Consortium) -> None:
    """`advance 3d`, then three banking days of Hong Kong over Lunar New Year with one bank stopped: all stand at the
    new time, and the bank that was away does when it is started again."""
    before = _time(clocked, "harbour")
    said = _advance(clocked, "3d")
    assert "block time is Mon 16 Feb 2026" in said
    for name in clocked.names:
        assert _time(clocked, name) >= before + dt.timedelta(days=3)
    clocked.stop("huangpu")
    said = _advance(clocked, "--banking-days", "3", "--place", "HK")
    reached = _time(clocked, "harbour")
    assert reached.date() == dt.date(2026, 2, 24), said  # 17 to 19 February are holidays: 20, 23, 24
    clocked.start("huangpu")
    wait_until(lambda: _time(clocked, "huangpu") >= reached, what="the stopped bank is at the new time")
    receipt = clocked.receipt("huangpu", clocked.transfer("huangpu"))
    block = clocked.web3("harbour").eth.get_block(receipt["blockNumber"])
    assert dt.datetime.fromtimestamp(block["timestamp"], dt.UTC).date() == dt.date(2026, 2, 24)
    assert len({clocked.head_hash(name, receipt["blockNumber"]) for name in clocked.names[:1]}) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give one of"),
        (("3d", "--banking-days", "3", "--place", "HK"), "give one of"),
        (("3x",), "no duration"),
        (("0d",), "outside"),
        (("--to", "2020-01-01"), "forward only"),
        (("--banking-days", "3"), "--place"),
        (("--banking-days", "3", "--place", "MARS"), "MARS"),
        (("--banking-days", "0", "--place", "HK"), "1 to"),
    ],
)
def test_a_wrong_advance_changes_nothing(clocked: Consortium, options: tuple[str, ...], words: str) -> None:
    """Refused with 78 and the reason; the clock stays."""
    before = _time(clocked, "harbour")
    result = praya("network", "advance", *options, "--dir", str(clocked.directory), check=False)
    assert (result.returncode, words in result.stderr) == (78, True), result.stderr
    assert _time(clocked, "harbour") - before < dt.timedelta(minutes=1)


def test_an_unknown_bank_is_named(clocked: Consortium) -> None:
    """stop and start of a bank that is not there end with 78 and the names there are."""
    for command in ("stop", "start"):
        result = praya("network", command, "atlantis", "--dir", str(clocked.directory), check=False)
        assert result.returncode == 78
        assert "atlantis" in result.stderr and "harbour, lioncity, thames, huangpu" in result.stderr


def test_up_again_leaves_running_banks_alone(clocked: Consortium) -> None:
    """A second `up` starts nothing that runs: same processes, same ports."""
    again = Consortium.up(clocked.directory)
    assert [(row["name"], row["rpc_url"]) for row in again.description["banks"]] == [
        (row["name"], row["rpc_url"]) for row in clocked.description["banks"]
    ]


def test_a_network_of_the_machines_time_cannot_be_advanced_and_goes_down_twice(tmp_path: Path) -> None:
    """advance is refused with 78; after `down` no process is left, and a second `down` says that nothing ran."""
    banks = Consortium.up(tmp_path / "net", "--banks", "1", "--observers", "1")
    try:
        refused = praya("network", "advance", "3d", "--dir", str(banks.directory), check=False)
        assert (refused.returncode, "--test-clock" in refused.stderr) == (78, True)
        planted = tmp_path / "net" / "banks" / "harbour" / "test-clock.json"
        assert not planted.exists()
        pids = [row["pid"] for row in (*banks.description["banks"], *banks.description["observers"])]
        assert all(start_time(pid) for pid in pids)
        assert praya("network", "down", "--dir", str(banks.directory)).stdout == "stopped: harbour, auditor\n"
        assert not [pid for pid in pids if start_time(pid)]
        assert "nothing was running" in praya("network", "down", "--dir", str(banks.directory)).stdout
        planted.write_text('{"version": 1, "steps": [{"at_s": 0.0, "offset_s": 1000}]}')
        result = praya("network", "start", "harbour", "--dir", str(banks.directory), check=False)
        assert result.returncode == 69
        assert "P-19" in result.stderr
    finally:
        banks.down()
