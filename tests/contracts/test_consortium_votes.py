"""The consortium's votes on a real EVM: every guard by its error, and what each executed change leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts import artifacts, consortium
from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium import Member, Role
from contracts.consortium_votes import (
    Admission,
    Change,
    DeployerChange,
    ProposalState,
    Removal,
    ValidatorChange,
)
from node import permissioning
from node.governance.council import PROPOSALS_CALL_MAX
from node.types import Address
from tests.contracts.consortium_chain import (
    APPROVALS,
    ConsortiumChain,
    Refused,
    bank_key,
    events_of,
    sample_member,
    sample_spec,
)

L, D = 10, 3
DAY = 86_400
NEW_KEY = b"\x5a" * 20
STRANGER = b"\x42" * 20


def make_chain(banks: int = 4, watchers: int = 1) -> ConsortiumChain:
    """So many banks and watchers, short epochs."""
    return ConsortiumChain(replace(sample_spec(banks, watchers), epoch_length=L, activation_delay=D))


@pytest.fixture
def chain() -> ConsortiumChain:
    """Four banks and an auditor."""
    return make_chain()


def banks_of(chain: ConsortiumChain) -> list[Member]:
    """Active banks in order of admission, read from storage."""
    return [m for m in permissioning.members(chain.state) if m.active and m.role is Role.BANK]


def propose(chain: ConsortiumChain, sender: bytes, change: Change, *, seconds: int = DAY) -> bytes:
    """Propose; the proposal's id."""
    data = votes.encode_proposal(change, chain.timestamp + seconds, APPROVALS)
    submitted = next(
        e for e in events_of(chain.send(sender, CONSORTIUM, data), "Consortium") if e.name == "ProposalSubmitted"
    )
    identity: bytes = submitted.args["proposalId"]
    return identity


def cast(chain: ConsortiumChain, sender: bytes, proposal: bytes) -> list[str]:
    """Vote; the names of the events."""
    result = chain.send(sender, CONSORTIUM, votes.encode_vote(proposal, APPROVALS))
    return [event.name for event in events_of(result, "Consortium")]


def carry(chain: ConsortiumChain, change: Change, voters: Sequence[Member] | None = None) -> bytes:
    """Propose and vote until it executes; the proposal's id."""
    standing = [
        look(chain, i) for i in votes.decode_open_proposals(chain.call(CONSORTIUM, votes.encode_open_proposals()))
    ]
    made = Counter(p.proposer for p in standing)
    banks = sorted(voters or banks_of(chain), key=lambda bank: made[bank.id])  # who has a place left proposes
    identity = propose(chain, banks[0].business_address, change)
    for bank in banks[1 : votes.votes_needed(len(banks_of(chain)))]:
        cast(chain, bank.business_address, identity)
    assert look(chain, identity).state is ProposalState.EXECUTED
    return identity


def look(chain: ConsortiumChain, proposal: bytes) -> votes.Proposal:
    """The proposal as the contract answers."""
    return votes.decode_proposal(chain.call(CONSORTIUM, votes.encode_proposal_of(proposal)))


def refused(name: str, action: Callable[[], Any], **args: Any) -> None:
    """The action must revert with this error; of its arguments those given are equal."""
    with pytest.raises(Refused) as caught:
        action()
    assert caught.value.reason.name == name, str(caught.value.reason)
    assert {k: caught.value.reason.args[k] for k in args} == args


def newcomer(index: int = 7, role: Role = Role.BANK) -> Member:
    """A bank that is no member yet."""
    return sample_member(index, role)


# --- the vote -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("banks", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7)])
def test_a_change_takes_two_thirds_and_one_more(banks: int, needed: int) -> None:
    """floor(2n/3) + 1 of n banks: nothing happens one vote before, everything in the transaction of the last."""
    chain = make_chain(banks)
    assert chain.ask("Consortium", "votesNeeded") == needed == votes.votes_needed(banks)
    change, members = Admission(newcomer(20)), banks_of(chain)
    identity = propose(chain, members[0].business_address, change)
    for bank in members[1:needed]:
        assert look(chain, identity).state is ProposalState.OPEN
        assert permissioning.member_by_id(chain.state, change.member.id) is None
        events = cast(chain, bank.business_address, identity)
        assert ("ProposalExecuted" in events) is (bank is members[needed - 1])
    assert look(chain, identity).state is ProposalState.EXECUTED
    assert permissioning.member_by_id(chain.state, change.member.id) == change.member


