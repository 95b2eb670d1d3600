"""Scenarios about one block for each height: quorums, view changes, what a promise must report."""

from __future__ import annotations

from dataclasses import replace

from consensus.certificates import (
    CommitCertificate,
    make_commit_certificate,
    make_prepared_certificate,
    verify_commit_certificate,
)
from consensus.domain import Kind
from consensus.errors import InvalidCertificate
from consensus.messages import Commit, Prepare, PrePrepare, Status
from tests.consensus.network import NullVerifier
from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage


@scenario(kills=("M20",))
def mixed_view_seals(stage: Stage) -> None:
    """Seals that ignore the view forge a final block: over four views one block gathers three seals without ever
    being decided (CometBFT accountability, case "back to the past"). Bank 0 is false; 2b is final, and no choice of
    all seals ever signed proves 2a."""
    stage.work()
    stage.lose("PRE-PREPARE", to=1)
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", frm=2, to=3)
    stage.lose_all()
    stage.note("3 alone has sealed 2a, in view 0")
    _change_view(stage, 1, [1, 2, 3])
    stage.inject(forge.empty_view_change(stage, 0, 1), frm=0, to=[1])
    stage.deliver("VIEW-CHANGE", frm=2, to=1)
    stage.lose("VIEW-CHANGE")
    stage.deliver("NEW-VIEW", to=2)
    stage.deliver("PRE-PREPARE", to=2)
    stage.deliver("PREPARE", frm=2, to=1)
    block_b = stage.spoke("PRE-PREPARE", 1, view=1)[0].block_hash
    stage.inject(forge.vote(stage, Prepare, 0, 1, 2, block_b), frm=0, to=[1])
    stage.lose_all()
    stage.note("1 alone has sealed 2b, in view 1")
    _change_view(stage, 2, [1, 2, 3])
    stage.inject(forge.empty_view_change(stage, 0, 2), frm=0, to=[2])
    stage.deliver("VIEW-CHANGE", frm=3, to=2)
    stage.lose("VIEW-CHANGE")
    stage.deliver("NEW-VIEW", to=3)
    stage.deliver("PREPARE", frm=3, to=2)
    block_a = stage.names.hash_of("2a")
    stage.inject(forge.vote(stage, Prepare, 0, 2, 2, block_a), frm=0, to=[2])
    stage.lose_all()
    stage.note("2 alone has sealed 2a, in view 2")
    _change_view(stage, 3, [1, 2, 3])
    stage.inject(forge.empty_view_change(stage, 0, 3), frm=0, to=[3])
    stage.deliver("VIEW-CHANGE", frm=1, to=3)
    stage.lose("VIEW-CHANGE")
    stage.settle()
    assert {stage.block(2, at) for at in (1, 2, 3)} == {"2b"}
    seals = {
        3: stage.spoke("COMMIT", 3, view=0, height=2)[0].signature,
        2: stage.spoke("COMMIT", 2, view=2, height=2)[0].signature,
    }
    for view in range(4):
        seals[0] = forge.seal(stage, Kind.COMMIT, 0, view, 2, block_a)
        forgery = make_commit_certificate(0, view, 2, block_a, seals)
        try:
            verify_commit_certificate(forgery, stage.nodes[1].replica.schedule, NullVerifier())
        except InvalidCertificate:
            continue
        raise AssertionError(f"three seals of different views prove 2a in view {view}")


