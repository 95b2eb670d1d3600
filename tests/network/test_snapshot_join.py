"""A real bank joins by snapshot: it says so, serves what it has, votes, and survives being stopped in the middle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.cli.network.layout import NodeFolder, load_network
from tests.network.consortium import COMMAND, Consortium, praya, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("snapshot")]

BLOCKS = 30
SETTINGS = '\n[sync]\nmode = "snapshot"\nsnapshot_min_blocks = 10\ntrusted_block = "{height}:{hash}"\n'
GONE = "history starts at height"


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("snapshot") / "net", "--observers", "1")
    first = consortium.names[0]
    for _ in range(BLOCKS):
        consortium.receipt(first, consortium.transfer(first))
    yield consortium
    consortium.down()


def folder_of(banks: Consortium, name: str) -> NodeFolder:
    return load_network(banks.directory).node(name)


def forget_chain(banks: Consortium, name: str) -> NodeFolder:
    """Stop a node and leave it what a new one has, but for its keys and votes; it is to join by snapshot."""
    folder = folder_of(banks, name)
    banks.stop(name)
    shutil.rmtree(folder.path / "chain")
    (folder.path / "praya.sqlite").unlink()
    known = banks.web3(banks.names[0]).eth.get_block(5)
    text = folder.config_file.read_text()
    head, _, _ = text.partition("\n[sync]")
    folder.config_file.write_text(head + SETTINGS.format(height=5, hash="0x" + bytes(known["hash"]).hex()))
    return folder


def in_step(banks: Consortium, name: str, other: str) -> int:
    height = banks.height(other)
    wait_until(lambda: banks.height(name) >= height, what=f"{name} is in step")
    assert banks.head_hash(name, height) == banks.head_hash(other, height)
    return height


def refusal(banks: Consortium, name: str, method: str, *parameters: object) -> str:
    (answer,) = banks.batch(name, method, [parameters])
    return str(answer["error"]["message"])


def test_a_bank_joins_by_snapshot_says_so_and_its_vote_counts(banks: Consortium) -> None:
    """The whole walk: head, state and head block as at the others; everything below is refused by an error that names
    the height, in JSON-RPC, in the audit and in the log; `praya node check` holds; and of three banks that are left its
    vote is needed for each block."""
    first, second, _, late = banks.names
    folder = forget_chain(banks, late)
    banks.start(late)
    in_step(banks, late, first)
    snapshot = banks.call(late, "praya_nodeInfo")["snapshot"]
    height = int(snapshot["height"], 16)
    assert height >= BLOCKS
    assert snapshot["pinned"] is True
    assert GONE in snapshot["meaning"]
    assert banks.status(late)["snapshot"] == snapshot
    assert banks.call(first, "praya_nodeInfo")["snapshot"] is None
    assert f"{GONE} {height + 1}" in folder.log_file.read_text()

    assert banks.call(late, "eth_getBlockByNumber", "latest", True) == banks.call(
        first, "eth_getBlockByNumber", "latest", True
    )
    assert banks.call(late, "eth_getBlockReceipts", hex(height)) == banks.call(
        first, "eth_getBlockReceipts", hex(height)
    )
    (account,) = banks.accounts()
    for method in ("eth_getBalance", "eth_getTransactionCount"):
        here = banks.call(late, method, account["address"], hex(height))
        assert here == banks.call(first, method, account["address"], hex(height))
    for method, parameters in (
        ("eth_getBlockByNumber", (hex(height - 1), False)),
        ("eth_getBlockReceipts", (hex(height - 1),)),
        ("eth_getBalance", (account["address"], hex(height - 1))),
        ("eth_getProof", (account["address"], [], hex(height - 1))),
        ("eth_getBalance", (account["address"], "earliest")),
        ("debug_getRawBlock", (hex(3),)),
        ("debug_getRawReceipts", (hex(3),)),
        ("pbft_getSealedBlocks", ("0x1", "0x5")),
        ("pbft_getCertificate", (hex(3),)),
    ):
        assert f"{GONE} {height + 1}" in refusal(banks, late, method, *parameters), method
    assert banks.call(late, "debug_getRawHeader", hex(3)) == banks.call(first, "debug_getRawHeader", hex(3))

    audit = praya("audit", "replay", "--from", banks.node(late)["rpc_url"], check=False)
    assert audit.returncode == 69
    assert f"{GONE} {height + 1}" in audit.stderr

    banks.stop(second, kill=True)
    assert banks.status(late)["mayVote"] is True
    for _ in range(3):
        receipt = banks.receipt(first, banks.transfer(first))
        assert receipt["status"] == 1
    in_step(banks, late, first)
    banks.start(second)
    in_step(banks, second, first)

    banks.stop(late)
    checked = praya("node", "check", "--config", str(folder.config_file))
    assert f"{GONE} {height + 1}" in checked.stdout
    banks.start(late)
    in_step(banks, late, first)
    assert banks.call(late, "praya_nodeInfo")["snapshot"] == snapshot


def test_an_observer_that_is_killed_while_it_joins_goes_on(banks: Consortium, tmp_path: Path) -> None:
    """SIGKILL when the folder is there and when the snapshot is chosen: no ledger before the end, and then a whole one,
    also where a bank that joined by snapshot itself is among the servers."""
    first = banks.names[0]
    observer = banks.description["observers"][0]["name"]
    folder = forget_chain(banks, observer)
    staged = folder.path / "chain.joining"
    output = tmp_path / "output"
    for event in (staged.exists, lambda: "snapshot chosen" in output.read_text()):
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*COMMAND, "node", "run", "--config", str(folder.config_file)], stdout=file, stderr=file
            )
        try:
            wait_until(event, what="the moment to kill")
        finally:
            process.kill()
            process.wait()
    banks.start(observer)
    in_step(banks, observer, first)
    assert banks.call(observer, "praya_nodeInfo")["snapshot"]["pinned"] is True
    assert not staged.exists()
    banks.stop(observer)
    praya("node", "check", "--config", str(folder.config_file))
