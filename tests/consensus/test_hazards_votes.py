"""Hazards of votes and reports (README.md here lists all of them): orders, duplicates, colourings, liars."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import codec, domain, ingress, view_change
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from consensus.errors import InvalidMessage
from consensus.messages import Commit, Complain, NewView, Prepare, PrePrepare, Status, ViewChange
from consensus.types import TimerFired, TimerKey
from consensus.validators import quorum_size
from tests.scenarios import forge
from tests.scenarios.stage import Stage

from .network import Network, NullVerifier, decode_header
from .test_view_change import SCHEDULE, change, new_view, prepared


def begun(n: int = 4) -> Stage:
    stage = Stage(n, "")
    stage.begin()
    return stage


@pytest.mark.parametrize("order", list(itertools.permutations(["timer", 0, 2, 3])))
def test_timer_and_seals_in_every_order(order: tuple[object, ...]) -> None:
    """H4: a commit quorum and the progress timer at one instant, in whatever order: 2a is committed, nothing is
    promised, and no complaint outlives the commit."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    key, _ = stage.running("progress", at=1)
    for item in order:
        if item == "timer":
            stage.fire_stale(key, at=1)
        else:
            stage.deliver("COMMIT", frm=item, to=1)  # type: ignore[arg-type]
    status = stage.nodes[1].replica.status()
    assert (status.height, status.promise, status.complaining) == (2, 0, False)


def test_no_old_timer_does_anything() -> None:
    """H5: every timer ever set, fired again at every later moment at which it does not run, has no effect."""
    stage = begun()
    keys: list[TimerKey] = []
    fired = 0
    for step in range(12):
        stage.work()
        if step % 4 == 3:
            stage.fire("patience", at=[1, 2, 3])
        keys += [key for key, _ in stage.nodes[1].timers.values() if key not in keys]
        stage.settle()
        node = stage.nodes[1]
        running = {key for key, _ in node.timers.values()}
        for key in keys:
            if key not in running:
                fired += 1
                assert node.replica.step(TimerFired(key), stage.instant()) == []
    assert fired > 50
    assert stage.heights(1) == [13]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([0, 2, 3]), max_size=12))
def test_a_vote_counts_once_however_often_it_arrives(senders: list[int]) -> None:
    """H10: of any sequence of PREPAREs and COMMITs, repeated at will, the distinct senders count and nothing else."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.lose_all()
    block_hash = stage.names.hash_of("2a")
    heard: set[int] = set()
    for sender in senders:
        stage.inject(forge.vote(stage, Commit, sender, 0, 2, block_hash), frm=sender, to=[1])
        heard.add(sender)
        assert (stage.heights(1) == [2]) == (len(heard) >= quorum_size(4))
    prepares = begun()
    prepares.work()
    prepares.deliver("PRE-PREPARE")
    prepares.lose_all()
    heard = set()
    for sender in [s for s in senders if s != 0]:
        prepares.inject(forge.vote(prepares, Prepare, sender, 0, 2, block_hash), frm=sender, to=[1])
        heard.add(sender)
        assert bool(prepares.spoke("COMMIT", 1, height=2)) == (len(heard) >= 1)


def test_prepares_alone_make_nothing_final() -> None:
    """H17: there is no fast path; all n PREPAREs without a quorum of seals commit nothing."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", frm=0)
    stage.lose("COMMIT")
    assert stage.heights() == [1, 1, 1, 1]


@pytest.mark.parametrize("n", [4, 7])
def test_an_equivocating_primary_prepares_one_block_at_most(n: int) -> None:
    """H24: two proposals, split between the backups in every way, and a primary that seals and prepares both: at most
    one of them is prepared anywhere, and what is decided afterwards is one block."""
    for colours in itertools.product((0, 1), repeat=n - 1):
        if colours[0]:
            continue  # the same splits with the names exchanged
        stage = begun(n)
        stage.work()
        first = stage.spoke("PRE-PREPARE", 0, height=2)[0]
        proposals = (first, forge.pre_prepare(stage, 0, 0, forge.varied(first.proposal)))
        stage.lose_all()
        for colour, proposal in enumerate(proposals):
            receivers = [i + 1 for i, c in enumerate(colours) if c == colour]
            stage.inject(proposal, frm=0, to=receivers)
        stage.deliver("PREPARE")
        sealed = {m.block_hash for i in range(1, n) for m in stage.spoke("COMMIT", i, height=2)}
        assert len(sealed) <= 1
        for block_hash in (p.block_hash for p in proposals):
            stage.inject(forge.vote(stage, Commit, 0, 0, 2, block_hash), frm=0, to=range(1, n))
        stage.settle()
        stage.finish()


@pytest.mark.parametrize("claim", ["nothing", "older", "same", "lower base"])
def test_a_liars_valid_claim_vetoes_nothing(claim: str) -> None:
    """H13: a report that is valid alone, whatever it says beside the others', keeps no NEW-VIEW from being made or
    followed, and never hides the block of the highest view."""
    lies = {
        "nothing": change(3, 3),
        "older": change(3, 3, (prepared(2, 4, 77),)),
        "same": change(3, 3, (prepared(5, 4, 42),)),
        "lower base": change(3, 2, (prepared(2, 3, 3),)),
    }
    found = [change(0, 3, (prepared(5, 4, 42),)), change(1, 3), lies[claim]]
    for changes in itertools.permutations(found):
        message = new_view(list(changes), [(4, 42)])
        view_change.check_new_view(message, SCHEDULE, NullVerifier())
        assert view_change.follows(message)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=4))