@scenario(kills=("M7",))
def votes_of_two_views(stage: Stage) -> None:
    """A quorum is of one view: counted by block alone, votes of several views "decide" what none of them decided, and
    what comes out is no certificate that anybody else accepts. Bank 2 sealed 2a in view 0, banks 1 and 3 in view 1:
    bank 1 holds three seals and knows that 2a is not final; the fourth bank's seal makes it so."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=2)
    stage.deliver("COMMIT", frm=2, to=1)
    stage.lose_all()
    stage.fire("progress", at=[0, 1, 2])
    stage.deliver("COMPLAIN", to=[0, 1, 2])
    stage.lose("COMPLAIN")
    stage.deliver("VIEW-CHANGE", to=1)
    stage.lose("VIEW-CHANGE")
    stage.deliver("NEW-VIEW", to=[0, 3])
    stage.lose("NEW-VIEW")
    stage.deliver("PREPARE", to=[1, 3])
    stage.deliver("COMMIT", frm=3, to=1)
    sealed = {bank: {seal.view for seal in stage.spoke("COMMIT", bank, height=2)} for bank in (1, 2, 3)}
    assert sealed == {1: {1}, 2: {0}, 3: {1}}
    assert stage.heights(1) == [1]
    stage.settle()
    assert stage.run_freely(5, lambda: min(stage.heights()) == 2)
    assert CommitCertificate.decode(stage.nodes[1].disk.blocks[2].certificate).signers() == (0, 1, 3)


def _change_view(stage: Stage, view: int, banks: list[int]) -> None:
    """Patience runs out at these banks, their complaints arrive, and each promises ``view``."""
    stage.fire("patience", at=banks)
    stage.deliver("COMPLAIN", to=banks, view=view)
    assert stage.promises(*banks) == [view] * len(banks)
    stage.mail = [mail for mail in stage.mail if type(mail.message).__name__ != "Complain"]


@scenario(n=5, kills=("M3",))
def ibft1_case1_five_nodes(stage: Stage) -> None:
    """Five banks need four: IBFT 1 took 2f + 1 = 3, and two quorums of three that share one false bank decided two
    blocks (Saltini's analysis of IBFT, 1901.07160). Bank 0 proposes 2a to two and 2b to two, and seals both."""
    stage.work()
    stage.deliver("PRE-PREPARE", to=[1, 2])
    stage.lose("PRE-PREPARE")
    first = stage.spoke("PRE-PREPARE", 0, height=2)[0]
    assert isinstance(first, PrePrepare)
    second = forge.pre_prepare(stage, 0, 0, forge.varied(first.proposal))
    stage.inject(second, frm=0, to=[3, 4])
    stage.settle()
    for banks, block_hash in (([1, 2], first.block_hash), ([3, 4], second.block_hash)):
        stage.inject(forge.vote(stage, Commit, 0, 0, 2, block_hash), frm=0, to=banks)
    stage.settle()
    assert stage.heights(1, 2, 3, 4) == [1, 1, 1, 1]
    stage.note("no block has four; the next view decides one")
    stage.fire("progress", at=[1, 2, 3, 4])
    stage.partition([1, 2, 3, 4])
    stage.settle()
    assert stage.heights(1, 2, 3, 4) == [2, 2, 2, 2]


@scenario(n=6, kills=("M13", "M10"))
def ibft1_case2_six_nodes(stage: Stage) -> None:
    """Some locked on one block, the others on another, and IBFT 1 never decides again (1901.07160; also
    pbft-consensus#19). Here f + 1 = 2 banks prepare 2a in view 0 and two prepare 2b in view 1; the third view takes
    the prepared block of the highest view, and everybody votes for it."""
    stage.work()
    stage.lose("PRE-PREPARE", to=[4, 5])
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=[0, 1])
    stage.lose_all()
    stage.note("0 and 1 have prepared 2a")
    everybody = list(range(6))
    stage.fire("patience", at=everybody)
    stage.partition([2, 3, 4, 5])
    stage.deliver("COMPLAIN")
    stage.note("the primary of view 1 hears of nothing prepared: it is among the two cut off")
    stage.lose_all()
    stage.fire("patience", at=[2, 3, 4, 5])
    stage.deliver("COMPLAIN")
    stage.deliver("VIEW-CHANGE", to=2)
    stage.lose_all_but("NEW-VIEW", "PRE-PREPARE")
    stage.deliver("NEW-VIEW")
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=[4, 5])
    stage.lose_all()
    assert len(stage.spoke("COMMIT", 4, view=2)) == len(stage.spoke("COMMIT", 5, view=2)) == 1
    stage.note("4 and 5 have prepared 2b")
    stage.heal()
    stage.fire("patience", at=[2, 3, 4, 5])
    stage.deliver("COMPLAIN")
    stage.deliver("VIEW-CHANGE", frm=[0, 1, 4], to=3)
    stage.lose_all_but("NEW-VIEW", "PRE-PREPARE")
    stage.settle()
    assert {stage.block(2, at) for at in everybody} == {"2b"}


