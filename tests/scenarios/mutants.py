"""Broken copies of rules that chance finds too rarely: each is data, what it puts in the place of which function.

Numbers are those of the regimen's list; a name in words is one of our own. A replacement does what the true function
does but for the one rule. Of a name that is not here, the edit of ``tests/mutants/catalogue.py`` is put in force."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import consensus.core as core_module
from consensus import (
    block_rules,
    catch_up,
    certificates,
    domain,
    epochs,
    ingress,
    normal_case,
    validators,
    view_change,
    view_synchronizer,
)
from consensus import replica as replica_module
from consensus import wal_records as w
from consensus.core import Core
from consensus.domain import Kind
from consensus.errors import InvalidMessage
from consensus.messages import ForeignEpoch, Repair
from consensus.types import Deliver, TimerFired, TimerKind
from consensus.validators import max_faulty, quorum_size
from tests.mutants.catalogue import MUTANTS as EDITS
from tests.mutants.living import in_force
from tests.simulation import mutants as simulated

Patch = tuple[Any, str, Any]
"""(module or class, name of the function, what stands there instead)."""


# --- M3, M11: quorums ---------------------------------------------------------------------------------


def two_f_plus_one(n: int) -> int:
    return 2 * max_faulty(n) + 1


def quorum_less_one(n: int) -> int:
    return quorum_size(n) - 1


_core_init = Core.stand_in


def _stand_in_with(quorum: Any) -> Any:
    def stand_in(self: Core, epoch: int) -> None:
        _core_init(self, epoch)
        self.quorum = quorum(self.n)

    return stand_in


def _quorums(quorum: Any) -> tuple[Patch, ...]:
    return (
        (validators, "quorum_size", quorum),
        (Core, "stand_in", _stand_in_with(quorum)),
    )


# --- M10, M14, M20, M21, M37: certificates ------------------------------------------------------------

_vote_digest = domain.vote_digest
_verify_commit = certificates.verify_commit_certificate
_domain = domain.domain


def seal_without_view(domain_hash: bytes, kind: Kind, view: int, height: int, block_hash: bytes) -> bytes:
    return _vote_digest(domain_hash, kind, 0 if kind is Kind.COMMIT else view, height, block_hash)


def domain_without_chain(chain_id: int, genesis_hash: bytes, epoch: int, set_hash: bytes) -> bytes:
    return _domain(0, genesis_hash, epoch, set_hash)


def stop_at_quorum(certificate: Any, schedule: Any, verifier: Any) -> None:
    signers = certificate.signers()[: quorum_size(len(schedule.validators(certificate.epoch)))]
    _verify_commit(
        replace(certificate, bitmap=certificates.bitmap_of(signers), seals=certificate.seals[: len(signers)]),
        schedule,
        verifier,
    )


def believe(*_: Any) -> None:
    """A check that lets everything pass."""


def choose_lowest_view(view_changes: Any) -> view_change.Choice:
    best = max(view_changes, key=lambda change: change.base_height)
    reported: dict[int, Any] = {}
    for change in view_changes:
        for found in change.prepared:
            rival = reported.get(found.height)
            if rival is None or found.view < rival.view:
                reported[found.height] = found
    entries = []
    height = best.base_height + 1
    while height in reported:
        entries.append((height, reported[height].block_hash))
        height += 1
    return view_change.Choice(best.base_height, best.base_certificate, tuple(entries))


_view_change_advance = view_change.advance


def wants_equal_bases(core: Core) -> None:
    """Fabric 0.6: a quorum that agrees on the checkpoint, or no NEW-VIEW."""
    bases = {c.base_height for c in core.sync.view_changes.values() if c.view == core.views.promise}
    if len(bases) <= 1:
        _view_change_advance(core)


_promise = view_change.promise


def sealed_banks_stay(core: Core, view: int) -> None:
    """dBFT 2.0: who has sealed a block changes no view."""
    slot = core.log.slots.get(core.height + 1)
    if slot is None or not slot.commits.get(core.my_index()):
        _promise(core, view)


# --- M22, epochs --------------------------------------------------------------------------------------

_check_signature = ingress._check_signature


def old_set_verifies(message: Any, schedule: Any, verifier: Any, address: bytes) -> None:
    try:
        _check_signature(message, schedule, verifier, address)
    except InvalidMessage:
        if not message.epoch or not schedule.knows(message.epoch - 1):
            raise
        _check_signature(message, schedule, verifier, schedule.validators(message.epoch - 1)[message.sender])


_enter_epoch = epochs._enter_epoch


def view_survives_edge(core: Core, epoch: int) -> None:
    views, sync = core.views, core.sync
    _enter_epoch(core, epoch)
    core.views, core.sync = views, sync


_check_view_change = view_change.check_view_change


def any_epochs_view_change(message: Any, schedule: Any, verifier: Any) -> None:
    epoch = schedule.epoch_of(message.base_height + 1)
    _check_view_change(replace(message, epoch=epoch), schedule, verifier)


_receive = replica_module.Replica._receive


def old_epochs_count(self: Any, peer: bytes, message: Any) -> None:
    core = self._core
    if not isinstance(message, Repair | ForeignEpoch) and message.epoch < core.epoch:
        message = replace(message, epoch=core.epoch)
    _receive(self, peer, message)


# --- M25, M26, M27, M28, M29, M36, M39, complaints ----------------------------------------------------


def join_on_one(core: Core) -> int:
    return max(view_synchronizer.wanted_view(core, i, echoes_of_age=False) for i in range(core.n) if i != core.index)


def nobody_joins(core: Core) -> int:
    return 0


_keep_timers = view_synchronizer._keep_timers


def patience_before_quorum(core: Core) -> None:
    """M28: T_newview runs from the own complaint on, and asks for one view more each time it is over."""
    _keep_timers(core)
    if core.sync.own is not None and core.views.normal:
        core.set_timer(TimerKind.NEW_VIEW, core.now.monotonic_us + core.patience_us())


def _climb(core: Core) -> None:
    wanted = core.sync.own.view if core.sync.own is not None else core.views.promise
    view_synchronizer.complain(core, wanted + 1, view_synchronizer.Reason.PROGRESS, echo=False)


_on_status_tick = view_synchronizer.on_status_tick


def no_rebroadcast(core: Core) -> None:
    kept, core.views.view_change = core.views.view_change, None
    _on_status_tick(core)
    core.views.view_change = kept


def progress_only(core: Core) -> None:
    """M36: age is nothing to complain of."""


_complain = view_synchronizer.complain


def promise_at_timeout(core: Core, view: int, reason: Any, *, echo: bool) -> None:
    """M39: no COMPLAIN step."""
    if view > core.views.promise:
        view_change.promise(core, view)


def counts_for_ever(core: Core, complaint: Any, received_us: int) -> bool:
    return complaint.view > core.views.view


# --- M31, M32, M34, M38, M40, repair ------------------------------------------------------------------

_candidate = normal_case._candidate
_on_commit = normal_case.on_commit
_on_status = catch_up.on_status
_dispatch = replica_module.Replica._dispatch
_on_synced = epochs.on_synced


def reproposals_are_fresh(core: Core, slot: Any) -> Any:
    found = _candidate(core, slot)
    return None if found is None else (found[0], found[1] or core.now)


def status_without_view(core: Core, message: Any) -> None:
    _on_status(core, replace(message, view=core.views.view))


def no_learning_in_between(core: Core, message: Any) -> None:
    if core.views.normal:
        _on_commit(core, message)


def stale_timers_count(self: Any, event: Any) -> None:
    if isinstance(event, TimerFired):
        self._core.timers.pop(event.key.kind, None)
        self._fire(event.key.kind)
    else:
        _dispatch(self, event)


def delivers_again(core: Core, event: Any) -> None:
    """What sync has committed is delivered all the same."""
    slot = core.log.slots.get(event.height)
    found = slot.blocks.get(event.block_hash) if slot is not None else None
    _on_synced(core, event)
    if found is not None:
        core.emit(Deliver(event.height, event.block_hash, found[0], event.certificate, core.durable_lsn()))


def no_repair(core: Core, to: bytes, first: int) -> None:
    """Whoever lags behind is not answered with certificates."""


_check_fresh = block_rules.check_fresh


def no_lower_bound(core: Core, header: Any, proposer: int, arrived: Any) -> None:
    _check_fresh(core, replace(header, timestamp=max(header.timestamp, arrived.unix_s)), proposer, arrived)


# --- M17, M18, M19, the log ---------------------------------------------------------------------------

_persist = Core.persist
_state_record = replica_module.Replica.state_record
_flush = Core.flush


def _without(kind: type[w.WalRecord]) -> tuple[Patch, ...]:
    def persist(self: Core, record: w.WalRecord) -> None:
        if not isinstance(record, kind):
            _persist(self, record)

    return ((Core, "persist", persist),)


def sends_first(self: Core) -> Any:
    """M17: a group is written after the messages that depend on it have left."""
    effects = _flush(self)
    return sorted(effects, key=lambda effect: isinstance(effect, core_module.Persist))


def segment_without_promise(self: Any) -> Any:
    state = _state_record(self)
    return None if state is None else replace(state, view_change=None)


CATALOGUE = {mutant.name: mutant for mutant in EDITS}
VOTE_DIGESTS = (domain, certificates, ingress, view_change)

MUTANTS: dict[str, tuple[Patch, ...]] = {
    "M1": simulated.MUTANTS["M1"],
    "M3": _quorums(two_f_plus_one),
    "M10": ((view_change, "choose_new_view", choose_lowest_view),),
    "M11": ((view_change, "view_change_quorum", quorum_less_one),),
    "M13": simulated.MUTANTS["M13"],
    "M14": ((view_change, "verify_prepared_certificate", believe),),
    "M17 order": ((Core, "flush", sends_first),),
    "M17 proposed": _without(w.Proposed),
    "M17 accepted": _without(w.AcceptedPrePrepare),
    "M17 prepared": _without(w.Prepared),
    "M17 promise": _without(w.ViewPromise),
    "M17 new view": _without(w.NewViewSent),
    "M17 entered": _without(w.EnteredView),
    "M18 promise": simulated.MUTANTS["M18 promise"],
    "M18 certificates": simulated.MUTANTS["M18 certificates"],
    "M18 votes": simulated.MUTANTS["M18 votes"],
    "M20": tuple((module, "vote_digest", seal_without_view) for module in VOTE_DIGESTS),
    "M21": ((domain, "domain", domain_without_chain),),
    "M22": ((ingress, "_check_signature", old_set_verifies),),
    "M25": ((view_synchronizer, "join_view", join_on_one), (view_synchronizer, "weak_quorum_size", lambda n: 1)),
    "M26": ((view_synchronizer, "join_view", join_on_one),),
    "M27": ((view_synchronizer, "join_view", nobody_joins),),
    "M28": (
        (view_synchronizer, "_keep_timers", patience_before_quorum),
        (view_synchronizer, "on_new_view_timer", _climb),
    ),
    "M29": ((view_synchronizer, "on_status_tick", no_rebroadcast),),
    "M31": ((normal_case, "_candidate", reproposals_are_fresh),),
    "M32": ((catch_up, "on_status", status_without_view),),
    "M34": ((normal_case, "on_commit", no_learning_in_between),),
    "M36": ((view_synchronizer, "on_age_timer", progress_only),),
    "M37": (
        (ingress, "verify_commit_certificate", stop_at_quorum),
        (block_rules, "verify_commit_certificate", stop_at_quorum),
        (view_change, "verify_commit_certificate", stop_at_quorum),
    ),
    "M38": ((replica_module.Replica, "_dispatch", stale_timers_count),),
    "M39": ((view_synchronizer, "complain", promise_at_timeout),),
    "M40": ((epochs, "on_synced", delivers_again),),
    "equal bases": ((view_change, "advance", wants_equal_bases),),
    "sealed banks stay": ((view_change, "promise", sealed_banks_stay),),
    "a view survives the edge": ((epochs, "_enter_epoch", view_survives_edge),),
    "old epochs count": (
        (replica_module.Replica, "_receive", old_epochs_count),
        (view_change, "check_view_change", any_epochs_view_change),
    ),
    "complaints never end": ((view_synchronizer, "complaint_counts", counts_for_ever),),
    "truncation forgets": ((replica_module.Replica, "state_record", segment_without_promise),),
    "carried certificate unverified": ((block_rules, "verify_commit_certificate", believe),),
    "repair unverified": ((ingress, "verify_commit_certificate", believe),),
    "no repair": ((catch_up, "repair", no_repair),),
    "no lower time bound": ((normal_case, "check_fresh", no_lower_bound),),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The core with one rule broken."""
    if name not in MUTANTS:
        with in_force(CATALOGUE[name]):
            yield
        return
    with ExitStack() as stack:
        for target, attribute, replacement in MUTANTS[name]:
            stack.enter_context(mock.patch.object(target, attribute, replacement))
        yield
