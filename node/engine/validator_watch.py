"""Who is heard and who votes, seen from this node: for operators, and never for the agreement itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from consensus import messages as m
from consensus.types import Address
from node.metrics import AgreementMetrics

LATE_VOTES_HEIGHTS = 8
"""Blocks after which a COMMIT that was not seen counts as missed."""
AHEAD_MAX = 8
"""Heights above the head at which votes are noted: more than any window."""


@dataclass(slots=True)
class Sighting:
    """What this node has seen of one validator in this process."""

    heard_us: int | None = None
    """Monotonic time of the last message on the validator's own connection; relayed ones may be old."""
    vote_height: int = 0
    committed: int = 0
    """By its last STATUS: a claim."""
    view: int = 0
    """As ``committed``."""
    missed_votes: int = 0
    complaint: tuple[int, str] | None = None
    """The view that it wants, above the one here, and why."""


class ValidatorWatch:
    """Sightings of the set in force. Everything is bounded by the set and by the heights around the head."""

    def __init__(self, me: Address, metrics: AgreementMetrics) -> None:
        self._me = me
        self._metrics = metrics
        self._seen: dict[Address, Sighting] = {}
        self._head = 0
        self._seals: dict[int, set[Address]] = {}
        self._due: dict[int, tuple[Address, ...]] = {}
        """Blocks agreed on whose late COMMITs still count, with the set that was asked."""
        self._accepted: dict[int, tuple[int, int]] = {}
        """Height -> (view, time) of the own acceptance."""
        self._timed: set[tuple[int, Address, str]] = set()

    def sightings(self) -> dict[Address, Sighting]:
        """A copy, by address, of everybody in the set but this node."""
        return {address: replace(seen) for address, seen in self._seen.items()}

    def in_force(self, members: Iterable[Address]) -> None:
        """The set of the next block: others are forgotten, with their series."""
        wanted = {address for address in members if address != self._me}
        for gone in self._seen.keys() - wanted:
            del self._seen[gone]
            self._metrics.forget_validator(_label(gone))
        for fresh in wanted - self._seen.keys():
            self._seen[fresh] = Sighting()
            self._metrics.missed_votes.labels(_label(fresh))

    # --- what is heard ----------------------------------------------------------------------------------

    def heard(self, signer: Address, peer: Address, message: m.SignedMessage, now_us: int) -> None:
        """A verified message of ``signer`` came over the connection of ``peer``."""
        seen = self._seen.get(signer)
        if seen is None:
            return
        if signer == peer:
            seen.heard_us = now_us
        match message:
            case m.Status():
                if signer == peer:
                    seen.committed, seen.view = message.committed, message.view
            case m.Complain():
                seen.complaint = (message.view, message.reason.name.lower())
            case m.ViewChange():
                seen.complaint = (message.view, "view_change")
            case m.PrePrepare() | m.Prepare() | m.Commit():
                self._voted(signer, seen, message, now_us)

    def _voted(self, signer: Address, seen: Sighting, vote: m.PrePrepare | m.Prepare | m.Commit, now_us: int) -> None:
        height = vote.height
        if not self._head - LATE_VOTES_HEIGHTS < height <= self._head + AHEAD_MAX:
            return
        if height > seen.vote_height:
            seen.vote_height = height
            self._metrics.vote_height.labels(_label(signer)).set(height)
        if isinstance(vote, m.PrePrepare):
            return
        kind = "commit" if isinstance(vote, m.Commit) else "prepare"
        if kind == "commit":
            self._seals.setdefault(height, set()).add(signer)
        if (height, signer, kind) in self._timed:
            return
        self._timed.add((height, signer, kind))
        view, accepted_us = self._accepted.get(height, (vote.view, now_us))
        if view == vote.view:
            self._metrics.vote_delay.labels(_label(signer), kind).observe((now_us - accepted_us) / 1_000_000)

    # --- what happens here ------------------------------------------------------------------------------

    def accepted(self, height: int, view: int, now_us: int) -> None:
        """This node has accepted a proposal; a repeated message of its own changes nothing."""
        if self._accepted.get(height, (-1, 0))[0] != view:
            self._accepted[height] = (view, now_us)

    def view_entered(self, view: int) -> None:
        """Complaints of what is past now are dropped."""
        for seen in self._seen.values():
            if seen.complaint is not None and seen.complaint[0] <= view:
                seen.complaint = None

    def committed(self, height: int, members: tuple[Address, ...], signers: Iterable[Address] | None) -> None:
        """A block is final. ``signers``: who sealed it, None where it came by sync: then nobody's vote was due here."""
        self._head = height
        for seen in self._seen.values():  # P-14: a complaint of progress is answered by a commit
            if seen.complaint is not None and seen.complaint[1] == "progress":
                seen.complaint = None
        if signers is not None:
            self._due[height] = members
            self._seals.setdefault(height, set()).update(signers)
        for past in [kept for kept in self._due if kept <= height - LATE_VOTES_HEIGHTS]:
            sealed = self._seals.get(past, set())
            for address in self._due.pop(past):
                self._missed(address, sealed)
        oldest = height - LATE_VOTES_HEIGHTS
        self._seals = {kept: seals for kept, seals in self._seals.items() if kept > oldest}
        self._accepted = {kept: place for kept, place in self._accepted.items() if kept > oldest}
        self._timed = {kept for kept in self._timed if kept[0] > oldest}

    def _missed(self, address: Address, sealed: set[Address]) -> None:
        seen = self._seen.get(address)
        if seen is not None and address not in sealed:
            seen.missed_votes += 1
            self._metrics.missed_votes.labels(_label(address)).inc()


def _label(address: Address) -> str:
    return "0x" + address.hex()
