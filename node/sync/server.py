"""Serves blocks to peers that are behind: from the chain, and proposals that are not final yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from consensus.types import Proposal
from node.chain.store import ChainStore
from node.errors import DataError
from node.sync.messages import (
    RANGE_BYTES_MAX,
    BlockRecord,
    BlocksAnswer,
    BlocksRequest,
    ProposalAnswer,
    ProposalRequest,
    decode_body,
    encode_body,
)
from node.types import Address, Hash32

FindProposal: TypeAlias = Callable[[int, bytes], Proposal | None]
"""(height, block hash) -> a proposal that the replica holds, or None. Called on the event loop."""


class BlockServer:
    """Answers the two questions. Reads run in threads: LevelDB is safe for many readers."""

    def __init__(self, chain: ChainStore, window: int, find_proposal: FindProposal | None) -> None:
        self._chain = chain
        self._window = window
        self._find_proposal = find_proposal

    async def blocks(self, _peer: Address, body: bytes) -> bytes:
        """A range of final blocks, bounded in count and bytes. DataError for a malformed question."""
        request = decode_body(body, BlocksRequest)
        return await asyncio.to_thread(self._read_range, request)

    async def proposal(self, _peer: Address, body: bytes) -> bytes:
        """One block by its hash. DataError where this node does not have it."""
        request = decode_body(body, ProposalRequest)
        found = await self.local_proposal(request.height, Hash32(request.block_hash))
        if found is None:
            raise DataError("no block of this hash is known here", field="block_hash")
        return encode_body(ProposalAnswer(found.block, found.certificate))

    async def local_proposal(self, height: int, block_hash: Hash32) -> Proposal | None:
        """The block from the replica or from the chain; None where this node does not have it."""
        if self._find_proposal is not None:
            found = self._find_proposal(height, block_hash)
            if found is not None:
                return found
        return await asyncio.to_thread(self._final_proposal, height, block_hash)

    def _final_proposal(self, height: int, block_hash: Hash32) -> Proposal | None:
        header = self._chain.header(height)
        block = self._chain.block_rlp(height) if header is not None and header.hash == block_hash else None
        return None if block is None else Proposal(block, self._carried(height))

    def _read_range(self, request: BlocksRequest) -> bytes:
        if request.start < self._chain.first_block():
            raise self._chain.absent(request.start)  # this bank joined above it: others are to be asked
        records: list[BlockRecord] = []
        size = 0
        for height in range(request.start, request.start + request.count):
            record = self._record(height)
            if record is None:
                break
            size += len(record.block) + len(record.certificate) + len(record.carried)
            if records and size > RANGE_BYTES_MAX:
                break
            records.append(record)
        return encode_body(BlocksAnswer(tuple(records)))

    def _record(self, height: int) -> BlockRecord | None:
        # The block first: where it is there, its batch has made the certificate at height - W the canonical one.
        block = self._chain.block_rlp(height)
        certificate = self._chain.certificate(height)
        if block is None or certificate is None:
            return None
        return BlockRecord(block, certificate, self._carried(height))

    def _carried(self, height: int) -> bytes:
        return self._chain.certificate(height - self._window) or b"" if height > self._window else b""
