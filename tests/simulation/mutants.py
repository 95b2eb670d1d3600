"""Broken copies of rules, as data: each replaces a function of the core while it is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any
from unittest import mock

from consensus import certificates, normal_case, view_change, wal_records
from consensus import wal_records as w
from consensus.core import Core
from consensus.validators import quorum_size
from consensus.wal_records import LedgerState, Restored

Patch = tuple[ModuleType, str, Any]


def one_prepare_too_few(n: int) -> int:
    """M1: Q - 2 PREPAREs beside the PRE-PREPARE make "prepared"."""
    return max(0, quorum_size(n) - 2)


_verify_prepared = certificates.verify_prepared_certificate


def accepts_one_prepare_too_few(certificate: Any, schedule: Any, verifier: Any) -> None:
    """M1, where others check the certificate: the same wrong count."""
    with mock.patch.object(certificates, "prepared_quorum", one_prepare_too_few):
        _verify_prepared(certificate, schedule, verifier)


def no_prepared(core: Core) -> tuple[()]:
    """M13: a VIEW-CHANGE reports no prepared certificate."""
    return ()


def votes_after_promise(core: Core, view: int) -> bool:
    """M15: the promise of a later view does not end voting in this one."""
    return core.may_speak() and view == core.views.view


_restore = wal_records.restore


def forgets_promises(groups: Any, ledger: LedgerState) -> Restored:
    """M18, first half: a restart forgets which view was promised."""
    return _forget(_restore(groups, ledger), view_change=None)


def forgets_certificates(groups: Any, ledger: LedgerState) -> Restored:
    """M18, second half: a restart forgets what was prepared."""
    return _forget(_restore(groups, ledger), prepared=())


def forgets_votes(groups: Any, ledger: LedgerState) -> Restored:
    """M18, and M19: a restart forgets which blocks were proposed and accepted."""
    return _forget(_restore(groups, ledger), accepted=(), prepared=())


def _forget(restored: Restored, **changes: Any) -> Restored:
    return replace(restored, epochs={e: replace(o, **changes) for e, o in restored.epochs.items()})


MUTANTS: dict[str, tuple[Patch, ...]] = {
    "M1": (
        (normal_case, "prepared_quorum", one_prepare_too_few),
        (view_change, "verify_prepared_certificate", accepts_one_prepare_too_few),
    ),
    "M13": ((view_change, "prepared_entries", no_prepared),),
    "M15": ((normal_case, "voting_allowed", votes_after_promise),),
    "M18 promise": ((w, "restore", forgets_promises),),
    "M18 certificates": ((w, "restore", forgets_certificates),),
    "M18 votes": ((w, "restore", forgets_votes),),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The core with one rule broken."""
    patches: list[Callable[[], None]] = []
    try:
        for module, attribute, replacement in MUTANTS[name]:
            patch = mock.patch.object(module, attribute, replacement)
            patch.start()
            patches.append(patch.stop)
        yield
    finally:
        for stop in patches:
            stop()
