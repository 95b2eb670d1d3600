"""A bank on the stage: its messages and timers wait for the script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import codec
from consensus.types import (
    Broadcast,
    Deliver,
    Effect,
    Event,
    Halt,
    ReportEvidence,
    Send,
    SetTimer,
)
from tests.consensus.network import Disk, Node
from tests.scenarios.wording import view_name

if TYPE_CHECKING:
    from tests.scenarios.post_office import PostOffice


class Actor(Node):
    """A bank whose messages and timers wait for the script."""

    network: PostOffice

    def __init__(self, stage: PostOffice, index: int, disk: Disk | None = None) -> None:
        self.slow_disk = False
        self.writing: list[Deliver] = []
        super().__init__(stage, index, disk)
        self._view = (self.replica.status().epoch, self.replica.status().view)

    def carry_out(self, effect: Effect) -> Event | None:
        stage = self.network
        self._note_view()
        match effect:
            case SetTimer(key, at):
                self.timers[key.kind] = (key, at)
                return None
            case Deliver() if self.slow_disk:
                stage.line([self.index], "writes", stage.names.block(effect.height, effect.block_hash))
                self.writing.append(effect)
                return None
            case Send(to, message):
                addressee = [i for i, a in enumerate(stage.addresses) if a == to]
                stage.said(self.index, message, f"tells {addressee[0]}")
            case Broadcast(message):
                stage.said(self.index, message, "says")
            case Halt(reason):
                stage.line([self.index], "halts", reason, level=1)
            case ReportEvidence(signer, offence):
                stage.convicted.add((stage.addresses.index(signer), offence))
                stage.line([self.index], "convicts", f"{stage.addresses.index(signer)} of {offence}", level=1)
            case Deliver():
                view = codec.CommitCertificate.decode(effect.certificate).view
                epoch = effect.height // stage.config.epoch_length
                name = stage.names.block(effect.height, effect.block_hash)
                stage.line([self.index], "commits", f"{name} ({view_name(epoch, view)})", level=1)
        return super().carry_out(effect)

    def step(self, event: Event) -> None:
        super().step(event)
        self._note_view()

    def _note_view(self) -> None:
        status = self.replica.status()
        if (status.epoch, status.view) != self._view:
            self._view = (status.epoch, status.view)
            self.network.line([self.index], "enters", view_name(status.epoch, status.view), level=1)

    def follow(self) -> None:
        """Observers follow where the script says so (``Stage.sync``)."""
