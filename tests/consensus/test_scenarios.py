"""Scenarios on a small network of real replicas: what PBFT promises, step by step."""

from __future__ import annotations

import pytest

from .network import Network


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
