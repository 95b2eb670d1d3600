"""The workplace of governance acts: this bank, the register and the votes, read by calls on the head's state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from contracts import consortium
from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium import Member
from contracts.consortium_votes import Proposal
from node.desk.chain_access import ChainAccess, active_banks, member_named
from node.desk.parties import find_bank
from node.errors import DataError

PROPOSALS_READ_MAX = 100
"""Proposals of one page of history."""
PROPOSALS_CALL_MAX = 16
"""Proposals that one call reads: each has up to 32 voters among 128 members, and a call's gas is capped (P-2)."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Council:
    """One bank among the members. ``me`` is its id, L and D the chain's (P-12)."""

    me: bytes
    business_address: bytes
    chain: ChainAccess
    epoch_length: int
    activation_delay: int

    def members(self) -> list[Member]:
        """Every member ever admitted."""
        return self.chain.members()

    def banks(self) -> list[Member]:
        """The voters: active member banks."""
        return active_banks(self.chain.members())

    def member(self, name: str) -> Member:
        """An active member by BIC, name or id; DataError that lists them otherwise."""
        found = find_bank([member for member in self.members() if member.active], name)
        assert isinstance(found, Member)
        return found

    def name_of(self, member_id: bytes) -> str | None:
        """A member's name."""
        member = member_named(self.members(), member_id)
        return None if member is None else member.name

    async def validators_at(self, height: int) -> tuple[bytes, ...]:
        """S(height) as the head's state has it; whether that is a forecast is the caller's to say (P-12)."""
        return await self._ask(consortium.encode_validators_at(height), consortium.decode_validators)

    async def proposal(self, proposal_id: bytes) -> Proposal:
        """One proposal; ContractRefusal where there is none."""
        return await self._ask(votes.encode_proposal_of(proposal_id), votes.decode_proposal)

    async def open_proposals(self) -> list[Proposal]:
        """Proposals that can be voted on, oldest first."""
        ids = await self._ask(votes.encode_open_proposals(), votes.decode_open_proposals)
        found = [await self.proposal(each) for each in ids]
        return sorted((p for p in found if p.state is votes.ProposalState.OPEN), key=lambda p: p.nonce)

    async def latest_proposals(self, limit: int) -> list[Proposal]:
        """The newest proposals whatever their state, newest first, at most PROPOSALS_READ_MAX."""
        count = await self._ask(votes.encode_proposal_count(), votes.decode_proposal_count)
        wanted = min(limit, count, PROPOSALS_READ_MAX)
        found: list[Proposal] = []
        for first in range(count - wanted, count, PROPOSALS_CALL_MAX):
            some = min(PROPOSALS_CALL_MAX, count - first)
            found += await self._ask(votes.encode_proposals(first, some), votes.decode_proposals)
        return found[::-1]

    def check_id(self, text: str) -> bytes:
        """A proposal's id as somebody wrote it. DataError."""
        try:
            raw = bytes.fromhex(text.removeprefix("0x"))
        except ValueError:
            raw = b""
        if len(raw) != 32:
            raise DataError("a proposal's id is 0x and 64 hex digits", field="proposal")
        return raw

    async def _ask(self, data: bytes, decode: Callable[[bytes], Answer]) -> Answer:
        return decode(await asyncio.to_thread(self.chain.call, CONSORTIUM, data, self.business_address))
