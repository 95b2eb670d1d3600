"""Request bodies of the REST door, checked by pydantic: unknown fields are refused, every error names its field."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.errors import DataError
from node.web.limits import BODY_READ_TIMEOUT_S
from node.web.problems import TooSlow


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SignIn(_Body):
    """An officer's name and password."""

    user: str = Field(max_length=64)
    password: str = Field(max_length=200)


class NewDraft(_Body):
    """An act by name with its parameters, as ``GET /acts`` lists them."""

    act: str = Field(max_length=64)
    params: dict[str, Any] = Field(default_factory=dict)


class RevisedDraft(_Body):
    """The act's parameters anew."""

    params: dict[str, Any]


class DraftApproval(_Body):
    """The hash that the checker saw; ``wait``: answer when the act is final."""

    hash: str = Field(max_length=66)
    wait: bool = True


class DraftRejection(_Body):
    """Why a draft is not approved."""

    reason: str = Field(max_length=1000)


class CreditReading(_Body):
    """An MT700 to read and show."""

    mt700: str = Field(max_length=128 * 1024)
    lenient: bool = False
    set: list[tuple[str, str]] = Field(default_factory=list, max_length=64, strict=False)
    advising: str | None = Field(default=None, max_length=140)


class InvoiceReading(_Body):
    """A UBL or CII invoice to read and show."""

    ubl: str = Field(max_length=1024 * 1024)


class Application(_Body):
    """A customer's application for a credit."""

    mt700: str = Field(max_length=128 * 1024)
    lenient: bool = False
    note: str = Field(default="", max_length=1000)


Body = TypeVar("Body", bound=_Body)


async def read_raw(request: web.Request) -> bytes:
    """The request's body. TooSlow where it does not arrive in BODY_READ_TIMEOUT_S."""
    try:
        async with asyncio.timeout(BODY_READ_TIMEOUT_S):
            return await request.read()
    except TimeoutError:
        raise TooSlow(f"the body took more than {BODY_READ_TIMEOUT_S:.0f} s", field="body") from None


async def read_body(request: web.Request, model: type[Body]) -> Body:
    """The request's JSON as ``model``. DataError names the first wrong field."""
    raw = await read_raw(request)
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "body"
        raise DataError(f"{name}: {first['msg']}", field=name) from error
    except RecursionError as error:
        raise DataError("the body is nested too deeply", field="body") from error
