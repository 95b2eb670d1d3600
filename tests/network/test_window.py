"""Four real banks with blocks in flight (P-11, W > 1), under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.network.consortium import Consortium, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("window")]

ACCOUNTS = 3
TRANSFERS = 60
"""For each account."""
BATCH = 10
WINDOW = 4


def test_banks_agree_with_blocks_in_flight(tmp_path: Path) -> None:
    """Everything sent is final once and in the same blocks at all banks, a bank that was killed on the way included;
    and a certificate is canonical once the block W above it is final."""
    banks = Consortium.up(tmp_path, "--window", str(WINDOW), "--accounts", str(ACCOUNTS))
    *steady, victim = banks.names
    try:
        hashes: list[str] = []
        for start in range(0, TRANSFERS, BATCH):
            for account, name in enumerate(steady):
                raw = banks.signed_transfers(account, range(start, start + BATCH))
                answers = banks.batch(name, "eth_sendRawTransaction", [(one,) for one in raw])
                hashes += [answer["result"] for answer in answers]
            if start == BATCH:
                banks.stop(victim, kill=True)
        blocks = [banks.receipt(steady[0], one, timeout_s=60)["blockNumber"] for one in hashes]
        assert len(set(hashes)) == ACCOUNTS * TRANSFERS
        banks.start(victim)
        top = max(blocks)
        wait_until(lambda: all(banks.height(name) >= top for name in banks.names), what="one height")
        assert len({tuple(banks.history(name, top)) for name in banks.names}) == 1
        counted = [len(banks.web3(victim).eth.get_block(height)["transactions"]) for height in range(top + 1)]
        assert sum(counted) == ACCOUNTS * TRANSFERS
        head = banks.height(steady[0])
        found = [banks.call(steady[0], "pbft_getCertificate", hex(h))["canonical"] for h in range(1, top + 1)]
        assert found == [height + WINDOW <= head for height in range(1, top + 1)]
    finally:
        banks.down()
