"""The console's routes and what stands before each page: session, origin, CSRF token, headers, errors as pages."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from node.console import acting, documents, reading
from node.console.references import References
from node.console.render import STATIC_TYPES, Renderer
from node.console.uploads import FORMS_AT_ONCE, Form, read_form
from node.console.visit import Answer, NotFound, Visit
from node.desk.users import User
from node.errors import LimitExceeded, PermissionDenied, PrayaError, UnavailableError
from node.log import get_logger
from node.trade.service import TradeService
from node.web.server import REQUEST_ID
from node.web.sessions import (
    LoginBrake,
    NotSignedIn,
    clear_session_cookie,
    cookie_name,
    csrf_holds,
    csrf_token,
    from_own_page,
    set_session_cookie,
    signed_in,
)

_log = get_logger("console")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self';"
    " object-src 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
STATIC_CACHE: Final = "public, max-age=31536000, immutable"
"""Static files are asked for under a name with their hash."""
NEXT_CHARACTERS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Page:
    """One route of the console."""

    method: str
    path: str
    answer: Answer


PAGES: Final = (
    Page("GET", "/worklist", reading.worklist),
    Page("GET", "/credits", reading.credits_list),
    Page("GET", "/credits/{credit}", reading.credit),
    Page("GET", "/credits/{credit}/mt700", reading.credit_message),
    Page("GET", "/credits/{credit}/presentations/{presentation}/mt734", reading.refusal_message),
    Page("GET", "/invoices", reading.invoices_list),
    Page("GET", "/invoices/{invoice}", reading.invoice),
    Page("GET", "/invoices/{invoice}/file", reading.invoice_file),
    Page("GET", "/members", reading.members),
    Page("GET", "/acts", acting.acts_list),
    Page("GET", "/acts/{act}", acting.act_form),
    Page("POST", "/acts/{act}", acting.draft_act),
    Page("GET", "/drafts", acting.drafts_list),
    Page("GET", "/drafts/{draft}", acting.draft_page),
    Page("GET", "/drafts/{draft}/revision", acting.revision_form),
    Page("POST", "/drafts/{draft}/revision", acting.revise_draft),
    Page("POST", "/drafts/{draft}/approval", acting.approve_draft),
    Page("POST", "/drafts/{draft}/rejection", acting.reject_draft),
    Page("GET", "/documents", documents.documents_list),
    Page("GET", "/documents/{anchor}", documents.document),
    Page("GET", "/documents/{anchor}/download", documents.download_document),
    Page("POST", "/documents/{anchor}/verification", documents.verify_file),
)


class Console:
    """The console of one bank over its trade desk."""

    def __init__(self, desk: TradeService, *, environment: str, bank: str, brake: LoginBrake) -> None:
        me = desk.me()
        self._desk = desk
        self._place: str = me["place"]
        self._cookie = cookie_name(me["id"])
        self._visitor_cookie = self._cookie + "_in"
        self._references = References()
        self._brake = brake
        self._uploads = asyncio.Semaphore(FORMS_AT_ONCE)
        self._renderer = Renderer(place=self._place, environment=environment, bank=bank)

    def register(self, application: web.Application) -> None:
        """Add every route."""
        router = application.router
        router.add_get("/", self._guarded(self._home))
        router.add_get("/sign-in", self._guarded(self._sign_in_page))
        router.add_post("/sign-in", self._guarded(self._sign_in))
        router.add_post("/sign-out", self._guarded(self._sign_out))
        router.add_get("/static/{name}", self._static)
        for page in PAGES:
            router.add_route(page.method, page.path, self._guarded(self._for_officers(page.answer)))

    # ------------------------------------------------------------------ before every page

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                response = await handler(request)
            except NotSignedIn:
                response = self._to_sign_in(request)
            except PrayaError as error:
                response = self._error_page(request, error)
            except web.HTTPException as error:
                response = self._plain_error(request, error.status, error.reason)
            except Exception:  # noqa: BLE001 -- the console answers and keeps running whatever a page does
                _log.exception("page failed", request_id=request.get(REQUEST_ID, ""), path=request.path)
                response = self._plain_error(request, 500, "An internal error; the log has it under this request's id")
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if request.secure:
                response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            return response

        return handle

    def _for_officers(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            token = request.cookies.get(self._cookie)
            user = signed_in(self._desk.users, token)
            posted = request.method == "POST"
            form = await self._checked_form(request, token, self._uploads) if posted else Form()
            visit = Visit(
                request, self._desk, user, csrf_token(token or ""), self._place, form, self._renderer, self._references
            )
            return await answer(visit)

        return handle

    async def _checked_form(
        self, request: web.Request, secret: str | None, uploads: asyncio.Semaphore | None = None
    ) -> Form:
        """The form of an unsafe request: from a page of ours, with the token of this session."""
        if not from_own_page(request):
            raise PermissionDenied("the request does not come from a page of this console", field="Origin")
        form = await read_form(request, uploads=uploads)
        if not csrf_holds(secret, form.one("csrf")):
            raise PermissionDenied("the form's token is not of this session: open the page again", field="csrf")
        return form

    # ------------------------------------------------------------------ signing in and out

    async def _home(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": "/worklist"})

    async def _sign_in_page(self, request: web.Request) -> web.StreamResponse:
        return self._sign_in_form(request, after=_local_path(request.query.get("next", "")))

    def _sign_in_form(
        self, request: web.Request, *, after: str, name: str = "", error: str | None = None, status: int = 200
    ) -> web.Response:
        secret = request.cookies.get(self._visitor_cookie) or secrets.token_urlsafe(24)
        values = {"csrf": csrf_token(secret), "after": after, "name": name, "error": error, "user": None}
        response = web.Response(
            text=self._renderer.page("sign_in.html", values), content_type="text/html", status=status
        )
        set_session_cookie(response, self._visitor_cookie, secret, secure=request.secure)
        return response

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await self._checked_form(request, request.cookies.get(self._visitor_cookie))
        name, after = form.one("name").strip(), _local_path(form.one("after"))
        keys = (f"user:{name}", f"from:{request.remote}")
        try:
            attempt = self._brake.begin(*keys)
            user = await asyncio.to_thread(self._desk.users.authenticate, name, form.one("password"))
            self._brake.succeeded(attempt, *keys)
        except PermissionDenied as error:
            return self._sign_in_form(request, after=after, name=name, error=error.message, status=403)
        except LimitExceeded as error:
            return self._sign_in_form(request, after=after, name=name, error=error.message, status=429)
        return await self._signed_in(request, user, after)

    async def _signed_in(self, request: web.Request, user: User, after: str) -> web.StreamResponse:
        """A new session at each sign-in; the one of before, if any, ends."""
        users = self._desk.users
        before = request.cookies.get(self._cookie)
        if before:
            await asyncio.to_thread(users.close_session, before)
        token = await asyncio.to_thread(users.open_session, user)
        response = web.Response(status=303, headers={"Location": after or "/worklist"})
        set_session_cookie(response, self._cookie, token, secure=request.secure)
        clear_session_cookie(response, self._visitor_cookie)
        return response

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        token = request.cookies.get(self._cookie)
        signed_in(self._desk.users, token)
        await self._checked_form(request, token)
        await asyncio.to_thread(self._desk.users.close_session, token or "")
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        clear_session_cookie(response, self._cookie)
        return response

    def _to_sign_in(self, request: web.Request) -> web.Response:
        after = f"?next={quote(request.path_qs, safe='')}" if request.method == "GET" else ""
        response = web.Response(status=303, headers={"Location": f"/sign-in{after}"})
        if request.cookies.get(self._cookie):
            clear_session_cookie(response, self._cookie)
        return response

    # ------------------------------------------------------------------ errors and files

    def _error_page(self, request: web.Request, error: PrayaError) -> web.Response:
        status = 422
        if isinstance(error, NotFound):
            status = 404
        elif isinstance(error, PermissionDenied):
            status = 403
        elif isinstance(error, LimitExceeded):
            status = 413
        elif isinstance(error, UnavailableError):
            status = 503
        return self._plain_error(request, status, error.message)

    def _plain_error(self, request: web.Request, status: int, message: str) -> web.Response:
        token = request.cookies.get(self._cookie)
        user = self._desk.users.session_user(token) if token else None
        values: dict[str, Any] = {
            "status": status,
            "message": message,
            "request_id": request.get(REQUEST_ID, ""),
            "user": user,
            "csrf": csrf_token(token) if token else "",
            "current": "",
        }
        return web.Response(text=self._renderer.page("error.html", values), content_type="text/html", status=status)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in STATIC_TYPES:
            raise web.HTTPNotFound
        headers = {"Cache-Control": STATIC_CACHE, "X-Content-Type-Options": "nosniff"}
        return web.Response(
            body=self._renderer.static[name], content_type=STATIC_TYPES[name], charset="utf-8", headers=headers
        )


def _local_path(path: str) -> str:
    """A path of this console to go to after signing in; anything else is dropped (no open redirect)."""
    parts = urlsplit(path) if len(path) <= NEXT_CHARACTERS_MAX and path.isprintable() else None
    if parts is None or parts.scheme or parts.netloc or not path.startswith("/") or path.startswith(("//", "/\\")):
        return ""
    return path if "\\" not in path else ""
