"""Certificates under the real curve: every seal counts, and counts for one place only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificates import (
    CommitCertificate,
    PreparedCertificate,
    is_canonical_signature,
    make_commit_certificate,
    make_prepared_certificate,
    verify_commit_certificate,
    verify_prepared_certificate,
)
from consensus.domain import Kind, seal_digest, vote_digest
from consensus.errors import InvalidCertificate, UnknownEpoch
from consensus.validators import ValidatorSchedule
from node.keys import SECP256K1_VERIFIER, PrivateKey

from .network import make_config

KEYS = sorted((PrivateKey.from_bytes(bytes([i]) * 32) for i in range(1, 6)), key=lambda k: k.address)
BLOCK = b"\x11" * 32
VIEW, HEIGHT = 3, 12
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def make_schedule(**changes: object) -> ValidatorSchedule:
    schedule = ValidatorSchedule(make_config(epoch_length=10, **changes))
    schedule.add(1, [key.address for key in KEYS])
    return schedule


SCHEDULE = make_schedule()


def seal(i: int, view: int = VIEW, height: int = HEIGHT, block: bytes = BLOCK) -> bytes:
    return KEYS[i].sign(seal_digest(SCHEDULE.domain(1), view, height, block))


def certificate(*signers: int) -> CommitCertificate:
    return make_commit_certificate(1, VIEW, HEIGHT, BLOCK, {i: seal(i) for i in signers})


def verify(found: CommitCertificate, schedule: ValidatorSchedule = SCHEDULE) -> None:
    verify_commit_certificate(found, schedule, SECP256K1_VERIFIER)


@pytest.mark.parametrize("signers", [(0, 1, 2, 3), (1, 2, 3, 4), (0, 1, 2, 3, 4)])
def test_a_quorum_of_seals_is_a_certificate(signers: tuple[int, ...]) -> None:
    """Q to n of n = 5 validators, Q = 4."""
    verify(CommitCertificate.decode(certificate(*signers).encode()))


def test_too_few_seals_prove_nothing() -> None:
    """Q - 1 = 3 = 2f + 1 of five is not enough."""
    with pytest.raises(InvalidCertificate, match="quorum"):
        verify(certificate(0, 1, 2))


@pytest.mark.parametrize("place", range(5))
def test_one_bad_seal_spoils_the_certificate(place: int) -> None:
    """Every seal is verified, those beyond the quorum too (H36)."""
    good = certificate(0, 1, 2, 3, 4)
    seals = list(good.seals)
    seals[place] = seal((place + 1) % 5)
    with pytest.raises(InvalidCertificate):
        verify(replace(good, seals=tuple(seals)))


def test_seals_of_another_view_height_block_or_chain_do_not_count() -> None:
    """A seal binds domain, view, height and block (P-9, H33); seals of two views never add up (H18)."""
    good = certificate(0, 1, 2, 3)
    other = [
        replace(good, view=VIEW + 1),
        replace(good, height=HEIGHT + 1),
        replace(good, block_hash=b"\x12" * 32),
        replace(good, seals=(*good.seals[:3], seal(3, view=VIEW + 1))),
    ]
    for found in other:
        with pytest.raises(InvalidCertificate):
            verify(found)
    with pytest.raises(InvalidCertificate):
        verify(good, make_schedule(chain_id=8))
    with pytest.raises(InvalidCertificate):
        verify(replace(good, epoch=2))
    with pytest.raises(UnknownEpoch):
        verify(replace(good, epoch=2, height=20))


def test_bits_outside_the_set_and_missing_seals_are_refused() -> None:
    """The bitmap and the seals must fit each other and the set."""
    good = certificate(0, 1, 2, 3)
    for found in (
        replace(good, bitmap=good.bitmap | 1 << 5, seals=(*good.seals, good.seals[0])),
        replace(good, seals=good.seals[:3]),
        replace(good, seals=(good.seals[1], good.seals[0], *good.seals[2:])),
    ):
        with pytest.raises(InvalidCertificate):
            verify(found)


def test_a_malleable_seal_is_refused() -> None:
    """High s, v above 1 and zero r are not canonical (P-10, H34)."""
    good = seal(0)
    s = int.from_bytes(good[32:64], "big")
    high = good[:32] + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([good[64] ^ 1])
    assert is_canonical_signature(good)
    for bad in (high, good[:64] + b"\x1b", bytes(32) + good[32:], good[:64], good + b"\0"):
        assert not is_canonical_signature(bad)
    with pytest.raises(InvalidCertificate):
        verify(make_commit_certificate(1, VIEW, HEIGHT, BLOCK, {0: high, 1: seal(1), 2: seal(2), 3: seal(3)}))


def prepared(*backups: int, leader: int = 4) -> PreparedCertificate:
    domain = SCHEDULE.domain(1)
    first = KEYS[leader].sign(vote_digest(domain, Kind.PRE_PREPARE, VIEW, HEIGHT, BLOCK))
    votes = {i: KEYS[i].sign(vote_digest(domain, Kind.PREPARE, VIEW, HEIGHT, BLOCK)) for i in backups}
    return make_prepared_certificate(1, VIEW, HEIGHT, BLOCK, first, votes)


def test_a_prepared_certificate_needs_the_primary_and_enough_backups() -> None:
    """Primary of (epoch 1, view 3) of five is 4; its own PREPARE never counts (H9)."""
    verify_prepared_certificate(prepared(0, 1, 2), SCHEDULE, SECP256K1_VERIFIER)
    for bad in (
        prepared(0, 1),
        prepared(0, 1, 4),
        prepared(0, 1, 2, 4),
        prepared(0, 1, 2, leader=3),
        replace(prepared(0, 1, 2), view=VIEW + 1),
        replace(prepared(0, 1, 2), block_hash=b"\x12" * 32),
    ):
        with pytest.raises(InvalidCertificate):
            verify_prepared_certificate(bad, SCHEDULE, SECP256K1_VERIFIER)


def test_a_commit_is_no_prepare() -> None:
    """The kind is part of the digest: one vote never passes for another (H33)."""
    good = prepared(0, 1, 2)
    with pytest.raises(InvalidCertificate):
        verify_prepared_certificate(replace(good, prepares=(seal(0), *good.prepares[1:])), SCHEDULE, SECP256K1_VERIFIER)
