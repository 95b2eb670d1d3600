"""One officer's request on its way through the console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from node.console.references import References
from node.console.render import Renderer
from node.console.uploads import Form, safe_name
from node.desk.users import User
from node.errors import DataError
from node.trade.service import TradeService


class NotFound(DataError):
    """There is no such thing, or none that this bank may know. The console answers 404."""


@dataclass(frozen=True, slots=True)
class Visit:
    """The request, who asks, and what a page needs to answer. ``csrf`` is the token that its forms must carry."""

    request: web.Request
    desk: TradeService
    user: User
    csrf: str
    place: str
    form: Form
    renderer: Renderer
    references: References

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def query(self, name: str) -> str:
        """A query parameter; empty where absent."""
        return self.request.query.get(name, "")

    def has(self, role: str) -> bool:
        """Whether the officer has the role."""
        return role in self.user.roles

    def page(self, template: str, current: str, *, status: int = 200, **values: Any) -> web.Response:
        """A page; ``current`` marks the section in the navigation."""
        common = {"user": self.user, "csrf": self.csrf, "current": current}
        text = self.renderer.page(template, {**common, **values})
        return web.Response(text=text, content_type="text/html", status=status)

    def names(self) -> dict[str, str]:
        """Member id to name."""
        return {member["id"]: member["name"] for member in self.desk.members()}

    def places(self) -> dict[str, str]:
        """Member id to place."""
        return {member["id"]: member["place"] for member in self.desk.members()}


Answer = Callable[[Visit], Awaitable[web.StreamResponse]]


def see(path: str) -> web.Response:
    """Go on at another page (after a form)."""
    return web.Response(status=303, headers={"Location": path})


def download(body: bytes, name: str, *, media_type: str = "application/octet-stream") -> web.Response:
    """A file to save: whatever its content, a browser neither shows nor runs it."""
    safe = safe_name(name)
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    return web.Response(
        body=body,
        content_type=media_type,
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe)}",
            "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        },
    )
