"""What a page's form sends: fields and files, streamed in under named bounds, each file's kind told by its bytes."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web

from node.errors import DataError, LimitExceeded
from node.privacy.envelope import DOCUMENT_BYTES_MAX, NAME_CHARACTERS_MAX

FILE_BYTES_MAX: Final = DOCUMENT_BYTES_MAX
"""One file."""
FILES_MAX: Final = 20
"""Files in one form."""
FORM_BYTES_MAX: Final = 30 * 1024 * 1024
"""A whole form."""
FIELD_BYTES_MAX: Final = 3 * 1024 * 1024
"""One field that is no file (an MT or an invoice carried from page to page in base64)."""
FIELDS_MAX: Final = 400
FORM_TIMEOUT_S: Final = 120.0
"""How long a browser may take to send a form."""
FORMS_AT_ONCE: Final = 8
"""Forms with files that are read at the same time; others wait."""
PLAIN_FORM_BYTES_MAX: Final = 256 * 1024
"""A form that is not multipart."""
_UNSAFE_NAME = re.compile(r"[^\w .,()+@=-]+", re.UNICODE)

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"PK\x03\x04", "application/zip"),
)
ACCEPTED_KINDS: Final = "PDF, PNG, JPEG, TIFF, ZIP (never unpacked), XML and plain text"


@dataclass(frozen=True, slots=True)
class Upload:
    """One file: a safe name, its bytes, and its kind by content, never by the sender's word."""

    name: str
    body: bytes

    @property
    def media_type(self) -> str:
        """DataError for a kind that no officer needs."""
        return kind_of(self.body, self.name)


@dataclass(slots=True)
class Form:
    """A submitted form: fields by name in order, and files."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """A field's first value; empty where it is absent."""
        return (self.fields.get(name) or [""])[0]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return self.fields.get(name, [])

    def uploads(self, name: str) -> list[Upload]:
        """The files of one input."""
        return self.files.get(name, [])


async def read_form(request: web.Request, *, uploads: asyncio.Semaphore | None = None) -> Form:
    """The request's form. Files are taken only with ``uploads``, which bounds how many forms with files are read at
    once. LimitExceeded names the bound; DataError where it is no form."""
    try:
        async with asyncio.timeout(FORM_TIMEOUT_S):
            if request.content_type == "multipart/form-data" and uploads is not None:
                async with uploads:
                    return await _read_multipart(await request.multipart())
            if request.content_type != "application/x-www-form-urlencoded":
                raise DataError("a form is expected", field="form")
            return await _read_plain(request)
    except TimeoutError:
        raise LimitExceeded(f"the form took longer than {FORM_TIMEOUT_S:.0f} s", field="form") from None
    except (ValueError, AssertionError, RuntimeError, LookupError) as error:
        raise DataError("the form cannot be read", field="form") from error


async def _read_plain(request: web.Request) -> Form:
    body = bytearray()
    async for chunk in request.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > PLAIN_FORM_BYTES_MAX:
            raise LimitExceeded(f"a form without files has at most {PLAIN_FORM_BYTES_MAX:,} bytes", field="form")
    form = Form()
    for name, value in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX):
        _add(form, name, value)
    return form


async def _read_multipart(reader: MultipartReader) -> Form:
    form, left = Form(), FORM_BYTES_MAX
    async for part in reader:
        if not isinstance(part, BodyPartReader) or not part.name:
            raise DataError("the form has a part without a name", field="form")
        limit = FILE_BYTES_MAX if part.filename is not None else FIELD_BYTES_MAX
        body = await _read_part(part, part.name, min(limit, left))
        left -= len(body)
        if part.filename is None:
            _add(form, part.name, _text(body, part.name))
        elif part.filename or body:  # a file input left empty sends a nameless, empty part
            files = form.files.setdefault(part.name, [])
            files.append(Upload(safe_name(part.filename), body))
            if sum(map(len, form.files.values())) > FILES_MAX:
                raise LimitExceeded(f"at most {FILES_MAX} files in one form", field=part.name, limit=FILES_MAX)
    return form


async def _read_part(part: BodyPartReader, name: str, limit: int) -> bytes:
    body = bytearray()
    while chunk := await part.read_chunk():
        body += chunk
        if len(body) > limit:
            raise LimitExceeded(f"{name} is larger than {limit:,} bytes", field=name, limit=limit)
    return bytes(body)


def _add(form: Form, name: str, value: str) -> None:
    form.fields.setdefault(name, []).append(value)
    if sum(map(len, form.fields.values())) > FIELDS_MAX:
        raise LimitExceeded(f"at most {FIELDS_MAX} fields in one form", field="form", limit=FIELDS_MAX)


def _text(body: bytes, name: str) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise DataError(f"{name} is no UTF-8 text", field=name) from None


def safe_name(name: str) -> str:
    """A file's name without folders, control characters and what shells or headers give a meaning."""
    last = re.split(r"[\\/]", name)[-1]
    return _UNSAFE_NAME.sub("_", last).strip(". ")[-NAME_CHARACTERS_MAX:] or "file"


def kind_of(body: bytes, name: str = "file") -> str:
    """The media type by the bytes themselves. DataError for an empty file and for kinds beyond ACCEPTED_KINDS."""
    if not body:
        raise DataError(f"{name} is empty", field="documents")
    for magic, kind in _MAGIC:
        if body.startswith(magic):
            return kind
    if b"\x00" not in body:
        try:
            head = body.decode("utf-8-sig").lstrip()[:5]
        except UnicodeDecodeError:
            head = None
        if head is not None:
            return "application/xml" if head == "<?xml" else "text/plain"
    raise DataError(f"{name} is of a kind that is not accepted; accepted: {ACCEPTED_KINDS}", field="documents")
