"""A simulated bank: a real Replica with the node's own write-ahead log on a simulated disk; it can die between any
two effects, and freeze.

Two ways of persisting are simulated: ``prompt``, as the node's engine does it (each Persist is synced before the next
effect is looked at), and grouped, which the contract also allows (records gather until a slow sync returns; what
waits for them is released in order).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from consensus import types as c
from consensus import wal_records as w
from consensus.messages import Message
from node.engine.wal import WalCorrupt, WriteAheadLog
from tests.simulation.disk import PowerCut, SimulatedDisk
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.sync import BlockSync

if TYPE_CHECKING:
    from consensus.replica import Replica
    from tests.simulation.world import World

WAL_DIRECTORY = "/wal"
FOLLOW_US = 200_000
"""How often a bank that is no validator asks somebody how far the chain is (README of consensus, duty 14)."""


@dataclass(slots=True)
class Clock:
    """This machine's clocks as functions of true virtual time."""

    offset_us: int = 0
    rate_ppm: int = 1_000_000
    skew_us: int = 0
    """How far block time is ahead of the truth; a fault may make it jump."""


class Host:
    """One bank's node. ``alive``: not between a crash and its restart; ``frozen``: its machine stands still."""

    faulty = False
    """Whether its identity counts as Byzantine: a liar, or one that runs twice."""
    replica: Replica

    def __init__(self, world: World, index: int, signer: c.Signer, clock: Clock) -> None:
        self.world = world
        self.index = index
        """Number of this node; twins of one validator have different ones."""
        self.signer = signer
        self.address = signer.address
        self.clock = clock
        self.random: Random = world.scheduler.random
        self.disk = SimulatedDisk(self.random)
        self.ledger = SimulatedLedger(world.rules, world.config.genesis_hash, world.genesis_time, world.validators)
        self.wal = WriteAheadLog(WAL_DIRECTORY, self.disk)
        self.alive = False
        self.frozen = False
        self.generation = 0
        self.crash_in: int | None = None
        """Effects still carried out before the planned crash; None where none is planned."""
        self.power_cut = False
        self.damage = ""
        """What happens to the disk at the next crash: "" nothing, "flip" one bit, "rollback" to an older image."""
        self.rolled_back = False
        self.dead = False
        """This bank stays down until it has a new key (a corrupt log), or has stopped by itself (Halt)."""
        self.halted = ""
        self.divergent_from: int | None = world.options.divergent.get(index)
        """Height from which this bank's execution gives another state root than everybody's (H43)."""
        self.pool: dict[int, int] = {}
        """Waiting transactions: id -> when it arrived here, on the monotonic clock."""
        self.blocks: dict[c.Digest, c.Proposal] = {}
        """Blocks seen that are not final here: what a liar may name."""
        self.outbox: list[c.Send | c.Broadcast | c.Deliver] = []
        """What waits for the log."""
        self.unsynced: list[tuple[int, tuple[w.WalRecord, ...]]] = []
        self.sync_planned = False
        self.segment_due = False
        self.delivers_until_us = 0
        self.timers: dict[c.TimerKind, c.TimerKey] = {}
        self.validations: set[int] = set()
        self.recording: list[tuple[c.Event, c.Instant, list[c.Effect]]] = []
        """Every step of this process, where the run replays some (I15)."""
        self.restored: w.Restored | None = None
        self._queue: deque[c.Event] = deque()
        self._running = False
        self._thaws: list[Callable[[], None]] = []
        self._reported: tuple[bool, int | None, bool] = (False, None, False)
        self.sync = BlockSync(self)

    # --- clocks -----------------------------------------------------------------------------------------

    def monotonic_us(self) -> int:
        """This machine's monotonic clock."""
        return self.clock.offset_us + self.world.scheduler.now_us * self.clock.rate_ppm // 1_000_000

    def unix_s(self) -> int:
        """This machine's idea of block time."""
        return self.world.genesis_time + (self.world.scheduler.now_us + self.clock.skew_us) // 1_000_000

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        """Run ``action`` later, unless this process has died by then; a frozen one runs it when it thaws."""
        generation = self.generation

        def run() -> None:
            if self.generation == generation and self.alive:
                if self.frozen:
                    self._thaws.append(run)
                else:
                    action()

        self.world.scheduler.after(delay_us, run)

    def when_awake(self, action: Callable[[], None]) -> None:
        """Run ``action`` now, or when this machine goes on; never, if it has died by then."""
        if self.frozen:
            self._thaws.append(action)
        elif self.alive:
            action()

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
        except OSError:
            self.world.disk_full(self)
            return
        except PowerCut:
            self.lose_power()
            return
        restored = w.restore(groups, self.ledger.state())
        self.world.checker.restarted(self, groups, restored)
        for _, records in groups:
            for record in records:
                self.remember(record)
        self.replica = self.world.make_replica(self, restored)
        self.world.monitors.restored(self, restored)
        if self.world.options.replay:
            self.restored = restored
        self.world.trace(self, "start", f"height {self.ledger.height}, lsn {restored.lsn}")
        self.feed(c.Started())
        self.world.links.started(self)
        self._reported = (False, None, False)
        self.update_work()
        if self.world.options.sets:  # else every node is a validator for ever
            self._follow()

    def crash(self) -> None:
        """Die now: everything volatile is gone, and the disk keeps what it keeps."""
        self.world.trace(self, "crash", "power cut" if self.power_cut else "killed")
        self.world.monitors.dying(self)
        self.alive = self.frozen = False
        self.generation += 1
        self.crash_in = None
        if self.power_cut and not self.damage:
            torn = self.disk.torn_tails
            self.disk.power_cut()
            self.world.counts["torn_tail"] += self.disk.torn_tails - torn
        else:
            self.disk.kill()
        if self.damage:
            self._damage_disk()
        for volatile in (self._queue, self.timers, self.unsynced, self.outbox, self.validations, self.blocks):
            volatile.clear()
        self._thaws.clear()
        self.recording.clear()
        self.ledger.executed.clear()
        self.sync_planned = self._running = self.segment_due = False
        self.delivers_until_us = 0
        self.sync = BlockSync(self)
        self.world.crashed(self)

    def lose_power(self) -> None:
        """The power went inside a sync: what it was about to make durable may be lost, torn or whole."""
        self.world.count("cut_in_sync")
        self.power_cut = True
        self.crash()

    def halt(self, reason: str) -> None:
        """The replica has stopped itself: the node keeps its files and stays down."""
        self.halted = reason
        self.dead = True
        self.world.halted(self, reason)
        self.crash()

    def freeze(self, duration_us: int, jump_us: int) -> None:
        """The machine stands still; then its monotonic clock has missed ``jump_us`` and block time is right again."""
        self.frozen = True
        generation = self.generation

        def thaw() -> None:
            if self.generation == generation and self.alive:
                self.frozen = False
                self.clock.offset_us -= jump_us
                waiting, self._thaws = self._thaws, []
                for action in waiting:
                    self.when_awake(action)
                self.update_work()

        self.world.scheduler.after(duration_us, thaw)

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
        now = c.Instant(self.monotonic_us(), self.unix_s())
        effects = self.replica.step(event, now)
        if self.restored is not None:
            self.recording.append((event, now, effects))
        for effect in effects:
            if self.crash_in is not None:
                self.crash_in -= 1
                if self.crash_in < 0:
                    self.crash()
                    return
            if world.verbose:
                world.trace(self, ">", effect)
            world.perform(self, effect)
            if not self.alive:
                return
        if effects:  # height, view and promise never move without one
            world.checker.stepped(self)
        if self.segment_due and not self.unsynced:  # P-17: between two steps, everything synced
            self.segment_due = False
            world.change_segment(self)

    def receive(self, source: int, message: Message) -> None:
        """A verified message from a peer's connection."""
        if self.frozen:
            self._thaws.append(lambda: self.receive(source, message))
        elif self.alive:
            self.feed(c.Received(self.world.hosts[source].address, message))

    def submit(self, transaction: int) -> None:
        """A client's transaction reaches this bank's pool, which a crash does not empty: clients send again."""
        if transaction not in self.ledger.included and transaction not in self.pool:
            self.pool[transaction] = self.monotonic_us()
            self.update_work()

    def update_work(self, *, always: bool = False) -> None:
        """Tell the replica whether transactions wait, if that has changed (P-15)."""
        work = (bool(self.pool), min(self.pool.values(), default=None), self.ledger.tip.change_waits())
        if self.alive and not self.frozen and (always or work != self._reported):
            self._reported = work
            self.feed(c.WorkChanged(*work))

    def remember(self, record: w.WalRecord) -> None:
        """Keep the blocks of a durable record, to be served and named."""
        if isinstance(record, w.Proposed | w.AcceptedPrePrepare):
            self.blocks[record.pre_prepare.block_hash] = record.pre_prepare.proposal
        elif isinstance(record, w.State):
            for message in record.accepted:
                self.blocks[message.block_hash] = message.proposal

    # --- what it says -------------------------------------------------------------------------------------

    def transmit(self, message: Message, targets: tuple[int, ...]) -> None:
        """Put a message on the wire; Byzantine hosts do here what they like."""
        self.world.checker.sent(self, message)
        self.world.monitors.sent(self, message, len(targets))
        self.world.carry(self.index, targets, message)

    def peers(self) -> tuple[int, ...]:
        """Nodes of the other validators of the next height."""
        return self.world.nodes_of_set(self.ledger.next_validators, self.address)

    # --- the chain ----------------------------------------------------------------------------------------

    def commit(self, height: int, digest: c.Digest, proposal: c.Proposal, certificate: bytes) -> None:
        """Write one final block; the simulated batch is synced and atomic."""
        self.world.checker.committing(self, height, digest, proposal, certificate)
        self.ledger.commit(digest, proposal, certificate, self.wal.last_synced_lsn)
        self.blocks.pop(digest, None)
        for transaction in self.ledger.tip.transactions:
            self.pool.pop(transaction, None)
        self.world.committed(self)
        self.update_work()

    def execution_root_differs(self, height: int) -> bool:
        """Whether this bank's execution of ``height`` gives another root than an honest one's."""
        return self.divergent_from is not None and height >= self.divergent_from

    def _follow(self) -> None:
        """Duty 14: a bank that is no validator follows the head by sync."""
        self.after(FOLLOW_US, self._follow)
        if self.address in self.ledger.next_validators:
            return
        others = self.world.others[self.index]
        if others:
            peer = self.random.choice(others)
            self.world.ask(
                self, peer, lambda server: server.ledger.height, lambda height: self.sync.start(height, [peer])
            )

    # --- what peers ask -----------------------------------------------------------------------------------

    def serve_block(self, height: int, digest: c.Digest) -> c.Proposal | None:
        """The block of this hash, final or in the replica's hands."""
        if self.world.unavailable():
            return None
        entry = self.ledger.by_hash.get(digest)
        return entry.proposal if entry else self.replica.find_proposal(height, digest)

    def serve_height(self, height: int) -> tuple[c.Proposal, bytes] | None:
        """The final block at ``height`` with its certificate."""
        entry = None if self.world.unavailable() else self.ledger.entry(height)
        return (entry.proposal, entry.certificate) if entry else None
