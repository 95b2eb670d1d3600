"""The facade: one dispatch table, and guards that run after every event until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

from consensus import catch_up, epochs, normal_case, view_change, view_synchronizer
from consensus.core import Core
from consensus.errors import ImpossibleState
from consensus.ingress import CachingVerifier
from consensus.messages import (
    Commit,
    Complain,
    ForeignEpoch,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Repair,
    SignedMessage,
    Status,
    ViewChange,
)
from consensus.types import (
    WINDOW_MAX,
    Address,
    BlockAvailable,
    BlockBuilt,
    BlockValidated,
    Config,
    Delivered,
    Digest,
    Effect,
    Event,
    Halt,
    HeaderDecoder,
    Instant,
    PeersReachable,
    Persisted,
    Proposal,
    Received,
    Signer,
    Started,
    Synced,
    TimerFired,
    TimerKind,
    Verifier,
    WorkChanged,
)
from consensus.validators import ValidatorSchedule
from consensus.wal_records import Restored, State

SETTLE_LIMIT = 256
"""Rounds of guards after one event; more would be a loop of our own making."""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """A read-only view for RPC, metrics and checkers."""

    epoch: int
    view: int
    promise: int
    height: int
    block_hash: Digest
    validators: tuple[Address, ...]
    primary: Address
    is_validator: bool
    may_vote: bool
    refuse_to_vote: str
    failed_views: int
    complaining: bool
    lsn: int
    halted: str

    @property
    def normal(self) -> bool:
        """False while a view change is under way."""
        return self.view == self.promise


class Replica:
    """One PBFT replica: ``step`` takes an event and gives effects. Not thread-safe; raises nothing of its own."""

    def __init__(
        self,
        config: Config,
        me: Address,
        signer: Signer,
        verifier: Verifier,
        decode_header: HeaderDecoder,
        restored: Restored,
    ) -> None:
        """``restored``: from ``wal_records.restore``. A CachingVerifier shared with ingress saves most signature
        checks."""
        if not 1 <= config.window <= WINDOW_MAX:
            raise ImpossibleState(f"the window must be 1 to {WINDOW_MAX}")
        if config.epoch_length < 2 or not 0 < config.timeout_us <= config.timeout_max_us:
            raise ImpossibleState("epoch length or timeouts out of range")
        if not isinstance(verifier, CachingVerifier):
            verifier = CachingVerifier(verifier)
        self._core = Core(config, me, signer, verifier, decode_header, restored)
        self._started = False
        epochs.load_obligations(self._core)

    @property
    def schedule(self) -> ValidatorSchedule:
        """The validator sets known; what ``ingress.verify`` needs."""
        return self._core.schedule

    def step(self, event: Event, now: Instant) -> list[Effect]:
        """Take in one event at one moment; the effects are to be carried out in order (README: the host's duties).

        After a Halt every event is answered by nothing."""
        core = self._core
        if core.halted:
            return []
        core.now = now
        try:
            self._dispatch(event)
            self._settle()
        except ImpossibleState as error:
            core.halted = str(error)
            return [*core.flush(), Halt(core.halted)]
        return core.flush()

    def _dispatch(self, event: Event) -> None:
        core = self._core
        match event:
            case Started():
                self._start()
            case Received(peer, message):
                self._receive(peer, message)
            case TimerFired(key):
                running = core.timers.get(key.kind)
                if running is not None and running[0] == key:  # a stale timer says nothing
                    del core.timers[key.kind]
                    self._fire(key.kind)
            case Persisted():
                pass  # effects carry their LSN; the host releases them
            case BlockBuilt():
                normal_case.on_block_built(core, event)
            case BlockValidated():
                normal_case.on_block_validated(core, event)
            case BlockAvailable():
                normal_case.on_block_available(core, event)
            case WorkChanged():
                view_synchronizer.on_work_changed(core, event)
            case Delivered():
                epochs.on_delivered(core, event)
            case Synced():
                epochs.on_synced(core, event)
            case PeersReachable():
                catch_up.greet(core, event.addresses)
                view_synchronizer.on_peers_reachable(core, event)

    def _settle(self) -> None:
        """Every guard after every event: whatever was waited for may just have come."""
        core = self._core
        if not self._started:
            return
        for _ in range(SETTLE_LIMIT):
            core.again = False
            normal_case.advance(core)
            view_synchronizer.advance(core)
            view_change.advance(core)
            if not core.again:
                return
        raise ImpossibleState("the guards do not settle")

    def _start(self) -> None:
        """Timers, and the last own messages again (P-17): the same, never others."""
        core = self._core
        if self._started:
            return
        self._started = True
        now = core.now.monotonic_us
        stagger = core.config.status_interval_us * (core.index or 0) // max(core.n, 1)
        core.set_timer(TimerKind.STATUS, now + core.config.status_interval_us // 2 + stagger // 2)
        core.set_timer(TimerKind.HEARTBEAT, now + core.config.heartbeat_us)
        if core.refuse_to_vote:
            core.trace("refuses_to_vote", reason=core.refuse_to_vote)
        if core.may_speak():
            self._resend()
        catch_up.say_status(core)

    def _resend(self) -> None:
        core = self._core
        views, after = core.views, core.durable_lsn()
        if not views.normal:
            core.broadcast(core.own_promise(), after=after)
            return
        if views.new_view is not None and core.primary(views.view) == core.index:
            core.broadcast(views.new_view, after=after)
        me = core.my_index()
        for height in core.in_flight():
            slot = core.log.slot(height)
            if core.primary(views.view) == me and slot.accepted is not None and slot.accepted.view == views.view:
                core.broadcast(slot.accepted, after=after)
            for votes in (slot.prepares, slot.commits):
                vote = votes.get(me, {}).get(views.view)
                if isinstance(vote, Prepare | Commit):
                    core.broadcast(vote, after=after)

    def _receive(self, peer: Address, message: Message) -> None:
        core = self._core
        if isinstance(message, Repair):
            catch_up.on_repair(core, peer, message)
        elif isinstance(message, ForeignEpoch) or message.epoch > core.epoch:
            # Also if its set is known already: one that is not in force is a hint, no more (P-13).
            catch_up.on_foreign_epoch(core, peer, message.epoch)
        elif message.epoch < core.epoch:
            catch_up.on_earlier_epoch(core, peer, message)
        elif message.sender != core.index:
            self._receive_current(peer, message)

    def _receive_current(self, peer: Address, message: SignedMessage) -> None:
        core = self._core
        if isinstance(message, Complain | Status) and peer != core.members[message.sender]:
            return  # what a peer repeats of another's passing state may be old
        match message:
            case PrePrepare():
                normal_case.on_pre_prepare(core, message)
            case Prepare():
                normal_case.on_prepare(core, message)
            case Commit():
                normal_case.on_commit(core, message)
            case Complain():
                view_synchronizer.on_complain(core, message)
                if message.base < core.height:
                    catch_up.repair(core, core.members[message.sender], message.base + 1)
            case ViewChange():
                view_change.on_view_change(core, message)
            case NewView():
                view_change.on_new_view(core, message)
            case Status():
                catch_up.on_status(core, message)

    def _fire(self, kind: TimerKind) -> None:
        core = self._core
        match kind:
            case TimerKind.PROGRESS:
                view_synchronizer.on_progress_timer(core)
            case TimerKind.NEW_VIEW:
                view_synchronizer.on_new_view_timer(core)
            case TimerKind.AGE:
                view_synchronizer.on_age_timer(core)
            case TimerKind.HEARTBEAT:
                core.work.heartbeat_due = True
            case TimerKind.STATUS:
                view_synchronizer.on_status_tick(core)
                catch_up.on_status_tick(core)
            case TimerKind.EARLY_PROPOSAL:
                pass  # the guard looks at the clock again

    def status(self) -> ReplicaStatus:
        """Where this replica stands."""
        core = self._core
        return ReplicaStatus(
            epoch=core.epoch,
            view=core.views.view,
            promise=core.views.promise,
            height=core.height,
            block_hash=core.block_hash,
            validators=core.members,
            primary=core.members[core.primary(core.views.view)],
            is_validator=core.index is not None,
            may_vote=normal_case.voting_allowed(core, core.views.view),
            refuse_to_vote=core.refuse_to_vote,
            failed_views=core.sync.failed_views,
            complaining=core.sync.own is not None,
            lsn=core.lsn,
            halted=core.halted,
        )

    def find_proposal(self, height: int, block_hash: Digest) -> Proposal | None:
        """A block that this replica holds and that need not be final: what the host serves to fetching peers."""
        slot = self._core.log.slots.get(height)
        held = slot.blocks.get(block_hash) if slot is not None else None
        return held[0] if held is not None else None

    def state_record(self) -> State | None:
        """The first record of a new WAL segment (P-17), as of the last step; every earlier Persist must be synced.

        None while a later epoch's obligations wait for the ledger: then the old segment must stay."""
        core = self._core
        if core.restored:
            return None
        slots = [slot for _, slot in sorted(core.log.slots.items())]
        return State(
            epoch=core.epoch,
            committed=max(core.height, core.floor),
            view_change=core.views.view_change,
            new_view=core.views.new_view,
            accepted=tuple(message for slot in slots for message in slot.history),
            prepared=tuple(slot.prepared for slot in slots if slot.prepared is not None),
        )