def test_only_active_banks_vote_and_each_once(chain: ConsortiumChain) -> None:
    """Auditor, stranger, validator key and former bank have no vote; a bank has one; it may take it back and give it
    again while the proposal is open."""
    a, b, c, d = banks_of(chain)
    auditor = permissioning.members(chain.state)[4]
    identity = propose(chain, a.business_address, Removal(d.id))
    for sender in (auditor.business_address, STRANGER, b.validator_address or b""):
        refused("NotAVoter", lambda s=sender: cast(chain, s, identity), caller=sender)
        refused("NotAVoter", lambda s=sender: propose(chain, s, Removal(a.id)))
        refused("NotAVoter", lambda s=sender: chain.send(s, CONSORTIUM, votes.encode_withdraw(identity, APPROVALS)))
        refused("NotAVoter", lambda s=sender: chain.send(s, CONSORTIUM, votes.encode_execute(identity, APPROVALS)))
    refused("AlreadyVoted", lambda: cast(chain, a.business_address, identity), memberId=a.id)
    withdraw = votes.encode_withdraw(identity, APPROVALS)
    refused("NotVoted", lambda: chain.send(b.business_address, CONSORTIUM, withdraw), memberId=b.id)
    cast(chain, b.business_address, identity)
    chain.send(b.business_address, CONSORTIUM, withdraw)
    assert look(chain, identity).voters == (a.id,)
    assert chain.ask("Consortium", "hasVoted", identity, b.id) is False
    cast(chain, b.business_address, identity)
    assert look(chain, identity).voters == (a.id, b.id)
    cast(chain, c.business_address, identity)
    refused("NotAVoter", lambda: propose(chain, d.business_address, Removal(a.id)))
    refused("ProposalNotOpen", lambda: cast(chain, a.business_address, identity))
    refused("ProposalNotOpen", lambda: chain.send(a.business_address, CONSORTIUM, withdraw))


def test_an_act_without_approvals_is_refused(chain: ConsortiumChain) -> None:
    """Every act of the vote carries the hash of both officers' approvals, and records it."""
    a, b = banks_of(chain)[:2]
    change, none = Removal(b.id), bytes(32)
    identity = propose(chain, a.business_address, change)
    for data in (
        votes.encode_proposal(change, chain.timestamp + DAY, none),
        votes.encode_vote(identity, none),
        votes.encode_withdraw(identity, none),
        votes.encode_execute(identity, none),
    ):
        refused("ApprovalsMissing", lambda d=data: chain.send(a.business_address, CONSORTIUM, d))
    result = chain.send(b.business_address, CONSORTIUM, votes.encode_vote(identity, APPROVALS))
    (approved,) = [e for e in events_of(result, "Consortium") if e.name == "ActApproved"]
    assert (approved.args["bank"], approved.args["approvalsHash"]) == (b.id, APPROVALS)


def test_equal_changes_are_different_proposals(chain: ConsortiumChain) -> None:
    """The id hashes content and nonce: the same change twice has two ids, and unknown ids are refused."""
    a, b = banks_of(chain)[:2]
    first, second = (propose(chain, x.business_address, Removal(b.id)) for x in (a, b))
    assert first != second
    assert [look(chain, i).nonce for i in (first, second)] == [0, 1]
    listed = votes.decode_proposals(chain.call(CONSORTIUM, votes.encode_proposals(0, 10)))
    assert [p.id for p in listed] == [first, second]
    assert votes.decode_proposals(chain.call(CONSORTIUM, votes.encode_proposals(1, 10))) == (look(chain, second),)
    assert votes.decode_proposals(chain.call(CONSORTIUM, votes.encode_proposals(2, 10))) == ()
    for data in (votes.encode_vote(b"\x01" * 32, APPROVALS), votes.encode_withdraw(b"\x01" * 32, APPROVALS)):
        refused("UnknownProposal", lambda d=data: chain.send(a.business_address, CONSORTIUM, d))
    refused("UnknownProposal", lambda: look(chain, b"\x01" * 32))


