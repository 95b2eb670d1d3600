"""Scenarios about one false bank: its votes, proposals and reports, and how much of what it says is kept."""

from __future__ import annotations

from dataclasses import replace

from consensus.certificates import PreparedCertificate, make_commit_certificate, make_prepared_certificate
from consensus.domain import Kind
from consensus.messages import Commit, Prepare, PrePrepare
from consensus.types import Verdict
from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage

FLOOD = 60
"""Views in which a flooding bank speaks."""


def _proposed(stage: Stage) -> PrePrepare:
    """Bank 0's proposal of block 2."""
    message = stage.spoke("PRE-PREPARE", 0, height=2)[0]
    assert isinstance(message, PrePrepare)
    return message


@scenario(kills=("M4",))
def sawtooth_180ceed_primary_counted_twice(stage: Stage) -> None:
    """The primary's PRE-PREPARE is its PREPARE; who counts both makes two banks of one (sawtooth-pbft 180ceed). Bank 0
    proposes 2a to bank 1 and 2b to 2 and 3, and sends each its PREPARE too: two distinct banks prepare nothing, so
    nobody seals, and one block is final in the next view."""
    stage.work()
    stage.deliver("PRE-PREPARE", to=1)
    stage.lose("PRE-PREPARE")
    first = _proposed(stage)
    second = forge.pre_prepare(stage, 0, 0, forge.varied(first.proposal))
    stage.inject(second, frm=0, to=[2, 3])
    for block_hash, banks in ((first.block_hash, [1]), (second.block_hash, [2, 3])):
        stage.inject(forge.vote(stage, Prepare, 0, 0, 2, block_hash), frm=0, to=banks)
    assert not any(stage.spoke("COMMIT", bank, height=2) for bank in (1, 2, 3))
    stage.partition([1, 2, 3])
    stage.work(2, 3)
    stage.fire("progress", at=[1, 2, 3])
    stage.settle()
    assert len({stage.block(2, at) for at in (1, 2, 3)}) == 1


@scenario(kills=("M24",), window=2)
def report_with_a_gap(stage: Stage) -> None:
    """A view that starts with block 3 and without block 2 can never go on: PBFT 4.4 fills gaps with null requests, a
    chain cannot. All prepare 2a and 3a; the false bank 0 reports 3a alone, with a true certificate. Bank 1 builds
    its NEW-VIEW on no report with a gap, and decides both blocks with those of 2 and 3."""
    stage.work()
    for _ in range(2):
        stage.deliver("PRE-PREPARE")
        stage.deliver("PREPARE")
    stage.lose_all()
    votes = [seal for bank in (1, 2) for seal in stage.spoke("PREPARE", bank, height=3)]
    block_hash = votes[0].block_hash
    own = stage.spoke("PRE-PREPARE", 0, height=3)[0]
    assert len(stage.spoke("COMMIT", 1, height=3)) == 1
    signatures = {vote.sender: vote.signature for vote in votes}
    alone = make_prepared_certificate(0, 0, 3, block_hash, own.signature, signatures)
    _report(stage, 0, (alone,))
    stage.partition([1, 2, 3])
    stage.fire("progress", at=[1, 2, 3])
    stage.settle()
    started = stage.spoke("NEW-VIEW", 1)[0]
    assert [change.sender for change in started.view_changes] == [1, 2, 3]
    assert [item.height for item in started.reproposals] == [2, 3]
    assert {stage.block(3, at) for at in (1, 2, 3)} == {"3a"}


def _report(stage: Stage, frm: int, prepared: tuple[PreparedCertificate, ...]) -> None:
    """A false bank's VIEW-CHANGE to view 1 with these certificates, heard by all others."""
    change = forge.signed(stage, replace(forge.empty_view_change(stage, frm, 1), prepared=prepared))
    stage.inject(change, frm=frm, to=[bank for bank in range(4) if bank != frm])


