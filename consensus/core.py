"""The state that the protocol's modules share, and the one place where effects are made.

Persist before send is data: every record of a step goes into one group, and every message that depends on one
carries ``after`` = that group's LSN (P-17). Nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from consensus import codec, domain, wal_records
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from consensus.errors import ImpossibleState
from consensus.evidence import Evidence
from consensus.message_log import MessageLog
from consensus.messages import Complain, NewView, Reason, SignedMessage, Status, ViewChange, WireMessage
from consensus.types import (
    Address,
    Broadcast,
    CancelTimer,
    Config,
    Digest,
    Effect,
    HeaderDecoder,
    Instant,
    Persist,
    Proposal,
    ReportEvidence,
    Send,
    SetTimer,
    Signature,
    Signer,
    TimerKey,
    TimerKind,
    Trace,
    Verifier,
)
from consensus.validators import ValidatorSchedule, primary_index, quorum_size
from consensus.wal_records import Obligations, WalRecord

CERTIFICATES_KEPT = 16
"""Recent heights whose certificates are served from memory (and W of them carried by new blocks)."""
EVIDENCE_KEPT = 64
"""Reports made for each epoch; a flood of proofs against one faulty sender says nothing new."""

MAX_DOUBLINGS = 40
"""Enough for any cap; keeps the shift small."""

_M = TypeVar("_M", bound=SignedMessage)


@dataclass(slots=True)
class ViewState:
    """Where this replica stands in its epoch (P-13)."""

    view: int = 0
    """The last view entered."""
    promise: int = 0
    """The view of the last VIEW-CHANGE sent, at least ``view``: nothing is voted below it."""
    view_change: ViewChange | None = None
    """The promise itself; rebroadcast byte for byte until its view starts."""
    new_view: NewView | None = None
    """What started ``view``; None in view 0."""
    base: int = -1
    """Highest base of the NEW-VIEW: fresh proposals start above it and its re-proposals."""
    plan: dict[int, Digest] = field(default_factory=dict)
    """Re-proposals that the NEW-VIEW demands, by height."""

    @property
    def normal(self) -> bool:
        """False while a view change is under way."""
        return self.promise == self.view


@dataclass(slots=True)
class Synchroniser:
    """Complaints, promises heard, and patience (P-14)."""

    failed_views: int = 0
    """k: since the last commit; the patience is T0 * 2^k, capped."""
    complaints: dict[int, tuple[Complain, int]] = field(default_factory=dict)
    """Latest of each other sender, with its monotonic time of receipt."""
    view_changes: dict[int, ViewChange] = field(default_factory=dict)
    """Latest of each sender, own included."""
    own: Complain | None = None
    """The complaint that this replica repeats."""
    waiting_since_us: int = 0
    """When the running timer of patience (T_progress or T_newview) began."""
    checking: set[Reason] = field(default_factory=set)
    """CheckWork is out: complain for these only if the builder places something (P-15)."""
    age_passed: int = 0
    """Views passed for age: T_age doubles with each (P-14)."""


@dataclass(slots=True)
class Work:
    """What there is to do (P-15)."""

    pending: bool = False
    oldest_us: int | None = None
    empty_due: bool = False
    heartbeat_due: bool = False
    build: tuple[int, int, int] | None = None
    """(epoch, view, height) of the BuildBlock in flight, or of ``built``."""
    built: Proposal | None = None
    """Own block that waits for its time (P-4)."""
    early_us: int | None = None
    """When the first block in flight whose time has not come may be voted on (P-4)."""
    stalled: bool = False
    """The builder placed nothing: not asked again before a change, a commit or a STATUS tick."""


class Core:
    """Shared state and output of one replica."""

    def __init__(
        self,
        config: Config,
        me: Address,
        signer: Signer,
        verifier: Verifier,
        decode_header: HeaderDecoder,
        restored: wal_records.Restored,
    ) -> None:
        ledger = restored.ledger
        self.config = config
        self.me = me
        self.signer = signer
        self.verifier = verifier
        self.decode_header = decode_header
        self.schedule = ValidatorSchedule(config)
        self.height = ledger.height
        """The last delivered block: its batch is synced."""
        self.block_hash = ledger.block_hash
        self.timestamp = ledger.timestamp
        self.certificates = {
            height: CommitCertificate.decode(data) for height, data in sorted(ledger.certificates.items())
        }
        if ledger.height and ledger.height not in self.certificates:
            raise ImpossibleState("the ledger's head has no certificate")
        self.floor = restored.committed_floor
        self.refuse_to_vote = restored.refuse_to_vote
        self.restored: dict[int, Obligations] = dict(restored.epochs)
        """Obligations of epochs that are not entered yet."""
        self.lsn = restored.lsn
        self.log = MessageLog(ledger.height, config.window)
        for epoch in sorted(ledger.validators):
            self.schedule.add(epoch, ledger.validators[epoch])
        current = self.schedule.epoch_of(ledger.height + 1)
        self.schedule.add(current, ledger.next_validators)
        self.stand_in(current)
        self.views = ViewState()
        self.sync = Synchroniser()
        self.work = Work()
        self.validations: dict[int, tuple[int, Digest, bool]] = {}
        """Token -> (height, block, fresh): executions in flight."""
        self.next_token = 1
        self.fetching: set[Digest] = set()
        """Blocks asked for since the last STATUS tick."""
        self.claims: dict[Address, int] = {}
        """Heights that peers claim beyond ours: hints for sync, never proof."""
        self.answers: dict[Address, int] = {}
        """Repairs sent to each peer since the last STATUS tick."""
        self.sync_target = 0
        """Of the last StartSync since the last STATUS tick."""
        self.reachable: frozenset[Address] | None = None
        """Whom the host is connected to (R-9); None while it has not said so: then everybody counts."""
        self.lost_us: dict[Address, int] = {}
        """Members of the epoch that are not reachable: since when, on the monotonic clock."""
        self.convicted = 0
        self.now = Instant(0, 0)
        self.timers: dict[TimerKind, tuple[TimerKey, int]] = {}
        """Running timers: key and due time."""
        self.halted = ""
        self.again = False
        """Something changed that a guard may wait for: settle once more."""
        self._effects: list[Effect] = []
        self._records: list[WalRecord] = []

    # --- who and where --------------------------------------------------------------------------------

    def stand_in(self, epoch: int) -> None:
        """Take ``epoch`` as the current one; its set, which must be known, stays the same as long as it lasts."""
        self.epoch = epoch
        self.members = self.schedule.validators(epoch)
        """The validator set of the current epoch."""
        self.n = len(self.members)
        self.quorum = quorum_size(self.n)
        self.index = self.schedule.index(epoch, self.me)
        """This replica's index in the current set; None where it is no validator."""

    def primary(self, view: int) -> int:
        """Index of the primary of ``view`` in the current epoch."""
        return primary_index(self.epoch, view, self.n)

    def reaches(self, index: int) -> bool:
        """Whether the host is connected to this member of the epoch, or is it (R-9)."""
        return index == self.index or self.reachable is None or self.members[index] in self.reachable

    def may_speak(self) -> bool:
        """Whether this replica is a validator that remembers all it ever promised (P-18)."""
        return self.index is not None and not self.refuse_to_vote and self.height >= self.floor

    def patience_us(self) -> int:
        """T = min(T0 * 2^k, Tmax) with k failed views since the last commit, never the view number (P-4, P-14)."""
        doublings = min(self.sync.failed_views, MAX_DOUBLINGS)
        return min(self.config.timeout_us << doublings, self.config.timeout_max_us)

    def my_index(self) -> int:
        index = self.index
        if index is None:
            raise ImpossibleState("a node that is no validator of the epoch must not sign")
        return index

    def in_flight(self) -> range:
        """Heights that may be voted on now: at most W above the synced ledger (P-17), and none of the next epoch before
        this one's last block is committed (P-13)."""
        last_of_epoch = (self.epoch + 1) * self.config.epoch_length - 1
        return range(self.height + 1, min(self.height + self.config.window, last_of_epoch) + 1)

    # --- signing --------------------------------------------------------------------------------------

    def sign_vote(self, kind: Kind, view: int, height: int, block_hash: Digest) -> Signature:
        """The only two places where the validator key is used are this and sign_body."""
        self.my_index()
        return self.signer.sign(domain.vote_digest(self.schedule.domain(self.epoch), kind, view, height, block_hash))

    def sign_body(self, message: _M) -> _M:
        """``message`` with its signature over the canonical body."""
        self.my_index()
        digest = domain.body_digest(
            self.schedule.domain(self.epoch), codec.kind_of(message), codec.encode_body(message)
        )
        return replace(message, signature=self.signer.sign(digest))

    def own_promise(self) -> ViewChange:
        """The VIEW-CHANGE that stands while a view change is under way."""
        promise = self.views.view_change
        if promise is None:
            raise ImpossibleState("a view change is under way without a promise")
        return promise

    def complain(self, view: int, base: int, reason: Reason, echo: bool) -> Complain:
        return self.sign_body(Complain(self.epoch, view, base, reason, echo, self.my_index(), b""))

    def status(self) -> Status:
        """Own STATUS, signed."""
        slot, view = self.log.slots.get(self.height + 1), self.views.view
        holds = slot is not None and (
            (slot.accepted is not None and slot.accepted.view == view)
            or any(message.view == view for message, _ in slot.pre_prepares.values())
        )
        return self.sign_body(
            Status(self.epoch, self.height, self.views.view, self.views.promise, holds, self.my_index(), b"")
        )

    # --- output ---------------------------------------------------------------------------------------

    def persist(self, record: WalRecord) -> None:
        """Add to this step's group. Who refuses to vote writes nothing: newer records would hide what is missing, and
        the next start would find nothing to refuse (P-18)."""
        if not self.refuse_to_vote:
            self._records.append(record)

    def durable_lsn(self) -> int:
        """LSN that covers every record so far, this step's included."""
        return self.lsn + 1 if self._records else self.lsn

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def send(self, to: Address, message: WireMessage, *, after: int = 0) -> None:
        if to != self.me:
            self.emit(Send(to, message, after))

    def broadcast(self, message: WireMessage, *, after: int = 0) -> None:
        if self.n > 1 or self.index is None:
            self.emit(Broadcast(message, after))

    def trace(self, label: str, **values: object) -> None:
        self.emit(Trace(label, tuple(values.items())))

    def report(self, found: Evidence | None) -> None:
        """Report evidence, a bounded number of times in an epoch."""
        if found is None or self.convicted >= EVIDENCE_KEPT:
            return
        self.convicted += 1
        signer = self.schedule.validators(found.first.epoch)[found.first.sender]
        first, second = codec.encode_message(found.first), codec.encode_message(found.second)
        self.emit(ReportEvidence(signer, found.offence, first, second))

    def set_timer(self, kind: TimerKind, at_us: int) -> None:
        """Start or replace the timer of ``kind``; its key says what it is about. The same again is no effect."""
        key = TimerKey(kind, self.epoch, self.views.promise, self.height + 1)
        if self.timers.get(kind) != (key, at_us):
            self.timers[kind] = (key, at_us)
            self.emit(SetTimer(key, at_us))

    def cancel_timer(self, kind: TimerKind) -> None:
        if self.timers.pop(kind, None) is not None:
            self.emit(CancelTimer(kind))

    def flush(self) -> list[Effect]:
        """This step's effects, its WAL group first."""
        effects, self._effects = self._effects, []
        if self._records:
            self.lsn += 1
            effects.insert(0, Persist(tuple(self._records), self.lsn))
            self._records = []
        return effects
