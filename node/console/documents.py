"""Pages of documents: what this bank sealed or opened, its check against the chain, and downloads."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from aiohttp import web

from node.console.visit import NotFound, Visit, download
from node.errors import DataError, PermissionDenied, UnavailableError


async def documents_list(visit: Visit) -> web.StreamResponse:
    """Documents that this bank sealed or opened; another's are not known here."""
    subject = visit.query("subject") or None
    return visit.page(
        "documents.html", "documents", documents=visit.desk.documents(subject), subject=subject, names=visit.names()
    )


async def document(visit: Visit) -> web.StreamResponse:
    """One document, opened and checked against the chain."""
    return await _document_page(visit)


async def _document_page(visit: Visit, file: bytes | None = None) -> web.Response:
    anchor = visit.path("anchor")
    check = await _for_us(visit.desk.verify_document(anchor, file))
    opened = await _for_us(visit.desk.fetch_document(anchor))
    listed = next((each for each in visit.desk.documents() if each["anchor"] == opened["anchor"]), None)
    return visit.page("document.html", "documents", check=check, opened=opened, listed=listed, size=len(opened["body"]))


async def download_document(visit: Visit) -> web.StreamResponse:
    """The document's bytes as a file to save."""
    opened = await _for_us(visit.desk.fetch_document(visit.path("anchor")))
    return download(opened["body"], opened["name"])


async def verify_file(visit: Visit) -> web.StreamResponse:
    """Whether a file of the officer's is the anchored document, byte for byte."""
    uploads = visit.form.uploads("file")
    if not uploads:
        raise DataError("choose the file to compare", field="file")
    return await _document_page(visit, uploads[0].body)


async def _for_us(asked: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What is not sealed for this bank and what is not there at all are told alike."""
    try:
        return await asked
    except UnavailableError:
        raise
    except (DataError, PermissionDenied):
        raise NotFound("there is no such document for this bank", field="document") from None
