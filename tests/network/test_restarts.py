"""Across an epoch's edge with real processes; what a bank does whose data went back or were changed (P-13, P-18)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.chain.genesis import Genesis
from node.cli.network import processes
from node.cli.network.layout import NodeFolder, load_network
from node.clock import CLOCK_FILE
from node.execution.ledger import Ledger
from node.state.write_set import WriteSet
from node.types import Account, Address
from tests.network.consortium import COMMAND, Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("restarts")]

EXIT_IMPOSSIBLE = 70
EPOCH_LENGTH = 100
"""L of the networks that `praya network init` makes."""


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("restarts") / "net")
    yield consortium
    consortium.down()


def folder_of(banks: Consortium, name: str) -> NodeFolder:
    return load_network(banks.directory).node(name)


def grow(banks: Consortium, height: int, *, by: str) -> None:
    """Transfers through one bank, each in a block of its own, until the chain has ``height`` blocks."""
    (account,) = banks.accounts()
    nonce = int(banks.call(by, "eth_getTransactionCount", account["address"], "latest"), 16)
    raws = iter(banks.signed_transfers(0, range(nonce, nonce + height)))
    while banks.height(by) < height:
        sent = banks.call(by, "eth_sendRawTransaction", next(raws))
        banks.receipt(by, bytes.fromhex(sent[2:]))


def in_step(banks: Consortium, name: str, other: str) -> None:
    """Wait until ``name`` holds the head of ``other``."""
    height = banks.height(other)
    wait_until(lambda: banks.height(name) >= height, what=f"{name} catches up")
    assert banks.head_hash(name, height) == banks.head_hash(other, height)


def test_an_epoch_edge_is_crossed_and_a_bank_that_slept_through_it_votes_again(banks: Consortium) -> None:
    """P-13: at height 100 epoch 1 begins in view 0 with the next primary; a bank that was down catches up across the
    edge by certificates of both epochs, and its vote is needed and counts."""
    asleep, other, *_ = banks.names
    before = banks.status(other)
    assert before["epoch"] == 0
    banks.stop(asleep, kill=True)
    grow(banks, EPOCH_LENGTH + 2, by=other)
    status = banks.status(other)
    assert status["epoch"] == 1
    assert banks.status(banks.names[2])["epoch"] == 1
    banks.start(asleep)
    in_step(banks, asleep, other)
    banks.stop(banks.names[3], kill=True)  # now three of four, all of them needed
    assert banks.receipt(other, banks.transfer(other))["status"] == 1
    assert banks.status(asleep)["mayVote"] is True
    banks.start(banks.names[3])
    in_step(banks, banks.names[3], other)


def test_data_that_went_back(banks: Consortium, tmp_path: Path) -> None:
    """P-18: an older chain under the vote log is caught up, and the bank votes again; an older vote log, or none, under
    the chain means that votes are forgotten: the bank follows, refuses to vote and says why."""
    victim, other = banks.names[2], banks.names[0]
    folder = folder_of(banks, victim)
    grow(banks, banks.height(other) + 1, by=other)
    in_step(banks, victim, other)
    banks.stop(victim)
    old = tmp_path / "old"
    for part in ("chain", "wal"):
        shutil.copytree(folder.path / part, old / part)
    banks.start(victim)
    in_step(banks, victim, other)
    grow(banks, banks.height(other) + 3, by=other)
    in_step(banks, victim, other)

    banks.stop(victim)
    _replace(folder.path / "chain", old / "chain")
    banks.start(victim)
    in_step(banks, victim, other)
    assert "node does not vote before it has caught up" in folder.log_file.read_text()
    wait_until(lambda: banks.status(victim)["mayVote"], what="the bank votes again")

    banks.stop(victim)
    shutil.copytree(folder.path / "wal", tmp_path / "wal")
    for remains in (old / "wal", None):
        _replace(folder.path / "wal", remains)
        banks.start(victim)
        assert banks.receipt(other, banks.transfer(other))["status"] == 1
        in_step(banks, victim, other)
        status = banks.status(victim)
        assert status["mayVote"] is False
        assert "the WAL ends at" in status["refuseToVote"]
        banks.stop(victim)
    _replace(folder.path / "wal", tmp_path / "wal")
    banks.start(victim)
    in_step(banks, victim, other)
    assert banks.status(victim)["mayVote"] is True


def test_a_bank_with_changed_state_stops_with_70_and_the_others_go_on(banks: Consortium, tmp_path: Path) -> None:
    """A quorum seals what this bank finds false: it stops with exit code 70 and the reason, rather than fork."""
    victim, other = banks.names[1], banks.names[0]
    folder = folder_of(banks, victim)
    banks.stop(victim)
    _give_money(folder, Address(bytes.fromhex(banks.accounts()[0]["address"][2:])))
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "node", "run", "--config", str(folder.config_file)], stdout=file, stderr=file
        )
    try:
        wait_until(lambda: processes.block_number(folder), what="the bank's door")
        sent = banks.transfer(other)
        assert banks.receipt(other, sent)["status"] == 1
        assert process.wait(timeout=30) == EXIT_IMPOSSIBLE
    finally:
        process.kill()
    assert "node halts" in output.read_text()
    assert "is invalid here" in output.read_text()
    for name in banks.names[2:]:
        assert banks.receipt(name, sent)["status"] == 1


def test_a_test_clock_that_genesis_does_not_allow_is_refused(banks: Consortium) -> None:
    """P-19: a clock file in the folder of a real network ends the start with exit code 78 and its name."""
    name = banks.names[3]
    folder = folder_of(banks, name)
    banks.stop(name)
    clock = folder.path / CLOCK_FILE
    clock.write_text('{"steps": [{"at_s": 0, "offset_s": 60}]}')
    result = praya("node", "run", "--config", str(folder.config_file), check=False)
    assert result.returncode == 78
    assert "P-19" in result.stderr
    clock.unlink()
    banks.start(name)
    in_step(banks, name, banks.names[0])


def _replace(target: Path, source: Path | None) -> None:
    shutil.rmtree(target)
    if source is not None:
        shutil.copytree(source, target)


def _give_money(folder: NodeFolder, address: Address) -> None:
    """Change one account in the bank's database behind its back."""
    ledger = Ledger.open(folder.path / "chain", Genesis.load(folder.path / "genesis.json"))
    try:
        account = ledger.state.head().account(address)
        assert account is not None
        richer = WriteSet(accounts={address: Account(account.nonce, account.balance + 1, account.code_hash)})
        ledger._kv.write(ledger.state.apply(richer).operations, sync=True)
    finally:
        ledger.close()
