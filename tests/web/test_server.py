"""What every door shares: problem documents for every failure, and nothing internal in them."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from node.errors import (
    ConfigError,
    DataError,
    InvalidTransaction,
    LimitExceeded,
    PermissionDenied,
    PrayaError,
    UnavailableError,
)
from node.web.server import HttpServer, new_application


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionDenied("not yours", field="credit"), 403),
        (LimitExceeded("too long", field="file"), 413),
        (UnavailableError("gone"), 503),
        (DataError("wrong", field="32B"), 422),
        (InvalidTransaction("nonce_too_low", "nonce too low"), 422),
        (ConfigError("wrong setting"), 500),
        (PrayaError("bad", field="amount"), 400),
        (ValueError("secret detail"), 500),
        (web.HTTPNotFound(), 404),
    ],
)
async def test_errors_become_problem_documents(error: Exception, status: int) -> None:
    """Our errors keep their message and field; what nobody foresaw shows nothing but its request id."""

    async def fail(_request: web.Request) -> web.Response:
        raise error

    application = new_application(["127.0.0.1"])
    application.router.add_get("/", fail)
    server = HttpServer(application, "127.0.0.1", 0)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session, session.get(server.url) as response:
            assert (response.status, response.content_type) == (status, "application/problem+json")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            document = await response.json()
    finally:
        await server.stop()
    assert document["status"] == status and document["request_id"] == response.headers["X-Request-Id"]
    if isinstance(error, PrayaError):
        assert (document["detail"], document.get("field")) == (error.message, error.field)
    assert "secret" not in str(document)


@pytest.mark.parametrize("host", ["::1"])
async def test_ipv6_host_is_allowed_with_brackets(host: str) -> None:
    """The allow-list takes ``[::1]`` as the configuration writes it."""

    async def ok(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    application = new_application(["[::1]"])
    application.router.add_get("/", ok)
    server = HttpServer(application, "127.0.0.1", 0)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(server.url, headers={"Host": f"[{host}]:{server.port}"}) as response:
                assert response.status == 200
            async with session.get(server.url, headers={"Host": "[::2]"}) as response:
                assert response.status == 421
    finally:
        await server.stop()
