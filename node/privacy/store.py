"""Ciphertexts on disk by their hash: written whole or not at all, bounded by depositor, checked at every read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from collections import Counter
from pathlib import Path

from node.errors import DataError, LimitExceeded
from node.privacy.envelope import SEALED_BYTES_MAX, read_header

STORE_BYTES_MAX = 8 * 1024 * 1024 * 1024
"""Default bound on all ciphertexts that one bank keeps."""
DEPOSITOR_BYTES_MAX = 2 * 1024 * 1024 * 1024
"""Default bound for one depositor: no bank can fill another's disk and so stop its custody for the rest."""
_OWNER_HEX = 16


class CiphertextStore:
    """``documents/`` of a bank's data directory: one folder for each depositor, one file for each ciphertext.

    Thread-safe; one process owns the directory.
    """

    def __init__(
        self, directory: Path, *, bytes_max: int = STORE_BYTES_MAX, depositor_bytes_max: int = DEPOSITOR_BYTES_MAX
    ) -> None:
        self._directory = directory
        self._bytes_max = bytes_max
        self._depositor_bytes_max = depositor_bytes_max
        self._lock = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob("*/.new-*"):  # a write that a crash cut short
            leftover.unlink()
        self._files = {bytes.fromhex(path.name): path for path in directory.glob("*/*") if len(path.name) == 64}
        self._used: Counter[str] = Counter()
        for path in self._files.values():
            self._used[path.parent.name] += path.stat().st_size

    @property
    def total_bytes(self) -> int:
        """Size of all ciphertexts kept."""
        return self._used.total()

    def put(self, sealed: bytes) -> bytes:
        """Keep a sealed document; returns its hash. The file and its directory entry are synced before this returns.

        Errors: DataError for what is no sealed document; LimitExceeded for one that is too large, for a depositor who
        has used up its share, or for a full store.
        """
        owner = read_header(sealed).depositor.hex()[:_OWNER_HEX]
        digest = hashlib.sha256(sealed).digest()
        with self._lock:
            if digest in self._files:
                with contextlib.suppress(DataError):
                    if self.get(digest) is not None:
                        return digest
                self._lose(digest)  # damaged or gone: written anew
            self._refuse_beyond(self._bytes_max, self.total_bytes + len(sealed), "the document store is full")
            self._refuse_beyond(
                self._depositor_bytes_max, self._used[owner] + len(sealed), "the depositor has used up its share"
            )
            path = self._directory / owner / digest.hex()
            self._write(path, sealed)
            self._files[digest] = path
            self._used[owner] += len(sealed)
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """The ciphertext, or None where it is not kept. DataError where the file does not hash to its name."""
        path = self._files.get(digest)
        if path is None:
            return None
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        if len(sealed) > SEALED_BYTES_MAX or hashlib.sha256(sealed).digest() != digest:
            raise DataError(f"the stored document 0x{digest.hex()} is corrupt", field="documents")
        return sealed

    def has(self, digest: bytes) -> bool:
        """Whether it is kept."""
        return digest in self._files

    def drop(self, digest: bytes) -> None:
        """Forget a ciphertext; nothing happens where it is not kept."""
        with self._lock:
            self._lose(digest)

    def hashes(self) -> list[bytes]:
        """Of all that is kept, ascending."""
        return sorted(self._files)

    def _lose(self, digest: bytes) -> None:
        path = self._files.pop(digest, None)
        if path is None or not path.exists():
            return
        self._used[path.parent.name] -= path.stat().st_size
        path.unlink()

    def _refuse_beyond(self, limit: int, wanted: int, what: str) -> None:
        if wanted > limit:
            raise LimitExceeded(f"{what} ({limit} bytes)", field="documents", limit=limit, value=wanted)

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
