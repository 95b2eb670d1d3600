"""The host's duties (consensus/README.md), each with the fault that it guards against."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from consensus import types as c
from consensus.wal_records import Committed
from node.chain.block import Block
from node.engine import engine as engine_module
from node.engine.wal import WriteAheadLog
from node.errors import DataError
from node.p2p.peer import PeerInfo
from node.types import Address
from tests.engine.host import LOOP_ADDRESS, Host, a_state, a_status, persist
from tests.execution.chain import ADDRESSES, KEYS, PARAMETERS, VALIDATORS, sign

PEER = Address(b"\x55" * 20)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    await host.close()


def build_request(host: Host, *, view: int = 0, even_empty: bool = False) -> c.BuildBlock:
    head = host.ledger.head
    return c.BuildBlock(0, view, head.number + 1, head.hash, b"", even_empty)


async def test_a_record_is_synced_before_its_message_leaves(host: Host) -> None:
    """Duty 3: what a step persists is on disk before what the step sends is handed to the network."""
    host.on_start(persist(1), c.Broadcast(a_status(), 1), c.Send(VALIDATORS[1], a_status(), 1))
    host.engine.start()
    await host.replica.wait_for(lambda event: event == c.Persisted(1))
    assert host.journal == ["sync", "broadcast", "send"]


async def test_the_replica_hears_whom_the_host_is_connected_to(host: Host) -> None:
    """Duty 16: after Started, and at each connection that comes or goes."""
    host.engine.start()
    assert isinstance(await host.replica.wait_for(lambda event: True), c.Started)
    await host.replica.wait_for(lambda event: event == c.PeersReachable(frozenset()))
    for peers in ({PEER}, set()):
        host.network.peers = peers
        for tell in host.network.connected_handlers:
            tell(cast(PeerInfo, None))
        await host.replica.wait_for(lambda event, peers=peers: event == c.PeersReachable(frozenset(peers)))
    assert len(host.network.connected_handlers) == 2


async def test_a_message_ahead_of_its_record_stops_the_node(host: Host) -> None:
    """Duty 3: an effect that waits for a record which was never synced is an impossible state; nothing leaves."""
    host.on_start(c.Broadcast(a_status(), 1))
    host.engine.start()
    assert "waits for WAL record 1" in await host.until_halted()
    assert host.journal == []


async def test_a_log_that_cannot_be_synced_stops_the_node(host: Host) -> None:
    """A failed fdatasync: the node stops, and the vote that depended on it is not sent."""
    host.wal.broken = True
    host.on_start(persist(1), c.Broadcast(a_status(), 1))
    host.engine.start()
    assert "WalFailed" in await host.until_halted()
    assert host.journal == []


async def test_halt_reaches_the_composition_root(host: Host) -> None:
    """Duty 15: the reason of a Halt is what the node stops with."""
    host.on_start(c.Halt("two certificates"))
    host.engine.start()
    assert "two certificates" in await host.until_halted()


async def test_only_the_last_timer_of_a_kind_fires(host: Host) -> None:
    """Duty 6: SetTimer replaces, CancelTimer stops; a fired timer carries the key that it was set with."""
    now_us = host.engine._clock.monotonic_us()
    stale = c.TimerKey(c.TimerKind.PROGRESS, 0, 0, 1)
    fresh = c.TimerKey(c.TimerKind.PROGRESS, 0, 1, 1)
    cancelled = c.TimerKey(c.TimerKind.STATUS, 0, 0, 1)
    host.on_start(
        c.SetTimer(stale, now_us + 1_000),
        c.SetTimer(cancelled, now_us + 1_000),
        c.SetTimer(fresh, now_us + 5_000),
        c.CancelTimer(c.TimerKind.STATUS),
    )
    host.engine.start()
    await host.replica.wait_for(lambda event: event == c.TimerFired(fresh))
    await asyncio.sleep(0.02)
    assert [event.key for event in host.replica.events if isinstance(event, c.TimerFired)] == [fresh]


async def test_sync_before_deliver_is_one_commit_and_one_event(host: Host) -> None:
    """Duty 9: where block sync has committed a height first, Deliver of it writes nothing and Synced is the answer."""
    proposal = host.proposal()
    host.replica.script[c.Synced] = [[host.deliver(proposal)]]
    host.engine.start()
    await host.engine.import_block(proposal, b"certificate")
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))
    assert host.ledger.head.number == 1
    assert not host.halted


async def test_deliver_and_import_at_the_same_time(host: Host) -> None:
    """Duty 11: one writer: whoever comes second finds the block there."""
    proposal = host.proposal()
    host.on_start(host.deliver(proposal))
    host.engine.start()
    await asyncio.gather(*(host.engine.import_block(proposal, b"certificate") for _ in range(3)))
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered | c.Synced))
    assert host.ledger.head.number == 1
    assert not host.halted


async def test_a_quorum_for_a_block_that_is_not_ours_stops_the_node(host: Host) -> None:
    """A sealed block that does not follow the head: the node stops rather than forks."""
    first, rival = host.proposal(), host.proposal(timestamp=host.ledger.head.timestamp + 3)
    host.on_start(host.deliver(first), host.deliver(rival))
    host.engine.start()
    assert "holds another" in await host.until_halted()


async def test_a_build_that_is_cancelled_answers_none(host: Host) -> None:
    """A view ends while its block is being built: no proposal, no halt, and the next build gets through."""
    slow = sign(KEYS[0], to=LOOP_ADDRESS, gas=8_000_000)
    host.pool.add(slow.raw)
    host.on_start(build_request(host), c.Trace("view_entered"))
    host.engine.start()
    event = await host.replica.wait_for(lambda event: isinstance(event, c.BlockBuilt))
    assert event == c.BlockBuilt(0, 0, 1, None)
    assert host.pool.lookup(slow.hash) is not None
    host.pool.evict(slow.hash, "test")
    host.pool.add(sign(KEYS[1], to=ADDRESSES[0], value=1).raw)
    answer = await host.builder.build(build_request(host, view=1))
    assert answer.proposal is not None
    assert not host.halted


async def test_a_build_on_a_head_that_has_moved_answers_none(host: Host) -> None:
    """The answer to BuildBlock is None where its parent is not the head any more."""
    request = build_request(host, even_empty=True)
    await host.engine.import_block(host.proposal(), b"certificate")
    assert (await host.builder.build(request)).proposal is None


async def test_work_is_what_the_builder_can_place(tmp_path: Path) -> None:
    """P-15: a transaction that can be placed is work; one that is evicted for its cost is none."""
    host = Host(tmp_path, parameters=replace(PARAMETERS, timeout_ms=100))
    assert await host.builder.work_is_placeable() is False
    host.pool.add(sign(KEYS[0], to=LOOP_ADDRESS, gas=8_000_000).raw)
    assert await host.builder.work_is_placeable() is False
    assert len(host.pool) == 0
    host.pool.add(sign(KEYS[1], to=ADDRESSES[0], value=1).raw)
    assert await host.builder.work_is_placeable() is True
    await host.close()


async def test_the_verdicts_on_a_block(host: Host) -> None:
    """Duty 8: valid, invalid with the rule, and abandoned where the view has ended or the head has moved."""
    good, other = host.proposal(), host.proposal(timestamp=host.ledger.head.timestamp + 3)
    block = Block.decode(other.block)
    spoilt = Block(type(block.header)(**{**_fields(block), "gas_used": 1}), block.transactions)
    proposer = block.header.coinbase
    host.on_start(
        c.ValidateBlock(1, good, True, proposer),
        c.ValidateBlock(2, c.Proposal(spoilt.rlp(), b""), True, proposer),
        c.ValidateBlock(3, other, True, VALIDATORS[3]),
    )
    host.engine.start()
    found = {}
    for token in (1, 2, 3):
        event = await host.replica.wait_for(lambda e, t=token: isinstance(e, c.BlockValidated) and e.token == t)  # type: ignore[misc]
        assert isinstance(event, c.BlockValidated)
        found[token] = event
    assert found[1].verdict is c.Verdict.VALID
    assert found[2].verdict is c.Verdict.INVALID
    assert "gas_used" in found[2].reason
    assert found[3].verdict is c.Verdict.INVALID
    assert "P-5" in found[3].reason
    await host.engine.import_block(good, b"certificate")
    host.replica.script[c.WorkChanged] = [[c.ValidateBlock(4, other, False, proposer)]]
    host.engine._put(c.WorkChanged(False))
    event = await host.replica.wait_for(lambda e: isinstance(e, c.BlockValidated) and e.token == 4)
    assert isinstance(event, c.BlockValidated)
    assert event.verdict is c.Verdict.ABANDONED


@pytest.mark.parametrize("begun", [True, False])
async def test_an_execution_is_abandoned_with_its_view(host: Host, begun: bool) -> None:
    """P-7: AbandonValidation ends the interpreter's loop, also where it comes before the execution's task has begun;
    the verdict is neither valid nor invalid."""
    endless = sign(KEYS[0], to=LOOP_ADDRESS, gas=8_000_000)
    block = Block.decode(host.proposal().block)
    header = type(block.header)(
        **{
            **_fields(block),
            "gas_used": 8_000_000,
            "transactions_root": Block(block.header, (endless,)).transactions_root(),
        }
    )
    proposal = c.Proposal(Block(header, (endless,)).rlp(), b"")
    validate, abandon = c.ValidateBlock(1, proposal, True, block.header.coinbase), c.AbandonValidation(1)
    host.on_start(*([validate] if begun else [validate, abandon]))
    host.engine.start()
    if begun:
        await asyncio.sleep(0.05)
        host.replica.script[c.WorkChanged] = [[abandon]]
        host.engine._put(c.WorkChanged(False))
    event = await host.replica.wait_for(lambda e: isinstance(e, c.BlockValidated))
    assert isinstance(event, c.BlockValidated)
    assert event.verdict is c.Verdict.ABANDONED


async def test_bytes_that_are_no_message_count_against_the_peer(host: Host) -> None:
    """Duty 5: a malformed frame raises DataError, which the peer network counts; the engine goes on."""
    host.engine.start()
    with pytest.raises(DataError):
        host.network.handlers["consensus"](PEER, b"\x01\xff")
    assert host.metrics.agreement.messages_refused.labels("MalformedMessage")._value.get() == 1
    assert not host.halted


async def test_a_flood_of_one_peer_leaves_room_for_the_others(host: Host) -> None:
    """R-5: each peer has its own share of the queue; what one sends beyond it is dropped, the others' votes are not."""
    host.engine.start()
    other = Address(b"\x66" * 20)
    unverified = a_status()
    for _ in range(engine_module.RECEIVED_FROM_PEER_MAX + 10):
        host.engine._put(c.Received(PEER, unverified))
    host.engine._put(c.Received(other, unverified))
    await host.replica.wait_for(lambda event: isinstance(event, c.Received) and event.peer == other)
    assert host.metrics.agreement.messages_refused.labels("queue_full")._value.get() == 10
    host.engine._put(c.Received(PEER, unverified))  # drained: the flooder may speak again
    count = engine_module.RECEIVED_FROM_PEER_MAX + 1
    await host.replica.wait_for(lambda _: sum(isinstance(e, c.Received) for e in host.replica.events) == count + 1)


