"""A bank's process: a damaged vote log, a second instance, signals."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.network import processes
from node.cli.network.layout import NodeFolder, load_network
from tests.network.consortium import COMMAND, Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("process")]

STOP_WITHIN_S = 10.0


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("process") / "net")
    yield consortium
    consortium.down()


def folder_of(banks: Consortium, name: str) -> NodeFolder:
    return load_network(banks.directory).node(name)


def test_a_second_instance_on_one_directory_is_refused(banks: Consortium) -> None:
    """P-18, duty 4: the data of a running node cannot be opened again; exit code 78, and the first goes on."""
    name = banks.names[0]
    result = praya("node", "run", "--config", str(folder_of(banks, name).config_file), check=False)
    assert result.returncode == 78
    assert "in use" in result.stderr
    assert banks.receipt(name, banks.transfer(name))["status"] == 1


def test_a_bank_with_a_damaged_vote_log_follows_and_does_not_vote(banks: Consortium) -> None:
    """P-18: one flipped byte where the log had been synced: the bank starts, serves, follows, and refuses to vote."""
    victim, other = banks.names[3], banks.names[0]
    for _ in range(3):
        banks.receipt(other, banks.transfer(other))
    banks.stop(victim)
    (segment,) = (folder_of(banks, victim).path / "wal").glob("wal-*")
    damaged = bytearray(segment.read_bytes())
    damaged[200] ^= 1
    segment.write_bytes(damaged)
    banks.start(victim)
    receipt = banks.receipt(other, banks.transfer(other))
    wait_until(lambda: banks.height(victim) >= receipt["blockNumber"], what="the damaged bank follows")
    assert banks.head_hash(victim, receipt["blockNumber"]) == bytes(receipt["blockHash"]).hex()
    status = banks.status(victim)
    assert status["mayVote"] is False
    assert "cannot be trusted" in status["refuseToVote"]
    assert segment.read_bytes() == bytes(damaged)


def test_sigterm_ends_a_node_in_time(banks: Consortium) -> None:
    """SIGTERM: closed in order, within 10 s."""
    mark = processes.running(folder_of(banks, banks.names[2]))
    assert mark is not None
    began = time.monotonic()
    os.kill(mark.pid, signal.SIGTERM)
    wait_until(lambda: processes.start_time(mark.pid) is None, timeout_s=STOP_WITHIN_S, what="the end of the process")
    assert '"node stopped"' in processes.log_tail(folder_of(banks, banks.names[2]))
    print(f"\nstopped in {time.monotonic() - began:.2f} s")


def test_signals_at_any_moment_of_a_start_end_it(banks: Consortium, tmp_path: Path) -> None:
    """Two signals end a node at once, whatever it is doing; its data are whole afterwards."""
    name = banks.names[2]
    folder = folder_of(banks, name)
    banks.stop(name)
    for delay_s in (0.5, 2.0, 3.5):
        said = tmp_path / f"said-{delay_s}"
        with said.open("wb") as output:
            process = subprocess.Popen(
                [*COMMAND, "node", "run", "--config", str(folder.config_file)], stdout=output, stderr=output
            )
        time.sleep(delay_s)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=3) in (0, -signal.SIGTERM, -signal.SIGINT), said.read_text()
    banks.start(name)
    height = banks.height(banks.names[0])
    wait_until(lambda: banks.height(name) >= height, what="the bank is back")
