"""The few file operations that the write-ahead log needs, as a protocol, and their real form on ``os``.

The simulator puts a disk of its own behind the same protocol, so what it tests is the log that the node runs.
"""

from __future__ import annotations

import fcntl
import os
from typing import Protocol

from node.errors import ConfigError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class LogFile(Protocol):
    """A file open for appending. Every method may raise OSError."""

    def write(self, data: bytes) -> None:
        """Append all of ``data``; it may be lost until :meth:`sync` returns."""

    def sync(self) -> None:
        """Return when everything written is on disk, the file's length included (fdatasync)."""

    def truncate(self, size: int) -> None:
        """Cut the file to ``size`` bytes and append from there."""

    def close(self) -> None:
        """Give the descriptor back; nothing is synced by it."""


class DirectoryLock(Protocol):
    """An exclusive claim on a directory, which ends with the process."""

    def release(self) -> None:
        """End the claim."""


class FileSystem(Protocol):
    """What the log asks of a file system. A path is a string; names are the last part of one."""

    def make_directory(self, path: str) -> None:
        """Create the directory, durably, unless it exists."""

    def list(self, path: str) -> list[str]:
        """The names in a directory, ascending."""

    def read(self, path: str) -> bytes:
        """A file's whole content."""

    def create(self, path: str) -> LogFile:
        """A new, empty file; FileExistsError where there is one."""

    def open(self, path: str) -> LogFile:
        """An existing file, to append to."""

    def remove(self, path: str) -> None:
        """Unlink a file."""

    def sync_directory(self, path: str) -> None:
        """Return when the directory's entries are on disk."""

    def lock(self, path: str) -> DirectoryLock:
        """Claim the directory for this process; ConfigError where another holds it."""


class OsLogFile:
    """A real file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def close(self) -> None:
        os.close(self._descriptor)


class OsDirectoryLock:
    """``flock`` on a file named LOCK; the kernel releases it when the process dies, however it dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class OsFileSystem:
    """The machine's file system."""

    def make_directory(self, path: str) -> None:
        if os.path.isdir(path):
            return
        os.makedirs(path, mode=DIRECTORY_MODE)
        self.sync_directory(os.path.dirname(os.path.abspath(path)))

    def list(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def create(self, path: str) -> LogFile:
        return OsLogFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))

    def open(self, path: str) -> LogFile:
        return OsLogFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def remove(self, path: str) -> None:
        os.unlink(path)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str) -> DirectoryLock:
        name = os.path.join(path, "LOCK")
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigError(
                f"{path} is in use by another process: two nodes must never share one validator's log",
                field="wal directory",
                path=path,
            ) from error
        return OsDirectoryLock(descriptor)
