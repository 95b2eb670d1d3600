"""The whole story by ``praya demo --once``, as a user runs it, at three starts of the calendar."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import rlp
from eth.vm.forks.cancun.blocks import CancunBlock
from eth_utils import keccak

from node.audit.export_file import ExportFile
from node.chain.block import Block
from node.chain.genesis import Genesis
from tests.execution.chain import stock_chain

pytestmark = pytest.mark.network

STORY_TIMEOUT_S = 240
GROUP = pytest.mark.xdist_group


@pytest.mark.parametrize(
    ("start", "options"),
    [
        pytest.param("2026-11-20", (), id="a Friday", marks=GROUP("story-friday")),
        pytest.param("2027-02-05", (), id="the day before Lunar New Year", marks=GROUP("story-new-year")),
        pytest.param("2026-12-30", ("--strict-time",), id="30 December", marks=GROUP("story-december")),
    ],
)
def test_the_story_holds(tmp_path: Path, start: str, options: tuple[str, ...]) -> None:
    """Every step is final with block, transaction and gas; the chain is found true, the flipped copy false by height;
    no process and no file stays behind. With strict time, stock py-evm imports the whole chain."""
    export = tmp_path / "chain.praya"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    told = subprocess.run(
        [sys.executable, "-m", "node", "demo", "--once", "--start", start, "--export", str(export), *options],
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

    source = ExportFile(export)
    blocks = [Block.decode(sealed.block) for sealed in source.blocks()]
    assert len(blocks) == max(int(block) for block, *_ in acts)
    assert {transaction for _, transaction, *_ in acts} == {f"0x{t.hash.hex()}" for b in blocks for t in b.transactions}
    _check_hashes(source)
    if "--strict-time" in options:
        _import_into_stock_evm(source)


def _check_hashes(source: ExportFile) -> None:
    """Every block hash again with plain rlp and keccak: each header names its parent's."""
    parents = [rlp.decode(sealed.block)[0] for sealed in source.blocks()]
    for earlier, later in itertools.pairwise(parents):
        assert later[0] == keccak(rlp.encode(earlier))


def _import_into_stock_evm(source: ExportFile) -> None:
    """Another implementation re-executes the story with its own validation; every root is equal (P-4)."""
    chain = stock_chain(Genesis.from_json(source.genesis()))
    for sealed in source.blocks():
        ours = Block.decode(sealed.block).header
        block = rlp.decode(sealed.block, sedes=CancunBlock)
        imported = chain.import_block(block, perform_validation=True).imported_block.header
        assert (imported.hash, imported.state_root) == (ours.hash, ours.state_root)
        assert (imported.receipt_root, imported.transaction_root) == (ours.receipts_root, ours.transactions_root)
