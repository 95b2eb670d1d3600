"""The auditor against a running consortium, by the ``praya`` command alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.network.consortium import Consortium, praya

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Two banks with some transfers."""
    consortium = Consortium.up(tmp_path_factory.mktemp("network"), "--banks", "2", "--strict-time")
    try:
        for _ in range(5):
            sent = consortium.transfer(consortium.names[0])
            for name in consortium.names:
                consortium.receipt(name, sent)
        yield consortium
    finally:
        consortium.down()


def test_a_bank_is_audited_exported_and_compared(banks: Consortium, tmp_path: Path) -> None:
    """Replay from one bank against the other, export, replay the file, and find one flipped byte of it."""
    first, second = (banks.node(name)["rpc_url"] for name in banks.names)
    report, export = tmp_path / "report.json", tmp_path / "chain.praya"
    praya("audit", "replay", "--from", first, "--against", second, "--report", str(report))
    found = json.loads(report.read_text())
    assert found["holds"] and found["genesis_hash"] == banks.description["genesis_hash"]
    assert found["checked"]["transactions"] == 5
    assert found["checked"]["compared_blocks"] == found["checked"]["blocks"] >= 2

    praya("audit", "export", "--from", first, "--to", str(export))
    assert "TRUE" in praya("audit", "replay", "--from", str(export)).stdout
    content = bytearray(export.read_bytes())
    content[random.Random(7).randrange(len(content) - 2_000, len(content) - 100)] ^= 1
    export.write_bytes(content)
    result = praya("audit", "replay", "--from", str(export), "--json", check=False)
    assert result.returncode == 3 and json.loads(result.stdout)["finding"]["height"]
