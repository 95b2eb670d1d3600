"""The sealed form of a document: AES-256-GCM under a fresh content key, which HPKE wraps for each recipient.

Recipients are not named: each tries the wrapped keys with its own (at most RECIPIENTS_MAX), so a custodian learns the
sender, the number of recipients and a size class, nothing more. HPKE is RFC 9180, base mode, one shot, X25519 with
HKDF-SHA-256 and AES-256-GCM; chain, depositor and commitment stand in its info and in the content's associated data.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.errors import DataError, LimitExceeded
from node.privacy.commitment import DOCUMENT_DOMAIN, new_salt, salted_hash
from node.privacy.encryption_key import EncryptionKey, public_key

ENVELOPE_VERSION = 1
DOCUMENT_BYTES_MAX = 10 * 1024 * 1024
"""Largest document in the clear."""
SIZE_CLASS_0_BYTES = 4 * 1024
SIZE_CLASS_MAX = 12
"""Class k pads to 4 KiB x 2^k: 4 KiB to 16 MiB."""
SEALED_BYTES_MAX = (SIZE_CLASS_0_BYTES << SIZE_CLASS_MAX) + 64 * 1024
RECIPIENTS_MAX = 64
NAME_CHARACTERS_MAX = 200
KINDS = ("document", "terms", "amendment", "discrepancies", "instruction", "invoice", "private-transaction")
_NONCE_BYTES = 12
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Nonce = Annotated[bytes, msgspec.Meta(min_length=_NONCE_BYTES, max_length=_NONCE_BYTES)]
_Wrapped = Annotated[bytes, msgspec.Meta(min_length=80, max_length=80)]


class Document(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A document in the clear: what it is, its name and media type, its salt and its bytes."""

    kind: str
    name: Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
    media_type: Annotated[str, msgspec.Meta(max_length=100)]
    salt: _Bytes32
    body: bytes

    @property
    def commitment(self) -> bytes:
        """The salted hash that is anchored: over kind, name, media type and bytes."""
        content = msgspec.msgpack.encode((self.kind, self.name, self.media_type, self.body))
        return salted_hash(self.salt, content, domain=DOCUMENT_DOMAIN)


class _Envelope(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    version: int
    depositor: _Bytes32
    commitment: _Bytes32
    wrapped_keys: Annotated[list[_Wrapped], msgspec.Meta(min_length=1, max_length=RECIPIENTS_MAX)]
    nonce: _Nonce
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """Sealed bytes with what the anchor needs; ``ciphertext_hash`` (SHA-256) is the name that custodians keep it by."""

    sealed: bytes
    ciphertext_hash: bytes
    commitment: bytes
    size_class: int
    recipient_count: int


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """What anyone can read of a sealed document."""

    depositor: bytes
    commitment: bytes
    recipient_count: int
    size_class: int


def make_document(
    body: bytes, *, name: str, kind: str = "document", media_type: str = "application/octet-stream"
) -> Document:
    """A document with a fresh salt.

    Errors: LimitExceeded (field ``document``) over DOCUMENT_BYTES_MAX; DataError for an unknown kind or a long name.
    """
    if len(body) > DOCUMENT_BYTES_MAX:
        raise LimitExceeded(
            f"the document {name!r} has {len(body)} bytes, the limit is {DOCUMENT_BYTES_MAX}",
            field="document",
            limit=DOCUMENT_BYTES_MAX,
            value=len(body),
        )
    if kind not in KINDS:
        raise DataError(f"{kind!r} is no kind of document; kinds: {', '.join(KINDS)}", field="kind")
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise DataError(f"a document's name has 1 to {NAME_CHARACTERS_MAX} characters", field="name")
    return Document(kind, name, media_type, new_salt(), body)


def seal(document: Document, *, chain_id: int, depositor: bytes, recipients: Sequence[bytes]) -> SealedDocument:
    """Seal for the recipients' X25519 keys (32 bytes each; the depositor's own is the caller's to include).

    Errors: DataError for no recipient or more than RECIPIENTS_MAX.
    """
    keys = sorted(set(recipients))
    if not 1 <= len(keys) <= RECIPIENTS_MAX:
        raise DataError(
            f"a document is sealed for 1 to {RECIPIENTS_MAX} recipients, not {len(keys)}", field="recipients"
        )
    context = _context(chain_id, depositor, document.commitment)
    padded, size_class = _pad(msgspec.msgpack.encode(document))
    content_key, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE_BYTES)
    wrapped = sorted(_SUITE.encrypt(content_key, public_key(key), context) for key in keys)
    envelope = _Envelope(
        version=ENVELOPE_VERSION,
        depositor=depositor,
        commitment=document.commitment,
        wrapped_keys=wrapped,
        nonce=nonce,
        ciphertext=AESGCM(content_key).encrypt(nonce, padded, context),
    )
    sealed = msgspec.msgpack.encode(envelope)
    return SealedDocument(sealed, hashlib.sha256(sealed).digest(), document.commitment, size_class, len(keys))


