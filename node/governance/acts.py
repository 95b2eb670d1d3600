"""What officers draft of governance: proposals and votes, each signed by the bank after a second officer's approval."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium import CONTRACT, Role, activation_height
from contracts.consortium_votes import Admission, Change, DeployerChange, Removal, ValidatorChange
from node.desk.acts import Act, Inputs, Param
from node.desk.drafts import APPROVALS_PLACEHOLDER, ActPlan, Call
from node.errors import DataError
from node.governance.council import Council
from node.governance.describe import change_json
from node.governance.record import read_record

DAYS_DEFAULT: Final = 30
SECONDS_PER_DAY: Final = 86_400
DAYS_MAX: Final = votes.PROPOSAL_SECONDS_MAX // SECONDS_PER_DAY - 1
"""A day below the contract's limit, which counts from block time: an act is tried on the head, and that may be older
than the clock by which its expiry was written."""

_RECORD = Param("record", "content", True, "the new member's record, as its node wrote it (member.json)")
_MEMBER = Param("member", "text", True, "BIC, name or id of the member")
_BANK = Param("bank", "text", True, "BIC, name or id of the member bank")
_VALIDATOR = Param("validator", "address", True, "address of the new validator key")
_ACCOUNT = Param("account", "address", True, "the account's address")
_DAYS = Param("days", "integer", False, f"days until it expires, 1 to {DAYS_MAX}; {DAYS_DEFAULT} where absent")
_PROPOSAL = Param("proposal", "hash", True, "the proposal's id")

Planner = Callable[[Council, Inputs], Awaitable[ActPlan]]


def _proposal(act: str, change_of: Callable[[Council, Inputs], Change]) -> Planner:
    async def plan(council: Council, inputs: Inputs) -> ActPlan:
        days = inputs.integer("days") or DAYS_DEFAULT
        if days > DAYS_MAX:
            raise DataError(f"a proposal expires after 1 to {DAYS_MAX} days", field="days")
        change = change_of(council, inputs)
        expires_at = council.chain.block_time() + days * SECONDS_PER_DAY
        try:
            data = votes.encode_proposal(change, expires_at, APPROVALS_PLACEHOLDER)
        except ValueError as error:
            raise DataError(str(error), field="record") from None
        function = {
            Admission: "proposeAdmission",
            Removal: "proposeRemoval",
            ValidatorChange: "proposeValidator",
            DeployerChange: "proposeDeployer",
        }[type(change)]
        banks = len(council.banks())
        notes = {
            "change": change_json(change, council.name_of),
            "expires_at": expires_at,
            "votes": f"this bank's and {votes.votes_needed(banks) - 1} more of {banks} banks",
        }
        call = Call(CONTRACT, function, CONSORTIUM, data)
        return ActPlan(act, "", inputs.to_json(), (call,), notes)

    return plan


def _ballot(act: str, function: str, encode: Callable[[bytes, bytes], bytes]) -> Planner:
    async def plan(council: Council, inputs: Inputs) -> ActPlan:
        identity = inputs.raw("proposal")
        found = await council.proposal(identity)
        now = council.chain.head_number() + 1
        notes: dict[str, Any] = {
            "proposal": {
                "kind": found.kind.name.lower().replace("_", "-"),
                "change": None if found.change is None else change_json(found.change, council.name_of),
                "proposer": council.name_of(found.proposer),
                "votes": [council.name_of(voter) for voter in found.voters],
                "needed": votes.votes_needed(len(council.banks())),
                "expires_at": found.expires_at,
            },
            "set_changes_at": activation_height(now, council.epoch_length, council.activation_delay),
        }
        call = Call(CONTRACT, function, CONSORTIUM, encode(identity, APPROVALS_PLACEHOLDER))
        return ActPlan(act, "0x" + identity.hex(), inputs.to_json(), (call,), notes)

    return plan


def _add_bank(_council: Council, inputs: Inputs) -> Change:
    member = read_record(inputs.need_content("record"))
    if member.role is not Role.BANK:
        raise DataError("this record is of no bank: propose it as an observer", field="record.role")
    return Admission(member)


def _add_observer(_council: Council, inputs: Inputs) -> Change:
    member = read_record(inputs.need_content("record"))
    if member.role is Role.BANK:
        raise DataError("this record is of a bank: propose it as one", field="record.role")
    return Admission(member)


def _remove_bank(council: Council, inputs: Inputs) -> Change:
    return Removal(_bank(council, inputs, "bank"))


def _remove_observer(council: Council, inputs: Inputs) -> Change:
    member = council.member(inputs.need_text("member"))
    if member.role is Role.BANK:
        raise DataError(f"{member.name} is a bank", field="member")
    return Removal(member.id)


def _bank(council: Council, inputs: Inputs, name: str) -> bytes:
    member = council.member(inputs.need_text(name))
    if member.role is not Role.BANK:
        raise DataError(f"{member.name} is no bank", field=name)
    return member.id


def _set_validator(council: Council, inputs: Inputs) -> Change:
    return ValidatorChange(_bank(council, inputs, "bank"), inputs.raw("validator"))


def _remove_validator(council: Council, inputs: Inputs) -> Change:
    return ValidatorChange(_bank(council, inputs, "bank"), None)


def _propose(name: str, help_text: str, change_of: Callable[[Council, Inputs], Change], *params: Param) -> Act[Council]:
    act = "consortium.propose-" + name
    return Act(act, f"propose {help_text}, and vote for it", (*params, _DAYS), _proposal(act, change_of))


ACTS: Mapping[str, Act[Council]] = {
    act.name: act
    for act in (
        _propose("add-bank", "that a bank joins, with or without a validator", _add_bank, _RECORD),
        _propose("remove-bank", "that a bank leaves", _remove_bank, _BANK),
        _propose("add-observer", "that an auditor or a regulator joins", _add_observer, _RECORD),
        _propose("remove-observer", "that an auditor or a regulator leaves", _remove_observer, _MEMBER),
        _propose("set-validator", "a bank's first or next validator key", _set_validator, _VALIDATOR, _BANK),
        _propose("remove-validator", "that a bank seals no more", _remove_validator, _BANK),
        _propose(
            "grant-deployer",
            "that an account may deploy contracts",
            lambda _, i: DeployerChange(i.raw("account"), True),
            _ACCOUNT,
        ),
        _propose(
            "revoke-deployer",
            "that an account may deploy no more",
            lambda _, i: DeployerChange(i.raw("account"), False),
            _ACCOUNT,
        ),
        Act(
            "consortium.vote",
            "vote for a proposal",
            (_PROPOSAL,),
            _ballot("consortium.vote", "vote", votes.encode_vote),
        ),
        Act(
            "consortium.withdraw",
            "take this bank's vote back",
            (_PROPOSAL,),
            _ballot("consortium.withdraw", "withdraw", votes.encode_withdraw),
        ),
        Act(
            "consortium.execute",
            "execute a proposal that has votes enough since a bank left",
            (_PROPOSAL,),
            _ballot("consortium.execute", "execute", votes.encode_execute),
        ),
    )
}
"""Act name -> act."""
