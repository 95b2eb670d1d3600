"""Scenarios about the edge of an epoch, where another set takes over (P-12, P-13)."""

from __future__ import annotations

from consensus.certificates import CommitCertificate
from consensus.messages import Commit, NewView, Prepare, ViewChange
from consensus.types import Address
from tests.consensus.network import address
from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage

EDGE = 3
"""Epoch 1 begins with this height."""


def one_leaves(height: int) -> tuple[Address, ...]:
    """0 to 3, then 1 to 4."""
    return tuple(address(i) for i in (range(4) if height < EDGE else range(1, 5)))


def all_leave(height: int) -> tuple[Address, ...]:
    """0 to 3, then 4 to 7."""
    return tuple(address(i) for i in (range(4) if height < EDGE else range(4, 8)))


@scenario(kills=("M22",), n=5, sets=one_leaves, epoch_length=EDGE)
def simplex_543_ex_validator(stage: Stage) -> None:
    """Votes of a bank that has left the set were counted after the change (ava-labs/Simplex#543). Bank 0 leaves at
    height 3, where banks 1 and 4 are silent; its votes, in the old epoch's name or the new one's, complete no
    quorum, and block 3 waits for bank 1."""
    stage.commit_one()
    stage.sync(at=4)
    stage.crash(1, 4)
    stage.work(2, 3)
    stage.deliver("PRE-PREPARE", to=3)
    stage.deliver("PREPARE", to=2)
    block_hash = stage.names.hash_of("3a")
    for cls in (Prepare, Commit):
        for epoch in (0, 1):
            false = forge.vote(stage, cls, 0, 0, 3, block_hash, epoch=epoch, sender=0)
            stage.inject(false, frm=0, to=[2, 3])
    assert not stage.spoke("COMMIT", 2, height=3)
    assert stage.heights(2, 3) == [2, 2]
    stage.restart(1)
    stage.fire("status", at=1)
    stage.settle()
    assert stage.heights(1, 2, 3) == [3, 3, 3]


@scenario(kills=("a view survives the edge",), epoch_length=EDGE)
def epoch_edge_during_view_change(stage: Stage) -> None:
    """A view change across a set change could not be verified (FISCO-BCOS#2191). The last block of epoch 0 becomes
    final while 1, 2 and 3 promise view 1; each enters epoch 1 in view 0 with no promise left, and block 3 follows."""
    stage.work()
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", to=0)
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN", to=[1, 2, 3])
    assert stage.promises(1, 2, 3) == [1, 1, 1]
    stage.deliver("COMMIT", to=1)
    stage.note("2 and 3 lose the seals, and hear of the new epoch by what they cannot use yet")
    stage.lose("COMMIT")
    stage.settle()
    stage.fire("status", at=[2, 3])
    stage.settle()
    assert stage.heights() == [2, 2, 2, 2]
    assert stage.views() == stage.promises() == [0, 0, 0, 0]
    stage.work()
    stage.settle()
    assert stage.heights() == [3, 3, 3, 3]
    assert {message.sender for message in stage.spoke("PRE-PREPARE", 1, height=3)} == {1}


@scenario(kills=("old epochs count",), n=8, sets=all_leave, epoch_length=EDGE)
def disjoint_sets_old_new_view(stage: Stage) -> None:
    """A view number that survives an edge permits a fork between disjoint sets (P-13). The new set decides 3a, and
    bank 4 alone learns it. The whole old set, out of office, turns false: it makes a NEW-VIEW above block 2, in its
    own epoch's name and in the new one's. Nobody follows; 3a is what the others decide."""
    stage.commit_one()
    for at in (4, 5, 6, 7):
        stage.sync(at=at)
    stage.lose_all()
    stage.work(4, 5, 6, 7)
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.deliver("COMMIT", to=4)
    stage.lose_all()
    assert stage.block(3, 4) == "3a"
    stage.partition([5, 6, 7])
    base = CommitCertificate.decode(stage.nodes[5].disk.blocks[2].certificate)
    for epoch in (0, 1):
        changes = tuple(forge.signed(stage, ViewChange(epoch, 1, 2, base, (), i, b""), frm=i) for i in range(3))
        leader = (epoch + 1) % 4
        false = forge.signed(stage, NewView(epoch, 1, changes, (), leader, b""), frm=leader)
        stage.inject(false, frm=leader, to=[5, 6, 7])
    assert stage.views(5, 6, 7) == [0, 0, 0]
    stage.fire("patience", at=[5, 6, 7])
    stage.settle()
    assert {stage.block(3, at) for at in (4, 5, 6, 7)} == {"3a"}


@scenario(kills=("M21",))
def another_chains_votes(stage: Stage) -> None:
    """The same keys on two chains: a vote of the one must mean nothing on the other, or an honest bank looks guilty
    (massa#4979, Simplex#554). The four banks decide another block 2 on a chain of another id; all its votes are
    replayed here at the height that is open."""
    other = Stage(4, stage.title, chain_id=8)
    other.begin()
    other.commit_one()
    stage.work()
    stage.deliver("PRE-PREPARE")
    votes = [m for what, _, m in other.history if what == "send" and isinstance(m, Prepare | Commit) and m.height == 2]
    refused = len(stage.rejected)
    with stage.in_short(f"{len(votes)} votes of the other chain arrive at 1, 2 and 3"):
        for vote in votes:
            for at in (1, 2, 3):
                stage.receive(vote.sender, at, forge.codec.encode_message(vote))
    assert len(stage.rejected) - refused == 3 * len(votes)
    stage.settle()
    assert stage.heights() == [2, 2, 2, 2]
    assert not stage.convicted
