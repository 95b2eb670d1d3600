"""What an authenticated address is to this node, by the register as this node has it."""

from __future__ import annotations

from collections.abc import Set

from node import permissioning
from node.p2p import PeerRole
from node.types import Address, StateReader


def role_by_register(state: StateReader, address: Address, configured: Set[Address]) -> PeerRole | None:
    """Addresses of active members: a validator's present key, also before its edge; as observers its keys of the past
    (P-13: they serve an edge's blocks) and a member's business account. None for a bank that has left and for
    strangers.

    A configured peer that the register has never known is a source: this node may be behind the vote that made it a
    member. A node that was away, or begins at genesis, while every other bank took a new validator key would otherwise
    know nobody whom it could ask for the blocks that name them.
    """
    member = permissioning.member_by_validator(state, address) or permissioning.member_by_address(state, address)
    if member is None:
        return PeerRole.SOURCE if address in configured else None
    if not member.active:
        return None
    return PeerRole.VALIDATOR if address == member.validator_address else PeerRole.OBSERVER
