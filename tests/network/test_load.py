"""Four banks under load, on a machine that has other things to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.consortium import BATCH, Consortium, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("load")]

ACCOUNTS = 3
TRANSFERS = 500
COMPETITORS = 3
VIEWS_MAX = 8
FINAL_WITHIN_S = 120.0


@pytest.fixture
def competitors() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that want all the processor time there is."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(COMPETITORS)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_flood_becomes_final_with_one_history(tmp_path: Path, competitors: list[subprocess.Popen[bytes]]) -> None:
    """Three accounts send 500 transfers each through one bank's JSON-RPC while other processes take the processor:
    every transfer becomes final, all banks hold one history, and views do not rotate for ever."""
    banks = Consortium.up(tmp_path / "net", "--accounts", str(ACCOUNTS))
    try:
        door, *others = banks.names
        batches = [
            banks.signed_transfers(account, range(start, start + BATCH))
            for start in range(0, TRANSFERS, BATCH)
            for account in range(ACCOUNTS)
        ]
        started = time.monotonic()
        for raws in batches:
            answers = banks.batch(door, "eth_sendRawTransaction", [(raw,) for raw in raws])
            assert not [answer for answer in answers if "error" in answer]
        submitted = time.monotonic()
        addresses = [account["address"] for account in banks.accounts()]

        def nonces(name: str) -> list[int]:
            answers = banks.batch(name, "eth_getTransactionCount", [(address, "latest") for address in addresses])
            return [int(answer["result"], 16) for answer in answers]

        for name in (door, *others):
            wait_until(
                lambda name=name: nonces(name) == [TRANSFERS] * ACCOUNTS,  # type: ignore[misc]
                timeout_s=FINAL_WITHIN_S,
                what=f"every transfer final at {name}",
            )
        total = ACCOUNTS * TRANSFERS
        print(f"\n{total} transfers: sent in {submitted - started:.1f} s, final in {time.monotonic() - started:.1f} s")
        height = min(banks.height(name) for name in banks.names)
        assert len({tuple(banks.history(name, height)) for name in banks.names}) == 1
        assert max(banks.status(name)["view"] for name in banks.names) <= VIEWS_MAX
    finally:
        banks.down()
