"""The host's numbered duties (consensus/README.md) that no other test of this folder holds; README.md has the table."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from consensus import codec, domain
from consensus import messages as m
from consensus import types as c
from consensus.validators import ValidatorSchedule
from node.chain.block import Block
from node.clock import ClockStep, SteppedClock, SystemClock, write_clock_steps
from node.engine import engine as engine_module
from node.errors import DataError
from node.execution.consensus_config import consensus_config
from node.keys import PrivateKey
from node.types import Address, Hash32
from tests.engine.host import Host, a_state, a_status, persist
from tests.execution.chain import ADDRESSES, KEYS, VALIDATORS, sign

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("README.md").read_text()
PEER = Address(b"\x55" * 20)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    host = Host(tmp_path)
    yield host
    await host.close()


# --- the table ------------------------------------------------------------------------------------------


def test_every_duty_has_a_test_that_exists() -> None:
    """The table has one line for each number in consensus/README.md, and every test that it names is there."""
    duties = (ROOT / "consensus" / "README.md").read_text().split("## Duties of the host")[1].split("\n## ")[0]
    numbers = re.findall(r"^(\d+)\. ", duties, re.MULTILINE)
    rows = re.findall(r"^\| (\d+) \|.*$", TABLE, re.MULTILINE)
    assert rows == numbers
    for row in re.findall(r"^\| \d+ \|.*$", TABLE, re.MULTILINE):
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert re.search(rf"^(?:async )?def {name}\b", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


# --- 1, 2: events ---------------------------------------------------------------------------------------


async def test_started_is_the_first_event(host: Host) -> None:
    """Duty 1: whatever waits already, a block of sync or a transaction, the replica hears Started first."""
    host.pool.add(sign(KEYS[0], to=ADDRESSES[1], value=1).raw)
    host.engine.start()
    await host.engine.import_block(host.proposal(), b"certificate")
    await host.replica.wait_for(lambda event: isinstance(event, c.Synced))
    assert isinstance(host.replica.events[0], c.Started)
    assert sum(isinstance(event, c.Started) for event in host.replica.events) == 1


async def test_effects_of_one_step_come_before_those_of_the_next(host: Host) -> None:
    """Duty 2: an event that comes while a step waits for the disk is stepped when that step's effects are done."""
    host.on_start(persist(1), c.Send(VALIDATORS[1], a_status(), 1))
    host.replica.script[c.WorkChanged] = [[c.Broadcast(a_status(), 1)]]
    host.engine.start()
    host.engine._put(c.WorkChanged(True, 1))
    await host.replica.wait_for(lambda event: isinstance(event, c.WorkChanged))
    host.engine._put(c.WorkChanged(True, 2))
    await host.replica.wait_for(lambda event: event == c.WorkChanged(True, 2))
    assert host.journal == ["sync", "send", "broadcast"]


# --- 5: messages ----------------------------------------------------------------------------------------


def _schedule(host: Host, members: tuple[Address, ...]) -> ValidatorSchedule:
    schedule = ValidatorSchedule(consensus_config(host.genesis, host.ledger.genesis_hash))
    schedule.add(0, members)
    return schedule


async def test_only_what_its_sender_signed_reaches_the_replica(host: Host) -> None:
    """Duty 5: a STATUS signed by another key is dropped and counted, and costs the peer nothing: it may only relay."""
    keys = sorted((PrivateKey.from_bytes(key) for key in KEYS), key=lambda key: key.address)
    host.replica.schedule = _schedule(host, tuple(key.address for key in keys))
    status = m.Status(0, 0, 0, 0, False, 1, b"")
    digest = domain.body_digest(host.replica.schedule.domain(0), codec.kind_of(status), codec.encode_body(status))
    host.engine.start()
    receive = host.network.handlers["consensus"]
    for signer in (keys[2], keys[1]):
        signed = m.Status(0, 0, 0, 0, False, 1, signer.sign(digest))
        receive(PEER, codec.encode_message(signed))
    event = await host.replica.wait_for(lambda event: isinstance(event, c.Received))
    assert event == c.Received(PEER, m.Status(0, 0, 0, 0, False, 1, keys[1].sign(digest)))
    assert sum(isinstance(found, c.Received) for found in host.replica.events) == 1
    assert host.metrics.agreement.messages_refused.labels("InvalidMessage")._value.get() == 1
    with pytest.raises(DataError):
        receive(PEER, b"no message")


# --- 7, 8: blocks ---------------------------------------------------------------------------------------


