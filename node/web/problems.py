"""Error bodies of HTTP: problem details (RFC 9457), made from our own errors."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from aiohttp import web

from node.errors import (
    ConfigError,
    DataError,
    InvalidBlock,
    InvalidTransaction,
    LimitExceeded,
    PermissionDenied,
    PrayaError,
    UnavailableError,
)

CONTENT_TYPE = "application/problem+json"


class TooManyAttempts(LimitExceeded):
    """Somebody asks too often; ``details`` carries the seconds to wait."""


class TooSlow(PrayaError):
    """A body that does not arrive in its time."""


_STATUS: tuple[tuple[type[PrayaError], int], ...] = (
    (PermissionDenied, 403),
    (TooManyAttempts, 429),
    (TooSlow, 408),
    (LimitExceeded, 413),
    (UnavailableError, 503),
    (ConfigError, 500),
    (InvalidTransaction, 422),
    (InvalidBlock, 422),
    (DataError, 422),
    (PrayaError, 400),
)
"""HTTP status of our errors; the first that fits counts."""


def problem(
    status: int,
    title: str,
    *,
    detail: str | None = None,
    field: str | None = None,
    code: str | None = None,
    request_id: str | None = None,
) -> web.Response:
    """A problem document. ``title`` says what kind it is, ``detail`` what happened, ``field`` which input; ``code``
    is a stable name for programs, where there is one."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail is not None:
        document["detail"] = detail
    if field is not None:
        document["field"] = field
    if code is not None:
        document["code"] = code
    if request_id is not None:
        document["request_id"] = request_id
    return web.Response(status=status, text=json.dumps(document), content_type=CONTENT_TYPE)


def problem_of(error: PrayaError, *, request_id: str | None = None) -> web.Response:
    """The problem document of one of our errors."""
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    stable = error.details.get("code")
    answer = problem(
        status,
        web_title(status),
        detail=error.message,
        field=error.field,
        code=stable if isinstance(stable, str) else None,
        request_id=request_id,
    )
    if isinstance(error, TooManyAttempts):
        answer.headers["Retry-After"] = str(error.details.get("wait_s", 60))
    return answer


def web_title(status: int) -> str:
    """The standard phrase of an HTTP status."""
    return HTTPStatus(status).phrase
