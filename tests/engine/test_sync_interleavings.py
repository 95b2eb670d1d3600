"""H46: block sync imports a height while agreement has something pending for it; every order ends the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from consensus import types as c
from node.chain.block import Block
from node.execution.transition import ExecutedBlock
from tests.engine.host import EVENT_TIMEOUT_S, Host
from tests.execution.chain import ADDRESSES, KEYS, sign

ACTS = ("validate", "validate rival", "deliver", "import", "timer")
PAUSES = (0, 3, 40)
"""Turns of the event loop between two acts: none, a few, and about as long as an execution takes."""
TIMER = c.TimerKey(c.TimerKind.PROGRESS, 0, 0, 1)


@pytest.fixture
async def blocks(tmp_path: Path) -> tuple[c.Proposal, c.Proposal, c.Proposal]:
    """A block, its child, and a rival of the block, as another bank made them."""
    maker = Host(tmp_path / "maker")
    first = maker.proposal(transactions=[sign(KEYS[0], nonce=0, to=ADDRESSES[1], value=1)])
    rival = maker.proposal(timestamp=maker.ledger.head.timestamp + 3)
    executed = maker.ledger.execute(Block.decode(first.block))
    maker.ledger.commit(executed, certificate=b"certificate", carried_certificate=b"", wal_lsn=0)
    child = maker.proposal()
    await maker.close()
    return first, child, rival


def _effect(host: Host, act: str, first: c.Proposal, rival: c.Proposal) -> c.Effect:
    proposer = Block.decode(first.block).header.coinbase
    effects: dict[str, c.Effect] = {
        "validate": c.ValidateBlock(1, first, False, proposer),
        "validate rival": c.ValidateBlock(2, rival, False, proposer),
        "deliver": host.deliver(first),
        "timer": c.SetTimer(TIMER, 0),
    }
    return effects[act]


async def _play(
    host: Host, order: Sequence[str], pause: int, first: c.Proposal, child: c.Proposal, rival: c.Proposal
) -> None:
    """Each act in its order; the import goes on to the child, as a range of block sync does."""

    async def import_both() -> None:
        await host.engine.import_block(first, b"certificate")
        await host.engine.import_block(child, b"certificate")

    host.engine.start()
    importing = None
    for act in order:
        if act == "import":
            importing = asyncio.create_task(import_both())
        else:
            host.replica.script.setdefault(c.WorkChanged, []).append([_effect(host, act, first, rival)])
            host.engine._put(c.WorkChanged(False))
        for _ in range(pause):
            await asyncio.sleep(0)
    assert importing is not None
    await importing
    for token in (1, 2):
        await host.replica.wait_for(lambda e, t=token: isinstance(e, c.BlockValidated) and e.token == t)  # type: ignore[misc]
    await host.replica.wait_for(lambda e: e == c.TimerFired(TIMER))
    await host.replica.wait_for(lambda e: isinstance(e, c.Synced) and e.height == 2)


@pytest.mark.parametrize("first_act", ACTS)
async def test_an_import_beside_whatever_is_pending(
    first_act: str, blocks: tuple[c.Proposal, c.Proposal, c.Proposal], tmp_path: Path
) -> None:
    """In every order of a validation, one of a rival, a delivery, a timer and an import of two blocks: each height is
    committed once, the replica hears of each from one of the two doors at least, in ascending order, a true block is
    never called invalid, the rival is at most abandoned, and the node goes on."""
    rest = [act for act in ACTS if act != first_act]
    for number, (order, pause) in enumerate(itertools.product(itertools.permutations(rest), PAUSES)):
        if number % len(ACTS) != ACTS.index(first_act):
            continue  # a fifth of the orders each: every pause meets every act in front
        host = Host(tmp_path / f"host{number}")
        committed: list[int] = []

        def note(executed: ExecutedBlock, heights: list[int] = committed) -> None:
            heights.append(executed.block.number)

        host.ledger.on_commit.append(note)
        try:
            async with asyncio.timeout(EVENT_TIMEOUT_S):
                await _play(host, (first_act, *order), pause, *blocks)
            assert committed == [1, 2], order
            assert host.halted == [], order
            told = [e.height for e in host.replica.events if isinstance(e, c.Delivered | c.Synced)]
            assert told == sorted(told), order
            assert set(told) == {1, 2}, order
            for verdict in (e for e in host.replica.events if isinstance(e, c.BlockValidated)):
                assert verdict.verdict is not c.Verdict.INVALID, (order, verdict)
        finally:
            await host.close()
