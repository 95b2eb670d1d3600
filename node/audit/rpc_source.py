"""A bank's JSON-RPC as a chain source: genesis document and sealed blocks, in bounded ranges over one connection."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Any

from node.audit.source import SealedBlock, SourceFault
from node.client.json_rpc import JsonRpcClient, RpcFailure
from node.errors import DataError, UnavailableError
from node.types import Address

RANGE_BLOCKS = 128
"""Blocks asked for at once; the node may give fewer. One range is replayed while the next one is fetched."""
TIMEOUT_S = 60.0
ATTEMPTS = 5
"""Tries of one request before a source counts as unreachable."""
PAUSE_S = 0.25
"""Before the second try; doubled for each further one."""
VALIDATORS_MAX = 256
_HEX_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z")
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,15})\Z")


class RpcSource:
    """Reads up to the head that the node had at the first question, so that a growing chain has an end.

    Its own thread runs the one event loop, so that fetching goes on while the caller replays. UnavailableError where
    the node does not answer after all attempts, or refuses to; SourceFault where what it says has another form.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, attempts: int = ATTEMPTS) -> None:
        self.name = url
        self._attempts = attempts
        self._client = JsonRpcClient(url, timeout_s=timeout_s)
        self._height: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="audit-fetch", daemon=True)
        self._thread.start()

    def genesis(self) -> dict[str, Any]:
        """The genesis document that the node serves."""
        document = self._wait(self._call("praya_getGenesis"))
        if not isinstance(document, dict):
            raise SourceFault("source", "praya_getGenesis gave no object", field="genesis")
        return document

    def height(self) -> int:
        """The node's head, asked once."""
        if self._height is None:
            answer = self._wait(self._call("eth_blockNumber"))
            if not isinstance(answer, str) or not _QUANTITY.match(answer):
                raise SourceFault("source", "eth_blockNumber gave no quantity", field="height")
            self._height = int(answer, 16)
        return self._height

    def blocks(self, last: int | None = None) -> Iterator[SealedBlock]:
        """Blocks from height 1 to the head, at most to ``last``."""
        end = self.height() if last is None else min(last, self.height())
        following = 1
        pending = self._ask(following, end)
        try:
            while pending is not None:
                rows = self._rows(pending.result(), following, end)
                following += len(rows)
                pending = self._ask(following, end)
                for height, row in enumerate(rows, start=following - len(rows)):
                    yield _sealed_block(row, height)
        finally:
            if pending is not None:
                pending.cancel()

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _ask(self, first: int, end: int) -> Future[Any] | None:
        if first > end:
            return None
        count = min(RANGE_BLOCKS, end - first + 1)
        request = self._call("pbft_getSealedBlocks", hex(first), hex(count))
        return asyncio.run_coroutine_threadsafe(request, self._loop)

    def _rows(self, rows: Any, first: int, end: int) -> list[Any]:
        count = min(RANGE_BLOCKS, end - first + 1)
        if not isinstance(rows, list) or len(rows) > count:
            raise SourceFault("source", f"pbft_getSealedBlocks gave no list of at most {count} blocks", field="blocks")
        if not rows:
            message = f"the source named height {self._height} and serves no block {first}"
            raise SourceFault("source", message, field="height", expected=self._height, found=first - 1)
        return rows

    def _wait(self, request: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(request, self._loop).result()

    async def _call(self, method: str, *params: Any) -> Any:
        """One call, tried again while the failure may pass."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._client.call(method, *params)
            except RpcFailure as failure:
                raise UnavailableError(f"{self.name} refuses {failure.message}", field="source") from failure
            except UnavailableError:
                if attempt == self._attempts:
                    raise
            except DataError as error:  # a proxy's page while the node restarts, or a source that talks nonsense
                if attempt == self._attempts:
                    raise SourceFault("source", error.message) from error
            await asyncio.sleep(PAUSE_S * 2 ** (attempt - 1))
        raise UnavailableError(f"{self.name} was asked no time", field="attempts")


def _sealed_block(row: Any, height: int) -> SealedBlock:
    if not isinstance(row, dict):
        raise SourceFault("source", f"block {height} was served as no object", field="blocks")
    listed = row.get("validators")
    if listed is not None and (not isinstance(listed, list) or not 0 < len(listed) <= VALIDATORS_MAX):
        raise SourceFault("source", f"block {height}: validators is no list of addresses", field="validators")
    return SealedBlock(
        block=_bytes(row, "block", height),
        certificate=_bytes(row, "certificate", height),
        validators=None if listed is None else tuple(_address(item, height) for item in listed),
    )


def _bytes(row: dict[str, Any], name: str, height: int) -> bytes:
    value = row.get(name)
    if not isinstance(value, str) or not _HEX_DATA.match(value):
        raise SourceFault("source", f"block {height}: {name} is no 0x-prefixed hex", field=name)
    return bytes.fromhex(value[2:])


def _address(value: Any, height: int) -> Address:
    if not isinstance(value, str) or not _HEX_DATA.match(value) or len(value) != 42:
        raise SourceFault("source", f"block {height}: a validator is no address", field="validators")
    return Address(bytes.fromhex(value[2:]))
