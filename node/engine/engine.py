"""Drives consensus.Replica: the numbered duties of consensus/README.md, carried out with real things.

One task takes events from one queue, steps the replica and performs the effects in order. A Persist is synced
before the next effect of the same step is looked at, so no message can leave before its record is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from consensus import codec, ingress
from consensus import messages as m
from consensus import types as c
from consensus.errors import ConsensusError, MalformedMessage
from consensus.replica import Replica, ReplicaStatus
from node.clock import Clock
from node.engine.builder import BlockBuilder
from node.engine.ledger_writer import LedgerWriter
from node.engine.timers import Timers
from node.engine.validator import BlockValidator
from node.engine.wal import SEGMENT_BYTES_TARGET, WalStatus, WriteAheadLog
from node.engine.watch import AGREED, SYNCED, Watch
from node.engine.work import WorkReporter
from node.errors import DataError, ImpossibleState, InvalidBlock
from node.execution.transition import ExecutedBlock
from node.log import get_logger
from node.metrics import Metrics
from node.p2p import PeerNetwork, Priority
from node.txpool import TransactionPool
from node.types import Address, Hash32

_log = get_logger("engine")

RECEIVED_FROM_PEER_MAX = 1_024
"""Messages of one peer that wait for a step; one beyond them is dropped, and STATUS repairs what that loses. Each peer
has its own share, so that nobody's flood costs another's vote (R-5). The host's own events are bounded by nature: one
for each timer kind, one for each task under way."""

FRAME_KIND = "consensus"

PRIORITIES: dict[type, Priority] = {
    m.ViewChange: Priority.VIEW_CHANGE,
    m.NewView: Priority.VIEW_CHANGE,
    m.Complain: Priority.VIEW_CHANGE,
    m.Commit: Priority.COMMIT,
    m.Prepare: Priority.PREPARE,
    m.PrePrepare: Priority.PRE_PREPARE,
}


@dataclass(frozen=True)
class Peers:
    """What a replica's host asks of block sync; injected, since engine and sync are siblings."""

    fetch_block: Callable[[int, bytes, tuple[bytes, ...]], Awaitable[c.Proposal | None]]
    start_sync: Callable[[int, tuple[bytes, ...]], None]


