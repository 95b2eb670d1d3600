"""The key-value store on a real LevelDB."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from node.errors import ConfigError, DataError, UnavailableError
from node.storage import LevelDB, keyspace


def test_batch_is_seen_whole_and_survives_reopening(tmp_path: Path) -> None:
    """A synced batch is there after close and open; iteration keeps to its prefix."""
    store = LevelDB.open(tmp_path / "chain")
    store.write([(b"k2", b"b"), (b"k1", b"a"), (b"x", b"z")], sync=True)
    store.write([(b"x", None), (b"k3", b"c")], sync=True)
    store.close()
    store = LevelDB.open(tmp_path / "chain")
    assert list(store.iterate(b"k")) == [(b"k1", b"a"), (b"k2", b"b"), (b"k3", b"c")]
    assert store.get(b"x") is None
    store.close()


def test_floor_finds_the_last_key_at_or_below(tmp_path: Path) -> None:
    """``floor`` answers the entry in force at a height, and never one of another prefix."""
    store = LevelDB.open(tmp_path)
    store.write([(keyspace.validators_from(h), str(h).encode()) for h in (1, 64, 128)], sync=False)
    store.write([(b"U", b"below"), (b"W", b"above")], sync=False)

    def at(height: int) -> bytes | None:
        pair = store.floor(keyspace.VALIDATORS, keyspace.validators_from(height))
        return pair[1] if pair else None

    assert [at(h) for h in (0, 1, 63, 64, 127, 5000)] == [None, b"1", b"1", b"64", b"64", b"128"]
    store.close()


def test_second_process_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    """A directory that another process holds raises ConfigError with that process's id."""
    store = LevelDB.open(tmp_path)
    script = (
        "import sys, pathlib\nfrom node.storage import LevelDB\nfrom node.errors import ConfigError\n"
        "try:\n    LevelDB.open(pathlib.Path(sys.argv[1]))\n"
        "except ConfigError as error:\n    print(error.details['holder'], error.message)\n"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.startswith(f"{os.getpid()} "), result.stdout + result.stderr
    with pytest.raises(ConfigError, match=f"process {os.getpid()}"):
        LevelDB.open(tmp_path)
    store.close()


def test_corrupt_database_is_a_data_error(tmp_path: Path) -> None:
    """Damage to the manifest or to a table is found, not read past (P-18: paranoid checks)."""
    store = LevelDB.open(tmp_path)
    store.write([(b"k%d" % i, os.urandom(200)) for i in range(100)], sync=True)
    store.close()
    manifest = next(tmp_path.glob("MANIFEST-*"))
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    manifest.write_bytes(bytes(data))
    with pytest.raises(DataError, match="corrupt"):
        LevelDB.open(tmp_path)


def test_closed_store_says_so(tmp_path: Path) -> None:
    """After ``close`` every call raises UnavailableError and names the path."""
    store = LevelDB.open(tmp_path)
    store.close()
    store.close()
    with pytest.raises(UnavailableError, match=str(tmp_path)):
        store.get(b"k")
    with pytest.raises(UnavailableError):
        store.write([(b"k", b"v")], sync=True)
    with pytest.raises(UnavailableError):
        list(store.iterate(b""))


def test_no_two_kinds_of_key_share_a_prefix() -> None:
    """Every kind of key has its own first byte."""
    prefixes = [
        value
        for name, value in vars(keyspace).items()
        if name.isupper() and isinstance(value, bytes) and len(value) == 1 and name != "FORMAT_VERSION"
    ]
    assert len(prefixes) == len(set(prefixes)) == 13
