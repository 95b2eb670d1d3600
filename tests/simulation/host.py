"""A simulated bank: carries out the effects of a real Replica as the node's engine does, and can die between any two.

The write-ahead log is the node's own code on a simulated disk. Two ways of persisting are simulated: ``prompt``, as
the node's engine does it (each Persist is synced before the next effect is looked at), and grouped, which the
contract also allows (records gather until a slow sync returns; what waits for them is released in order).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from consensus import types as c
from consensus import wal_records as w
from consensus.errors import MalformedBlock
from consensus.messages import Message
from node.engine.wal import WalCorrupt, WriteAheadLog
from tests.simulation.blocks import TRANSACTIONS_MAX, SimulatedBlock, block_hash, decode_block
from tests.simulation.disk import SimulatedDisk
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.sync import BlockSync

if TYPE_CHECKING:
    from tests.simulation.world import World

WAL_DIRECTORY = "/wal"
SEGMENT_BYTES_TARGET = 6_000
"""Segments of the simulator are short, so that schedules hold changes of segment."""


@dataclass(slots=True)
class Clock:
    """This machine's clocks as functions of true virtual time."""

    offset_us: int = 0
    rate_ppm: int = 1_000_000
    skew_us: int = 0
    """How far block time is ahead of the truth; a fault may make it jump."""


