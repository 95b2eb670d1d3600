"""Who asks: a session's token, from a header (programs) or a cookie (the console), and a brake on guessing."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from aiohttp import web

from node.errors import LimitExceeded, PrayaError
from node.trade.users import User, Users

COOKIE = "praya_session"
FAILURES_MAX = 10
"""Wrong passwords for one name, or from one address, within the window; then neither is asked any more."""
FAILURE_WINDOW_S = 300.0
NAMES_REMEMBERED_MAX = 4_096


class NotSignedIn(PrayaError):
    """No session, or one that is over. The doors answer 401."""

    exit_code = 77


class LoginBrake:
    """Counts failed logins by key in a sliding window; bounded, the least recently failed is forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, *keys: str) -> None:
        """LimitExceeded where one of the keys has failed too often lately."""
        now = time.monotonic()
        for key in keys:
            failures = self._failures.get(key)
            while failures and failures[0] < now - FAILURE_WINDOW_S:
                failures.popleft()
            if failures and len(failures) >= FAILURES_MAX:
                raise LimitExceeded(
                    f"too many failed sign-ins: wait {FAILURE_WINDOW_S:.0f} s", field="login", limit=FAILURES_MAX
                )

    def failed(self, *keys: str) -> None:
        """One more failure for each key."""
        for key in keys:
            self._failures.setdefault(key, deque(maxlen=FAILURES_MAX)).append(time.monotonic())
            self._failures.move_to_end(key)
        while len(self._failures) > NAMES_REMEMBERED_MAX:
            self._failures.popitem(last=False)


def bearer_token(request: web.Request) -> str | None:
    """The token of an ``Authorization: Bearer`` header."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def signed_in(users: Users, token: str | None) -> User:
    """The user whose session this is. NotSignedIn otherwise."""
    user = users.session_user(token) if token else None
    if user is None:
        raise NotSignedIn("sign in first", field="session")
    return user
