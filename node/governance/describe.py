"""Proposals as JSON for people and programs: banks by name, bytes as hex, heights and times as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.consortium_votes import Admission, Change, DeployerChange, Proposal, Removal, ValidatorChange
from node.governance.record import record_json

NameOf = Callable[[bytes], str | None]


def change_json(change: Change, name_of: NameOf) -> dict[str, Any]:
    """What a proposal would change."""
    match change:
        case Admission(member):
            return {"admit": record_json(member)}
        case Removal(member_id):
            return {"remove": _hex(member_id), "name": name_of(member_id)}
        case ValidatorChange(member_id, validator):
            shown = None if validator is None else _hex(validator)
            return {"member": _hex(member_id), "name": name_of(member_id), "validator": shown}
        case DeployerChange(account, allowed):
            return {"account": _hex(account), "may_deploy": allowed}


def proposal_json(found: Proposal, needed: int, me: bytes, name_of: NameOf) -> dict[str, Any]:
    """A proposal with its votes. ``needed`` counts the present banks; ``mine``: this bank's vote stands."""
    return {
        "id": _hex(found.id),
        "kind": found.kind.name.lower().replace("_", "-"),
        "state": found.state.name.lower(),
        "nonce": found.nonce,
        "change": None if found.change is None else change_json(found.change, name_of),
        "proposer": _hex(found.proposer),
        "proposer_name": name_of(found.proposer),
        "proposed_in": found.proposed_in,
        "expires_at": found.expires_at,
        "closed_in": found.closed_in,
        "votes": [{"member": _hex(voter), "name": name_of(voter)} for voter in found.voters],
        "needed": needed,
        "mine": me in found.voters,
    }


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
