"""Random votes of all banks, lawful and unlawful, against a model of the rules in Python: same verdicts, same register,
same sets at every height."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts import consortium
from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium_votes import Admission, Change, DeployerChange, Removal, ValidatorChange
from node import permissioning
from node.types import Address
from tests.contracts.consortium_chain import (
    APPROVALS,
    ConsortiumChain,
    Refused,
    events_of,
    sample_member,
    sample_spec,
)

L, D = 5, 2
KEYS = tuple(bytes([0xA0 + i]) * 20 for i in range(6))
"""Validator keys that the banks draw from, so that they collide."""
POOL = tuple(sample_member(i) for i in range(7))
"""The banks that there are in the world; some of them found the consortium."""
HEIGHTS_SHOWN = 4 * L


class Illegal(Exception):
    """The model refuses."""


@dataclass
class ModelProposal:
    """A proposal as the model sees it."""

    change: Change
    proposer: int
    expires_at: int
    voters: set[int] = field(default_factory=set)
    state: str = "open"


@dataclass
class Model:
    """The rules of IConsortiumVotes, written once more; banks by their number in POOL."""

    validators: dict[int, bytes | None]
    """Of active banks."""
    known: set[int] = field(default_factory=set)
    used_keys: set[bytes] = field(default_factory=set)
    deployers: set[bytes] = field(default_factory=set)
    sets: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    """By activation height."""

    def apply(self, change: Change, height: int) -> None:
        before = dict(self.validators)
        match change:
            case Admission(member):
                self._admit(_number(member.id), member.validator_address)
            case Removal(member_id):
                self._active(member_id)
                del self.validators[_number(member_id)]
            case ValidatorChange(member_id, key):
                bank = self._active(member_id)
                if key is None and self.validators[bank] is None:
                    raise Illegal
                self._use(key)
                self.validators[bank] = key
            case DeployerChange(account, allowed):
                if allowed == (account in self.deployers):
                    raise Illegal
                self.deployers ^= {account}
        if before != self.validators:
            standing = tuple(sorted(key for key in self.validators.values() if key))
            if not standing:
                raise Illegal
            if any(before.get(b) != self.validators.get(b) for b in before.keys() | self.validators.keys()):
                self.sets[-(-(height + D) // L) * L] = standing

    def _admit(self, bank: int, key: bytes | None) -> None:
        if bank in self.validators:
            raise Illegal
        self._use(key)
        self.validators[bank] = key
        self.known.add(bank)

    def _active(self, member_id: bytes) -> int:
        if _number(member_id) not in self.validators:
            raise Illegal
        return _number(member_id)

    def _use(self, key: bytes | None) -> None:
        if key is not None:
            if key in self.used_keys:
                raise Illegal
            self.used_keys.add(key)

    def set_at(self, height: int) -> tuple[bytes, ...]:
        return self.sets[max(h for h in self.sets if h <= height)]

    def copy(self) -> Model:
        return Model(dict(self.validators), set(self.known), set(self.used_keys), set(self.deployers), dict(self.sets))


def _number(member_id: bytes) -> int:
    return next((i for i, member in enumerate(POOL) if member.id == member_id), -1)


banks = st.integers(0, len(POOL) - 1)
keys = st.none() | st.sampled_from(KEYS)
changes = st.one_of(
    st.builds(lambda b, k: Admission(replace(POOL[b], validator_address=k)), banks, keys),
    st.builds(lambda b: Removal(POOL[b].id), banks),
    st.builds(lambda b, k: ValidatorChange(POOL[b].id, k), banks, keys),
    st.builds(lambda b, allowed: DeployerChange(bytes([0x11 + b]) * 20, allowed), banks, st.booleans()),
)


class Votes(RuleBasedStateMachine):
    """The contract on the node's engine beside the model."""

    @initialize(founders=st.integers(1, 4))
    def found(self, founders: int) -> None:
        members = tuple(replace(POOL[i], validator_address=bytes([0x80 + i]) * 20) for i in range(founders))
        spec = replace(sample_spec(), members=members, developers=(), epoch_length=L, activation_delay=D)
        self.chain = ConsortiumChain(spec)
        first = {i: member.validator_address for i, member in enumerate(members)}
        self.model = Model(first, set(first), {k for k in first.values() if k})
        self.model.sets[0] = tuple(sorted(k for k in first.values() if k))
        self.proposals: dict[bytes, ModelProposal] = {}

    @rule(bank=banks, change=changes, seconds=st.sampled_from((60, 3_600)))
    def propose(self, bank: int, change: Change, seconds: int) -> None:
        model = self.model.copy()
        expires_at = self.chain.timestamp + seconds
        proposal = ModelProposal(change, bank, expires_at)
        data = votes.encode_proposal(change, expires_at, APPROVALS)

        def expected() -> None:
            self._voter(model, bank)
            standing = [p for p in self.proposals.values() if self._live(p) and p.proposer == bank]
            if len(standing) >= votes.OPEN_PROPOSALS_OF_BANK_MAX:
                raise Illegal
            self._vote(model, proposal, bank)

        if self._same(bank, data, expected, model):
            (identity,) = [
                e.args["proposalId"] for e in events_of(self.last, "Consortium") if e.name == "ProposalSubmitted"
            ]
            for old in self.proposals.values():
                if old.state == "open" and not self._live(old):
                    old.state = "expired"
            self.proposals[identity] = proposal

    @rule(bank=banks, pick=st.integers(0, 30))
    def vote(self, bank: int, pick: int) -> None:
        self._act(bank, pick, votes.encode_vote, self._vote)

    @rule(bank=banks, pick=st.integers(0, 30))
    def withdraw(self, bank: int, pick: int) -> None:
        def take_back(_model: Model, proposal: ModelProposal, by: int) -> None:
            if by not in proposal.voters:
                raise Illegal
            self._take_back(proposal, by)

        self._act(bank, pick, votes.encode_withdraw, take_back)

    @rule(bank=banks, pick=st.integers(0, 30))
    def execute(self, bank: int, pick: int) -> None:
        def carry(model: Model, proposal: ModelProposal, _by: int) -> None:
            if len(proposal.voters) < votes.votes_needed(len(model.validators)):
                raise Illegal
            self._execute(model, proposal)

        self._act(bank, pick, votes.encode_execute, carry)

    @rule(seconds=st.sampled_from((30, 61, 4_000)))
    def time_passes(self, seconds: int) -> None:
        self.chain.pass_time(seconds)

    @rule(blocks=st.integers(1, 2 * L))
    def blocks_pass(self, blocks: int) -> None:
        self.chain.number += blocks

    @invariant()
    def the_register_is_the_models(self) -> None:
        state = self.chain.state
        found = {_number(m.id): m for m in permissioning.members(state)}
        assert found.keys() == self.model.known
        active = {i: m.validator_address for i, m in found.items() if m.active}
        assert active == self.model.validators
        for i, bank in found.items():
            assert permissioning.is_registered(state, Address(bank.business_address)) is (i in active)
        for i in range(len(POOL)):
            account = bytes([0x11 + i]) * 20
            assert permissioning.may_deploy(state, Address(account)) is (account in self.model.deployers)

    @invariant()
    def the_sets_are_the_models(self) -> None:
        head = self.chain.number
        for height in (0, head, *range(head // L * L, head + HEIGHTS_SHOWN, L)):
            expected = self.model.set_at(height)
            assert permissioning.validators_at(self.chain.state, height) == expected
            assert expected
            assert len(set(expected)) == len(expected)
        asked = consortium.decode_validators(self.chain.call(CONSORTIUM, consortium.encode_validators_at(head)))
        assert asked == self.model.set_at(head)

    @invariant()
    def the_proposals_are_the_models(self) -> None:
        count = len(self.proposals)
        listed = votes.decode_proposals(self.chain.call(CONSORTIUM, votes.encode_proposals(0, count + 1)))
        assert [p.id for p in listed] == list(self.proposals)
        for found in listed:
            proposal = self.proposals[found.id]
            state = proposal.state if proposal.state != "open" or self._live(proposal) else "expired"
            assert found.state.name.lower() == state
            assert found.change == proposal.change
            assert {_number(v) for v in found.voters} == proposal.voters
        standing = votes.decode_open_proposals(self.chain.call(CONSORTIUM, votes.encode_open_proposals()))
        assert set(standing) == {i for i, p in self.proposals.items() if p.state == "open"}

    # --- inside ---------------------------------------------------------------------------------------

    def _act(
        self,
        bank: int,
        pick: int,
        encode: Callable[[bytes, bytes], bytes],
        rule_of: Callable[[Model, ModelProposal, int], None],
    ) -> None:
        if not self.proposals:
            return
        identity = list(self.proposals)[pick % len(self.proposals)]
        model, proposal = self.model.copy(), self.proposals[identity]
        kept = {i: (set(p.voters), p.state) for i, p in self.proposals.items()}

        def expected() -> None:
            self._voter(model, bank)
            if not self._live(proposal):
                raise Illegal
            rule_of(model, proposal, bank)

        if not self._same(bank, encode(identity, APPROVALS), expected, model):
            for i, (voters, state) in kept.items():
                self.proposals[i].voters, self.proposals[i].state = voters, state

    def _same(self, bank: int, data: bytes, expected: Callable[[], None], model: Model) -> bool:
        """Contract and model judge alike; True where both took the act."""
        try:
            expected()
            lawful = True
        except Illegal:
            lawful = False
        try:
            self.last = self.chain.send(POOL[bank].business_address, CONSORTIUM, data)
            taken, reason = True, ""
        except Refused as refusal:
            taken, reason = False, str(refusal)
        assert taken is lawful, reason
        if lawful:
            self.model = model
        return lawful

    def _live(self, proposal: ModelProposal) -> bool:
        return proposal.state == "open" and self.chain.timestamp <= proposal.expires_at

    @staticmethod
    def _voter(model: Model, bank: int) -> None:
        if bank not in model.validators:
            raise Illegal

    def _vote(self, model: Model, proposal: ModelProposal, bank: int) -> None:
        if bank in proposal.voters:
            raise Illegal
        proposal.voters.add(bank)
        if len(proposal.voters) >= votes.votes_needed(len(model.validators)):
            self._execute(model, proposal)

    def _execute(self, model: Model, proposal: ModelProposal) -> None:
        model.apply(proposal.change, self.chain.number)
        proposal.state = "executed"
        if isinstance(proposal.change, Removal):
            for other in self.proposals.values():
                leaving = _number(proposal.change.member_id)
                if other.state == "open" and leaving in other.voters:
                    self._take_back(other, leaving)

    @staticmethod
    def _take_back(proposal: ModelProposal, bank: int) -> None:
        proposal.voters.discard(bank)
        if not proposal.voters:
            proposal.state = "withdrawn"


TestVotes = Votes.TestCase
TestVotes.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
