"""An asynchronous JSON-RPC client. Nothing that a server answers is trusted to have the right shape."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from node.client.json_text import parse_json
from node.errors import DataError, PrayaError, UnavailableError

TIMEOUT_S = 30.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024
"""Longest answer that is read."""


class RpcFailure(PrayaError):
    """The server answered with an error: ``code``, ``message`` and ``data`` as it gave them."""

    def __init__(self, method: str, code: int, message: str, data: Any) -> None:
        super().__init__(f"{method}: {message}", field=method, code=code)
        self.code = code
        self.data = data


class JsonRpcClient:
    """Calls to one server over HTTP. Use as an asynchronous context manager, or call :meth:`close`."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)

    async def call(self, method: str, *params: Any) -> Any:
        """The result of one call.

        Raises RpcFailure for an error answer, UnavailableError where the server cannot be reached or is too slow,
        DataError for an answer that is no JSON-RPC.
        """
        identity = next(self._ids)
        answer = await self._post(_request(identity, method, params))
        return _result(answer, identity, method)

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of several calls in one request, in order; the first failure is raised, as :meth:`call` does."""
        return [_raise_failure(row) for row in await self.batch_settled(calls)]

    async def batch_settled(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """As :meth:`batch`, with an RpcFailure in the place of each call that failed."""
        if not calls:
            return []
        identities = [next(self._ids) for _ in calls]
        requests = [
            _request(identity, method, params) for identity, (method, params) in zip(identities, calls, strict=True)
        ]
        answer = await self._post(requests)
        if not isinstance(answer, list):
            return [_settle(answer, None, calls[0][0])] * len(calls)
        by_id = {row.get("id"): row for row in answer if isinstance(row, dict) and isinstance(row.get("id"), int)}
        return [
            _settle(by_id.get(identity), identity, method)
            for identity, (method, _) in zip(identities, calls, strict=True)
        ]

    async def _post(self, message: Any) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        try:
            async with self._session.post(
                self.url, data=json.dumps(message), headers={"Content-Type": "application/json"}
            ) as response:
                body = await _read_bounded(response)
                status = response.status
        except TimeoutError as error:
            raise UnavailableError(f"{self.url} did not answer within {self._timeout_s:.0f} s", field="url") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnavailableError(f"cannot reach {self.url}: {error}", field="url") from error
        try:
            return parse_json(body)
        except ValueError as error:
            raise DataError(f"{self.url} answered HTTP {status} with no JSON: {error}", field="url") from error

    async def close(self) -> None:
        """Release the connections; the client may be used again."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def call_once(url: str, method: str, *params: Any, timeout_s: float = TIMEOUT_S) -> Any:
    """One call from synchronous code; errors as :meth:`JsonRpcClient.call`."""

    async def run() -> Any:
        async with JsonRpcClient(url, timeout_s=timeout_s) as client:
            return await client.call(method, *params)

    return asyncio.run(run())


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(1 << 16):
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise DataError(f"an answer is longer than {ANSWER_BYTES_MAX} bytes", field="url")
    return b"".join(chunks)


def _request(identity: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}


def _settle(answer: Any, identity: int | None, method: str) -> Any:
    try:
        return _result(answer, identity, method)
    except RpcFailure as failure:
        return failure


def _raise_failure(row: Any) -> Any:
    if isinstance(row, RpcFailure):
        raise row
    return row


def _result(answer: Any, identity: int | None, method: str) -> Any:
    if not isinstance(answer, dict):
        raise DataError(f"{method}: the answer is no JSON-RPC response", field=method)
    error = answer.get("error")
    if isinstance(error, dict):
        code, message = error.get("code"), error.get("message")
        if not isinstance(code, int) or not isinstance(message, str):
            raise DataError(f"{method}: the answer's error has no code and message", field=method)
        raise RpcFailure(method, code, message, error.get("data"))
    if "result" not in answer or (identity is not None and answer.get("id") != identity):
        raise DataError(f"{method}: the answer has no result, or another request's id", field=method)
    return answer["result"]
