"""A simulated disk behind ``node.engine.files.FileSystem``: what was not synced may be lost, torn or kept.

A file keeps its synced content and its current one; a directory keeps its synced entries and its current ones.
:meth:`SimulatedDisk.power_cut` draws what survives: of every write since the last sync a prefix that may end
anywhere, with sectors inside it that never arrived (zeros); of every directory change since its last sync, all or
nothing. :meth:`SimulatedDisk.kill` is the death of the process alone: the page cache survives, only locks go.
"""

from __future__ import annotations

from random import Random

from node.engine.wal_segment import SECTOR_BYTES
from node.errors import ConfigError


class PowerCut(BaseException):
    """The power went while a sync was under way: no code of the dying process goes on, and none may handle this."""


class Inode:
    """One file's bytes, whatever its name."""

    __slots__ = ("current", "synced")

    def __init__(self, data: bytes = b"") -> None:
        self.current = bytearray(data)
        self.synced = data


class SimulatedFile:
    """A descriptor; dead once its process is."""

    def __init__(self, disk: SimulatedDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._generation = disk.generation

    def write(self, data: bytes) -> None:
        self._alive()
        if self._disk.full:
            self._inode.current += data[: len(data) // 2]
            raise OSError(28, "No space left on device")
        self._inode.current += data

    def sync(self) -> None:
        self._alive()
        if self._disk.full:
            raise OSError(28, "No space left on device")
        self._disk.syncs += 1
        if self._disk.cut_in is not None:
            self._disk.cut_in -= 1
            if self._disk.cut_in < 0:
                self._disk.cut_in = None
                raise PowerCut
        self._inode.synced = bytes(self._inode.current)

    def truncate(self, size: int) -> None:
        self._alive()
        del self._inode.current[size:]

    def close(self) -> None:
        return

    def _alive(self) -> None:
        assert self._generation == self._disk.generation, "a dead process used its descriptor"


class SimulatedLock:
    def __init__(self, disk: SimulatedDisk, path: str) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        self._disk.locks.discard(self._path)


class SimulatedDisk:
    """One machine's disk. ``rng`` decides what a power cut takes."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._entries: dict[str, Inode] = {}
        self._synced_entries: dict[str, Inode] = {}
        self.locks: set[str] = set()
        self.generation = 0
        self.syncs = 0
        self.full = False
        self.cut_in: int | None = None
        """Syncs that still succeed before the power goes inside one; None where that is not planned."""
        self.torn_tails = 0
        self._image: tuple[int, dict[str, bytes]] | None = None

    # --- FileSystem -------------------------------------------------------------------------------------

    def make_directory(self, path: str) -> None:
        return

    def list(self, path: str) -> list[str]:
        prefix = path + "/"
        return sorted(name[len(prefix) :] for name in self._entries if name.startswith(prefix))

    def read(self, path: str) -> bytes:
        return bytes(self._entries[path].current)

    def create(self, path: str) -> SimulatedFile:
        if path in self._entries:
            raise FileExistsError(17, "File exists", path)
        inode = self._entries[path] = Inode()
        return SimulatedFile(self, inode)

    def open(self, path: str) -> SimulatedFile:
        return SimulatedFile(self, self._entries[path])

    def remove(self, path: str) -> None:
        del self._entries[path]

    def sync_directory(self, path: str) -> None:
        prefix = path + "/"
        for name in [name for name in self._synced_entries if name.startswith(prefix)]:
            del self._synced_entries[name]
        for name, inode in self._entries.items():
            if name.startswith(prefix):
                self._synced_entries[name] = inode

    def lock(self, path: str) -> SimulatedLock:
        if path in self.locks:
            raise ConfigError("in use by another process", field="wal directory")
        self.locks.add(path)
        return SimulatedLock(self, path)

    # --- faults -----------------------------------------------------------------------------------------

    def kill(self) -> None:
        """The process dies; the operating system, and so everything written, lives on."""
        self.generation += 1
        self.cut_in = None
        self.locks.clear()

    def power_cut(self) -> None:
        """The machine dies: only what was synced is certain."""
        self.kill()
        if self._rng.random() < 0.5:
            self._entries = dict(self._synced_entries)
        else:
            self._synced_entries = dict(self._entries)
        for name in sorted(self._entries):
            inode = self._entries[name]
            if bytes(inode.current) != inode.synced:
                survivor = self._survivor(inode)
                self.torn_tails += survivor != inode.synced
                inode.current, inode.synced = bytearray(survivor), survivor

    def flip_bit(self, path: str) -> None:
        """One bit rots somewhere in a file, in the cache and on the platter."""
        inode = self._entries[path]
        position = self._rng.randrange(len(inode.current))
        inode.current[position] ^= 1 << self._rng.randrange(8)
        inode.synced = bytes(inode.current)

    def keep_image(self, lsn: int) -> None:
        """Take a backup of all files as of ``lsn``, unless there is one."""
        if self._image is None:
            self._image = (lsn, {name: bytes(inode.current) for name, inode in self._entries.items()})

    def roll_back(self, ledger_lsn: int) -> bool:
        """Restore the backup, if it is older than what the ledger has seen synced: then P-18 must notice."""
        if self._image is None or self._image[0] >= ledger_lsn:
            return False
        self._entries = {name: Inode(data) for name, data in self._image[1].items()}
        self._synced_entries = dict(self._entries)
        return True

    def _survivor(self, inode: Inode) -> bytes:
        written, synced = bytes(inode.current), inode.synced
        if not written.startswith(synced):
            # Cut (a torn tail taken off) and not synced yet: either length may be found.
            return written if self._rng.random() < 0.5 else synced
        kept = bytearray(written[: self._rng.randint(len(synced), len(written))])
        if self._rng.random() < 0.3:
            start = len(synced)
            while start < len(kept):
                stop = min(len(kept), (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
                if self._rng.random() < 0.5:
                    kept[start:stop] = bytes(stop - start)
                start = stop
        return bytes(kept)