def test_any_mix_of_bases_gives_a_new_view(bases: list[int]) -> None:
    """H16: Q valid reports with whatever bases give a choice above the highest; no equal ones are needed."""
    changes = [change(i, base, (prepared(5, base + 1, base + 1),) if i % 2 else ()) for i, base in enumerate(bases)]
    choice = view_change.choose_new_view(changes)
    assert choice.base_height == max(bases)
    assert (choice.base_certificate is None) == (max(bases) == 0)
    entries = [(height, height) for height, _ in choice.entries]
    assert [height for height, _ in entries] == list(range(max(bases) + 1, max(bases) + 1 + len(entries)))
    view_change.check_new_view(new_view(changes, entries), SCHEDULE, NullVerifier())


def every_message() -> list[object]:
    """One valid message of each kind, by whoever may send it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
    network.submit()
    assert network.reach(2, 10)
    said = {}
    for node in network.nodes:
        for message in node.sent:
            said.setdefault(type(message), message)
    said.setdefault(Status, network.nodes[0].replica._core.status())
    return [said[kind] for kind in (PrePrepare, Prepare, Commit, Complain, ViewChange, NewView, Status)]


def test_every_message_in_another_name_is_refused() -> None:
    """H11: whoever relays, the sender is the key; with any other sender's index the message is refused."""
    network = Network(4)
    schedule = network.nodes[0].replica.schedule
    for message in every_message():
        for sender in range(4):
            raw = codec.encode_message(replace(message, sender=sender))  # type: ignore[type-var]
            if sender == message.sender:  # type: ignore[attr-defined]
                for peer in network.addresses:
                    assert ingress.verify(raw, peer, schedule, NullVerifier(), decode_header) == message
                continue
            with pytest.raises(InvalidMessage):
                ingress.verify(raw, network.addresses[sender], schedule, NullVerifier(), decode_header)


places = st.tuples(
    st.integers(1, 3),
    st.sampled_from([b"\1" * 32, b"\2" * 32]),
    st.integers(0, 3),
    st.sampled_from([b"\3" * 32, b"\4" * 32]),
    st.sampled_from([Kind.PRE_PREPARE, Kind.PREPARE, Kind.COMMIT]),
    st.integers(0, 300),
    st.integers(1, 300),
    st.sampled_from([b"\5" * 32, b"\6" * 32]),
)


def digest_of(place: tuple[int, bytes, int, bytes, Kind, int, int, bytes]) -> bytes:
    chain_id, genesis, epoch, set_hash, kind, view, height, block_hash = place
    return domain.vote_digest(domain.domain(chain_id, genesis, epoch, set_hash), kind, view, height, block_hash)


@settings(max_examples=2000, deadline=None)
@given(places, places)
def test_one_signature_has_one_meaning(first: tuple, second: tuple) -> None:  # type: ignore[type-arg]
    """H33: a vote's digest under any other chain id, genesis, epoch, set, kind, view, height or block is another."""
    assert (digest_of(first) == digest_of(second)) == (first == second)


@given(
    st.sampled_from([Kind.COMPLAIN, Kind.VIEW_CHANGE, Kind.NEW_VIEW, Kind.STATUS]), st.binary(min_size=48, max_size=49)
)
def test_no_body_is_a_vote(kind: Kind, body: bytes) -> None:
    """H33: the bytes of another message are never those of a vote, even where the lengths fit: the kind parts them."""
    vote = domain.vote_digest(bytes(32), Kind.COMMIT, 0, 1, b"\5" * 32)
    assert domain.body_digest(bytes(32), kind, body) != vote
    assert domain.body_digest(bytes(32), kind, bytes(15) + b"\1" + b"\5" * 32) != vote


def test_blocks_are_named_alike_whatever_seals_banks_hold() -> None:
    """H35: banks hold different quorums of seals for one block, and one hash of it; the next block fixes one of them
    for all."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    for at, others in ((0, (1, 2)), (1, (2, 3)), (2, (0, 3)), (3, (0, 1))):
        stage.deliver("COMMIT", frm=others, to=at)
    stage.lose_all()
    held = [CommitCertificate.decode(node.disk.blocks[2].certificate) for node in stage.nodes]
    assert len({certificate.bitmap for certificate in held}) == 4
    assert len({certificate.block_hash for certificate in held}) == 1
    stage.commit_one()
    assert len({node.disk.blocks[2].certificate for node in stage.nodes}) == 1


def test_a_crash_in_a_view_change_convicts_nobody() -> None:
    """H44: what an honest bank says before and after a crash in a view change never convicts it."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=[1, 2, 3])
    stage.crash(1)
    stage.restart(1)
    stage.settle()
    assert stage.run_freely(20, lambda: min(stage.heights()) == 2)
    assert not stage.convicted