def open_sealed(sealed: bytes, key: EncryptionKey, *, chain_id: int) -> Document | None:
    """The document, or None where it is not sealed for this key.

    Errors: DataError for a malformed envelope, or where it opens to something other than what it commits to.
    """
    envelope = _decode(sealed)
    context = _context(chain_id, envelope.depositor, envelope.commitment)
    for wrapped in envelope.wrapped_keys:
        try:
            content_key = _SUITE.decrypt(wrapped, key.private, context)
        except (InvalidTag, ValueError):
            continue  # wrapped for someone else
        try:
            padded = AESGCM(content_key).decrypt(envelope.nonce, envelope.ciphertext, context)
            document = msgspec.msgpack.decode(_unpad(padded), type=Document)
        except (InvalidTag, ValueError, msgspec.MsgspecError) as error:
            raise DataError(f"the sealed document cannot be opened: {error}", field="sealed") from None
        if document.commitment != envelope.commitment:
            raise DataError("the document is not what its sender committed to", field="commitment")
        return document
    return None


def read_header(sealed: bytes) -> EnvelopeHeader:
    """What a custodian checks before it takes a sealed document; DataError for a malformed or oversized one."""
    envelope = _decode(sealed)
    padded = len(envelope.ciphertext) - 16
    size_class = max(0, (padded // SIZE_CLASS_0_BYTES).bit_length() - 1)
    if padded != SIZE_CLASS_0_BYTES << size_class or size_class > SIZE_CLASS_MAX:
        raise DataError("the ciphertext is not padded to a size class", field="sealed")
    return EnvelopeHeader(envelope.depositor, envelope.commitment, len(envelope.wrapped_keys), size_class)


def _decode(sealed: bytes) -> _Envelope:
    if len(sealed) > SEALED_BYTES_MAX:
        raise LimitExceeded(
            f"sealed document of {len(sealed)} bytes, the limit is {SEALED_BYTES_MAX}",
            field="sealed",
            limit=SEALED_BYTES_MAX,
            value=len(sealed),
        )
    try:
        envelope = msgspec.msgpack.decode(sealed, type=_Envelope)
    except msgspec.MsgspecError as error:
        raise DataError(f"no sealed document: {error}", field="sealed") from None
    if envelope.version != ENVELOPE_VERSION:
        raise DataError(f"envelope version {envelope.version} is not known", field="version")
    return envelope


def _context(chain_id: int, depositor: bytes, commitment: bytes) -> bytes:
    return b"praya/sealed/v1" + chain_id.to_bytes(8, "big") + depositor + commitment


def _pad(content: bytes) -> tuple[bytes, int]:
    """Eight bytes of length, the content, zeros up to the size class."""
    needed = len(content) + 8
    size_class = 0
    while SIZE_CLASS_0_BYTES << size_class < needed:
        size_class += 1
    body = len(content).to_bytes(8, "big") + content
    return body.ljust(SIZE_CLASS_0_BYTES << size_class, b"\x00"), size_class


def _unpad(padded: bytes) -> bytes:
    length = int.from_bytes(padded[:8], "big")
    if length > len(padded) - 8 or any(padded[8 + length :]):
        raise ValueError("wrong padding")
    return padded[8 : 8 + length]
