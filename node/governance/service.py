"""What the doors read of the consortium: members, validators now and at the edges to come, proposals and votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consensus.validators import quorum_size
from contracts import consortium_votes as votes
from contracts.consortium import Member, activation_height
from node.desk.acts import BoundAct
from node.errors import DataError
from node.governance.acts import ACTS
from node.governance.council import PROPOSALS_READ_MAX, Council
from node.governance.describe import proposal_json
from node.governance.record import record_json

EDGES_SHOWN_MAX = 8
"""Edges to come in one answer; more than one stands ahead only where D is longer than L."""
STATES = ("open", "all")


class GovernanceService:
    """One bank's view of its consortium. Every result is JSON-able; every refusal is a PrayaError."""

    def __init__(self, council: Council) -> None:
        self._council = council

    def acts(self) -> Mapping[str, BoundAct]:
        """What this bank's officers can draft."""
        return {name: act.at(self._council) for name, act in ACTS.items()}

    async def consortium(self) -> dict[str, Any]:
        """Members, the set of the next block, and the sets at the edges ahead; ``forecast``: a block to come may still
        change it (P-12)."""
        council = self._council
        members, head = council.members(), council.chain.head_number()
        banks = len(council.banks())
        present = await council.validators_at(head + 1)
        return {
            "head": head,
            "epoch": (head + 1) // council.epoch_length,
            "epoch_length": council.epoch_length,
            "activation_delay": council.activation_delay,
            "banks": banks,
            "votes_needed": votes.votes_needed(banks),
            "members": [{**record_json(member), "active": member.active} for member in members],
            "validators": {
                "height": head + 1,
                "quorum": quorum_size(len(present)),
                "set": _named(present, members),
            },
            "edges": await self._edges(head + 1, present, members),
        }

    async def _edges(self, height: int, present: tuple[bytes, ...], members: Sequence[Member]) -> list[dict[str, Any]]:
        """Edges above ``height`` up to the first one that a block of this height can still change."""
        council = self._council
        length = council.epoch_length
        first_open = activation_height(height, length, council.activation_delay)
        rows = []
        before = present
        for edge in range((height // length + 1) * length, first_open + 1, length)[:EDGES_SHOWN_MAX]:
            following = await council.validators_at(edge)
            rows.append(
                {
                    "height": edge,
                    "forecast": edge >= first_open,
                    "changes": following != before,
                    "set": _named(following, members),
                }
            )
            before = following
        return rows

    async def proposals(self, state: str | None = None) -> list[dict[str, Any]]:
        """Open proposals, oldest first, or all, newest first (at most PROPOSALS_READ_MAX)."""
        if state not in (None, *STATES):
            raise DataError(f"state is one of {', '.join(STATES)}", field="state")
        council = self._council
        found = await (council.latest_proposals(PROPOSALS_READ_MAX) if state == "all" else council.open_proposals())
        return [self._shown(each) for each in found]

    async def proposal(self, proposal_id: str) -> dict[str, Any]:
        """One proposal with its votes; ContractRefusal where there is none."""
        return self._shown(await self._council.proposal(self._council.check_id(proposal_id)))

    def _shown(self, found: votes.Proposal) -> dict[str, Any]:
        council = self._council
        return proposal_json(found, votes.votes_needed(len(council.banks())), council.me, council.name_of)


def _named(addresses: Sequence[bytes], members: Sequence[Member]) -> list[dict[str, Any]]:
    """Validators with their banks; a key that was just replaced has none any more, and seals until its edge."""
    owners = {member.validator_address: member.name for member in members if member.validator_address}
    return [{"address": "0x" + address.hex(), "name": owners.get(address)} for address in addresses]
