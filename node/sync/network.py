"""What sync needs of the peer network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from node.p2p import PeerInfo
from node.types import Address, Hash32


class SyncNetwork(Protocol):
    """Authenticated peers: who is connected, asking them, and hearing of their heads."""

    def connected(self) -> dict[Address, PeerInfo]: ...

    async def request(self, to: Address, kind: str, body: bytes, timeout_s: float = ...) -> bytes: ...

    def on_request(self, kind: str, handler: Callable[[Address, bytes], Awaitable[bytes]]) -> None: ...

    def on_head(self, handler: Callable[[Address, int, Hash32], None]) -> None: ...

    def on_connect(self, handler: Callable[[PeerInfo], None]) -> None: ...

    def announce_head(self, number: int, block_hash: Hash32) -> int: ...

    def report_bad(self, address: Address, reason: str) -> None: ...
