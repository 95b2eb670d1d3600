"""Logs: which ones a filter takes, and reading them from the chain within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.chain import Header, Log
from node.chain.receipt import bloom_bits
from node.rpc.context import CommittedBlock, RpcContext
from node.rpc.errors import invalid_params, limit_exceeded, not_found
from node.rpc.params import BlockRef, LogFilter
from node.rpc.views import JsonObject, log_view
from node.types import to_hex

LOG_RANGE_BLOCKS_MAX = 10_000
"""Blocks that one request may search."""
LOG_RESULTS_MAX = 10_000
"""Logs that one answer may hold."""


@dataclass(frozen=True, slots=True)
class LogMatcher:
    """The addresses and topics of a filter, with the blooms that its alternatives need."""

    criteria: LogFilter
    bloom_groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, criteria: LogFilter) -> LogMatcher:
        """Prepare the filter's blooms: one of each group must be in a block's bloom for the block to matter."""
        groups = [criteria.addresses, *criteria.topics]
        return cls(criteria, tuple(tuple(bloom_bits(value) for value in group) for group in groups if group))

    def may_be_in(self, header: Header) -> bool:
        """Whether the header's bloom leaves it possible that a log of the block matches."""
        bloom = int.from_bytes(header.logs_bloom, "big")
        if not bloom:
            return False
        return all(any(bloom & bits == bits for bits in group) for group in self.bloom_groups)

    def takes(self, log: Log) -> bool:
        """Whether the filter takes this log."""
        wanted = self.criteria
        if wanted.addresses and log.address not in wanted.addresses:
            return False
        if len(wanted.topics) > len(log.topics):
            return False
        return all(not options or topic in options for options, topic in zip(wanted.topics, log.topics, strict=False))

    def logs_of(self, committed: CommittedBlock) -> Iterator[JsonObject]:
        """The matching logs of a block, as JSON-RPC shows them, in order."""
        log_index = 0
        for index, receipt in enumerate(committed.receipts):
            for log in receipt.logs:
                if self.takes(log):
                    tx_hash = committed.block.transactions[index].hash
                    yield log_view(log, committed.block.header, tx_hash, index, log_index)
                log_index += 1


def find_logs(context: RpcContext, criteria: LogFilter) -> list[JsonObject]:
    """What a filter takes, in order of the chain. Refuses a range or an answer above its limit."""
    if criteria.block_hash is not None:
        header = context.ledger.chain.header_by_hash(criteria.block_hash)
        if header is None:
            raise not_found(f"block {to_hex(criteria.block_hash)}")
        return search(context, criteria, header.number, header.number)
    first, last = _height(context, criteria.first), _height(context, criteria.last)
    if first > last:
        raise invalid_params(f"fromBlock {first} is above toBlock {last}")
    return search(context, criteria, first, min(last, context.ledger.head.number))


def search(context: RpcContext, criteria: LogFilter, first: int, last: int) -> list[JsonObject]:
    """The matching logs of the heights ``first`` to ``last``, both included."""
    if last - first >= LOG_RANGE_BLOCKS_MAX:
        raise limit_exceeded(
            f"the range has {last - first + 1} blocks, the limit is {LOG_RANGE_BLOCKS_MAX}", LOG_RANGE_BLOCKS_MAX
        )
    matcher = LogMatcher.of(criteria)
    found: list[JsonObject] = []
    for number in range(first, last + 1):
        header = context.ledger.chain.header(number)
        if header is None or not matcher.may_be_in(header):
            continue
        found.extend(matcher.logs_of(context.committed(number)))
        if len(found) > LOG_RESULTS_MAX:
            raise limit_exceeded(
                f"more than {LOG_RESULTS_MAX} logs match up to block {number}: ask for fewer blocks", LOG_RESULTS_MAX
            )
    return found


def _height(context: RpcContext, ref: BlockRef) -> int:
    """A bound of a range; one above the head is taken as it is: there is nothing there yet."""
    return ref.number if ref.number is not None else context.header(ref).number
