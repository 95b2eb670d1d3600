"""choose_new_view: what a quorum's reports demand of the next view."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import view_change
from consensus.certificates import (
    CommitCertificate,
    PreparedCertificate,
    make_commit_certificate,
    make_prepared_certificate,
)
from consensus.codec import encode_body
from consensus.domain import Kind, body_digest, seal_digest, vote_digest
from consensus.errors import ImpossibleState, InvalidMessage
from consensus.messages import NewView, Reproposal, ViewChange
from consensus.types import Received
from consensus.validators import ValidatorSchedule, primary_index

from .network import Network, NullSigner, NullVerifier, address, make_config

N = 4
SCHEDULE = ValidatorSchedule(make_config())
SCHEDULE.add(0, [address(i) for i in range(N)])
DOMAIN = SCHEDULE.domain(0)
VERIFIER = NullVerifier()


def block(name: int) -> bytes:
    return name.to_bytes(4, "big") * 8


def commit_certificate(height: int, view: int = 0) -> CommitCertificate:
    digest = seal_digest(DOMAIN, view, height, block(height))
    seals = {i: NullSigner(address(i)).sign(digest) for i in range(3)}
    return make_commit_certificate(0, view, height, block(height), seals)


def prepared(view: int, height: int, name: int) -> PreparedCertificate:
    leader = primary_index(0, view, N)
    first = NullSigner(address(leader)).sign(vote_digest(DOMAIN, Kind.PRE_PREPARE, view, height, block(name)))
    digest = vote_digest(DOMAIN, Kind.PREPARE, view, height, block(name))
    backups = [i for i in range(N) if i != leader][:2]
    votes = {i: NullSigner(address(i)).sign(digest) for i in backups}
    return make_prepared_certificate(0, view, height, block(name), first, votes)


def change(sender: int, base: int, found: tuple[PreparedCertificate, ...] = (), view: int = 9) -> ViewChange:
    certificate = commit_certificate(base) if base else None
    message = ViewChange(0, view, base, certificate, found, sender, b"")
    digest = body_digest(DOMAIN, Kind.VIEW_CHANGE, encode_body(message))
    return replace(message, signature=NullSigner(address(sender)).sign(digest))


def new_view(changes: list[ViewChange], entries: list[tuple[int, int]], view: int = 9) -> NewView:
    signer = NullSigner(address(primary_index(0, view, N)))
    items = tuple(
        Reproposal(h, block(b), signer.sign(vote_digest(DOMAIN, Kind.PRE_PREPARE, view, h, block(b))))
        for h, b in entries
    )
    return NewView(0, view, tuple(changes), items, primary_index(0, view, N), b"")


def test_the_highest_view_wins_and_the_highest_base_counts() -> None:
    """The prepared block of the highest view above the highest base is re-proposed (PBFT §4.4)."""
    changes = [
        change(0, 3, (prepared(1, 4, 41),)),
        change(1, 3, (prepared(5, 4, 42),)),
        change(2, 3, (prepared(2, 4, 41),)),
    ]
    assert view_change.choose_new_view(changes).entries == ((4, block(42)),)
    later = [*changes[:2], change(2, 4)]
    choice = view_change.choose_new_view(later)
    assert (choice.base_height, choice.entries) == (4, ())
    assert choice.base_certificate == commit_certificate(4)


def test_the_order_of_reports_does_not_matter() -> None:
    """Every replica computes the same from the same set."""
    changes = [
        change(0, 0),
        change(1, 3, (prepared(5, 4, 42),)),
        change(2, 3, (prepared(2, 4, 41),)),
        change(3, 2, (prepared(7, 3, 3),)),
    ]
    expected = view_change.choose_new_view(changes)
    for seed in range(20):
        shuffled = changes[:]
        random.Random(seed).shuffle(shuffled)
        assert view_change.choose_new_view(shuffled) == expected


def test_two_blocks_prepared_in_one_view_stop_everything() -> None:
    """That takes more than f faulty validators: halt, rather than choose."""
    with pytest.raises(ImpossibleState):
        view_change.choose_new_view([change(0, 3, (prepared(5, 4, 1),)), change(1, 3, (prepared(5, 4, 2),))])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_decided_block_survives_every_quorum(data: st.DataObject) -> None:
    """A quorum prepared d in view v; whoever was faulty may report anything valid of lower views. Any Q view changes
    choose d."""
    decided_view = data.draw(st.integers(1, 6))
    preparers = data.draw(st.sets(st.integers(0, N - 1), min_size=3, max_size=4))
    faulty = data.draw(st.integers(0, N - 1))
    changes = []
    for sender in range(N):
        lower = data.draw(st.integers(0, decided_view - 1))
        old = (prepared(lower, 4, 50 + lower),) if data.draw(st.booleans()) else ()
        own = (prepared(decided_view, 4, 40),) if sender in preparers else old
        changes.append(change(sender, 3, old if sender == faulty else own))
    quorum = data.draw(st.permutations(changes))[:3]
    assert view_change.choose_new_view(quorum).entries == ((4, block(40)),)


def test_each_view_change_is_judged_alone() -> None:
    """What does not prove its claim is refused whole (H12 to H15)."""
    good = change(0, 3, (prepared(5, 4, 42),))
    view_change.check_view_change(good, SCHEDULE, VERIFIER)
    certificate = prepared(5, 4, 42)
    bad = [
        replace(good, base_certificate=None),
        replace(good, base_height=2),
        replace(good, base_certificate=commit_certificate(2)),
        replace(good, prepared=(prepared(5, 5, 42),)),
        replace(good, prepared=(prepared(9, 4, 42),)),
        replace(good, prepared=(prepared(5, 4, 42), prepared(5, 5, 42))),
        replace(good, prepared=(replace(certificate, prepares=(), bitmap=0),)),
        replace(good, prepared=(replace(certificate, pre_prepare=bytes(65)),)),
        replace(good, view=0, prepared=()),
        replace(good, epoch=1),
    ]
    for message in bad:
        with pytest.raises(InvalidMessage):
            view_change.check_view_change(message, SCHEDULE, VERIFIER)


def test_a_new_view_must_follow_from_its_quorum() -> None:
    """V of Q distinct, signed view changes to this view; O exactly what they demand (H10, H15, M11, M12)."""
    changes = [change(i, 3, (prepared(5, 4, 42),) if i == 1 else ()) for i in range(3)]
    good = new_view(changes, [(4, 42)])
    view_change.check_new_view(good, SCHEDULE, VERIFIER)
    assert view_change.follows(good)
    for entries in ([], [(4, 41)], [(4, 42), (5, 1)]):
        assert not view_change.follows(new_view(changes, entries))
    bad = [
        new_view(changes[:2], [(4, 42)]),
        new_view([*changes[:2], changes[1]], [(4, 42)]),
        new_view([*changes[:2], change(2, 3, view=8)], [(4, 42)]),
        new_view([*changes[:2], replace(changes[2], signature=changes[1].signature)], [(4, 42)]),
        new_view([*changes[:2], replace(changes[2], sender=200)], [(4, 42)]),
        replace(good, sender=2),
        replace(good, reproposals=(replace(good.reproposals[0], signature=bytes(65)),)),
    ]
    for message in bad:
        with pytest.raises(InvalidMessage):
            view_change.check_new_view(message, SCHEDULE, VERIFIER)


def test_a_view_change_belongs_to_the_epoch_of_the_block_after_its_base() -> None:
    """P-13: a promise made at an epoch's last block is the next epoch's; under the old number it counts for nobody."""
    length = SCHEDULE.config.epoch_length
    view_change.check_view_change(change(0, length - 2), SCHEDULE, VERIFIER)
    with pytest.raises(InvalidMessage, match="P-13"):
        view_change.check_view_change(change(0, length - 1), SCHEDULE, VERIFIER)


def test_reports_of_several_heights_are_contiguous_and_never_of_a_later_view_than_the_parents() -> None:
    """R-10: with W = 3 up to three heights, from the base on; a block prepared in a later view than its parent proves
    that its reporter hides something."""
    schedule = ValidatorSchedule(make_config(window=3))
    schedule.add(0, [address(i) for i in range(N)])
    for views in ((5,), (5, 5), (5, 3, 3), (8, 0, 0)):
        found = tuple(prepared(view, 4 + i, 40 + i) for i, view in enumerate(views))
        view_change.check_view_change(change(0, 3, found), schedule, VERIFIER)
    bad = (
        tuple(prepared(view, 4 + i, 40 + i) for i, view in enumerate((5, 6))),
        tuple(prepared(view, 4 + i, 40 + i) for i, view in enumerate((5, 3, 4))),
        (prepared(5, 4, 40), prepared(5, 6, 42)),
        tuple(prepared(5, 4 + i, 40 + i) for i in range(4)),
    )
    for found in bad:
        with pytest.raises(InvalidMessage):
            view_change.check_view_change(change(0, 3, found), schedule, VERIFIER)


def test_reproposals_stop_at_the_first_gap() -> None:
    """M24: a height that no report names ends O, whatever is known above it; views are compared height by height."""
    changes = [
        change(0, 3, (prepared(5, 4, 41), prepared(5, 5, 51))),
        change(1, 5, (prepared(6, 6, 61), prepared(6, 7, 71))),
        change(2, 3, (prepared(7, 4, 41), prepared(2, 5, 52))),
    ]
    assert view_change.choose_new_view(changes).entries == ((6, block(61)), (7, block(71)))
    assert view_change.choose_new_view([changes[0], changes[2]]).entries == ((4, block(41)), (5, block(51)))
    gap = [changes[0], change(1, 4, ()), change(2, 5, (prepared(6, 6, 61),))]
    assert view_change.choose_new_view(gap[:2]).entries == ((5, block(51)),)
    assert view_change.choose_new_view([change(0, 3), gap[2]]).entries == ((6, block(61)),)
    above = [change(0, 3, (prepared(5, 4, 41),)), replace(change(1, 3), prepared=(prepared(5, 6, 61),))]
    assert view_change.choose_new_view(above).entries == ((4, block(41)),)


@pytest.mark.parametrize(("decided_in", "halts"), [(0, True), (1, False), (2, False)])
def test_a_second_new_view_of_one_view_does_not_halt_who_has_committed(decided_in: int, halts: bool) -> None:
    """A faulty primary sends two NEW-VIEWs of view 1; by the first a quorum decides, the second names another block.
    Only a block decided in an earlier view must be in it (found by the exhaustive search)."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    stored = network.nodes[2].disk.blocks[1]
    stored.certificate = replace(CommitCertificate.decode(stored.certificate), view=decided_in).encode()
    node = network.restart(2)
    second = new_view([change(i, 0, (prepared(0, 1, 9),) if i == 1 else (), view=1) for i in range(3)], [(1, 9)], 1)
    node.step(Received(address(1), second))
    assert bool(node.replica.status().halted) == halts
