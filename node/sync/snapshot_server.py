"""Serves a snapshot to a bank that joins: headers, ranges of the state's tries, codes, and the last blocks.

Nothing has to be held for it while the chain moves on: trie nodes are never deleted, so every state root from this
bank's first one on can be read, and a joiner may come back for the same root after days.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from node.chain.store import ChainStore
from node.errors import DataError, LimitExceeded
from node.state.store import StateStore
from node.state.trie_range import LEAF_BYTES, read_range
from node.sync.messages import BlockRecord, decode_body, encode_body
from node.sync.snapshot_messages import (
    CODES,
    CODES_BYTES_MAX,
    HEADERS,
    LEAVES_MAX,
    TAIL,
    TRIES,
    TRIES_BYTES_MAX,
    CodesAnswer,
    CodesRequest,
    HeaderRecord,
    HeadersAnswer,
    HeadersRequest,
    RangeAnswer,
    TailAnswer,
    TailRequest,
    TriesAnswer,
    TriesRequest,
)
from node.types import Address, Hash32

PEER_OPEN_MAX = 4
"""Questions of one peer that wait or are answered; more are answered "busy"."""
READING_MAX = 1
"""Answers that are read at the same time, of all peers: votes and blocks go before the joiner's patience. Threads of
their own, since a read goes on when its asker is gone: coming and going must not start one after another."""


class SnapshotServer:
    """Answers the four questions from the database, off the event loop."""

    def __init__(self, chain: ChainStore, state: StateStore, window: int, epoch_length: int) -> None:
        self._chain = chain
        self._state = state
        self._window = window
        self._epoch_length = epoch_length
        self._open: Counter[Address] = Counter()
        self._threads = ThreadPoolExecutor(READING_MAX, thread_name_prefix="snapshot")
        self.handlers = {
            HEADERS: self._handler(self._headers),
            TRIES: self._handler(self._tries),
            CODES: self._handler(self._codes),
            TAIL: self._handler(self._tail),
        }
        """By kind of request. DataError for a malformed question and for what is not here; LimitExceeded."""

    def _handler(self, read: Callable[[bytes], bytes]) -> Callable[[Address, bytes], Awaitable[bytes]]:
        async def answer(peer: Address, body: bytes) -> bytes:
            if self._open[peer] >= PEER_OPEN_MAX:
                raise LimitExceeded(f"busy: {PEER_OPEN_MAX} questions of yours are open", field="snapshot")
            self._open[peer] += 1
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, read, body)
            finally:
                self._open[peer] -= 1
                if not self._open[peer]:
                    del self._open[peer]

        return answer

    def _headers(self, body: bytes) -> bytes:
        request = decode_body(body, HeadersRequest)
        end = min(request.start + request.count - 1, self._chain.head_number())
        records = [self._header_record(height) for height in range(request.start, end + 1)]
        last = self._chain.certificate(end) if records else None
        while records and last is None:  # a bank that joined by snapshot itself has few certificates of old blocks
            records.pop()
            end -= 1
            last = self._chain.certificate(end)
        if records:
            records[-1] = HeaderRecord(records[-1].header, last or b"", records[-1].validators)
        elif request.start <= self._chain.head_number():
            raise DataError(f"no certificate from height {request.start} on is here", field="start")
        return encode_body(HeadersAnswer(tuple(records)))

    def _header_record(self, height: int) -> HeaderRecord:
        header = self._chain.header_rlp(height)
        if header is None:
            raise self._chain.absent(height, "header")
        if (height + 1) % self._epoch_length:
            return HeaderRecord(header, b"", b"")
        since, following = self._chain.validators_change(height + 1)
        return HeaderRecord(
            header, self._chain.certificate(height) or b"", b"".join(following) if since == height + 1 else b""
        )

    def _tries(self, body: bytes) -> bytes:
        answers: list[RangeAnswer] = []
        leaves, size = LEAVES_MAX, TRIES_BYTES_MAX
        for wanted in decode_body(body, TriesRequest).ranges:
            if answers and (leaves <= 0 or size <= 0):
                break
            found = read_range(
                self._state.read_node, Hash32(wanted.root), wanted.origin, leaves_max=leaves, bytes_max=size
            )
            answers.append(RangeAnswer(found.leaves, found.complete, found.proof))
            if not found.complete:
                break
            leaves -= len(found.leaves)
            size -= sum(LEAF_BYTES + len(value) for _, value in found.leaves)
        return encode_body(TriesAnswer(tuple(answers)))

    def _codes(self, body: bytes) -> bytes:
        codes: list[bytes] = []
        size = 0
        for code_hash in decode_body(body, CodesRequest).hashes:
            code = self._state.code(Hash32(code_hash))
            size += len(code)
            if codes and size > CODES_BYTES_MAX:
                break
            codes.append(code)
        return encode_body(CodesAnswer(tuple(codes)))

    def _tail(self, body: bytes) -> bytes:
        height = decode_body(body, TailRequest).height
        block, certificate = self._chain.block_rlp(height), self._chain.certificate(height)
        receipts = self._chain.receipts(height)
        if block is None or certificate is None or receipts is None:
            raise DataError(f"block {height} with its receipts is not here", field="height")
        carried = self._chain.certificate(height - self._window) or b"" if height > self._window else b""
        return encode_body(
            TailAnswer(BlockRecord(block, certificate, carried), tuple(receipt.encode() for receipt in receipts))
        )
