"""A client of a bank's REST door, for synchronous code."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import aiohttp

from node.errors import DataError, LimitExceeded, PermissionDenied, PrayaError, UnavailableError

TIMEOUT_S = 120.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024

_KINDS: dict[int, type[PrayaError]] = {
    401: PermissionDenied,
    403: PermissionDenied,
    413: LimitExceeded,
    422: DataError,
    429: UnavailableError,
    503: UnavailableError,
}


class RestClient:
    """Calls of one session. ``url`` ends in /api/v1."""

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._timeout_s = timeout_s

    def get(self, path: str, **query: str) -> Any:
        """The answer's JSON. Raises the PrayaError that the problem document names."""
        return self._json("GET", path, None, query)

    def post(self, path: str, body: Any) -> Any:
        """POST JSON."""
        return self._json("POST", path, json.dumps(body).encode(), {})

    def put(self, path: str, body: Any) -> Any:
        """PUT JSON."""
        return self._json("PUT", path, json.dumps(body).encode(), {})

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self._json("DELETE", path, None, {})

    def post_bytes(self, path: str, body: bytes) -> Any:
        """POST a file."""
        return self._json("POST", path, body, {}, content_type="application/octet-stream")

    def download(self, path: str) -> tuple[bytes, str]:
        """A document's bytes and the name that its sender gave it."""
        status, headers, body = asyncio.run(self._send("GET", path, None, {}, "application/json"))
        if status >= 400:
            raise _problem(status, body)
        disposition = headers.get("Content-Disposition", "")
        full = disposition.partition("filename*=UTF-8''")[2]
        return body, unquote(full) if full else disposition.partition('filename="')[2].partition('"')[0]

    def _json(
        self, method: str, path: str, body: bytes | None, query: dict[str, str], content_type: str = "application/json"
    ) -> Any:
        status, _, answer = asyncio.run(self._send(method, path, body, query, content_type))
        if status >= 400:
            raise _problem(status, answer)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise DataError(f"{self.url}{path} answered with no JSON", field="url") from error

    async def _send(
        self, method: str, path: str, body: bytes | None, query: dict[str, str], content_type: str
    ) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": content_type}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, self.url + path, data=body, params=query, headers=headers) as response,
            ):
                content = await response.content.read(ANSWER_BYTES_MAX)
                while not response.content.at_eof() and len(content) < ANSWER_BYTES_MAX:
                    content += await response.content.read(ANSWER_BYTES_MAX - len(content))
                return response.status, dict(response.headers), content
        except TimeoutError as error:
            raise UnavailableError(f"{self.url} did not answer in {self._timeout_s:.0f} s", field="url") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnavailableError(f"cannot reach {self.url}: {error}", field="url") from error


def _problem(status: int, body: bytes) -> PrayaError:
    try:
        document = json.loads(body)
        message, field = str(document.get("detail") or document["title"]), document.get("field")
        details = {"code": document["code"]} if "code" in document else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return UnavailableError(f"the bank answered HTTP {status}", field="url")
    return _KINDS.get(status, PrayaError)(message, field=field, status=status, **details)