async def test_a_block_is_built_as_it_was_asked_for(host: Host) -> None:
    """Duty 7: on the parent, with the carried certificate's hash in its header and this bank's address; and where there
    is nothing to place, the answer is None, unless an empty block is due."""
    head = host.ledger.head
    carried = b"certificate of an earlier block"
    asked = c.BuildBlock(0, 3, 1, head.hash, carried, even_empty=True)
    host.on_start(c.BuildBlock(0, 2, 1, head.hash, b"", even_empty=False))
    host.replica.script[c.BlockBuilt] = [[asked]]
    host.engine.start()
    first = await host.replica.wait_for(lambda event: isinstance(event, c.BlockBuilt))
    assert first == c.BlockBuilt(0, 2, 1, None)
    second = await host.replica.wait_for(lambda event: isinstance(event, c.BlockBuilt) and event.view == 3)
    assert isinstance(second, c.BlockBuilt)
    assert second.proposal is not None
    assert second.proposal.certificate == carried
    header = Block.decode(second.proposal.block).header
    assert header.parent_hash == head.hash
    assert header.parent_beacon_block_root == hashlib.sha256(carried).digest()
    assert header.coinbase == VALIDATORS[0]


async def test_a_fault_of_this_machine_is_no_verdict(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duty 8: a disk that fails while a good block is executed stops the node; INVALID is never said of it."""

    async def fails(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    proposal = host.proposal()
    monkeypatch.setattr(host.writer, "execute", fails)
    host.on_start(c.ValidateBlock(1, proposal, True, Block.decode(proposal.block).header.coinbase))
    host.engine.start()
    assert "No space left" in await host.until_halted()
    assert not [event for event in host.replica.events if isinstance(event, c.BlockValidated)]


# --- 10, 11, 14: other banks' blocks --------------------------------------------------------------------


async def test_a_fetched_block_is_handed_on_and_no_block_is_no_answer(host: Host) -> None:
    """Duty 10: BlockAvailable with what peers gave; where nobody has it the replica hears nothing, and asks again."""
    wanted = c.FetchBlock(1, bytes(32), (VALIDATORS[1],))
    host.on_start(wanted)
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.PeersReachable))
    await asyncio.gather(*host.engine._tasks)
    assert not [event for event in host.replica.events if isinstance(event, c.BlockAvailable)]
    host.fetched = host.proposal()
    host.replica.script[c.WorkChanged] = [[wanted]]
    host.engine._put(c.WorkChanged(True, 1))
    event = await host.replica.wait_for(lambda event: isinstance(event, c.BlockAvailable))
    assert event == c.BlockAvailable(host.fetched)


async def test_a_sync_is_started_and_each_of_its_blocks_is_told(host: Host) -> None:
    """Duty 11: target and peers go to block sync as they are; Synced for each block that it writes, in height order."""
    host.on_start(c.StartSync(9, (VALIDATORS[1], VALIDATORS[2])))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.PeersReachable))
    assert host.syncs == [(9, (VALIDATORS[1], VALIDATORS[2]))]
    for _ in range(3):
        await host.engine.import_block(host.proposal(), b"certificate")
    await host.replica.wait_for(lambda event: isinstance(event, c.Synced) and event.height == 3)
    synced = [event for event in host.replica.events if isinstance(event, c.Synced)]
    assert [event.height for event in synced] == [1, 2, 3]
    assert synced[2].block_hash == host.ledger.head.hash
    assert synced[2].next_validators == tuple(host.ledger.next_validators)


@pytest.mark.parametrize(("me", "follows"), [(VALIDATORS[0], False), (PEER, True)], ids=["validator", "outside"])
async def test_who_is_no_validator_follows_what_peers_announce(host: Host, me: Address, follows: bool) -> None:
    """Duty 14: a bank outside the set starts a sync for each later head; one in the set is told by the agreement."""
    host.network.me = me
    host.engine.start()
    (announced,) = host.network.head_handlers
    announced(VALIDATORS[2], 0, Hash32(bytes(32)))
    announced(VALIDATORS[2], 7, Hash32(bytes(32)))
    assert host.syncs == ([(7, (VALIDATORS[2],))] if follows else [])


# --- 12: work -------------------------------------------------------------------------------------------


async def test_work_is_said_when_it_comes_and_when_it_is_gone(host: Host) -> None:
    """Duty 12: the first transaction at once, with its time of arrival; none any more after the block that took it."""
    host.pool.changed_listeners.append(host.engine.work_changed)
    host.engine.start()
    before_us = host.engine._clock.monotonic_us()
    host.pool.add(sign(KEYS[0], to=ADDRESSES[1], value=1).raw)
    event = await host.replica.wait_for(lambda event: isinstance(event, c.WorkChanged) and event.pending)
    assert isinstance(event, c.WorkChanged)
    assert event.oldest_us is not None
    assert before_us <= event.oldest_us <= host.engine._clock.monotonic_us()
    built = await host.builder.build(c.BuildBlock(0, 0, 1, host.ledger.head.hash, b"", False))
    assert built.proposal is not None
    await host.engine.import_block(built.proposal, b"certificate")
    await host.replica.wait_for(lambda event: event == c.WorkChanged(False, None, False))


async def test_check_work_is_always_answered(host: Host) -> None:
    """Duty 12: the builder runs, and its answer comes also where it is the same as before."""
    host.on_start(c.CheckWork())
    host.replica.script[c.WorkChanged] = [[c.CheckWork()], [c.Trace("seen")]]
    host.engine.start()
    await host.replica.wait_for(lambda _event: host.replica.events.count(c.WorkChanged(False, None, False)) == 2)


async def test_probes_for_work_do_not_queue_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Duty 12: CheckWork while a probe runs is answered by that probe; the ledger's thread has blocks to execute."""
    probes, go_on = [0], asyncio.Event()

    async def slow() -> bool:
        probes[0] += 1
        await go_on.wait()
        return True

    monkeypatch.setattr(host.builder, "work_is_placeable", slow)
    host.on_start(c.CheckWork(), c.CheckWork(), c.CheckWork())
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.PeersReachable))
    go_on.set()
    await host.replica.wait_for(lambda event: isinstance(event, c.WorkChanged) and event.pending)
    assert probes == [1]
    host.replica.script[c.TimerFired] = [[c.CheckWork()]]
    host.engine._put(c.TimerFired(c.TimerKey(c.TimerKind.STATUS, 0, 0, 1)))
    await host.replica.wait_for(lambda _event: sum(isinstance(e, c.WorkChanged) for e in host.replica.events) == 2)
    assert probes == [2]