def test_a_proposal_ends_with_its_time(chain: ConsortiumChain) -> None:
    """Expiry is block time: at that second a vote still counts, one later it is refused; the state says so at once."""
    a, b, c, d = banks_of(chain)
    identity = propose(chain, a.business_address, Removal(d.id), seconds=DAY)
    chain.pass_time(DAY)
    cast(chain, b.business_address, identity)
    chain.pass_time(1)
    assert look(chain, identity).state is ProposalState.EXPIRED
    refused("ProposalPastExpiry", lambda: cast(chain, c.business_address, identity))
    withdraw = votes.encode_withdraw(identity, APPROVALS)
    refused("ProposalPastExpiry", lambda: chain.send(a.business_address, CONSORTIUM, withdraw))
    propose(chain, a.business_address, Removal(d.id))  # the next proposal puts it on record
    assert len(votes.decode_open_proposals(chain.call(CONSORTIUM, votes.encode_open_proposals()))) == 1
    refused("ProposalNotOpen", lambda: cast(chain, c.business_address, identity))


@pytest.mark.parametrize("seconds", [0, -1, votes.PROPOSAL_SECONDS_MAX + 1])
def test_an_expiry_out_of_its_range_is_refused(chain: ConsortiumChain, seconds: int) -> None:
    """Later than now, and at most 90 days on."""
    a, b = banks_of(chain)[:2]
    refused("ExpiryOutOfRange", lambda: propose(chain, a.business_address, Removal(b.id), seconds=seconds))


def test_no_bank_fills_the_table(chain: ConsortiumChain) -> None:
    """Four open proposals a bank; one withdrawn, executed or expired makes room; other banks are not hindered."""
    a, b, c, d = banks_of(chain)
    mine = [propose(chain, a.business_address, DeployerChange(bytes([i + 1]) * 20, True)) for i in range(4)]
    refused("TooManyProposals", lambda: propose(chain, a.business_address, Removal(d.id)), memberId=a.id, open=4)
    other = propose(chain, b.business_address, Removal(d.id))
    chain.send(a.business_address, CONSORTIUM, votes.encode_withdraw(mine[0], APPROVALS))
    assert look(chain, mine[0]).state is ProposalState.WITHDRAWN
    propose(chain, a.business_address, DeployerChange(b"\x09" * 20, True), seconds=10)
    for bank in (b, c):
        cast(chain, bank.business_address, mine[1])
    propose(chain, a.business_address, DeployerChange(b"\x0a" * 20, True), seconds=10)
    refused("TooManyProposals", lambda: propose(chain, a.business_address, Removal(d.id)))
    chain.pass_time(11)
    propose(chain, a.business_address, Removal(b.id))
    standing = votes.decode_open_proposals(chain.call(CONSORTIUM, votes.encode_open_proposals()))
    assert len(standing) == 4
    assert {mine[2], mine[3], other} < set(standing)


# --- members leave while votes are open -----------------------------------------------------------------


def test_votes_of_a_bank_that_left_do_not_count() -> None:
    """Removed between its vote and the quorum: its vote is gone, and with it a proposal that nobody else supports."""
    chain = make_chain(7)
    a, b, c, d, e, f, g = banks_of(chain)
    shared = propose(chain, g.business_address, DeployerChange(STRANGER, True))
    alone = propose(chain, g.business_address, DeployerChange(b"\x43" * 20, True))
    for bank in (a, b, c):
        cast(chain, bank.business_address, shared)
    carry(chain, Removal(g.id), [a, b, c, d, e, f])
    assert chain.ask("Consortium", "votesNeeded") == 5
    assert look(chain, shared).voters == (a.id, b.id, c.id)
    assert look(chain, alone).state is ProposalState.WITHDRAWN
    cast(chain, d.business_address, shared)
    assert look(chain, shared).state is ProposalState.OPEN
    assert "ProposalExecuted" in cast(chain, e.business_address, shared)
    assert permissioning.may_deploy(chain.state, Address(STRANGER))


def test_votes_that_suffice_since_a_bank_left_are_executed_on_demand() -> None:
    """Six banks need five votes, five need four: who has four before executes after, and not without."""
    chain = make_chain(6)
    a, b, c, d, e, f = banks_of(chain)
    waiting = propose(chain, a.business_address, DeployerChange(STRANGER, True))
    for bank in (b, c, d):
        cast(chain, bank.business_address, waiting)
    execute = votes.encode_execute(waiting, APPROVALS)
    refused("NotEnoughVotes", lambda: chain.send(e.business_address, CONSORTIUM, execute), votes=4, needed=5)
    carry(chain, Removal(f.id), [a, b, c, d, e])
    assert look(chain, waiting).state is ProposalState.OPEN
    chain.send(e.business_address, CONSORTIUM, execute)
    assert look(chain, waiting).state is ProposalState.EXECUTED
    assert permissioning.may_deploy(chain.state, Address(STRANGER))


