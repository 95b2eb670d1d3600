"""Byzantine banks: a real replica inside, lies outside. They sign with their own key only.

Each behaviour is a small class that sees every message its host is about to send (and every one it receives) and
answers with what leaves instead: (message, targets) pairs. A host may have several; they apply in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from consensus import codec, domain
from consensus import messages as m
from consensus import types as c
from consensus.domain import Kind
from tests.simulation.blocks import block_hash
from tests.simulation.host import Clock, Host

if TYPE_CHECKING:
    from tests.simulation.world import World

Outgoing = tuple[m.WireMessage, tuple[int, ...]]


class ByzantineHost(Host):
    """A host whose messages pass through its behaviours."""

    faulty = True

    def __init__(
        self, world: World, index: int, signer: c.Signer, clock: Clock, behaviours: Sequence[type[Behaviour]]
    ) -> None:
        super().__init__(world, index, signer, clock)
        self.behaviours = [behaviour(self) for behaviour in behaviours]

    def transmit(self, message: m.Message, targets: tuple[int, ...]) -> None:
        outgoing: list[Outgoing] = [(message, targets)]  # type: ignore[list-item]
        for behaviour in self.behaviours:
            outgoing = [item for pair in outgoing for item in behaviour.sends(*pair)]
        self.emit(outgoing)

    def emit(self, outgoing: list[Outgoing]) -> None:
        """Put messages on the wire as they are."""
        for message, targets in outgoing:
            self.world.checker.sent(self, message)
            self.world.carry(self.index, targets, message)

    def receive(self, source: int, message: m.Message) -> None:
        if self.alive and not self.frozen:
            for behaviour in self.behaviours:
                self.emit(behaviour.hears(source, message))
        super().receive(source, message)

    def serve_block(self, height: int, digest: c.Digest) -> c.Proposal | None:
        proposal = super().serve_block(height, digest)
        for behaviour in self.behaviours:
            if proposal is not None:
                proposal = behaviour.serves(proposal, b"")[0]
        return proposal

    def serve_height(self, height: int) -> tuple[c.Proposal, bytes] | None:
        served = super().serve_height(height)
        for behaviour in self.behaviours:
            if served is not None:
                served = behaviour.serves(*served)
        return served

    # --- signing ----------------------------------------------------------------------------------------

    def domain(self, epoch: int) -> c.Digest:
        """The signing domain of an epoch; of one that nobody has reached, a wrong one."""
        schedule = self.world.schedule
        return schedule.domain(epoch) if schedule.knows(epoch) else bytes(32)

    def sender(self, epoch: int) -> int:
        """This bank's index in the set of ``epoch``; as a stranger to it, 0."""
        members = self.world.members(epoch)
        return members.index(self.address) if self.address in members else 0

    def sign_vote(self, kind: Kind, epoch: int, view: int, height: int, digest: c.Digest) -> c.Signature:
        """This bank's signature on any vote it likes."""
        return self.signer.sign(domain.vote_digest(self.domain(epoch), kind, view, height, digest))

    def vote(self, kind: Kind, epoch: int, view: int, height: int, digest: c.Digest) -> m.Vote:
        """A PREPARE or COMMIT for anything."""
        signature = self.sign_vote(kind, epoch, view, height, digest)
        make = m.Prepare if kind is Kind.PREPARE else m.Commit
        return make(epoch, view, height, digest, self.sender(epoch), signature)

    def propose(self, message: m.PrePrepare, proposal: c.Proposal) -> m.PrePrepare:
        """Another block at the place of ``message``."""
        digest = block_hash(proposal.block)
        signature = self.sign_vote(Kind.PRE_PREPARE, message.epoch, message.view, message.height, digest)
        return replace(message, block_hash=digest, proposal=proposal, signature=signature)

    def sign(self, message: m.SignedMessage) -> m.SignedMessage:
        """``message`` with a good signature of this bank's."""
        if isinstance(message, m.PrePrepare | m.Prepare | m.Commit):
            kind = codec.kind_of(message)
            signature = self.sign_vote(kind, message.epoch, message.view, message.height, message.block_hash)
            return replace(message, signature=signature)
        body = domain.body_digest(self.domain(message.epoch), codec.kind_of(message), codec.encode_body(message))
        return replace(message, signature=self.signer.sign(body))

    def some(self, targets: tuple[int, ...], share: float = 0.5) -> tuple[int, ...]:
        """A random part of ``targets``."""
        return tuple(target for target in targets if self.random.random() < share)


class Behaviour:
    """Sends what the replica sends, and nothing for what it hears."""

    def __init__(self, host: ByzantineHost) -> None:
        self.host = host
        self.random = host.random
        self.everyone = host.world.others[host.index]

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        return [(message, targets)]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        return []

    def serves(self, proposal: c.Proposal, certificate: bytes) -> tuple[c.Proposal, bytes]:
        """What a peer that asks for a block gets."""
        return proposal, certificate
