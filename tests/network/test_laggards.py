"""Laggards reach the head and the view without one more transaction: STATUS alone repairs (H41, H42)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from node.cli.network import processes
from node.cli.network.layout import load_network
from tests.network.consortium import Consortium, wait_until

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("laggards")]

HEAL_S = 30.0
"""Well below the heartbeat of 300 s, so that no block of its own helps."""


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    consortium = Consortium.up(tmp_path_factory.mktemp("laggards") / "net")
    yield consortium
    consortium.down()


@contextmanager
def frozen(banks: Consortium, name: str) -> Iterator[None]:
    """Nothing of this bank runs meanwhile; its connections look alive at first."""
    mark = processes.running(load_network(banks.directory).node(name))
    assert mark is not None
    os.kill(mark.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(mark.pid, signal.SIGCONT)


def name_of(banks: Consortium, address: str) -> str:
    return str(next(bank["name"] for bank in banks.description["banks"] if bank["validator_address"] == address))


def check_healed(banks: Consortium, height: int) -> None:
    """Everybody at one height, hash and view, and no block was needed for it."""

    def all_equal() -> bool:
        rows = [banks.status(name) for name in banks.names]
        places = {(row["height"], row["epoch"], row["view"]) for row in rows}
        return len(places) == 1 and int(rows[0]["height"], 16) >= height

    wait_until(all_equal, timeout_s=HEAL_S, what="all banks at one height and view")
    assert {banks.head_hash(name, height) for name in banks.names} == {banks.head_hash(banks.names[0], height)}
    assert banks.height(banks.names[0]) == height


def test_a_backup_that_missed_the_last_blocks_gets_them_when_nothing_more_comes(banks: Consortium) -> None:
    """H42: frozen while blocks are made, it is in step again without load."""
    primary = name_of(banks, banks.status(banks.names[0])["primary"])
    late, other = [name for name in banks.names if name != primary][:2]
    with frozen(banks, late):
        for _ in range(5):
            banks.receipt(other, banks.transfer(other))
        height = banks.height(other)
    check_healed(banks, height)


def test_a_primary_that_slept_through_its_own_deposition_learns_the_view(banks: Consortium) -> None:
    """H41: the others changed the view and went idle; it stops believing that it leads, and its next transaction is
    final by the new primary."""
    primary = name_of(banks, banks.status(banks.names[0])["primary"])
    other = next(name for name in banks.names if name != primary)
    before = banks.status(other)
    with frozen(banks, primary):
        banks.receipt(other, banks.transfer(other))
        height = banks.height(other)
        after = banks.status(other)
        assert (after["epoch"], after["view"]) > (before["epoch"], before["view"])
    check_healed(banks, height)
    assert banks.status(primary)["primary"] == banks.status(other)["primary"]
    assert banks.receipt(primary, banks.transfer(primary))["status"] == 1
