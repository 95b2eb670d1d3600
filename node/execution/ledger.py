"""The ledger: chain and state in one database, moved by one atomic synced batch for each block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain as chain_together
from itertools import islice
from pathlib import Path

from node.chain.block import Block
from node.chain.genesis import Genesis, genesis_header
from node.chain.header import Header
from node.chain.parameters import ChainParameters
from node.chain.snapshot import SnapshotMarker
from node.chain.store import ChainStore
from node.chain.transaction import Transaction
from node.errors import ConfigError, DataError, ImpossibleState, InvalidBlock
from node.execution import call as calls
from node.execution.builder import BuildRequest, BuiltBlock, build_block
from node.execution.call import CallRequest, CallResult
from node.execution.defaults import default_rules
from node.execution.engine import BlockContext
from node.execution.genesis_state import genesis_write_set
from node.execution.guard import CancellationToken, ExecutionAbandoned
from node.execution.transition import ExecutedBlock, ParentState, Rules, block_context, execute_block
from node.state.store import AccountProof, StateStore
from node.state.write_set import OverlayReader
from node.storage.leveldb import LevelDB
from node.storage.store import KeyValueStore
from node.types import Address, Hash32, StateReader, to_hex

ANCESTORS_MAX = 256
"""Hashes that BLOCKHASH reaches (Yellow Paper, 9.4.2)."""


@dataclass(frozen=True, slots=True)
class _Head:
    """Head header and S(head + 1), replaced together."""

    header: Header
    next_validators: tuple[Address, ...]


class Ledger:
    """What engine, sync, doors and audit stand on. Synchronous; one writer and any number of reading threads.

    ``on_commit`` callbacks run in the committing thread after the batch is on disk, in the order of the list.
    """

    def __init__(self, store: KeyValueStore, rules: Rules, state: StateStore, chain: ChainStore) -> None:
        self._kv = store
        self.rules = rules
        self.state = state
        self.chain = chain
        header = chain.head()
        self._head = _Head(header, chain.validators(header.number + 1))
        self._snapshot = chain.snapshot()
        self.on_commit: list[Callable[[ExecutedBlock], None]] = []

    @classmethod
    def open(cls, path: Path, genesis: Genesis, *, rules: Rules | None = None) -> Ledger:
        """Open the chain in the directory ``path``, or create height 0 there.

        Raises ConfigError for a directory of another genesis or one that is in use, DataError for a corrupt one.
        """
        store = LevelDB.open(path)
        try:
            return cls.open_store(store, genesis, rules=rules)
        except BaseException:
            store.close()
            raise

    @classmethod
    def open_store(cls, store: KeyValueStore, genesis: Genesis, *, rules: Rules | None = None) -> Ledger:
        """As :meth:`open`, over a store that is open already."""
        rules = rules or default_rules(genesis)
        chain = ChainStore(store)
        if chain.is_empty:
            _write_genesis(store, chain, rules)
        elif chain.genesis_digest() != genesis.digest:
            raise ConfigError("the data directory belongs to a chain of another genesis", field="genesis")
        else:
            chain.check_format()
        return cls(store, rules, StateStore(store, chain.head().state_root), chain)

    # --- where the chain stands -----------------------------------------------------------------------

    @property
    def genesis(self) -> Genesis:
        """The chain's genesis."""
        return self.rules.genesis

    @property
    def parameters(self) -> ChainParameters:
        """The ``pbft`` block of genesis (P-3)."""
        return self.rules.genesis.parameters

    @property
    def genesis_hash(self) -> Hash32:
        """Hash of the header of height 0."""
        header = self.chain.header(0)
        if header is None:
            raise DataError("the header of height 0 is missing", field="genesis")
        return header.hash

    @property
    def head(self) -> Header:
        """Header of the last committed block."""
        return self._head.header

    @property
    def head_hash(self) -> Hash32:
        """Hash of the last committed block."""
        return self._head.header.hash

    @property
    def snapshot(self) -> SnapshotMarker | None:
        """Where this bank's own history starts; None where it executed every block."""
        return self._snapshot

    @property
    def next_validators(self) -> tuple[Address, ...]:
        """S(head + 1), ascending (P-12)."""
        return self._head.next_validators

    # --- the next block -------------------------------------------------------------------------------

    def execute(
        self,
        block: Block,
        *,
        above: Sequence[ExecutedBlock] = (),
        carried_certificate_hash: Hash32 | None = None,
        cancel: CancellationToken | None = None,
    ) -> ExecutedBlock:
        """Execute a child of the head, or of the last block in ``above``; InvalidBlock or ExecutionAbandoned.

        ``above``: executed blocks in flight, from the head upwards (W > 1, P-11). Writes nothing.
        """
        with self._standing_parent(above) as parent:
            return execute_block(
                self.rules, parent, block, carried_certificate_hash=carried_certificate_hash, token=cancel
            )

    def build(
        self,
        *,
        timestamp: int,
        coinbase: Address,
        certificate_hash: Hash32,
        candidates: Iterable[Transaction],
        cpu_budget_s: float,
        tx_cpu_max_s: float | None = None,
        above: Sequence[ExecutedBlock] = (),
        cancel: CancellationToken | None = None,
    ) -> BuiltBlock:
        """Build a block on the head or on the last in ``above`` (P-2, P-6, P-7). Writes nothing.

        ``cpu_budget_s`` closes the block, at most T0/4; ``tx_cpu_max_s`` evicts one transaction, T0/2 where not given.
        """
        if tx_cpu_max_s is None:
            tx_cpu_max_s = self.parameters.timeout_ms / 2 / 1000
        request = BuildRequest(timestamp, coinbase, certificate_hash, cpu_budget_s, tx_cpu_max_s)
        with self._standing_parent(above) as parent:
            return build_block(self.rules, parent, request, candidates, token=cancel)

    def commit(self, executed: ExecutedBlock, *, certificate: bytes, carried_certificate: bytes, wal_lsn: int) -> None:
        """Make an executed child of the head final: one synced batch, then the callbacks.

        ``carried_certificate`` is the encoded certificate of height h - W that the block names, b"" for h <= W
        (P-11). ``wal_lsn`` is the last synced record of the write-ahead log (P-17).
        """
        block = executed.block
        if block.header.parent_hash != self.head_hash:
            raise ImpossibleState(f"block {block.number} is no child of the head {to_hex(self.head_hash)}")
        ancestor = block.number - self.parameters.window
        carried = (ancestor, carried_certificate) if ancestor >= 1 else None
        operations = self.chain.commit_operations(
            block, executed.receipts, certificate, carried, executed.next_validators, wal_lsn
        )
        operations.extend(executed.state_update.operations)
        with self.state.committing(executed.state_update):
            self._kv.write(operations, sync=True)
        self._head = _Head(block.header, executed.next_validators)
        for callback in self.on_commit:
            callback(executed)

    # --- questions ------------------------------------------------------------------------------------

    def state_at(self, header: Header) -> StateReader:
        """The state after a committed block. HistoryMissing below the snapshot that this bank joined by."""
        self._check_state(header)
        return self.state.at(header.state_root)

    def proof_at(self, header: Header, address: Address, slots: list[int]) -> AccountProof:
        """Proof of an account and of storage words after a committed block (EIP-1186). As :meth:`state_at`."""
        self._check_state(header)
        return self.state.proof(header.state_root, address, slots)

    def _check_state(self, header: Header) -> None:
        if self._snapshot is not None and header.number < self._snapshot.height:
            raise self._snapshot.missing(f"the state after block {header.number}")

    def call(self, request: CallRequest, header: Header, *, cancel: CancellationToken | None = None) -> CallResult:
        """eth_call on the post-state of ``header``, seen from inside that block; see node.execution.call."""
        return calls.call(self.rules, self.state_at(header), self._context(header), request, token=cancel)

    def estimate_gas(self, request: CallRequest, header: Header, *, cancel: CancellationToken | None = None) -> int:
        """eth_estimateGas on the post-state of ``header``; CallFailed carries the revert data."""
        return calls.estimate_gas(self.rules, self.state_at(header), self._context(header), request, token=cancel)

    def close(self) -> None:
        """Release the database."""
        self._kv.close()

    def _context(self, header: Header) -> BlockContext:
        return block_context(self.rules, header, lambda: self._hashes_from(header.number - 1))

    @contextmanager
    def _standing_parent(self, above: Sequence[ExecutedBlock]) -> Iterator[ParentState]:
        """The block to build on. Where the head moves off the way to it, the result is neither valid nor invalid."""
        version, head = self.state.version, self._head
        parent = self._parent_state(head, above)
        try:
            yield parent
        except (InvalidBlock, DataError) as error:
            if not self._stands(head, version, above):
                raise ExecutionAbandoned("the head moved during execution") from error
            raise
        if not self._stands(head, version, above):
            raise ExecutionAbandoned("the head moved during execution")

    def _parent_state(self, head: _Head, above: Sequence[ExecutedBlock]) -> ParentState:
        if not above:
            return ParentState(
                head.header, self.state, head.next_validators, lambda: self._hashes_from(head.header.number)
            )
        hashes = [executed.block.header.hash for executed in above]
        parents = [executed.block.header.parent_hash for executed in above]
        if parents != [head.header.hash, *hashes[:-1]]:
            raise ExecutionAbandoned("the blocks in flight do not follow the head")
        return ParentState(
            above[-1].block.header,
            self.state.above([executed.state_update for executed in above]),
            above[-1].next_validators,
            lambda: islice(chain_together(reversed(hashes), self._hashes_from(head.header.number)), ANCESTORS_MAX),
        )

    def _stands(self, head: _Head, version: int, above: Sequence[ExecutedBlock]) -> bool:
        """Whether what was read since ``head`` and ``version`` is one state: the head stood still, or moved along
        ``above``, and no batch was being written at either end (odd version)."""
        now = self._head.header
        path = (head.header, *(executed.block.header for executed in above))
        settled = not above or (version % 2 == 0 and self.state.version % 2 == 0)
        return settled and self.state.root == now.state_root and any(now.hash == header.hash for header in path)

    def _hashes_from(self, number: int) -> Iterator[Hash32]:
        for height in range(number, max(-1, number - ANCESTORS_MAX), -1):
            header = self.chain.header(height)
            if header is None:
                return
            yield header.hash


def _write_genesis(store: KeyValueStore, chain: ChainStore, rules: Rules) -> None:
    """Height 0 in one batch; ConfigError where genesis contradicts its own Consortium contract (P-3)."""
    genesis = rules.genesis
    state = StateStore(store)
    write_set = genesis_write_set(genesis)
    update = state.apply(write_set)
    after = OverlayReader(state.head(), write_set)
    length_and_delay = rules.permissions.consortium_parameters(after)
    stated = (genesis.parameters.epoch_length, genesis.parameters.activation_delay)
    if tuple(length_and_delay) != stated:
        raise ConfigError(
            f"epochLength and activationDelay are {stated}, Consortium holds {tuple(length_and_delay)} (P-3)",
            field="config.pbft.epochLength",
        )
    validators = tuple(rules.permissions.validators_at(after, 1))
    if rules.extra_data(0, validators) != genesis.extra_data:
        raise ConfigError("extraData is not the hash of the validators of height 1 (P-12)", field="extraData")
    header = genesis_header(genesis, update.root)
    operations = [*chain.genesis_operations(header, genesis.digest, validators), *update.operations]
    store.write(operations, sync=True)
