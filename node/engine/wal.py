"""The write-ahead log of the replica's votes (P-17): nothing leaves this node before its record is on disk.

One directory, append-only segments ``wal-<number>``, normally one of them. A segment begins with records that
restate every obligation (P-17); when a new one is synced, the old one goes. There is no rename and no second file.

    log = WriteAheadLog(str(path))
    groups = log.open()            # [(lsn, records), ...]; raises WalCorrupt: then this node must not vote
    log.append(lsn, records)       # buffered
    log.sync()                     # one write and one fdatasync for everything appended; returns the synced lsn

:meth:`WriteAheadLog.append` may run while another thread is in :meth:`WriteAheadLog.sync`; everything else has one
caller at a time. After an OSError the log refuses all work: what an fdatasync failed to write may be lost although
a second fdatasync succeeds, so only a restart, which reads the disk again, can tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from consensus import wal_records
from consensus.errors import MalformedMessage
from consensus.wal_records import WalRecord
from node.engine.files import DirectoryLock, FileSystem, LogFile, OsFileSystem
from node.engine.wal_segment import (
    SEGMENT_HEADER_BYTES,
    Scan,
    encode_group,
    encode_segment_header,
    scan_segment,
)
from node.errors import DataError, UnavailableError

SEGMENT_BYTES_TARGET = 16 * 1024 * 1024
"""The host starts a new segment at the next commit once the current one is longer."""

_SEGMENT_NAME = re.compile(r"wal-(\d{12})\Z")


class WalCorrupt(DataError):
    """The log is damaged where it had been synced: votes may be missing, so this node must not vote (P-18)."""


class WalFailed(UnavailableError):
    """The disk refused a write or sync; the log takes no more, and the node must stop."""


@dataclass(frozen=True, slots=True)
class WalStatus:
    """The log, for doors and operators. Not usable: this node does not vote (P-18)."""

    usable: bool
    last_lsn: int
    synced_lsn: int
    segment_bytes: int


class WriteAheadLog:
    """The log in ``directory``; ``files`` is the machine's file system unless a simulator brings its own."""

    def __init__(self, directory: str, files: FileSystem | None = None) -> None:
        self._directory = directory
        self._files: FileSystem = files or OsFileSystem()
        self._guard = Lock()
        self._lock: DirectoryLock | None = None
        self._file: LogFile | None = None
        self._failed = False
        self._number = 0
        self._end = 0
        self._buffer: list[bytes] = []
        self._last_lsn = 0
        self._synced_lsn = 0

    @property
    def last_lsn(self) -> int:
        """Sequence number of the last group appended; 0 where there is none."""
        return self._last_lsn

    @property
    def last_synced_lsn(self) -> int:
        """Everything up to this sequence number is on disk. The ledger's batch stores it (P-17)."""
        return self._synced_lsn

    @property
    def segment_bytes(self) -> int:
        """Length of the current segment, what is still buffered included."""
        return self._end

    def status(self) -> WalStatus:
        """Where the log stands; one that has failed takes no more votes."""
        usable = not self._failed and self._file is not None
        return WalStatus(usable, self._last_lsn, self._synced_lsn, self._end)

    def open(self) -> list[tuple[int, tuple[WalRecord, ...]]]:
        """Lock the directory, read the log, cut off a torn tail, and sync what was read (a killed process may have
        left it in the page cache alone). Returns the groups in order.

        Raises ConfigError where another process holds the directory, WalCorrupt where synced bytes are damaged.
        """
        self._files.make_directory(self._directory)
        self._lock = self._files.lock(self._directory)
        try:
            return self._read()
        except BaseException:
            self.close()
            raise

    def append(self, lsn: int, records: Iterable[WalRecord]) -> None:
        """Add ``records`` as one group; it is durable when a :meth:`sync` that began after this call returns.

        Raises ValueError where ``lsn`` is not above the last one or there is no record.
        """
        payloads = tuple(wal_records.encode(record) for record in records)
        self._check_usable()
        with self._guard:
            if lsn <= self._last_lsn:
                raise ValueError(f"sequence number {lsn} is not above {self._last_lsn}")
            frames = encode_group(self._number, self._end, lsn, payloads, begins_batch=not self._buffer)
            self._buffer.append(frames)
            self._end += len(frames)
            self._last_lsn = lsn

    def sync(self) -> int:
        """Write and sync everything appended, with one fdatasync; returns :attr:`last_synced_lsn`."""
        file = self._check_usable()
        with self._guard:
            buffer, self._buffer = self._buffer, []
            lsn = self._last_lsn
        if buffer:
            try:
                file.write(b"".join(buffer))
                file.sync()
            except OSError as error:
                raise self._fail(error) from error
            self._synced_lsn = lsn
        return self._synced_lsn

    def start_segment(self, lsn: int, records: Iterable[WalRecord]) -> None:
        """Begin a new segment whose first group restates all obligations as of ``lsn``, and delete the old (P-17).

        ``lsn`` is the last one appended, or a later one. The order is the point: the new file is synced, then the
        directory, and only then does the old file go.
        """
        payloads = tuple(wal_records.encode(record) for record in records)
        if lsn < self._last_lsn:
            raise ValueError(f"sequence number {lsn} is below {self._last_lsn}")
        self.sync()
        old_file, old_number, number = self._file, self._number, self._number + 1
        header = encode_segment_header(number)
        frames = encode_group(number, len(header), lsn, payloads, begins_batch=True)
        try:
            file = self._files.create(self._path(number))
            file.write(header + frames)
            file.sync()
            self._files.sync_directory(self._directory)
            if old_file is not None:
                old_file.close()
            self._files.remove(self._path(old_number))
        except OSError as error:
            raise self._fail(error) from error
        self._file, self._number = file, number
        self._end = len(header) + len(frames)
        self._last_lsn = self._synced_lsn = lsn

    def close(self) -> None:
        """Give file and lock back. What was appended and not synced is dropped: nobody was told that it is safe."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- opening ---------------------------------------------------------------------------------------

    def _read(self) -> list[tuple[int, tuple[WalRecord, ...]]]:
        numbers = self._segment_numbers()
        if not numbers:
            self._create_first()
            return []
        while True:
            number = numbers[-1]
            data = self._files.read(self._path(number))
            scan = scan_segment(data, number)
            if scan.corrupt is not None:
                raise WalCorrupt(f"{self._directory}: {scan.corrupt}", field="wal", path=self._path(number))
            if scan.groups or (number == 1 and scan.end):
                break
            # Nothing that stood in this segment was ever relied on: it had not been synced once.
            numbers.pop()
            if not numbers and number != 1:
                raise WalCorrupt(
                    f"{self._directory}: segment {number} has lost its first records, and no older one is there",
                    field="wal",
                    path=self._path(number),
                )
            self._files.remove(self._path(number))
            if not numbers:
                self._create_first()
                return []
        self._adopt(number, scan, len(data))
        for older in numbers[:-1]:
            self._files.remove(self._path(older))
        return [(group.lsn, self._decode(group.lsn, group.payloads)) for group in scan.groups]

    def _segment_numbers(self) -> list[int]:
        matches = (_SEGMENT_NAME.match(name) for name in self._files.list(self._directory))
        return sorted(int(match.group(1)) for match in matches if match)

    def _create_first(self) -> None:
        header = encode_segment_header(1)
        self._file = self._files.create(self._path(1))
        self._file.write(header)
        self._file.sync()
        self._files.sync_directory(self._directory)
        self._number, self._end = 1, SEGMENT_HEADER_BYTES

    def _adopt(self, number: int, scan: Scan, size: int) -> None:
        file = self._files.open(self._path(number))
        self._file = file
        if scan.end < size:
            file.truncate(scan.end)
        file.sync()
        self._files.sync_directory(self._directory)
        self._number, self._end = number, scan.end
        self._last_lsn = self._synced_lsn = scan.groups[-1].lsn if scan.groups else 0

    def _decode(self, lsn: int, payloads: tuple[bytes, ...]) -> tuple[WalRecord, ...]:
        try:
            return tuple(wal_records.decode(payload) for payload in payloads)
        except MalformedMessage as error:
            # The checksum holds: another version wrote it. To vote without it would be to vote without memory.
            raise WalCorrupt(
                f"{self._directory}: unreadable record at sequence number {lsn}: {error}", field="wal"
            ) from error

    # --- helpers ---------------------------------------------------------------------------------------

    def _path(self, number: int) -> str:
        return f"{self._directory}/wal-{number:012d}"

    def _check_usable(self) -> LogFile:
        if self._failed or self._file is None:
            raise WalFailed(
                f"{self._directory}: the log {'has failed' if self._failed else 'is not open'}", field="wal"
            )
        return self._file

    def _fail(self, error: OSError) -> WalFailed:
        self._failed = True
        return WalFailed(f"{self._directory}: {error.strerror or error}", field="wal")
