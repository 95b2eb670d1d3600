"""When to give a view up: COMPLAIN first, promise only with a quorum (P-14).

A complaint promises nothing, so a lone timed-out replica goes on voting. f + 1 complaints make a replica echo them;
Q make it promise. Every guard compares integers of this epoch; one liar's huge view moves nobody.
"""

from __future__ import annotations

from consensus import view_change
from consensus.core import MAX_DOUBLINGS, Core
from consensus.messages import Complain, Reason
from consensus.normal_case import empty_block_due
from consensus.types import CheckWork, PeersReachable, TimerKind, WorkChanged
from consensus.validators import weak_quorum_size

AGE_COUNTS_FOR = 3
"""An age complaint counts for so many status intervals after each receipt (P-14)."""
QUICK_SHIFT = 3
"""R-9: patience with a primary that is out of reach is an eighth of the ordinary. A fraction of what has doubled with
k, not of T0: else f liars and one host that is wrong about its links could change views faster than blocks commit."""


# --- whose complaint counts ---------------------------------------------------------------------------


def complaint_counts(core: Core, complaint: Complain, received_us: int) -> bool:
    """P-14: progress until this replica has committed beyond its base; age for a while after each receipt."""
    if complaint.view <= core.views.view:
        return False
    if complaint.reason is Reason.PROGRESS:
        return complaint.base >= core.height
    return core.now.monotonic_us <= received_us + AGE_COUNTS_FOR * core.config.status_interval_us


def wanted_view(core: Core, sender: int, *, echoes_of_age: bool) -> int:
    """The view that another validator wants to be in: by a complaint that counts, or by its VIEW-CHANGE."""
    wanted = 0
    change = core.sync.view_changes.get(sender)
    if change is not None and change.view > core.views.view:
        wanted = change.view
    kept = core.sync.complaints.get(sender)
    if kept is not None and complaint_counts(core, *kept):
        complaint = kept[0]
        if echoes_of_age or complaint.reason is Reason.PROGRESS or not complaint.echo:
            wanted = max(wanted, complaint.view)
    return wanted


def join_view(core: Core) -> int:
    """The (f + 1)-th highest view that others want: at least one honest replica wants it or a later one.

    Echoes of age do not count here, or f liars and two honest replicas would keep each other's echo alive."""
    wanted = sorted((wanted_view(core, i, echoes_of_age=False) for i in range(core.n) if i != core.index), reverse=True)
    f_plus_1 = weak_quorum_size(core.n)
    return wanted[f_plus_1 - 1] if len(wanted) >= f_plus_1 else 0


def entry_view(core: Core) -> int:
    """The Q-th highest view that validators want, this replica included."""
    wanted = [wanted_view(core, i, echoes_of_age=True) for i in range(core.n) if i != core.index]
    own = core.sync.own.view if core.sync.own is not None else 0
    wanted.append(max(own, 0 if core.views.normal else core.views.promise))
    return sorted(wanted, reverse=True)[core.quorum - 1]


# --- guards -------------------------------------------------------------------------------------------


def advance(core: Core) -> None:
    """Join, then enter a view change where enough want it; keep the timers in step."""
    sync = core.sync
    if core.may_speak() and (sync.own or sync.complaints or sync.view_changes):  # nobody wants another view: the rule
        _drop_own_if_past(core)
        joined = join_view(core)
        own_target = max(core.sync.own.view if core.sync.own else 0, core.views.promise)
        if joined > own_target:
            complain(core, joined, _reason_to_echo(core, joined), echo=True)
        entered = entry_view(core)
        if entered > core.views.promise:
            view_change.promise(core, entered)
    _keep_timers(core)


def complain(core: Core, view: int, reason: Reason, *, echo: bool) -> None:
    """Say that this replica wants to be in ``view``; repeated with every STATUS while its reason holds."""
    core.sync.own = core.complain(view, core.height, reason, echo)
    core.trace("complain", epoch=core.epoch, view=view, reason=reason.name.lower(), echo=echo)
    core.broadcast(core.sync.own)
    core.again = True


