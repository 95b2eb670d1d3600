"""PRE-PREPARE, PREPARE, COMMIT: how one height is decided (PBFT §4.2). Execute, then vote.

Learning is never restricted: any Q matching COMMITs decide, whatever this replica's view. Voting is: see
``voting_allowed``. ``advance`` holds every guard and runs after each event.
"""

from __future__ import annotations

from consensus.block_rules import Parent, check_fresh, check_proposal, read_block
from consensus.certificates import CommitCertificate, make_commit_certificate, make_prepared_certificate
from consensus.core import Core
from consensus.domain import Kind
from consensus.errors import ImpossibleState, InvalidMessage, MalformedBlock
from consensus.message_log import Slot
from consensus.messages import Commit, Prepare, PrePrepare
from consensus.types import (
    AbandonValidation,
    BlockAvailable,
    BlockBuilt,
    BlockValidated,
    BuildBlock,
    Deliver,
    Digest,
    FetchBlock,
    HeaderView,
    Instant,
    Proposal,
    TimerKind,
    ValidateBlock,
    Verdict,
)
from consensus.validators import committed_quorum, prepared_quorum
from consensus.wal_records import AcceptedPrePrepare, Prepared, Proposed


def voting_allowed(core: Core, view: int) -> bool:
    """Whether this replica may send PRE-PREPARE, PREPARE or COMMIT in ``view``: only in the view that it has entered,
    and not once it has promised a later one (PBFT §4.4)."""
    return core.may_speak() and view == core.views.view and core.views.promise <= view


# --- messages -----------------------------------------------------------------------------------------


def on_pre_prepare(core: Core, message: PrePrepare) -> None:
    """Keep a proposal of the current view or a later one; ``advance`` judges it."""
    if not core.log.in_window(message.height) or message.sender != core.primary(message.view):
        return
    if message.view < core.views.view:
        return
    core.report(core.log.add_pre_prepare(message, core.now))


def on_prepare(core: Core, message: Prepare) -> None:
    """Keep a backup's PREPARE."""
    if core.log.in_window(message.height):
        core.report(core.log.add_prepare(message))


def on_commit(core: Core, message: Commit) -> None:
    """Count a seal; Q of one view on one block decide (P-10)."""
    if not core.log.in_window(message.height):
        return
    core.report(core.log.add_commit(message))
    slot = core.log.slot(message.height)
    commits = slot.matching_commits(message.view, message.block_hash)
    if len(commits) >= committed_quorum(core.n):
        seals = {sender: commit.signature for sender, commit in commits.items()}
        learn(
            core,
            make_commit_certificate(core.epoch, message.view, message.height, message.block_hash, seals),
        )


def learn(core: Core, certificate: CommitCertificate) -> None:
    """Take in a verified certificate; two that name different blocks at one height are a fork: stop."""
    known = core.log.decided.get(certificate.height) or core.certificates.get(certificate.height)
    if known is not None and known.block_hash != certificate.block_hash:
        raise ImpossibleState(f"two commit certificates for height {certificate.height}")
    if core.log.learn(certificate):
        core.again = True


# --- guards -------------------------------------------------------------------------------------------


def advance(core: Core) -> None:
    """Do whatever the messages and verdicts at hand allow, height by height through the window."""
    _finish(core)
    core.work.early_us = None
    for height in core.in_flight():
        if height not in core.log.decided:
            slot = core.log.slot(height)
            _propose_built(core, slot)
            _consider(core, slot)
            _commit_if_prepared(core, slot)
            _build(core, slot)
    _keep_early_timer(core)


def parent_of(core: Core, height: int) -> Parent | None:
    """What a proposal at ``height`` must stand on: the ledger's head, or the block that this replica has accepted below
    it in its view, once the host holds its result; None while there is no such block."""
    if height == core.height + 1:
        return Parent(core.block_hash, core.timestamp)
    below = core.log.slots.get(height - 1)
    if below is None or below.accepted is None or below.accepted.view != core.views.view:
        return None
    parent = below.accepted.block_hash
    return Parent(parent, below.blocks[parent][1].timestamp) if parent in below.executed else None


