"""Crashes between any two effects: nothing promised is forgotten, nothing different is ever said again."""

from __future__ import annotations

import random

import pytest

from consensus.codec import encode_message
from consensus.messages import Commit, Message, NewView, Prepare, PrePrepare, ViewChange
from consensus.types import Synced

from .network import Network


def said(network: Network, index: int, sent: list[Message]) -> None:
    """I6, I7: one content for each place, and no vote below an earlier promise."""
    votes: dict[tuple[object, ...], object] = {}
    promised = -1
    for message in sent:
        if isinstance(message, ViewChange | NewView):
            key = (type(message), message.epoch, message.view)
            assert votes.setdefault(key, encode_message(message)) == encode_message(message)
        if isinstance(message, ViewChange):
            promised = max(promised, message.view)
        if isinstance(message, PrePrepare | Prepare | Commit):
            place = (type(message), message.epoch, message.view, message.height)
            assert votes.setdefault(place, message.block_hash) == message.block_hash
            assert message.view >= promised


@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("trouble", [False, True], ids=["normal_case", "view_change"])
def test_a_replica_crashes_at_each_effect(victim: int, trouble: bool) -> None:
    """malachite_864, horcrux_amnesia: the primary or a backup dies before its k-th effect and comes back."""
    for k in range(40):
        network = Network(4)
        network.start()
        assert network.reach(1)
        network.run(0.1)
        if trouble:
            network.drop = lambda sender, to, message: isinstance(message, Commit) and message.view == 0
        node = network.nodes[victim]
        sent = node.sent
        node.crash_after = k
        network.submit()
        network.run(1.2)
        node.crash_after = None
        again = network.restart(victim)
        again.submit()
        assert network.reach(2, 30), k
        network.submit()
        assert network.reach(max(n.height for n in network.nodes) + 1, 30), k
        network.check_agreement()
        said(network, victim, sent + again.sent)


def test_all_power_fails_at_each_effect() -> None:
    """all_power_cut_at_each_effect: every bank dies at once; the chain goes on from what is on the disks."""
    for k in range(30):
        network = Network(4)
        network.start()
        assert network.reach(1)
        for node in network.nodes:
            node.crash_after = k
        sent = [node.sent for node in network.nodes]
        network.submit()
        network.run(1.5)
        for i in range(4):
            network.restart(i)
        network.submit()
        assert network.reach(2, 30), k
        network.check_agreement()
        for i, node in enumerate(network.nodes):
            said(network, i, sent[i] + node.sent)


def test_a_single_bank_crashes_at_each_effect() -> None:
    """n = 1: the bank that is its own quorum comes back with the same block."""
    for k in range(25):
        network = Network(1)
        node = network.nodes[0]
        node.crash_after = k
        network.start()
        network.run(1)
        node.crash_after = None
        network.restart(0)
        network.submit()
        assert network.reach(2, 30), k


@pytest.mark.parametrize("seed", range(12))
def test_agreement_under_random_faults(seed: int) -> None:
    """Loss, delay, crashes and partitions at random, across epoch edges; then everything heals and goes on."""
    rng = random.Random(seed)
    network = Network(4, epoch_length=6)
    loss = rng.choice([0, 0.05, 0.2])
    network.drop = lambda sender, to, message: rng.random() < loss
    network.start()
    for _ in range(15):
        action = rng.random()
        if action < 0.5:
            for node in network.nodes:
                if rng.random() < 0.8:
                    node.submit()
        elif action < 0.65:
            network.nodes[rng.randrange(4)].crash_after = rng.randint(0, 20)
        elif action < 0.85:
            for i in range(4):
                if not network.nodes[i].alive:
                    network.restart(i)
        else:
            network.down = {rng.randrange(4)} if rng.random() < 0.5 else set()
        network.delay_us = rng.choice([1_000, 20_000, 200_000])
        network.run(rng.choice([0.05, 0.5, 2]))
        network.check_agreement()
    network.down = set()
    network.drop = lambda sender, to, message: False
    for i in range(4):
        network.nodes[i].crash_after = None
        if not network.nodes[i].alive:
            network.restart(i)
    target = max(node.height for node in network.nodes) + 1
    for _ in range(40):
        network.submit()
        if network.reach(target, 2):
            break
    assert network.reach(target, 1)
    network.check_agreement()
    assert not network.rejected


def test_a_ledger_behind_its_wal_keeps_the_segment_and_says_nothing_until_it_has_caught_up() -> None:
    """P-18: votes of the epoch after the edge wait in the WAL for the ledger; no new segment may drop them."""
    network = Network(4, epoch_length=3)
    network.start()
    assert network.reach(1)
    network.submit()
    assert network.reach(2)
    network.drop = lambda sender, to, message: isinstance(message, Commit)
    network.submit()
    network.run(0.3)
    before = network.nodes[1]
    assert [m.epoch for m in before.sent if isinstance(m, Commit)][-1] == 1
    lost = before.disk.blocks.pop(2)
    before.disk.wal_lsn = 0
    network.down.add(1)
    behind = network.restart(1)
    assert behind.replica.state_record() is None
    assert not behind.replica.status().may_vote
    behind.store(lost.proposal, lost.certificate)
    behind.step(Synced(2, lost.block_hash, lost.timestamp, lost.certificate, network.sets(3)))
    state = behind.replica.state_record()
    assert state is not None and [m.height for m in state.accepted] == [3]
    assert behind.replica.status().may_vote
    network.down.clear()
    network.drop = lambda *_: False
    assert network.reach(3, 20)
    network.check_agreement()


def test_a_restart_in_a_later_view_recalls_no_vote_of_an_earlier_one() -> None:
    """PBFT 4.4: what view 0 accepted is kept as a block, and gets a vote in view 1 only if view 1 re-proposes it."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.drop = lambda sender, to, message: isinstance(message, Prepare | Commit)
    network.submit()
    network.run(0.1)
    network.drop = lambda sender, to, message: isinstance(message, PrePrepare | Prepare | Commit)
    network.nodes[0].alive = False
    assert network.run(10, lambda: all(node.replica.status().view == 1 for node in network.nodes[1:]))
    again = network.restart(3)
    assert not [m for m in again.sent if isinstance(m, Prepare | Commit)]
    accepted = again.replica._core.log.slots[2].accepted
    assert accepted is not None and again.replica.find_proposal(2, accepted.block_hash) == accepted.proposal
    network.drop = lambda *_: False
    assert network.reach(2, 20, [1, 2, 3])
    network.check_agreement()
