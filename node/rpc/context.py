"""What the methods stand on: the ledger, the pool, and what the node says of itself."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock, get_ident
from typing import Any, Protocol

from node.chain import Block, Header, Receipt
from node.execution.guard import CancellationToken
from node.execution.ledger import Ledger
from node.rpc.errors import not_found
from node.rpc.params import BlockRef
from node.rpc.views import JsonObject, receipt_view
from node.txpool import TransactionPool
from node.types import Hash32, to_hex

BLOCK_CACHE_SIZE = 64
"""Decoded blocks with receipts kept for readers: a client that asks for receipts one by one hits the same blocks."""


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """Where a node that is behind stands."""

    starting: int
    current: int
    highest: int


class NodeStatus(Protocol):
    """What the composition root tells the door about the node."""

    def client_version(self) -> str:
        """Name/version/platform, as web3_clientVersion shows it."""

    def peer_count(self) -> int:
        """Connected peers."""

    def syncing(self) -> SyncProgress | None:
        """Progress while the node is behind, else None."""

    def pbft_status(self) -> Mapping[str, Any]:
        """The replica's own view of agreement, as JSON values."""


@dataclass(frozen=True)
class CommittedBlock:
    """A block with its receipts."""

    block: Block
    receipts: tuple[Receipt, ...]

    @cached_property
    def _log_offsets(self) -> list[int]:
        """Logs of the block before each transaction."""
        return list(itertools.accumulate((len(receipt.logs) for receipt in self.receipts), initial=0))

    def receipt_view(self, index: int) -> JsonObject:
        """The receipt of one transaction, as JSON-RPC shows it."""
        gas_before = self.receipts[index - 1].cumulative_gas_used if index else 0
        return receipt_view(self.block, index, self.receipts[index], gas_before, self._log_offsets[index])


class ColdBlock(Exception):
    """A block must be read and decoded first, which the event loop must not do: call again in a worker thread."""


class RpcContext:
    """Read access for the methods, from the event loop and from worker threads."""

    def __init__(self, ledger: Ledger, pool: TransactionPool, status: NodeStatus) -> None:
        self.ledger = ledger
        self.pool = pool
        self.status = status
        self.cancel = CancellationToken()
        """Ends running calls when the door closes."""
        self.loop_thread: int | None = None
        """The thread of the event loop, once the door is open: no block is decoded there."""
        self._blocks: OrderedDict[int, CommittedBlock] = OrderedDict()
        self._lock = Lock()

    def find_header(self, ref: BlockRef) -> Header | None:
        """The header that is meant; None where there is no such block. ``pending`` means the head: a block that is
        not final is nothing that a client could rely on."""
        if ref.hash is not None:
            return self.ledger.chain.header_by_hash(ref.hash)
        if ref.number is not None:
            return self.ledger.chain.header(ref.number) if ref.number <= self.ledger.head.number else None
        return self.ledger.chain.header(0) if ref.tag == "earliest" else self.ledger.head

    def header(self, ref: BlockRef) -> Header:
        """As :meth:`find_header`; RpcError -32001 where there is none."""
        header = self.find_header(ref)
        if header is None:
            raise not_found(f"block {to_hex(ref.hash) if ref.hash is not None else ref.number}")
        return header

    def committed(self, number: int) -> CommittedBlock:
        """The block at a height up to the head, with its receipts. On the event loop ColdBlock, unless it is kept.
        HistoryMissing below the first block of a bank that joined by snapshot."""
        with self._lock:
            cached = self._blocks.get(number)
            if cached is not None:
                self._blocks.move_to_end(number)
                return cached
        if get_ident() == self.loop_thread:
            raise ColdBlock
        block = self.ledger.chain.block(number)
        receipts = self.ledger.chain.receipts(number)
        if block is None or receipts is None:
            raise self.ledger.chain.absent(number)
        committed = CommittedBlock(block, receipts)
        self.keep(committed)
        return committed

    def keep(self, committed: CommittedBlock) -> None:
        """Keep a block for readers: one that was just committed is what they ask for next."""
        with self._lock:
            self._blocks[committed.block.number] = committed
            while len(self._blocks) > BLOCK_CACHE_SIZE:
                self._blocks.popitem(last=False)

    def find_committed(self, ref: BlockRef) -> CommittedBlock | None:
        """The block that is meant, with its receipts; None where there is no such block."""
        header = self.find_header(ref)
        return None if header is None else self.committed(header.number)

    def locate(self, transaction_hash: Hash32) -> tuple[CommittedBlock, int] | None:
        """The block that holds a transaction, and its index; None where it is in none."""
        place = self.ledger.chain.transaction_location(transaction_hash)
        return None if place is None else (self.committed(place[0]), place[1])