# --- what the changes do --------------------------------------------------------------------------------


def test_a_change_of_the_set_enters_at_its_edge(chain: ConsortiumChain) -> None:
    """Executed in h, in force from the first multiple of L that is >= h + D, and read alike by call and by storage
    (P-12)."""
    before = permissioning.validators_at(chain.state, chain.number)
    carry(chain, Admission(newcomer()))
    executed = chain.number - 1
    edge = consortium.activation_height(executed, L, D)
    after = tuple(sorted((*before, newcomer().validator_address or b"")))
    for height, expected in ((executed + 1, before), (edge - 1, before), (edge, after), (edge + 5 * L, after)):
        assert permissioning.validators_at(chain.state, height) == expected
        assert consortium.decode_validators(chain.call(CONSORTIUM, consortium.encode_validators_at(height))) == expected


def test_changes_of_one_edge_are_one_set_and_later_ones_another(chain: ConsortiumChain) -> None:
    """Two changes before one edge enter together; one after it adds to the history, which stays as it was."""
    carry(chain, Admission(newcomer(7)))
    carry(chain, ValidatorChange(newcomer(7).id, NEW_KEY))
    assert chain.ask("Consortium", "validatorSetCount") == 2
    edge = consortium.activation_height(chain.number - 1, L, D)
    assert NEW_KEY in permissioning.validators_at(chain.state, edge)
    assert newcomer(7).validator_address not in permissioning.validators_at(chain.state, edge)
    chain.number = edge
    carry(chain, Removal(newcomer(7).id))
    assert chain.ask("Consortium", "validatorSetCount") == 3
    assert len(permissioning.validators_at(chain.state, edge)) == 5
    assert len(permissioning.validators_at(chain.state, edge + 2 * L)) == 4
    assert len(permissioning.validators_at(chain.state, edge - 1)) == 4


def test_a_removed_bank_loses_vote_and_sending_at_once(chain: ConsortiumChain) -> None:
    """Its validator seals until the edge; its deals still know it by its account."""
    leaving = banks_of(chain)[3]
    carry(chain, Removal(leaving.id))
    found = permissioning.member_by_id(chain.state, leaving.id)
    assert found == replace(leaving, active=False, validator_address=None)
    assert chain.ask("Consortium", "bankCount") == 3
    assert not permissioning.is_registered(chain.state, Address(leaving.business_address))
    assert chain.ask("Consortium", "memberOf", leaving.business_address) == leaving.id
    assert chain.ask("Consortium", "isBank", leaving.id) is False
    assert leaving.validator_address in permissioning.validators_at(chain.state, chain.number)
    refused("MemberInactive", lambda: carry(chain, Removal(leaving.id)), memberId=leaving.id)


def test_a_former_bank_returns_under_its_name_and_a_new_key(chain: ConsortiumChain) -> None:
    """Same id and account; never the old validator key, nor another's account."""
    leaving = banks_of(chain)[3]
    carry(chain, Removal(leaving.id))
    back = replace(leaving, name="Returned Bank", validator_address=NEW_KEY)
    refused("ValidatorRetired", lambda: carry(chain, Admission(leaving)), validator=leaving.validator_address)
    moved = replace(back, business_address=STRANGER)
    refused("BusinessAccountDiffers", lambda: carry(chain, Admission(moved)), given=STRANGER)
    carry(chain, Admission(back))
    assert banks_of(chain)[3] == back
    assert chain.ask("Consortium", "memberCount") == 5
    refused("MemberIdTaken", lambda: carry(chain, Admission(back)))


def test_a_retired_key_never_comes_back(chain: ConsortiumChain) -> None:
    """Lost signing state means a new key (P-18): not for its bank, not for another, not as an account."""
    a, b = banks_of(chain)[:2]
    old = a.validator_address
    assert old is not None
    carry(chain, ValidatorChange(a.id, NEW_KEY))
    for change in (
        ValidatorChange(a.id, old),
        ValidatorChange(b.id, old),
        Admission(replace(newcomer(), validator_address=old)),
        Admission(replace(newcomer(), business_address=old)),
    ):
        refused("ValidatorRetired", lambda c=change: carry(chain, c), memberId=a.id, validator=old)
    refused("AddressTaken", lambda: carry(chain, DeployerChange(old, True)), account=old)
    refused("AddressTaken", lambda: carry(chain, ValidatorChange(b.id, NEW_KEY)), account=NEW_KEY)
    refused("AddressTaken", lambda: carry(chain, ValidatorChange(a.id, NEW_KEY)), account=NEW_KEY)
    assert permissioning.member_by_validator(chain.state, Address(old)) == replace(a, validator_address=NEW_KEY)


