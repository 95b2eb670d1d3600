"""Blocks in flight in a bank's engine (W > 1): what the writer keeps, and what the builder does on top of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from consensus import types as c
from node.chain.block import Block
from node.engine import ledger_writer
from node.errors import InvalidBlock
from node.execution.guard import ExecutionAbandoned
from node.execution.transition import ExecutedBlock
from tests.engine.host import LOOP_ADDRESS, Host
from tests.execution.chain import ADDRESSES, KEYS, PARAMETERS, sign


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    await host.close()


def request(parent: Block | None, host: Host, *, even_empty: bool = True) -> c.BuildBlock:
    header = host.ledger.head if parent is None else parent.header
    return c.BuildBlock(0, 0, header.number + 1, header.hash, b"", even_empty)


async def built(host: Host, parent: Block | None = None) -> Block:
    answer = await host.builder.build(request(parent, host))
    assert answer.proposal is not None
    return Block.decode(answer.proposal.block)


def block(host: Host, above: list[ExecutedBlock], *, seconds: int = 1) -> Block:
    """A block of another bank on top of ``above``."""
    parent = above[-1].block.header if above else host.ledger.head
    changes = {"above": above, "timestamp": parent.timestamp + seconds}
    return Block.decode(host.proposal(**changes).block)


async def test_the_primary_builds_on_its_own_block_in_flight(host: Host) -> None:
    """The next block holds what came meanwhile and nothing twice; delivered in order, both are final."""
    first_tx = sign(KEYS[0], to=ADDRESSES[1], value=1)
    host.pool.add(first_tx.raw)
    first = await built(host)
    second_tx = sign(KEYS[0], nonce=1, to=ADDRESSES[1], value=1)
    host.pool.add(second_tx.raw)
    second = await built(host, first)
    assert [one.hash for one in first.transactions] == [first_tx.hash]
    assert [one.hash for one in second.transactions] == [second_tx.hash]
    host.on_start(*(host.deliver(c.Proposal(one.rlp(), b"")) for one in (first, second)))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered) and event.height == 2)
    assert host.ledger.head_hash == second.header.hash
    assert not host.halted


async def test_a_transaction_behind_a_block_in_flight_is_not_evicted(host: Host) -> None:
    """What another bank's block in flight makes impossible may be possible again when that block fails: it waits."""
    foreign = sign(KEYS[0], to=ADDRESSES[1], value=1)
    first = await host.writer.execute(Block.decode(host.proposal(candidates=[foreign]).block))
    waiting = sign(KEYS[0], to=ADDRESSES[1], value=2)  # the same nonce, in this bank's pool alone
    host.pool.add(waiting.raw)
    answer = await host.builder.build(request(first.block, host, even_empty=False))
    assert answer.proposal is None
    assert host.pool.lookup(waiting.hash) is not None


async def test_a_transaction_that_burns_its_time_is_evicted_also_in_flight(tmp_path: Path) -> None:
    """It would cost every next block as much again (P-7)."""
    host = Host(tmp_path, parameters=replace(PARAMETERS, timeout_ms=100))
    first = await host.writer.execute(block(host, []))
    endless = sign(KEYS[0], to=LOOP_ADDRESS, gas=8_000_000)
    host.pool.add(endless.raw)
    answer = await host.builder.build(request(first.block, host, even_empty=False))
    assert answer.proposal is None
    assert host.pool.lookup(endless.hash) is None
    assert host.pool.why_dropped(endless.hash) == "cpu_time"
    await host.close()


async def test_a_block_on_a_parent_that_is_not_here_gets_no_verdict(host: Host) -> None:
    """Abandoned, not invalid: the parent in flight was never executed here."""
    first = await host.writer.execute(block(host, []))
    second = block(host, [first])
    other = Host.__new__(Host)  # a writer without the first block
    other.writer = ledger_writer.LedgerWriter(host.ledger)
    with pytest.raises(ExecutionAbandoned):
        await other.writer.execute(second)
    other.writer.close()


async def test_a_commit_keeps_descendants_and_forgets_rivals(host: Host) -> None:
    """After block 1 is final its executed children still stand; those of its rival are gone."""
    first = await host.writer.execute(block(host, []))
    rival = await host.writer.execute(block(host, [], seconds=2))
    child = await host.writer.execute(block(host, [first]))
    await host.writer.execute(block(host, [rival]))
    await host.writer.commit(c.Proposal(first.block.rlp(), b""), b"certificate", lambda: 0)
    assert set(host.writer._executed) == {child.block.header.hash}
    grandchild = await host.writer.execute(block(host, [child]))
    for executed in (child, grandchild):
        await host.writer.commit(c.Proposal(executed.block.rlp(), b""), b"certificate", lambda: 0)
    assert host.ledger.head.number == 3
    with pytest.raises(InvalidBlock, match="no child of the head"):
        await host.writer.commit(c.Proposal(child_of(rival), b""), b"certificate", lambda: 0)


def child_of(executed: ExecutedBlock) -> bytes:
    """A block of a later height on a parent that never became final."""
    header = executed.block.header
    fields = {name: getattr(header, name) for name in type(header).__dataclass_fields__}
    return Block(type(header)(**{**fields, "number": 9, "parent_hash": header.hash}), ()).rlp()


async def test_what_is_kept_is_bounded_for_each_height(host: Host) -> None:
    """A height's oldest rival goes when a fifth comes; other heights keep theirs."""
    first = await host.writer.execute(block(host, []))
    for seconds in range(2, 2 + ledger_writer.EXECUTED_KEPT_MAX + 2):
        await host.writer.execute(block(host, [first], seconds=seconds))
    kept = [executed.block.number for executed in host.writer._executed.values()]
    assert kept.count(1) == 1
    assert kept.count(2) == ledger_writer.EXECUTED_KEPT_MAX


async def test_a_transaction_that_comes_after_an_empty_build_is_said_at_once(host: Host) -> None:
    """The replica was told of work that stands in the block in flight; a new transaction is news."""
    host.pool.changed_listeners.append(host.engine.work_changed)
    first_tx = sign(KEYS[0], to=ADDRESSES[1], value=1)
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Started))
    host.pool.add(first_tx.raw)
    await host.replica.wait_for(lambda event: isinstance(event, c.WorkChanged) and event.pending)
    first = await built(host)
    host.replica.events.clear()
    host.replica.script[c.BlockBuilt] = []
    host.replica.script[c.WorkChanged] = [[request(first, host, even_empty=False)]]
    host.engine._put(c.WorkChanged(True, 1))
    await host.replica.wait_for(lambda event: isinstance(event, c.BlockBuilt) and event.proposal is None)
    host.replica.events.clear()
    host.pool.add(sign(KEYS[1], to=ADDRESSES[1], value=1).raw)
    event = await host.replica.wait_for(lambda event: isinstance(event, c.WorkChanged))
    assert isinstance(event, c.WorkChanged)
    assert event.pending
