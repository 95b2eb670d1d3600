"""What replicas say to each other (PBFT §4). ``sender`` is an index into the set of ``epoch``; ingress compares it
with the key that signed, and nothing else ever names a sender. The COMMIT's signature is the seal (P-9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from consensus.certificates import CommitCertificate, PreparedCertificate
from consensus.types import Digest, Proposal, Signature


class Reason(IntEnum):
    """Why a replica complains of the view (P-14)."""

    PROGRESS = 0
    """There is work, and no commit came in time."""
    AGE = 1
    """One transaction waits too long, whatever else is committed."""


@dataclass(frozen=True, slots=True)
class PrePrepare:
    """The primary of (epoch, view) proposes a block at ``height`` (PBFT §4.2)."""

    epoch: int
    view: int
    height: int
    block_hash: Digest
    proposal: Proposal
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Prepare:
    """A backup has executed the block and found it valid (PBFT §4.2)."""

    epoch: int
    view: int
    height: int
    block_hash: Digest
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Commit:
    """The sender holds a prepared certificate; the signature is its seal on the block."""

    epoch: int
    view: int
    height: int
    block_hash: Digest
    sender: int
    signature: Signature


Vote = Prepare | Commit


@dataclass(frozen=True, slots=True)
class Complain:
    """A wish to move to ``view``; promises nothing (P-14). ``base`` is the sender's committed height when the cause
    arose. ``echo``: made by the join rule, not by a cause of the sender's own."""

    epoch: int
    view: int
    base: int
    reason: Reason
    echo: bool
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class ViewChange:
    """A promise not to vote below ``view``, with all that the sender must report (PBFT §4.4).

    ``base_certificate`` proves ``base_height`` (None for genesis); ``prepared`` holds, from base_height + 1 on, the
    sender's prepared certificates of the highest view below ``view``."""

    epoch: int
    view: int
    base_height: int
    base_certificate: CommitCertificate | None
    prepared: tuple[PreparedCertificate, ...]
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Reproposal:
    """A block that the new view must decide first; ``signature`` is the primary's PRE-PREPARE for it."""

    height: int
    block_hash: Digest
    signature: Signature


@dataclass(frozen=True, slots=True)
class NewView:
    """The primary of ``view`` starts it with Q view changes and what follows from them (PBFT §4.4)."""

    epoch: int
    view: int
    view_changes: tuple[ViewChange, ...]
    reproposals: tuple[Reproposal, ...]
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Status:
    """Where the sender stands, so that others send what it lacks: ``view`` is entered, ``promise`` the view of its
    last VIEW-CHANGE, ``has_proposal`` whether it holds the current view's block at committed + 1."""

    epoch: int
    committed: int
    view: int
    promise: int
    has_proposal: bool
    sender: int
    signature: Signature


@dataclass(frozen=True, slots=True)
class Repair:
    """Commit certificates for consecutive heights, ascending. Not signed: certificates prove themselves."""

    certificates: tuple[CommitCertificate, ...]


@dataclass(frozen=True, slots=True)
class ForeignEpoch:
    """What ingress makes of a message whose epoch's set is not known here (P-13). Never on the wire: the peer that
    sent it is only a hint where to sync from, or one that needs to hear our STATUS."""

    epoch: int


SignedMessage = PrePrepare | Prepare | Commit | Complain | ViewChange | NewView | Status
WireMessage = SignedMessage | Repair
Message = WireMessage | ForeignEpoch