def test_a_bank_may_have_no_validator_and_still_vote(chain: ConsortiumChain) -> None:
    """A bank admitted without one follows the chain and votes; its key comes by another vote."""
    silent = replace(newcomer(), validator_address=None)
    sets = chain.ask("Consortium", "validatorSetCount")
    carry(chain, Admission(silent))
    assert chain.ask("Consortium", "validatorSetCount") == sets
    refused("NoValidator", lambda: carry(chain, ValidatorChange(silent.id, None)))
    identity = propose(chain, silent.business_address, ValidatorChange(silent.id, NEW_KEY))
    assert look(chain, identity).voters == (silent.id,)
    for bank in banks_of(chain)[:3]:
        cast(chain, bank.business_address, identity)
    assert NEW_KEY in permissioning.validators_at(chain.state, 100)
    carry(chain, ValidatorChange(silent.id, None))
    assert NEW_KEY not in permissioning.validators_at(chain.state, 100)


def test_the_set_is_never_empty() -> None:
    """The last validator can be replaced, not removed, nor can its bank go (P-12)."""
    chain = make_chain(1)
    (only,) = banks_of(chain)
    refused("ValidatorSetEmpty", lambda: carry(chain, Removal(only.id)))
    refused("ValidatorSetEmpty", lambda: carry(chain, ValidatorChange(only.id, None)))
    carry(chain, ValidatorChange(only.id, NEW_KEY))
    assert permissioning.validators_at(chain.state, 100) == (NEW_KEY,)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (Admission(replace(newcomer(), id=bytes(32))), "MemberIdZero"),
        (Admission(replace(newcomer(), business_address=bytes(20))), "AddressZero"),
        (Admission(replace(newcomer(), business_address=sample_member(0).business_address)), "AddressTaken"),
        (Admission(replace(newcomer(), business_address=bank_key(0, "developer").address)), "AddressTaken"),
        (Admission(replace(newcomer(), validator_address=sample_member(0).validator_address)), "AddressTaken"),
        (Admission(replace(newcomer(), validator_address=newcomer().business_address)), "AddressTaken"),
        (Admission(replace(newcomer(), id=sample_member(0).id)), "MemberIdTaken"),
        (Admission(replace(newcomer(), role=Role.AUDITOR)), "ValidatorMismatch"),
        (Removal(b"\x01" * 32), "UnknownMember"),
        (ValidatorChange(b"\x01" * 32, NEW_KEY), "UnknownMember"),
        (ValidatorChange(sample_member(4).id, NEW_KEY), "NotAnActiveBank"),
        (ValidatorChange(sample_member(0).id, sample_member(1).validator_address), "AddressTaken"),
        (ValidatorChange(sample_member(0).id, sample_member(1).business_address), "AddressTaken"),
        (DeployerChange(bytes(20), True), "AddressZero"),
        (DeployerChange(STRANGER, False), "RolesUnchanged"),
        (DeployerChange(bank_key(0, "developer").address, True), "RolesUnchanged"),
    ],
)
def test_an_impossible_change_is_refused_with_its_reason(change: Change, error: str) -> None:
    """The last vote reverts, with the contract's reason and without any trace; the proposal stays open."""
    chain = make_chain()
    a, b, c, _ = banks_of(chain)
    identity = propose(chain, a.business_address, change)
    cast(chain, b.business_address, identity)
    refused(error, lambda: cast(chain, c.business_address, identity))
    assert look(chain, identity).state is ProposalState.OPEN
    assert look(chain, identity).voters == (a.id, b.id)


@pytest.mark.parametrize("name", ["", "x" * 141])
def test_a_name_has_its_bound(chain: ConsortiumChain, name: str) -> None:
    """Nodes read names whole from storage: an empty or endless one does not even become a proposal."""
    record = list(newcomer().as_argument())
    record[2] = name
    a = banks_of(chain)[0]
    data = votes.bindings.encode_call(
        "Consortium", "proposeAdmission", [tuple(record), chain.timestamp + DAY, APPROVALS]
    )
    refused("NameLength", lambda: chain.send(a.business_address, CONSORTIUM, data), length=len(name))


