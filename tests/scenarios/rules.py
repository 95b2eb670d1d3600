"""Scenarios about what a block may be: its time, the certificate that it carries, the certificates that prove it."""

from __future__ import annotations

from dataclasses import replace

from consensus.certificates import CommitCertificate, bitmap_of
from consensus.domain import Kind
from consensus.messages import Repair
from tests.consensus.network import START_S
from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage

HOUR_S = 3600


@scenario(kills=("M31",))
def indy_1488_old_timestamp(stage: Stage) -> None:
    """A block prepared before a long partition was refused as too old for ever after (indy-plenum#1488). All four
    prepare 2a and lose its seals; half an hour later the next view re-proposes it with its old time, and it is
    final."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.lose_all()
    stage.wait(1800)
    stage.fire("progress", at=[0, 1, 2, 3])
    stage.settle()
    assert {stage.block(2, at) for at in range(4)} == {"2a"}
    assert stage.views() == [1, 1, 1, 1]


@scenario(kills=("no lower time bound",))
def stale_proposal(stage: Stage) -> None:
    """A primary must not put the present into the past: deadlines of letters of credit hang on block time. An hour
    after block 1, bank 0 proposes a block with a time of half an hour ago, then one of now: the first gets no vote."""
    stage.wait(HOUR_S)
    old = forge.pre_prepare(stage, 0, 0, forge.proposal(stage, 0, 2, stage.instant().unix_s - HOUR_S // 2))
    stage.inject(old, frm=0, to=[1, 2, 3])
    assert not any(stage.spoke("PREPARE", at, height=2) for at in (1, 2, 3))
    assert stage.instant().unix_s - START_S > HOUR_S
    stage.partition([1, 2, 3])
    stage.work(1, 2, 3)
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [2, 2, 2])
    for at in (1, 2, 3):
        assert stage.nodes[at].disk.blocks[2].timestamp > START_S + HOUR_S


@scenario(kills=("no upper time bound",))
def proposal_from_the_future(stage: Stage) -> None:
    """A primary whose clock runs ahead must not drag block time with it (semux#434, harmony#5047): whoever dates a
    block forward makes letters of credit expire early. Bank 0 dates a block nine seconds ahead, four more than the
    tolerance: it is held for four seconds, neither voted for nor refused."""
    early = forge.pre_prepare(stage, 0, 0, forge.proposal(stage, 0, 2, stage.instant().unix_s + 9))
    stage.inject(early, frm=0, to=[1, 2, 3])
    assert not any(stage.spoke("PREPARE", at, height=2) for at in (1, 2, 3))
    arrived = stage.now_us
    stage.fire("early_proposal", at=[1, 2, 3])
    assert stage.now_us - arrived == 4_000_000
    assert all(len(stage.spoke("PREPARE", at, height=2)) == 1 for at in (1, 2, 3))
    stage.settle()
    assert {stage.block(2, at) for at in (1, 2, 3)} == {stage.names.block(2, early.block_hash)}


@scenario(kills=("carried certificate unverified", "M37"))
def carried_certificate(stage: Stage) -> None:
    """A block makes the certificate that it carries canonical for ever, so a bad one must not pass (P-11): one with
    two seals and a false third, then one with three good seals and a false fourth (GHSA-6jqj-f58p-mrw3)."""
    good = CommitCertificate.decode(stage.nodes[0].disk.blocks[1].certificate)
    seals = {i: forge.seal(stage, Kind.COMMIT, i, good.view, 1, good.block_hash) for i in range(4)}
    for honest, false in (((0, 1), 2), ((0, 1, 2), 3)):
        signers = [*honest, false]
        chosen = (*(seals[i] for i in honest), seals[0])
        bad = replace(good, bitmap=bitmap_of(signers), seals=chosen)
        block = forge.proposal(stage, 0, 2, stage.instant().unix_s, bad.encode())
        stage.inject(forge.pre_prepare(stage, 0, 0, block), frm=0, to=[false])
        assert not stage.spoke("PREPARE", false, height=2)
    stage.partition([1, 2, 3])
    stage.work(1, 2, 3)
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [2, 2, 2])


@scenario(kills=("carried certificate of anything",))
def carried_certificate_of_another_block(stage: Stage) -> None:
    """A proof that is genuine and proves something else (P-11): stored as what makes block 2 final, it would leave
    auditors without one. Block 3 must carry what makes block 2 final: bank 0 puts the true certificate of block 1
    into it, and gets no vote."""
    stage.commit_one()
    certificate = stage.nodes[0].disk.blocks[1].certificate
    block = forge.proposal(stage, 0, 3, stage.instant().unix_s, certificate)
    stage.inject(forge.pre_prepare(stage, 0, 0, block), frm=0, to=[1, 2, 3])
    assert not any(stage.spoke("PREPARE", at, height=3) for at in (1, 2, 3))
    stage.partition([1, 2, 3])
    stage.work(1, 2, 3)
    assert stage.run_freely(5, lambda: stage.heights(1, 2, 3) == [3, 3, 3])
    for at in (1, 2, 3):
        assert CommitCertificate.decode(stage.nodes[at].disk.blocks[2].certificate).height == 2


@scenario(kills=("repair unverified", "M37"))
def garbage_after_the_quorum(stage: Stage) -> None:
    """A certificate with one bad seal is no certificate, wherever the bad one stands (GHSA-6jqj-f58p-mrw3 halted
    chains; pantheon#827 counted one signer twice). Bank 3 has missed 2a; bank 0 serves it a certificate of one seal,
    one of its own seal three times, and the true one with a false fourth seal; then bank 1 serves the true one."""
    stage.partition([0, 1, 2])
    stage.commit_one()
    stage.heal()
    true = CommitCertificate.decode(stage.nodes[1].disk.blocks[2].certificate)
    assert true.signers() == (0, 1, 2)
    own = true.seals[0]
    bad = [
        replace(true, bitmap=bitmap_of([0]), seals=(own,)),
        replace(true, seals=(own, own, own)),
        replace(true, bitmap=bitmap_of([0, 1, 2, 3]), seals=(*true.seals, own)),
    ]
    for false in bad:
        stage.inject(Repair((false,)), frm=0, to=[3])
    assert len(stage.rejected) == len(bad)
    assert stage.heights(3) == [1]
    stage.fire("status", at=3)
    stage.deliver("STATUS", to=1)
    stage.settle()
    assert stage.block(2, 3) == "2a"
