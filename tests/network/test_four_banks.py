"""Four banks as real processes: agreement, a kill, a halt without a fork, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.consortium import Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("four-banks")]


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("four"), "--observers", "1", "--accounts", "2")
    yield consortium
    consortium.down()


def test_up_returns_when_block_1_is_final_everywhere(banks: Consortium) -> None:
    """`praya network up` describes four banks and an observer, each of which serves block 1 with one hash."""
    names = [*banks.names, "auditor"]
    assert len(names) == 5
    assert len({banks.head_hash(name, 1) for name in names}) == 1
    assert banks.description["observers"][0]["validator_address"] is None


def test_a_transfer_is_final_at_every_bank(banks: Consortium) -> None:
    """A transaction sent to one bank has the same receipt at all of them, the observer included."""
    sent = banks.transfer(banks.names[0])
    receipts = [banks.receipt(name, sent) for name in (*banks.names, "auditor")]
    assert {(r["blockNumber"], bytes(r["blockHash"]), r["status"]) for r in receipts} == {
        (receipts[0]["blockNumber"], bytes(receipts[0]["blockHash"]), 1)
    }


@pytest.mark.parametrize("victim", range(4))
def test_any_one_bank_may_be_killed(banks: Consortium, victim: int) -> None:
    """With any one of four killed by SIGKILL the chain goes on; started again, it holds the same head."""
    name = banks.names[victim]
    other = banks.names[(victim + 1) % 4]
    banks.stop(name, kill=True)
    receipt = banks.receipt(other, banks.transfer(other))
    assert receipt["status"] == 1
    banks.start(name)
    height = receipt["blockNumber"]
    wait_until(lambda: banks.height(name) >= height, what=f"{name} catches up")
    assert banks.head_hash(name, height) == banks.head_hash(other, height)


def test_two_killed_stop_the_chain_without_a_fork(banks: Consortium) -> None:
    """With two of four killed nothing is committed; when one returns, the waiting transaction becomes final."""
    a, b, c, d = banks.names
    banks.stop(a, kill=True)
    banks.stop(b, kill=True)
    height = banks.height(c)
    sent = banks.transfer(c)
    with pytest.raises(Exception, match="not in the chain"):
        banks.receipt(c, sent, timeout_s=3)
    assert banks.height(d) == height
    banks.start(a)
    receipt = banks.receipt(c, sent)
    assert receipt["status"] == 1
    banks.start(b)
    wait_until(lambda: banks.height(b) >= receipt["blockNumber"], what="the last bank catches up")
    assert len({banks.head_hash(name, receipt["blockNumber"]) for name in banks.names}) == 1


def test_up_on_an_existing_folder_resumes_its_chain(tmp_path: Path) -> None:
    """down leaves no process, up again goes on from the same block."""
    directory = tmp_path / "net"
    first = Consortium.up(directory, "--banks", "1")
    try:
        bank = first.names[0]
        height = first.receipt(bank, first.transfer(bank))["blockNumber"]
        before = first.head_hash(bank, height)
        first.down()
        again = Consortium.up(directory)
        assert again.head_hash(bank, height) == before
        assert again.description["genesis_hash"] == first.description["genesis_hash"]
    finally:
        praya("network", "down", "--dir", str(directory))


def test_a_node_refuses_the_data_of_another_genesis(tmp_path: Path) -> None:
    """A data directory that belongs to another chain ends the start with a message and exit code 78."""
    praya("network", "init", "--dir", str(tmp_path / "one"), "--banks", "1")
    praya("network", "init", "--dir", str(tmp_path / "two"), "--banks", "1")
    folder = tmp_path / "one" / "banks" / "harbour"
    foreign = json.loads((tmp_path / "two" / "genesis.json").read_text())
    (folder / "genesis.json").write_text(json.dumps(foreign))
    result = praya("node", "run", "--config", str(folder / "node.toml"), check=False)
    assert result.returncode == 78
    assert "another genesis" in result.stderr
