"""R-9: whom a host is connected to shortens patience, and does nothing else."""

from __future__ import annotations

import pytest

from consensus.messages import Complain, PrePrepare, Reason, Status
from consensus.types import Broadcast, PeersReachable, Received, TimerKind
from consensus.view_synchronizer import QUICK_SHIFT

from .network import Network, Node, address
from .test_work import complaints, fire, idle

BACKUP = 3
ALL = frozenset(address(i) for i in range(4))
SECOND = 1_000_000
QUICK = SECOND >> QUICK_SHIFT


def without(*lost: int) -> PeersReachable:
    return PeersReachable(ALL - {address(i) for i in lost})


def waiting() -> tuple[Network, Node]:
    """A backup that reaches everybody, with a transaction that its primary (0) does not order."""
    network = idle()
    node = network.nodes[BACKUP]
    node.step(without())
    node.submit()
    assert node.timers[TimerKind.PROGRESS][1] == network.now_us + SECOND
    node.sent.clear()
    return network, node


def due_in(network: Network, node: Node, kind: TimerKind = TimerKind.PROGRESS) -> int:
    return node.timers[kind][1] - network.now_us


def test_an_unreachable_primary_gets_a_short_patience_from_when_it_was_lost() -> None:
    """A connection that breaks and comes back at once costs nothing: the ordinary end of patience stands again."""
    network, node = waiting()
    network.now_us += 500_000
    node.step(without(0))
    assert due_in(network, node) == QUICK
    node.step(without(1, 2))
    assert due_in(network, node) == 500_000
    network.now_us += 100_000
    node.step(without(0))
    assert due_in(network, node) == QUICK


def test_no_flapping_makes_patience_longer() -> None:
    """However often the link breaks and heals, the complaint comes no later than it would without."""
    network, node = waiting()
    started = network.now_us
    for _ in range(9):
        network.now_us += 100_000
        node.step(without(0))
        node.step(without())
    assert node.timers[TimerKind.PROGRESS][1] == started + SECOND
    node.step(without(0))
    assert node.timers[TimerKind.PROGRESS][1] == started + SECOND


def test_the_short_patience_doubles_with_each_failed_view() -> None:
    """Else f liars and one host that is wrong about its links could change views faster than a block commits."""
    network, node = waiting()
    node.replica._core.sync.failed_views = 2
    network.now_us += 100
    node.step(without(0))
    assert due_in(network, node) == 4 * QUICK


def test_a_complaint_asks_for_the_next_reachable_primary() -> None:
    """Views of primaries that are out of reach are skipped, up to this replica's own and never beyond."""
    for lost, wanted in (((), 1), ((0,), 1), ((0, 1), 2), ((0, 1, 2), 3), ((1, 2), 3)):
        _, node = waiting()
        node.step(without(*lost))
        fire(node, TimerKind.PROGRESS)
        assert [c.view for c in complaints(node)] == [wanted], lost


def test_a_complaint_follows_what_is_reachable() -> None:
    """When the primary that it asks for is lost it asks for another, one message for a change, and it stays there."""
    _, node = waiting()
    node.step(without(0))
    fire(node, TimerKind.PROGRESS)
    node.step(without(0, 1))
    node.step(without(0, 1))
    node.step(without(0))
    told = [effect.message for effect in node.effects if isinstance(effect, Broadcast)]
    assert [c.view for c in told if isinstance(c, Complain)] == [1, 2]
    assert all(c.reason is Reason.PROGRESS and not c.echo for c in complaints(node))


def test_an_echo_stays_with_those_whom_it_joined() -> None:
    """f + 1 want view 1: a bank that cannot reach its primary still says so, or the quorum would miss it."""
    _, node = waiting()
    node.step(without(1))
    for sender in (0, 2):
        node.step(Received(address(sender), Complain(0, 1, 1, Reason.PROGRESS, False, sender, b"")))
    assert [c.view for c in complaints(node)] == [1]
    node.step(without(0, 1))
    assert [c.view for c in complaints(node)] == [1]


def test_patience_with_the_promised_view_is_short_too() -> None:
    """T_newview towards a primary that is out of reach, and the next complaint skips on from the promise."""
    network, node = waiting()
    node.step(without(1))
    for sender in (0, 2):
        node.step(Received(address(sender), Complain(0, 1, 1, Reason.PROGRESS, False, sender, b"")))
    assert node.replica.status().promise == 1
    assert due_in(network, node, TimerKind.NEW_VIEW) == 2 * QUICK
    node.step(without(1, 2))
    node.sent.clear()
    fire(node, TimerKind.NEW_VIEW)
    assert [c.view for c in complaints(node)] == [3]


def test_who_has_just_started_waits_for_its_first_connections() -> None:
    """Nobody is connected in the first moments of a process: whom it has never seen counts as lost T0 later."""
    network = Network(4)
    network.start(BACKUP)
    node = network.nodes[BACKUP]
    node.step(PeersReachable(frozenset()))
    assert due_in(network, node) == SECOND, "block 1 is work, and the ordinary patience is over first"


def test_who_comes_into_reach_hears_where_this_replica_stands() -> None:
    """STATUS and the complaint at once, and no more than a few times in a status interval, however the link flaps."""
    _, node = waiting()
    node.step(without(2))
    fire(node, TimerKind.PROGRESS)
    node.sent.clear()
    for _ in range(20):
        node.step(without())
        node.step(without(2))
    kinds = {type(message) for message in node.sent}
    assert kinds == {Status, Complain}
    assert len(node.sent) <= 8


@pytest.mark.parametrize("back", [2, 3])
def test_one_of_two_dead_banks_comes_back_and_blocks_go_on_at_once(back: int) -> None:
    """Two of four dead, one of them the primary: when one is started again the other's turn is not waited for."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    for dead in (2, 3):
        network.nodes[dead].alive = False
    network.links()
    network.submit()
    network.run(20)
    assert max(node.height for node in network.nodes) == 1
    network.restart(back)
    network.links()
    started = network.now_us
    assert network.reach(2, 3, [0, 1, back])
    assert network.now_us - started < SECOND // 4
    network.check_agreement()


def test_a_dead_primary_at_an_epochs_edge_costs_a_fraction_of_its_patience() -> None:
    """The primary rotates at each edge; the chain loses about an eighth of T0 where the next one is dead."""
    network = Network(4, epoch_length=4)
    network.start()
    network.links()
    assert network.reach(1)
    for height in (2, 3):
        network.submit()
        assert network.reach(height)
    dead = 1  # the primary of epoch 1, view 0
    network.nodes[dead].alive = False
    network.links()
    living = [i for i in range(4) if i != dead]
    began = network.now_us
    for height in range(4, 8):
        network.submit()
        assert network.reach(height, 5, living)
    assert network.now_us - began < SECOND // 3
    network.check_agreement()


def test_being_wrong_about_everybody_moves_nobody_else() -> None:
    """A bank that believes itself alone complains, and goes on voting; the others stay in their view."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    network.links()
    lonely = network.nodes[BACKUP]
    lonely.step(PeersReachable(frozenset()))
    network.drop = lambda sender, to, message: isinstance(message, PrePrepare)
    network.submit()
    network.run(0.5)
    assert complaints(lonely)
    assert {node.replica.status().promise for node in network.nodes} == {0}
    network.drop = lambda sender, to, message: False
    network.nodes[2].alive = False
    assert network.reach(2, 3, [0, 1, BACKUP]), "its vote is needed, and it votes"
    assert {node.replica.status().view for node in network.nodes} == {0}
