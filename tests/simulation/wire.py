"""How consensus messages and requests cross the simulated network, and what a receiver believes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus import codec, ingress
from consensus import messages as m
from consensus.errors import ConsensusError
from tests.simulation.blocks import decode_header

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World

_SAME_FOR_ALL = (m.PrePrepare, m.Prepare, m.Commit, m.Complain, m.Status)
"""Messages whose verification asks of the receiver only whether it knows their epoch."""


class Envelope:
    """One message on its way to several. ``good``: verified, or sent by an honest bank in a run that is not about the
    wire, where nothing is encoded and decoded for its own sake."""

    __slots__ = ("_raw", "good", "message")

    def __init__(self, message: m.WireMessage, good: bool) -> None:
        self.message = message
        self.good = good
        self._raw = b""

    @property
    def raw(self) -> bytes:
        """Its encoding, made once."""
        if not self._raw:
            self._raw = codec.encode_message(self.message)
        return self._raw


class Wire:
    """Messages between the hosts of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def carry(self, source: int, targets: tuple[int, ...], message: m.WireMessage) -> None:
        """Send one consensus message to some."""
        world = self._world
        trusted = not world.options.wire and not world.hosts[source].faulty and isinstance(message, _SAME_FOR_ALL)
        envelope = Envelope(message, trusted)
        world.counts["messages"] += len(targets)
        for target in targets:
            world.network.send(source, target, lambda target=target: self._arrive(source, target, envelope))

    def _arrive(self, source: int, target: int, envelope: Envelope) -> None:
        world = self._world
        host = world.hosts[target]
        if not host.alive:
            return
        message: m.Message = envelope.message
        schedule = host.replica.schedule
        # What does not depend on the receiver is verified once for all of them, unless this run is about the wire.
        if not envelope.good or not schedule.knows(message.epoch):  # type: ignore[union-attr]
            try:
                peer = world.hosts[source].address
                message = ingress.verify(envelope.raw, peer, schedule, world.verifier, decode_header)
            except ConsensusError as error:
                world.counts["refused"] += 1
                if world.verbose:
                    world.trace(host, "refused", f"{type(message).__name__} of {source}: {error}")
                return
            envelope.good = isinstance(message, _SAME_FOR_ALL) and not world.options.wire
        if isinstance(message, m.PrePrepare):
            world.monitors.arrived(host, message)
        host.receive(source, message)

    def ask(self, host: Host, peer: int, question: Callable[[Host], object], answer: Callable[..., None]) -> None:
        """A request to ``peer`` and its answer, over the same links as everything else."""
        world, generation = self._world, host.generation

        def back(result: object) -> None:
            if host.alive and host.generation == generation:
                host.when_awake(lambda: answer(result))

        def serve() -> None:
            server = world.hosts[peer]
            if server.alive and not server.frozen:
                result = question(server)
                world.network.send(peer, host.index, lambda: back(result))

        world.network.send(host.index, peer, serve)
