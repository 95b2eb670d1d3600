"""Quorums, primaries and validator sets."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.errors import ImpossibleState, UnknownEpoch
from consensus.validators import (
    EPOCHS_KEPT,
    ValidatorSchedule,
    check_validator_set,
    committed_quorum,
    epoch_of,
    max_faulty,
    prepared_quorum,
    primary,
    quorum_size,
    validator_set_hash,
    weak_quorum_size,
)

from .network import address, make_config


@pytest.mark.parametrize("n", range(1, 101))
def test_quorums_intersect_in_an_honest_validator_and_are_reachable(n: int) -> None:
    """Any two quorums share more than f validators, and n - f suffice for one (H1)."""
    f, q = max_faulty(n), quorum_size(n)
    assert 2 * q - n > f
    assert q <= n - f
    assert q == -(-(n + f + 1) // 2)
    assert weak_quorum_size(n) == f + 1
    assert prepared_quorum(n) == q - 1
    assert committed_quorum(n) == q


def test_five_validators_need_four() -> None:
    """2f + 1 = 3 of 5 would let two quorums share one faulty validator (IBFT-1's error)."""
    assert [quorum_size(n) for n in range(1, 11)] == [1, 2, 2, 3, 4, 4, 5, 6, 6, 7]


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 50))
def test_every_validator_leads_in_turn(epoch: int, view: int, n: int) -> None:
    """n successive views, and n successive epochs, have n different primaries (P-13)."""
    members = [address(i) for i in range(n)]
    assert {primary(epoch, view + i, members) for i in range(n)} == set(members)
    assert {primary(epoch + i, view, members) for i in range(n)} == set(members)


def test_the_set_hash_is_the_documented_one() -> None:
    """P-12: SHA-256 of the tag, the epoch and the addresses."""
    members = (address(0), address(1))
    expected = hashlib.sha256(b"praya/validators/1" + (5).to_bytes(8, "big") + b"".join(members)).digest()
    assert validator_set_hash(5, members) == expected
    assert validator_set_hash(6, members) != expected


@pytest.mark.parametrize(
    "members", [(), (address(1), address(0)), (address(0), address(0)), (b"short",), (bytes(20),) * 2]
)
def test_a_bad_set_is_impossible(members: tuple[bytes, ...]) -> None:
    """P-12: never empty, ascending, without duplicates."""
    with pytest.raises(ImpossibleState):
        check_validator_set(members)


def test_the_schedule_knows_recent_epochs_only() -> None:
    """Sets are kept for a few epochs; an unknown one is an error of its own, two sets for one are impossible."""
    schedule = ValidatorSchedule(make_config(epoch_length=10))
    for epoch in range(8):
        schedule.add(epoch, [address(epoch), address(epoch + 1)])
    assert schedule.latest() == 7
    assert [e for e in range(9) if schedule.knows(e)] == list(range(8 - EPOCHS_KEPT, 8))
    assert schedule.index(7, address(8)) == 1
    assert schedule.index(7, address(0)) is None
    with pytest.raises(UnknownEpoch):
        schedule.domain(0)
    with pytest.raises(ImpossibleState):
        schedule.add(7, [address(1)])
    assert len({schedule.domain(e) for e in range(4, 8)}) == 4
    assert epoch_of(9, 10) == 0
    assert schedule.epoch_of(10) == 1
