"""The consortium's register: what genesis puts in, who may act, and the validator set of every height."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import artifacts, bindings, consortium
from contracts.addresses import CONSORTIUM, GENESIS_SENDER
from contracts.consortium import Member, Role
from node.errors import ConfigError
from node.execution.genesis_alloc import build_alloc
from node.types import Address
from tests.contracts.consortium_chain import (
    CONTRACTS,
    ConsortiumChain,
    Refused,
    bank_key,
    sample_member,
    sample_spec,
)

OWN_CONTRACTS = (
    "Consortium",
    "DocumentRegistry",
    "FinancingRegistry",
    "InvoiceFinancing",
    "InvoiceFinancingFactory",
)


@pytest.fixture(scope="module")
def chain() -> ConsortiumChain:
    """Four banks and an auditor."""
    return ConsortiumChain(sample_spec())


def test_the_binding_layout_is_the_compilers() -> None:
    """Every slot constant of the binding is the slot that the compiler gave the variable."""
    slots = {
        "epochLength": consortium.SLOT_PARAMETERS,
        "activationDelay": consortium.SLOT_PARAMETERS,
        "bankCount": consortium.SLOT_PARAMETERS,
        "_memberIds": consortium.SLOT_MEMBER_IDS,
        "_members": consortium.SLOT_MEMBERS,
        "_memberByBusinessAccount": consortium.SLOT_MEMBER_BY_BUSINESS_ACCOUNT,
        "_memberByValidator": consortium.SLOT_MEMBER_BY_VALIDATOR,
        "_roles": consortium.SLOT_ROLES,
        "_validatorSets": consortium.SLOT_VALIDATOR_SETS,
    }
    layout = artifacts.load("Consortium").storage_layout
    found = {e["label"]: int(e["slot"]) for e in layout["storage"]}
    assert {label: slot for label, slot in found.items() if slot < consortium.REGISTER_SLOTS} == slots
    assert found.keys() - slots.keys() == {"_proposals", "_proposalIds", "_open", "_voted", "_openOf"}
    offsets = {e["label"]: (int(e["slot"]), e["offset"]) for e in _struct(layout, "Member")}
    assert offsets == {
        "name": (consortium.MEMBER_NAME, 0),
        "businessAccount": (consortium.MEMBER_ACCOUNT, 0),
        "kind": (consortium.MEMBER_ACCOUNT, 20),
        "active": (consortium.MEMBER_ACCOUNT, 21),
        "validator": (consortium.MEMBER_VALIDATOR, 0),
        "bic": (consortium.MEMBER_VALIDATOR, 20),
        "lei": (consortium.MEMBER_LEI, 0),
        "place": (consortium.MEMBER_PLACE, 0),
        "encryptionKey": (consortium.MEMBER_ENCRYPTION_KEY, 0),
    }
    assert len(_struct(layout, "ValidatorSet")) == consortium.VALIDATOR_SET_WORDS


def _struct(layout: dict, name: str) -> list[dict]:  # type: ignore[type-arg]
    (found,) = [t for t in layout["types"].values() if t["label"] == f"struct {name}"]
    return list(found["members"])


@pytest.mark.parametrize("name", OWN_CONTRACTS)
def test_code_fits_and_needs_no_constructor(name: str) -> None:
    """Runtime code goes into genesis as it is: within EIP-170, without immutables or constructor arguments."""
    artifact = artifacts.load(name)
    assert 0 < len(artifact.runtime_code) <= 24_576
    assert all(entry["type"] != "constructor" for entry in artifact.abi)


def test_members_are_found_by_each_of_their_names(chain: ConsortiumChain) -> None:
    """What genesis said of a member is what the contract answers."""
    for member in chain.spec.members:
        found = consortium.decode_member(member.id, chain.call(CONSORTIUM, consortium.encode_member(member.id)))
        assert found == member
        assert chain.ask("Consortium", "memberOf", member.business_address) == member.id
        assert chain.ask("Consortium", "isBank", member.id) is (member.role is Role.BANK)
        assert chain.ask("Consortium", "businessAccountOf", member.id) == member.business_address
    assert chain.ask("Consortium", "memberCount") == 5
    assert chain.ask("Consortium", "bankCount") == 4


def test_members_send_and_developers_deploy(chain: ConsortiumChain) -> None:
    """Business accounts may send; developers may send and deploy; validators and strangers neither (P-6)."""
    developer, bank = chain.spec.developers[0], chain.spec.members[0]
    rights = {
        developer: (True, True),
        bank.business_address: (True, False),
        chain.spec.members[4].business_address: (True, False),
        bank.validator_address: (False, False),
        bytes(20): (False, False),
    }
    for account, expected in rights.items():
        found = chain.ask("Consortium", "isRegistered", account), chain.ask("Consortium", "mayDeploy", account)
        assert found == expected


@pytest.mark.parametrize(("banks", "f", "q"), [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (7, 2, 5), (10, 3, 7)])
def test_fault_tolerance_and_quorum(banks: int, f: int, q: int) -> None:
    """f = (n - 1) // 3 and Q = ceil((n + f + 1) / 2)."""
    chain = ConsortiumChain(sample_spec(banks, 0))
    assert chain.ask("Consortium", "validatorCount") == banks
    assert chain.ask("Consortium", "faultTolerance") == f
    assert chain.ask("Consortium", "quorum") == q


