"""The composition root: the only module that knows everyone. Builds a node from its configuration and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from consensus import types as c
from consensus import wal_records
from consensus.ingress import CachingVerifier
from consensus.replica import Replica
from consensus.validators import epochs_at_open
from contracts.addresses import CONSORTIUM
from node import permissioning
from node.app import new_key
from node.app.desk import make_desk
from node.app.doors import Doors
from node.app.keys import NodeKeys, open_key
from node.app.roles import role_by_register
from node.chain.genesis import Genesis
from node.clock import CLOCK_FILE, Clock, SteppedClock, SystemClock
from node.config import NodeConfig
from node.engine.builder import BlockBuilder
from node.engine.engine import Engine, Peers
from node.engine.header_view import decode_header_view
from node.engine.ledger_writer import LedgerWriter
from node.engine.wal import WalCorrupt, WriteAheadLog
from node.engine.watch import SYNCED, log_block
from node.errors import ConfigError, ImpossibleState, PrayaError
from node.execution.consensus_config import consensus_config
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.keys import SECP256K1_VERIFIER, PrivateKey
from node.keys.tls import TlsFiles
from node.log import get_logger
from node.metrics import Metrics
from node.p2p import NodeIdentity, PeerAddress, PeerNetwork, PeerRole
from node.p2p.gossip import TransactionGossip
from node.sync import SnapshotServer, Syncer
from node.txpool import TransactionPool
from node.types import Address, to_hex

_log = get_logger("app")

CLOCK_POLL_S = 0.1


class Node:
    """One bank's or observer's process. ``stopping`` is set when it must end; ``halt_reason`` says why."""

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.stopping = asyncio.Event()
        self.halt_reason = ""
        self.metrics = Metrics()
        directory = config.directory
        genesis = Genesis.load(directory / "genesis.json")
        observer = config.node.role == "observer"
        self._configured = frozenset(Address(bytes.fromhex(peer.address[2:])) for peer in config.peers)
        business = open_key(directory / "keystore", "business")
        self.clock: Clock = _open_clock(directory, genesis)
        self.ledger = Ledger.open(directory / "chain", genesis)
        if not observer:
            new_key.take_up(directory, business.address, self.ledger)
        self.keys = NodeKeys.load(directory / "keystore", observer=observer, business=business)
        self.writer = LedgerWriter(self.ledger)
        self.pool = TransactionPool(genesis, self.ledger.state.head, permissioning, self.clock.monotonic_us)
        self.network = self._make_network(config)
        self.gossip = self._make_gossip()
        self._consensus_config = consensus_config(genesis, self.ledger.genesis_hash)
        self._wal: WriteAheadLog | None = None
        self.engine: Engine | None = None if observer else self._make_engine(self.keys.validator)
        self.syncer = self._make_syncer()
        self._serve_snapshots()
        self.desk, self.governance = make_desk(self)
        self.doors = Doors(self)
        self._loop = asyncio.get_running_loop()
        self._clock_task: asyncio.Task[None] | None = None
        self._wire()

    # --- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the doors and the peer port, then take part. Raises PrayaError where something cannot be opened."""
        self.metrics.build_info.labels(version("praya")).set(1)
        self._note_head()
        await self.network.start()
        self.gossip.start()
        await self.doors.start()
        self.syncer.start()
        self._desk_task = asyncio.create_task(self._resume_desk())
        if self.engine is not None:
            self.engine.start()
        if isinstance(self.clock, SteppedClock):
            self._clock_task = asyncio.create_task(self._follow_clock(self.clock))
        _log.info(
            "node started",
            name=self.config.node.name,
            role=self.config.node.role,
            version=version("praya"),
            chain_id=self.ledger.genesis.chain_id,
            genesis=to_hex(self.ledger.genesis_hash),
            height=self.ledger.head.number,
            history=None if self.ledger.snapshot is None else self.ledger.snapshot.sentence(),
            address=to_hex(self.keys.transport.address),
            rpc_port=self.config.listen.rpc_port,
            web_port=self.config.listen.web_port,
        )

    async def stop(self) -> None:
        """Drain and close everything, the database last."""
        steps: list[Callable[[], Awaitable[None]]] = [self.doors.stop, self.desk.close]
        steps += [self.gossip.stop, self.syncer.stop]
        if self.engine is not None:
            steps.append(self.engine.stop)
        steps.append(self.network.stop)
        if self._clock_task is not None:
            self._clock_task.cancel()
        for step in steps:
            with contextlib.suppress(asyncio.CancelledError):
                await step()
        self.writer.close()
        if self._wal is not None:
            self._wal.close()
        self.ledger.close()
        _log.info("node stopped", reason=self.halt_reason or "asked to")

    async def _resume_desk(self) -> None:
        """Approved acts that a stop cut short go on; one that cannot says why in its draft."""
        try:
            await self.desk.start()
        except PrayaError as error:
            _log.warning("an act could not be resumed", reason=error.message)

    def halt(self, reason: str) -> None:
        """An impossible state: stop rather than fork."""
        if not self.halt_reason:
            self.halt_reason = reason
            _log.error("node halts", reason=reason)
        self._loop.call_soon_threadsafe(self.stopping.set)

    def _call_soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(function)

    def _failed(self, error: BaseException) -> None:
        self.halt(f"{type(error).__name__}: {error}")

    def _frame_failed(self, error: BaseException) -> None:
        """A fault of ours in reading what a peer sent: the frame is lost, the node goes on, or one bank's bytes could
        stop every other's. Votes and ledger are the engine's own task, which stops by itself."""
        if isinstance(error, ImpossibleState):
            self._failed(error)
        else:
            _log.error("a peer's frame could not be taken", exc_info=error)

    # --- parts ----------------------------------------------------------------------------------------

    def _make_network(self, config: NodeConfig) -> PeerNetwork:
        ledger = self.ledger
        identity = NodeIdentity(
            address=self.keys.transport.address,
            chain_id=ledger.genesis.chain_id,
            genesis_hash=ledger.genesis_hash,
            parameters_hash=ledger.genesis.digest,
            tls=TlsFiles.in_directory(config.directory / "tls"),
        )
        peers = tuple(
            PeerAddress(peer.name, peer.host, peer.port, Address(bytes.fromhex(peer.address[2:])))
            for peer in config.peers
        )
        return PeerNetwork(
            identity,
            listen_host=config.listen.host,
            listen_port=config.listen.p2p_port,
            peers=peers,
            authorise=self._role_of,
            head=lambda: (ledger.head.number, ledger.head_hash),
            clock=self.clock,
            metrics=self.metrics.count_p2p,
            on_failure=self._failed,
            on_frame_failure=self._frame_failed,
        )

    def _make_gossip(self) -> TransactionGossip:
        pool = self.pool
        return TransactionGossip(
            self.network,
            admit=lambda raw, peer: pool.add(raw, origin=peer),
            pending=pool.raw_transactions,
            is_pending=lambda transaction_hash: pool.lookup(transaction_hash) is not None,
            on_failure=self._frame_failed,
        )

    def _make_engine(self, key: PrivateKey | None) -> Engine:
        if key is None:
            raise ConfigError("a validator's node needs a validator key", field="keystore")
        self._wal, restored = self._open_wal()
        verifier = CachingVerifier(SECP256K1_VERIFIER)
        replica = Replica(self._consensus_config, key.address, key, verifier, decode_header_view, restored)
        return Engine(
            replica=replica,
            wal=self._wal,
            writer=self.writer,
            builder=BlockBuilder(self.writer, self.pool, self.clock, key.address),
            pool=self.pool,
            network=self.network,
            clock=self.clock,
            metrics=self.metrics,
            peers=Peers(
                fetch_block=self._fetch_block,
                start_sync=self._start_sync,
            ),
            verifier=verifier,
            decode_header=decode_header_view,
            on_halt=self.halt,
        )

    def _open_wal(self) -> tuple[WriteAheadLog | None, wal_records.Restored]:
        """The votes that this node is bound by. With a damaged log it starts, serves and syncs, and never votes: only a
        new validator key mends that (P-18)."""
        wal = WriteAheadLog(str(self.config.directory / "wal"))
        ledger = self._ledger_state()
        try:
            restored = wal_records.restore(wal.open(), ledger)
        except WalCorrupt as error:
            wal.close()
            reason = f"the write-ahead log cannot be trusted: {error}"
            _log.error("node does not vote", reason=reason)
            return None, replace(wal_records.restore((), ledger), refuse_to_vote=reason)
        if new_key.waits(self.config.directory) and not restored.refuse_to_vote:
            restored = replace(restored, refuse_to_vote="a next validator key waits for the members' vote (P-18)")
        if restored.refuse_to_vote:
            _log.error("node does not vote", reason=restored.refuse_to_vote)
        elif restored.committed_floor > ledger.height:
            reason = f"the ledger ends at {ledger.height}, the vote log knows block {restored.committed_floor}"
            _log.warning("node does not vote before it has caught up", reason=reason)
        return wal, restored

    def _ledger_state(self) -> wal_records.LedgerState:
        ledger = self.ledger
        height = ledger.head.number
        first = max(0, height - self.ledger.parameters.window)
        length = ledger.parameters.epoch_length
        return wal_records.LedgerState(
            height=height,
            block_hash=ledger.head_hash,
            timestamp=ledger.head.timestamp,
            next_validators=ledger.next_validators,
            certificates={h: cert for h in range(max(1, first), height + 1) if (cert := ledger.chain.certificate(h))},
            validators={
                epoch: tuple(ledger.chain.validators(max(1, epoch * length)))
                for epoch in epochs_at_open(height, ledger.parameters.window, length)
            },
            wal_lsn=ledger.chain.wal_lsn(),
        )

    def _make_syncer(self) -> Syncer:
        return Syncer(
            network=self.network,
            chain=self.ledger.chain,
            config=self._consensus_config,
            verifier=SECP256K1_VERIFIER,
            import_block=self._import_block,
            clock=self.clock,
            block_bytes_max=self.ledger.parameters.limits.block_bytes_max,
            find_proposal=None if self.engine is None else self._find_proposal,
            follow=self._follows,
            on_failure=self._failed,
        )

    def _serve_snapshots(self) -> None:
        parameters = self.ledger.parameters
        server = SnapshotServer(
            self.ledger.chain, self.ledger.state, window=parameters.window, epoch_length=parameters.epoch_length
        )
        for kind, handler in server.handlers.items():
            self.network.on_request(kind, handler)

    def _wire(self) -> None:
        """Who hears of what: a block goes to pool, peers and doors; a transaction to gossip and engine."""
        self.writer.committed_listeners.insert(0, self._block_committed)
        self.pool.accepted_listeners.append(
            lambda transaction, origin: self.gossip.accepted(transaction.hash, transaction.raw, origin)
        )
        if self.engine is not None:
            engine = self.engine
            self.pool.changed_listeners.append(lambda: self._call_soon(engine.work_changed))

    # --- what happens ---------------------------------------------------------------------------------

    async def _import_block(self, proposal: c.Proposal, certificate: bytes) -> None:
        if self.engine is not None:
            await self.engine.import_block(proposal, certificate)
        else:
            executed = await self.writer.commit(proposal, certificate, lambda: 0)
            if executed is not None:
                log_block(executed, certificate, SYNCED, {})
                self.metrics.blocks.inc()
                self.metrics.transactions.inc(len(executed.block.transactions))

    def _follows(self) -> bool:
        """Nobody broadcasts votes to a node that is no validator of the next height (duty 14): it follows the head."""
        return self.engine is None or self.keys.transport.address not in self.ledger.next_validators

    # Engine and sync are siblings that need each other: the root stands between them.
    async def _fetch_block(self, height: int, block_hash: bytes, hints: tuple[bytes, ...]) -> c.Proposal | None:
        return await self.syncer.fetch_block(height, block_hash, hints)

    def _start_sync(self, height: int, peers: tuple[bytes, ...]) -> None:
        self.syncer.start_sync(height, peers)

    def _find_proposal(self, height: int, block_hash: bytes) -> c.Proposal | None:
        return self.engine.find_proposal(height, block_hash) if self.engine is not None else None

    def _block_committed(self, executed: ExecutedBlock) -> None:
        self.pool.on_block(executed)
        header = executed.block.header
        self.syncer.block_committed(header.number, header.hash)
        self._note_head()
        self.doors.block_committed()
        edge = (header.number + 1) % self.ledger.parameters.epoch_length == 0
        if edge or Address(CONSORTIUM) in executed.state_update.write_set.storage:
            self.network.reauthorise()

    def _note_head(self) -> None:
        self.metrics.head_height.set(self.ledger.head.number)
        self.metrics.head_timestamp.set(self.ledger.head.timestamp)
        self.metrics.pool_size.set(len(self.pool))

    def _role_of(self, address: Address) -> PeerRole | None:
        """Validators of the next height may connect, those of a bank that has left until their edge; of all others
        the register decides."""
        if address in self.ledger.next_validators:
            return PeerRole.VALIDATOR
        return role_by_register(self.ledger.state.head(), address, self._configured)

    async def _follow_clock(self, clock: SteppedClock) -> None:
        """P-19: at each step of the test clock, every replica owes a block with the new time."""
        announced = 0.0
        while True:
            for step in clock.reload():
                if step.at_s > announced and self.engine is not None:
                    announced = step.at_s
                    self._loop.call_later(max(0.0, step.at_s - time.time()) + 0.02, self.engine.clock_jumped)
            await asyncio.sleep(CLOCK_POLL_S)


def _open_clock(directory: Path, genesis: Genesis) -> Clock:
    if genesis.parameters.test_clock is None:
        if (directory / CLOCK_FILE).exists():
            raise ConfigError("a test clock lies here, and genesis allows none (P-19)", field=CLOCK_FILE)
        return SystemClock()
    return SteppedClock(directory / CLOCK_FILE)