def _reason_to_echo(core: Core, view: int) -> Reason:
    """AGE only where nothing but age leads to ``view``: such an echo outlives commits (P-14)."""
    for sender in range(core.n):
        if sender == core.index or wanted_view(core, sender, echoes_of_age=False) < view:
            continue
        kept = core.sync.complaints.get(sender)
        change = core.sync.view_changes.get(sender)
        if change is not None and change.view >= view:
            return Reason.PROGRESS
        if kept is None or kept[0].reason is Reason.PROGRESS:
            return Reason.PROGRESS
    return Reason.AGE


def _drop_own_if_past(core: Core) -> None:
    own = core.sync.own
    if own is None:
        return
    if own.reason is Reason.PROGRESS:
        holds = own.base >= core.height and (own.echo or not core.views.normal or _has_work(core))
    elif own.echo:
        holds = join_view(core) >= own.view
    else:
        holds = _age_due(core)
    if not holds:
        core.sync.own = None


# --- work and time ------------------------------------------------------------------------------------


def _proposal_waits(core: Core) -> bool:
    """A proposal of this view that is not decided yet, accepted or not (P-15)."""
    view = core.views.view
    for height in core.in_flight():
        slot = core.log.slots.get(height)
        if slot is None or height in core.log.decided:
            continue
        accepted = slot.accepted is not None and slot.accepted.view >= view
        heard = any(message.view == view for message, _ in slot.pre_prepares.values())
        if accepted or heard or height in core.views.plan:
            return True
    return False


def _has_firm_work(core: Core) -> bool:
    """Work that needs no builder to confirm it."""
    return empty_block_due(core) or _proposal_waits(core)


def _has_work(core: Core) -> bool:
    """P-15."""
    return core.work.pending or _has_firm_work(core)


def age_limit_us(core: Core) -> int:
    """T_age, doubled with each view passed for age (P-14)."""
    return core.config.age_limit_us << min(core.sync.age_passed, MAX_DOUBLINGS)


def _age_due(core: Core) -> bool:
    oldest = core.work.oldest_us
    return oldest is not None and core.now.monotonic_us - oldest >= age_limit_us(core)


def _keep_timers(core: Core) -> None:
    """Run exactly the timers that the state calls for."""
    sync, now = core.sync, core.now.monotonic_us
    speaks, decided = core.may_speak(), core.height + 1 in core.log.decided
    waits = sync.own is None and Reason.PROGRESS not in sync.checking and not decided
    _keep(core, TimerKind.PROGRESS, speaks and core.views.normal and waits and _has_work(core), now)
    _keep(core, TimerKind.NEW_VIEW, speaks and not core.views.normal and sync.own is None, now)
    oldest = core.work.oldest_us
    watching = speaks and core.views.normal and core.work.pending and Reason.AGE not in sync.checking
    if watching and oldest is not None and (sync.own is None or sync.own.reason is not Reason.AGE):
        core.set_timer(TimerKind.AGE, oldest + age_limit_us(core))
    else:
        core.cancel_timer(TimerKind.AGE)


def _keep(core: Core, kind: TimerKind, wanted: bool, now: int) -> None:
    """One patience for each (view, height): a running timer is never prolonged."""
    if not wanted:
        core.cancel_timer(kind)
        return
    running = core.timers.get(kind)
    place = (core.epoch, core.views.promise, core.height + 1)
    if running is None or (running[0].epoch, running[0].view, running[0].height) != place:
        core.sync.waiting_since_us = now
    core.set_timer(kind, patience_ends_us(core))


# --- who is out of reach (R-9) ------------------------------------------------------------------------


def next_view(core: Core, above: int) -> int:
    """The view to ask for: the lowest one above whose primary is reachable. At most n - 1 are skipped, since this
    replica reaches itself."""
    views = range(above + 1, above + core.n + 1)
    return next((view for view in views if core.reaches(core.primary(view))), above + 1)


