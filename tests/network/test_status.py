"""Being stuck is visible: four real banks, one that stops answering, two that die, and what their status says."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.cli.network import processes
from node.cli.network.layout import load_network
from tests.network.consortium import Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("status")]


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("status"), "--observers", "1")
    yield consortium
    consortium.down()


def health(banks: Consortium, name: str, door: str) -> tuple[int, dict[str, Any]]:
    url = banks.node(name)["metrics_url"].replace("/metrics", door)
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def of_network(banks: Consortium) -> tuple[int, dict[str, Any]]:
    result = praya("network", "status", "--dir", str(banks.directory), "--json", check=False)
    return result.returncode, json.loads(result.stdout)


def log_lines(banks: Consortium, name: str, event: str) -> list[dict[str, Any]]:
    text = Path(banks.node(name)["log_path"]).read_text()
    return [row for line in text.splitlines() if (row := json.loads(line))["event"] == event]


def test_a_running_network_progresses(banks: Consortium) -> None:
    """Exit 0 for the network, for a bank and for the observer; the health doors answer 200."""
    code, found = of_network(banks)
    assert (code, found["progressing"]) == (0, True)
    for name in (banks.names[0], "auditor"):
        result = praya("status", "--dir", str(banks.directory), "--bank", name)
        assert result.stdout.startswith("progressing: block ")
        assert health(banks, name, "/readyz")[0] == 200
        assert health(banks, name, "/livez") == (200, {"live": True})


def test_a_bank_that_hangs_is_silent_although_it_is_connected(banks: Consortium) -> None:
    """SIGSTOP: its sockets stay open; the others name it, and go on; its own status has no answer: exit 69."""
    victim, other = banks.names[3], banks.names[0]
    mark = processes.running(load_network(banks.directory).node(victim))
    assert mark is not None
    os.kill(mark.pid, signal.SIGSTOP)
    try:
        status = wait_until(
            lambda: (found := banks.status(other)) and len(found["reachable"]) == 3 and found, what="it is missed"
        )
        assert status["progressing"]
        assert " silent for " in status["diagnosis"]
        result = praya("status", "--dir", str(banks.directory), "--bank", victim, check=False)
        assert result.returncode == 69
    finally:
        os.kill(mark.pid, signal.SIGCONT)
    wait_until(lambda: len(banks.status(other)["reachable"]) == 4, what="it is back")


def test_two_dead_banks_stop_the_chain_visibly(banks: Consortium) -> None:
    """Two of four killed under work: alive, ready, not progressing, and the sentence names both; one comes back."""
    a, b, c, d = banks.names
    banks.stop(a, kill=True)
    banks.stop(b, kill=True)
    sent = banks.transfer(c)
    wait_until(lambda: banks.status(d)["diagnosis"].startswith("stuck: "), what="being stuck")
    status = banks.status(d)
    assert status["diagnosis"].startswith("stuck: 2 of 4 validators reachable, 3 needed: ")
    gone = [bank for bank in status["banks"] if not bank["reachable"]]
    assert len(gone) == 2
    assert all(f"{bank['name']} silent for " in status["diagnosis"] for bank in gone)
    code, document = health(banks, d, "/readyz")
    assert (code, document["ready"], document["progressing"]) == (503, True, False)
    assert health(banks, d, "/livez")[0] == 200
    assert of_network(banks)[0] == 1
    assert praya("status", "--dir", str(banks.directory), "--bank", d, check=False).returncode == 1
    with urllib.request.urlopen(banks.node(d)["metrics_url"], timeout=10) as response:
        text = response.read().decode()
    assert "praya_pbft_quorum_reachable 0.0" in text
    assert "praya_pbft_progressing 0.0" in text
    banks.start(a)
    assert banks.receipt(c, sent)["status"] == 1
    banks.start(b)
    wait_until(lambda: of_network(banks)[0] == 0, what="progress")


def test_each_block_and_each_view_has_one_line(banks: Consortium) -> None:
    """The log of a bank that ran all the time: every height once, with what an operator asks first."""
    c = banks.names[2]
    lines = log_lines(banks, c, "block committed")
    heights = [line["height"] for line in lines]
    assert heights == list(range(1, banks.height(c) + 1))
    for line in lines:
        assert line["hash"] == "0x" + banks.head_hash(c, line["height"])
        assert line["seals"] >= 3
    views = log_lines(banks, c, "view changed")
    assert [line["to_view"] for line in views] == sorted({line["to_view"] for line in views})
    for line in views:
        assert line["primary_before"] != line["primary"]
        assert line["reason"] in {"progress", "age", "new_view", "join", "followed"}
