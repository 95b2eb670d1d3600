"""A tiny consortium in memory: real replicas, toy blocks, a WAL and a ledger for each, virtual time.

Signatures are null: unforgeable because the secret stays in this module. Tests script delivery by ``drop``.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from consensus import codec, ingress, wal_records
from consensus.errors import InvalidMessage, MalformedBlock
from consensus.messages import Message
from consensus.replica import Replica
from consensus.types import (
    AbandonValidation,
    Address,
    BlockAvailable,
    BlockBuilt,
    BlockValidated,
    Broadcast,
    BuildBlock,
    CancelTimer,
    CheckWork,
    Config,
    Deliver,
    Delivered,
    Digest,
    Effect,
    Event,
    FetchBlock,
    Halt,
    HeaderView,
    Instant,
    PeersReachable,
    Persist,
    Persisted,
    Proposal,
    Received,
    ReportEvidence,
    Send,
    SetTimer,
    Started,
    StartSync,
    Synced,
    TimerFired,
    TimerKey,
    TimerKind,
    Trace,
    ValidateBlock,
    Verdict,
    WorkChanged,
)
from consensus.validators import epochs_at_open
from consensus.wal_records import LedgerState, WalRecord

GENESIS_HASH = hashlib.sha256(b"genesis").digest()
START_S = 1_800_000_000
_SECRET = b"only this module signs"


def address(i: int) -> Address:
    return bytes([i + 1]) * 20


class NullSigner:
    """A signature names its signer; nobody else can make it."""

    def __init__(self, who: Address) -> None:
        self.address = who

    def sign(self, digest: Digest) -> bytes:
        mark = hashlib.sha256(_SECRET + self.address + digest).digest()[:31]
        return bytes(12) + self.address + b"\0" + mark + b"\0"


class NullVerifier:
    def recover(self, digest: Digest, signature: bytes) -> Address | None:
        who = signature[12:32]
        return who if NullSigner(who).sign(digest) == signature else None


def make_block(
    number: int, parent: Digest, timestamp: int, coinbase: Address, certificate: bytes, payload: bytes = b""
) -> bytes:
    root = hashlib.sha256(certificate).digest() if certificate else bytes(32)
    return number.to_bytes(8, "big") + parent + timestamp.to_bytes(8, "big") + root + coinbase + payload


def decode_header(block: bytes) -> HeaderView:
    if len(block) < 100:
        raise MalformedBlock("too short for a header")
    return HeaderView(
        hash=hashlib.sha256(block).digest(),
        parent_hash=block[8:40],
        number=int.from_bytes(block[:8], "big"),
        timestamp=int.from_bytes(block[40:48], "big"),
        extra_data=b"",
        parent_beacon_block_root=block[48:80],
        coinbase=block[80:100],
    )


def make_config(**changes: object) -> Config:
    values: dict[str, object] = {
        "chain_id": 7,
        "genesis_hash": GENESIS_HASH,
        "epoch_length": 1000,
        "window": 1,
        "timeout_us": 1_000_000,
        "timeout_max_us": 30_000_000,
        "status_interval_us": 1_000_000,
        "age_limit_us": 20_000_000,
        "heartbeat_us": 300_000_000,
        "tolerance_s": 5,
        "strict_timestamps": False,
    }
    return Config(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Stored:
    """One committed block in a ledger."""

    proposal: Proposal
    block_hash: Digest
    timestamp: int
    certificate: bytes


@dataclass
class Disk:
    """What survives a crash."""

    wal: list[tuple[int, tuple[WalRecord, ...]]] = field(default_factory=list)
    blocks: dict[int, Stored] = field(default_factory=dict)
    wal_lsn: int = 0


class Node:
    """A host: carries out effects in order, at once (disk and execution take no virtual time)."""

    def __init__(self, network: Network, index: int, disk: Disk | None = None) -> None:
        self.network = network
        self.index = index
        self.me = network.addresses[index]
        self.disk = disk or Disk()
        self.effects: list[Effect] = []
        self.sent: list[Message] = []
        self.halted = ""
        self.alive = True
        self.timers: dict[TimerKind, tuple[TimerKey, int]] = {}
        self.pending = False
        self.endless = False
        """More transactions wait than any block takes."""
        self.oldest_us: int | None = None
        self.held_since: int | None = None
        """Since when a special transaction waits here that a censoring primary leaves out."""
        self.censors = False
        self.crash_after: int | None = None
        self.results: dict[Digest, HeaderView] = {}
        """Blocks above the ledger that this process has built or found valid (duty 8)."""
        self.cache = ingress.CachingVerifier(network.verifier)
        self.replica = self._make_replica()

    def _make_replica(self) -> Replica:
        head = self.disk.blocks.get(max(self.disk.blocks, default=0))
        height = max(self.disk.blocks, default=0)
        schedule = self.network.sets
        length = self.network.config.epoch_length
        ledger = LedgerState(
            height=height,
            block_hash=head.block_hash if head else GENESIS_HASH,
            timestamp=head.timestamp if head else START_S,
            next_validators=schedule(height + 1),
            certificates={h: b.certificate for h, b in self.disk.blocks.items() if h > height - 16},
            validators={
                epoch: schedule(epoch * length) for epoch in epochs_at_open(height, self.network.config.window, length)
            },
            wal_lsn=self.disk.wal_lsn,
        )
        groups = [
            (lsn, tuple(wal_records.decode(wal_records.encode(r)) for r in records)) for lsn, records in self.disk.wal
        ]
        restored = wal_records.restore(groups, ledger)
        signer = self.network.signer(self.index)
        return Replica(self.network.config, self.me, signer, self.cache, decode_header, restored)

    # --- events ---------------------------------------------------------------------------------------

    def step(self, event: Event) -> None:
        if not self.alive:
            return
        pending: list[Event] = [event]
        while pending and self.alive:
            for effect in self.replica.step(pending.pop(0), self.network.instant()):
                if self.crash_after is not None:
                    self.crash_after -= 1
                    if self.crash_after < 0:
                        self.alive = False
                        return
                self.effects.append(effect)
                answer = self.carry_out(effect)
                if answer is not None:
                    pending.append(answer)

    def carry_out(self, effect: Effect) -> Event | None:
        network = self.network
        match effect:
            case Persist(records, lsn):
                self.disk.wal.append((lsn, records))
                return Persisted(lsn)
            case Send(to, message, after):
                self._check_durable(after)
                self.sent.append(message)
                network.post(self.index, network.addresses.index(to), message)
            case Broadcast(message, after):
                self._check_durable(after)
                self.sent.append(message)
                for member in self.replica.status().validators:
                    if member != self.me:
                        network.post(self.index, network.addresses.index(member), message)
            case SetTimer(key, at):
                self.timers[key.kind] = (key, at)
                network.push(at, lambda key=key, at=at: self.fire(key, at))
            case CancelTimer(kind):
                self.timers.pop(kind, None)
            case BuildBlock():
                return self.build(effect)
            case ValidateBlock(token):
                header = decode_header(effect.proposal.block)
                self.check_parent(header.parent_hash)
                verdict = network.verdict(self.index, effect)
                if verdict is Verdict.VALID:
                    self.results[header.hash] = header
                return BlockValidated(token, verdict)
            case FetchBlock():
                network.push(network.now_us + 1000, lambda: self.fetch(effect))
            case StartSync():
                network.push(network.now_us + 1000, lambda: self.synchronise(effect))
            case Deliver():
                self._check_durable(effect.after)
                return self.deliver(effect)
            case CheckWork():
                return self.work()
            case Halt(reason):
                self.halted = reason
                self.alive = False
            case AbandonValidation() | ReportEvidence() | Trace():
                pass
        return None

    def _check_durable(self, after: int) -> None:
        assert after <= max((lsn for lsn, _ in self.disk.wal), default=0), "sent before it was persisted"

    def fire(self, key: TimerKey, at: int) -> None:
        if self.alive and self.timers.get(key.kind) == (key, at):
            del self.timers[key.kind]
            self.step(TimerFired(key))

    def build(self, effect: BuildBlock) -> BlockBuilt:
        place = (effect.epoch, effect.view, effect.height)
        special = self.held_since is not None and not self.censors
        if not self.pending and not special and not effect.even_empty:
            return BlockBuilt(*place, None)
        payload = b"tx%d by %d in %d" % (effect.height, self.index, effect.view) if self.pending else b""
        payload += b"special" if special else b""
        self.check_parent(effect.parent_hash)
        timestamp = max(self.network.instant().unix_s, START_S)
        block = make_block(effect.height, effect.parent_hash, timestamp, self.me, effect.certificate, payload)
        self.results[decode_header(block).hash] = decode_header(block)
        return BlockBuilt(*place, Proposal(block, effect.certificate))

    def check_parent(self, parent: Digest) -> None:
        """Duties 7 and 8: the replica asks only for children of the head, or of a block whose result is at hand."""
        head = self.disk.blocks[self.height].block_hash if self.height else GENESIS_HASH
        assert parent == head or parent in self.results, "a block on a parent that this host does not know"

    def deliver(self, effect: Deliver) -> Delivered:
        assert effect.height == max(self.disk.blocks, default=0) + 1
        self.store(effect.proposal, effect.certificate)
        return Delivered(effect.height, effect.block_hash, self.network.sets(effect.height + 1))

    def store(self, proposal: Proposal, certificate: bytes) -> Stored:
        header = decode_header(proposal.block)
        stored = Stored(proposal, header.hash, header.timestamp, certificate)
        self.disk.blocks[header.number] = stored
        self.results = {h: held for h, held in self.results.items() if held.number > header.number}
        if proposal.certificate:
            self.disk.blocks[header.number - self.network.config.window].certificate = proposal.certificate
        self.disk.wal_lsn = max((lsn for lsn, _ in self.disk.wal), default=0)
        self.pending = self.endless
        self.oldest_us = self.network.now_us if self.endless else None
        if proposal.block.endswith(b"special"):
            self.held_since = None
        self.network.push(self.network.now_us, lambda: self.step(self.work()))
        return stored

    def fetch(self, effect: FetchBlock) -> None:
        for other in self.network.nodes:
            if other.alive and other is not self and self.network.connected(self.index, other.index):
                proposal = other.find(effect.height, effect.block_hash)
                if proposal is not None:
                    self.step(BlockAvailable(proposal))
                    return

    def find(self, height: int, block_hash: Digest) -> Proposal | None:
        stored = self.disk.blocks.get(height)
        if stored is not None and stored.block_hash == block_hash:
            return stored.proposal
        return self.replica.find_proposal(height, block_hash)

    def follow(self) -> None:
        """Who is no validator hears of blocks by the host's own sync alone (duty 14)."""
        if self.alive and self.network.sets_change:
            if not self.replica.status().is_validator:
                self.synchronise(StartSync(self.height + 100, ()))
            self.network.push(self.network.now_us + 100_000, self.follow)

    def synchronise(self, effect: StartSync) -> None:
        for other in self.network.nodes:
            if other is self or not other.alive or not self.network.connected(self.index, other.index):
                continue
            while self.alive:
                height = max(self.disk.blocks, default=0) + 1
                stored = other.disk.blocks.get(height)
                if stored is None or height > effect.target_height:
                    break
                self.store(stored.proposal, stored.certificate)
                self.step(
                    Synced(
                        height,
                        stored.block_hash,
                        stored.timestamp,
                        stored.certificate,
                        self.network.sets(height + 1),
                    )
                )

    def submit(self) -> None:
        """A transaction reaches this node's pool."""
        self.pending = True
        if self.oldest_us is None:
            self.oldest_us = self.network.now_us
        self.step(self.work())

    def hold(self) -> None:
        """The special transaction reaches this node's pool."""
        self.held_since = self.network.now_us
        self.step(self.work())

    def work(self) -> WorkChanged:
        """P-15, as this node's pool has it."""
        special = self.held_since is not None
        times = [t for t in (self.oldest_us, self.held_since) if t is not None]
        return WorkChanged(self.pending or special, min(times, default=None))

    @property
    def height(self) -> int:
        return max(self.disk.blocks, default=0)