@scenario(kills=("sealed banks stay",))
def dbft_four_good_nodes(stage: Stage) -> None:
    """Four good banks that stop each other: dBFT 2.0 lets who has sealed refuse every view change, and two sealed and
    two not are stuck for ever (neo-modules#792). Here 0 and 1 have sealed 2a in view 0; all change the view, and 2a
    is decided in view 1."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=[0, 1])
    stage.lose_all()
    assert len(stage.spoke("COMMIT", 0)) == len(stage.spoke("COMMIT", 1)) == 2  # heights 1 and 2
    stage.fire("progress", at=[2, 3])
    stage.settle()
    assert {stage.block(2, at) for at in range(4)} == {"2a"}
    assert stage.views() == [1, 1, 1, 1]


@scenario(kills=("M34",))
def neo_commit_locked(stage: Stage) -> None:
    """A bank that waits for a view must still learn what is final: neo-go#2552 stayed where it was. Bank 1 has
    promised view 1 when the seals of view 0 reach it, and it commits by them."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", to=[0])
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=[1, 2, 3])
    assert stage.promises(1) == [1]
    stage.lose("VIEW-CHANGE")
    stage.deliver("COMMIT", to=[1])
    assert stage.block(2, 1) == "2a"
    assert stage.views(1) == [0]
    stage.settle()
    assert stage.run_freely(10, lambda: min(stage.heights()) == 2)


