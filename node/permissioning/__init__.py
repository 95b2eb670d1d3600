"""Floor 1: who is a member, a sender, a deployer, a validator. Pure readers over a state, by Consortium's layout.

No engine runs: each answer is a few storage words, so admission and block validation can ask for every transaction
(P-6), and the validator set is known from a state alone (P-12). A test compares every reader with ``eth_call``.
"""

from contracts.consortium import Member, Role
from node.permissioning.readers import (
    consortium_parameters,
    is_registered,
    may_deploy,
    member_by_address,
    member_by_id,
    member_by_validator,
    members,
    validators_at,
)

__all__ = [
    "Member",
    "Role",
    "consortium_parameters",
    "is_registered",
    "may_deploy",
    "member_by_address",
    "member_by_id",
    "member_by_validator",
    "members",
    "validators_at",
]