# --- 13, 15, 17 -----------------------------------------------------------------------------------------


async def test_no_segment_begins_while_the_replica_says_not_now(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Duty 13: obligations of a later epoch stand in the old segment alone; it stays until they can be restated."""
    monkeypatch.setattr(engine_module, "SEGMENT_BYTES_TARGET", 10)
    host.replica.state = None
    host.on_start(persist(1), host.deliver(host.proposal()))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.Delivered))

    def names() -> list[str]:
        return [path.name for path in (tmp_path / "wal").glob("wal-*")]

    await host.engine.import_block(host.proposal(), b"certificate")
    await host.replica.wait_for(lambda event: isinstance(event, c.Synced))
    assert names() == ["wal-000000000001"]
    host.replica.state = a_state()
    await host.engine.import_block(host.proposal(), b"certificate")
    await host.replica.wait_for(lambda event: isinstance(event, c.Synced) and event.height == 3)
    host.engine._put(c.WorkChanged(True, 77))
    await host.replica.wait_for(lambda event: event == c.WorkChanged(True, 77))
    assert names() == ["wal-000000000002"]


async def test_a_halt_keeps_the_files_and_sends_nothing_more(host: Host, tmp_path: Path) -> None:
    """Duty 15: what a halt leaves is the evidence: log and ledger as they were, and nothing after it is carried out."""
    host.on_start(persist(1), c.Halt("two certificates"), c.Broadcast(a_status(), 0))
    host.engine.start()
    await host.until_halted()
    host.engine._put(c.WorkChanged(True, 1))
    await asyncio.sleep(0)
    assert host.journal == ["sync"]
    (segment,) = (tmp_path / "wal").glob("wal-*")
    await host.engine.stop()
    host.wal.close()
    assert host.wal.open() != []
    assert segment.exists()


async def test_evidence_is_shown_and_nobody_is_slashed(host: Host) -> None:
    """Duty 15: a proved offence is counted and logged; the node goes on and does nothing else about it."""
    host.on_start(c.ReportEvidence(VALIDATORS[2], "equivocation", b"first", b"second"))
    host.engine.start()
    await host.replica.wait_for(lambda event: isinstance(event, c.PeersReachable))
    assert host.metrics.agreement.evidence.labels("equivocation")._value.get() == 1
    assert (host.halted, host.journal) == ([], [])


def test_the_test_clock_moves_block_time_and_never_timers(tmp_path: Path) -> None:
    """Duty 17 (P-19): an offset of years moves ``unix_s``; the monotonic clock of the timers is the machine's."""
    file = tmp_path / "test-clock.json"
    write_clock_steps(file, [ClockStep(0.0, 400_000_000)])
    stepped, machine = SteppedClock(file), SystemClock()
    assert stepped.unix_s() - machine.unix_s() > 399_000_000
    assert abs(stepped.monotonic_us() - machine.monotonic_us()) < 1_000_000
