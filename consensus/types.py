"""The replica's contract with its host: quantities, injected functions, events in, effects out.

A host feeds :class:`Event` objects to ``Replica.step(event, now)`` and carries out the returned
:class:`Effect` objects in order. Nothing in this package reads a clock, a disk, a socket or randomness.
The host's duties are numbered in README.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from consensus.messages import Message
    from consensus.wal_records import WalRecord

Address = bytes
"""20 bytes: the Ethereum address of a validator's key."""
Digest = bytes
"""32 bytes: a block hash, or a SHA-256 of the consensus layer (P-9)."""
Signature = bytes
"""65 bytes: r || s || v with low s and v in {0, 1} (P-10)."""
WINDOW_MAX = 4
"""W at most: every bound on memory and message size is stated for it."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks of the host: timers run on the first, block time is judged by the second."""

    monotonic_us: int
    unix_s: int
    """Block time (P-19: moved by the test clock where genesis allows one)."""


@dataclass(frozen=True, slots=True)
class HeaderView:
    """What consensus reads of a block's header; everything else of a block is opaque to it (P-9)."""

    hash: Digest
    parent_hash: Digest
    number: int
    timestamp: int
    extra_data: bytes
    """Hash of the validator set of the next height (P-12)."""
    parent_beacon_block_root: Digest
    """Hash of the commit certificate of block number - W (P-11)."""
    coinbase: Address


class Signer(Protocol):
    """The validator's key. Deterministic (RFC 6979), low s."""

    @property
    def address(self) -> Address: ...

    def sign(self, digest: Digest) -> Signature: ...


class Verifier(Protocol):
    """Recovers who signed; None where the signature is malformed, high-s or recovers nobody."""

    def recover(self, digest: Digest, signature: Signature) -> Address | None: ...


HeaderDecoder = Callable[[bytes], HeaderView]
"""Reads the header of an RLP block; raises ``consensus.errors.MalformedBlock`` on anything else."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A block as it travels: its RLP and the encoded certificate of block h - W, empty for h <= W (P-11)."""

    block: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Config:
    """Chain parameters of the protocol, all of them from genesis (P-3); durations in microseconds."""

    chain_id: int
    genesis_hash: Digest
    epoch_length: int
    """L: epoch e covers heights eL .. (e + 1)L - 1 (P-13)."""
    window: int
    """W, 1 to WINDOW_MAX: heights above the ledger that may be agreed on at once (P-11)."""
    timeout_us: int
    """T0: first patience with a primary; doubles with each failed view (P-4, P-14)."""
    timeout_max_us: int
    status_interval_us: int
    """T_status."""
    age_limit_us: int
    """T_age: how long a transaction may wait before the primary is blamed (P-14)."""
    heartbeat_us: int
    tolerance_s: int
    strict_timestamps: bool


class TimerKind(Enum):
    """What a timer is for. A fired timer whose key is no longer current is ignored."""

    PROGRESS = "progress"
    NEW_VIEW = "new_view"
    STATUS = "status"
    HEARTBEAT = "heartbeat"
    EARLY_PROPOSAL = "early_proposal"
    AGE = "age"


@dataclass(frozen=True, slots=True)
class TimerKey:
    kind: TimerKind
    epoch: int
    view: int
    height: int


class Verdict(IntEnum):
    """A host's judgement of a proposed block after executing it."""

    VALID = 0
    INVALID = 1
    ABANDONED = 2
    """Local only: execution was cancelled; neither valid nor invalid (P-7)."""


# --- events -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The host has opened WAL and ledger and its network; always the first event."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that ``consensus.ingress.verify`` accepted. ``peer`` is the authenticated connection it came by."""

    peer: Address
    message: Message


@dataclass(frozen=True, slots=True)
class TimerFired:
    key: TimerKey


@dataclass(frozen=True, slots=True)
class Persisted:
    """Every record up to and including ``lsn`` is on disk (fsync returned)."""

    lsn: int


