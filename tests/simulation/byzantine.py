"""Byzantine banks: a real replica inside, lies outside. They sign with their own key only.

Each behaviour is a small class that sees every message its host is about to send (and every one it receives) and
answers with what leaves instead: (message, targets) pairs. A host may have several; they apply in order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consensus import codec, domain
from consensus import messages as m
from consensus import types as c
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from tests.simulation.blocks import block_hash, decode_block
from tests.simulation.host import Clock, Host

if TYPE_CHECKING:
    from tests.simulation.world import World

Outgoing = tuple[m.WireMessage, tuple[int, ...]]
HEARD_KEPT = 200


class ByzantineHost(Host):
    """A host whose messages pass through its behaviours."""

    byzantine = True

    def __init__(self, world: World, index: int, signer: c.Signer, clock: Clock, behaviours: tuple[str, ...]) -> None:
        super().__init__(world, index, signer, clock)
        self.behaviours = [BEHAVIOURS[name](self) for name in behaviours]

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
        if self.alive:
            for behaviour in self.behaviours:
                self.emit(behaviour.hears(source, message))
            super().receive(source, message)

    def serve_block(self, height: int, digest: c.Digest) -> c.Proposal | None:
        proposal = super().serve_block(height, digest)
        return self._spoil(proposal) if proposal and self._serves_badly() else proposal

    def serve_height(self, height: int) -> tuple[c.Proposal, bytes] | None:
        served = super().serve_height(height)
        if served is None or not self._serves_badly():
            return served
        proposal, certificate = served
        if self.random.random() < 0.5:
            return self._spoil(proposal), certificate
        return proposal, fewer_seals(certificate)

    def _serves_badly(self) -> bool:
        return any(isinstance(behaviour, BadServer) for behaviour in self.behaviours)

    def _spoil(self, proposal: c.Proposal) -> c.Proposal:
        block = replace(decode_block(proposal.block), salt=self.random.randrange(1 << 30))
        return c.Proposal(block.encode(), proposal.certificate)

    # --- signing ----------------------------------------------------------------------------------------

    def domain(self, epoch: int) -> c.Digest:
        return self.world.schedule.domain(epoch)

    def sign_vote(self, kind: Kind, epoch: int, view: int, height: int, digest: c.Digest) -> c.Signature:
        """This bank's signature on any vote it likes."""
        return self.signer.sign(domain.vote_digest(self.domain(epoch), kind, view, height, digest))

    def vote(self, kind: Kind, epoch: int, view: int, height: int, digest: c.Digest) -> m.Vote:
        """A PREPARE or COMMIT for anything."""
        signature = self.sign_vote(kind, epoch, view, height, digest)
        make = m.Prepare if kind is Kind.PREPARE else m.Commit
        return make(epoch, view, height, digest, self.index, signature)

    def propose(self, message: m.PrePrepare, proposal: c.Proposal) -> m.PrePrepare:
        """Another block at the place of ``message``."""
        digest = block_hash(proposal.block)
        signature = self.sign_vote(Kind.PRE_PREPARE, message.epoch, message.view, message.height, digest)
        return replace(message, block_hash=digest, proposal=proposal, signature=signature)

    def sign(self, message: m.ViewChange | m.NewView | m.Complain | m.Status) -> m.WireMessage:
        """``message`` with a good signature."""
        body = domain.body_digest(self.domain(message.epoch), codec.kind_of(message), codec.encode_body(message))
        return replace(message, signature=self.signer.sign(body))

    def some(self, targets: tuple[int, ...], share: float = 0.5) -> tuple[int, ...]:
        """A random part of ``targets``."""
        return tuple(target for target in targets if self.random.random() < share)


def fewer_seals(certificate: bytes) -> bytes:
    """A certificate without its first seal."""
    full = CommitCertificate.decode(certificate)
    if not full.seals:
        return certificate
    lowest = full.bitmap & -full.bitmap
    return replace(full, bitmap=full.bitmap ^ lowest, seals=full.seals[1:]).encode()


class Behaviour:
    """Sends what the replica sends, and nothing for what it hears."""

    def __init__(self, host: ByzantineHost) -> None:
        self.host = host
        self.random = host.random
        self.everyone = tuple(j for j in range(host.world.options.n) if j != host.index)

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        return [(message, targets)]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        return []


class Silent(Behaviour):
    """Says nothing from some moment on."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.from_us = self.random.choice((0, self.random.randrange(2_000_000)))

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        return [] if self.host.world.scheduler.now_us >= self.from_us else [(message, targets)]


class Equivocate(Behaviour):
    """As primary, proposes two blocks to two parts of the others, and votes for both."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.PrePrepare) or self.random.random() < 0.2:
            return [(message, targets)]
        block = decode_block(message.proposal.block)
        if block.coinbase != self.host.address:
            return [(message, targets)]
        changed = replace(block, salt=1 + self.random.randrange(3), lies=self.random.random() < 0.1)
        other = self.host.propose(message, c.Proposal(changed.encode(), message.proposal.certificate))
        first = self.host.some(targets)
        rest = tuple(target for target in targets if target not in first)
        accomplices = self.host.world.options.byzantine
        both = tuple(t for t in targets if t in accomplices or self.random.random() < 0.2)
        out: list[Outgoing] = [(message, first + both), (other, rest + both)]
        for proposal, side in ((message, first), (other, rest)):
            place = (proposal.epoch, proposal.view, proposal.height, proposal.block_hash)
            out.append((self.host.vote(Kind.COMMIT, *place), side))
        return out


