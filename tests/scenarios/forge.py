"""Messages that a false bank makes with its own key (nobody else's can be made)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from consensus import codec, domain
from consensus.domain import Kind
from consensus.messages import Commit, Complain, NewView, Prepare, PrePrepare, Reason, Status, ViewChange
from consensus.types import Digest, Proposal
from consensus.validators import ValidatorSchedule
from tests.consensus.network import NullSigner, decode_header, make_block
from tests.scenarios.stage import Stage

_Vote = TypeVar("_Vote", Prepare, Commit)
_Body = TypeVar("_Body", Complain, ViewChange, NewView, Status)
_KINDS = {Prepare: Kind.PREPARE, Commit: Kind.COMMIT, PrePrepare: Kind.PRE_PREPARE}


def schedule_for(stage: Stage, epoch: int) -> ValidatorSchedule:
    """The schedule of a bank that knows this epoch's set."""
    return next(node.replica.schedule for node in stage.nodes if node.replica.schedule.knows(epoch))


def seal(stage: Stage, kind: Kind, frm: int, view: int, height: int, block_hash: Digest, epoch: int = 0) -> bytes:
    """The signature of a vote."""
    domain_hash = schedule_for(stage, epoch).domain(epoch)
    digest = domain.vote_digest(domain_hash, kind, view, height, block_hash)
    return NullSigner(stage.addresses[frm]).sign(digest)


def vote(
    stage: Stage,
    cls: type[_Vote],
    frm: int,
    view: int,
    height: int,
    block_hash: Digest,
    *,
    epoch: int = 0,
    sender: int | None = None,
) -> _Vote:
    """A PREPARE or COMMIT; ``sender``: the index it claims, where that is not ``frm``."""
    signature = seal(stage, _KINDS[cls], frm, view, height, block_hash, epoch)
    return cls(epoch, view, height, block_hash, frm if sender is None else sender, signature)


def pre_prepare(stage: Stage, frm: int, view: int, proposal: Proposal, *, epoch: int = 0) -> PrePrepare:
    """A proposal of this block."""
    header = decode_header(proposal.block)
    sender = schedule_for(stage, epoch).validators(epoch).index(stage.addresses[frm])
    signature = seal(stage, Kind.PRE_PREPARE, frm, view, header.number, header.hash, epoch)
    return PrePrepare(epoch, view, header.number, header.hash, proposal, sender, signature)


def signed(stage: Stage, message: _Body, frm: int | None = None) -> _Body:
    """``message`` with the signature of ``frm`` (by default of the sender that it names)."""
    domain_hash = schedule_for(stage, message.epoch).domain(message.epoch)
    digest = domain.body_digest(domain_hash, codec.kind_of(message), codec.encode_body(message))
    who = stage.addresses[message.sender if frm is None else frm]
    return replace(message, signature=NullSigner(who).sign(digest))


def complaint(stage: Stage, frm: int, view: int, base: int, reason: Reason = Reason.PROGRESS) -> Complain:
    return signed(stage, Complain(0, view, base, reason, False, frm, b""))


def empty_view_change(stage: Stage, frm: int, view: int) -> ViewChange:
    """A lie of omission: a promise that reports nothing prepared, above block 1."""
    base = codec.CommitCertificate.decode(stage.nodes[frm].disk.blocks[1].certificate)
    return signed(stage, ViewChange(0, view, 1, base, (), frm, b""))


def varied(proposal: Proposal) -> Proposal:
    """Another valid block for the same place."""
    return replace(proposal, block=proposal.block + b"!")


def proposal(stage: Stage, frm: int, height: int, unix_s: int, certificate: bytes | None = None) -> Proposal:
    """A block of a false bank on the block below ``height`` that it holds; ``certificate``: what is carried, where that
    is not what should be."""
    parent = stage.nodes[frm].disk.blocks[height - 1]
    carried = parent.certificate if certificate is None else certificate
    return Proposal(make_block(height, parent.block_hash, unix_s, stage.addresses[frm], carried, b"false"), carried)