def test_observers_come_and_go(chain: ConsortiumChain) -> None:
    """A regulator may send (and be sent sealed documents), has no vote, and goes by vote; no set changes."""
    regulator = newcomer(9, Role.REGULATOR)
    carry(chain, Admission(regulator))
    assert permissioning.members(chain.state)[-1] == regulator
    assert permissioning.is_registered(chain.state, Address(regulator.business_address))
    assert chain.ask("Consortium", "bankCount") == 4
    refused("NotAVoter", lambda: propose(chain, regulator.business_address, Removal(regulator.id)))
    carry(chain, Removal(regulator.id))
    assert not permissioning.is_registered(chain.state, Address(regulator.business_address))
    assert chain.ask("Consortium", "validatorSetCount") == 1


def test_deployers_come_and_go(chain: ConsortiumChain) -> None:
    """A stranger gets and loses all rights with the role; a bank's account keeps the right to send; a former member's
    gets none."""
    a, _, _, d = banks_of(chain)
    for account, kept in ((STRANGER, False), (a.business_address, True)):
        carry(chain, DeployerChange(account, True))
        assert permissioning.may_deploy(chain.state, Address(account))
        assert permissioning.is_registered(chain.state, Address(account))
        carry(chain, DeployerChange(account, False))
        assert not permissioning.may_deploy(chain.state, Address(account))
        assert permissioning.is_registered(chain.state, Address(account)) is kept
    carry(chain, DeployerChange(d.business_address, True))
    carry(chain, Removal(d.id))
    assert not permissioning.may_deploy(chain.state, Address(d.business_address))
    refused("MemberInactive", lambda: carry(chain, DeployerChange(d.business_address, True)))


# --- bounds ---------------------------------------------------------------------------------------------


def test_the_bounds_are_the_contracts(chain: ConsortiumChain) -> None:
    """The binding names the contract's own numbers; a whole table of open proposals has a place for every bank."""
    assert chain.ask("Consortium", "OPEN_PROPOSALS_OF_BANK_MAX") == votes.OPEN_PROPOSALS_OF_BANK_MAX
    assert chain.ask("Consortium", "BANKS_MAX") == votes.BANKS_MAX
    assert chain.ask("Consortium", "MEMBERS_MAX") == votes.MEMBERS_MAX
    assert chain.ask("Consortium", "PROPOSAL_SECONDS_MAX") == votes.PROPOSAL_SECONDS_MAX
    assert chain.ask("Consortium", "OPEN_PROPOSALS_MAX") == votes.OPEN_PROPOSALS_OF_BANK_MAX * votes.BANKS_MAX


def test_the_largest_vote_fits_a_transaction() -> None:
    """32 banks and 96 former or watching members, every place for proposals taken and voted for by the one that is
    removed: its removal, and the closing of all that has expired, stay within maxTxGas (P-6)."""
    chain = make_chain(32, 96)
    banks = banks_of(chain)
    leaving = banks[-1]
    for bank in banks[:-1]:
        for i in range(votes.OPEN_PROPOSALS_OF_BANK_MAX):
            identity = propose(chain, bank.business_address, DeployerChange(bank.id[:19] + bytes([i]), True))
            cast(chain, leaving.business_address, identity)
    removal = propose(chain, leaving.business_address, Removal(leaving.id), seconds=2 * DAY)
    gas = 0
    for bank in banks[: votes.votes_needed(32) - 1]:
        gas = chain.send(bank.business_address, CONSORTIUM, votes.encode_vote(removal, APPROVALS)).gas_used
    assert look(chain, removal).state is ProposalState.EXECUTED
    assert gas < 8_000_000, gas
    chain.call(CONSORTIUM, votes.encode_proposals(0, PROPOSALS_CALL_MAX))  # as much as officers read at once
    chain.pass_time(DAY + 1)
    data = votes.encode_proposal(Removal(banks[0].id), chain.timestamp + DAY, APPROVALS)
    closing = chain.send(banks[1].business_address, CONSORTIUM, data).gas_used
    assert closing < 8_000_000, closing
    assert len(votes.decode_open_proposals(chain.call(CONSORTIUM, votes.encode_open_proposals()))) == 1


def test_every_event_and_error_of_the_votes_is_decoded() -> None:
    """The artefact knows them by name: no officer reads a raw selector."""
    abi = artifacts.load("Consortium").abi
    names = {e["name"] for e in abi if e["type"] in ("event", "error")}
    assert {"ProposalExecuted", "VoteCast", "ValidatorReplaced", "NotAVoter", "ValidatorRetired"} <= names
