"""Installed filters (eth_newFilter and its kin): polled, bounded in number, and forgotten when nobody polls."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from node.rpc.context import RpcContext
from node.rpc.errors import limit_exceeded, not_found
from node.rpc.logs import LOG_RANGE_BLOCKS_MAX, find_logs, search
from node.rpc.method import Method, Runs
from node.rpc.params import LogFilter, Param, index, log_filter
from node.types import to_hex

FILTERS_MAX = 1_000
FILTER_LIFETIME_S = 300.0
"""Since the last poll."""


@dataclass(slots=True)
class _Filter:
    criteria: LogFilter | None
    """None for a filter of block hashes."""
    seen: int
    """The last height whose content has been answered."""
    touched_s: float


class FilterTable:
    """The filters that clients have installed. Safe to call from any thread."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._filters: dict[int, _Filter] = {}
        self._now_s = now_s
        self._lock = Lock()

    def install(self, criteria: LogFilter | None, seen: int) -> int:
        """A new filter's id; -32005 where there are too many."""
        with self._lock:
            now = self._now_s()
            for key in [key for key, row in self._filters.items() if now - row.touched_s > FILTER_LIFETIME_S]:
                del self._filters[key]
            if len(self._filters) >= FILTERS_MAX:
                raise limit_exceeded(f"{FILTERS_MAX} filters are installed already", FILTERS_MAX)
            key = secrets.randbits(64)
            self._filters[key] = _Filter(criteria, seen, now)
            return key

    def remove(self, key: int) -> bool:
        """Whether there was such a filter."""
        with self._lock:
            return self._filters.pop(key, None) is not None

    def advance(self, key: int, head: int) -> tuple[LogFilter | None, int, int]:
        """A filter's criteria with the first and last height to answer now; those then count as seen."""
        with self._lock:
            row = self._row(key)
            first = row.seen + 1
            last = min(head, row.seen + LOG_RANGE_BLOCKS_MAX)
            row.seen = max(row.seen, last)
            return row.criteria, first, last

    def criteria(self, key: int) -> LogFilter | None:
        """A filter's criteria."""
        with self._lock:
            return self._row(key).criteria

    def _row(self, key: int) -> _Filter:
        row = self._filters.get(key)
        now = self._now_s()
        if row is None or now - row.touched_s > FILTER_LIFETIME_S:
            raise not_found("filter")
        row.touched_s = now
        return row


def get_logs(context: RpcContext, criteria: LogFilter) -> list[Any]:
    return find_logs(context, criteria)


def new_filter(context: RpcContext, filters: FilterTable, criteria: LogFilter) -> str:
    return hex(filters.install(criteria, context.ledger.head.number))


def new_block_filter(context: RpcContext, filters: FilterTable) -> str:
    return hex(filters.install(None, context.ledger.head.number))


def uninstall_filter(_context: RpcContext, filters: FilterTable, key: int) -> bool:
    return filters.remove(key)


def filter_changes(context: RpcContext, filters: FilterTable, key: int) -> list[Any]:
    criteria, first, last = filters.advance(key, context.ledger.head.number)
    if criteria is not None:
        # A filter's own range bounds what it answers, as for eth_getLogs.
        lowest, highest = criteria.first.number, criteria.last.number
        first = first if lowest is None else max(first, lowest)
        last = last if highest is None else min(last, highest)
        return search(context, criteria, first, last) if first <= last else []
    headers = (context.ledger.chain.header(number) for number in range(first, last + 1))
    return [to_hex(header.hash) for header in headers if header is not None]


def filter_logs(context: RpcContext, filters: FilterTable, key: int) -> list[Any]:
    criteria = filters.criteria(key)
    return [] if criteria is None else find_logs(context, criteria)


_ID = Param("filterId", index)
_FILTER = Param("filter", log_filter)

METHODS = (
    Method(
        "eth_getLogs",
        get_logs,
        f"Logs that a filter takes; at most {LOG_RANGE_BLOCKS_MAX} blocks and as many logs",
        (_FILTER,),
        Runs.THREAD,
    ),
    Method("eth_newFilter", new_filter, "Install a filter of logs", (_FILTER,), Runs.FILTERS),
    Method("eth_newBlockFilter", new_block_filter, "Install a filter of block hashes", (), Runs.FILTERS),
    Method("eth_getFilterChanges", filter_changes, "What is new since the last poll", (_ID,), Runs.FILTERS),
    Method("eth_getFilterLogs", filter_logs, "All logs of an installed filter", (_ID,), Runs.FILTERS),
    Method("eth_uninstallFilter", uninstall_filter, "Forget a filter", (_ID,), Runs.FILTERS),
)
