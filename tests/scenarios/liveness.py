"""Scenarios about moving on: timers, complaints, joining, catching up without traffic."""

from __future__ import annotations

from tests.scenarios import forge
from tests.scenarios.registry import scenario
from tests.scenarios.stage import Stage


@scenario(kills=("M38",))
def besu_1734_expiry_vs_commit(stage: Stage) -> None:
    """A round that expires between a block's import and the next height made two honest validators fork (besu#1734,
    #10052). A commit quorum and the progress timer of its height meet in both orders; a timer that was for the
    past says nothing, and nobody votes for anything else at that height."""
    stage.work()
    key, _ = stage.running("progress", at=1)
    stage.deliver("PRE-PREPARE")
    stage.deliver("PREPARE")
    stage.note("at 1 the commit comes first, then the timer; its disk is slow")
    stage.nodes[1].slow_disk = True
    stage.deliver("COMMIT", to=1)
    assert not stage.is_running("progress", at=1)
    stage.fire_stale(key, at=1)
    assert not stage.nodes[1].replica.status().complaining
    stage.finish_writing(at=1)
    stage.fire_stale(key, at=1)
    stage.note("at 2 the timer comes first, then the commit")
    stage.fire("progress", at=2)
    stage.deliver("COMMIT", to=2)
    assert not stage.nodes[2].replica.status().complaining
    stage.settle()
    assert stage.heights() == [2, 2, 2, 2]
    assert stage.promises() == [0, 0, 0, 0]
    assert not stage.spoke("COMPLAIN", 1)


@scenario(kills=("M40",))
def deliver_after_sync(stage: Stage) -> None:
    """A block that sync imports while its own delivery is being written is committed once (besu#10052, fabric#5076,
    "block re-committed after sync"). Bank 3 has the seals of 2a on a slow disk when sync brings the same block."""
    stage.nodes[3].slow_disk = True
    stage.work()
    stage.settle()
    assert stage.heights() == [2, 2, 2, 1]
    stage.sync(at=3)
    assert len(stage.nodes[3].writing) == 1, "one Deliver for one height"
    stage.finish_writing(at=3)
    stage.nodes[3].slow_disk = False
    assert stage.heights(3) == [2]
    stage.commit_one()
    assert stage.heights() == [3, 3, 3, 3]


@scenario(kills=("M27",))
def celo_706_capped_backoff(stage: Stage) -> None:
    """With capped patience and no joining, 2f banks never met the one ahead (celo#706, polygon-edge#187). Banks 1
    and 2 are several views ahead of bank 3, and bank 0 is gone; 3 joins them at once, without a timer of its own."""
    stage.work()
    with stage.in_short("0, 1 and 2 fail in views 0 to 5, out of 3's hearing"):
        stage.partition([0, 1, 2])
        stage.lose_all()
        for _ in range(5):
            stage.fire("patience", at=[0, 1, 2])
            stage.deliver("COMPLAIN")
            stage.lose_all()
    assert stage.promises() == [5, 5, 5, 0]
    stage.crash(0)
    stage.partition([1, 2, 3])
    stage.fire("status", at=[1, 2])
    stage.lose("STATUS")
    stage.settle()
    assert stage.promises(1, 2, 3) == [5, 5, 5]
    assert stage.run_freely(1, lambda: stage.heights(1, 2, 3) == [2, 2, 2])


@scenario(kills=("no repair",))
def berger_dark_replicas(stage: Stage) -> None:
    """A primary that leaves f honest banks in the dark must not stall or depose anybody (Berger, Reiser and Bessani,
    SRDS 2021). Bank 0 never sends to bank 3, whose view of two seals is no quorum; STATUS and certificates bring it
    each block, and no view changes."""
    stage.drop = lambda sender, to, message: sender == 0 and to == 3
    for height in (2, 3):
        stage.work()
        stage.settle()
        assert stage.heights() == [height, height, height, height - 1]
        stage.fire("status", at=3)
        stage.deliver("STATUS", to=[1, 2])
        stage.settle()
        assert stage.heights(3) == [height]
    assert stage.promises() == [0, 0, 0, 0]


@scenario(kills=("M32",))
def smartbft_350_deposed_leader(stage: Stage) -> None:
    """A deposed leader that misses the view change goes on leading its old view (SmartBFT#350, #337): sync brings
    blocks, not views. Bank 0 is cut off through a view change; no transaction follows, and STATUS brings it the
    NEW-VIEW, which proves itself."""
    stage.partition([1, 2, 3])
    stage.work()
    stage.fire("progress", at=[1, 2, 3])
    with stage.in_short("1, 2 and 3 change to view 1 and commit", level=1):
        stage.settle()
    assert stage.heights(1, 2, 3) == [2, 2, 2]
    stage.heal()
    stage.fire("status", at=0)
    stage.settle()
    assert stage.views() == [1, 1, 1, 1]
    stage.work()
    stage.settle()
    assert stage.heights() == [3, 3, 3, 3]


