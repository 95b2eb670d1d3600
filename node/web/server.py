"""What every door's HTTP server does first: who may ask at all, a request id, bounds, and errors as documents."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from node.errors import ConfigError, PrayaError
from node.log import get_logger
from node.web import limits
from node.web.problems import problem, problem_of, web_title

_log = get_logger("web")
_SILENT = logging.getLogger("praya.http")
"""The server's own words quote malformed requests, and with them a password or a token in a header: they go nowhere.
What fails in a handler is logged by ``_errors``."""
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_REQUEST_ID_TEXT = re.compile(rf"[A-Za-z0-9._-]{{1,{limits.REQUEST_ID_CHARACTERS_MAX}}}\Z")


def new_application(allowed_hosts: Collection[str], *, body_bytes_max: int = limits.BODY_BYTES_MAX) -> web.Application:
    """An application with the middlewares that every door shares.

    ``allowed_hosts`` are the names (without port) that a Host header, and an Origin where there is one, may carry:
    a web page that makes its own name resolve to this machine reaches no door (DNS rebinding).
    """
    return web.Application(
        middlewares=[_request_ids, _errors, host_allow_list(allowed_hosts)], client_max_size=body_bytes_max
    )


@web.middleware
async def _request_ids(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id (the client's, where it is a short word) and say it in the answer."""
    stated = request.headers.get("X-Request-Id", "")
    request_id = stated if _REQUEST_ID_TEXT.match(stated) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    response = await handler(request)
    if not response.prepared:
        response.headers["X-Request-Id"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a problem document; what nobody foresaw is logged with its request id."""
    request_id = request[REQUEST_ID]
    try:
        return await handler(request)
    except PrayaError as error:
        return problem_of(error, request_id=request_id)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = problem(error.status, web_title(error.status), request_id=request_id)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except (web.RequestPayloadError, ConnectionError) as error:  # a broken body, or a client that has gone
        return problem(
            400,
            web_title(400),
            detail=f"the body cannot be read: {type(error).__name__}",
            field="body",
            request_id=request_id,
        )
    except Exception:  # noqa: BLE001 -- the door answers and keeps running whatever a handler does
        _log.exception("request failed", request_id=request_id, path=request.path)
        return problem(500, web_title(500), detail="an internal error; see the log", request_id=request_id)


def host_allow_list(allowed_hosts: Collection[str]) -> Middleware:
    """A middleware that refuses other Host headers with 421 and other Origins with 403."""
    allowed = frozenset(name.lower().strip("[]") for name in allowed_hosts)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _host_name("//" + request.headers.get("Host", ""))
        if name not in allowed:
            return problem(421, web_title(421), detail="this server does not answer to that Host name", field="Host")
        origin = request.headers.get("Origin")
        if origin is not None and _host_name(origin) not in allowed:
            return problem(403, web_title(403), detail="requests from that Origin are refused", field="Origin")
        return await handler(request)

    return check


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


class HttpServer:
    """One application listening on one interface and port. Port 0 takes a free one; ``port`` then says which.

    ``cancel_on_disconnect`` ends the handler of a client that has gone: only where no handler can be cut in the
    middle of an act.
    """

    def __init__(
        self, application: web.Application, host: str, port: int, *, cancel_on_disconnect: bool = False
    ) -> None:
        self._runner = web.AppRunner(
            application,
            access_log=None,
            keepalive_timeout=limits.KEEPALIVE_TIMEOUT_S,
            shutdown_timeout=limits.SHUTDOWN_TIMEOUT_S,
            handle_signals=False,
            handler_cancellation=cancel_on_disconnect,
            logger=_SILENT,
        )
        self.host = host
        self.port = port

    async def start(self) -> None:
        """Listen; ConfigError where the interface or port cannot be had."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(f"cannot listen on {self.host}:{self.port}: {error.strerror}", field="listen") from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the listener, let running requests end within the shutdown timeout, and release everything."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens, as an http URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
