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


class Envelope:
    """One message on its way to several.

    Whether a message is valid depends on the receiver only through the epochs that it knows. So one verification
    counts for all who know them; and what an honest bank sends is believed, in runs that are not about the wire."""

    __slots__ = ("_raw", "epochs", "message", "valid")

    def __init__(self, message: m.WireMessage, trusted: bool) -> None:
        self.message = message
        self.valid: bool | None = True if trusted else None
        """None until somebody who knows all epochs has verified it."""
        self.epochs = epochs_of(message)
        self._raw = b""

    @property
    def raw(self) -> bytes:
        """Its encoding, made once."""
        if not self._raw:
            self._raw = codec.encode_message(self.message)
        return self._raw


def epochs_of(message: m.WireMessage) -> frozenset[int]:
    """The epochs whose sets a receiver must know to judge ``message``."""
    if isinstance(message, m.Repair):
        return frozenset(certificate.epoch for certificate in message.certificates)
    changes = message.view_changes if isinstance(message, m.NewView) else (message,)
    bases = (change.base_certificate for change in changes if isinstance(change, m.ViewChange))
    return frozenset((message.epoch, *(base.epoch for base in bases if base is not None)))


class Wire:
    """Messages between the hosts of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def carry(self, source: int, targets: tuple[int, ...], message: m.WireMessage) -> None:
        """Send one consensus message to some."""
        world = self._world
        envelope = Envelope(message, trusted=not world.options.wire and not world.hosts[source].faulty)
        world.counts["messages"] += len(targets)
        loss = world.options.commit_loss
        for target in targets:
            if loss and not world.healed and isinstance(message, m.Commit) and world.scheduler.random.random() < loss:
                continue
            world.network.send(source, target, lambda target=target: self._arrive(source, target, envelope))

    def _arrive(self, source: int, target: int, envelope: Envelope) -> None:
        world = self._world
        host = world.hosts[target]
        if not host.alive:
            return
        message: m.Message | None = envelope.message
        known = all(map(host.replica.schedule.knows, envelope.epochs))
        if not known or envelope.valid is None or world.options.wire:
            message = self._verify(host, source, envelope)
            if known:
                envelope.valid = message is not None
        elif not envelope.valid:
            message = None
        if message is None:
            world.counts["refused"] += 1
            return
        if isinstance(message, m.PrePrepare):
            world.monitors.arrived(host, message)
        host.receive(source, message)

    def _verify(self, host: Host, source: int, envelope: Envelope) -> m.Message | None:
        """What ingress makes of the bytes; None where it refuses them."""
        world = self._world
        try:
            peer = world.hosts[source].address
            return ingress.verify(envelope.raw, peer, host.replica.schedule, world.verifier, decode_header)
        except ConsensusError as error:
            if world.verbose:
                world.trace(host, "refused", f"{type(envelope.message).__name__} of {source}: {error}")
            return None

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
