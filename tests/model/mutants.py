"""Broken copies of rules, each with the configuration whose search must find what it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from consensus import catch_up, certificates, epochs, ingress, message_log, normal_case, view_change, wal_records
from consensus.core import Core, ViewState
from consensus.message_log import MessageLog, Slot
from consensus.messages import NewView
from consensus.replica import Replica
from consensus.validators import quorum_size

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Mutant:
    """``patches``: (module or class, name, replacement), made while the mutant is in force."""

    rule: str
    configuration: str
    patches: tuple[Patch, ...]


_verify_prepared = certificates.verify_prepared_certificate
_verify_commit = certificates.verify_commit_certificate
_choose = view_change.choose_new_view
_enter_epoch = epochs._enter_epoch


def _one_less(n: int) -> int:
    return quorum_size(n) - 1


def _short_prepared(certificate: Any, schedule: Any, verifier: Any) -> None:
    with mock.patch.object(certificates, "prepared_quorum", lambda n: quorum_size(n) - 2):
        _verify_prepared(certificate, schedule, verifier)


def _short_commit(certificate: Any, schedule: Any, verifier: Any) -> None:
    with mock.patch.object(certificates, "committed_quorum", _one_less):
        _verify_commit(certificate, schedule, verifier)


def _any_block(votes: Any, view: int, block_hash: bytes, without: int | None) -> Any:
    return {s: by[view] for s, by in votes.items() if view in by and s != without}


def _any_view(votes: Any, view: int, block_hash: bytes, without: int | None) -> Any:
    found = {}
    for sender, by_view in votes.items():
        for vote in by_view.values():
            if vote.block_hash == block_hash and sender != without:
                found[sender] = vote
    return found


def _certificate_unchecked(certificate: Any, schedule: Any, verifier: Any) -> None:
    """Accept whatever the certificate says of itself."""


def _no_prepared(core: Core) -> tuple[()]:
    return ()


def _lowest_view(view_changes: Any) -> view_change.Choice:
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


def _votes_after_promise(core: Core, view: int) -> bool:
    return core.may_speak() and view == core.views.view


def _keeps_the_last(self: MessageLog, message: Any, now: Any) -> None:
    """The last proposal of a view stands, not the first, and is judged anew."""
    slot = self.slot(message.height)
    if slot.accepted is not None and slot.accepted.view == message.view:
        slot.accepted = None
    slot.pre_prepares[message.sender] = (message, now)


_commit_if_prepared = normal_case._commit_if_prepared


def _commit_at_once(core: Core, slot: Slot) -> None:
    """COMMIT on acceptance, without the PREPAREs of others."""
    with mock.patch.object(normal_case, "prepared_quorum", lambda n: 0):
        _commit_if_prepared(core, slot)


_on_pre_prepare = normal_case.on_pre_prepare


def _enters_by_proposal(core: Core, message: Any) -> None:
    """A PRE-PREPARE of a later view starts it, without a NEW-VIEW."""
    if message.view > core.views.view and message.view >= core.views.promise:
        core.views = replace(core.views, view=message.view, promise=message.view, new_view=None, plan={}, base=-1)
    _on_pre_prepare(core, message)


_restore = wal_records.restore


def _forget(**changes: Any) -> Any:
    def restore(groups: Any, ledger: Any) -> Any:
        restored = _restore(groups, ledger)
        return replace(restored, epochs={e: replace(o, **changes) for e, o in restored.epochs.items()})

    return restore


_state_record = Replica.state_record


def _forgetful_state(changes: dict[str, Any]) -> Any:
    def forgetful(self: Any) -> Any:
        record = _state_record(self)
        return None if record is None else replace(record, **changes)

    return forgetful


def _view_survives(core: Core, epoch: int) -> None:
    """Views are numbered through: the view, its NEW-VIEW and the promise outlive the edge."""
    views = core.views
    _enter_epoch(core, epoch)
    core.views = ViewState(view=views.view, promise=views.view, new_view=views.new_view)


def _old_new_view(core: Core, peer: bytes, message: Any) -> None:
    """A NEW-VIEW of an earlier epoch starts its view still."""
    if isinstance(message, NewView):
        view_change.on_new_view(core, message)


def _count_primary(core: Core, message: Any) -> None:
    core.report(core.log.add_prepare(message))


def _matching_with_primary(self: Slot, view: int, block_hash: bytes, primary: int) -> Any:
    return message_log._matching(self.prepares, view, block_hash, without=None)


def _report_up_to_the_gap(core: Core) -> Any:
    """Own prepared certificates above the base, up to the first height without one."""
    entries = []
    height = core.height + 1
    while (slot := core.log.slots.get(height)) is not None and slot.prepared is not None:
        entries.append(slot.prepared)
        height += 1
    return tuple(entries)


def mutant(rule: str, configuration: str, *patches: Patch) -> Mutant:
    return Mutant(rule, configuration, patches)


MUTANTS: dict[str, Mutant] = {
    "M1": mutant(
        "prepared needs Q - 1 PREPAREs",
        "primary",
        (normal_case, "prepared_quorum", lambda n: quorum_size(n) - 2),
        (view_change, "verify_prepared_certificate", _short_prepared),
    ),
    "M2": mutant(
        "committed needs Q seals",
        "patient",
        (normal_case, "committed_quorum", _one_less),
        (view_change, "verify_commit_certificate", _short_commit),
        (ingress, "verify_commit_certificate", _short_commit),
    ),
    "M4": mutant(
        "the primary's PREPARE does not count",
        "primary-wide",
        (ingress, "_check_place", lambda message, schedule, members: None),
        (normal_case, "on_prepare", _count_primary),
        (Slot, "matching_prepares", _matching_with_primary),
    ),
    "M6": mutant("votes count for their block only", "primary-wide", (message_log, "_matching", _any_block)),
    "M7": mutant("votes count in their view only", "views-wide", (message_log, "_matching", _any_view)),
    "M8": mutant("COMMIT only when prepared", "primary", (normal_case, "_commit_if_prepared", _commit_at_once)),
    "M9": mutant("one PRE-PREPARE for each place", "primary-wide", (MessageLog, "add_pre_prepare", _keeps_the_last)),
    "M10": mutant("the certificate of the highest view", "later", (view_change, "choose_new_view", _lowest_view)),
    "M11": mutant(
        "a NEW-VIEW needs Q VIEW-CHANGEs",
        "next-wide",
        (view_change, "view_change_quorum", _one_less),
    ),
    "M12": mutant("backups recompute the re-proposals", "next", (view_change, "follows", lambda message: True)),
    "M13": mutant("a VIEW-CHANGE reports what is prepared", "backup", (view_change, "prepared_entries", _no_prepared)),
    "M15": mutant("no vote below a promise", "backup", (normal_case, "voting_allowed", _votes_after_promise)),
    "M16": mutant("a view starts with its NEW-VIEW", "next-wide", (normal_case, "on_pre_prepare", _enters_by_proposal)),
    "M18 promise": mutant("a restart knows the promise", "crash", (wal_records, "restore", _forget(view_change=None))),
    "M18 certificates": mutant(
        "a restart knows what is prepared", "crash", (wal_records, "restore", _forget(prepared=()))
    ),
    "M18 votes": mutant(
        "a restart knows what it voted", "crash", (wal_records, "restore", _forget(accepted=(), prepared=()))
    ),
    "M23": mutant(
        "the chain rule",
        "window",
        (normal_case, "chain_rule", lambda core, slot, view, block_hash: True),
    ),
    "M23 silent": mutant(
        "the chain rule, where nothing notices",
        "window",
        (normal_case, "chain_rule", lambda core, slot, view, block_hash: True),
        (view_change, "prepared_entries", _report_up_to_the_gap),
    ),
    "view survives": mutant(
        "views are numbered within an epoch",
        "edge-wide",
        (epochs, "_enter_epoch", _view_survives),
        (catch_up, "on_earlier_epoch", _old_new_view),
    ),
    "truncation": mutant(
        "a new segment knows the promise",
        "crash",
        (Replica, "state_record", _forgetful_state({"view_change": None})),
    ),
}
"""By the number in the project's list of mutants, or by name."""


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The core with one rule broken."""
    with ExitStack() as stack:
        for target, attribute, replacement in MUTANTS[name].patches:
            stack.enter_context(mock.patch.object(target, attribute, replacement))
        yield