class VoteForAll(Behaviour):
    """Prepares and commits every block that it hears of, in every view, at once and again later."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.places: list[tuple[int, int, int, c.Digest]] = []

    def _votes(self, place: tuple[int, int, int, c.Digest]) -> list[Outgoing]:
        return [
            (self.host.vote(Kind.PREPARE, *place), self.host.some(self.everyone, 0.7)),
            (self.host.vote(Kind.COMMIT, *place), self.host.some(self.everyone, 0.7)),
        ]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if isinstance(message, m.PrePrepare):
            self.places = [
                *self.places[-5:],
                (message.epoch, message.view, message.height, message.block_hash),
            ]
            return self._votes(self.places[-1])
        if isinstance(message, m.NewView) and self.places and message.epoch == self.places[-1][0]:
            out = [item for place in self.places for item in self._votes(place)]
            for item in message.reproposals:
                out += self._votes((message.epoch, message.view, item.height, item.block_hash))
            return out
        return []


class Selective(Behaviour):
    """Serves some of the others at a time and leaves the rest in the dark."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.served: frozenset[int] = frozenset(self.host.some(self.everyone, 0.7))

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if self.random.random() < 0.03:
            self.served = frozenset(self.host.some(self.everyone, 0.7))
        return [(message, tuple(target for target in targets if target in self.served))]


class Replay(Behaviour):
    """Sends again what it once heard or said, in any later view."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.heard: list[m.WireMessage] = []

    def _keep(self, message: m.WireMessage) -> None:
        if len(self.heard) < HEARD_KEPT:
            self.heard.append(message)
        else:
            self.heard[self.random.randrange(HEARD_KEPT)] = message

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        self._keep(message)
        return [(message, targets)]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if not isinstance(message, m.ForeignEpoch):
            self._keep(message)
        if self.heard and self.random.random() < 0.2:
            return [(self.random.choice(self.heard), self.host.some(self.everyone))]
        return []


class ViewChangeLiar(Behaviour):
    """Reports less than it holds, an older base, or different things to different banks; joins huge views."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.ViewChange):
            return [(message, targets)]
        lies = [message, replace(message, prepared=())]
        if message.base_height > 1:
            older = self.host.ledger.entry(message.base_height - 1)
            if older is not None:
                base = CommitCertificate.decode(older.certificate)
                lies.append(replace(message, base_height=base.height, base_certificate=base, prepared=()))
        if self.random.random() < 0.2:
            lies.append(replace(message, view=message.view + self.random.choice((1, 7, 1 << 40))))
        return [(self.host.sign(self.random.choice(lies)), (target,)) for target in targets]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if isinstance(message, m.Complain | m.ViewChange) and self.random.random() < 0.3:
            view = message.view + self.random.choice((0, 1, 1 << 40))
            complaint = m.Complain(
                message.epoch, view, self.host.ledger.height, m.Reason.PROGRESS, False, self.host.index, b""
            )
            return [(self.host.sign(complaint), self.host.some(self.everyone))]
        return []


class NewViewLiar(Behaviour):
    """As primary of a new view, leaves out re-proposals, invents one, or picks another quorum for each bank."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.NewView) or message.sender != self.host.index:
            return [(message, targets)]
        out: list[Outgoing] = []
        for target in targets:
            lie = message
            kind = self.random.random()
            if kind < 0.35:
                lie = replace(message, reproposals=())
            elif kind < 0.5 and len(message.view_changes) > 1:
                lie = replace(message, view_changes=message.view_changes[1:])
            elif kind < 0.7:
                lie = replace(message, reproposals=self._invented(message))
            out.append((self.host.sign(lie), (target,)))
        return out

    def _invented(self, message: m.NewView) -> tuple[m.Reproposal, ...]:
        height = max(change.base_height for change in message.view_changes) + 1
        known = sorted(self.host.blocks)
        digest = self.random.choice(known) if known else bytes(32)
        signature = self.host.sign_vote(Kind.PRE_PREPARE, message.epoch, message.view, height, digest)
        return (m.Reproposal(height, digest, signature),)


class Mutate(Behaviour):
    """Changes one number of one message by a little or a lot, and signs it properly."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if isinstance(message, m.Repair) or self.random.random() > 0.15:
            return [(message, targets)]
        name = self.random.choice(("view", "height", "base_height", "base", "committed", "promise", "sender"))
        if not hasattr(message, name):
            return [(message, targets)]
        value = getattr(message, name) + self.random.choice((-1, 1, 2, 1 << 20))
        limit = 1 << 15 if name == "sender" else codec.MAX_VIEW
        changed = replace(message, **{name: max(0, min(limit, value))})
        return [(self._signed(changed), targets)]

    def _signed(self, message: m.SignedMessage) -> m.WireMessage:
        if isinstance(message, m.PrePrepare | m.Prepare | m.Commit):
            kind = codec.kind_of(message)
            signature = self.host.sign_vote(kind, message.epoch, message.view, message.height, message.block_hash)
            return replace(message, signature=signature)
        return self.host.sign(message)


class BadServer(Behaviour):
    """Serves spoiled blocks and certificates of too few seals; see ByzantineHost.serve_height."""


class Censor(Behaviour):
    """As primary proposes nothing of its own; votes like everybody."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if isinstance(message, m.PrePrepare):
            block = decode_block(message.proposal.block)
            if block.coinbase == self.host.address and block.transactions:
                return []
        return [(message, targets)]


BEHAVIOURS: dict[str, type[Behaviour]] = {
    "silent": Silent,
    "equivocate": Equivocate,
    "selective": Selective,
    "replay": Replay,
    "view_change_liar": ViewChangeLiar,
    "new_view_liar": NewViewLiar,
    "vote_for_all": VoteForAll,
    "mutate": Mutate,
    "bad_server": BadServer,
    "censor": Censor,
}