class Engine:
    """One bank's seat in the agreement. ``on_halt`` is called with the reason when the node must stop.

    ``wal`` is None where the log cannot be used: ``replica`` must then be one that refuses to vote (P-18).
    """

    def __init__(
        self,
        *,
        replica: Replica,
        wal: WriteAheadLog | None,
        writer: LedgerWriter,
        builder: BlockBuilder,
        pool: TransactionPool,
        network: PeerNetwork,
        clock: Clock,
        metrics: Metrics,
        peers: Peers,
        verifier: c.Verifier,
        decode_header: c.HeaderDecoder,
        on_halt: Callable[[str], None],
    ) -> None:
        self._replica = replica
        self._wal = wal
        self._writer = writer
        self._builder = builder
        self._network = network
        self._clock = clock
        self._metrics = metrics
        self._peers = peers
        self._verifier = verifier
        self._decode_header = decode_header
        self._on_halt = on_halt
        self._lsn_floor = writer.ledger.chain.wal_lsn()
        self._events: asyncio.Queue[c.Event] = asyncio.Queue()
        self._received_waiting: Counter[bytes] = Counter()
        # Answers to effects of the present step: before anything that waits, but after the step's other effects.
        self._urgent: deque[c.Event] = deque()
        self._timers = Timers(clock, lambda key: self._put(c.TimerFired(key)))
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._step_began_us: int | None = None
        self._checks_work = False
        """A probe for work is under way: its answer is that to every CheckWork until then."""
        self.watch = Watch(replica, network.me, metrics, clock)
        self._validator = BlockValidator(writer, pool, metrics, self.watch.phases)
        self.work = WorkReporter(writer.ledger, pool, self._put)

    # --- life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: Started is the first event, then whatever the network brings."""
        self._network.on_frame(FRAME_KIND, self._frame_received)
        self._network.on_head(self._head_announced)
        self._writer.committed_listeners.append(self._committed)
        self._network.on_connect(self._peers_changed)
        self._network.on_disconnect(self._peers_changed)
        self._put(c.Started())
        self._peers_changed()
        self.work.report()
        self._runner = asyncio.get_running_loop().create_task(self._run(), name="engine")

    async def stop(self) -> None:
        """Stop voting; nothing is sent after this returns."""
        self._timers.close()
        self.work.close()
        self._builder.cancel()
        self._validator.cancel()
        tasks = [task for task in (self._runner, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def status(self) -> ReplicaStatus:
        """The replica's own view of itself, for doors and metrics."""
        return self._replica.status()

    def wal_status(self) -> WalStatus:
        """Where the write-ahead log stands."""
        return WalStatus(False, 0, 0, 0) if self._wal is None else self._wal.status()

    def step_runs_us(self) -> int:
        """How long the present step has been under way, 0 between steps: a disk that does not answer shows here."""
        began_us = self._step_began_us
        return 0 if began_us is None else self._clock.monotonic_us() - began_us

    def find_proposal(self, height: int, block_hash: bytes) -> c.Proposal | None:
        """A block that the replica holds, final or not, for peers that fetch it."""
        return self._replica.find_proposal(height, block_hash)

    def work_changed(self) -> None:
        """The pool's listener: a transaction came or went."""
        self.work.pool_changed()

    def clock_jumped(self) -> None:
        """P-19: after a jump of the test clock every replica owes a block with the new time."""
        self._timers.expire_now(c.TimerKind.HEARTBEAT)

    async def import_block(self, proposal: c.Proposal, certificate: bytes) -> None:
        """Block sync's door: a verified block with its certificate, written in order (P-18).

        Raises InvalidBlock where it is not what its certificate claims.
        """
        executed = await self._writer.commit(proposal, certificate, self._durable_lsn)
        if executed is not None:
            self.watch.committed(executed, certificate, SYNCED)
            header = executed.block.header
            self._put(
                c.Synced(header.number, header.hash, header.timestamp, certificate, tuple(executed.next_validators))
            )

    # --- events ---------------------------------------------------------------------------------------

    def _put(self, event: c.Event) -> None:
        if isinstance(event, c.Received):
            if self._received_waiting[event.peer] >= RECEIVED_FROM_PEER_MAX:
                self._metrics.agreement.messages_refused.labels("queue_full").inc()
                return
            self._received_waiting[event.peer] += 1
        self._events.put_nowait(event)

    async def _next_event(self) -> c.Event:
        if self._urgent:
            return self._urgent.popleft()
        event = await self._events.get()
        if isinstance(event, c.Received):
            self._received_waiting[event.peer] -= 1
            if not self._received_waiting[event.peer]:
                del self._received_waiting[event.peer]
        return event

    def _frame_received(self, peer: Address, payload: bytes) -> None:
        """One frame of a peer. DataError where no honest node sends such bytes: it counts against the peer."""
        try:
            message = ingress.verify(payload, peer, self._replica.schedule, self._verifier, self._decode_header)
        except ConsensusError as error:
            self._metrics.agreement.messages_refused.labels(type(error).__name__).inc()
            _log.debug("message refused", peer="0x" + peer.hex(), reason=str(error))
            if isinstance(error, MalformedMessage):
                raise DataError(f"malformed consensus message: {error}", field="consensus") from error
            return
        self.watch.heard(peer, message)
        self._put(c.Received(peer, message))

    def _peers_changed(self, _peer: object = None) -> None:
        """Duty 16: a connection came or went."""
        self._put(c.PeersReachable(frozenset(bytes(address) for address in self._network.connected())))

    def _head_announced(self, peer: Address, number: int, _block_hash: Hash32) -> None:
        """Duty 14: to a node outside the set nobody broadcasts; it follows the heads that its peers announce."""
        if self._network.me not in self._validators() and number > self._writer.ledger.head.number:
            self._peers.start_sync(number, (peer,))

    def _committed(self, executed: ExecutedBlock) -> None:
        self._builder.committed(executed.block.header.hash, executed.block.number)
        self.work.committed(executed)

    def _now(self) -> c.Instant:
        return c.Instant(self._clock.monotonic_us(), self._clock.unix_s())

    async def _run(self) -> None:
        try:
            while True:
                await self._step(await self._next_event())
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, a node that cannot step must not vote
            _log.error("engine stopped", exc_info=True)
            self._on_halt(f"{type(error).__name__}: {error}")

    async def _step(self, event: c.Event) -> None:
        self._step_began_us = self._clock.monotonic_us()
        if isinstance(event, c.BlockBuilt) and event.proposal is not None:
            self.watch.phases.ended("build", event.height)
        for effect in self._replica.step(event, self._now()):
            self.watch.performing(effect)
            await self._perform(effect)
        self.watch.stepped()
        if isinstance(event, c.Delivered | c.Synced):
            await self._start_segment_if_due()
        self._step_began_us = None

    # --- effects --------------------------------------------------------------------------------------

    async def _perform(self, effect: c.Effect) -> None:
        match effect:
            case c.Persist():
                await self._persist(effect)
            case c.Send():
                self._check_durable(effect.after)
                self._send(effect.message, effect.to)
            case c.Broadcast():
                self._check_durable(effect.after)
                self._send(effect.message, None)
            case c.SetTimer():
                self._timers.set(effect.key, effect.at_us)
            case c.CancelTimer():
                self._timers.cancel(effect.kind)
            case c.BuildBlock():
                self._spawn(self._build(effect))
            case c.ValidateBlock():
                self._spawn(self._validator.validate(effect))
            case c.AbandonValidation():
                self._validator.abandon(effect.token)
            case c.FetchBlock():
                self._spawn(self._fetch(effect))
            case c.StartSync():
                self._peers.start_sync(effect.target_height, effect.peers)
            case c.Deliver():
                self._check_durable(effect.after)
                await self._deliver(effect)
            case c.CheckWork():
                if not self._checks_work:  # asked again at each STATUS: under load probes would queue up before blocks
                    self._checks_work = True
                    self._spawn(self._check_work())
            case c.ReportEvidence():
                self._metrics.agreement.evidence.labels(effect.offence).inc()
                _log.error("evidence", signer="0x" + effect.signer.hex(), offence=effect.offence)
            case c.Halt():
                raise ImpossibleState(effect.reason)
            case c.Trace():
                if effect.label == "view_entered":
                    self._builder.view_failed()

    async def _persist(self, effect: c.Persist) -> None:
        if self._wal is None:
            raise ImpossibleState("a node without a usable write-ahead log was to record a vote (P-18)")
        started = time.perf_counter()
        self._wal.append(effect.lsn, effect.records)
        await asyncio.get_running_loop().run_in_executor(None, self._wal.sync)
        self._metrics.agreement.wal_sync_seconds.observe(time.perf_counter() - started)
        self._urgent.append(c.Persisted(effect.lsn))

    async def _start_segment_if_due(self) -> None:
        """P-17: a long log begins anew with the one record that says all that still binds."""
        if (
            self._wal is None
            or self._wal.segment_bytes <= SEGMENT_BYTES_TARGET
            or self._replica.status().refuse_to_vote
        ):
            return  # who refuses to vote keeps the log as evidence of why
        state = self._replica.state_record()
        if state is not None:
            lsn, wal = self._wal.last_lsn, self._wal
            await asyncio.get_running_loop().run_in_executor(None, wal.start_segment, lsn, (state,))
            _log.info("write-ahead log began a new segment", lsn=lsn, bytes=wal.segment_bytes)

    def _durable_lsn(self) -> int:
        """What a block's batch stores (P-17): the last synced record; never less than the ledger has seen before, so
        that a lost or damaged log goes on being noticed (P-18)."""
        return max(self._lsn_floor, self._wal.last_synced_lsn if self._wal is not None else 1)

    def _check_durable(self, after: int) -> None:
        synced = self._wal.last_synced_lsn if self._wal is not None else 0
        if after > synced:
            raise ImpossibleState(f"an effect waits for WAL record {after}, synced is {synced}")

    def _send(self, message: m.Message, to: bytes | None) -> None:
        if isinstance(message, m.ForeignEpoch):
            raise ImpossibleState("a message that is never on the wire was to be sent")
        payload = codec.encode_message(message)
        priority = PRIORITIES.get(type(message), Priority.STATUS)
        if to is None:
            self._network.broadcast(priority, payload, FRAME_KIND, to=map(Address, self._validators()))
        else:
            self._network.send(Address(to), priority, payload, FRAME_KIND)

    def _validators(self) -> tuple[bytes, ...]:
        return tuple(self._writer.ledger.next_validators)

    def _spawn(self, work: Awaitable[c.Event | None]) -> None:
        async def answer() -> None:
            event = await work
            if event is not None:
                self._put(event)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # P-7 and the house rule: a local failure is no verdict on a block; the node stops.
            self._on_halt(f"{type(task.exception()).__name__}: {task.exception()}")

    def _build(self, effect: c.BuildBlock) -> Awaitable[c.Event]:
        """Build a block; from this call on the build can be cancelled, also before its task has begun."""
        return self._built(effect, self._builder.build(effect))

    async def _built(self, effect: c.BuildBlock, answer: Awaitable[c.BlockBuilt]) -> c.Event:
        built = await answer
        if built.proposal is None and effect.parent_hash != self._writer.ledger.head_hash:
            self.work.none_left()
        return built

    async def _fetch(self, effect: c.FetchBlock) -> c.Event | None:
        proposal = await self._peers.fetch_block(effect.height, effect.block_hash, effect.hints)
        return None if proposal is None else c.BlockAvailable(proposal)

    async def _check_work(self) -> c.Event:
        try:
            return self.work.found(pending=await self._builder.work_is_placeable())
        finally:
            self._checks_work = False

    async def _deliver(self, effect: c.Deliver) -> None:
        try:
            executed = await self._writer.commit(effect.proposal, effect.certificate, self._durable_lsn)
        except InvalidBlock as error:
            # H43: a quorum sealed what this node finds false: stop rather than fork.
            raise ImpossibleState(f"block {effect.height} is sealed by a quorum but invalid here: {error}") from error
        ledger = self._writer.ledger
        held = ledger.chain.header(effect.height)
        if held is None or held.hash != effect.block_hash:
            raise ImpossibleState(f"block {effect.height} is sealed by a quorum, and the ledger holds another")
        validators = executed.next_validators if executed is not None else ledger.next_validators
        if executed is not None:
            self.watch.committed(executed, effect.certificate, AGREED)
        if executed is None and ledger.head.number > effect.height:
            return  # block sync was faster; its Synced event is in the queue
        self._urgent.append(c.Delivered(effect.height, effect.block_hash, tuple(validators)))