@scenario(kills=("no repair",))
def concord_912_idle_laggard(stage: Stage) -> None:
    """The last f never catch up when the system goes idle and makes no new checkpoint (concord-bft#912, #927). Bank 3
    misses one block, the load ends; its STATUS alone brings it to the height of the others."""
    stage.partition([0, 1, 2])
    stage.commit_one()
    stage.nodes[3].pending = False
    stage.heal()
    assert stage.heights() == [2, 2, 2, 1]
    stage.fire("status", at=3)
    stage.deliver("STATUS", to=[0])
    stage.settle()
    assert stage.heights() == [2, 2, 2, 2]


@scenario(kills=("M39", "M28"))
def lone_timeout_keeps_voting(stage: Stage) -> None:
    """Who times out alone must not fall silent until the next view change (plain PBFT promises at its own timeout, and
    one fault's worth of slack is lost). Bank 3 complains, has another patience's time, then still votes where its
    vote is needed."""
    stage.work(3)
    stage.fire("progress", at=3)
    stage.lose("COMPLAIN")
    for kind in ("progress", "new_view"):
        assert not stage.is_running(kind, at=3)
    stage.wait(10)
    stage.crash(2)
    stage.work(0, 1)
    stage.settle()
    assert stage.heights(0, 1, 3) == [2, 2, 2]
    assert stage.promises(0, 1, 3) == [0, 0, 0]


@scenario(kills=("M29",))
def lost_view_changes(stage: Stage) -> None:
    """A VIEW-CHANGE that is lost once must come again (celo#706: a cap is safe only with rebroadcast). All of them
    are lost; each bank repeats its own byte for byte with its next STATUS, and the view starts."""
    stage.crash(0)
    stage.work()
    stage.fire("progress", at=[1, 2, 3])
    stage.deliver("COMPLAIN")
    stage.lose("VIEW-CHANGE")
    stage.lose_all()
    stage.fire("status", at=[1, 2, 3])
    stage.deliver("VIEW-CHANGE")
    stage.settle()
    assert stage.heights(1, 2, 3) == [2, 2, 2]
    for bank in (1, 2, 3):
        said = stage.spoke("VIEW-CHANGE", bank)
        assert len(said) == 2
        assert said[0] == said[1]


@scenario(kills=("complaints never end",))
def complaints_end_with_a_commit(stage: Stage) -> None:
    """Without expiry f permanent liars and one stale honest complaint would change views at will (P-14). Bank 2
    complains of block 2 and is wrong; block 2 is committed; then liar 3 complains, and nobody joins."""
    stage.work(2)
    stage.fire("progress", at=2)
    stage.deliver("COMPLAIN", to=[0, 1])
    stage.commit_one()
    assert stage.heights() == [2, 2, 2, 2]
    stage.inject(forge.complaint(stage, 3, 1, 1), frm=3, to=[0, 1])
    stage.work(0, 1, 2)
    stage.lose("PRE-PREPARE")
    assert stage.promises(0, 1, 2) == [0, 0, 0]
    assert not stage.spoke("COMPLAIN", 0)
    assert not stage.spoke("COMPLAIN", 1)
    assert not stage.spoke("VIEW-CHANGE", 2)


@scenario(kills=("M36",), age_limit_us=3_000_000)
def censoring_primary(stage: Stage) -> None:
    """A primary that leaves one transaction out while blocks flow must lose its view (Prime, Aardvark; besu#10153).
    Every bank holds a transaction that bank 0 never places; the age rule changes the view, and bank 1 places it."""
    stage.nodes[0].censors = True
    for node in stage.nodes:
        node.hold()
    for _ in range(4):
        stage.wait(1)
        stage.commit_one()
    assert stage.views() == [0, 0, 0, 0]
    assert stage.run_freely(5, lambda: all(node.held_since is None for node in stage.nodes))
    assert stage.views() == [1, 1, 1, 1]


@scenario(kills=("M30",), delay_us=1_500_000)
def patience_outgrows_the_network(stage: Stage) -> None:
    """With patience that does not grow, banks on a network slower than it change views for ever and decide nothing
    (PBFT 4.5.2). Each message takes half as long again as T0: views fail until patience has doubled often enough, and
    then a block is final."""
    stage.work()
    with stage.in_short("the banks are left to themselves, each message takes 1.5 s"):
        assert stage.run_freely(40, lambda: min(stage.heights()) == 2)
        stage.settle()
    assert 0 not in stage.views()
    stage.commit_one()
