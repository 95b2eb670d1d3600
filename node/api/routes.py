"""The REST door: parse, ask the trade desk, render. What officers may do is decided there, never here."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from node.api import bodies
from node.api.openapi import openapi_document
from node.desk.users import User
from node.errors import DataError
from node.governance.service import GovernanceService
from node.trade.service import TradeService
from node.web.problems import problem, web_title
from node.web.server import REQUEST_ID
from node.web.sessions import LoginBrake, NotSignedIn, bearer_token, signed_in

PREFIX: Final = "/api/v1"
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
"""Two documents of the largest size in base64, with room for the rest."""

_INDEX = re.compile(r"[0-9]{1,9}\Z")

Answer = Callable[["Call"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: what it is for, what it takes, whether it needs a session."""

    method: str
    path: str
    summary: str
    answer: Answer
    body: type[bodies._Body] | None = None
    status: int = 200
    public: bool = False
    query: tuple[str, ...] = ()


class Call:
    """One request on its way: the desk, the officer, the body."""

    def __init__(
        self, request: web.Request, desk: TradeService, governance: GovernanceService, user: User | None, body: Any
    ) -> None:
        self.request = request
        self.desk = desk
        self.governance = governance
        self.body = body
        self._user = user

    @property
    def user(self) -> User:
        """The officer; NotSignedIn where the route is public."""
        if self._user is None:
            raise NotSignedIn("sign in first", field="session")
        return self._user

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def flag(self, name: str, default: bool) -> bool:
        """A query parameter: 1 and true are yes."""
        value = self.request.query.get(name)
        return default if value is None else value.lower() in ("1", "true", "yes")


class Api:
    """The routes over one trade desk."""

    def __init__(self, desk: TradeService, governance: GovernanceService, brake: LoginBrake) -> None:
        self._desk = desk
        self._governance = governance
        self._brake = brake
        self.routes = (
            Route(
                "POST",
                "/session",
                "Sign in; the token goes into `Authorization: Bearer`",
                self._sign_in,
                bodies.SignIn,
                201,
                True,
            ),
            Route("DELETE", "/session", "Sign out", self._sign_out),
            Route("GET", "/me", "This bank, the officer, today, and how far the read model is", self._me),
            Route("GET", "/members", "Every member of the consortium", _members),
            Route("GET", "/consortium", "Members, validators now and at the edges ahead, votes needed", _consortium),
            Route("GET", "/consortium/proposals", "Proposals: open ones, or all", _proposals, query=("state",)),
            Route("GET", "/consortium/proposals/{proposal}", "One proposal with its votes", _proposal),
            Route("GET", "/acts", "Every act with its parameters", _acts),
            Route("GET", "/worklist", "What waits: drafts to approve, own drafts, turns by legal deadline", _worklist),
            Route("POST", "/drafts", "Draft an act (maker)", _draft, bodies.NewDraft, 201),
            Route("GET", "/drafts", "Drafts, newest first", _drafts, query=("state",)),
            Route("GET", "/drafts/{draft}", "A draft with its approvals and outcome", _draft_status),
            Route("PUT", "/drafts/{draft}", "Write a pending draft anew (its maker)", _revise, bodies.RevisedDraft),
            Route(
                "POST",
                "/drafts/{draft}/approval",
                "Approve exactly this hash (checker, another person)",
                _approve,
                bodies.DraftApproval,
            ),
            Route(
                "POST",
                "/drafts/{draft}/rejection",
                "Refuse or withdraw a pending draft",
                _reject,
                bodies.DraftRejection,
            ),
            Route(
                "POST",
                "/readings/mt700",
                "Read and show a credit and its obstacles",
                _read_mt700,
                bodies.CreditReading,
            ),
            Route("POST", "/readings/invoice", "Read and show an invoice", _read_invoice, bodies.InvoiceReading),
            Route("POST", "/applications", "Record a customer's application", _apply, bodies.Application, 201),
            Route("GET", "/applications", "Applications, newest first", _applications),
            Route("GET", "/applications/{application}", "One application", _application),
            Route("GET", "/credits", "Credits, newest first", _credits, query=("mine",)),
            Route("GET", "/credits/{credit}", "One credit: facts, clocks, next actor, timeline, sealed texts", _credit),
            Route("GET", "/credits/{credit}/presentations/{presentation}/mt734", "The MT734 text of a refusal", _mt734),
            Route("GET", "/invoices", "Invoices, newest first", _invoices, query=("mine",)),
            Route("GET", "/invoices/{invoice}", "One invoice with offers and timeline", _invoice),
            Route("GET", "/documents", "Documents that this bank sealed or opened", _documents, query=("subject",)),
            Route("GET", "/documents/{anchor}", "Fetch, open and check a document", _document),
            Route("GET", "/documents/{anchor}/verification", "Check a document against the chain", _verify),
            Route(
                "POST",
                "/documents/{anchor}/verification",
                "Check a file against a document",
                _verify_file,
            ),
        )

    def register(self, application: web.Application) -> None:
        """Add every route and the OpenAPI document."""
        for route in self.routes:
            application.router.add_route(route.method, PREFIX + route.path, self._handler(route))
        document = json.dumps(openapi_document(self.routes, PREFIX))

        async def serve_openapi(_request: web.Request) -> web.Response:
            return web.Response(text=document, content_type="application/json")

        application.router.add_get(PREFIX + "/openapi.json", serve_openapi)

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                user = None if route.public else signed_in(self._desk.users, bearer_token(request))
            except NotSignedIn as error:
                answer = problem(
                    401, web_title(401), detail=error.message, field=error.field, request_id=request[REQUEST_ID]
                )
                answer.headers["WWW-Authenticate"] = "Bearer"
                return answer
            body = await bodies.read_body(request, route.body) if route.body is not None else None
            result = await route.answer(Call(request, self._desk, self._governance, user, body))
            if isinstance(result, web.StreamResponse):
                return result
            return web.json_response(result, status=route.status, headers={"Cache-Control": "no-store"})

        return handle

    async def _sign_in(self, call: Call) -> Any:
        keys = (f"user:{call.body.user}", f"from:{call.request.remote}")
        attempt = self._brake.begin(*keys)
        users = self._desk.users
        user = await asyncio.to_thread(users.authenticate, call.body.user, call.body.password)
        self._brake.succeeded(attempt, *keys)
        token = await asyncio.to_thread(users.open_session, user)
        return {"token": token, "user": user.name, "roles": sorted(user.roles), "bank": self._desk.me()["name"]}

    async def _sign_out(self, call: Call) -> Any:
        token = bearer_token(call.request)
        if token is not None:
            self._desk.users.close_session(token)
        return {"signed_out": call.user.name}

    async def _me(self, call: Call) -> Any:
        return {**self._desk.me(), "user": call.user.name, "roles": sorted(call.user.roles)}


