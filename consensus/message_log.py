"""What has been heard and voted for each height in the window (PBFT §4.2). Bounded for each sender, never shared:
nobody's flood evicts another's message. STATUS repairs whatever is not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from consensus import evidence
from consensus.certificates import CommitCertificate, PreparedCertificate
from consensus.messages import Commit, Prepare, PrePrepare
from consensus.types import Digest, HeaderView, Instant, Proposal

VIEWS_KEPT = 3
"""Votes kept for each sender and height: those of its highest views."""
BLOCKS_KEPT = 8
"""Blocks kept for each height; the accepted, prepared and decided ones are never dropped for another."""

_V = TypeVar("_V", Prepare, Commit)


@dataclass(slots=True)
class Slot:
    """Everything about one height that is not yet delivered."""

    height: int
    pre_prepares: dict[int, tuple[PrePrepare, Instant]] = field(default_factory=dict)
    """By sender: its proposal of the highest view, and when it arrived (P-4)."""
    prepares: dict[int, dict[int, Prepare]] = field(default_factory=dict)
    """By sender, then view."""
    commits: dict[int, dict[int, Commit]] = field(default_factory=dict)
    blocks: dict[Digest, tuple[Proposal, HeaderView]] = field(default_factory=dict)
    """Whole blocks that this replica accepted, or needs."""
    executed: set[Digest] = field(default_factory=set)
    """Blocks whose result the host holds."""
    invalid: set[Digest] = field(default_factory=set)
    checked: set[tuple[int, Digest]] = field(default_factory=set)
    """(view, block) proposals whose header has passed; judged once, when they arrived (P-4)."""
    refused: set[tuple[int, Digest]] = field(default_factory=set)
    """(view, block) proposals that broke a rule."""
    paused: set[Digest] = field(default_factory=set)
    """Executions that the host gave up; tried again at the next STATUS tick."""
    accepted: PrePrepare | None = None
    """The proposal last voted for."""
    history: list[PrePrepare] = field(default_factory=list)
    """The last accepted proposal of each block kept, oldest first: they may yet be re-proposed."""
    prepared: PreparedCertificate | None = None
    """Of the highest view."""
    delivering: bool = False

    def keep_block(self, proposal: Proposal, header: HeaderView, decided: Digest | None) -> None:
        """Hold a whole block; beyond BLOCKS_KEPT the oldest that nothing here refers to goes."""
        self.blocks.setdefault(header.hash, (proposal, header))
        needed = {header.hash, decided}
        needed.add(self.accepted.block_hash if self.accepted else None)
        needed.add(self.prepared.block_hash if self.prepared else None)
        for block_hash in list(self.blocks):
            if len(self.blocks) <= BLOCKS_KEPT:
                break
            if block_hash not in needed:
                del self.blocks[block_hash]
        self.history = [m for m in self.history if m.block_hash in self.blocks]

    def accept(self, message: PrePrepare) -> None:
        """This replica's proposal for the height is now ``message``."""
        self.accepted = message
        self.history = [m for m in self.history if m.block_hash != message.block_hash]
        self.history.append(message)

    def matching_prepares(self, view: int, block_hash: Digest, primary: int) -> dict[int, Prepare]:
        """PREPAREs for exactly this (view, block), one for each backup, never the primary's."""
        return _matching(self.prepares, view, block_hash, without=primary)

    def matching_commits(self, view: int, block_hash: Digest) -> dict[int, Commit]:
        """COMMITs for exactly this (view, block), one for each sender."""
        return _matching(self.commits, view, block_hash, without=None)


def _matching(votes: dict[int, dict[int, _V]], view: int, block_hash: Digest, without: int | None) -> dict[int, _V]:
    found: dict[int, _V] = {}
    for sender, by_view in votes.items():
        vote = by_view.get(view)
        if vote is not None and vote.block_hash == block_hash and sender != without:
            found[sender] = vote
    return found


class MessageLog:
    """Slots for the heights above the ledger, and the certificates known for them."""

    def __init__(self, height: int, window: int) -> None:
        self.height = height
        """Delivered: the low water mark. Every committed block is a stable checkpoint (no CHECKPOINT messages)."""
        self._window = window
        self.slots: dict[int, Slot] = {}
        self.decided: dict[int, CommitCertificate] = {}
        """Verified certificates of heights above the ledger, at most DECIDED_KEPT ahead."""

    DECIDED_KEPT = 16

    def in_window(self, height: int) -> bool:
        """Messages are kept for the heights that may be voted on, and one more for peers a step ahead."""
        return self.height < height <= self.height + self._window + 1

    def slot(self, height: int) -> Slot:
        """The slot of ``height``, made on first use."""
        return self.slots.setdefault(height, Slot(height))

    def add_pre_prepare(self, message: PrePrepare, now: Instant) -> evidence.Evidence | None:
        """Keep the sender's proposal of the highest view; a second block in one view is evidence."""
        slot = self.slot(message.height)
        kept = slot.pre_prepares.get(message.sender)
        if kept is not None and kept[0].view >= message.view:
            return evidence.conflicting(kept[0], message)
        slot.pre_prepares[message.sender] = (message, now)
        if slot.accepted is not None:
            return evidence.conflicting(slot.accepted, message)
        return None

    def add_prepare(self, message: Prepare) -> evidence.Evidence | None:
        """Count a PREPARE; the first of its sender and view stands, a different second is evidence."""
        return _add(self.slot(message.height).prepares, message)

    def add_commit(self, message: Commit) -> evidence.Evidence | None:
        """Count a COMMIT, of whatever view: learning is never restricted."""
        return _add(self.slot(message.height).commits, message)

    def learn(self, certificate: CommitCertificate) -> bool:
        """Remember a verified certificate; False where it is old, known or too far ahead. Two certificates for one
        height that name different blocks are left to the caller, which compares ``decided``."""
        if not self.height < certificate.height <= self.height + self.DECIDED_KEPT:
            return False
        if certificate.height in self.decided:
            return False
        self.decided[certificate.height] = certificate
        return True

    def advance(self, height: int) -> None:
        """``height`` is delivered: forget everything at or below it."""
        self.height = height
        self.slots = {h: s for h, s in self.slots.items() if h > height}
        self.decided = {h: c for h, c in self.decided.items() if h > height}


def _add(votes: dict[int, dict[int, _V]], message: _V) -> evidence.Evidence | None:
    by_view = votes.setdefault(message.sender, {})
    first = by_view.get(message.view)
    if first is not None:
        return evidence.conflicting(first, message)
    by_view[message.view] = message
    if len(by_view) > VIEWS_KEPT:
        del by_view[min(by_view)]
    return None