class Network:
    """``n`` nodes, a heap of (time, order) events, and scripted faults."""

    def __init__(
        self,
        n: int,
        *,
        delay_us: int = 5_000,
        sets: Callable[[int], tuple[Address, ...]] | None = None,
        signer: Callable[[int], object] | None = None,
        verifier: object | None = None,
        addresses: list[Address] | None = None,
        **config: object,
    ) -> None:
        self.config = make_config(**config)
        self.now_us = 1_000_000
        self.delay_us = delay_us
        self.addresses = addresses or [address(i) for i in range(n)]
        self.sets_change = sets is not None
        self.sets = sets or (lambda height: tuple(address(i) for i in range(n)))
        self.signer = signer or (lambda i: NullSigner(address(i)))
        self.verifier = verifier or NullVerifier()
        self.down: set[int] = set()
        self.drop: Callable[[int, int, Message], bool] = lambda sender, to, message: False
        self.verdict: Callable[[int, ValidateBlock], Verdict] = lambda index, effect: Verdict.VALID
        self.rejected: list[str] = []
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.nodes = [Node(self, i) for i in range(n)]

    def instant(self) -> Instant:
        return Instant(self.now_us, START_S + self.now_us // 1_000_000)

    def push(self, at: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (max(at, self.now_us), next(self._order), action))

    def connected(self, a: int, b: int) -> bool:
        return a not in self.down and b not in self.down

    def post(self, sender: int, to: int, message: Message) -> None:
        raw = codec.encode_message(message)  # type: ignore[arg-type]
        if self.drop(sender, to, message):
            return
        self.push(self.now_us + self.delay_us, lambda: self.receive(sender, to, raw))

    def receive(self, sender: int, to: int, raw: bytes) -> None:
        node = self.nodes[to]
        if not node.alive or not self.connected(sender, to):
            return
        try:
            message = ingress.verify(raw, self.addresses[sender], node.replica.schedule, node.cache, decode_header)
        except InvalidMessage as error:
            self.rejected.append(str(error))
            return
        node.step(Received(self.addresses[sender], message))

    def start(self, *indexes: int) -> None:
        for i in indexes or range(len(self.nodes)):
            self.nodes[i].step(Started())
            self.nodes[i].follow()

    def links(self) -> None:
        """Every living node learns whom it is connected to (R-9)."""
        for node in self.nodes:
            others = (o for o in self.nodes if o is not node and o.alive and self.connected(node.index, o.index))
            node.step(PeersReachable(frozenset(o.me for o in others)))

    def restart(self, i: int) -> Node:
        """A crash, and the process again on the same disk."""
        self.nodes[i].alive = False
        self.nodes[i] = node = Node(self, i, self.nodes[i].disk)
        node.step(Started())
        node.follow()
        return node

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Run for so much virtual time, or until ``until``; whether it held."""
        deadline = self.now_us + int(seconds * 1_000_000)
        while self._heap and not until():
            at, _, action = self._heap[0]
            if at > deadline:
                break
            heapq.heappop(self._heap)
            self.now_us = at
            action()
        if not until():
            self.now_us = deadline
        return until()

    def submit(self) -> None:
        for node in self.nodes:
            node.submit()

    def reach(self, height: int, seconds: float = 60, nodes: list[int] | None = None) -> bool:
        """Run until all (or these) nodes hold ``height``."""
        chosen = [self.nodes[i] for i in nodes] if nodes is not None else self.nodes
        return self.run(seconds, lambda: all(self.nodes[c.index].height >= height for c in chosen))

    def check_agreement(self) -> None:
        """I1 and I2: one block for each height, chained, and nobody halted."""
        for height in range(1, max(node.height for node in self.nodes) + 1):
            held = {n.disk.blocks[height].block_hash for n in self.nodes if height in n.disk.blocks}
            assert len(held) <= 1, f"two blocks at height {height}"
        assert not [node.halted for node in self.nodes if node.halted]
