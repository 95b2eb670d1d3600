"""An Engine on a real ledger and a real write-ahead log, with a scripted replica and a network that only listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from consensus import types as c
from consensus.certificates import PreparedCertificate
from consensus.messages import PrePrepare, Status
from consensus.replica import Replica, ReplicaStatus
from consensus.wal_records import Committed, State
from node.chain.block import Block
from node.chain.genesis import GenesisAccount
from node.chain.parameters import ChainParameters
from node.clock import SystemClock
from node.engine.builder import BlockBuilder
from node.engine.engine import Engine, Peers
from node.engine.header_view import decode_header_view
from node.engine.ledger_writer import LedgerWriter
from node.engine.wal import WriteAheadLog
from node.keys import SECP256K1_VERIFIER
from node.metrics import Metrics
from node.p2p import PeerNetwork, Priority
from node.p2p.peer import PeerInfo
from node.txpool import TransactionPool
from node.types import Address, Hash32
from tests.execution.chain import PARAMETERS, VALIDATORS, OpenPermissions, build, make_genesis, open_ledger

EVENT_TIMEOUT_S = 10.0
PARAMETERS_OPEN = OpenPermissions()
LOOP_ADDRESS = Address(b"\x01" + b"\x77" * 19)
LOOP_CODE = bytes.fromhex("5b5f56")
"""JUMPDEST PUSH0 JUMP: runs until its gas or its time is gone."""


def a_status() -> Status:
    """Some message that may be sent."""
    return Status(0, 0, 0, 0, False, 0, bytes(65))


class ScriptedReplica:
    """Gives the effects that a test has prepared for a kind of event, and remembers every event."""

    schedule: Any = None

    def __init__(self) -> None:
        self.events: list[c.Event] = []
        self.script: dict[type, list[list[c.Effect]]] = {}
        self.refuse = ""
        self.state: State | None = None
        self._news = asyncio.Event()

    def step(self, event: c.Event, now: c.Instant) -> list[c.Effect]:
        self.events.append(event)
        self._news.set()
        prepared = self.script.get(type(event), [])
        return prepared.pop(0) if prepared else []

    def status(self) -> ReplicaStatus:
        return ReplicaStatus(0, 0, 0, 0, bytes(32), VALIDATORS, VALIDATORS[0], True, True, self.refuse, 0, False, 0, "")

    def state_record(self) -> State | None:
        return self.state

    def find_proposal(self, height: int, block_hash: bytes) -> c.Proposal | None:
        return None

    async def wait_for(self, found: Callable[[c.Event], bool]) -> c.Event:
        """The first event, past or to come, that ``found`` accepts."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while True:
                for event in self.events:
                    if found(event):
                        return event
                self._news.clear()
                await self._news.wait()


@dataclass
class ListeningNetwork:
    """Remembers what is sent, in the order of the shared journal."""

    journal: list[str]
    me: Address = VALIDATORS[0]
    head_handlers: list[Callable[[Address, int, Hash32], None]] = field(default_factory=list)
    handlers: dict[str, Callable[[Address, bytes], None]] = field(default_factory=dict)
    connected_handlers: list[Callable[[PeerInfo], None]] = field(default_factory=list)
    peers: set[Address] = field(default_factory=set)

    def on_frame(self, kind: str, handler: Callable[[Address, bytes], None]) -> None:
        self.handlers[kind] = handler

    def on_connect(self, handler: Callable[[PeerInfo], None]) -> None:
        self.connected_handlers.append(handler)

    def on_disconnect(self, handler: Callable[[PeerInfo], None]) -> None:
        self.connected_handlers.append(handler)

    def connected(self) -> dict[Address, PeerInfo]:
        return {address: cast(PeerInfo, None) for address in self.peers}

    def on_head(self, handler: Callable[[Address, int, Hash32], None]) -> None:
        self.head_handlers.append(handler)

    def broadcast(self, priority: Priority, payload: bytes, kind: str, to: Iterable[Address]) -> int:
        self.journal.append("broadcast")
        return len(list(to))

    def send(self, to: Address, priority: Priority, payload: bytes, kind: str) -> bool:
        self.journal.append("send")
        return True


class JournalledWal(WriteAheadLog):
    """The real log; each sync stands in the journal."""

    journal: list[str]
    broken = False

    def sync(self) -> int:
        if self.broken:
            raise self._fail(OSError(5, "Input/output error"))
        lsn = super().sync()
        self.journal.append("sync")
        return lsn


class Host:
    """Everything around one engine. Build it inside a running event loop; ``halted`` holds the reasons to stop."""

    def __init__(self, directory: Path, *, parameters: ChainParameters = PARAMETERS) -> None:
        loop_account = GenesisAccount(nonce=1, code=LOOP_CODE)
        self.genesis = make_genesis({LOOP_ADDRESS: loop_account}, parameters=parameters)
        self.journal: list[str] = []
        self.halted: list[str] = []
        self.syncs: list[tuple[int, tuple[bytes, ...]]] = []
        """What the engine asked block sync for: target and peers."""
        self.fetched: c.Proposal | None = None
        """What peers answer to a fetch."""
        self._halt = asyncio.Event()
        self.ledger = open_ledger(directory / "chain", self.genesis, PARAMETERS_OPEN)
        self.replica = ScriptedReplica()
        self.network = ListeningNetwork(self.journal)
        self.wal = JournalledWal(str(directory / "wal"))
        self.wal.journal = self.journal
        self.wal.open()
        clock = SystemClock()
        self.pool = TransactionPool(self.genesis, self.ledger.state.head, PARAMETERS_OPEN, clock.monotonic_us)
        self.writer = LedgerWriter(self.ledger)
        self.builder = BlockBuilder(self.writer, self.pool, clock, VALIDATORS[0])
        self.writer.committed_listeners.append(self.pool.on_block)
        self.metrics = Metrics()
        self.engine = Engine(
            replica=cast(Replica, self.replica),
            wal=self.wal,
            writer=self.writer,
            builder=self.builder,
            pool=self.pool,
            network=cast(PeerNetwork, self.network),
            clock=clock,
            metrics=self.metrics,
            peers=Peers(fetch_block=self._fetch, start_sync=lambda *wanted: self.syncs.append(wanted)),
            verifier=SECP256K1_VERIFIER,
            decode_header=decode_header_view,
            on_halt=self._halts,
        )

    async def _fetch(self, height: int, block_hash: bytes, hints: tuple[bytes, ...]) -> c.Proposal | None:
        return self.fetched

    def _halts(self, reason: str) -> None:
        self.halted.append(reason)
        self._halt.set()

    def on_start(self, *effects: c.Effect) -> None:
        """What the replica answers to its first event."""
        self.replica.script[c.Started] = [list(effects)]

    async def until_halted(self) -> str:
        """The reason for which the engine stopped."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            await self._halt.wait()
        return self.halted[0]

    async def close(self) -> None:
        await self.engine.stop()
        self.writer.close()
        self.wal.close()
        self.ledger.close()

    def proposal(self, **changes: Any) -> c.Proposal:
        """A valid block on the head."""
        return c.Proposal(build(self.ledger, **changes).executed.block.rlp(), b"")

    def deliver(self, proposal: c.Proposal) -> c.Deliver:
        header = Block.decode(proposal.block).header
        return c.Deliver(header.number, header.hash, proposal, b"certificate", 0)


def persist(lsn: int) -> c.Persist:
    return c.Persist((Committed(lsn),), lsn)


def a_state() -> State:
    accepted: tuple[PrePrepare, ...] = ()
    prepared: tuple[PreparedCertificate, ...] = ()
    return State(0, 0, None, None, accepted, prepared)
