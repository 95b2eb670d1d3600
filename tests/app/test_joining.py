"""Filling an empty chain folder by a snapshot that is whole: whatever moment the process ends at, the next start gets
to the same chain."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from node.app import joining
from node.config import NodeConfig
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.execution.ledger import Ledger
from tests.audit.sealed_chain import CHAIN_ID, GAS_LIMIT, MEMBERS, START, Chronicle
from tests.contracts.calendars import YEARS

BLOCKS = 3
GENESIS = make_genesis(
    ConsortiumSpec(CHAIN_ID, START, MEMBERS[:4], calendars=YEARS, activation_delay=2, gas_limit=GAS_LIMIT)
)


class PowerCut(BaseException):
    """The process ends here."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's folder: a chain that holds genesis alone, and beside it a staged ledger that is whole."""
    folder = tmp_path_factory.mktemp("joining")
    (folder / "genesis.json").write_text(json.dumps(GENESIS.to_json()))
    Ledger.open(folder / "chain", GENESIS).close()
    staged = Chronicle(folder / "chain.joining", GENESIS)
    for _ in range(BLOCKS):
        staged.extend()
    staged.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Of each test's own."""
    return Path(shutil.copytree(made, tmp_path / "late"))


def _config(folder: Path, mode: str) -> NodeConfig:
    ports = {"p2p_port": 1, "rpc_port": 2, "web_port": 3, "metrics_port": 4}
    return NodeConfig.model_validate(
        {
            "node": {"name": "late", "member": "Late Bank", "role": "validator"},
            "listen": ports,
            "sync": {"mode": mode},
            "directory": folder,
        }
    )


def _cut(patch: pytest.MonkeyPatch, after: int) -> None:
    """The power goes out at the step of this number: before a rename, or when a removal has begun."""
    true_rename, true_rmtree = Path.rename, shutil.rmtree
    left = after

    def step() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    def rename(self: Path, target: Path) -> Path:
        if step():
            raise PowerCut
        return true_rename(self, target)

    def rmtree(path: Path, *_: Any) -> None:
        if step():
            for manifest in path.glob("MANIFEST-*"):
                manifest.unlink()
            raise PowerCut
        true_rmtree(path)

    patch.setattr(Path, "rename", rename)
    patch.setattr(shutil, "rmtree", rmtree)


@pytest.mark.parametrize("mode", ["snapshot", "full"])
@pytest.mark.parametrize("again", range(2))
@pytest.mark.parametrize("steps", range(3))
async def test_a_stop_at_any_step_leaves_a_start_that_gets_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str, steps: int, again: int
) -> None:
    """Cut off twice at any rename or removal: the start after them has the snapshot's chain, or genesis alone where the
    mode is "full" by now, and leaves nothing else behind."""
    for cut in (steps, again):
        with monkeypatch.context() as patch:
            _cut(patch, cut)
            try:
                await joining.join_if_wanted(_config(folder, mode))
            except PowerCut:
                continue
    await joining.join_if_wanted(_config(folder, mode))
    ledger = Ledger.open(folder / "chain", GENESIS)
    height = ledger.head.number
    ledger.close()
    assert height == (BLOCKS if mode == "snapshot" else 0)
    assert sorted(os.listdir(folder)) == ["chain", "genesis.json"]
