"""The bank's own SQLite file: users, sessions, drafts, approvals, openings of sealed terms, and the read model."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node.errors import ConfigError, DataError

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0

_SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE users (
    name TEXT PRIMARY KEY, password_hash TEXT NOT NULL, roles TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1, created_at INTEGER NOT NULL
);
CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name),
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
CREATE TABLE drafts (
    id TEXT PRIMARY KEY, act TEXT NOT NULL, subject TEXT NOT NULL, params TEXT NOT NULL, calls TEXT NOT NULL,
    notes TEXT NOT NULL, maker TEXT NOT NULL, created_at INTEGER NOT NULL, revision INTEGER NOT NULL,
    hash BLOB NOT NULL, state TEXT NOT NULL, reason TEXT
);
CREATE INDEX drafts_by_state ON drafts (state, created_at);
CREATE TABLE approvals (
    record_hash BLOB PRIMARY KEY, draft_id TEXT NOT NULL REFERENCES drafts(id), draft_hash BLOB NOT NULL,
    user TEXT NOT NULL, role TEXT NOT NULL, at INTEGER NOT NULL, nonce BLOB NOT NULL
);
CREATE UNIQUE INDEX one_checker ON approvals (draft_id, draft_hash, role);
CREATE TABLE sendings (
    draft_id TEXT NOT NULL REFERENCES drafts(id), call_index INTEGER NOT NULL, raw BLOB NOT NULL,
    tx_hash BLOB NOT NULL, sent_at INTEGER NOT NULL, block_number INTEGER, status INTEGER, gas_used INTEGER,
    reason TEXT, created BLOB, PRIMARY KEY (draft_id, call_index, tx_hash)
);
CREATE TABLE openings (
    anchor BLOB PRIMARY KEY, commitment BLOB NOT NULL, ciphertext_hash BLOB NOT NULL, depositor BLOB NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, subject TEXT NOT NULL,
    opened_at INTEGER NOT NULL
);
CREATE INDEX openings_by_subject ON openings (subject);
CREATE TABLE relationships (kind TEXT NOT NULL, party TEXT NOT NULL, id BLOB NOT NULL, PRIMARY KEY (kind, party));
CREATE TABLE applications (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, created_by TEXT NOT NULL, created_at INTEGER NOT NULL, draft_id TEXT
);
CREATE TABLE objects (
    kind TEXT NOT NULL, id BLOB NOT NULL, created_block INTEGER NOT NULL, updated_block INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (kind, id)
);
CREATE TABLE timeline (
    block_number INTEGER NOT NULL, log_index INTEGER NOT NULL, timestamp INTEGER NOT NULL, tx_hash BLOB NOT NULL,
    kind TEXT NOT NULL, id BLOB NOT NULL, name TEXT NOT NULL, args TEXT NOT NULL, PRIMARY KEY (block_number, log_index)
);
CREATE INDEX timeline_by_object ON timeline (id, block_number, log_index);
"""


class Database:
    """One connection behind one lock; every write is a transaction that is synced before it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open or create. ConfigError where the file cannot be used; DataError where it is no database of ours."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)
            connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except OSError as error:
            raise ConfigError(f"cannot open {path}: {error.strerror}", field="database") from None
        except sqlite3.DatabaseError as error:
            raise DataError(f"{path} is no database of this program: {error}", field="database") from None
        database = cls(connection)
        if version == 0:
            with database.transaction():
                for statement in _SCHEMA.split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            connection.close()
            raise DataError(f"{path} has schema {version}, this program knows {SCHEMA_VERSION}", field="database")
        return database

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside are written together or not at all; nested uses join the outer one."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; returns the number of rows it changed."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def one(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row, or None."""
        with self._lock:
            row: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
            return row

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Every row."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def setting(self, key: str) -> bytes | None:
        """A stored setting."""
        row = self.one("SELECT value FROM settings WHERE key = ?", (key,))
        return None if row is None else bytes(row["value"])

    def put_setting(self, key: str, value: bytes) -> None:
        """Store a setting, over an older one."""
        self.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
