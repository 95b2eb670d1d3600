"""The sentences of the PBFT paper (Castro and Liskov, OSDI 1999) that we keep, one test each, in the paper's terms.

A docstring gives the section and the rule as we put it. What we do not keep stands in README.md with the reason. Where
the paper says 2f + 1 we take Q, which is 2f + 1 for n = 3f + 1; replica 0 is the primary of view 0, and heights are
its sequence numbers.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from consensus.messages import Commit, Prepare, PrePrepare, Repair, ViewChange
from consensus.types import Broadcast, Persist, Proposal, Verdict
from consensus.validators import max_faulty, primary_index, quorum_size, weak_quorum_size
from tests.scenarios import forge
from tests.scenarios.stage import Stage

from .network import address, make_block


def begun(n: int = 4) -> Stage:
    """Block 1 is final at all."""
    stage = Stage(n, "")
    stage.begin()
    return stage


def proposed() -> tuple[Stage, PrePrepare]:
    """The primary's PRE-PREPARE for height 2 is made, and has reached nobody."""
    stage = begun()
    stage.work()
    stage.lose("PRE-PREPARE")
    return stage, stage.spoke("PRE-PREPARE", 0, height=2)[0]


def changing(stage: Stage, *banks: int) -> None:
    """Patience runs out at these replicas, and each of them moves to the next view."""
    stage.fire("patience", at=banks)
    stage.deliver("COMPLAIN", to=banks)


# --- 2 System model, 3 Service properties ---------------------------------------------------------------


def test_2_messages_are_authenticated() -> None:
    """2: a message whose signature is not its sender's is discarded."""
    stage, message = proposed()
    stage.inject(
        replace(message, signature=forge.seal(stage, Kind.PRE_PREPARE, 3, 0, 2, message.block_hash)), frm=3, to=[1]
    )
    assert stage.rejected
    assert not stage.spoke("PREPARE", 1, height=2)


@pytest.mark.parametrize("n", [4, 7, 10, 13])
def test_3_resilience_is_a_third(n: int) -> None:
    """3: f = floor((n - 1) / 3) faulty replicas are survived; a quorum is 2f + 1 where n = 3f + 1."""
    f = (n - 1) // 3
    assert max_faulty(n) == f
    assert quorum_size(n) == 2 * f + 1
    assert weak_quorum_size(n) == f + 1


# --- 4 The algorithm ----------------------------------------------------------------------------------


