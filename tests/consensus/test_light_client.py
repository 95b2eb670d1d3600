"""A light client follows exactly the committed chain."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from consensus.certificates import CommitCertificate, make_commit_certificate
from consensus.domain import seal_digest
from consensus.errors import InvalidChain
from consensus.light_client import Link, verify_header_chain
from consensus.types import HeaderView
from consensus.validators import ValidatorSchedule, validator_set_hash

from .network import GENESIS_HASH, NullSigner, NullVerifier, address, make_config

CONFIG = make_config(epoch_length=4)


def members(height: int) -> tuple[bytes, ...]:
    """S(height): another bank joins at each epoch."""
    return tuple(address(i) for i in range(4 + height // 4))


def make_chain(length: int, window: int = 1) -> list[Link]:
    schedule = ValidatorSchedule(CONFIG)
    links: list[Link] = []
    parent, hashes = GENESIS_HASH, [bytes(32)] * window
    for height in range(1, length + 1):
        epoch = height // 4
        schedule.add(epoch, members(height))
        extra = validator_set_hash((height + 1) // 4, members(height + 1))
        block_hash = hashlib.sha256(b"%d" % height + parent).digest()
        header = HeaderView(block_hash, parent, height, 100 + height, extra, hashes[-window], address(0))
        digest = seal_digest(schedule.domain(epoch), 2, height, block_hash)
        seals = {i: NullSigner(m).sign(digest) for i, m in enumerate(members(height))}
        certificate = make_commit_certificate(epoch, 2, height, block_hash, seals)
        links.append(Link(header, certificate.encode(), members(height + 1)))
        parent = block_hash
        hashes.append(certificate.hash())
    return links


GENESIS = HeaderView(GENESIS_HASH, bytes(32), 0, 100, validator_set_hash(0, members(1)), bytes(32), bytes(20))
CHAIN = make_chain(10)


def follow(links: list[Link], anchor: HeaderView = GENESIS, first: int = 1) -> int:
    return verify_header_chain(CONFIG, anchor, members(first), links, NullVerifier()).header.number


def doctor(place: int, **changes: object) -> list[Link]:
    link = CHAIN[place]
    header = replace(link.header, **{k: v for k, v in changes.items() if k in HeaderView.__slots__})
    rest = {k: v for k, v in changes.items() if k not in HeaderView.__slots__}
    return [*CHAIN[:place], replace(link, header=header, **rest), *CHAIN[place + 1 :]]


def test_the_committed_chain_is_followed_across_epochs() -> None:
    """Headers, certificates and address lists suffice, from genesis or from a pinned header."""
    assert follow(CHAIN) == 10
    assert follow(CHAIN[5:], CHAIN[4].header, 6) == 10


@pytest.mark.parametrize("window", [2, 3, 4])
def test_a_chain_of_a_wider_window_is_followed_across_changes_of_the_set(window: int) -> None:
    """P-11: the certificate of h - W, also where h - W was sealed by an earlier set; and from a pinned header on."""
    config = make_config(epoch_length=4, window=window)
    chain = make_chain(14, window)
    for first in range(13):
        anchor = chain[first - 1].header if first else GENESIS
        tip = verify_header_chain(config, anchor, members(first + 1), chain[first:], NullVerifier())
        assert tip.header == chain[-1].header
    for place in range(window, 14):
        bad = [*chain]
        bad[place] = replace(bad[place], header=replace(bad[place].header, parent_beacon_block_root=bytes(32)))
        with pytest.raises(InvalidChain) as caught:
            verify_header_chain(config, GENESIS, members(1), bad, NullVerifier())
        assert (caught.value.height, caught.value.rule) == (place + 1, "P-11")


def _fewer_seals(place: int) -> bytes:
    found = CommitCertificate.decode(CHAIN[place].certificate)
    return replace(found, bitmap=0b11, seals=found.seals[:2]).encode()


def _other_canonical(place: int) -> bytes:
    found = CommitCertificate.decode(CHAIN[place].certificate)
    return replace(found, bitmap=found.bitmap & ~1, seals=found.seals[1:]).encode()


@pytest.mark.parametrize(
    ("height", "rule", "links"),
    [
        (3, "P-1", [*CHAIN[:2], *CHAIN[3:]]),
        (3, "P-1", doctor(2, parent_hash=bytes(32))),
        (3, "P-4", doctor(2, timestamp=1)),
        (3, "P-5", doctor(2, coinbase=address(9))),
        (3, "P-10", doctor(2, certificate=_fewer_seals(2))),
        (3, "P-10", doctor(2, certificate=CHAIN[1].certificate)),
        (3, "P-10", doctor(2, certificate=b"")),
        (3, "P-10", doctor(2, hash=bytes(32))),
        (4, "P-11", doctor(2, certificate=_other_canonical(2))),
        (3, "P-11", doctor(2, parent_beacon_block_root=bytes(32))),
        (3, "P-12", doctor(2, extra_data=bytes(32))),
        (2, "P-12", doctor(1, next_validators=members(9))),
        (3, "P-12", doctor(2, next_validators=members(3))),
        (3, "P-12", doctor(2, next_validators=())),
    ],
)
def test_each_broken_rule_is_named(height: int, rule: str, links: list[Link]) -> None:
    """The first bad height and the rule that finds it."""
    with pytest.raises(InvalidChain) as caught:
        follow(links)
    assert (caught.value.height, caught.value.rule) == (height, rule)


def test_another_genesis_is_refused() -> None:
    """The anchor is pinned, never taken from the source."""
    with pytest.raises(InvalidChain):
        follow(CHAIN, replace(GENESIS, hash=bytes(32)))
    with pytest.raises(InvalidChain):
        verify_header_chain(CONFIG, GENESIS, members(8), CHAIN, NullVerifier())
