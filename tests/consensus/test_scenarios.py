"""Scenarios on a small network of real replicas: what PBFT promises, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificates import make_commit_certificate, verify_commit_certificate
from consensus.codec import encode_body
from consensus.domain import Kind, body_digest, vote_digest
from consensus.errors import InvalidCertificate
from consensus.messages import Commit, Complain, Message, NewView, Prepare, PrePrepare, Reason, Repair, ViewChange
from consensus.types import Deliver, Received, ReportEvidence, TimerFired, TimerKind, ValidateBlock, Verdict
from node.keys import SECP256K1_VERIFIER, PrivateKey

from .network import Network, NullSigner, NullVerifier, address, decode_header


@pytest.mark.parametrize("n", range(1, 11))
def test_the_chain_grows_with_every_transaction(n: int) -> None:
    """n = 1..10 banks commit block 1 at once and a block for each transaction, without any timer."""
    network = Network(n)
    network.start()
    assert network.reach(1, 0.1)
    for height in range(2, 6):
        network.submit()
        assert network.reach(height, 0.1)
    network.check_agreement()
    assert all(node.replica.status().view == 0 for node in network.nodes)


def test_a_commit_takes_three_message_delays() -> None:
    """PRE-PREPARE, PREPARE, COMMIT at 5 ms each; nothing waits for a timer."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    started = network.now_us
    network.submit()
    assert network.reach(2)
    assert network.now_us - started == 3 * network.delay_us


def test_no_work_no_block() -> None:
    """Idle banks make no block before the heartbeat, and then one empty one."""
    network = Network(4)
    network.start()
    network.run(299)
    assert {node.height for node in network.nodes} == {1}
    network.run(3)
    assert {node.height for node in network.nodes} == {2}
    assert {node.replica.status().view for node in network.nodes} == {0}


@pytest.mark.parametrize("n", [4, 5, 7])
def test_a_dead_primary_is_replaced(n: int) -> None:
    """With the primary of view 0 dead, view 1 commits."""
    network = Network(n)
    network.start()
    assert network.reach(1)
    network.nodes[0].alive = False
    network.submit()
    assert network.reach(2, 10, list(range(1, n)))
    assert network.nodes[1].replica.status().view == 1
    network.check_agreement()


def test_two_dead_primaries_in_a_row() -> None:
    """n = 7: views 0 and 1 fail, view 2 commits; patience grew in between and is fresh again after."""
    network = Network(7)
    network.start()
    assert network.reach(1)
    network.nodes[0].alive = network.nodes[1].alive = False
    network.submit()
    assert network.reach(2, 20, list(range(2, 7)))
    status = network.nodes[2].replica.status()
    assert (status.view, status.failed_views) == (2, 0)


def test_two_of_four_dead_stop_the_chain_and_one_starts_it_again() -> None:
    """Without a quorum nothing is final; with it again, the chain goes on."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.nodes[0].alive = network.nodes[1].alive = False
    network.submit()
    network.run(60)
    assert {node.height for node in network.nodes} == {1}
    network.restart(1).submit()
    assert network.reach(2, 70, [1, 2, 3])
    network.check_agreement()


def test_a_prepared_block_is_proposed_again() -> None:
    """Whoever prepared a block carries it into the next view, and that block is decided there."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
    network.submit()
    network.run(0.5)
    slot_hash = next(m.block_hash for m in network.nodes[1].sent if isinstance(m, Commit) and m.height == 2)
    assert network.reach(2, 10)
    assert {node.disk.blocks[2].block_hash for node in network.nodes} == {slot_hash}
    assert {node.replica.status().view for node in network.nodes} == {1}


