"""The write-ahead log on real files, and on a disk that loses what was not synced (P-17, P-18)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from consensus.wal_records import Committed, WalRecord
from node.engine.files import OsFileSystem
from node.engine.wal import WalCorrupt, WalFailed, WriteAheadLog
from node.engine.wal_segment import SEGMENT_HEADER_BYTES
from node.errors import ConfigError, PrayaError
from tests.simulation.disk import SimulatedDisk

Groups = list[tuple[int, tuple[WalRecord, ...]]]


def group(lsn: int) -> tuple[WalRecord, ...]:
    return tuple(Committed(lsn * 10 + i) for i in range(1 + lsn % 3))


def write(log: WriteAheadLog, first: int, last: int) -> None:
    for lsn in range(first, last + 1):
        log.append(lsn, group(lsn))
        log.sync()


def read(path: Path) -> Groups:
    log = WriteAheadLog(str(path))
    try:
        return log.open()
    finally:
        log.close()


def expected(last: int) -> Groups:
    return [(lsn, group(lsn)) for lsn in range(1, last + 1)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "wal"


def test_what_was_synced_comes_back(directory: Path) -> None:
    """A new log is empty; after a restart its groups are there, in order, and it goes on after the last."""
    log = WriteAheadLog(str(directory))
    assert log.open() == []
    write(log, 1, 4)
    assert log.last_synced_lsn == 4
    log.close()
    log = WriteAheadLog(str(directory))
    assert log.open() == expected(4)
    assert log.last_synced_lsn == log.last_lsn == 4
    write(log, 5, 6)
    log.close()
    assert read(directory) == expected(6)


def test_one_sync_covers_everything_appended(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups appended between two syncs cost one write and one fdatasync."""
    calls: list[str] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("fdatasync"), real(fd))[1])
    log = WriteAheadLog(str(directory))
    log.open()
    calls.clear()
    for lsn in (1, 2, 3):
        log.append(lsn, group(lsn))
    assert log.last_synced_lsn == 0
    assert log.sync() == 3
    assert log.sync() == 3
    assert calls == ["fdatasync"]
    log.close()


def test_what_was_not_synced_is_not_written_at_close(directory: Path) -> None:
    """Appended and never synced: nobody was told that it is safe, so it is dropped."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 1)
    log.append(2, group(2))
    log.close()
    assert read(directory) == expected(1)


def test_cut_at_every_byte_of_the_file(directory: Path) -> None:
    """A file cut anywhere opens with the whole groups before the cut, and takes new ones after them."""
    log = WriteAheadLog(str(directory))
    log.open()
    ends = [log.segment_bytes]
    for lsn in range(1, 5):
        write(log, lsn, lsn)
        ends.append(log.segment_bytes)
    log.close()
    path = directory / "wal-000000000001"
    data = path.read_bytes()
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends[1:])
        log = WriteAheadLog(str(directory))
        assert log.open() == expected(whole)
        write(log, whole + 1, whole + 1)
        log.close()
        assert read(directory) == expected(whole + 1)


def test_a_flipped_bit_at_every_byte_refuses(directory: Path) -> None:
    """Rot anywhere, in the last record too, is WalCorrupt: the votes it may hide were perhaps sent."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 4)
    log.close()
    path = directory / "wal-000000000001"
    data = path.read_bytes()
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(WalCorrupt) as caught:
            read(directory)
        assert isinstance(caught.value, PrayaError)
        assert path.read_bytes() == damaged, "refusing must not touch the evidence"


def test_new_segment_replaces_the_old(directory: Path) -> None:
    """After start_segment the new file alone is left, begins with the given records, and the log goes on (P-17)."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 3)
    log.start_segment(3, (Committed(77),))
    assert os.listdir(directory).count("wal-000000000002") == 1
    assert sorted(os.listdir(directory)) == ["LOCK", "wal-000000000002"]
    write(log, 4, 4)
    log.start_segment(9, (Committed(78),))
    log.close()
    assert read(directory) == [(9, (Committed(78),))]


@pytest.mark.parametrize("damage", ["torn", "empty", "header"])
def test_an_unfinished_new_segment_gives_way_to_the_old(directory: Path, damage: str) -> None:
    """A crash before the new segment was synced leaves the old one in force."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 3)
    old = (directory / "wal-000000000001").read_bytes()
    log.start_segment(3, (Committed(77),))
    log.close()
    new = directory / "wal-000000000002"
    size = {"torn": len(new.read_bytes()) - 1, "empty": 0, "header": SEGMENT_HEADER_BYTES}[damage]
    new.write_bytes(new.read_bytes()[:size])
    (directory / "wal-000000000001").write_bytes(old)
    assert read(directory) == expected(3)
    assert read(directory) == expected(3)


def test_a_finished_new_segment_wins_over_an_old_one_left_behind(directory: Path) -> None:
    """A crash after the new segment was synced and before the old one was deleted: the new one counts."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 3)
    old = (directory / "wal-000000000001").read_bytes()
    log.start_segment(3, (Committed(77),))
    log.close()
    (directory / "wal-000000000001").write_bytes(old)
    assert read(directory) == [(3, (Committed(77),))]
    assert sorted(os.listdir(directory)) == ["LOCK", "wal-000000000002"]


def test_a_later_segment_without_its_records_refuses(directory: Path) -> None:
    """Segment 2 exists only after segment 1 was restated in it; empty and alone it has lost promises."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 3)
    log.start_segment(3, (Committed(77),))
    log.close()
    (directory / "wal-000000000002").write_bytes(b"")
    with pytest.raises(WalCorrupt, match="lost its first records"):
        read(directory)


