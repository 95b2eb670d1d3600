"""What a faulty bank does with messages that others once signed: it says them again, at the worst moment."""

from __future__ import annotations

from dataclasses import replace

from consensus import codec, domain
from consensus.messages import Complain, Message, Reason, Status
from consensus.validators import ValidatorSchedule
from tests.consensus.network import Network

LIAR = 1


def signed(network: Network, who: int, message: Complain | Status, schedule: ValidatorSchedule) -> Complain | Status:
    """What ``who`` once said."""
    digest = domain.body_digest(schedule.domain(0), codec.kind_of(message), codec.encode_body(message))
    return replace(message, signature=network.signer(who).sign(digest))  # type: ignore[attr-defined]


def undo_complaints(network: Network) -> None:
    """The liar follows each honest complaint with an older one of the same sender, before the next can arrive."""
    older: dict[int, Complain] = {}

    def drop(sender: int, to: int, message: Message) -> bool:
        if sender == LIAR:
            return any(network.nodes[i].replica.status().promise for i in (2, 3))
        if not isinstance(message, Complain) or to == LIAR:
            return False
        older.setdefault(sender, message)
        new, old = codec.encode_message(message), codec.encode_message(older[sender])

        def both() -> None:
            network.receive(sender, to, new)
            network.receive(LIAR, to, old)

        network.push(network.now_us + network.delay_us, both)
        return True

    network.drop = drop


def test_an_older_complaint_does_not_undo_a_newer_one() -> None:
    """P-14: the view of a mute primary is given up, although it repeats to all what each once complained of before."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    undo_complaints(network)
    network.down = {0}
    network.submit()
    assert network.run(20, lambda: all(network.nodes[i].replica.status().promise == 1 for i in (2, 3)))
    network.down = set()
    assert network.reach(2, seconds=120, nodes=[0, 2, 3])


def test_a_repeated_complaint_of_age_ends_all_the_same() -> None:
    """P-14: who complained of an old transaction once does not complain for ever because others repeat its words: a
    liar and its echo of the past do not change the view."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    schedule, status = network.nodes[0].replica.schedule, network.nodes[0].replica.status
    old = signed(network, 3, Complain(0, 1, 1, Reason.AGE, False, 3, b""), schedule)
    own = signed(network, LIAR, Complain(0, 1, 1, Reason.AGE, False, LIAR, b""), schedule)
    for _ in range(20):
        for node in (0, 2):
            network.receive(LIAR, node, codec.encode_message(old))
            network.receive(LIAR, node, codec.encode_message(own))
        network.run(1)
    assert (status().view, status().promise) == (0, 0)


def test_repeated_words_of_others_cost_them_no_answer() -> None:
    """A laggard is answered on its own connection, however often a liar repeats its old STATUS and COMPLAIN."""
    network = Network(4)
    network.start()
    assert network.reach(1)
    node, schedule = network.nodes[0], network.nodes[0].replica.schedule
    old = signed(network, 3, Status(0, 0, 0, 0, False, 3, b""), schedule)
    before = len(node.sent)
    for _ in range(20):
        network.receive(LIAR, 0, codec.encode_message(old))
    assert len(node.sent) == before
    network.receive(3, 0, codec.encode_message(old))
    assert len(node.sent) == before + 1