async def test_a_long_log_begins_anew(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-17: past its target length the log starts a segment with the State record; the old file is gone."""
    monkeypatch.setattr(engine_module, "SEGMENT_BYTES_TARGET", 10)
    host.replica.state = a_state()
    host.on_start(persist(1), host.deliver(host.proposal()))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))
    host.engine._put(c.WorkChanged(True, 77))
    await host.replica.wait_for(lambda event: event == c.WorkChanged(True, 77))  # the step after the commit's
    assert [path.name for path in (tmp_path / "wal").glob("wal-*")] == ["wal-000000000002"]
    await host.engine.stop()
    host.wal.close()
    again = WriteAheadLog(str(tmp_path / "wal"))
    assert again.open() == [(1, (a_state(),))]
    again.close()


async def test_who_refuses_to_vote_keeps_its_log(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P-18: the log of a node that refuses to vote is left as it is, or the next start would find nothing wrong."""
    monkeypatch.setattr(engine_module, "SEGMENT_BYTES_TARGET", 10)
    host.replica.state, host.replica.refuse = a_state(), "rolled back"
    host.on_start(persist(1), host.deliver(host.proposal()))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))
    host.engine._put(c.WorkChanged(True, 77))
    await host.replica.wait_for(lambda event: event == c.WorkChanged(True, 77))
    assert [path.name for path in (tmp_path / "wal").glob("wal-*")] == ["wal-000000000001"]