def test_two_processes_cannot_share_a_log(directory: Path) -> None:
    """A second process is refused with the directory's name, and let in once the first has gone (H23)."""
    log = WriteAheadLog(str(directory))
    log.open()
    program = (
        "import sys\nfrom node.engine.wal import WriteAheadLog\nfrom node.errors import ConfigError\n"
        "try:\n    WriteAheadLog(sys.argv[1]).open()\nexcept ConfigError as error:\n"
        "    print(error)\n    sys.exit(78)\n"
    )
    command = [sys.executable, "-c", program, str(directory)]
    root = Path(__file__).resolve().parents[2]
    refused = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert refused.returncode == 78, refused.stderr
    assert str(directory) in refused.stdout
    with pytest.raises(ConfigError):
        WriteAheadLog(str(directory)).open()
    log.close()
    assert subprocess.run(command, cwd=root, check=False).returncode == 0


def test_a_full_disk_stops_the_log_for_good(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed write the log takes nothing more, even when the disk has room again; a restart reads the truth."""

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 2)
    log.append(3, group(3))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(WalFailed, match="No space left"):
            log.sync()
    assert log.last_synced_lsn == 2
    with pytest.raises(WalFailed):
        log.append(4, group(4))
    with pytest.raises(WalFailed):
        log.sync()
    log.close()
    assert read(directory) == expected(2)


def test_sequence_numbers_must_rise(directory: Path) -> None:
    """A repeated or lower sequence number is a programming error, refused before anything is written."""
    log = WriteAheadLog(str(directory))
    log.open()
    write(log, 1, 2)
    with pytest.raises(ValueError, match="not above 2"):
        log.append(2, group(2))
    with pytest.raises(ValueError, match="below 2"):
        log.start_segment(1, group(1))
    log.close()


def test_order_of_syncs_when_a_segment_starts(directory: Path) -> None:
    """File, then directory, then the old file goes: nothing else survives a power cut at every point (P-17, H20)."""
    steps: list[str] = []

    class Recorder(OsFileSystem):
        def create(self, path: str):  # type: ignore[no-untyped-def]
            steps.append("create")
            file = super().create(path)
            real = file.sync
            file.sync = lambda: (steps.append("sync file"), real())[1]  # type: ignore[method-assign]
            return file

        def remove(self, path: str) -> None:
            steps.append("remove")
            super().remove(path)

        def sync_directory(self, path: str) -> None:
            steps.append("sync directory")
            super().sync_directory(path)

    log = WriteAheadLog(str(directory), Recorder())
    log.open()
    write(log, 1, 1)
    steps.clear()
    log.start_segment(1, (Committed(1),))
    log.close()
    assert steps == ["create", "sync file", "sync directory", "remove"]


class PowerCut(Exception):
    """Raised inside the log by a disk that counts its operations."""


class CountingDisk(SimulatedDisk):
    """Cuts the power at the n-th operation that changes something."""

    def __init__(self, rng: Random, cut_at: int) -> None:
        super().__init__(rng)
        self.left = cut_at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise PowerCut

    def create(self, path: str):  # type: ignore[no-untyped-def]
        self.step()
        file = super().create(path)
        for name in ("write", "sync", "truncate"):
            setattr(file, name, self._counted(getattr(file, name)))
        return file

    def open(self, path: str):  # type: ignore[no-untyped-def]
        file = super().open(path)
        for name in ("write", "sync", "truncate"):
            setattr(file, name, self._counted(getattr(file, name)))
        return file

    def remove(self, path: str) -> None:
        self.step()
        super().remove(path)

    def sync_directory(self, path: str) -> None:
        self.step()
        super().sync_directory(path)

    def _counted(self, method):  # type: ignore[no-untyped-def]
        def call(*arguments):  # type: ignore[no-untyped-def]
            self.step()
            return method(*arguments)

        return call


def test_power_cut_at_every_operation_loses_nothing_synced() -> None:
    """At every file operation, and whatever the disk then keeps of unsynced bytes, the log reopens with everything
    that sync had confirmed and nothing that was never appended."""
    cuts = 0
    for seed in range(12):
        for cut_at in range(1, 70):
            rng = Random(seed * 1000 + cut_at)
            disk = CountingDisk(rng, cut_at)
            log = WriteAheadLog("/wal", disk)
            floor, appended, confirmed = 0, 0, 0
            try:
                log.open()
                for lsn in range(1, 20):
                    log.append(lsn, group(lsn) + (Committed(0),) * rng.randint(0, 40))
                    appended = lsn
                    if rng.random() < 0.7:
                        confirmed = log.sync()
                    if lsn % 6 == 0:
                        log.start_segment(lsn, (Committed(lsn),))
                        floor = confirmed = lsn
            except PowerCut:
                cuts += 1
                before = log.last_synced_lsn
                assert before in (confirmed, appended)
            disk.left = -1
            disk.power_cut()
            groups = WriteAheadLog("/wal", disk).open()
            lsns = [lsn for lsn, _ in groups]
            last = lsns[-1] if lsns else 0
            assert confirmed <= last <= appended
            if lsns:
                assert lsns == list(range(lsns[0], last + 1))
                assert lsns[0] in (1, floor) or lsns[0] % 6 == 0
    assert cuts > 500
