"""Moving on: a height is in the ledger, and at an epoch's edge another set takes over (P-12, P-13)."""

from __future__ import annotations

from consensus import catch_up, normal_case, view_change, view_synchronizer
from consensus.certificates import CommitCertificate
from consensus.core import CERTIFICATES_KEPT, Core, Synchroniser, ViewState
from consensus.domain import Kind
from consensus.errors import ImpossibleState, MalformedMessage
from consensus.messages import Commit, Prepare
from consensus.types import Address, Delivered, Digest, Synced, TimerKind
from consensus.wal_records import Committed, Obligations


def on_delivered(core: Core, event: Delivered) -> None:
    """Own Deliver is done; a second answer, or one overtaken by sync, is ignored."""
    if event.height <= core.height:
        return
    decided = core.log.decided.get(event.height)
    slot = core.log.slots.get(event.height)
    if event.height != core.height + 1 or decided is None or slot is None or not slot.delivering:
        raise ImpossibleState(f"height {event.height} was delivered without being asked for")
    if event.block_hash != decided.block_hash:
        raise ImpossibleState(f"another block than the decided one was delivered at height {event.height}")
    proposal, header = slot.blocks[event.block_hash]
    if proposal.certificate:
        _keep(core, CommitCertificate.decode(proposal.certificate))  # canonical from now on (P-11)
    _move_on(core, event.height, event.block_hash, header.timestamp, decided, event.next_validators)


def on_synced(core: Core, event: Synced) -> None:
    """The host's sync committed a block; whatever was under way for its height is moot."""
    if event.height <= core.height:
        return
    decided = core.log.decided.get(event.height)
    if decided is not None and decided.block_hash != event.block_hash:
        raise ImpossibleState(f"sync committed another block than the decided one at height {event.height}")
    try:
        certificate = CommitCertificate.decode(event.certificate)
    except MalformedMessage as error:
        raise ImpossibleState(f"sync gave no certificate: {error}") from error
    if (certificate.height, certificate.block_hash) != (event.height, event.block_hash):
        raise ImpossibleState("sync gave another block's certificate")
    # Sync may have thrown away what stood above the head: every result there is asked for again (duty 8).
    for slot in core.log.slots.values():
        slot.executed.clear()
    core.work.build, core.work.built = None, None
    normal_case.abandon_validations(core, set())
    _move_on(core, event.height, event.block_hash, event.timestamp, certificate, event.next_validators)


def _keep(core: Core, certificate: CommitCertificate) -> None:
    core.certificates[certificate.height] = certificate
    for height in [h for h in core.certificates if h <= core.height - CERTIFICATES_KEPT]:
        del core.certificates[height]


def _move_on(
    core: Core,
    height: int,
    block_hash: Digest,
    timestamp: int,
    certificate: CommitCertificate,
    next_validators: tuple[Address, ...],
) -> None:
    """Commit and height advance are one atomic step: no timer or vote can fall between (besu #1734)."""
    core.height, core.block_hash, core.timestamp = height, block_hash, timestamp
    _keep(core, certificate)
    core.log.advance(height)
    normal_case.abandon_validations_up_to(core, height)
    if core.work.build is not None and core.work.build[2] <= height:
        core.work.build, core.work.built = None, None
    core.persist(Committed(height))
    epoch = core.schedule.epoch_of(height + 1)
    core.schedule.add(epoch, next_validators)
    if epoch != core.epoch:
        _enter_epoch(core, epoch)
    view_synchronizer.on_height(core)
    core.trace("committed", epoch=certificate.epoch, view=certificate.view, height=height)
    core.again = True


def _enter_epoch(core: Core, epoch: int) -> None:
    """View 0 of a new set: the window is drained, so nobody has voted in it (P-13)."""
    core.stand_in(epoch)
    core.views = ViewState()
    core.sync = Synchroniser()
    core.convicted = 0
    for kind in (TimerKind.PROGRESS, TimerKind.NEW_VIEW, TimerKind.AGE):
        core.cancel_timer(kind)
    load_obligations(core)
    core.trace("epoch_entered", epoch=epoch, validators=core.n)
    catch_up.say_status(core)  # whoever was faster has sent what could not be verified here


def load_obligations(core: Core) -> None:
    """Take over what the WAL says of this epoch: view, promise, accepted and prepared blocks (P-17, P-18)."""
    o = core.restored.get(core.epoch, Obligations())
    core.restored = {epoch: rest for epoch, rest in core.restored.items() if epoch > core.epoch}
    if o.new_view is not None:
        view_change.adopt(core, o.new_view)
    if o.view_change is not None and o.view_change.view > core.views.view:
        core.views.promise = o.view_change.view
        core.views.view_change = o.view_change
        core.sync.view_changes[o.view_change.sender] = o.view_change
    for certificate in o.prepared:  # first: a prepared block is never dropped for later ones
        core.log.slot(certificate.height).prepared = certificate
    for message in sorted(o.accepted, key=lambda m: (m.height, m.view)):
        slot = core.log.slot(message.height)
        slot.accept(message)
        slot.keep_block(message.proposal, core.decode_header(message.proposal.block), None)
    _recall_votes(core)


def _recall_votes(core: Core) -> None:
    """Own votes of the current view again, the same as before the restart; none is made in an earlier view."""
    me = core.index
    if me is None or core.refuse_to_vote or not core.views.normal:
        return
    for slot in core.log.slots.values():
        accepted, view = slot.accepted, core.views.view
        if accepted is None or accepted.view != view:
            continue
        place = (view, slot.height, accepted.block_hash)
        if core.primary(view) != me:
            vote = core.sign_vote(Kind.PREPARE, *place)
            core.log.add_prepare(Prepare(core.epoch, *place, me, vote))
        if slot.prepared is not None and slot.prepared.view == view:
            seal = core.sign_vote(Kind.COMMIT, *place)
            normal_case.on_commit(core, Commit(core.epoch, *place, me, seal))
