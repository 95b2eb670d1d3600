"""Hazards of timers and clocks: storms, replicas that never meet, slow and skewed primaries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.messages import Complain, PrePrepare, Reason, ViewChange
from consensus.types import Broadcast, Instant, Received, Send, SetTimer, TimerKind
from tests.scenarios.stage import Stage

from .network import START_S, Network, address

FAILED_VIEWS = 10_000
MESSAGES_A_VIEW = 4
"""Own complaint and promise, and an answer to each of two others'."""


def test_ten_thousand_failed_views_make_no_storm() -> None:
    """H6: patience grows, is never less than before and never above its cap, and a view costs a few messages however
    many went before it (quorum#1664: an overflow after 33 rounds made a storm)."""
    stage = Stage(4, "")
    stage.begin()
    stage.work()
    replica, config = stage.nodes[1].replica, stage.config
    due, patience = stage.now_us, 0
    for view in range(1, FAILED_VIEWS + 1):
        now = Instant(due, START_S)
        effects = []
        for sender in (2, 3):
            complaint = Complain(0, view, 1, Reason.PROGRESS, False, sender, b"")
            effects += replica.step(Received(address(sender), complaint), now)
        assert replica.status().promise == view
        assert len([e for e in effects if isinstance(e, Send | Broadcast)]) <= MESSAGES_A_VIEW
        (timer,) = [e for e in effects if isinstance(e, SetTimer) and e.key.kind is TimerKind.NEW_VIEW]
        shorter, patience = patience, timer.at_us - due
        assert shorter <= patience <= config.timeout_max_us
        due = timer.at_us
    assert patience == config.timeout_max_us


@pytest.mark.parametrize("gap", [1, 10, 50])
def test_banks_views_apart_meet(gap: int) -> None:
    """H7: three banks promise views far ahead of the fourth, one of the three is lost; once the links are there, the
    others commit within one patience, whatever the gap (celo#706, polygon-edge#187)."""
    stage = Stage(4, "")
    stage.begin()
    stage.work()
    stage.partition([0, 1, 2])
    stage.lose_all()
    for _ in range(gap):
        stage.fire("patience", at=[0, 1, 2])
        stage.deliver("COMPLAIN")
        stage.lose_all()
    stage.crash(0)
    stage.partition([1, 2, 3])
    assert stage.run_freely(62, lambda: stage.heights(1, 2, 3) == [2, 2, 2])


def test_a_primary_just_under_the_timeout_is_replaced() -> None:
    """H27: a primary that takes 0.9 of the patience for each block, with thirty transactions waiting, one a block,
    loses its view by the age rule; the next one empties the pool many times faster."""
    network = Network(4, age_limit_us=5_000_000)
    network.start()
    assert network.reach(1)
    arrived = network.now_us
    post = network.post

    def slow(sender: int, to: int, message: object) -> None:
        delay, network.delay_us = network.delay_us, network.delay_us
        if sender == 0 and isinstance(message, PrePrepare):
            network.delay_us = 900_000
        post(sender, to, message)  # type: ignore[arg-type]
        network.delay_us = delay

    network.post = slow  # type: ignore[method-assign]
    last = 31
    for node in network.nodes:
        work = node.work

        def more(node=node, work=work):  # type: ignore[no-untyped-def]
            if node.height < last:
                node.pending, node.oldest_us = True, arrived
            return work()

        node.work = more  # type: ignore[method-assign]
        node.step(node.work())
    assert network.reach(last, 15)
    assert min(node.replica.status().view for node in network.nodes) == 1


@pytest.mark.parametrize("skew_s", [3600, -3600])
def test_a_skewed_primary_bends_no_time(skew_s: int) -> None:
    """H28: a primary whose clock is an hour off, either way, gets no block accepted with its time; the chain goes on
    under the next one, and its time stays within the tolerance of the others' (semux#434, harmony#5047)."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.run(7200)
    node, instant = network.nodes[0], network.instant
    build = node.build

    def skewed(effect):  # type: ignore[no-untyped-def]
        network.instant = lambda: replace(instant(), unix_s=instant().unix_s + skew_s)  # type: ignore[method-assign]
        answer = build(effect)
        network.instant = instant  # type: ignore[method-assign]
        return answer

    node.build = skewed  # type: ignore[method-assign]
    height = network.nodes[1].height
    before = network.nodes[1].disk.blocks[height].timestamp
    network.submit()
    assert network.reach(height + 1, 60, [1, 2, 3])
    for other in network.nodes[1:]:
        time = other.disk.blocks[height + 1].timestamp
        assert before <= time
        assert abs(time - (START_S + network.now_us // 1_000_000)) <= 30
    assert not any(isinstance(m, ViewChange) and m.view > 3 for n in network.nodes for m in n.sent)