def test_a_reproposed_block_is_fetched_where_it_is_missing() -> None:
    """The new primary never saw the block: it proposes its hash, and fetches it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)

    def drop(sender: int, to: int, message: Message) -> bool:
        return getattr(message, "view", 1) == 0 and (
            isinstance(message, Commit) or (isinstance(message, PrePrepare) and to == 1)
        )

    network.drop = drop
    network.submit()
    assert network.reach(2, 10)
    assert any(type(effect).__name__ == "FetchBlock" for effect in network.nodes[1].effects)
    network.check_agreement()


def test_a_reproposal_is_not_judged_by_the_clock() -> None:
    """indy_1488: half an hour without a quorum, then the prepared block of long ago is decided (P-4)."""
    network = Network(4, status_interval_us=10_000_000)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: isinstance(message, Commit | ViewChange | Complain)
    network.submit()
    network.run(1800)
    assert {node.height for node in network.nodes} == {1}
    network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
    assert network.reach(2, 200)
    assert max(node.replica.status().view for node in network.nodes) > 0


def test_a_laggard_catches_up_without_traffic() -> None:
    """concord_912: the load is over, and STATUS alone brings the fourth bank to the height of the others."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.down = {3}
    for height in (2, 3, 4):
        network.submit()
        assert network.reach(height, 10, [0, 1, 2])
    network.down = set()
    assert network.reach(4, 5)
    network.check_agreement()


def test_a_deposed_primary_learns_the_view_without_traffic() -> None:
    """smartbft_350: NEW-VIEW is self-proving, so STATUS brings it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.down = {0}
    network.submit()
    assert network.reach(2, 10, [1, 2, 3])
    network.down = set()
    assert network.run(5, lambda: network.nodes[0].replica.status().view == 1)
    assert network.reach(2, 5)


def test_dark_replicas_catch_up_and_do_not_storm() -> None:
    """berger_dark_replicas: the primary leaves one bank out; it learns each block and changes no view."""
    network = Network(4)
    network.drop = lambda sender, to, message: sender == 0 and to == 3
    network.start()
    assert network.reach(1, 10)
    for height in range(2, 5):
        network.submit()
        assert network.reach(height, 10)
    assert {node.replica.status().view for node in network.nodes} == {0}


def test_a_hidden_certificate_stays_decided() -> None:
    """diem_1324: one bank alone learns that a block is final; every later view decides the same."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: isinstance(message, Commit) and to != 2
    network.submit()
    assert network.reach(2, 1, [2])
    network.drop = lambda sender, to, message: 2 in (sender, to) or (isinstance(message, Commit) and message.view == 0)
    assert network.reach(2, 20, [0, 1, 3])
    network.check_agreement()


def test_an_expired_timer_beside_a_commit_changes_nothing() -> None:
    """besu_1734: the old height's timer fires in the instant of the commit, and is stale."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.submit()
    node = network.nodes[1]
    assert network.run(1, lambda: TimerKind.PROGRESS in node.timers)
    old = node.timers[TimerKind.PROGRESS][0]
    assert network.reach(2)
    before = len(node.sent)
    node.step(TimerFired(old))
    assert node.sent[before:] == []


def complaint(network: Network, sender: int, view: int, reason: Reason = Reason.PROGRESS) -> Complain:
    height = network.nodes[1].height
    message = Complain(0, view, height, reason, False, sender, b"")
    domain = network.nodes[1].replica.schedule.domain(0)
    digest = body_digest(domain, Kind.COMPLAIN, encode_body(message))
    return replace(message, signature=NullSigner(address(sender)).sign(digest))


def test_one_liar_moves_nobody() -> None:
    """fisco_2211: a complaint of a huge view, by f validators, makes no honest one complain or promise."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    for node in network.nodes[:3]:
        node.step(Received(address(3), complaint(network, 3, 2**60)))
    network.run(1)
    assert all(node.replica.status().promise == 0 for node in network.nodes)
    assert not any(isinstance(m, Complain | ViewChange) for node in network.nodes for m in node.sent)


def test_a_lone_timeout_keeps_voting() -> None:
    """H45: who complains alone still prepares and commits in its view."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.nodes[3].submit()
    network.run(1.5)
    assert network.nodes[3].replica.status().complaining
    network.down = {2}
    network.submit()
    assert network.reach(2, 1, [0, 1, 3])
    assert not network.nodes[3].replica.status().complaining


def test_complaints_expire_with_a_commit() -> None:
    """P-14: one stale honest timeout and f permanent liars change no view once a block is committed."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    stale = complaint(network, 2, 1)
    network.submit()
    assert network.reach(2)
    for node in network.nodes[:2]:
        node.step(Received(address(2), stale))
        node.step(Received(address(3), complaint(network, 3, 1)))
    network.run(3)
    assert {node.replica.status().view for node in network.nodes} == {0}
    assert {node.replica.status().promise for node in network.nodes} == {0}


