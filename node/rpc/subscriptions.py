"""eth_subscribe over WebSocket: new heads, logs and waiting transactions, pushed in the order of the chain.

Each connection has one bounded queue for answers and notifications alike. A client that does not read is closed
rather than served with gaps.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.chain import Transaction
from node.rpc.context import CommittedBlock
from node.rpc.errors import invalid_params, limit_exceeded
from node.rpc.logs import LogMatcher
from node.rpc.method import Method, Runs
from node.rpc.params import Misfit, Param, anything, log_filter, subscription_kind
from node.rpc.views import header_view, transaction_view
from node.types import to_hex

SUBSCRIPTIONS_PER_CONNECTION_MAX = 128
OUTGOING_MESSAGES_MAX = 4_096
"""Answers and notifications that wait for one client to read."""


@dataclass(frozen=True, slots=True)
class _Subscription:
    kind: str
    matcher: LogMatcher | None = None
    full: bool = False


class Connection:
    """One WebSocket client: what it has subscribed to and what waits to be sent to it.

    ``encode`` turns a JSON object into text; ``on_overflow`` closes the connection.
    """

    def __init__(self, encode: Callable[[Any], str], on_overflow: Callable[[], None]) -> None:
        self._encode = encode
        self._on_overflow = on_overflow
        self._subscriptions: dict[str, _Subscription] = {}
        self._is_lost = False
        self.outgoing: asyncio.Queue[str] = asyncio.Queue(OUTGOING_MESSAGES_MAX)

    def send(self, text: str) -> None:
        """Queue a message; where the client does not keep up, it is closed."""
        if self._is_lost:
            return
        try:
            self.outgoing.put_nowait(text)
        except asyncio.QueueFull:
            self._is_lost = True
            self._subscriptions.clear()
            self._on_overflow()

    def subscribe(self, subscription: _Subscription) -> str:
        """The new subscription's id."""
        if len(self._subscriptions) >= SUBSCRIPTIONS_PER_CONNECTION_MAX:
            raise limit_exceeded(
                f"the connection has {SUBSCRIPTIONS_PER_CONNECTION_MAX} subscriptions already",
                SUBSCRIPTIONS_PER_CONNECTION_MAX,
            )
        key = "0x" + secrets.token_hex(16)
        self._subscriptions[key] = subscription
        return key

    def unsubscribe(self, key: str) -> bool:
        """Whether there was such a subscription."""
        return self._subscriptions.pop(key, None) is not None

    @property
    def subscription_count(self) -> int:
        """How many subscriptions the client has."""
        return len(self._subscriptions)

    def publish_block(self, committed: CommittedBlock) -> None:
        """Tell of a block that became final."""
        for key, subscription in list(self._subscriptions.items()):
            if subscription.kind == "newHeads":
                self._notify(key, header_view(committed.block.header))
            elif subscription.matcher is not None and subscription.matcher.may_be_in(committed.block.header):
                for log in subscription.matcher.logs_of(committed):
                    self._notify(key, log)

    def publish_transaction(self, transaction: Transaction) -> None:
        """Tell of a transaction that entered the pool."""
        for key, subscription in list(self._subscriptions.items()):
            if subscription.kind == "newPendingTransactions":
                full = subscription.full
                self._notify(key, transaction_view(transaction, None, None) if full else to_hex(transaction.hash))

    def _notify(self, key: str, result: Any) -> None:
        params = {"subscription": key, "result": result}
        self.send(self._encode({"jsonrpc": "2.0", "method": "eth_subscription", "params": params}))


def subscribe(connection: Connection, kind: str, option: Any) -> str:
    if kind == "logs":
        try:
            criteria = log_filter({} if option is None else option)
        except Misfit as error:
            raise invalid_params(f"parameter 2 (options): {error}") from error
        return connection.subscribe(_Subscription(kind, LogMatcher.of(criteria)))
    if kind == "newPendingTransactions":
        if option not in (None, True, False):
            raise invalid_params("parameter 2 (options): true or false is due for newPendingTransactions")
        return connection.subscribe(_Subscription(kind, full=option is True))
    if option not in (None, {}):
        raise invalid_params("parameter 2 (options): newHeads takes none")
    return connection.subscribe(_Subscription(kind))


def unsubscribe(connection: Connection, key: Any) -> bool:
    if not isinstance(key, str):
        raise invalid_params("parameter 1 (subscription): the id that eth_subscribe answered is due")
    return connection.unsubscribe(key)


METHODS = (
    Method(
        "eth_subscribe",
        subscribe,
        "Push new heads, logs or waiting transactions (WebSocket only)",
        (Param("kind", subscription_kind), Param("options", anything, None)),
        Runs.CONNECTION,
    ),
    Method(
        "eth_unsubscribe",
        unsubscribe,
        "End a subscription (WebSocket only)",
        (Param("subscription", anything),),
        Runs.CONNECTION,
    ),
)
