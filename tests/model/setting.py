"""One configuration of the search: who is in which set, who is Byzantine, the bounds; and its keys, blocks and names.

Blocks have symbolic names, the chain of labels that leads to them: ``("a", "p1v0")`` is the block that node 1 built
in view 0 on the block that a Byzantine primary labelled a. States and messages are compared by names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from consensus import codec, domain
from consensus import messages as m
from consensus import types as c
from consensus.certificates import (
    CommitCertificate,
    PreparedCertificate,
    make_commit_certificate,
    make_prepared_certificate,
)
from consensus.domain import Kind
from consensus.validators import ValidatorSchedule, primary_index, quorum_size, validator_set_hash
from tests.simulation.blocks import SimulatedBlock, block_hash
from tests.simulation.crypto import make_keys

GENESIS_TIME = 1_750_000_000
GENESIS_HASH = hashlib.sha256(b"searched genesis").digest()
NOW = c.Instant(1_000_000_000, GENESIS_TIME + 100)
"""Time stands still: what time does is an action of its own (a timer fires)."""


class Name(tuple[str, ...]):
    """A block, by the labels from height 1 on; the empty name is genesis."""

    __slots__ = ()


class Who(int):
    """A validator's index, in keys that symmetry may rename."""

    __slots__ = ()


@dataclass(frozen=True)
class Bounds:
    """What the search covers, and nothing beyond."""

    sets: tuple[tuple[int, ...], ...] = ((0, 1, 2, 3),)
    """Node numbers of the validator set of each epoch; the last stands for all later ones."""
    byzantine: frozenset[int] = frozenset({0})
    """Node numbers that are not run: whatever they could sign is delivered at will."""
    heights: int = 1
    """Blocks up to this height are proposed."""
    views: tuple[int, ...] = (2,)
    """The last view of each epoch that anybody asks for."""
    epoch_length: int = 1_000
    window: int = 1
    crashes: int = 0
    """How many times, all nodes together, one may die and start again from its log."""
    crashing: frozenset[int] = frozenset()
    """The nodes that may."""
    lost: frozenset[str] = frozenset()
    """Kinds of actions left out: "build" (an honest primary proposes nothing) and "timer:N"."""
    certificates: bool = False
    """Keep certificates of different signers and views apart, and let blocks carry any of them (P-11)."""
    wide: bool = False
    """Deliver all votes of a height at once, whatever they name: for mutants that miscount."""
    slow: bool = False
    """A block that is handed over for writing is in the ledger only when the host says so."""
    prelude: int | None = None
    """Begin when epoch 0 is over: its last block decided in this view and a NEW-VIEW of view 1 made; by a search."""
    swap: tuple[int, ...] = ()
    """Heights at which the Byzantine primary's two blocks are interchangeable."""
    alike: tuple[int, ...] = ()
    """Two nodes that lead no view within the bounds, and are interchangeable."""
    labels: tuple[str, ...] = ("a", "b")
    """What a Byzantine primary may propose at one place."""


