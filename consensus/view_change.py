"""VIEW-CHANGE and NEW-VIEW: how the next primary learns what may have been decided (PBFT §4.4).

``choose_new_view`` is pure and the only author of re-proposals: the primary runs it to make a NEW-VIEW, each backup
to check one. Why it is safe: a decided block was prepared by a quorum, every set of Q view changes holds one honest
member of that quorum, and its certificate has the highest view by induction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus import evidence, normal_case
from consensus.certificates import (
    CommitCertificate,
    PreparedCertificate,
    signed_by,
    verify_commit_certificate,
    verify_prepared_certificate,
)
from consensus.codec import encode_body
from consensus.core import Core
from consensus.domain import Kind, body_digest, vote_digest
from consensus.errors import ImpossibleState, InvalidMessage
from consensus.messages import NewView, Reason, Repair, Reproposal, ViewChange
from consensus.types import Digest, TimerKind, Verifier
from consensus.validators import ValidatorSchedule, primary_index, view_change_quorum
from consensus.wal_records import EnteredView, NewViewSent, ViewPromise


@dataclass(frozen=True, slots=True)
class Choice:
    """What follows from a set of view changes: the highest base, and the blocks to re-propose above it."""

    base_height: int
    base_certificate: CommitCertificate | None
    entries: tuple[tuple[int, Digest], ...]


def choose_new_view(view_changes: Sequence[ViewChange]) -> Choice:
    """The highest base; then, height by height, the prepared block of the highest view; up to the first gap.

    Each view change must be valid by itself (``check_view_change``). Raises ImpossibleState where two certificates of
    one view name different blocks: more than f are faulty."""
    best = max(view_changes, key=lambda change: change.base_height)
    reported: dict[int, PreparedCertificate] = {}
    for change in view_changes:
        for certificate in change.prepared:
            rival = reported.get(certificate.height)
            if rival is None or certificate.view > rival.view:
                reported[certificate.height] = certificate
            elif certificate.view == rival.view and certificate.block_hash != rival.block_hash:
                raise ImpossibleState(f"two blocks prepared at height {certificate.height} in one view")
    entries: list[tuple[int, Digest]] = []
    height = best.base_height + 1
    while height in reported:
        entries.append((height, reported[height].block_hash))
        height += 1
    return Choice(best.base_height, best.base_certificate, tuple(entries))


def prepared_entries(core: Core) -> tuple[PreparedCertificate, ...]:
    """What a VIEW-CHANGE must report: every own prepared certificate above the base. The chain rule (R-10) leaves no
    gap between them; to leave one out of the report could undo a decided block."""
    slots = (core.log.slots[height] for height in sorted(core.log.slots))
    entries = tuple(slot.prepared for slot in slots if slot.prepared is not None)
    if [entry.height for entry in entries] != [core.height + 1 + i for i in range(len(entries))]:
        raise ImpossibleState("a block was prepared here above one that was not")
    return entries


# --- validity (used by ingress) -----------------------------------------------------------------------


def check_view_change(message: ViewChange, schedule: ValidatorSchedule, verifier: Verifier) -> None:
    """Raise InvalidMessage unless base and prepared certificates prove what they claim. One bad certificate
    discards this sender's message, and no other's."""
    base = message.base_certificate
    if (base is None) != (message.base_height == 0) or (base and base.height != message.base_height):
        raise InvalidMessage("the base certificate is not of the base height")
    if schedule.epoch_of(message.base_height + 1) != message.epoch:
        raise InvalidMessage("P-13: a VIEW-CHANGE's epoch is that of the block after its base")
    if message.view == 0 or len(message.prepared) > schedule.config.window:
        raise InvalidMessage("no VIEW-CHANGE leads to view 0, and none reports more than the window")
    latest = message.view - 1
    for offset, certificate in enumerate(message.prepared, start=1):
        if certificate.height != message.base_height + offset or certificate.epoch != message.epoch:
            raise InvalidMessage("prepared certificates must follow the base without a gap")
        if certificate.view >= message.view:
            raise InvalidMessage("a prepared certificate must be of an earlier view")
        if certificate.view > latest:
            raise InvalidMessage("R-10: no block is prepared in a later view than its parent")
        latest = certificate.view
        verify_prepared_certificate(certificate, schedule, verifier)
    if base is not None:
        verify_commit_certificate(base, schedule, verifier)


def check_new_view(message: NewView, schedule: ValidatorSchedule, verifier: Verifier) -> None:
    """Raise InvalidMessage unless Q valid, signed view changes to this view and the primary's signature on each
    re-proposal are there. Whether the re-proposals follow from them is ``follows``."""
    members = schedule.validators(message.epoch)
    if message.sender != primary_index(message.epoch, message.view, len(members)):
        raise InvalidMessage("only the primary of the view sends its NEW-VIEW")
    senders = {change.sender for change in message.view_changes}
    if len(senders) != len(message.view_changes) or len(senders) < view_change_quorum(len(members)):
        raise InvalidMessage("a NEW-VIEW needs view changes of a quorum")
    domain_hash = schedule.domain(message.epoch)
    for change in message.view_changes:
        if (change.epoch, change.view) != (message.epoch, message.view) or change.sender >= len(members):
            raise InvalidMessage("a view change of another view")
        digest = body_digest(domain_hash, Kind.VIEW_CHANGE, encode_body(change))
        if not signed_by(members[change.sender], digest, change.signature, verifier):
            raise InvalidMessage("a view change that its sender has not signed")
        check_view_change(change, schedule, verifier)
    for item in message.reproposals:
        digest = vote_digest(domain_hash, Kind.PRE_PREPARE, message.view, item.height, item.block_hash)
        if not signed_by(members[message.sender], digest, item.signature, verifier):
            raise InvalidMessage("a re-proposal that the primary has not signed")


def follows(message: NewView) -> bool:
    """Whether the re-proposals are exactly those that the view changes demand."""
    entries = tuple((item.height, item.block_hash) for item in message.reproposals)
    return choose_new_view(message.view_changes).entries == entries


# --- the replica's side -------------------------------------------------------------------------------


def promise(core: Core, view: int) -> None:
    """Promise to vote in no view below ``view``, and report what may have been decided."""
    base = core.certificates[core.height] if core.height else None
    entries = prepared_entries(core)
    message = core.sign_body(ViewChange(core.epoch, view, core.height, base, entries, core.my_index(), b""))
    core.persist(ViewPromise(message))
    core.views.promise = view
    core.views.view_change = message
    core.sync.view_changes[message.sender] = message
    core.sync.failed_views += 1
    _pass_for_age(core)
    core.sync.own = None
    core.sync.checking.clear()
    core.trace("view_change", epoch=core.epoch, view=view, base=core.height, prepared=len(entries))
    core.broadcast(message, after=core.durable_lsn())
    core.again = True


def on_view_change(core: Core, message: ViewChange) -> None:
    """Keep the latest of each sender; learn what its base proves."""
    if message.base_certificate is not None:
        normal_case.learn(core, message.base_certificate)
    kept = core.sync.view_changes.get(message.sender)
    if kept is not None:
        core.report(evidence.conflicting(kept, message))
    for slot in core.log.slots.values():
        for commit in slot.commits.get(message.sender, {}).values():
            core.report(evidence.amnesia(commit, message))
    if message.view > core.views.view and (kept is None or message.view > kept.view):
        core.sync.view_changes[message.sender] = message
        core.again = True


def on_new_view(core: Core, message: NewView) -> None:
    """Enter the view if its re-proposals follow from its view changes and no promise stands against it."""
    views = core.views
    if views.new_view is not None and views.new_view.view == message.view:
        core.report(evidence.conflicting(views.new_view, message))
    if message.view <= views.view or message.view < views.promise:
        return
    if not follows(message):
        core.report(evidence.wrong_new_view(message))
        return
    core.persist(EnteredView(message))
    enter(core, message)


def advance(core: Core) -> None:
    """Send the NEW-VIEW as soon as this replica leads the promised view and holds Q view changes to it."""
    view = core.views.promise
    if core.views.normal or not core.may_speak() or core.primary(view) != core.index:
        return
    needed = view_change_quorum(core.n)
    changes = [c for _, c in sorted(core.sync.view_changes.items()) if c.view == view]
    if len(changes) < needed:
        return
    others = [c for c in changes if c.sender != core.index]
    own = [c for c in changes if c.sender == core.index]
    chosen = sorted((own + others)[:needed], key=lambda c: c.sender)
    choice = choose_new_view(chosen)
    items = tuple(
        Reproposal(height, block_hash, core.sign_vote(Kind.PRE_PREPARE, view, height, block_hash))
        for height, block_hash in choice.entries
    )
    message = core.sign_body(NewView(core.epoch, view, tuple(chosen), items, core.my_index(), b""))
    core.persist(NewViewSent(message))
    core.broadcast(message, after=core.durable_lsn())
    enter(core, message)


def enter(core: Core, message: NewView) -> None:
    """Start ``message.view``: its plan binds, whatever was complained of is past."""
    choice = choose_new_view(message.view_changes)
    if message.view > core.views.promise:
        core.sync.failed_views += 1
    adopt(core, message)
    _forget_complaints(core)
    if choice.base_certificate is not None:
        normal_case.learn(core, choice.base_certificate)
    planned = set(core.views.plan.values())
    normal_case.abandon_validations(core, planned | {c.block_hash for c in core.log.decided.values()})
    core.trace("view_entered", epoch=core.epoch, view=message.view, reproposals=len(message.reproposals))
    done = tuple(core.certificates[h] for h in sorted(core.views.plan) if h in core.certificates)
    for certificate in done:
        # A block decided in an earlier view must be in every NEW-VIEW. One decided in this view or a later one proves
        # nothing against it: a faulty primary may send two NEW-VIEWs of one view, and only one of them comes to pass.
        if certificate.view < message.view and certificate.block_hash != core.views.plan[certificate.height]:
            raise ImpossibleState(f"a NEW-VIEW re-proposes another block at committed height {certificate.height}")
    if done:
        core.broadcast(Repair(done))
    core.again = True


def adopt(core: Core, message: NewView) -> None:
    """Set the view state that ``message`` gives; also how a restart re-enters its view."""
    views = core.views
    views.view = message.view
    views.promise = max(views.promise, message.view)
    views.new_view = message
    choice = choose_new_view(message.view_changes)
    views.base = choice.base_height
    views.plan = {item.height: item.block_hash for item in message.reproposals}
    if views.view_change is not None and views.view_change.view <= views.view:
        views.view_change = None


def _forget_complaints(core: Core) -> None:
    sync, view = core.sync, core.views.view
    if sync.own is not None and sync.own.view <= view:
        _pass_for_age(core)
        sync.own = None
    sync.complaints = {s: c for s, c in sync.complaints.items() if c[0].view > view}
    sync.view_changes = {s: c for s, c in sync.view_changes.items() if c.view > view}
    sync.checking.clear()
    core.work.build, core.work.built, core.work.stalled = None, None, False
    core.cancel_timer(TimerKind.NEW_VIEW)
    for slot in core.log.slots.values():
        slot.pre_prepares = {s: p for s, p in slot.pre_prepares.items() if p[0].view >= view}


def _pass_for_age(core: Core) -> None:
    """T_age doubles with each view passed for age (P-14), also where others said it first: who only joined them has old
    transactions too, and would complain of the next view at once."""
    own = core.sync.own
    if own is not None and own.reason is Reason.AGE:
        core.sync.age_passed += 1
