"""How a simulated bank carries out each effect of its replica (README of consensus, the host's duties)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consensus import types as c
from consensus.errors import MalformedBlock
from node.engine.wal import WalFailed
from tests.simulation.blocks import SimulatedBlock, block_hash, decode_block
from tests.simulation.disk import PowerCut
from tests.simulation.host import Host
from tests.simulation.ledger import CHANGES_FROM, execute

SEGMENT_BYTES_TARGET = 6_000
"""Segments of the simulator are short, so that schedules hold changes of segment."""


# --- the log --------------------------------------------------------------------------------------------


def _persist(host: Host, effect: c.Persist) -> None:
    host.wal.append(effect.lsn, effect.records)
    host.unsynced.append((effect.lsn, effect.records))
    if host.world.options.prompt:
        slow_us = host.world.slow_sync_us()
        if slow_us:
            host.freeze(slow_us, 0)  # the engine waits for the disk, and so does everything else
        _sync_log(host)
    elif not host.sync_planned:
        host.sync_planned = True
        host.after(host.world.storage_delay_us() + host.world.slow_sync_us(), lambda: _sync_log(host))


def _sync_log(host: Host) -> None:
    host.sync_planned = False
    try:
        synced = host.wal.sync()
    except WalFailed:
        host.world.disk_full(host)
        return
    except PowerCut:
        host.lose_power()
        return
    if host.damage == "rollback":
        host.disk.keep_image(synced)
    for _, records in host.unsynced:
        host.world.checker.durable(host, records)
        for record in records:
            host.remember(record)
    host.unsynced.clear()
    ready = [effect for effect in host.outbox if effect.after <= synced]
    host.outbox = [effect for effect in host.outbox if effect.after > synced]
    host.feed(c.Persisted(synced))
    for effect in ready:
        if not host.alive:
            return
        perform(host, effect)


# --- messages -------------------------------------------------------------------------------------------


def _send(host: Host, effect: c.Send) -> None:
    if effect.after > host.wal.last_synced_lsn:
        host.outbox.append(effect)
        return
    assert effect.to != host.address, "a replica sends to itself"
    host.transmit(effect.message, host.world.nodes_of[effect.to])


def _broadcast(host: Host, effect: c.Broadcast) -> None:
    if effect.after > host.wal.last_synced_lsn:
        host.outbox.append(effect)
        return
    host.transmit(effect.message, host.peers())


# --- timers ---------------------------------------------------------------------------------------------


def _set_timer(host: Host, effect: c.SetTimer) -> None:
    host.timers[effect.key.kind] = effect.key
    _arm(host, effect.key, effect.at_us)


def _arm(host: Host, key: c.TimerKey, at_us: int) -> None:
    clock = host.clock
    due = (at_us - clock.offset_us) * 1_000_000 // clock.rate_ppm + 1
    delay = max(0, due - host.world.scheduler.now_us)
    if host.world.options.late_timers and host.random.random() < 0.1:
        delay += host.random.randrange(2 * delay + 1)

    def expire() -> None:
        if host.timers.get(key.kind) is not key:
            return
        if host.monotonic_us() < at_us:  # the clock stood still meanwhile: never early
            _arm(host, key, at_us)
            return
        del host.timers[key.kind]
        host.feed(c.TimerFired(key))

    host.after(delay, expire)


def _cancel_timer(host: Host, effect: c.CancelTimer) -> None:
    host.timers.pop(effect.kind, None)


# --- building and executing -----------------------------------------------------------------------------


def _build(host: Host, effect: c.BuildBlock) -> None:
    host.after(host.world.execution_delay_us(), lambda: _finish_build(host, effect))


def _finish_build(host: Host, effect: c.BuildBlock) -> None:
    parent = host.ledger.state_of(effect.parent_hash)
    proposal = None
    if parent is not None and host.random.random() >= host.world.options.build_failure:
        used = host.ledger.used(parent, tuple(host.pool))
        limit = host.world.options.block_transactions
        waiting = (number for number in host.pool if number not in used)
        # Set changes first: they must not wait for a load that is more than the blocks hold.
        transactions = tuple(sorted(waiting, key=lambda number: (number < CHANGES_FROM, number))[:limit])
        if transactions or effect.even_empty:
            time = max(host.unix_s(), parent.timestamp + host.world.config.strict_timestamps)
            early_s = time - host.world.config.tolerance_s - host.unix_s()
            if early_s > 0:  # P-4: the proposer waits like its replicas
                host.after(early_s * 1_000_000, lambda: _finish_build(host, effect))
                return
            proposal = make_block(host, effect, time, transactions)
    host.feed(c.BlockBuilt(effect.epoch, effect.view, effect.height, proposal))


def make_block(host: Host, effect: c.BuildBlock, time: int, transactions: tuple[int, ...]) -> c.Proposal | None:
    """A block on ``effect.parent_hash``, as the request wants it, and its result."""
    parent = host.ledger.state_of(effect.parent_hash)
    if parent is None:
        return None
    draft = SimulatedBlock(
        parent_hash=effect.parent_hash,
        number=effect.height,
        timestamp=time,
        extra_data=bytes(32),
        parent_beacon_block_root=host.world.certificate_hash(effect.certificate),
        coinbase=host.address,
        transactions=transactions,
        lies=host.execution_root_differs(effect.height),
    )
    block = host.world.with_extra_data(draft, parent)
    data = block.encode()
    host.ledger.executed[block_hash(data)] = execute(host.world.rules, parent, block_hash(data), block)
    return c.Proposal(data, effect.certificate)


def _validate(host: Host, effect: c.ValidateBlock) -> None:
    host.validations.add(effect.token)
    host.after(host.world.execution_delay_us(), lambda: _finish_validation(host, effect))


def _finish_validation(host: Host, effect: c.ValidateBlock) -> None:
    if effect.token not in host.validations:
        return
    host.validations.discard(effect.token)
    verdict, reason = _judge(host, effect)
    if verdict is c.Verdict.VALID:
        host.blocks[block_hash(effect.proposal.block)] = effect.proposal
    host.feed(c.BlockValidated(effect.token, verdict, reason))


def _judge(host: Host, effect: c.ValidateBlock) -> tuple[c.Verdict, str]:
    try:
        block = decode_block(effect.proposal.block)
    except MalformedBlock as error:
        return c.Verdict.INVALID, str(error)
    parent = host.ledger.state_of(block.parent_hash)
    if parent is None:
        return c.Verdict.ABANDONED, "the head has moved"
    if effect.fresh and block.coinbase != effect.proposer:
        return c.Verdict.INVALID, "P-5"
    reason = host.world.broken_rule(block, parent, host)
    if reason:
        return c.Verdict.INVALID, reason
    digest = block_hash(effect.proposal.block)
    host.ledger.executed[digest] = execute(host.world.rules, parent, digest, block)
    return c.Verdict.VALID, ""


def _abandon(host: Host, effect: c.AbandonValidation) -> None:
    if effect.token in host.validations:
        host.validations.discard(effect.token)
        host.feed(c.BlockValidated(effect.token, c.Verdict.ABANDONED, "cancelled"))


def _check_work(host: Host, effect: c.CheckWork) -> None:
    host.after(host.world.execution_delay_us(), lambda: host.update_work(always=True))


# --- blocks ---------------------------------------------------------------------------------------------


def _fetch(host: Host, effect: c.FetchBlock) -> None:
    world = host.world
    order = [node for hint in effect.hints for node in world.nodes_of.get(hint, ()) if node != host.index]
    order += [node for node in world.others[host.index] if node not in order]
    host.sync.fetch(effect.height, effect.block_hash, order)


def _start_sync(host: Host, effect: c.StartSync) -> None:
    host.sync.start(effect.target_height, [node for peer in effect.peers for node in host.world.nodes_of.get(peer, ())])


def _deliver(host: Host, effect: c.Deliver) -> None:
    if effect.after > host.wal.last_synced_lsn:
        host.outbox.append(effect)
    elif host.world.options.prompt:
        _finish_delivery(host, effect)
    else:
        now = host.world.scheduler.now_us
        host.delivers_until_us = max(host.delivers_until_us, now) + host.world.storage_delay_us()
        host.after(host.delivers_until_us - now, lambda: _finish_delivery(host, effect))


def _finish_delivery(host: Host, effect: c.Deliver) -> None:
    host.world.monitors.delivering(host, effect)
    entry = host.ledger.entry(effect.height)
    if entry is None:
        host.commit(effect.height, effect.block_hash, effect.proposal, effect.certificate)
    else:
        host.world.checker.same_block(host, effect.height, entry.block_hash, effect.block_hash)
        if host.ledger.height > effect.height:
            return  # block sync was faster: its Synced event has told the replica
    host.segment_due = host.wal.segment_bytes > SEGMENT_BYTES_TARGET
    host.feed(c.Delivered(effect.height, effect.block_hash, host.ledger.next_validators))


# --- the rest -------------------------------------------------------------------------------------------


def _evidence(host: Host, effect: c.ReportEvidence) -> None:
    host.world.checker.evidence(host, effect)


def _halt(host: Host, effect: c.Halt) -> None:
    host.halt(effect.reason)


def _trace(host: Host, effect: c.Trace) -> None:
    host.world.monitors.traced(host, effect)


_PERFORM: dict[type, Callable[[Host, Any], None]] = {
    c.Persist: _persist,
    c.Send: _send,
    c.Broadcast: _broadcast,
    c.SetTimer: _set_timer,
    c.CancelTimer: _cancel_timer,
    c.BuildBlock: _build,
    c.ValidateBlock: _validate,
    c.AbandonValidation: _abandon,
    c.FetchBlock: _fetch,
    c.StartSync: _start_sync,
    c.Deliver: _deliver,
    c.CheckWork: _check_work,
    c.ReportEvidence: _evidence,
    c.Halt: _halt,
    c.Trace: _trace,
}


def perform(host: Host, effect: c.Effect) -> None:
    """Carry out one effect."""
    _PERFORM[type(effect)](host, effect)