def chain_rule(core: Core, slot: Slot, view: int, block_hash: Digest) -> bool:
    """R-10: no block is accepted in ``view`` before its parent is in the ledger, or prepared here in this view.

    It binds PRE-PREPARE and PREPARE, and so COMMIT. Whoever holds a prepared certificate then knows that Q - f honest
    replicas hold one for the parent: every set of Q view changes names it, and re-proposals have no gap."""
    parent = slot.blocks[block_hash][1].parent_hash
    if slot.height == core.height + 1:
        return parent == core.block_hash
    below = core.log.slots.get(slot.height - 1)
    prepared = below.prepared if below is not None else None
    return prepared is not None and (prepared.view, prepared.block_hash) == (view, parent)


def _consider(core: Core, slot: Slot) -> None:
    """Check, execute, accept the current view's proposal."""
    view = core.views.view
    parent = parent_of(core, slot.height)
    if parent is None or (slot.accepted is not None and slot.accepted.view >= view):
        return
    found = _candidate(core, slot)
    if found is None:
        return
    message, arrived = found
    fresh = arrived is not None
    key = (view, message.block_hash)
    if key in slot.refused or message.block_hash in slot.invalid:
        return
    if key not in slot.checked or message.block_hash not in slot.blocks:
        try:
            header = check_proposal(core, message.height, message.block_hash, message.proposal, parent)
            if arrived is not None:
                check_fresh(core, header, message.sender, arrived)
        except InvalidMessage as error:
            slot.refused.add(key)
            core.trace("proposal_refused", height=slot.height, view=view, reason=str(error))
            return
        slot.checked.add(key)
        slot.keep_block(message.proposal, header, None)
    if fresh and _hold_early(core, slot.blocks[message.block_hash][1], parent):
        return
    if message.block_hash not in slot.executed:
        if core.views.normal:
            _execute(core, slot, message.block_hash, fresh=fresh, proposer=core.members[message.sender])
    elif voting_allowed(core, message.view) and chain_rule(core, slot, view, message.block_hash):
        _accept(core, slot, message, AcceptedPrePrepare(message))


def _candidate(core: Core, slot: Slot) -> tuple[PrePrepare, Instant | None] | None:
    """The current view's proposal and, for a fresh one, when it arrived (P-4)."""
    views = core.views
    kept = slot.pre_prepares.get(core.primary(views.view))
    planned = views.plan.get(slot.height)
    if planned is None:
        fits = kept is not None and kept[0].view == views.view and slot.height > views.base
        return kept if fits else None
    block = slot.blocks.get(planned) or _block_of(core, slot, planned)
    if block is None:
        fetch(core, slot.height, planned)
        return None
    assert views.new_view is not None
    signature = next(r.signature for r in views.new_view.reproposals if r.height == slot.height)
    sender = core.primary(views.view)
    message = PrePrepare(core.epoch, views.view, slot.height, planned, block[0], sender, signature)
    return message, None


def _block_of(core: Core, slot: Slot, block_hash: Digest) -> tuple[Proposal, HeaderView] | None:
    """A whole block out of any proposal received for this height."""
    for message, _ in slot.pre_prepares.values():
        if message.block_hash == block_hash:
            header = read_block(core, message.proposal, block_hash)
            if header is not None:
                slot.keep_block(message.proposal, header, block_hash)
                return slot.blocks[block_hash]
    return None


def _hold_early(core: Core, header: HeaderView, parent: Parent) -> bool:
    """Whether a fresh block's time has not come yet; then a timer waits for it (P-4)."""
    wait_s = header.timestamp - core.config.tolerance_s - core.now.unix_s
    repeats = header.timestamp == parent.timestamp and not core.config.strict_timestamps
    if wait_s <= 0 or repeats:
        return False
    if core.work.early_us is None:  # times ascend with the heights: the first is the earliest
        core.work.early_us = core.now.monotonic_us + wait_s * 1_000_000
    return True


def _keep_early_timer(core: Core) -> None:
    if core.work.early_us is None:
        core.cancel_timer(TimerKind.EARLY_PROPOSAL)
    elif TimerKind.EARLY_PROPOSAL not in core.timers:
        core.set_timer(TimerKind.EARLY_PROPOSAL, core.work.early_us)


