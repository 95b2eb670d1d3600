"""Consortium's votes: proposals as dataclasses, and the calls that make, support, withdraw and read them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from contracts import bindings
from contracts.banking_calendar import place_name
from contracts.consortium import CONTRACT, Member, Role, address_or_none, text_of

OPEN_PROPOSALS_OF_BANK_MAX: Final = 4
BANKS_MAX: Final = 32
MEMBERS_MAX: Final = 128
PROPOSAL_SECONDS_MAX: Final = 90 * 86_400
"""The contract's bounds (a test compares): open proposals of a bank, active banks, members ever, longest expiry."""
_RECORD: Final = "(bytes32,uint8,string,bytes11,bytes20,bytes32,address,address,bytes32)"


class ChangeKind(IntEnum):
    """What a proposal changes; the numbers are Solidity's."""

    ADMIT_MEMBER = 0
    REMOVE_MEMBER = 1
    SET_VALIDATOR = 2
    SET_DEPLOYER = 3


class ProposalState(IntEnum):
    """Where a proposal stands; the numbers are Solidity's."""

    NONE = 0
    OPEN = 1
    EXECUTED = 2
    WITHDRAWN = 3
    EXPIRED = 4


@dataclass(frozen=True, slots=True)
class Admission:
    """A new member, or a former one that returns."""

    member: Member


@dataclass(frozen=True, slots=True)
class Removal:
    """A member leaves."""

    member_id: bytes


@dataclass(frozen=True, slots=True)
class ValidatorChange:
    """A bank's first or next validator key; None where it is to have none."""

    member_id: bytes
    validator: bytes | None


@dataclass(frozen=True, slots=True)
class DeployerChange:
    """An account's right to create contracts."""

    account: bytes
    allowed: bool


Change = Admission | Removal | ValidatorChange | DeployerChange


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as it stood at the block asked. ``voters``: ids of the banks whose vote stands; heights are None where
    the thing has not happened; ``change`` is None where its content does not decode."""

    id: bytes
    kind: ChangeKind
    state: ProposalState
    nonce: int
    expires_at: int
    proposed_in: int
    closed_in: int | None
    proposer: bytes
    change: Change | None
    voters: tuple[bytes, ...]


def votes_needed(banks: int) -> int:
    """floor(2n / 3) + 1 of n active banks."""
    return banks * 2 // 3 + 1


def encode_proposal(change: Change, expires_at: int, approvals_hash: bytes) -> bytes:
    """Call data that proposes a change, and votes for it. ValueError names a field that does not fit."""
    tail = [expires_at, approvals_hash]
    match change:
        case Admission(member):
            return bindings.encode_call(CONTRACT, "proposeAdmission", [member.as_argument(), *tail])
        case Removal(member_id):
            return bindings.encode_call(CONTRACT, "proposeRemoval", [member_id, *tail])
        case ValidatorChange(member_id, validator):
            return bindings.encode_call(CONTRACT, "proposeValidator", [member_id, validator or bytes(20), *tail])
        case DeployerChange(account, allowed):
            return bindings.encode_call(CONTRACT, "proposeDeployer", [account, allowed, *tail])


def encode_vote(proposal_id: bytes, approvals_hash: bytes) -> bytes:
    """Call data of a vote."""
    return bindings.encode_call(CONTRACT, "vote", [proposal_id, approvals_hash])


def encode_withdraw(proposal_id: bytes, approvals_hash: bytes) -> bytes:
    """Call data that takes one's vote back."""
    return bindings.encode_call(CONTRACT, "withdraw", [proposal_id, approvals_hash])


def encode_execute(proposal_id: bytes, approvals_hash: bytes) -> bytes:
    """Call data that executes what has votes enough since banks have left."""
    return bindings.encode_call(CONTRACT, "execute", [proposal_id, approvals_hash])


def encode_proposal_of(proposal_id: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_proposal``."""
    return bindings.encode_call(CONTRACT, "proposal", [proposal_id])


def decode_proposal(data: bytes) -> Proposal:
    """The answer of ``proposal``."""
    return _proposal(bindings.decode_result(CONTRACT, "proposal", data))


def encode_proposals(first: int, count: int) -> bytes:
    """Call data; the result is decoded by ``decode_proposals``."""
    return bindings.encode_call(CONTRACT, "proposals", [first, count])


def decode_proposals(data: bytes) -> tuple[Proposal, ...]:
    """The answer of ``proposals``, by nonce."""
    return tuple(_proposal(each) for each in bindings.decode_result(CONTRACT, "proposals", data))


def encode_open_proposals() -> bytes:
    """Call data; the result is decoded by ``decode_open_proposals``."""
    return bindings.encode_call(CONTRACT, "openProposals", [])


def decode_open_proposals(data: bytes) -> tuple[bytes, ...]:
    """The answer of ``openProposals``."""
    return tuple(bindings.decode_result(CONTRACT, "openProposals", data))


def encode_proposal_count() -> bytes:
    """Call data; the result is a number."""
    return bindings.encode_call(CONTRACT, "proposalCount", [])


def decode_proposal_count(data: bytes) -> int:
    """The answer of ``proposalCount``."""
    return int(bindings.decode_result(CONTRACT, "proposalCount", data))


def _proposal(found: dict[str, Any]) -> Proposal:
    kind = ChangeKind(found["kind"])
    return Proposal(
        id=found["id"],
        kind=kind,
        state=ProposalState(found["state"]),
        nonce=found["nonce"],
        expires_at=found["expiresAt"],
        proposed_in=found["proposedIn"],
        closed_in=found["closedIn"] or None,
        proposer=found["proposer"],
        change=decode_content(kind, found["content"]),
        voters=tuple(found["voters"]),
    )


def decode_content(kind: ChangeKind, content: bytes) -> Change | None:
    """What a proposal's stored content says; None where a member wrote a text that is none."""
    try:
        match kind:
            case ChangeKind.ADMIT_MEMBER:
                return Admission(_member(*bindings.decode_values([_RECORD], content)[0]))
            case ChangeKind.REMOVE_MEMBER:
                return Removal(*bindings.decode_values(["bytes32"], content))
            case ChangeKind.SET_VALIDATOR:
                member_id, validator = bindings.decode_values(["bytes32", "address"], content)
                return ValidatorChange(member_id, address_or_none(bytes.fromhex(validator[2:])))
            case ChangeKind.SET_DEPLOYER:
                account, allowed = bindings.decode_values(["address", "bool"], content)
                return DeployerChange(bytes.fromhex(account[2:]), allowed)
    except bindings.BindingError:
        return None


def _member(
    member_id: bytes,
    kind: int,
    name: str,
    bic: bytes,
    lei: bytes,
    place: bytes,
    business_account: str,
    validator: str,
    encryption_key: bytes,
) -> Member:
    return Member(
        id=member_id,
        name=name,
        bic=text_of(bic),
        lei=text_of(lei),
        role=Role(kind),
        place=place_name(place),
        business_address=bytes.fromhex(business_account[2:]),
        validator_address=address_or_none(bytes.fromhex(validator[2:])),
        encryption_key=encryption_key,
    )