async def test_a_block_stores_the_last_synced_record(host: Host) -> None:
    """P-17: the ledger's batch holds the LSN of the last synced record, and never a lower one than before."""
    first = host.proposal()
    host.on_start(persist(1), persist(2), host.deliver(first))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))
    assert host.ledger.chain.wal_lsn() == 2


async def test_a_block_imported_while_a_record_is_being_written_stores_the_one_before(host: Host) -> None:
    """P-17: a power cut may lose what is not synced yet; the ledger must not claim to have seen it."""
    host.wal.append(1, (Committed(1),))
    host.wal.sync()
    host.wal.append(2, (Committed(2),))
    await host.engine.import_block(host.proposal(), b"certificate")
    assert host.ledger.chain.wal_lsn() == 1


async def test_a_lost_log_goes_on_being_noticed(tmp_path: Path) -> None:
    """P-18: blocks that come by sync do not lower what the ledger has seen, or the next start would vote."""
    first = Host(tmp_path)
    first.wal.append(9, (Committed(1),))
    first.wal.sync()
    await first.engine.import_block(first.proposal(), b"certificate")
    await first.close()
    shutil.rmtree(tmp_path / "wal")
    second = Host(tmp_path)
    await second.engine.import_block(second.proposal(), b"certificate")
    assert second.ledger.head.number == 2
    assert second.ledger.chain.wal_lsn() == 9
    await second.close()


async def test_a_jump_of_the_test_clock_makes_a_heartbeat_due(host: Host) -> None:
    """P-19: every replica owes a block with the new time, without waiting for the heartbeat."""
    key = c.TimerKey(c.TimerKind.HEARTBEAT, 0, 0, 1)
    host.on_start(c.SetTimer(key, 10**15))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Started))
    await asyncio.sleep(0)
    host.engine.clock_jumped()
    await host.replica.wait_for(lambda event: event == c.TimerFired(key))


def _fields(block: Block) -> dict[str, Any]:
    return {name: getattr(block.header, name) for name in type(block.header).__dataclass_fields__}
