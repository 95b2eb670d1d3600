"""Salted commitments: what stands on the chain instead of a document or a deal's terms."""

from __future__ import annotations

import hashlib
import secrets

SALT_BYTES = 32
TERMS_DOMAIN = "praya/terms/v1"
DOCUMENT_DOMAIN = "praya/document/v1"


def new_salt() -> bytes:
    """Fresh randomness for one commitment; never reused, or equal contents would be seen to be equal."""
    return secrets.token_bytes(SALT_BYTES)


def salted_hash(salt: bytes, content: bytes, *, domain: str) -> bytes:
    """SHA-256 over domain, a zero byte, salt (32 bytes) and content."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return hashlib.sha256(domain.encode() + b"\x00" + salt + content).digest()