def test_4_the_primary_of_a_view_is_its_number_modulo_n() -> None:
    """4: views are numbered consecutively, and primary p = v mod |R| (ours adds the epoch)."""
    assert [primary_index(0, view, 4) for view in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [primary_index(1, view, 4) for view in range(3)] == [1, 2, 3]


def test_4_replicas_are_deterministic_and_start_in_one_state() -> None:
    """4: the same requests in the same order give the same state: two runs of one script end alike, in every block and
    word."""
    runs = []
    for _ in range(2):
        stage = begun()
        for _ in range(3):
            stage.work()
            stage.settle()
        runs.append((stage.transcript(), stage.nodes[2].disk.blocks[4].block_hash))
    assert runs[0] == runs[1]


# --- 4.2 Normal-case operation ------------------------------------------------------------------------


def test_4_2_the_primary_starts_the_protocol_at_once() -> None:
    """4.2: when the primary receives a request it starts the three-phase protocol."""
    stage = begun()
    stage.work(0)
    assert len(stage.spoke("PRE-PREPARE", 0, view=0, height=2)) == 1


def test_4_2_requests_gather_while_one_is_under_way() -> None:
    """4.2: messages in progress are bounded (here by the window of 1); later requests wait and go as one batch."""
    stage = begun()
    stage.work(0)
    stage.work(0)
    stage.work(0)
    assert {m.height for m in stage.spoke("PRE-PREPARE", 0)} == {1, 2}


def test_4_2_a_backup_accepts_a_pre_prepare_that_is_in_order() -> None:
    """4.2: right signature, right view, no other one accepted there, number between the marks: a PREPARE follows to
    all others, and both are in the log before it leaves."""
    stage, message = proposed()
    before = len(stage.nodes[1].effects)
    stage.inject(message, frm=0, to=[1])
    (prepare,) = stage.spoke("PREPARE", 1, height=2)
    assert (prepare.view, prepare.block_hash) == (0, message.block_hash)
    kinds = [type(effect) for effect in stage.nodes[1].effects[before:]]
    assert kinds.index(Persist) < kinds.index(Broadcast)
    assert sorted(mail.to for mail in stage.mail if mail.message is prepare) == [0, 2, 3]


def test_4_2_a_digest_that_is_not_the_requests_is_refused() -> None:
    """4.2: d must be the digest of the request that comes with it."""
    stage, message = proposed()
    other = b"\1" * 32
    false = replace(message, block_hash=other, signature=forge.seal(stage, Kind.PRE_PREPARE, 0, 0, 2, other))
    stage.inject(false, frm=0, to=[1])
    assert stage.rejected


@pytest.mark.parametrize("view", [1, 4])
def test_4_2_a_backup_accepts_nothing_of_another_view(view: int) -> None:
    """4.2: a backup that is in view v accepts a PRE-PREPARE of view v only, whoever leads the other one."""
    stage, message = proposed()
    leader = view % 4
    coinbase = make_block(
        2,
        stage.nodes[0].disk.blocks[1].block_hash,
        stage.instant().unix_s,
        address(leader),
        message.proposal.certificate,
    )
    false = forge.pre_prepare(stage, leader, view, Proposal(coinbase, message.proposal.certificate))
    stage.inject(false, frm=leader, to=[2])
    assert not stage.spoke("PREPARE", 2, height=2)


def test_4_2_a_backup_accepts_one_pre_prepare_for_a_view_and_number() -> None:
    """4.2: it has not accepted one for v and n with another digest; the first stays, the second is evidence."""
    stage, message = proposed()
    stage.inject(message, frm=0, to=[1])
    stage.inject(forge.pre_prepare(stage, 0, 0, forge.varied(message.proposal)), frm=0, to=[1])
    assert [m.block_hash for m in stage.spoke("PREPARE", 1, height=2)] == [message.block_hash]
    assert stage.convicted == {(0, "equivocation")}


@pytest.mark.parametrize("height", [1, 3, 4, 900])
def test_4_2_the_number_is_between_the_water_marks(height: int) -> None:
    """4.2: h < n <= H: what is committed already, or beyond the window, gets no PREPARE."""
    stage, message = proposed()
    block = make_block(height, b"\1" * 32, stage.instant().unix_s, address(0), message.proposal.certificate)
    stage.inject(forge.pre_prepare(stage, 0, 0, Proposal(block, message.proposal.certificate)), frm=0, to=[1])
    assert not [m for m in stage.spoke("PREPARE", 1) if m.height != 1]


def test_4_2_a_backup_that_does_not_accept_does_nothing() -> None:
    """4.2: otherwise it does nothing: a proposal that is refused is answered by no message at all."""
    stage, message = proposed()
    stage.invalid_at(1)
    stage.mail.clear()
    stage.inject(message, frm=0, to=[1])
    assert not [mail for mail in stage.mail if mail.sender == 1]


def test_4_2_the_primary_sends_no_prepare() -> None:
    """4.2: PREPAREs are the backups'; the primary's counts nowhere."""
    stage, message = proposed()
    assert not stage.spoke("PREPARE", 0)
    stage.inject(message, frm=0, to=[1])
    stage.inject(forge.vote(stage, Prepare, 0, 0, 2, message.block_hash), frm=0, to=[1])
    assert stage.rejected
    assert not stage.spoke("COMMIT", 1, height=2)


def test_4_2_prepared_needs_the_pre_prepare_and_2f_matching_prepares() -> None:
    """4.2: prepared(m, v, n, i): the request, its PRE-PREPARE, and 2f PREPAREs of different backups (own one
    included) that match it in view, number and digest."""
    stage, message = proposed()
    for sender, view, block_hash in ((2, 1, message.block_hash), (3, 0, b"\1" * 32)):
        stage.inject(forge.vote(stage, Prepare, sender, view, 2, block_hash), frm=sender, to=[1])
    stage.inject(message, frm=0, to=[1])
    assert not stage.spoke("COMMIT", 1, height=2)
    stage.inject(forge.vote(stage, Prepare, 2, 0, 2, message.block_hash), frm=2, to=[1])
    assert len(stage.spoke("COMMIT", 1, height=2)) == 1


def test_4_2_prepares_without_a_pre_prepare_are_no_prepared() -> None:
    """4.2: the PRE-PREPARE belongs to it: PREPAREs of all other backups alone make no COMMIT."""
    stage, message = proposed()
    for sender in (2, 3):
        stage.inject(forge.vote(stage, Prepare, sender, 0, 2, message.block_hash), frm=sender, to=[1])
    assert not stage.spoke("COMMIT", 1, height=2)
    stage.inject(message, frm=0, to=[1])
    assert len(stage.spoke("COMMIT", 1, height=2)) == 1


def test_4_2_prepare_and_commit_may_arrive_in_any_order() -> None:
    """4.2: messages are accepted in whatever order they come, so long as view and marks fit: seals before PREPAREs
    before the PRE-PREPARE end the same."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE", to=[2, 3])
    stage.deliver("PREPARE", to=[0, 2, 3])
    stage.deliver("COMMIT", to=1)
    stage.deliver("PREPARE", to=1)
    stage.deliver("PRE-PREPARE", to=1)
    assert stage.heights(1) == [2]


def test_4_2_a_prepared_replica_multicasts_commit() -> None:
    """4.2: when prepared becomes true the replica sends COMMIT to all others; once."""
    stage, message = proposed()
    stage.inject(message, frm=0, to=[1, 2, 3])
    stage.deliver("PREPARE")
    for sender in range(4):
        assert len(stage.spoke("COMMIT", sender, height=2)) == 1
    assert {mail.to for mail in stage.mail if mail.sender == 1 and isinstance(mail.message, Commit)} == {0, 2, 3}


def test_4_2_committed_local_needs_2f_plus_1_matching_commits() -> None:
    """4.2: committed-local: 2f + 1 COMMITs of different replicas that match; not one less, not of two views."""
    stage, message = proposed()
    stage.inject(message, frm=0, to=[1, 2, 3])
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", frm=0, to=1)
    assert stage.heights(1) == [1]
    stage.inject(forge.vote(stage, Commit, 3, 1, 2, message.block_hash), frm=3, to=[1])
    assert stage.heights(1) == [1]
    stage.deliver("COMMIT", frm=2, to=1)
    assert stage.heights(1) == [2]


def test_4_2_if_committed_local_somewhere_then_committed() -> None:
    """4.2: committed-local at one honest replica means that f + 1 honest ones have prepared it: after the commit at 1
    alone, every later view decides the same, whichever others take part."""
    for absent in (0, 2, 3):
        stage = begun()
        stage.work()
        stage.deliver("PRE-PREPARE")
        stage.deliver("PREPARE")
        stage.deliver("COMMIT", to=1)
        stage.lose_all()
        assert stage.block(2, 1) == "2a"
        stage.crash(absent)
        others = [i for i in (0, 2, 3) if i != absent]
        stage.partition([1, *others])
        stage.fire("patience", at=others)
        assert stage.run_freely(20, lambda stage=stage, others=others: min(stage.heights(*others)) == 2)
        assert {stage.block(2, i) for i in others} == {"2a"}


def test_4_2_requests_are_executed_in_order_of_their_numbers() -> None:
    """4.2: a replica executes n only after all lower ones: with the proof of block 3 and not of 2 it delivers neither,
    then both in order."""
    stage = begun()
    stage.partition([0, 1, 2])
    stage.commit_one()
    stage.commit_one()
    stage.heal()
    node = stage.nodes[3]
    node.synchronise = lambda effect: None  # type: ignore[method-assign]
    certificates = [CommitCertificate.decode(stage.nodes[0].disk.blocks[h].certificate) for h in (2, 3)]
    for certificate, expected in ((certificates[1], 1), (certificates[0], 3)):
        stage.inject(Repair((certificate,)), frm=0, to=[3])
        assert stage.heights(3) == [expected]


def test_4_2_safety_needs_no_timing() -> None:
    """4.2 and 3: what is prepared in a view at honest replicas is one block, whatever is late or lost; see also the
    colourings of an equivocating primary. Here half of the PREPAREs never arrive, and nobody seals."""
    stage, message = proposed()
    stage.inject(message, frm=0, to=[1, 2])
    stage.lose("PREPARE")
    assert not any(stage.spoke("COMMIT", i, height=2) for i in range(4))


# --- 4.3 Garbage collection ---------------------------------------------------------------------------


def test_4_3_the_low_mark_is_the_last_stable_checkpoint() -> None:
    """4.3: messages up to a stable checkpoint are discarded; here each committed block is one, proved by its
    certificate."""
    stage = begun()
    stage.commit_one()
    log = stage.nodes[1].replica._core.log
    assert log.height == 2
    assert not [height for height in log.slots if height <= 2]
    assert not [height for height in log.decided if height <= 2]


def test_4_3_the_proof_of_a_checkpoint_serves_whoever_lacks_it() -> None:
    """4.3: the proof of the stable checkpoint brings a replica that fell behind up to it."""
    stage = begun()
    stage.partition([0, 1, 2])
    stage.commit_one()
    stage.heal()
    stage.fire("status", at=3)
    stage.deliver("STATUS", to=1)
    stage.settle()
    assert stage.heights(3) == [2]


# --- 4.4 View changes ---------------------------------------------------------------------------------


def test_4_4_a_backup_that_waits_too_long_wants_the_next_view() -> None:
    """4.4: the timer runs out in view v, and the backup starts a change to v + 1 (by a complaint, then a promise)."""
    stage, _ = proposed()
    stage.fire("progress", at=2)
    assert [m.view for m in stage.spoke("COMPLAIN", 2)] == [1]
    stage.fire("progress", at=[1, 3])
    stage.deliver("COMPLAIN", to=2)
    assert [m.view for m in stage.spoke("VIEW-CHANGE", 2)] == [1]


def test_4_4_a_replica_in_a_view_change_accepts_no_normal_case_messages() -> None:
    """4.4: after its VIEW-CHANGE it votes for nothing in the old view (it may still learn what is final)."""
    stage, message = proposed()
    changing(stage, 1, 2, 3)
    stage.inject(message, frm=0, to=[2])
    assert not stage.spoke("PREPARE", 2, height=2)


def test_4_4_a_view_change_names_the_checkpoint_its_proof_and_all_that_is_prepared() -> None:
    """4.4: VIEW-CHANGE carries the last stable checkpoint with its proof, and for each later number that was prepared
    the PRE-PREPARE and 2f PREPAREs."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.lose_all()
    changing(stage, 1, 2, 3)
    (message,) = stage.spoke("VIEW-CHANGE", 2)
    assert message.base_height == message.base_certificate.height == 1
    (certificate,) = message.prepared
    assert (certificate.height, certificate.view) == (2, 0)
    assert len(certificate.signers()) == quorum_size(4) - 1


def test_4_4_the_new_primary_needs_view_changes_of_2f_others() -> None:
    """4.4: with 2f valid VIEW-CHANGEs of others and its own the primary of v + 1 sends NEW-VIEW, not before."""
    stage, _ = proposed()
    changing(stage, 1, 2, 3)
    stage.deliver("VIEW-CHANGE", frm=2, to=1)
    assert not stage.spoke("NEW-VIEW", 1)
    stage.deliver("VIEW-CHANGE", frm=3, to=1)
    (message,) = stage.spoke("NEW-VIEW", 1)
    assert {c.sender for c in message.view_changes} == {1, 2, 3}


def test_4_4_o_holds_what_was_prepared_with_the_highest_view() -> None:
    """4.4: for each number between the highest checkpoint and the highest prepared one, O has a PRE-PREPARE of the new
    view with the digest of the prepared certificate of the highest view."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=3)
    stage.lose_all()
    changing(stage, 1, 2, 3)
    stage.deliver("VIEW-CHANGE", frm=[2, 3], to=1)
    (message,) = stage.spoke("NEW-VIEW", 1)
    assert [(r.height, stage.names.block(2, r.block_hash)) for r in message.reproposals] == [(2, "2a")]


def test_4_4_a_backup_recomputes_o() -> None:
    """4.4: it accepts a NEW-VIEW whose O is what its V demands, by the same computation; another one convicts the
    primary."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.lose_all()
    changing(stage, 1, 2, 3)
    stage.deliver("VIEW-CHANGE", frm=[2, 3], to=1)
    (message,) = stage.spoke("NEW-VIEW", 1)
    stage.lose_all()
    stage.inject(forge.signed(stage, replace(message, reproposals=())), frm=1, to=[2])
    assert stage.views(2) == [0]
    assert stage.convicted == {(1, "wrong_new_view")}
    stage.inject(message, frm=1, to=[3])
    assert stage.views(3) == [1]


def test_4_4_a_backup_prepares_what_the_new_view_re_proposes() -> None:
    """4.4: after a NEW-VIEW it multicasts a PREPARE for each message of O, and goes on as in the normal case."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.lose_all()
    changing(stage, 1, 2, 3)
    stage.lose("COMPLAIN", to=0)
    stage.settle()
    assert [stage.names.block(2, m.block_hash) for m in stage.spoke("PREPARE", 2, view=1)] == ["2a"]
    assert {stage.block(2, i) for i in range(4)} == {"2a"}


def test_4_4_a_primary_behind_the_checkpoint_fetches_it() -> None:
    """4.4: a primary that lacks the highest checkpoint of V gets it before it goes on: 1 has missed block 2, and leads
    the view that follows it."""
    stage = begun()
    stage.partition([0, 2, 3])
    stage.commit_one()
    stage.crash(0)
    stage.partition([1, 2, 3])
    stage.work(1, 2, 3)
    assert stage.run_freely(10, lambda: stage.views(1, 2, 3) == [1, 1, 1])
    assert stage.heights(1) == [2]
    stage.work(1, 2, 3)
    assert stage.run_freely(1, lambda: stage.heights(1, 2, 3) == [3, 3, 3])
    assert set(stage.views(1, 2, 3)) == {1}


def test_4_4_a_request_is_not_executed_twice() -> None:
    """4.4: a replica re-does the protocol for what it has executed already and does not execute it again."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", to=1)
    stage.lose_all()
    stage.fire("patience", at=[0, 2, 3])
    assert stage.run_freely(20, lambda: min(stage.heights()) == 2)
    for node in stage.nodes:
        heights = [e.height for e in node.effects if type(e).__name__ == "Deliver"]
        assert heights == [1, 2]


