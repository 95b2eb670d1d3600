"""Officers: passwords (argon2id), roles, sessions. Times are the machine's (P-19: a test clock moves none of them)."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from node.desk.database import Database
from node.errors import DataError, LimitExceeded, PermissionDenied

ROLES = frozenset({"maker", "checker", "viewer", "operator"})
"""maker drafts; checker approves what another drafted; viewer reads; operator manages users."""
PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 200
SESSION_SECONDS = 12 * 3600
SESSIONS_PER_USER_MAX = 20
USERS_MAX = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class User:
    """A person at the bank."""

    name: str
    roles: frozenset[str]
    active: bool = True

    def require(self, role: str) -> None:
        """PermissionDenied where the user lacks the role."""
        if not self.active or role not in self.roles:
            raise PermissionDenied(f"{self.name} is no {role}", field="role")


class Users:
    """Users and sessions in the bank's database."""

    def __init__(
        self,
        database: Database,
        *,
        hasher: PasswordHasher | None = None,
        now_s: Callable[[], int] = lambda: int(time.time()),
    ) -> None:
        self._database = database
        self._hasher = hasher or PasswordHasher()
        self._now_s = now_s

    @cached_property
    def _nobodys_hash(self) -> str:
        """Stands for the hash of a name that nobody has; made at the first login, since making it takes as long as one
        and a node that starts has other things to do."""
        return self._hasher.hash(secrets.token_hex(16))

    def add(self, name: str, password: str, roles: Iterable[str]) -> User:
        """A new user. DataError for a taken or malformed name, a short password, an unknown role."""
        wanted = frozenset(roles)
        if not _NAME.match(name):
            raise DataError("a user's name has 1 to 64 of a-z 0-9 . _ @ -", field="name")
        if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
            raise DataError(
                f"a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters", field="password"
            )
        if not wanted or wanted - ROLES:
            raise DataError(f"roles are some of {', '.join(sorted(ROLES))}", field="roles")
        count = self._database.one("SELECT count(*) AS n FROM users")
        if count is not None and count["n"] >= USERS_MAX:
            raise LimitExceeded(f"at most {USERS_MAX} users", field="users", limit=USERS_MAX)
        try:
            self._database.execute(
                "INSERT INTO users (name, password_hash, roles, created_at) VALUES (?, ?, ?, ?)",
                (name, self._hasher.hash(password), " ".join(sorted(wanted)), self._now_s()),
            )
        except sqlite3.IntegrityError:
            raise DataError(f"user {name} exists", field="name") from None
        return User(name, wanted)

    def get(self, name: str) -> User | None:
        """A user by name."""
        row = self._database.one("SELECT * FROM users WHERE name = ?", (name,))
        return None if row is None else _user(row)

    def all(self) -> list[User]:
        """Every user by name."""
        return [_user(row) for row in self._database.all("SELECT * FROM users ORDER BY name")]

    def deactivate(self, name: str) -> None:
        """Lock a user out and end all sessions."""
        with self._database.transaction():
            self._database.execute("UPDATE users SET active = 0 WHERE name = ?", (name,))
            self._database.execute("DELETE FROM sessions WHERE user = ?", (name,))

    def authenticate(self, name: str, password: str) -> User:
        """The user whose password this is; PermissionDenied that does not tell which of the two was wrong.

        Slow on purpose (argon2id): call it off the event loop.
        """
        row = self._database.one("SELECT * FROM users WHERE name = ?", (name,))
        nobodys = self._nobodys_hash  # made in either case: the first login is as slow for a known name
        stored = nobodys if row is None else row["password_hash"]
        try:
            self._hasher.verify(stored, password[:PASSWORD_CHARACTERS_MAX])
        except VerificationError:
            row = None
        if row is None or not row["active"]:
            raise PermissionDenied("name or password is wrong", field="login")
        return _user(row)

    def open_session(self, user: User) -> str:
        """A session's token: shown once, stored as a hash. The oldest session ends where there are too many."""
        token, now = secrets.token_urlsafe(32), self._now_s()
        with self._database.transaction():
            self._database.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
            self._database.execute(
                "DELETE FROM sessions WHERE user = ? AND token_hash NOT IN (SELECT token_hash FROM sessions"
                " WHERE user = ? ORDER BY created_at DESC, rowid DESC LIMIT ?)",
                (user.name, user.name, SESSIONS_PER_USER_MAX - 1),
            )
            self._database.execute(
                "INSERT INTO sessions (token_hash, user, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (_token_hash(token), user.name, now, now + SESSION_SECONDS),
            )
        return token

    def session_user(self, token: str) -> User | None:
        """Who holds this token; None where it is unknown or over."""
        row = self._database.one(
            "SELECT users.* FROM sessions JOIN users ON users.name = sessions.user"
            " WHERE token_hash = ? AND expires_at > ? AND active = 1",
            (_token_hash(token), self._now_s()),
        )
        return None if row is None else _user(row)

    def close_session(self, token: str) -> None:
        """Sign out."""
        self._database.execute("DELETE FROM sessions WHERE token_hash = ?", (_token_hash(token),))


def _user(row: sqlite3.Row) -> User:
    return User(row["name"], frozenset(row["roles"].split()), bool(row["active"]))


def _token_hash(token: str) -> bytes:
    return hashlib.sha256(b"praya/session/v1" + token.encode("utf-8", "replace")).digest()
