"""The whole story by ``praya demo --once``, as a user runs it, at three starts of the calendar."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from node.audit.export_file import ExportFile
from node.chain.block import Block

pytestmark = pytest.mark.network

STORY_TIMEOUT_S = 240
GROUP = pytest.mark.xdist_group


@pytest.mark.parametrize(
    "start",
    [
        pytest.param("2026-11-20", id="a Friday", marks=GROUP("story-friday")),
        pytest.param("2027-02-05", id="the day before Lunar New Year", marks=GROUP("story-new-year")),
        pytest.param("2026-12-30", id="30 December", marks=GROUP("story-december")),
    ],
)
def test_the_story_holds(tmp_path: Path, start: str) -> None:
    """Every step is final with block, transaction and gas; the chain is found true, the flipped copy false by height;
    no process and no file stays behind."""
    export = tmp_path / "chain.praya"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    told = subprocess.run(
        [sys.executable, "-m", "node", "demo", "--once", "--start", start, "--export", str(export)],
        check=False,
        capture_output=True,
        text=True,
        timeout=STORY_TIMEOUT_S,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert told.returncode == 0, told.stdout + told.stderr
    steps = re.findall(r"^ *(\d+)\. ", told.stdout, re.MULTILINE)
    assert [int(number) for number in steps] == list(range(1, len(steps) + 1))
    assert re.search(rf"All {len(steps)} steps hold", told.stdout)
    acts = re.findall(r"^ +block (\d+)  tx (0x[0-9a-f]{64})  gas ([\d,]+)  (\w+)$", told.stdout, re.MULTILINE)
    assert len({transaction for _, transaction, _, _ in acts}) == len(acts)
    told_acts = [function for *_, function in acts if function != "anchor"]
    assert told_acts == [
        *("issue", "advise", "amend", "acceptAmendment", "present", "refuse", "present", "determineCompliance"),
        *("honour", "settle", "register", "recordBuyerAcceptance", "register", "makeOffer", "acceptOffer", "disburse"),
    ]
    assert "[UCP16cSecondNotice]" in told.stdout
    assert told.stdout.count("[TagTaken]") == 2
    assert "      TRUE: " in told.stdout
    assert re.search(r"^ +FALSE at block \d+: ", told.stdout, re.MULTILINE)
    assert list(scratch.iterdir()) == []

    blocks = [Block.decode(sealed.block) for sealed in ExportFile(export).blocks()]
    assert len(blocks) == max(int(block) for block, *_ in acts)
    assert {transaction for _, transaction, *_ in acts} == {f"0x{t.hash.hex()}" for b in blocks for t in b.transactions}