# --- 4.5 Correctness: liveness ------------------------------------------------------------------------


def test_4_5_2_patience_doubles_with_each_view_that_fails() -> None:
    """4.5.2, first: a replica waits T for the NEW-VIEW, then moves to v + 2 and waits 2T, and so on."""
    stage, _ = proposed()
    waits = []
    for _ in range(4):
        changing(stage, 1, 2, 3)
        stage.lose_all()
        waits.append(stage.running("new_view", at=2)[1] - stage.now_us)
    first = waits[0]
    assert waits == [first, 2 * first, 4 * first, 8 * first]


def test_4_5_2_f_plus_1_higher_views_are_joined_before_the_timer() -> None:
    """4.5.2, second: f + 1 others in views above its own make a replica join the smallest of them at once; with f it
    stays."""
    stage = begun()
    stage.inject(forge.complaint(stage, 2, 7, 1), frm=2, to=[1])
    assert not stage.spoke("COMPLAIN", 1)
    stage.inject(forge.complaint(stage, 3, 4, 1), frm=3, to=[1])
    assert [m.view for m in stage.spoke("COMPLAIN", 1)] == [4]


def test_4_5_2_f_faulty_replicas_force_no_view_change() -> None:
    """4.5.2, third: f replicas cannot cause a view change by asking for it, by complaint or by promise."""
    stage = begun()
    stage.inject(forge.complaint(stage, 3, 1, 1), frm=3, to=[0, 1, 2])
    stage.inject(forge.empty_view_change(stage, 3, 1), frm=3, to=[0, 1, 2])
    stage.work(0, 1, 2)
    stage.settle()
    assert stage.views(0, 1, 2) == stage.promises(0, 1, 2) == [0, 0, 0]
    assert stage.heights(0, 1, 2) == [2, 2, 2]


