"""Alive, ready, progressing: what a node's state means, in checks and in one plain sentence. Pure: facts in, words out.

*Live*: the process answers. *Ready*: it may serve and, where it is a validator, vote: the ledger is open, it is in step
with the others, its vote log can be trusted, its agreement does not hang. *Progressing*: no work has waited longer than
``overdue_after_s`` without a block, and a quorum is in reach for the work to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.engine.wal import WalStatus
from node.web.health import Check, HealthReport

STEP_HANGS_S = 10.0
"""A step of the agreement takes milliseconds; one that takes so long waits for something that does not come."""
NAMED_MAX = 8
"""Banks named in one sentence."""


@dataclass(frozen=True, slots=True)
class BankFacts:
    """A validator of the next block, as this node sees it."""

    address: str
    name: str
    me: bool
    connected: bool
    silent_s: float
    """Since it was last heard on a connection of its own, or since this node started."""
    heard: bool
    """False: never in this process."""
    reachable: bool
    """This node itself, or connected and heard lately."""
    vote_height: int
    committed: int | None
    """By its last STATUS, a claim; None before the first."""
    missed_votes: int
    wants_view: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AgreementFacts:
    """The replica of a validator's node."""

    epoch: int
    view: int
    promise: int
    primary: str
    """Name of the bank that leads ``promise``."""
    is_validator: bool
    may_vote: bool
    refuse_to_vote: str
    failed_views: int
    patience_s: float
    complaining: bool
    changing_s: float | None
    """How long the view change under way has taken; None in a normal view."""
    wal: WalStatus
    step_s: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a diagnosis rests on; ages in seconds."""

    height: int
    block_age_s: float
    pending: int
    oldest_s: float | None
    """Since when the oldest transaction can be placed."""
    waiting_s: float
    """How long some work has waited since the last block; 0 where there is none."""
    overdue_after_s: float
    syncing: bool
    target: int
    quorum: int
    banks: tuple[BankFacts, ...]
    agreement: AgreementFacts | None
    """None at an observer."""

    @property
    def reachable(self) -> int:
        """Validators in reach, this node included."""
        return sum(bank.reachable for bank in self.banks)

    @property
    def overdue(self) -> bool:
        """Whether work has waited beyond the bound."""
        return self.waiting_s > self.overdue_after_s


def diagnose(facts: Facts) -> HealthReport:
    """The checks, what follows from them, and the sentence on top."""
    readiness = [Check("sync", not facts.syncing, _sync(facts))]
    if facts.agreement is not None:
        readiness += [_vote(facts.agreement), _engine(facts.agreement)]
    quorum = Check(
        "quorum",
        facts.reachable >= facts.quorum,
        f"{facts.reachable} of {len(facts.banks)} validators reachable, {facts.quorum} needed",
    )
    progress = Check("progress", not facts.overdue, f"{_work(facts)}; overdue after {facts.overdue_after_s:.0f} s")
    ready = all(check.holds for check in readiness)
    progressing = quorum.holds and progress.holds
    return HealthReport(ready, progressing, _sentence(facts, readiness), (*readiness, quorum, progress))


def _sync(facts: Facts) -> str:
    return f"height {facts.height}, fetching up to {facts.target}" if facts.syncing else f"height {facts.height}"


def _vote(agreement: AgreementFacts) -> Check:
    if agreement.refuse_to_vote:
        return Check("vote", False, f"refuses to vote: {agreement.refuse_to_vote}")
    if not agreement.is_validator:
        return Check("vote", True, f"no validator of epoch {agreement.epoch}: follows without a vote")
    if not agreement.may_vote and agreement.promise == agreement.view:
        return Check("vote", False, "does not vote before its ledger has caught up with its vote log")
    if not agreement.wal.usable:
        return Check("vote", False, "the vote log takes no more records")
    return Check("vote", True, f"epoch {agreement.epoch}, view {agreement.view}")


def _engine(agreement: AgreementFacts) -> Check:
    hangs = agreement.step_s > STEP_HANGS_S
    detail = f"a step of the agreement hangs for {agreement.step_s:.0f} s: does the disk answer?" if hangs else ""
    return Check("engine", not hangs, detail)


def _work(facts: Facts) -> str:
    if facts.waiting_s <= 0:
        return "nothing waits"
    return f"work waits for {facts.waiting_s:.1f} s"


def _sentence(facts: Facts, readiness: Sequence[Check]) -> str:
    blocked = next((check for check in readiness if not check.holds), None)
    if blocked is not None:
        words = {"sync": "catching up", "vote": "not voting", "engine": "hanging"}[blocked.name]
        rest = "; ".join(part for part in (_progress(facts),) if part)
        return f"{words}: {blocked.detail}; {rest}"
    return _progress(facts)


def _progress(facts: Facts) -> str:
    silent = [bank for bank in facts.banks if not bank.reachable]
    if facts.reachable < facts.quorum:
        word = "stuck" if facts.overdue else "no quorum"
        text = f"{word}: {facts.reachable} of {len(facts.banks)} validators reachable, {facts.quorum} needed"
        return f"{text}: {_silent(silent)}"
    if facts.overdue:
        return f"stuck: {_why_stuck(facts)}" + (f"; {_silent(silent)}" if silent else "")
    if facts.pending:
        waits = (
            f"{facts.pending} transaction{'s' if facts.pending != 1 else ''} wait{'' if facts.pending != 1 else 's'}"
        )
    else:
        waits = "no transaction waits"
    text = f"progressing: block {facts.height} {facts.block_age_s:.0f} s ago, {waits}"
    return text + (f"; {_silent(silent)}" if silent else "")


def _why_stuck(facts: Facts) -> str:
    waits = f"work waits for {facts.waiting_s:.0f} s"
    agreement = facts.agreement
    if agreement is None:
        return f"{waits}, and no bank sends a later block"
    if agreement.promise > agreement.view:
        since = f" for {agreement.changing_s:.0f} s" if agreement.changing_s is not None else ""
        return (
            f"{waits}; view change to view {agreement.promise}{since}, which {agreement.primary} should start; "
            f"{agreement.failed_views} failed since the last block, patience {agreement.patience_s:.0f} s"
        )
    wanting = [bank.name for bank in facts.banks if bank.wants_view is not None and bank.wants_view > agreement.view]
    wanting += ["this bank"] if agreement.complaining else []
    complaints = f"; {', '.join(wanting[:NAMED_MAX])} complained" if wanting else ""
    return f"{waits} in view {agreement.view}, led by {agreement.primary}{complaints}"


def _silent(banks: Iterable[BankFacts]) -> str:
    named = list(banks)
    parts = [_silence(bank) for bank in named[:NAMED_MAX]]
    if len(named) > NAMED_MAX:
        parts.append(f"{len(named) - NAMED_MAX} more")
    return ", ".join(parts)


def _silence(bank: BankFacts) -> str:
    if not bank.heard:
        return f"{bank.name} not heard since this node started {bank.silent_s:.0f} s ago"
    return f"{bank.name} silent for {bank.silent_s:.0f} s"
