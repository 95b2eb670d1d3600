"""What liars say: two blocks, two stories, votes for everything, and any field of any message bent a little."""

from __future__ import annotations

from dataclasses import replace

from consensus import messages as m
from consensus import types as c
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from tests.simulation.blocks import decode_block
from tests.simulation.byzantine import Behaviour, ByzantineHost, Outgoing
from tests.simulation.mutation import mutate


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
                message.epoch,
                view,
                self.host.ledger.height,
                m.Reason.PROGRESS,
                False,
                self.host.sender(message.epoch),
                b"",
            )
            return [(self.host.sign(complaint), self.host.some(self.everyone))]
        return []


class NewViewLiar(Behaviour):
    """As primary of a new view, leaves out re-proposals, invents one, or picks another quorum for each bank."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.NewView) or message.sender != self.host.sender(message.epoch):
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


class Censor(Behaviour):
    """As primary proposes nothing of its own; votes like everybody."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if isinstance(message, m.PrePrepare):
            block = decode_block(message.proposal.block)
            if block.coinbase == self.host.address and block.transactions:
                return []
        return [(message, targets)]


class Mutate(Behaviour):
    """Changes one field of one message by a little or to an extreme; mostly signs it properly (ByzzFuzz)."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if self.random.random() > 0.15:
            return [(message, targets)]
        changed = mutate(self.random, message)
        if not isinstance(changed, m.Repair) and self.random.random() < 0.9:
            changed = self.host.sign(changed)
        return [(message, self.host.some(targets)), (changed, targets)]


class BadServer(Behaviour):
    """Serves spoiled blocks and certificates of too few seals."""

    def serves(self, proposal: c.Proposal, certificate: bytes) -> tuple[c.Proposal, bytes]:
        if certificate and self.random.random() < 0.5:
            return proposal, fewer_seals(certificate)
        block = replace(decode_block(proposal.block), salt=self.random.randrange(1 << 30))
        return c.Proposal(block.encode(), proposal.certificate), certificate


class ClockLiar(Behaviour):
    """As primary proposes blocks of the past or the future (H28)."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.PrePrepare):
            return [(message, targets)]
        block = decode_block(message.proposal.block)
        off = self.random.choice((-3_600, -60, -5, 2, 4, 60, 3_600, 1 << 40))
        changed = replace(block, timestamp=max(0, block.timestamp + off))
        return [(self.host.propose(message, c.Proposal(changed.encode(), message.proposal.certificate)), targets)]


def fewer_seals(certificate: bytes) -> bytes:
    """A certificate without its first seal."""
    full = CommitCertificate.decode(certificate)
    if not full.seals:
        return certificate
    lowest = full.bitmap & -full.bitmap
    return replace(full, bitmap=full.bitmap ^ lowest, seals=full.seals[1:]).encode()
