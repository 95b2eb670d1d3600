"""Consoles of two banks over real trade desks on a real ledger, reached by plain HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import CookieJar, FormData
from aiohttp.test_utils import TestClient, TestServer

from node.console import add_console
from node.web.server import new_application
from tests.trade.town import PASSWORD, Town

LOTUS, NANSHAN, HARBOUR = range(3)
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Browser:
    """A browser without scripts: keeps cookies, reads the CSRF token of the page it stands on."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client
        self.status = 0
        self.page = ""
        self.url = ""
        self.headers: Mapping[str, str] = {}

    async def get(self, path: str, *, follow: bool = True) -> str:
        """Open a page."""
        return await self._take(await self.client.get(path, allow_redirects=follow))

    async def post(
        self,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
        follow: bool = True,
    ) -> str:
        """Submit a form of the page; ``csrf`` overrides its token."""
        token = self.csrf if csrf is None else csrf
        data: Any = {"csrf": token, **(fields or {})}
        if files is not None:
            form = FormData(quote_fields=False)  # as browsers name files
            for name, value in data.items():
                form.add_field(name, value)
            for name, (filename, body) in files.items():
                form.add_field(name, body, filename=filename, content_type="application/octet-stream")
            data = form
        return await self._take(await self.client.post(path, data=data, headers=headers or {}, allow_redirects=follow))

    async def _take(self, response: Any) -> str:
        body = await response.read()
        self.status, self.url, self.headers = response.status, response.url.path, response.headers
        self.page = body.decode("utf-8", "replace")
        self.body = body
        return self.page

    @property
    def csrf(self) -> str:
        """The page's token; empty where it has none."""
        found = _CSRF.search(self.page)
        return found.group(1) if found else ""

    async def sign_in(self, name: str, password: str = PASSWORD) -> str:
        """Through the form."""
        await self.get("/sign-in")
        return await self.post("/sign-in", {"name": name, "password": password})

    async def sign_out(self) -> str:
        """Through the button."""
        await self.get("/worklist")
        return await self.post("/sign-out")


class Consoles:
    """A console for each bank of the town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.servers: dict[int, TestServer] = {}
        self._clients: list[TestClient[Any, Any]] = []

    async def start(self) -> None:
        """One server for each bank."""
        for n, desk in enumerate(self.town.desks):
            application = new_application({"127.0.0.1", "localhost"})
            add_console(application, desk.service, environment="DEMO", bank=desk.member.name)
            self.servers[n] = TestServer(application, host="127.0.0.1")
            await self.servers[n].start_server()

    async def browser(self, n: int, user: str | None = None) -> Browser:
        """A new browser at one bank's console, signed in where a user is named."""
        client: TestClient[Any, Any] = TestClient(self.servers[n], cookie_jar=CookieJar(unsafe=True))
        self._clients.append(client)
        browser = Browser(client)
        if user is not None:
            await browser.sign_in(user)
            assert browser.url == "/worklist", browser.page
        return browser

    async def stop(self) -> None:
        """Close every client and server."""
        for client in self._clients:
            await client.session.close()
        for n, server in self.servers.items():
            await self.town.desks[n].service.close()
            await server.close()


@pytest.fixture
async def consoles(tmp_path: Path) -> AsyncIterator[Consoles]:
    """The town on 5 March 2026."""
    made = Consoles(Town(tmp_path, datetime(2026, 3, 5, 3, tzinfo=UTC), [2026]))
    await made.start()
    yield made
    await made.stop()
    made.town.close()