def test_a_censoring_primary_is_replaced_though_blocks_flow() -> None:
    """P-14, age: one transaction is left out of every block until the view changes for it."""
    network = Network(4, age_limit_us=3_000_000)
    network.start()
    assert network.reach(1)
    network.nodes[0].censors = True
    for node in network.nodes:
        node.hold()
    for _ in range(10):
        for node in network.nodes:
            if node.index:
                node.submit()
        network.nodes[0].submit()
        network.run(0.5)
    assert network.run(20, lambda: all(node.held_since is None for node in network.nodes))
    assert {node.replica.status().view for node in network.nodes} == {1}
    network.check_agreement()


def test_an_equivocating_primary_convicts_itself() -> None:
    """Two blocks for one place: no two are decided, and the evidence names the primary alone."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.submit()
    network.run(0.001)
    first = next(m for m in network.nodes[0].sent if isinstance(m, PrePrepare) and m.height == 2)
    proposal = replace(first.proposal, block=first.proposal.block + b"!")
    other_hash = decode_header(proposal.block).hash
    digest = vote_digest(network.nodes[1].replica.schedule.domain(0), Kind.PRE_PREPARE, 0, 2, other_hash)
    second = replace(first, block_hash=other_hash, proposal=proposal, signature=NullSigner(address(0)).sign(digest))
    for node in network.nodes[1:3]:
        node.step(Received(address(0), second))
    assert network.reach(2, 20)
    network.check_agreement()
    convicted = {e.signer for n in network.nodes for e in n.effects if isinstance(e, ReportEvidence)}
    assert convicted == {address(0)}


def test_seals_of_two_views_make_no_certificate() -> None:
    """mixed_view_seals: the seals of one block in views 0 and 1 do not add up (P-9, H18)."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
    network.submit()
    assert network.reach(2, 10)
    seals: dict[int, dict[int, bytes]] = {0: {}, 1: {}}
    for node in network.nodes:
        for message in node.sent:
            if isinstance(message, Commit) and message.height == 2:
                seals[message.view][message.sender] = message.signature
    block_hash = network.nodes[0].disk.blocks[2].block_hash
    mixed = {i: seals[0][i] for i in (0, 1)} | {i: seals[1][i] for i in (2, 3)}
    schedule = network.nodes[0].replica.schedule
    for view in (0, 1):
        pure = make_commit_certificate(0, view, 2, block_hash, seals[view])
        verify_commit_certificate(pure, schedule, NullVerifier())
        with pytest.raises(InvalidCertificate):
            verify_commit_certificate(make_commit_certificate(0, view, 2, block_hash, mixed), schedule, NullVerifier())


def test_the_primary_counts_once_and_so_does_a_duplicate() -> None:
    """H9, H10: PRE-PREPARE and one backup's PREPARE, however often, prepare nothing among four."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.drop = lambda sender, to, message: to != 1 or sender == 3 or isinstance(message, Prepare)
    network.submit()
    network.run(0.01)
    node = network.nodes[1]
    prepare = next(m for m in node.sent if isinstance(m, Prepare) and m.height == 2)
    domain = node.replica.schedule.domain(0)
    digest = vote_digest(domain, Kind.PREPARE, 0, 2, prepare.block_hash)
    by_primary = replace(prepare, sender=0, signature=NullSigner(address(0)).sign(digest))
    for _ in range(3):
        node.step(Received(address(0), by_primary))
        node.step(Received(address(2), prepare))
    assert not any(isinstance(m, Commit) and m.height == 2 for m in node.sent)
    by_two = replace(prepare, sender=2, signature=NullSigner(address(2)).sign(digest))
    node.step(Received(address(2), by_two))
    assert any(isinstance(m, Commit) and m.height == 2 for m in node.sent)


def test_duplicates_and_reordering_change_nothing() -> None:
    """Every message arrives three times, the copies late: one delivery for each height."""
    network = Network(4)
    post = network.post

    def thrice(sender: int, to: int, message: Message) -> None:
        for _ in range(3):
            post(sender, to, message)
            network.delay_us = 5_000 + (network.delay_us * 7 + 3_331) % 60_000

    network.post = thrice  # type: ignore[method-assign]
    network.start()
    for height in range(1, 6):
        assert network.reach(height, 10)
        network.submit()
    for node in network.nodes:
        heights = [e.height for e in node.effects if isinstance(e, Deliver)]
        assert heights == sorted(set(heights))


def test_an_invalid_block_gets_no_vote_and_the_next_primary_commits() -> None:
    """Execute, then vote: a block that the banks find invalid is never prepared."""
    network = Network(4)

    def verdict(index: int, effect: ValidateBlock) -> Verdict:
        return Verdict.INVALID if effect.fresh and effect.proposer == address(0) else Verdict.VALID

    network.start()
    assert network.reach(1)
    network.verdict = verdict
    network.submit()
    assert network.reach(2, 10)
    assert {node.replica.status().view for node in network.nodes} == {1}


def test_a_bank_whose_execution_differs_halts_and_the_others_go_on() -> None:
    """H43: one different state root costs one bank, never a fork."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.verdict = lambda index, effect: Verdict.INVALID if index == 2 else Verdict.VALID
    network.submit()
    assert network.reach(2, 10, [0, 1, 3])
    network.run(2)
    assert "invalid here" in network.nodes[2].halted
    assert network.nodes[2].height == 1


