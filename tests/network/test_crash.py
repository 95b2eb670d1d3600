"""kill -9 at random moments under load: nothing that was answered is lost, and all banks hold one chain."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from node.cli.network import processes
from node.cli.network.layout import load_network
from tests.network.consortium import BATCH, Consortium, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("crash")]

SEED = 20_260
KILLS = 30
ACCOUNTS = 3
TRANSFERS = 1_000
"""Signed beforehand for each account; the load ends when they are used up."""
BURST = 2


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("crash") / "net", "--accounts", str(ACCOUNTS))
    yield consortium
    consortium.down()


class Load:
    """Clients that send transfers to random banks and note every receipt that any bank answers."""

    def __init__(self, banks: Consortium, source: random.Random) -> None:
        self._banks = banks
        self._source = source
        self._addresses = [account["address"] for account in banks.accounts()]
        self.raws = [banks.signed_transfers(account, range(TRANSFERS)) for account in range(ACCOUNTS)]
        self.sent: list[str] = []
        self.receipts: dict[str, set[tuple[str, str]]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._send(self._source.choice(self._banks.names))
                self._ask(self._source.choice(self._banks.names))
            except OSError:
                pass  # the bank is down: another is asked next
            self._ended.wait(0.1)

    def _send(self, name: str) -> None:
        counts = self._banks.batch(name, "eth_getTransactionCount", [(a, "pending") for a in self._addresses])
        for raws, count in zip(self.raws, counts, strict=True):
            nonce = int(count["result"], 16)
            burst = raws[nonce : nonce + BURST]
            if burst:
                answers = self._banks.batch(name, "eth_sendRawTransaction", [(raw,) for raw in burst])
                self.sent += [answer["result"] for answer in answers if "result" in answer]

    def _ask(self, name: str) -> None:
        recent = self.sent[-20:] + self._source.sample(self.sent, min(10, len(self.sent)))
        for answer in self._banks.batch(name, "eth_getTransactionReceipt", [(h,) for h in recent]):
            receipt: dict[str, Any] | None = answer.get("result")
            if receipt is not None:
                place = (receipt["blockNumber"], receipt["blockHash"])
                self.receipts.setdefault(receipt["transactionHash"], set()).add(place)


def test_thirty_kills_under_load_lose_nothing(banks: Consortium) -> None:
    """A random bank is killed by SIGKILL 30 times at random moments and started again. Afterwards all banks hold the
    same chain, every receipt that any of them ever answered stands in it, and no nonce is missing."""
    source = random.Random(SEED)
    folders = {folder.name: folder for folder in load_network(banks.directory).banks}
    began = time.monotonic()
    with Load(banks, random.Random(SEED + 1)) as load:
        for _ in range(KILLS):
            time.sleep(source.uniform(0.2, 2.6))
            victim = folders[source.choice(banks.names)]
            processes.stop([victim], kill=True)
            processes.start(victim)
    processes.wait_for_height(folders.values(), 1)
    settled = time.monotonic()
    for name in banks.names:  # whatever was only in the memory of a killed bank is sent again by its client
        for account in range(ACCOUNTS):
            count = int(
                banks.call(name, "eth_getTransactionCount", banks.accounts()[account]["address"], "pending"), 16
            )
            banks.batch(name, "eth_sendRawTransaction", [(raw,) for raw in load.raws[account][count : count + BURST]])
    wait_until(lambda: all(banks.status(name)["pendingTransactions"] == 0 for name in banks.names), what="empty pools")
    height = max(banks.height(name) for name in banks.names)
    wait_until(lambda: all(banks.height(name) >= height for name in banks.names), what="one height")

    histories = {tuple(banks.history(name, height)) for name in banks.names}
    assert len(histories) == 1
    history = next(iter(histories))
    assert len(load.receipts) > KILLS
    for name in banks.names:
        hashes = sorted(load.receipts)
        for start in range(0, len(hashes), BATCH):
            rows = hashes[start : start + BATCH]
            for h, answer in zip(
                rows, banks.batch(name, "eth_getTransactionReceipt", [(h,) for h in rows]), strict=True
            ):
                receipt = answer["result"]
                assert load.receipts[h] == {(receipt["blockNumber"], receipt["blockHash"])}
                assert history[int(receipt["blockNumber"], 16)] == receipt["blockHash"]
    for row in banks.accounts():
        counts = {
            banks.call(name, "eth_getTransactionCount", row["address"], tag)
            for name in banks.names
            for tag in ("latest", "pending")
        }
        assert len(counts) == 1
    print(f"\n{KILLS} kills in {settled - began:.0f} s; height {height}, {len(load.receipts)} transfers with a receipt")


def test_one_of_two_comes_back(banks: Consortium) -> None:
    """Two of four are killed and one is started again: a block that waited is final within seconds."""
    a, b, c, _ = banks.names
    folders = {folder.name: folder for folder in load_network(banks.directory).banks}
    processes.stop([folders[a], folders[b]], kill=True)
    address = banks.accounts()[0]["address"]
    nonce = int(banks.call(c, "eth_getTransactionCount", address, "latest"), 16)
    (raw,) = banks.signed_transfers(0, [nonce])
    sent = banks.call(c, "eth_sendRawTransaction", raw)
    time.sleep(5)
    assert banks.call(c, "eth_getTransactionReceipt", sent) is None
    began = time.monotonic()
    processes.start(folders[a])
    wait_until(lambda: banks.call(c, "eth_getTransactionReceipt", sent), what="the waiting transfer")
    print(f"\nfinal {time.monotonic() - began:.1f} s after the start of the third bank's process")
    processes.start(folders[b])
    wait_until(lambda: banks_agree(banks), what="all banks at one height")


def banks_agree(banks: Consortium) -> bool:
    try:
        heights = {banks.height(name) for name in banks.names}
    except OSError:
        return False
    return len(heights) == 1
