"""A consortium of real processes changes by votes: a bank joins, a validator key is replaced, a bank leaves, and the
chain goes on through every edge (P-12, P-13, P-18)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.cli.network import processes
from node.cli.network.layout import load_network
from tests.network.consortium import Consortium, praya, wait_until
from tests.network.officers import Officers

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("reconfiguration")]

LENGTH, DELAY = 8, 3
FOUNDERS = ["harbour", "lioncity", "thames", "huangpu"]
NEWCOMER = "hudson"


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Four banks with short epochs."""
    directory = tmp_path_factory.mktemp("reconfiguration") / "net"
    edges = ("--epoch-length", str(LENGTH), "--activation-delay", str(DELAY))
    running = Consortium.up(directory, "--banks", "4", *edges)
    yield running
    running.down()


def _refresh(consortium: Consortium) -> Officers:
    """Read the network's description again, the new bank included."""
    nodes = json.loads((consortium.directory / "network.json").read_text())["nodes"]
    known = {row["name"] for row in consortium.description["banks"]}
    for node in nodes:
        if node["name"] not in known:
            url = f"http://{node['host']}:{node['rpc_port']}"
            consortium.description["banks"].append({"name": node["name"], "rpc_url": url})
    return Officers(consortium, {n["name"]: f"http://{n['host']}:{n['web_port']}/api/v1" for n in nodes})


def _start(consortium: Consortium, bank: str) -> None:
    """As ``praya network start`` does, without another interpreter."""
    folder = load_network(consortium.directory).node(bank)
    processes.start(folder)
    processes.wait_for_height([folder], 0)


def _restart(consortium: Consortium, bank: str) -> None:
    processes.stop([load_network(consortium.directory).node(bank)])
    _start(consortium, bank)


def _validators(consortium: Consortium, bank: str) -> list[str]:
    return list(consortium.call(bank, "pbft_getValidators", "pending"))


def _settle(consortium: Consortium, bank: str, edge: int) -> None:
    """The chain reaches the edge by itself: a pending change of the set is work (P-15)."""
    wait_until(lambda: consortium.height(bank) >= edge - 1, timeout_s=60, what=f"height {edge - 1} at {bank}")


def _edge(proposal: dict[str, Any]) -> int:
    return -(-(proposal["closed_in"] + DELAY) // LENGTH) * LENGTH


def _seals(consortium: Consortium, through: str, validator: str) -> bool:
    """Whether this key's seal stands in the certificate of a new block."""
    consortium.receipt(through, consortium.transfer(through))
    return validator in consortium.call(through, "pbft_getCertificate", "latest")["signers"]


@pytest.mark.timeout(600)
def test_a_consortium_changes_by_votes_and_goes_on(consortium: Consortium, tmp_path: Path) -> None:
    """A fifth bank joins and seals from its edge on without a restart; a bank that lost its signing state seals with a
    new key; a bank is removed, seals no more and is cut off. All that remain hold one chain, which an auditor replays
    from a bank and from a file."""
    directory, env = str(consortium.directory), {"PRAYA_SESSION": str(tmp_path / "sessions.json")}

    # A fifth bank: its folder, a proposal by the command line, votes by REST.
    praya("network", "add", NEWCOMER, "--dir", directory)
    record = consortium.directory / "banks" / NEWCOMER / "member.json"
    officers = _refresh(consortium)
    praya("login", "--user", "maker", "--dir", directory, "--bank", "harbour", env=env)
    drafted = praya("consortium", "propose", "add-bank", "--record", str(record), "--json", env=env)
    officers.approve("harbour", json.loads(drafted.stdout))
    (proposal,) = officers.open_proposals("lioncity")
    assert (len(proposal["votes"]), proposal["needed"]) == (1, 3)
    joined = officers.vote(["lioncity", "thames"], proposal["id"])
    assert joined["state"] == "executed"
    edge = _edge(joined)
    _start(consortium, NEWCOMER)
    _settle(consortium, "harbour", edge)
    newcomer = json.loads(record.read_text())["validator_address"]
    assert newcomer in _validators(consortium, "harbour")
    assert newcomer not in consortium.call("harbour", "pbft_getValidators", hex(edge - 1))
    wait_until(lambda: _seals(consortium, "harbour", newcomer), timeout_s=60, what="the newcomer's seal")
    shown = officers.client("thames", "viewer").get("/consortium")
    assert "Hudson Quay Trust (fictitious)" in {row["name"] for row in shown["validators"]["set"]}
    assert [row["forecast"] for row in shown["edges"]][-1] is True

    # Harbour loses its signing state: a new key, voted by the others, taken up at a start.
    (old,) = [row["validator_address"] for row in consortium.description["banks"] if row["name"] == "harbour"]
    made = praya("network", "new-key", "harbour", "--dir", directory).stdout
    new = made.split("next validator key: ")[1].split()[0]
    _restart(consortium, "harbour")
    assert "next validator key" in consortium.status("harbour")["refuseToVote"]
    replaced = officers.carry(
        ["lioncity", "thames", "huangpu", NEWCOMER], "consortium.propose-set-validator", bank="HPBKHKH0", validator=new
    )
    assert replaced["state"] == "executed"
    wait_until(
        lambda: consortium.height("harbour") >= replaced["closed_in"], timeout_s=60, what="harbour learns of the vote"
    )
    _restart(consortium, "harbour")
    _settle(consortium, "lioncity", _edge(replaced))
    assert new in _validators(consortium, "lioncity")
    assert old not in _validators(consortium, "lioncity")
    wait_until(lambda: _seals(consortium, "lioncity", new), timeout_s=60, what="harbour's seal with its new key")

    # Huangpu is removed: its validator seals until the edge, then it is cut off and keeps its chain.
    (leaving,) = [row["validator_address"] for row in consortium.description["banks"] if row["name"] == "huangpu"]
    officers = _refresh(consortium)
    removed = officers.carry(
        ["harbour", "lioncity", "thames", NEWCOMER], "consortium.propose-remove-bank", bank="HUCBCNB0"
    )
    assert removed["state"] == "executed"
    _settle(consortium, "lioncity", _edge(removed))
    assert leaving not in _validators(consortium, "lioncity")
    wait_until(
        lambda: consortium.call("huangpu", "net_peerCount") == "0x0", timeout_s=60, what="the removed bank is cut off"
    )
    for _ in range(3):
        assert not _seals(consortium, "thames", leaving)

    # One chain, and an auditor who trusts none of them.
    head = consortium.height("thames")
    remaining = ["harbour", "lioncity", "thames", NEWCOMER]
    for bank in remaining:
        wait_until(lambda b=bank: consortium.height(b) >= head, what=f"{bank} at height {head}")
    histories = [consortium.history(bank, head) for bank in remaining]
    assert all(history == histories[0] for history in histories)
    kept = consortium.height("huangpu")
    assert consortium.history("huangpu", kept) == histories[0][: kept + 1]
    report = tmp_path / "report.json"
    rpc = consortium.node("lioncity")["rpc_url"]
    praya("audit", "replay", "--from", rpc, "--against", consortium.node(NEWCOMER)["rpc_url"], "--report", str(report))
    assert json.loads(report.read_text())["checked"]["validator_sets"] == 4
    export = tmp_path / "chain.praya"
    praya("audit", "export", "--from", rpc, "--to", str(export))
    praya("audit", "replay", "--from", str(export))