def test_an_abandoned_execution_is_tried_again() -> None:
    """ABANDONED is no verdict (P-7)."""
    network = Network(4)
    answers = iter([Verdict.ABANDONED] * 3)
    network.verdict = lambda index, effect: next(answers, Verdict.VALID)
    network.start()
    assert network.reach(1, 10)


def test_an_early_block_is_held_until_its_time() -> None:
    """P-4: a proposer whose clock runs ahead waits, and so do those who hear it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    node = network.nodes[0]
    instant = network.instant
    build = node.build

    def ahead(effect):  # type: ignore[no-untyped-def]
        network.instant = lambda: replace(instant(), unix_s=instant().unix_s + 8)  # type: ignore[method-assign]
        answer = build(effect)
        network.instant = instant  # type: ignore[method-assign]
        return answer

    node.build = ahead  # type: ignore[method-assign]
    started = network.now_us
    network.submit()
    assert network.reach(2, 10)
    assert network.now_us - started > 500_000


def test_nothing_of_one_epoch_counts_in_the_next() -> None:
    """simplex_543: the set changes at each edge; every edge is crossed at view 0, with messages in flight."""

    def sets(height: int) -> tuple[bytes, ...]:
        epoch = height // 3
        return tuple(address(i) for i in range(5) if i != epoch % 5)

    network = Network(5, sets=sets, epoch_length=3)
    network.start()
    for height in range(1, 12):
        assert network.reach(height, 20), height
        network.submit()
    network.check_agreement()
    assert network.nodes[0].replica.status().epoch >= 3


def test_an_epoch_edge_in_the_middle_of_view_changes() -> None:
    """epoch_edge_during_view_change: banks die and come back around each edge."""
    network = Network(4, epoch_length=3)
    network.start()
    assert network.reach(1)
    for height in range(2, 14):
        victim = height % 4
        network.nodes[victim].alive = False
        network.submit()
        assert network.reach(height, 60, [i for i in range(4) if i != victim])
        network.restart(victim)
        assert network.reach(height, 20)
    network.check_agreement()


def test_real_signatures_all_the_way() -> None:
    """The same chain with secp256k1, through a view change."""
    keys = sorted((PrivateKey.from_bytes(bytes([i]) * 32) for i in range(1, 5)), key=lambda k: k.address)
    network = Network(
        4,
        sets=lambda height: tuple(key.address for key in keys),
        signer=lambda i: keys[i],
        verifier=SECP256K1_VERIFIER,
        addresses=[key.address for key in keys],
    )
    network.start()
    assert network.reach(1)
    network.nodes[0].alive = False
    network.submit()
    assert network.reach(2, 10, [1, 2, 3])
    network.nodes[0].alive = True
    assert any(isinstance(m, NewView) for m in network.nodes[1].sent)
    assert not network.rejected


def test_certificates_come_by_repair_where_the_sync_is_broken() -> None:
    """A bank that misses every COMMIT, and whose block sync fails, follows by certificates and fetched blocks."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(0.1)
    network.nodes[3].synchronise = lambda effect: None  # type: ignore[method-assign]
    network.drop = lambda sender, to, message: isinstance(message, Commit | PrePrepare) and to == 3
    for height in (2, 3):
        network.submit()
        assert network.reach(height, 10)
    assert any(isinstance(m, Repair) for n in network.nodes[:3] for m in n.sent)