@scenario(kills=("base unverified",))
def forged_base(stage: Stage) -> None:
    """A report names the last final block and proves it (the checkpoint messages C of PBFT 4.4); unchecked, that base
    makes one bank's word final. Bank 3 claims that 2a is, by a certificate of three seals of its own making, while no
    bank has prepared it: the report is refused, and the next view decides."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.lose_all()
    block_hash = _proposed(stage).block_hash
    own = forge.seal(stage, Kind.COMMIT, 3, 0, 2, block_hash)
    forged = make_commit_certificate(0, 0, 2, block_hash, {1: own, 2: own, 3: own})
    change = replace(forge.empty_view_change(stage, 3, 1), base_height=2, base_certificate=forged)
    stage.inject(forge.signed(stage, change), frm=3, to=[0, 1, 2])
    assert stage.heights() == [1, 1, 1, 1]
    assert len(stage.rejected) == 3
    stage.partition([0, 1, 2])
    stage.fire("patience", at=[0, 1, 2])
    stage.settle()
    assert stage.run_freely(5, lambda: stage.heights(0, 1, 2) == [2, 2, 2])


@scenario(kills=("M16",))
def proposal_without_its_new_view(stage: Stage) -> None:
    """Only a NEW-VIEW starts a view: who follows a proposal of a later view without one lets its primary forget what
    was decided (PBFT 4.4). Bank 0 alone learns that 2a is final and is cut off; the false bank 1 proposes 2b in view
    1 and expects votes. Banks 2 and 3 stay in view 0, and the view that the three then agree upon decides 2a."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", to=0)
    stage.lose_all()
    assert stage.block(2, 0) == "2a"
    stage.partition([1, 2, 3])
    second = forge.pre_prepare(stage, 1, 1, forge.proposal(stage, 1, 2, stage.instant().unix_s))
    stage.inject(second, frm=1, to=[2, 3])
    assert stage.views(2, 3) == [0, 0]
    assert not any(stage.spoke("PREPARE", bank, view=1) for bank in (2, 3))
    stage.settle()
    assert stage.heights(2, 3) == [1, 1]
    stage.fire("patience", at=[1, 2, 3])
    stage.settle()
    assert {stage.block(2, at) for at in range(4)} == {"2a"}


@scenario(kills=("vote before execution",))
def invalid_block_gets_no_vote(stage: Stage) -> None:
    """Who votes first and executes later seals results that it has not seen, and can only halt when they prove wrong
    (P-7: execute, then vote). Execution finds bank 0's block false: no bank votes for it, none halts, and the next
    view decides another."""
    stage.work(0)
    stage.lose("PRE-PREPARE")
    bad = forge.varied(_proposed(stage).proposal)
    stage.verdict = lambda index, effect: Verdict.INVALID if effect.proposal == bad else Verdict.VALID
    stage.inject(forge.pre_prepare(stage, 0, 0, bad), frm=0, to=[1, 2, 3])
    assert not any(stage.spoke("PREPARE", bank, height=2) for bank in (1, 2, 3))
    stage.partition([1, 2, 3])
    stage.work(1, 2, 3)
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [2, 2, 2])
    assert all(stage.nodes[at].disk.blocks[2].proposal != bad for at in (1, 2, 3))


@scenario(kills=("M35",))
def flood_of_one_bank(stage: Stage) -> None:
    """What one bank says must not fill another's memory (besu GHSA-23rh, monad#1969). Bank 3 votes in sixty views, and
    the votes of three are kept, the same for every sender (R-5); then ten views fail, each with a block of its own,
    and eight blocks are kept. Block 2 is final all the same."""
    stage.work()
    stage.lose_all()
    block_hash = _proposed(stage).block_hash
    with stage.in_short("3 sends PREPARE and COMMIT of 2a in sixty views"):
        for view in (view for view in range(FLOOD) if view % 4 != 3):
            for cls in (Prepare, Commit):
                stage.inject(forge.vote(stage, cls, 3, view, 2, block_hash), frm=3, to=[1])
    slot = stage.held(2, 1)
    assert len(slot.prepares[3]) == len(slot.commits[3]) == 3
    with stage.in_short("0, 1 and 2 fail in ten views, each with a block of its own"):
        stage.partition([0, 1, 2])
        stage.drop = lambda sender, to, message: isinstance(message, Prepare)
        for _ in range(10):
            stage.fire("patience", at=[0, 1, 2])
            stage.settle()
            stage.work(0, 1, 2)
            stage.settle()
    assert len({message.block_hash for bank in range(4) for message in stage.spoke("PRE-PREPARE", bank, height=2)}) > 8
    assert [len(stage.held(2, bank).blocks) for bank in (0, 1, 2)] == [8, 8, 8]
    stage.drop = lambda sender, to, message: False
    with stage.in_short("no PREPARE is lost any more"):
        stage.fire("patience", at=[0, 1, 2])
        assert stage.run_freely(200, lambda: stage.heights(0, 1, 2) == [2, 2, 2])