def test_4_5_2_a_faulty_primary_lasts_at_most_f_views() -> None:
    """4.5.2: primaries follow each other, so that no more than f views in a row have a faulty one (n = 7, f = 2)."""
    stage = begun(7)
    stage.crash(0, 1)
    stage.work()
    living = [2, 3, 4, 5, 6]
    assert stage.run_freely(20, lambda: min(stage.heights(*living)) == 2)
    assert set(stage.views(*living)) == {2}


# --- 4.6 Non-determinism, and the journal version's implementation ---------------------------------------


def test_4_6_the_primary_chooses_the_time_and_backups_check_it() -> None:
    """4.6: values like time are chosen by the primary, and a backup accepts them if they are plausible to it, by a
    rule that is the same for all."""
    stage = begun()
    stage.wait(3600)
    parent = stage.nodes[0].disk.blocks[1]
    for age_s, taken in ((1800, False), (1, True)):
        time = stage.instant().unix_s - age_s
        block = make_block(2, parent.block_hash, time, address(0), parent.certificate)
        message = forge.pre_prepare(stage, 0, 0, Proposal(block, parent.certificate))
        at = 2 if taken else 1
        stage.inject(message, frm=0, to=[at])
        assert bool(stage.spoke("PREPARE", at, height=2)) == taken


