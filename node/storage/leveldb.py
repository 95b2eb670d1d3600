"""LevelDB through plyvel: the only home of that library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import plyvel

from node.errors import ConfigError, DataError, UnavailableError
from node.storage.store import Operation

WRITE_BUFFER_BYTES = 16 * 1024 * 1024
"""Size at which LevelDB turns its in-memory table into a file: a few hundred blocks."""
BLOCK_CACHE_BYTES = 64 * 1024 * 1024
BLOOM_BITS_PER_KEY = 10
"""About 1 % false positives for keys that are absent (new accounts, unknown transaction hashes)."""


class LevelDB:
    """One open database directory. LevelDB locks it, so one process holds it at a time."""

    def __init__(self, database: plyvel.DB, path: Path) -> None:
        self._db = database
        self.path = path

    @classmethod
    def open(cls, path: Path) -> LevelDB:
        """Open or create the database at ``path`` with ``paranoid_checks`` (P-18).

        Raises ConfigError where another process holds it (named by its id) or the folder cannot be used,
        DataError where its content is corrupt.
        """
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            database = plyvel.DB(
                str(path),
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=BLOCK_CACHE_BYTES,
                bloom_filter_bits=BLOOM_BITS_PER_KEY,
            )
        except plyvel.CorruptionError as error:
            raise DataError(f"the database at {path} is corrupt: {error}", field="path") from error
        except (plyvel.Error, OSError) as error:
            raise _refusal(path, error) from error
        return cls(database, path)

    def get(self, key: bytes) -> bytes | None:
        """The value at ``key``, or None; DataError where the block that holds it is corrupt."""
        try:
            value: bytes | None = self._db.get(key)
        except (plyvel.Error, RuntimeError) as error:
            raise self._failure(error) from error
        return value

    def iterate(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs under ``prefix`` in ascending order, from a snapshot taken at the first step."""
        try:
            with self._db.iterator(prefix=prefix) as pairs:
                yield from pairs
        except (plyvel.Error, RuntimeError) as error:
            raise self._failure(error) from error

    def floor(self, prefix: bytes, key: bytes) -> tuple[bytes, bytes] | None:
        """The pair with the greatest key at or below ``key`` among those under ``prefix``."""
        try:
            with self._db.iterator(start=prefix, stop=key, include_stop=True, reverse=True) as pairs:
                pair = next(pairs, None)
        except (plyvel.Error, RuntimeError) as error:
            raise self._failure(error) from error
        return pair if pair is not None and pair[0].startswith(prefix) else None

    def write(self, operations: Sequence[Operation], *, sync: bool) -> None:
        """One atomic batch; with ``sync`` it is on disk when the call returns."""
        try:
            with self._db.write_batch(transaction=True, sync=sync) as batch:
                for key, value in operations:
                    if value is None:
                        batch.delete(key)
                    else:
                        batch.put(key, value)
        except (plyvel.Error, RuntimeError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Release the directory; calling it twice is harmless."""
        self._db.close()

    def _failure(self, error: Exception) -> DataError | UnavailableError:
        if isinstance(error, plyvel.CorruptionError):
            return DataError(f"the database at {self.path} is corrupt: {error}", field="path")
        return UnavailableError(f"the database at {self.path} cannot be used: {error}", field="path")


def _refusal(path: Path, error: Exception) -> ConfigError | DataError:
    """Why the directory could not be opened, as an error that says what to do."""
    text = str(error)
    if "lock" in text.lower():
        holder = _lock_holder(path / "LOCK")
        by = f"process {holder}" if holder is not None else "another process"
        return ConfigError(f"the database at {path} is in use by {by}", field="path", holder=holder)
    if "corruption" in text.lower() or "missing files" in text.lower():
        return DataError(f"the database at {path} is corrupt: {text}", field="path")
    return ConfigError(f"the database at {path} cannot be opened: {text}", field="path")


def _lock_holder(lock_file: Path) -> int | None:
    """The process that holds the POSIX lock on ``lock_file``, from the kernel's table of locks.

    Asking with fcntl would need the file opened here, and closing it would drop a lock that this process holds.
    """
    try:
        inode = lock_file.stat().st_ino
        rows = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for row in rows:
        words = row.split()
        if len(words) >= 6 and words[1] == "POSIX" and words[5].rpartition(":")[2] == str(inode):
            return int(words[4])
    return os.getpid() if _held_here(lock_file) else None


def _held_here(lock_file: Path) -> bool:
    """Whether this process has the lock file open."""
    try:
        return any(
            os.path.realpath(f"/proc/self/fd/{number}") == str(lock_file.resolve())
            for number in os.listdir("/proc/self/fd")
        )
    except OSError:
        return False