async def _members(call: Call) -> Any:
    return call.desk.members()


async def _consortium(call: Call) -> Any:
    return await call.governance.consortium()


async def _proposals(call: Call) -> Any:
    return await call.governance.proposals(call.request.query.get("state"))


async def _proposal(call: Call) -> Any:
    return await call.governance.proposal(call.path("proposal"))


async def _acts(call: Call) -> Any:
    return call.desk.acts()


async def _worklist(call: Call) -> Any:
    return await call.desk.worklist(call.user)


async def _draft(call: Call) -> Any:
    return await call.desk.draft(call.body.act, call.body.params, call.user)


async def _drafts(call: Call) -> Any:
    return call.desk.drafts(call.request.query.get("state"))


async def _draft_status(call: Call) -> Any:
    return call.desk.draft_status(call.path("draft"))


async def _revise(call: Call) -> Any:
    return await call.desk.revise(call.path("draft"), call.body.params, call.user)


async def _approve(call: Call) -> Any:
    return await call.desk.approve(call.path("draft"), call.body.hash, call.user, wait=call.body.wait)


async def _reject(call: Call) -> Any:
    return call.desk.reject(call.path("draft"), call.body.reason, call.user)


async def _read_mt700(call: Call) -> Any:
    body = call.body
    return call.desk.read_mt700(body.mt700, lenient=body.lenient, overrides=body.set, advising=body.advising)


async def _read_invoice(call: Call) -> Any:
    return call.desk.read_invoice_file(call.body.ubl)


async def _apply(call: Call) -> Any:
    return call.desk.apply(call.body.mt700, call.user, lenient=call.body.lenient, note=call.body.note)


async def _applications(call: Call) -> Any:
    return call.desk.applications()


async def _application(call: Call) -> Any:
    return call.desk.application(call.path("application"))


async def _credits(call: Call) -> Any:
    return await call.desk.credits(mine=call.flag("mine", True))


async def _credit(call: Call) -> Any:
    return await call.desk.credit(call.path("credit"))


async def _mt734(call: Call) -> Any:
    number = call.path("presentation")
    if not _INDEX.match(number):
        raise DataError("presentation is an index from 0", field="presentation")
    return {"mt734": await call.desk.mt734(call.path("credit"), int(number))}


async def _invoices(call: Call) -> Any:
    return await call.desk.invoices(mine=call.flag("mine", False))


async def _invoice(call: Call) -> Any:
    return await call.desk.invoice(call.path("invoice"))


async def _documents(call: Call) -> Any:
    return call.desk.documents(call.request.query.get("subject"))


async def _document(call: Call) -> Any:
    found = await call.desk.fetch_document(call.path("anchor"))
    # Whatever a counterparty called its file: it is shown as a download and never run by a browser.
    headers = {
        "Content-Disposition": _attachment(found["name"]),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "no-store",
        "X-Praya-Anchor": found["anchor"],
        "X-Praya-Media-Type": _header_text(found["media_type"]),
    }
    return web.Response(body=found["body"], content_type="application/octet-stream", headers=headers)


def _attachment(name: str) -> str:
    """Content-Disposition (RFC 6266): a plain name for every client, the full one for those that read it."""
    plain = _header_text(name)
    full = "" if plain == name else f"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
    return f'attachment; filename="{plain}"{full}'


def _header_text(text: str) -> str:
    """What may stand between quotes in a header."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in text)


async def _verify(call: Call) -> Any:
    return await call.desk.verify_document(call.path("anchor"))


async def _verify_file(call: Call) -> Any:
    return await call.desk.verify_document(call.path("anchor"), await bodies.read_raw(call.request))


def add_api(
    application: web.Application,
    desk: TradeService,
    governance: GovernanceService,
    brake: LoginBrake | None = None,
) -> None:
    """Serve the REST door from ``application``. ``brake`` counts failed sign-ins, and is one for all doors."""
    Api(desk, governance, brake or LoginBrake()).register(application)