def test_journal_requests_reach_backups_that_missed_them() -> None:
    """Retransmission (TOCS 2002): what a replica lacks it gets again after a status exchange: a lost PRE-PREPARE
    comes with the next STATUS, from the primary."""
    stage = begun()
    stage.work()
    stage.lose("PRE-PREPARE", to=3)
    stage.deliver("PRE-PREPARE")
    stage.lose_all()
    stage.fire("status", at=3)
    stage.deliver("STATUS", to=0)
    stage.deliver("PRE-PREPARE", to=3)
    assert len(stage.spoke("PREPARE", 3, height=2)) == 1


def test_journal_lost_votes_come_again_by_status() -> None:
    """Retransmission (TOCS 2002): PREPAREs and COMMITs that are lost are sent again to whoever says by STATUS that it
    stands there."""
    stage = begun()
    stage.work()
    stage.deliver("PRE-PREPARE")
    for _ in range(3):
        stage.lose_all()
        stage.fire("status", at=[0, 1, 2, 3])
        stage.deliver("STATUS")
        stage.settle()
    assert stage.heights() == [2, 2, 2, 2]


def test_ours_execution_that_is_refused_gets_no_vote() -> None:
    """Ours beside the paper: the block is executed before PREPARE, so that a seal vouches for the result."""
    stage, message = proposed()
    stage.verdict = lambda index, effect: Verdict.INVALID
    stage.inject(message, frm=0, to=[1, 2, 3])
    assert not any(stage.spoke("PREPARE", i, height=2) for i in (1, 2, 3))
    assert not any(isinstance(m, ViewChange) for _, _, m in stage.history)