@scenario(kills=("M14",))
def concord_50_poisoned_vc(stage: Stage) -> None:
    """One false report must not spoil the others (concord-bft#50). Bank 0 reports a block of view 1 that nobody
    prepared, then one with PREPAREs missing; the view that needs three of the other reports re-proposes 2a."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.lose_all()
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=[1, 2, 3])
    stage.lose("COMPLAIN")
    empty = forge.empty_view_change(stage, 0, 2)
    block_hash, other = stage.names.hash_of("2a"), b"\x99" * 32
    mine = {0: forge.seal(stage, Kind.PREPARE, 0, 1, 2, other)}
    lies = [
        make_prepared_certificate(0, 1, 2, other, mine[0], {0: mine[0], 2: mine[0]}),
        make_prepared_certificate(0, 0, 2, other, forge.seal(stage, Kind.PRE_PREPARE, 0, 0, 2, other), {}),
        make_prepared_certificate(0, 2, 2, block_hash, mine[0], mine),
    ]
    stage.lose("VIEW-CHANGE")
    stage.fire("patience", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=[1, 2, 3])
    for lie in lies:
        stage.inject(forge.signed(stage, replace(empty, prepared=(lie,))), frm=0, to=[1, 2, 3])
    stage.partition([1, 2, 3])
    stage.settle()
    assert stage.views(1, 2, 3) == [2, 2, 2]
    assert {stage.block(2, at) for at in (1, 2, 3)} == {"2a"}


@scenario(kills=("equal bases",))
def fabric_1111_s_prime(stage: Stage) -> None:
    """A quorum of reports need not agree on a checkpoint: Fabric 0.6 (#1111) asked for a quorum of equal ones and
    never started a view. Banks 1, 2 and 3 have committed 1, 2 and 3 blocks; the view of bank 1 starts above block 3."""
    stage.partition([0, 2, 3])
    stage.commit_one()
    stage.partition([0, 3, 2])
    with stage.in_short("a transaction; 2 misses the seals of its block"):
        stage.work(0, 2, 3)
        stage.deliver("PRE-PREPARE")
        stage.deliver("PREPARE")
        stage.deliver("COMMIT", to=[0, 3])
        stage.lose_all()
    assert stage.heights() == [3, 1, 2, 3]
    stage.crash(0)
    stage.partition([1, 2, 3])
    stage.work()
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=1)
    stage.deliver("VIEW-CHANGE", frm=1, to=2)
    stage.deliver("COMPLAIN", frm=3, to=2)
    stage.deliver("VIEW-CHANGE", to=3)
    stage.deliver("VIEW-CHANGE", to=1)
    assert {change.base_height for change in stage.spoke("NEW-VIEW", 1)[0].view_changes} == {1, 2, 3}
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [3, 3, 3])
    stage.work()
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [4, 4, 4])
    assert stage.views(1, 2, 3) == [1, 1, 1]


@scenario(kills=("no repair",))
def diem_1324_hidden_cert(stage: Stage) -> None:
    """Whoever alone learns that a block is final must not go silent (diem#1324). The false bank 0 gathers the seals
    of 2a, shows the certificate to bank 3 and vanishes; 1 and 2 get it from 3, and the chain goes on."""
    stage.work()
    stage.deliver("PRE-PREPARE", to=[1, 2])
    stage.lose("PRE-PREPARE", to=3)
    stage.deliver("PREPARE", to=[0, 1, 2])
    stage.deliver("COMMIT", to=0)
    stage.lose_all()
    stage.fire("status", at=3)
    stage.deliver("STATUS", frm=3, to=0)
    stage.deliver("REPAIR", frm=0, to=3)
    stage.crash(0)
    assert stage.block(2, 3) == "2a"
    assert stage.heights(1, 2) == [1, 1]
    stage.lose_all()
    stage.fire("patience", at=[1, 2])
    stage.settle()
    assert stage.block(2, 1) == stage.block(2, 2) == "2a"
    stage.work()
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [3, 3, 3])


@scenario(kills=("M1",), twins=(0,))
def twins_split_brain_n4(stage: Stage) -> None:
    """Bank 0 runs twice with one key (Twins; Jepsen's duplicated validators), and each half talks to its own side:
    two blocks are proposed for one height, none is decided in that view, and the evidence names bank 0 alone."""
    stage.faulty |= {0, 4}
    stage.partition([0, 1, 2], [4, 3])
    stage.work(0, 1, 2)
    stage.now_us += 1_000_000
    stage.nodes[4].pending = True
    stage.work(3, 4)
    stage.deliver("PRE-PREPARE")
    stage.lose_all()
    stage.heal()
    stage.note("now everybody hears both")
    for at in (0, 4):
        proposal = stage.spoke("PRE-PREPARE", at, height=2)[0]
        assert isinstance(proposal, PrePrepare)
        stage.inject(proposal, frm=at, to=[1, 2, 3])
    assert stage.convicted == {(0, "equivocation")}
    stage.fire("patience", at=[1, 2, 3])
    stage.settle()
    assert stage.run_freely(20, lambda: min(stage.heights(1, 2, 3)) == 2)
    assert {who for who, _ in stage.convicted} == {0}


@scenario(kills=("M25", "M26"))
def fisco_2211_huge_view(stage: Stage) -> None:
    """One bank's huge view made all others change views for ever (FISCO-BCOS#2211). Bank 3 complains of view 2^60,
    promises it and claims to be there; nobody complains, promises or stops, and the next transaction is final."""
    huge = 1 << 60
    lies = [
        forge.complaint(stage, 3, huge, 1),
        forge.empty_view_change(stage, 3, huge),
        forge.signed(stage, Status(0, 1, huge, huge, True, 3, b"")),
    ]
    for lie in lies:
        stage.inject(lie, frm=3, to=[0, 1, 2])
    assert stage.promises(0, 1, 2) == [0, 0, 0]
    assert not any(stage.spoke(kind, at) for kind in ("COMPLAIN", "VIEW-CHANGE") for at in (0, 1, 2))
    stage.work(0, 1, 2)
    stage.settle()
    assert stage.heights(0, 1, 2) == [2, 2, 2]
    assert stage.views(0, 1, 2) == [0, 0, 0]


@scenario(kills=("M11",))
def a_quorum_of_reports(stage: Stage) -> None:
    """A new view needs Q reports: of fewer, a false and an ignorant one would hide a decided block (PBFT 4.4). Bank 1
    alone learns that 2a is final and is cut off; 2 has prepared it, 3 has not, and 0 lies. The view of bank 3 waits
    for the report of bank 2."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE", to=[0, 1, 2])
    stage.deliver("COMMIT", to=1)
    assert stage.block(2, 1) == "2a"
    stage.partition([2, 3])
    stage.lose_all()
    for view in (1, 2, 3):
        stage.fire("patience", at=[2, 3])
        stage.inject(forge.complaint(stage, 0, view, 1), frm=0, to=[2, 3])
        stage.deliver("COMPLAIN", view=view)
        if view < 3:
            stage.lose_all()
    stage.inject(forge.empty_view_change(stage, 0, 3), frm=0, to=[3])
    assert not stage.spoke("NEW-VIEW", 3)
    stage.settle()
    assert stage.spoke("NEW-VIEW", 3)
    block_hash = stage.names.hash_of("2a")
    for cls in (Prepare, Commit):
        stage.inject(forge.vote(stage, cls, 0, 3, 2, block_hash), frm=0, to=[2, 3])
    stage.settle()
    assert stage.block(2, 2) == stage.block(2, 3) == "2a"