def test_validators_stand_in_ascending_order_at_every_height(chain: ConsortiumChain) -> None:
    """The founding set holds from height 0 until a change is scheduled (P-12)."""
    expected = tuple(sorted(m.validator_address for m in chain.spec.members if m.validator_address))
    for height in (0, 1, 99, 100, 2**64):
        assert consortium.decode_validators(chain.call(CONSORTIUM, consortium.encode_validators_at(height))) == expected


@pytest.mark.parametrize(("executed", "enters"), [(0, 100), (89, 100), (90, 100), (91, 200), (190, 200), (191, 300)])
def test_a_change_enters_at_the_first_edge_after_the_delay(chain: ConsortiumChain, executed: int, enters: int) -> None:
    """L = 100, D = 10: the first multiple of L that is >= h + D, in contract and binding (P-12)."""
    assert chain.ask("Consortium", "activationHeightOf", executed) == enters
    assert consortium.activation_height(executed, 100, 10) == enters


def test_only_genesis_initialises_and_only_once(chain: ConsortiumChain) -> None:
    """On a living chain nobody can fill the register again, not even in the genesis sender's name."""
    data = consortium.encode_initialize(100, 10, chain.spec.members, ())
    with pytest.raises(Refused, match="NotGenesis"):
        chain.send(bank_key(0).address, CONSORTIUM, data)
    with pytest.raises(Refused, match="InvalidInitialization"):
        chain.send(GENESIS_SENDER, CONSORTIUM, data)


BANK = sample_member(0)
OTHER = sample_member(1)


@pytest.mark.parametrize(
    ("members", "developers", "error"),
    [
        ((), (), "ValidatorSetEmpty"),
        ((sample_member(0, Role.AUDITOR),), (), "ValidatorSetEmpty"),
        ((BANK, replace(OTHER, id=BANK.id)), (), "MemberIdTaken"),
        ((replace(BANK, id=bytes(32)),), (), "MemberIdZero"),
        ((BANK, replace(OTHER, business_address=BANK.business_address)), (), "AddressTaken"),
        ((BANK, replace(OTHER, validator_address=BANK.validator_address)), (), "AddressTaken"),
        ((replace(BANK, validator_address=BANK.business_address),), (), "AddressTaken"),
        ((BANK, replace(OTHER, business_address=BANK.validator_address)), (), "AddressTaken"),
        ((replace(BANK, business_address=bytes(20)),), (), "AddressZero"),
        ((replace(BANK, validator_address=None),), (), "ValidatorSetEmpty"),
        (tuple(sample_member(i) for i in range(33)), (), "TooManyBanks"),
        (tuple(sample_member(i, Role.AUDITOR) for i in range(129)), (), "TooManyMembers"),
        ((BANK, replace(OTHER, role=Role.REGULATOR)), (), "ValidatorMismatch"),
        ((BANK,), (BANK.business_address,), "AddressTaken"),
        ((BANK,), (BANK.validator_address,), "AddressTaken"),
        ((BANK,), (b"\x11" * 20, b"\x11" * 20), "AddressTaken"),
        ((BANK,), (bytes(20),), "AddressZero"),
        ((replace(BANK, bic="SHORT"),), (), "bic"),
        ((replace(BANK, name=""),), (), "name"),
    ],
)
def test_a_false_founding_is_refused_by_name(
    members: tuple[Member, ...], developers: tuple[bytes, ...], error: str
) -> None:
    """No shared keys, no validator without a bank, no consortium without a validator, none beyond its stated size."""
    spec = replace(sample_spec(), members=members, developers=tuple(Address(d) for d in developers))
    with pytest.raises(ConfigError, match=error):
        build_alloc(spec, CONTRACTS)


@pytest.mark.parametrize(("length", "delay", "error"), [(0, 10, "EpochLengthZero"), (100, 0, "ActivationDelayZero")])
def test_epoch_parameters_are_positive(length: int, delay: int, error: str) -> None:
    """L and D are at least 1."""
    spec = replace(sample_spec(), epoch_length=length, activation_delay=delay)
    with pytest.raises(ConfigError, match=error):
        build_alloc(spec, CONTRACTS)


def test_an_error_means_the_same_in_every_contract() -> None:
    """A revert that passes through several contracts is decoded once: equal selectors name equal arguments."""
    meanings: dict[str, set[tuple[str, ...]]] = {}
    for name in artifacts.names():
        for entry in artifacts.load(name).abi:
            if entry["type"] == "error":
                names = tuple(p["name"] for p in entry["inputs"])
                meanings.setdefault(bindings.signature(entry), set()).add(names)
    assert {signature: found for signature, found in meanings.items() if len(found) > 1} == {}