@dataclass(frozen=True, slots=True)
class BlockBuilt:
    """Answer to BuildBlock; ``proposal`` is None where nothing could be placed or the build failed."""

    epoch: int
    view: int
    height: int
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class BlockValidated:
    """Answer to ValidateBlock with the same token; ``reason`` names the broken rule of an INVALID block."""

    token: int
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BlockAvailable:
    """Answer to FetchBlock: a block that a peer served (its hash is checked by the replica)."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class WorkChanged:
    """Whether transactions wait that this replica's builder can place (P-15); ``oldest_us`` is the monotonic
    time since which the oldest of them has been work here, None where there is none."""

    pending: bool
    oldest_us: int | None = None
    empty_due: bool = False
    """Blocks are due even without transactions: a set change waits for its epoch edge (P-15)."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Answer to Deliver: the block's batch is synced. ``next_validators`` is S(height + 1), ascending (P-12)."""

    height: int
    block_hash: Digest
    next_validators: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Synced:
    """The host's sync committed a block past the replica: verified, executed, synced to disk."""

    height: int
    block_hash: Digest
    timestamp: int
    certificate: bytes
    next_validators: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class PeersReachable:
    """With which addresses this host holds an authenticated connection: after Started, and whenever that changes. Only
    patience depends on it (R-9); until the first of these events everybody counts as reachable."""

    addresses: frozenset[Address]


Event = (
    Started
    | Received
    | TimerFired
    | Persisted
    | BlockBuilt
    | BlockValidated
    | BlockAvailable
    | WorkChanged
    | Delivered
    | Synced
    | PeersReachable
)


# --- effects ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Persist:
    """Append ``records`` to the WAL as one group with the sequence number ``lsn`` and sync them; then Persisted."""

    records: tuple[WalRecord, ...]
    lsn: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one validator, not before the WAL is durable up to ``after`` (0: at once)."""

    to: Address
    message: Message
    after: int = 0


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every other validator of the epoch, not before the WAL is durable up to ``after``."""

    message: Message
    after: int = 0


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire ``key`` at the monotonic time ``at_us``; replaces an earlier timer of the same kind."""

    key: TimerKey
    at_us: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Stop the timer of this kind, if it runs."""

    kind: TimerKind


@dataclass(frozen=True, slots=True)
class BuildBlock:
    """Build a block on ``parent_hash`` off the event loop; answer BlockBuilt. The parent is the ledger's head or, where
    W > 1, a block above it that this host has built or found VALID in this process. ``certificate`` (encoded, of block
    height - W) is carried and its hash stands in the header (P-11). ``even_empty``: block 1 or a due heartbeat."""

    epoch: int
    view: int
    height: int
    parent_hash: Digest
    certificate: bytes
    even_empty: bool


@dataclass(frozen=True, slots=True)
class ValidateBlock:
    """Execute the block off the event loop and compare every root; answer BlockValidated. ``fresh`` proposals are
    also held to P-5 (coinbase is the primary); re-proposals are not. Its parent is as for BuildBlock."""

    token: int
    proposal: Proposal
    fresh: bool
    proposer: Address


@dataclass(frozen=True, slots=True)
class AbandonValidation:
    """The view of this validation has ended: cancel the execution (P-7)."""

    token: int


@dataclass(frozen=True, slots=True)
class FetchBlock:
    """Fetch the block of this hash from the hinted peers, in order, then any; answer BlockAvailable."""

    height: int
    block_hash: Digest
    hints: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class StartSync:
    """Peers prove or claim a later height: fetch blocks from committed + 1; answer Synced for each."""

    target_height: int
    peers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Deliver:
    """The block is final: write it with its certificate in one synced batch, strictly in height order, after the
    WAL is durable up to ``after``; answer Delivered. ``proposal.certificate`` overwrites the stored one of
    height - W (P-11)."""

    height: int
    block_hash: Digest
    proposal: Proposal
    certificate: bytes
    after: int


@dataclass(frozen=True, slots=True)
class CheckWork:
    """Before complaining of waiting transactions (P-15): run the builder and answer with WorkChanged."""


@dataclass(frozen=True, slots=True)
class ReportEvidence:
    """Two signed messages that convict ``signer`` of ``offence``; for operators and governance, never automatic."""

    signer: Address
    offence: str
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Halt:
    """An impossible state: stop the node rather than fork the chain."""

    reason: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Something worth a log line or a metric; ``label`` is a constant, ``values`` are plain data."""

    label: str
    values: tuple[tuple[str, object], ...] = ()


Effect = (
    Persist
    | Send
    | Broadcast
    | SetTimer
    | CancelTimer
    | BuildBlock
    | ValidateBlock
    | AbandonValidation
    | FetchBlock
    | StartSync
    | Deliver
    | CheckWork
    | ReportEvidence
    | Halt
    | Trace
)
