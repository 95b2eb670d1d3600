"""Ciphertexts on disk, by their hash: written whole or not at all, bounded, checked at every read."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

from node.errors import DataError, LimitExceeded
from node.privacy.envelope import SEALED_BYTES_MAX

STORE_BYTES_MAX = 8 * 1024 * 1024 * 1024
"""Default bound on all ciphertexts that one bank keeps."""


class CiphertextStore:
    """``documents/`` of a bank's data directory. Thread-safe; one process owns the directory."""

    def __init__(self, directory: Path, *, bytes_max: int = STORE_BYTES_MAX) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob("*/.new-*"):  # a write that a crash cut short
            leftover.unlink()
        self._total = sum(path.stat().st_size for path in self._paths())

    @property
    def total_bytes(self) -> int:
        """Size of all ciphertexts kept."""
        return self._total

    def put(self, sealed: bytes) -> bytes:
        """Keep a ciphertext; returns its hash. The file and its directory entry are synced before this returns.

        Errors: LimitExceeded for one that is too large or a store that is full.
        """
        if len(sealed) > SEALED_BYTES_MAX:
            raise LimitExceeded(
                f"sealed document of {len(sealed)} bytes, the limit is {SEALED_BYTES_MAX}",
                field="sealed",
                limit=SEALED_BYTES_MAX,
                value=len(sealed),
            )
        digest = hashlib.sha256(sealed).digest()
        path = self._path(digest)
        with self._lock:
            if path.exists():
                return digest
            if self._total + len(sealed) > self._bytes_max:
                raise LimitExceeded(
                    f"the document store is full ({self._bytes_max} bytes)", field="documents", limit=self._bytes_max
                )
            self._write(path, sealed)
            self._total += len(sealed)
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """The ciphertext, or None where it is not kept. DataError where the file does not hash to its name."""
        try:
            sealed = self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(sealed).digest() != digest:
            raise DataError(f"the stored document 0x{digest.hex()} is corrupt", field="documents")
        return sealed

    def has(self, digest: bytes) -> bool:
        """Whether it is kept."""
        return self._path(digest).exists()

    def drop(self, digest: bytes) -> None:
        """Forget a ciphertext; nothing happens where it is not kept."""
        path = self._path(digest)
        with self._lock:
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return
            self._total -= size

    def hashes(self) -> list[bytes]:
        """Of all that is kept, ascending."""
        return sorted(bytes.fromhex(path.name) for path in self._paths())

    def _write(self, path: Path, sealed: bytes) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary = path.parent / f".new-{secrets.token_hex(8)}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        for directory in (path.parent, self._directory):
            entry = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(entry)
            finally:
                os.close(entry)

    def _path(self, digest: bytes) -> Path:
        if len(digest) != 32:
            raise DataError("a document's hash has 32 bytes", field="ciphertext_hash")
        name = digest.hex()
        return self._directory / name[:2] / name

    def _paths(self) -> Iterator[Path]:
        return (path for path in self._directory.glob("??/*") if len(path.name) == 64)
