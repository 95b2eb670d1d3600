"""STATUS, and what each side sends the other for it: repair needs no other retransmission, and no new traffic.

Certificates prove themselves, so anybody may serve them; a claimed height proves nothing and only starts a sync.
"""

from __future__ import annotations

from consensus import normal_case
from consensus.codec import MAX_REPAIR
from consensus.core import Core
from consensus.messages import Complain, Repair, Status, ViewChange
from consensus.types import Address, StartSync, TimerKind
from consensus.validators import weak_quorum_size

MAX_HEIGHT = (1 << 63) - 1
"""Claims are cut here, so that a host may keep a target in 64 bits."""
ANSWERS = 4
"""Repairs to one peer in one status interval."""


def on_status_tick(core: Core) -> None:
    """Say where this replica stands, ask again for what is missing, and act on claims that still stand."""
    core.fetching.clear()
    core.answers.clear()
    core.sync_target = 0
    for slot in core.log.slots.values():
        slot.paused.clear()
    start_sync(core, beyond=core.height)
    core.claims.clear()
    say_status(core)
    core.set_timer(TimerKind.STATUS, core.now.monotonic_us + core.config.status_interval_us)


def say_status(core: Core) -> None:
    """Broadcast STATUS, if this replica is a validator of the epoch."""
    if core.index is not None:
        core.broadcast(core.status())


def greet(core: Core, reachable: frozenset[Address]) -> None:
    """Members that have come into reach hear at once what they would hear at the next tick: STATUS and whatever this
    replica complains of or has promised (R-9)."""
    new = reachable - (core.reachable or frozenset())
    for member in core.members:
        if member not in new or core.index is None or not _may_answer(core, member):
            continue
        core.send(member, core.status())
        if core.may_speak() and core.sync.own is not None:
            core.send(member, core.sync.own)
        if core.may_speak() and not core.views.normal:
            core.send(member, core.own_promise(), after=core.durable_lsn())


def on_status(core: Core, message: Status) -> None:
    """Send what the sender lacks; note what it claims to have."""
    to = core.members[message.sender]
    if message.committed < core.height:
        repair(core, to, message.committed + 1)
    elif message.committed > core.height:
        claim(core, to, message.committed)
    new_view = core.views.new_view
    if message.view < core.views.view and new_view is not None:
        if _may_answer(core, to):
            core.send(to, new_view, after=core.durable_lsn())
    elif message.view == core.views.view and message.committed == core.height:
        _resend_votes(core, to, message)


def _resend_votes(core: Core, to: Address, message: Status) -> None:
    """Own messages of the height in progress, again; the block only where it is missing."""
    slot = core.log.slots.get(core.height + 1)
    view, me = core.views.view, core.index
    if slot is None or me is None or not normal_case.voting_allowed(core, view):
        return
    after = core.durable_lsn()
    accepted = slot.accepted
    if accepted is None or accepted.view != view or not _may_answer(core, to):
        return
    if core.primary(view) == me and not message.has_proposal:
        core.send(to, accepted, after=after)
    prepare = slot.prepares.get(me, {}).get(view)
    if prepare is not None:
        core.send(to, prepare, after=after)
    commit = slot.commits.get(me, {}).get(view)
    if commit is not None:
        core.send(to, commit, after=after)


def repair(core: Core, to: Address, first: int) -> None:
    """Send certificates from height ``first`` on, or the latest where those are no longer in memory."""
    known = core.certificates | core.log.decided
    if not known or not _may_answer(core, to):
        return
    start = first if first in known else max(known)
    heights: list[int] = []
    while start in known and len(heights) < MAX_REPAIR:
        heights.append(start)
        start += 1
    core.send(to, Repair(tuple(known[height] for height in heights)))


def _may_answer(core: Core, to: Address) -> bool:
    core.answers[to] = core.answers.get(to, 0) + 1
    return core.answers[to] <= ANSWERS and len(core.answers) <= 4 * core.n + 64


def on_repair(core: Core, peer: Address, message: Repair) -> None:
    """Learn every certificate; one far ahead is a reason to sync."""
    for certificate in message.certificates:
        if certificate.height > core.height:
            normal_case.learn(core, certificate)
            claim(core, peer, certificate.height)


def on_earlier_epoch(core: Core, peer: Address, message: object) -> None:
    """A straggler of an epoch that this replica has left gets certificates (P-13); nothing of it counts. Only on its
    own connection: who repeats its old words must not use up the answers that it may have (R-11)."""
    if isinstance(message, Status | Complain | ViewChange):
        base = {Status: "committed", Complain: "base", ViewChange: "base_height"}[type(message)]
        if peer == core.schedule.validators(message.epoch)[message.sender]:
            repair(core, peer, getattr(message, base) + 1)


def on_foreign_epoch(core: Core, peer: Address, epoch: int) -> None:
    """A later epoch is a claim that its predecessor is decided; to an earlier one we say where we stand (P-13)."""
    if epoch > core.epoch:
        claim(core, peer, epoch * core.config.epoch_length - 1)
    elif core.index is not None and _may_answer(core, peer):
        core.send(peer, core.status())


def claim(core: Core, peer: Address, height: int) -> None:
    """Note a height that ``peer`` says it has; two ahead is reason enough to sync at once."""
    if height <= core.height or (peer not in core.claims and len(core.claims) >= 4 * core.n + 64):
        return
    core.claims[peer] = min(max(height, core.claims.get(peer, 0)), MAX_HEIGHT)
    start_sync(core, beyond=core.height + 1)


def start_sync(core: Core, beyond: int) -> None:
    """Have the host fetch blocks, where a peer claims one above ``beyond`` and no sync to there is under way."""
    claims = sorted(core.claims.values(), reverse=True)
    weak = weak_quorum_size(core.n)
    target = claims[0] if claims else 0
    if len(claims) >= weak and claims[weak - 1] > beyond:
        target = claims[weak - 1]  # at least one honest peer has it
    if target <= beyond or target <= core.sync_target:
        return
    core.sync_target = target
    peers = tuple(sorted(peer for peer, height in core.claims.items() if height > core.height))
    core.emit(StartSync(target, peers))
