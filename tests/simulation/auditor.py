"""An omniscient auditor for runs with more than f faulty banks: from all that was ever signed it must convict at least
f + 1 banks of every fork, and no honest one (I14; accountable safety, consensus.md 1.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import messages as m
from consensus import types as c
from consensus.domain import Kind, vote_digest

if TYPE_CHECKING:
    from tests.simulation.world import World


class Auditor:
    """Collects signed statements, by code of its own, and whom they convict."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._said: dict[tuple[object, ...], object] = {}
        self._commits: dict[c.Address, set[tuple[int, int, int, c.Digest]]] = {}
        self._changes: dict[c.Address, dict[tuple[int, int], m.ViewChange]] = {}
        self.convicted: set[c.Address] = set()

    def heard(self, message: m.Message) -> None:
        """Take in what somebody sent; statements inside it count as well as itself."""
        if isinstance(message, m.PrePrepare | m.Prepare | m.Commit):
            self._vote(message)
        elif isinstance(message, m.ViewChange):
            self._view_change(message)
        elif isinstance(message, m.NewView):
            for change in message.view_changes:
                self._view_change(change)

    def _signer(self, epoch: int, sender: int) -> c.Address | None:
        members = self._world.members(epoch)
        return members[sender] if sender < len(members) else None

    def _vote(self, vote: m.PrePrepare | m.Prepare | m.Commit) -> None:
        signer = self._signer(vote.epoch, vote.sender)
        if signer is None:
            return
        kind = {m.PrePrepare: Kind.PRE_PREPARE, m.Prepare: Kind.PREPARE, m.Commit: Kind.COMMIT}[type(vote)]
        domain = self._world.schedule.domain(vote.epoch)
        digest = vote_digest(domain, kind, vote.view, vote.height, vote.block_hash)
        if self._world.verifier.recover(digest, vote.signature) != signer:
            return
        self._state((signer, kind, vote.epoch, vote.view, vote.height), vote.block_hash, signer)
        if kind is Kind.COMMIT:
            place = (vote.epoch, vote.view, vote.height, vote.block_hash)
            self._commits.setdefault(signer, set()).add(place)
            for change in self._changes.get(signer, {}).values():
                self._amnesia(signer, place, change)

    def _view_change(self, change: m.ViewChange) -> None:
        signer = self._signer(change.epoch, change.sender)
        if signer is None:
            return
        content = (change.base_height, change.prepared)
        self._state((signer, Kind.VIEW_CHANGE, change.epoch, change.view), content, signer)
        self._changes.setdefault(signer, {})[(change.epoch, change.view)] = change
        for place in self._commits.get(signer, set()):
            self._amnesia(signer, place, change)

    def _state(self, place: tuple[object, ...], content: object, signer: c.Address) -> None:
        """One statement; a second, different one at the same place convicts."""
        if self._said.setdefault(place, content) != content:
            self._convict(signer)

    def _amnesia(self, signer: c.Address, place: tuple[int, int, int, c.Digest], change: m.ViewChange) -> None:
        epoch, view, height, _ = place
        if epoch != change.epoch or view >= change.view or change.base_height >= height:
            return
        if not any(item.height == height and item.view >= view for item in change.prepared):
            self._convict(signer)

    def _convict(self, signer: c.Address) -> None:
        if not self._world.hosts[self._world.nodes_of[signer][0]].faulty:
            self._world.checker.fail("I14", f"what {signer.hex()[:4]} signed would convict an honest bank")
        self.convicted.add(signer)