def _accept(core: Core, slot: Slot, message: PrePrepare, record: AcceptedPrePrepare | Proposed) -> None:
    """Bind this replica to one block at (view, height); a backup says so by PREPARE."""
    core.persist(record)
    slot.accept(message)
    core.again = True
    if core.primary(message.view) == core.index:
        return
    place = (message.view, message.height, message.block_hash)
    prepare = Prepare(core.epoch, *place, core.my_index(), core.sign_vote(Kind.PREPARE, *place))
    core.log.add_prepare(prepare)
    core.broadcast(prepare, after=core.durable_lsn())


def _commit_if_prepared(core: Core, slot: Slot) -> None:
    """Send the COMMIT, once in a view, when a quorum has prepared what this replica accepted."""
    accepted = slot.accepted
    if accepted is None or not voting_allowed(core, accepted.view):
        return
    place = (accepted.view, accepted.height, accepted.block_hash)
    primary = core.primary(accepted.view)
    prepares = slot.matching_prepares(accepted.view, accepted.block_hash, primary)
    if len(prepares) < prepared_quorum(core.n) or accepted.view in slot.commits.get(core.my_index(), {}):
        return
    signatures = {sender: prepare.signature for sender, prepare in prepares.items()}
    slot.prepared = make_prepared_certificate(core.epoch, *place, accepted.signature, signatures)
    core.persist(Prepared(slot.prepared))
    commit = Commit(core.epoch, *place, core.my_index(), core.sign_vote(Kind.COMMIT, *place))
    core.broadcast(commit, after=core.durable_lsn())
    on_commit(core, commit)
    core.again = True


def _finish(core: Core) -> None:
    """The next decided block: get it, execute it, deliver it. In height order, one at a time."""
    slot = core.log.slot(core.height + 1)
    decided = core.log.decided.get(slot.height)
    if decided is None or slot.delivering:
        return
    block = slot.blocks.get(decided.block_hash) or _block_of(core, slot, decided.block_hash)
    if block is None:
        fetch(core, slot.height, decided.block_hash)
        return
    proposal, header = block
    if header.number != slot.height or header.parent_hash != core.block_hash:
        raise ImpossibleState(f"the block decided at height {slot.height} does not follow its parent")
    if decided.block_hash in slot.invalid:
        raise ImpossibleState(f"the block decided at height {slot.height} is invalid here")
    if decided.block_hash not in slot.executed:
        proposer = core.members[core.primary(decided.view)]
        _execute(core, slot, decided.block_hash, fresh=False, proposer=proposer)
        return
    slot.delivering = True
    after = core.durable_lsn()
    core.emit(Deliver(slot.height, decided.block_hash, proposal, decided.encode(), after))


def fetch(core: Core, height: int, block_hash: Digest) -> None:
    """Ask for a missing block, once in each STATUS interval: first those who prepared or sealed it."""
    if block_hash in core.fetching:
        return
    core.fetching.add(block_hash)
    decided = core.log.decided.get(height)
    signers = set(decided.signers()) if decided is not None else set()
    if core.views.new_view is not None:
        for change in core.views.new_view.view_changes:
            for certificate in change.prepared:
                if certificate.block_hash == block_hash:
                    signers |= {change.sender, *certificate.signers()}
    hints = tuple(core.members[i] for i in sorted(signers) if i < core.n and core.members[i] != core.me)
    core.emit(FetchBlock(height, block_hash, hints))


# --- the host's answers -------------------------------------------------------------------------------


def _execute(core: Core, slot: Slot, block_hash: Digest, *, fresh: bool, proposer: bytes) -> None:
    """Have the host execute a block, one execution for each block at a time."""
    running = any(found[:2] == (slot.height, block_hash) for found in core.validations.values())
    if running or block_hash in slot.paused:
        return
    token = core.next_token
    core.next_token += 1
    core.validations[token] = (slot.height, block_hash, fresh)
    core.emit(ValidateBlock(token, slot.blocks[block_hash][0], fresh, proposer))


def abandon_validations(core: Core, wanted: set[Digest]) -> None:
    """Cancel executions of blocks that nobody waits for any more (P-7)."""
    for token, (_, block_hash, _) in list(core.validations.items()):
        if block_hash not in wanted:
            del core.validations[token]
            core.emit(AbandonValidation(token))


def abandon_validations_up_to(core: Core, height: int) -> None:
    """Cancel executions at heights that are final."""
    abandon_validations(core, {found[1] for found in core.validations.values() if found[0] > height})


