"""The permissioning readers answer what the Consortium contract answers, for any register."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import consortium
from contracts.addresses import CONSORTIUM
from contracts.consortium import Member, Role
from node import permissioning
from node.errors import DataError
from node.execution.genesis_alloc import AllocReader
from node.keys import keccak256
from node.types import Address
from tests.contracts.consortium_chain import ConsortiumChain, sample_spec, with_storage

PLACES = ("HKHKG", "GBLON", "CNSHA")


@st.composite
def registers(draw: st.DrawFn) -> tuple[Member, ...]:
    """One to seven members with at least one bank, unique keys and texts of every length."""
    roles = [Role.BANK, *draw(st.lists(st.sampled_from(Role), max_size=6))]
    keys = draw(st.lists(st.binary(min_size=20, max_size=20).filter(any), min_size=14, max_size=14, unique=True))
    members = []
    for i, role in enumerate(draw(st.permutations(roles))):
        members.append(
            Member(
                id=keccak256(keys[i]),
                name=draw(st.text(min_size=1, max_size=35).filter(lambda t: len(t.encode()) <= 140)),
                bic=draw(st.from_regex(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", fullmatch=True)),
                lei=draw(st.from_regex(r"([A-Z0-9]{20})?", fullmatch=True)),
                role=role,
                place=draw(st.sampled_from(PLACES)),
                business_address=keys[i],
                validator_address=keys[7 + i] if role is Role.BANK else None,
                encryption_key=draw(st.binary(min_size=32, max_size=32)),
            )
        )
    return tuple(members)


def _compare(chain: ConsortiumChain, accounts: list[bytes], heights: list[int]) -> None:
    state = chain.state
    for raw in accounts:
        account = Address(raw)
        assert permissioning.is_registered(state, account) is chain.ask("Consortium", "isRegistered", raw)
        assert permissioning.may_deploy(state, account) is chain.ask("Consortium", "mayDeploy", raw)
        for reader, function in (
            (permissioning.member_by_address, "memberOf"),
            (permissioning.member_by_validator, "memberOfValidator"),
        ):
            found = reader(state, account)
            assert (found.id if found else bytes(32)) == chain.ask("Consortium", function, raw)
    for height in heights:
        answer = chain.call(CONSORTIUM, consortium.encode_validators_at(height))
        assert permissioning.validators_at(state, height) == consortium.decode_validators(answer)
    asked = (chain.ask("Consortium", "epochLength"), chain.ask("Consortium", "activationDelay"))
    assert permissioning.consortium_parameters(state) == asked
    count = chain.ask("Consortium", "memberCount")
    assert isinstance(count, int)
    ids = [chain.ask("Consortium", "memberIdAt", i) for i in range(count)]
    asked_members = [
        consortium.decode_member(i, chain.call(CONSORTIUM, consortium.encode_member(i)))
        for i in ids
        if isinstance(i, bytes)
    ]
    assert permissioning.members(state) == asked_members
    assert [permissioning.member_by_id(state, m.id) for m in asked_members] == asked_members


@settings(max_examples=15, deadline=None)
@given(
    members=registers(),
    developers=st.lists(st.binary(min_size=20, max_size=20).filter(any), max_size=3, unique=True),
    length=st.integers(1, 2**64 - 1),
    delay=st.integers(1, 2**64 - 1),
)
def test_readers_equal_the_contract_for_random_registers(
    members: tuple[Member, ...], developers: list[bytes], length: int, delay: int
) -> None:
    """Members, rights, parameters and the founding set, read from storage and asked by eth_call, are the same."""
    taken = {m.business_address for m in members} | {m.validator_address for m in members}
    free = [d for d in developers if d not in taken]
    spec = replace(
        sample_spec(),
        members=members,
        developers=tuple(Address(d) for d in free),
        epoch_length=length,
        activation_delay=delay,
    )
    chain = ConsortiumChain(spec)
    accounts = [a for m in members for a in (m.business_address, m.validator_address) if a]
    _compare(chain, [*accounts, *free, b"\x42" * 20], [0, 1, length])
    assert permissioning.members(chain.state) == list(members)


@settings(max_examples=15, deadline=None)
@given(
    history=st.lists(
        st.tuples(
            st.integers(1, 500),
            st.lists(st.binary(min_size=20, max_size=20).filter(any), min_size=1, max_size=6, unique=True),
        ),
        min_size=1,
        max_size=5,
    ),
    data=st.data(),
)
def test_validators_at_equals_the_contract_for_random_histories(
    history: list[tuple[int, list[bytes]]], data: st.DataObject
) -> None:
    """With several sets in the history, each height has the set that was last to enter by then (P-12)."""
    chain = ConsortiumChain(sample_spec())
    words = {consortium.SLOT_VALIDATOR_SETS: 1 + len(history)}
    base = consortium.array_slot(consortium.SLOT_VALIDATOR_SETS, keccak256)
    activation = 0
    edges = [0]
    for index, (epochs, addresses) in enumerate(history, start=1):
        activation += 100 * epochs
        edges.append(activation)
        slot = base + consortium.VALIDATOR_SET_WORDS * index
        words[slot] = activation
        words[slot + 1] = len(addresses)
        first = consortium.array_slot(slot + 1, keccak256)
        words |= {first + i: int.from_bytes(a, "big") for i, a in enumerate(sorted(addresses))}
    register = Address(CONSORTIUM)
    chain.alloc[register] = with_storage(chain.alloc[register], words)
    heights = [h for e in edges for h in (max(0, e - 1), e, e + 1)]
    heights.append(data.draw(st.integers(0, activation + 1_000)))
    _compare(chain, [], heights)
    assert permissioning.validators_at(chain.state, activation) == tuple(sorted(history[-1][1]))


def test_a_state_without_a_consortium_has_no_validators() -> None:
    """Readers never invent a set; a foreign state is refused by name."""
    empty = AllocReader({})
    assert permissioning.members(empty) == []
    assert permissioning.member_by_address(empty, Address(b"\x01" * 20)) is None
    assert not permissioning.is_registered(empty, Address(b"\x01" * 20))
    with pytest.raises(DataError, match="no validator set"):
        permissioning.validators_at(empty, 1)
