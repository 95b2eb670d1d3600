"""JSON-RPC 2.0: from the bytes of a request to the bytes of its answer, whatever the bytes are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from node.client.json_text import parse_json
from node.errors import PrayaError
from node.execution.guard import ExecutionAbandoned
from node.log import get_logger
from node.rpc.context import ColdBlock, RpcContext
from node.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    METHOD_NOT_SUPPORTED,
    PARSE_ERROR,
    RESOURCE_UNAVAILABLE,
    RpcError,
    limit_exceeded,
    rpc_error_of,
)
from node.rpc.filters import FilterTable
from node.rpc.method import Method, Runs
from node.rpc.methods import METHODS
from node.rpc.params import read_params
from node.rpc.subscriptions import Connection

_log = get_logger("rpc")

BATCH_ITEMS_MAX = 1_000
BATCH_RESPONSE_BYTES_MAX = 32 * 1024 * 1024
"""Bytes of one batch's answer; the calls beyond are answered with -32005."""
WORKER_THREADS = 4
WAITING_CALLS_MAX = 256
"""Calls that run or wait for a worker thread; more are refused with -32005."""
LOOP_SHARE_S = 0.005
"""How long a batch may hold the event loop before others get their turn."""
METHOD_SHOWN_MAX = 80

_encoder = msgspec.json.Encoder()

Observer = Callable[[str, int], None]
"""Called with method name and error code (0: success) after each call."""


def encode(value: Any) -> bytes:
    """JSON bytes of an answer."""
    return _encoder.encode(value)


class Dispatcher:
    """Answers requests. One for all connections of a door."""

    def __init__(self, context: RpcContext, observe: Observer = lambda _method, _code: None) -> None:
        self._context = context
        self._filters = FilterTable()
        self._observe = observe
        self._threads = ThreadPoolExecutor(WORKER_THREADS, thread_name_prefix="rpc")
        self._waiting = 0

    async def answer(self, body: bytes, connection: Connection | None = None) -> bytes | None:
        """The answer to one message; None where it holds notifications alone."""
        try:
            message = parse_json(body)
        except (ValueError, RecursionError) as error:
            self._observe("unknown", PARSE_ERROR)
            return encode(_error_response(None, RpcError(PARSE_ERROR, f"parse error: {ascii(str(error))[1:-1]}")))
        if not isinstance(message, list):
            response = await self._answer_one(message, connection)
            return None if response is None else encode(response)
        if not message:
            return encode(_error_response(None, RpcError(INVALID_REQUEST, "invalid request: the batch is empty")))
        if len(message) > BATCH_ITEMS_MAX:
            over = limit_exceeded(
                f"the batch has {len(message)} items, the limit is {BATCH_ITEMS_MAX}", BATCH_ITEMS_MAX
            )
            return encode(_error_response(None, over))
        return await self._answer_batch(message, connection)

    async def _answer_batch(self, items: list[Any], connection: Connection | None) -> bytes | None:
        """One after the other, so that a client's transactions keep their order."""
        parts: list[bytes] = []
        size = 0
        started = time.monotonic()
        for item in items:
            if size > BATCH_RESPONSE_BYTES_MAX:
                over = limit_exceeded(
                    f"the batch's answer is above {BATCH_RESPONSE_BYTES_MAX} bytes", BATCH_RESPONSE_BYTES_MAX
                )
                response = _error_response(item.get("id") if isinstance(item, dict) else None, over)
                parts.append(encode(response))
                continue
            response_or_none = await self._answer_one(item, connection)
            if response_or_none is not None:
                parts.append(encode(response_or_none))
                size += len(parts[-1])
            if time.monotonic() - started > LOOP_SHARE_S:
                await asyncio.sleep(0)
                started = time.monotonic()
        return b"[" + b",".join(parts) + b"]" if parts else None

    async def _answer_one(self, request: Any, connection: Connection | None) -> dict[str, Any] | None:
        invalid = _invalid_request(request)
        if invalid is not None:
            self._observe("unknown", INVALID_REQUEST)
            identity = request.get("id") if isinstance(request, dict) else None
            return _error_response(identity if _is_id(identity) else None, invalid)
        name = request["method"]
        method = METHODS.get(name)
        try:
            if method is None:
                raise RpcError(METHOD_NOT_FOUND, f"the method {name[:METHOD_SHOWN_MAX]!a} does not exist")
            result = await self._call(method, request.get("params"), connection)
            response = {"jsonrpc": "2.0", "id": request.get("id"), "result": result}
            code = 0
        except PrayaError as error:
            answer = rpc_error_of(error)
            response, code = _error_response(request.get("id"), answer), answer.code
        except ExecutionAbandoned:
            response = _error_response(request.get("id"), RpcError(RESOURCE_UNAVAILABLE, "the node is stopping"))
            code = RESOURCE_UNAVAILABLE
        except Exception:  # noqa: BLE001 -- the door answers and keeps running whatever a method does
            _log.exception("method failed", method=name)
            response = _error_response(request.get("id"), RpcError(INTERNAL_ERROR, "internal error; see the log"))
            code = INTERNAL_ERROR
        self._observe(name if method is not None else "unknown", code)
        return response if "id" in request else None

    async def _call(self, method: Method, params: Any, connection: Connection | None) -> Any:
        arguments = read_params(method.params, params)
        if method.runs is Runs.LOOP:
            try:
                return method.handler(self._context, *arguments)
            except ColdBlock:
                pass  # in a worker thread, below
        if method.runs is Runs.CONNECTION:
            if connection is None:
                raise RpcError(METHOD_NOT_SUPPORTED, f"{method.name} needs a WebSocket connection")
            return method.handler(connection, *arguments)
        if self._waiting >= WAITING_CALLS_MAX:
            raise RpcError(LIMIT_EXCEEDED, f"{WAITING_CALLS_MAX} calls run or wait already; try again later")
        if method.runs is Runs.FILTERS:
            arguments.insert(0, self._filters)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, lambda: method.handler(self._context, *arguments))
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End running calls and wait for the worker threads."""
        self._context.cancel.cancel()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)


def _invalid_request(request: Any) -> RpcError | None:
    if not isinstance(request, dict):
        return RpcError(INVALID_REQUEST, "invalid request: an object is due")
    if request.get("jsonrpc") != "2.0":
        return RpcError(INVALID_REQUEST, 'invalid request: jsonrpc must be "2.0"')
    if not isinstance(request.get("method"), str):
        return RpcError(INVALID_REQUEST, "invalid request: method must be a string")
    if not _is_id(request.get("id")):
        return RpcError(INVALID_REQUEST, "invalid request: id must be a string, a number or null")
    return None


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        # A lone surrogate is valid in JSON's escapes, but no UTF-8 text could echo it.
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _error_response(identity: Any, error: RpcError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity if _is_id(identity) else None, "error": error.body()}