def patience_ends_us(core: Core) -> int:
    """When the running patience is over: sooner while its primary is out of reach, counted from when it was lost, so
    that a link that breaks for a moment costs nothing; never later than the ordinary patience."""
    since, patience = core.sync.waiting_since_us, core.patience_us()
    leader = core.primary(core.views.promise)
    if core.reaches(leader):
        return since + patience
    lost_us = core.lost_us.get(core.members[leader], 0)
    return min(since + patience, max(since, lost_us) + (patience >> QUICK_SHIFT))


def on_peers_reachable(core: Core, event: PeersReachable) -> None:
    """Take in who is connected; a complaint that asks for an unreachable primary asks for another. A host that has just
    started is connected to nobody yet: whom it has never seen counts as lost T0 later."""
    now = core.now.monotonic_us
    lost_us = now if core.reachable is not None else now + core.config.timeout_us
    core.reachable = event.addresses
    gone = [member for member in core.members if member not in event.addresses]
    core.lost_us = {member: core.lost_us.get(member, lost_us) for member in gone}
    own = core.sync.own
    if own is not None and not own.echo and not core.reaches(core.primary(own.view)):
        view = next_view(core, core.views.promise)
        if view != own.view:
            complain(core, view, own.reason, echo=False)


# --- events -------------------------------------------------------------------------------------------


def on_complain(core: Core, message: Complain) -> None:
    """Keep the sender's latest, heard from itself (R-11); whether it counts is judged when counting."""
    core.sync.complaints[message.sender] = (message, core.now.monotonic_us)


def on_progress_timer(core: Core) -> None:
    """No commit in time: complain, of transactions only after this replica's builder placed one (P-15)."""
    if _has_firm_work(core):
        complain(core, next_view(core, core.views.view), Reason.PROGRESS, echo=False)
    else:
        core.sync.checking.add(Reason.PROGRESS)
        core.emit(CheckWork())


def on_new_view_timer(core: Core) -> None:
    """The promised view did not start in time: ask for the one after."""
    complain(core, next_view(core, core.views.promise), Reason.PROGRESS, echo=False)


def on_age_timer(core: Core) -> None:
    """A transaction has waited for T_age: ask the builder whether it can be placed."""
    core.sync.checking.add(Reason.AGE)
    core.emit(CheckWork())


def on_work_changed(core: Core, event: WorkChanged) -> None:
    """Take in what there is to do; also the answer to CheckWork."""
    work, sync = core.work, core.sync
    work.pending, work.oldest_us, work.empty_due = event.pending, event.oldest_us, event.empty_due
    work.stalled = False
    young = work.oldest_us is None or core.now.monotonic_us - work.oldest_us < core.config.age_limit_us
    if young:
        sync.age_passed = 0
    checked, sync.checking = sync.checking, set()
    if not core.may_speak() or not core.views.normal:
        return
    if Reason.AGE in checked and event.pending and _age_due(core):
        complain(core, next_view(core, core.views.view), Reason.AGE, echo=False)
    elif Reason.PROGRESS in checked and (event.pending or _has_firm_work(core)) and sync.own is None:
        complain(core, next_view(core, core.views.view), Reason.PROGRESS, echo=False)


def on_height(core: Core) -> None:
    """A commit: patience is fresh again, and the heartbeat starts anew."""
    core.sync.failed_views = 0
    core.sync.checking.clear()
    core.work.heartbeat_due = False
    core.work.stalled = False
    core.set_timer(TimerKind.HEARTBEAT, core.now.monotonic_us + core.config.heartbeat_us)


def on_status_tick(core: Core) -> None:
    """Repeat whatever still stands (P-14): the complaint, the VIEW-CHANGE byte for byte, an unanswered CheckWork."""
    core.work.stalled = False
    if core.sync.checking:
        core.emit(CheckWork())
    if not core.may_speak():
        return
    _drop_own_if_past(core)
    if core.sync.own is not None:
        core.broadcast(core.sync.own)
    if not core.views.normal:
        core.broadcast(core.own_promise(), after=core.durable_lsn())