@dataclass
class Setting:
    """Bounds with keys: everything that all replicas of one search share."""

    bounds: Bounds
    names: dict[c.Digest, Name] = field(default_factory=dict)
    proposals: dict[c.Digest, c.Proposal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        b = self.bounds
        nodes = sorted({node for members in b.sets for node in members})
        signers, self.verifier = make_keys(len(nodes), real=False)
        self.signers = dict(zip(nodes, signers, strict=True))
        self.node_of = {signer.address: node for node, signer in self.signers.items()}
        self.honest = tuple(node for node in nodes if node not in b.byzantine)
        self.config = c.Config(
            chain_id=7,
            genesis_hash=GENESIS_HASH,
            epoch_length=b.epoch_length,
            window=b.window,
            timeout_us=1_000_000,
            timeout_max_us=1_000_000,
            status_interval_us=1_000_000,
            age_limit_us=10**15,
            heartbeat_us=10**15,
            tolerance_s=1_000,
            strict_timestamps=False,
        )
        self.epochs = range(b.heights // b.epoch_length + 2)
        self.schedule = ValidatorSchedule(self.config)
        for epoch in self.epochs:
            self.schedule.add(epoch, self.members(epoch))
        self.names[GENESIS_HASH] = Name()
        self._liars: dict[int, tuple[int, ...]] = {}
        self._certificates: dict[c.Digest, CommitCertificate] = {}

    # --- sets -------------------------------------------------------------------------------------------

    def nodes(self, epoch: int) -> tuple[int, ...]:
        """Node numbers of the set of ``epoch``, by index."""
        return self.bounds.sets[min(epoch, len(self.bounds.sets) - 1)]

    def members(self, epoch: int) -> tuple[c.Address, ...]:
        return tuple(self.signers[node].address for node in self.nodes(epoch))

    def epoch_of(self, height: int) -> int:
        return height // self.bounds.epoch_length

    def last_view(self, epoch: int) -> int:
        """The bound on views."""
        return self.bounds.views[min(epoch, len(self.bounds.views) - 1)]

    def primary(self, epoch: int, view: int) -> int:
        """Index of the primary."""
        return primary_index(epoch, view, len(self.nodes(epoch)))

    def liars(self, epoch: int) -> tuple[int, ...]:
        """Indexes of the Byzantine members."""
        known = self._liars.get(epoch)
        if known is None:
            members = enumerate(self.nodes(epoch))
            known = self._liars[epoch] = tuple(i for i, node in members if node in self.bounds.byzantine)
        return known

    def leads(self, epoch: int, view: int) -> bool:
        """Whether a Byzantine member is the primary."""
        return self.primary(epoch, view) in self.liars(epoch)

    # --- blocks -----------------------------------------------------------------------------------------

    def block(self, parent: c.Digest, height: int, label: str, coinbase: c.Address, certificate: bytes) -> c.Digest:
        """Make (or find) a block; its name is its parent's and ``label``."""
        epoch = self.epoch_of(height + 1)
        content = SimulatedBlock(
            parent_hash=parent,
            number=height,
            timestamp=GENESIS_TIME + height,
            extra_data=validator_set_hash(epoch, self.members(epoch)),
            parent_beacon_block_root=hashlib.sha256(certificate).digest() if certificate else bytes(32),
            coinbase=coinbase,
            transactions=(),
            salt=int.from_bytes(hashlib.sha256(label.encode()).digest()[:4], "big"),
        )
        proposal = c.Proposal(content.encode(), certificate)
        digest = block_hash(proposal.block)
        if digest not in self.names:
            self.names[digest] = Name((*self.names[parent], label))
            self.proposals[digest] = proposal
        return digest

    def carried(self, height: int, ancestors: dict[int, c.Digest]) -> bytes:
        """The certificate that a block at ``height`` carries in normal form (P-11): one for each block, so that which
        seals came first does not multiply the blocks. Only the search of certificates keeps them apart."""
        ancestor = height - self.bounds.window
        return self.certificate(ancestor, ancestors[ancestor]).encode() if ancestor > 0 else b""

    @staticmethod
    def seal_label(certificate: bytes) -> str:
        """Who sealed, and in which view: part of a block's label where certificates are kept apart."""
        found = CommitCertificate.decode(certificate)
        return f"#v{found.view}:{''.join(map(str, found.signers()))}"

    def certificate(self, height: int, digest: c.Digest) -> CommitCertificate:
        """The normal form of all certificates of one block: view 0, everybody's seal."""
        found = self._certificates.get(digest)
        if found is None:
            epoch = self.epoch_of(height)
            everybody = range(len(self.nodes(epoch)))
            found = self._certificates[digest] = self.seals(epoch, 0, height, digest, everybody)
        return found

    def seals(self, epoch: int, view: int, height: int, digest: c.Digest, indexes: Iterable[int]) -> CommitCertificate:
        """A certificate with the seals of ``indexes``."""
        seals = {i: self.sign_vote(epoch, i, Kind.COMMIT, view, height, digest) for i in indexes}
        return make_commit_certificate(epoch, view, height, digest, seals)

    def prepared(self, epoch: int, view: int, height: int, digest: c.Digest) -> PreparedCertificate:
        """The normal form of all prepared certificates of one place and block: everybody's PREPARE."""
        leader = self.primary(epoch, view)
        others = [i for i in range(len(self.nodes(epoch))) if i != leader]
        prepares = {i: self.sign_vote(epoch, i, Kind.PREPARE, view, height, digest) for i in others}
        first = self.sign_vote(epoch, leader, Kind.PRE_PREPARE, view, height, digest)
        return make_prepared_certificate(epoch, view, height, digest, first, prepares)

    # --- signing for the Byzantine ----------------------------------------------------------------------

    def sign_vote(self, epoch: int, index: int, kind: Kind, view: int, height: int, digest: c.Digest) -> c.Signature:
        """Anybody's signature on a vote: the caller answers for its existence."""
        signer = self.signers[self.nodes(epoch)[index]]
        return signer.sign(domain.vote_digest(self.schedule.domain(epoch), kind, view, height, digest))

    def sign(self, message: m.ViewChange | m.NewView | m.Complain) -> m.SignedMessage:
        """``message`` with its sender's signature."""
        signer = self.signers[self.nodes(message.epoch)[message.sender]]
        digest = domain.body_digest(
            self.schedule.domain(message.epoch), codec.kind_of(message), codec.encode_body(message)
        )
        return replace(message, signature=signer.sign(digest))

    def vote(self, kind: Kind, epoch: int, view: int, height: int, digest: c.Digest, index: int) -> m.Vote:
        """A Byzantine member's PREPARE or COMMIT."""
        signature = self.sign_vote(epoch, index, kind, view, height, digest)
        make = m.Prepare if kind is Kind.PREPARE else m.Commit
        return make(epoch, view, height, digest, index, signature)

    def quorum(self, epoch: int) -> int:
        """The true quorum, whatever a mutant of the core believes (imported before any mutant is in force)."""
        return _quorum_size(len(self.nodes(epoch)))


_quorum_size = quorum_size