class Host:
    """One validator's node. ``alive`` is False between a crash and its restart."""

    byzantine = False

    def __init__(self, world: World, index: int, signer: c.Signer, clock: Clock) -> None:
        self.world = world
        self.index = index
        self.signer = signer
        self.address = signer.address
        self.clock = clock
        self.random: Random = world.scheduler.random
        self.disk = SimulatedDisk(self.random)
        options = world.options
        self.ledger = SimulatedLedger(
            world.config.genesis_hash, world.genesis_time, world.validators, options.epoch_length
        )
        self.wal = WriteAheadLog(WAL_DIRECTORY, self.disk)
        self.alive = False
        self.generation = 0
        self.crash_in: int | None = None
        """Effects still carried out before the planned crash; None where none is planned."""
        self.power_cut = False
        self.damage = ""
        """What happens to the disk at the next crash: "" nothing, "flip" one bit, "rollback" to an older image."""
        self.rolled_back = False
        self.dead = False
        """The log is corrupt: this bank stays down until it has a new key."""
        self.pool: dict[int, int] = {}
        """Waiting transactions: id -> when it arrived here, on the monotonic clock."""
        self.blocks: dict[c.Digest, c.Proposal] = {}
        """Blocks seen that are not final here: what a liar may name."""
        self._queue: deque[c.Event] = deque()
        self._running = False
        self._timers: dict[c.TimerKind, c.TimerKey] = {}
        self._unsynced: list[tuple[int, tuple[w.WalRecord, ...]]] = []
        self._outbox: list[c.Send | c.Broadcast | c.Deliver] = []
        self._sync_planned = False
        self._segment_due = False
        self._validations: set[int] = set()
        self._reported: tuple[bool, int | None] = (False, None)
        self._links: frozenset[int] | None = None
        """Whom this host says it is connected to; None before it has said so."""
        self.sync = BlockSync(self)

    # --- clocks -----------------------------------------------------------------------------------------

    def monotonic_us(self) -> int:
        """This machine's monotonic clock."""
        return self.clock.offset_us + self.world.scheduler.now_us * self.clock.rate_ppm // 1_000_000

    def unix_s(self) -> int:
        """This machine's idea of block time."""
        return self.world.genesis_time + (self.world.scheduler.now_us + self.clock.skew_us) // 1_000_000

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Run ``action`` later, unless this process has died by then."""
        generation = self.generation

        def run() -> None:
            if self.generation == generation and self.alive:
                action()

        self.world.scheduler.after(delay_us, run)

    # --- life and death ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Open WAL and ledger, restore the replica, and let it begin."""
        self.alive = True
        self.generation += 1
        self.wal = WriteAheadLog(WAL_DIRECTORY, self.disk)
        try:
            groups = self.wal.open()
        except WalCorrupt as error:
            self.world.wal_refused(self, error)
            return
        restored = w.restore(groups, self.ledger.state())
        self.world.checker.restarted(self, groups, restored)
        for _, records in groups:
            for record in records:
                self._remember(record)
        self.replica = self.world.make_replica(self, restored)
        self.world.trace(self, "start", f"height {self.ledger.height}, lsn {restored.lsn}")
        self.feed(c.Started())
        self._links = None
        self.update_links()
        if self.index == self.world.options.flapping:
            self._flap()
        self._reported = (False, None)
        self.update_work()

    def crash(self) -> None:
        """Die now: everything volatile is gone, and the disk keeps what it keeps."""
        self.world.trace(self, "crash", "power cut" if self.power_cut else "killed")
        self.alive = False
        self.generation += 1
        self.crash_in = None
        if self.power_cut and not self.damage:
            self.disk.power_cut()
        else:
            self.disk.kill()
        if self.damage:
            self._damage_disk()
        for volatile in (self._queue, self._timers, self._unsynced, self._outbox, self._validations, self.blocks):
            volatile.clear()
        self._sync_planned = self._running = self._segment_due = False
        self.sync = BlockSync(self)
        self.world.crashed(self)

    def _damage_disk(self) -> None:
        if self.damage == "flip":
            name = self.disk.list(WAL_DIRECTORY)[-1]
            self.disk.flip_bit(f"{WAL_DIRECTORY}/{name}")
            self.dead = True
        elif self.disk.roll_back(self.ledger.wal_lsn):
            self.rolled_back = True
        self.damage = ""

    # --- events -----------------------------------------------------------------------------------------

    def feed(self, event: c.Event) -> None:
        """Hand an event to the replica, after those that wait."""
        self._queue.append(event)
        if self._running:
            return
        self._running = True
        generation = self.generation
        while self._queue and self.alive and self.generation == generation:
            self._step(self._queue.popleft())
        if self.generation == generation:
            self._running = False

    def _step(self, event: c.Event) -> None:
        world = self.world
        if world.verbose and not isinstance(event, c.Persisted):
            world.trace(self, "<", event)
        effects = self.replica.step(event, c.Instant(self.monotonic_us(), self.unix_s()))
        for effect in effects:
            if self.crash_in is not None:
                self.crash_in -= 1
                if self.crash_in < 0:
                    self.crash()
                    return
            if world.verbose:
                world.trace(self, ">", effect)
            _PERFORM[type(effect)](self, effect)
            if not self.alive:
                return
        if effects:  # height, view and promise never move without one
            world.checker.stepped(self)
        if self._segment_due and not self._unsynced:  # P-17: between two steps, everything synced
            self._segment_due = False
            world.change_segment(self)

    def receive(self, source: int, message: Message) -> None:
        """A verified message from a peer's connection."""
        if self.alive:
            self.feed(c.Received(self.world.validators[source], message))

    def submit(self, transaction: int) -> None:
        """A client's transaction reaches this bank's pool, which a crash does not empty: clients send again."""
        if transaction not in self.ledger.included and transaction not in self.pool:
            self.pool[transaction] = self.monotonic_us()
            self.update_work()

    def update_work(self, *, always: bool = False) -> None:
        """Tell the replica whether transactions wait, if that has changed (P-15)."""
        work = (bool(self.pool), min(self.pool.values(), default=None))
        if self.alive and (always or work != self._reported):
            self._reported = work
            self.feed(c.WorkChanged(*work))

    def update_links(self) -> None:
        """Tell the replica whom this host is connected to, if that has changed (R-9)."""
        others = self.world.others[self.index]
        self._tell_links(frozenset(other for other in others if self.world.connected(self.index, other)))

    def _flap(self) -> None:
        """The fault of one host: it is wrong about its links, again and again, also after all else has healed."""
        others = self.world.others[self.index]
        self._tell_links(frozenset(other for other in others if self.random.random() < 0.5))
        self.after(self.random.randrange(10_000, 400_000), self._flap)

    def _tell_links(self, links: frozenset[int]) -> None:
        if self.alive and links != self._links:
            self._links = links
            self.feed(c.PeersReachable(frozenset(self.world.validators[other] for other in links)))

    # --- effects ----------------------------------------------------------------------------------------

    def _persist(self, effect: c.Persist) -> None:
        self.wal.append(effect.lsn, effect.records)
        self._unsynced.append((effect.lsn, effect.records))
        if self.world.options.prompt:
            self._sync_wal()
        elif not self._sync_planned:
            self._sync_planned = True
            self.after(self.world.storage_delay_us(), self._sync_wal)

    def _sync_wal(self) -> None:
        self._sync_planned = False
        synced = self.wal.sync()
        if self.damage == "rollback":
            self.disk.keep_image(synced)
        for _, records in self._unsynced:
            self.world.checker.durable(self, records)
            for record in records:
                self._remember(record)
        self._unsynced.clear()
        ready = [effect for effect in self._outbox if effect.after <= synced]
        self._outbox = [effect for effect in self._outbox if effect.after > synced]
        self.feed(c.Persisted(synced))
        for effect in ready:
            if not self.alive:
                return
            _PERFORM[type(effect)](self, effect)

    def _remember(self, record: w.WalRecord) -> None:
        if isinstance(record, w.Proposed | w.AcceptedPrePrepare):
            self.blocks[record.pre_prepare.block_hash] = record.pre_prepare.proposal
        elif isinstance(record, w.State):
            for message in record.accepted:
                self.blocks[message.block_hash] = message.proposal

    def _send(self, effect: c.Send) -> None:
        if effect.after > self.wal.last_synced_lsn:
            self._outbox.append(effect)
            return
        target = self.world.index_of[effect.to]
        assert target != self.index, "a replica sends to itself"
        self.transmit(effect.message, (target,))

    def _broadcast(self, effect: c.Broadcast) -> None:
        if effect.after > self.wal.last_synced_lsn:
            self._outbox.append(effect)
            return
        self.transmit(effect.message, self.world.others[self.index])

    def transmit(self, message: Message, targets: tuple[int, ...]) -> None:
        """Put a message on the wire; Byzantine hosts do here what they like."""
        self.world.checker.sent(self, message)
        self.world.carry(self.index, targets, message)

    def _set_timer(self, effect: c.SetTimer) -> None:
        key = effect.key
        self._timers[key.kind] = key
        due = (effect.at_us - self.clock.offset_us) * 1_000_000 // self.clock.rate_ppm + 1
        delay = max(0, due - self.world.scheduler.now_us)
        if self.world.options.late_timers and self.random.random() < 0.1:
            delay += self.random.randrange(2 * delay + 1)
        self.after(delay, lambda: self._expire(key))

    def _expire(self, key: c.TimerKey) -> None:
        if self._timers.get(key.kind) is key:
            del self._timers[key.kind]
            self.feed(c.TimerFired(key))

    def _cancel_timer(self, effect: c.CancelTimer) -> None:
        self._timers.pop(effect.kind, None)

    def _build(self, effect: c.BuildBlock) -> None:
        self.after(self.world.execution_delay_us(), lambda: self._finish_build(effect))

    def _finish_build(self, effect: c.BuildBlock) -> None:
        ledger = self.ledger
        proposal = None
        transactions = tuple(sorted(self.pool))[:TRANSACTIONS_MAX]
        fails = self.random.random() < self.world.options.build_failure
        if ledger.head_hash == effect.parent_hash and (transactions or effect.even_empty) and not fails:
            time = max(self.unix_s(), ledger.head_time + self.world.config.strict_timestamps)
            early_s = time - self.world.config.tolerance_s - self.unix_s()
            if early_s > 0:  # P-4: the proposer waits like its replicas
                self.after(early_s * 1_000_000, lambda: self._finish_build(effect))
                return
            proposal = self.make_block(effect, time, transactions)
        self.feed(c.BlockBuilt(effect.epoch, effect.view, effect.height, proposal))

    def make_block(self, effect: c.BuildBlock, time: int, transactions: tuple[int, ...], **changes: int) -> c.Proposal:
        """A block on the head, as the request wants it; ``changes`` to its fields make others at the same place."""
        block = SimulatedBlock(
            parent_hash=effect.parent_hash,
            number=effect.height,
            timestamp=time,
            extra_data=self.world.extra_data(effect.height),
            parent_beacon_block_root=self.world.certificate_hash(effect.certificate),
            coinbase=self.address,
            transactions=transactions,
            salt=changes.get("salt", 0),
            lies=bool(changes.get("lies", 0)),
        )
        return c.Proposal(block.encode(), effect.certificate)

    def _validate(self, effect: c.ValidateBlock) -> None:
        self._validations.add(effect.token)
        delay = self.world.execution_delay_us()
        self.after(delay, lambda: self._finish_validation(effect))

    def _finish_validation(self, effect: c.ValidateBlock) -> None:
        if effect.token not in self._validations:
            return
        self._validations.discard(effect.token)
        verdict, reason = self._judge(effect)
        if verdict is c.Verdict.VALID:
            self.blocks[block_hash(effect.proposal.block)] = effect.proposal
        self.feed(c.BlockValidated(effect.token, verdict, reason))

    def _judge(self, effect: c.ValidateBlock) -> tuple[c.Verdict, str]:
        try:
            block = decode_block(effect.proposal.block)
        except MalformedBlock as error:
            return c.Verdict.INVALID, str(error)
        if block.parent_hash != self.ledger.head_hash:
            return c.Verdict.ABANDONED, "the head has moved"
        if effect.fresh and block.coinbase != effect.proposer:
            return c.Verdict.INVALID, "P-5"
        reason = self.world.broken_rule(block, self.ledger)
        return (c.Verdict.INVALID, reason) if reason else (c.Verdict.VALID, "")

    def _abandon(self, effect: c.AbandonValidation) -> None:
        if effect.token in self._validations:
            self._validations.discard(effect.token)
            self.feed(c.BlockValidated(effect.token, c.Verdict.ABANDONED, "cancelled"))

    def _fetch(self, effect: c.FetchBlock) -> None:
        order = [self.world.index_of[hint] for hint in effect.hints if hint in self.world.index_of]
        order += [peer for peer in self.world.others[self.index] if peer not in order]
        self.sync.fetch(effect.height, effect.block_hash, [peer for peer in order if peer != self.index])

    def _start_sync(self, effect: c.StartSync) -> None:
        self.sync.start(effect.target_height, [self.world.index_of[peer] for peer in effect.peers])

    def _deliver(self, effect: c.Deliver) -> None:
        if effect.after > self.wal.last_synced_lsn:
            self._outbox.append(effect)
        elif self.world.options.prompt:
            self._finish_delivery(effect)
        else:
            self.after(self.world.storage_delay_us(), lambda: self._finish_delivery(effect))

    def _finish_delivery(self, effect: c.Deliver) -> None:
        entry = self.ledger.entry(effect.height)
        if entry is None:
            self.commit(effect.height, effect.block_hash, effect.proposal, effect.certificate)
        else:
            self.world.checker.same_block(self, effect.height, entry.block_hash, effect.block_hash)
            if self.ledger.height > effect.height:
                return  # block sync was faster: its Synced event has told the replica
        self._segment_due = self.wal.segment_bytes > SEGMENT_BYTES_TARGET
        self.feed(c.Delivered(effect.height, effect.block_hash, self.world.validators))

    def commit(self, height: int, digest: c.Digest, proposal: c.Proposal, certificate: bytes) -> None:
        """Write one final block; the simulated batch is synced and atomic."""
        self.world.checker.committing(self, height, digest, proposal, certificate)
        self.ledger.commit(digest, proposal, certificate, self.wal.last_synced_lsn)
        self.blocks.pop(digest, None)
        for transaction in self.ledger.entries[-1].block.transactions:
            self.pool.pop(transaction, None)
        self.world.committed(self)
        self.update_work()

    # --- what peers ask -----------------------------------------------------------------------------------

    def serve_block(self, height: int, digest: c.Digest) -> c.Proposal | None:
        """The block of this hash, final or in the replica's hands."""
        entry = self.ledger.by_hash.get(digest)
        return entry.proposal if entry else self.replica.find_proposal(height, digest)

    def serve_height(self, height: int) -> tuple[c.Proposal, bytes] | None:
        """The final block at ``height`` with its certificate."""
        entry = self.ledger.entry(height)
        return (entry.proposal, entry.certificate) if entry else None

    def _check_work(self, effect: c.CheckWork) -> None:
        self.after(self.world.execution_delay_us(), lambda: self.update_work(always=True))

    def _evidence(self, effect: c.ReportEvidence) -> None:
        self.world.checker.evidence(self, effect)

    def _halt(self, effect: c.Halt) -> None:
        self.world.checker.fail("halt", f"node {self.index}: {effect.reason}")

    def _trace(self, effect: c.Trace) -> None:
        self.world.count(effect.label)


_PERFORM: dict[type, Callable[..., None]] = {
    c.Persist: Host._persist,
    c.Send: Host._send,
    c.Broadcast: Host._broadcast,
    c.SetTimer: Host._set_timer,
    c.CancelTimer: Host._cancel_timer,
    c.BuildBlock: Host._build,
    c.ValidateBlock: Host._validate,
    c.AbandonValidation: Host._abandon,
    c.FetchBlock: Host._fetch,
    c.StartSync: Host._start_sync,
    c.Deliver: Host._deliver,
    c.CheckWork: Host._check_work,
    c.ReportEvidence: Host._evidence,
    c.Halt: Host._halt,
    c.Trace: Host._trace,
}