def on_block_validated(core: Core, event: BlockValidated) -> None:
    """Take in a verdict; one on a token that is no longer current says nothing."""
    found = core.validations.pop(event.token, None)
    if found is None or found[0] <= core.height:
        return
    height, block_hash, fresh = found
    slot = core.log.slot(height)
    if event.verdict is Verdict.VALID:
        slot.executed.add(block_hash)
    elif event.verdict is Verdict.ABANDONED:
        slot.paused.add(block_hash)
    elif fresh:
        # Only the fresh-only rules may have failed: a later re-proposal is judged anew.
        slot.refused.add((core.views.view, block_hash))
        core.trace("proposal_invalid", height=height, view=core.views.view, reason=event.reason)
    else:
        slot.invalid.add(block_hash)
        core.trace("block_invalid", height=height, block_hash=block_hash, reason=event.reason)


def on_block_available(core: Core, event: BlockAvailable) -> None:
    """Keep a fetched block if it is one that this replica needs."""
    for height in core.in_flight():
        decided = core.log.decided.get(height)
        for wanted in (decided.block_hash if decided else None, core.views.plan.get(height)):
            header = read_block(core, event.proposal, wanted) if wanted is not None else None
            if header is not None:
                core.log.slot(height).keep_block(event.proposal, header, wanted)


# --- proposing ----------------------------------------------------------------------------------------


def empty_block_due(core: Core) -> bool:
    """Block 1, a due heartbeat, or a set change that waits for its edge (P-15, P-16)."""
    return core.height == 0 or core.work.heartbeat_due or core.work.empty_due


def _build(core: Core, slot: Slot) -> None:
    """Ask for a block as soon as this replica is the primary, has work, and the place is free on a known parent."""
    work, views = core.work, core.views
    place = (core.epoch, views.view, slot.height)
    first = slot.height == core.height + 1
    even_empty = empty_block_due(core) if first else work.empty_due  # the block before it is the heartbeat
    if slot.height in core.log.decided or work.build == place or work.stalled or not (even_empty or work.pending):
        return
    if not voting_allowed(core, views.view) or core.primary(views.view) != core.index:
        return
    parent = parent_of(core, slot.height)
    taken = slot.accepted is not None and slot.accepted.view >= views.view
    if parent is None or taken or slot.height in views.plan or slot.height <= views.base:
        return
    work.build, work.built = place, None
    carried = b""
    if slot.height > core.config.window:
        carried = core.certificates[slot.height - core.config.window].encode()
    core.emit(BuildBlock(*place, parent.block_hash, carried, even_empty))


def on_block_built(core: Core, event: BlockBuilt) -> None:
    """Hold the builder's block for ``advance`` to propose; an answer for another place is ignored."""
    if core.work.build != (event.epoch, event.view, event.height) or core.work.built is not None:
        return
    if event.proposal is None:
        core.work.build = None
        core.work.stalled = True
        return
    core.work.built = event.proposal


def _propose_built(core: Core, slot: Slot) -> None:
    """Send the PRE-PREPARE for own block, when its time has come (P-4) and its parent is prepared (R-10)."""
    proposal, view = core.work.built, core.views.view
    if proposal is None or core.work.build != (core.epoch, view, slot.height) or not voting_allowed(core, view):
        return
    parent = parent_of(core, slot.height)
    try:
        block_hash = core.decode_header(proposal.block).hash
        if parent is None:
            raise InvalidMessage("what it was built on is not its parent any more")
        header = check_proposal(core, slot.height, block_hash, proposal, parent)
        check_fresh(core, header, core.my_index(), core.now)  # built ahead, it may have waited too long (P-4)
    except (InvalidMessage, MalformedBlock) as error:
        core.work.build, core.work.built, core.work.stalled = None, None, True
        core.trace("own_block_refused", height=slot.height, view=view, reason=str(error))
        return
    slot.keep_block(proposal, header, None)
    if _hold_early(core, header, parent) or not chain_rule(core, slot, view, block_hash):
        return
    core.work.build, core.work.built = None, None
    slot.executed.add(block_hash)  # the builder executed it
    place = (view, slot.height, block_hash)
    signature = core.sign_vote(Kind.PRE_PREPARE, *place)
    message = PrePrepare(core.epoch, *place, proposal, core.my_index(), signature)
    _accept(core, slot, message, Proposed(message))
    core.broadcast(message, after=core.durable_lsn())
