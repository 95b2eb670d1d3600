"""Who asks: a session's token, from a header (programs) or a cookie (the console), and a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict, deque
from urllib.parse import urlsplit

from aiohttp import web

from node.desk.users import User, Users
from node.errors import PrayaError
from node.web.problems import TooManyAttempts

COOKIE = "praya_session"
FAILURES_MAX = 10
"""Wrong passwords for one name, or from one address, within the window; then neither is asked any more."""
FAILURE_WINDOW_S = 300.0
NAMES_REMEMBERED_MAX = 4_096


class NotSignedIn(PrayaError):
    """No session, or one that is over. The doors answer 401."""

    exit_code = 77


class LoginBrake:
    """Counts failed logins by key in a sliding window; bounded, the least recently failed is forgotten first.

    An attempt counts from its beginning and is taken back when it succeeds: many at once are no way around.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def begin(self, *keys: str) -> float:
        """An attempt under each of the keys: ``check``, then ``failed``. It says what ``succeeded`` takes back."""
        self.check(*keys)
        return self.failed(*keys)

    def check(self, *keys: str) -> None:
        """TooManyAttempts where one of the keys has failed too often lately."""
        now = time.monotonic()
        for key in keys:
            failures = self._failures.get(key)
            while failures and failures[0] < now - FAILURE_WINDOW_S:
                failures.popleft()
            if failures and len(failures) >= FAILURES_MAX:
                wait_s = int(failures[0] + FAILURE_WINDOW_S - now) + 1
                raise TooManyAttempts(
                    f"too many failed sign-ins: wait {wait_s} s", field="login", limit=FAILURES_MAX, wait_s=wait_s
                )

    def failed(self, *keys: str) -> float:
        """One more failure for each key."""
        now = time.monotonic()
        for key in keys:
            self._failures.setdefault(key, deque(maxlen=FAILURES_MAX)).append(now)
            self._failures.move_to_end(key)
        while len(self._failures) > NAMES_REMEMBERED_MAX:
            self._failures.popitem(last=False)
        return now

    def succeeded(self, attempt: float, *keys: str) -> None:
        """The attempt was no failure."""
        for key in keys:
            failures = self._failures.get(key)
            if failures and attempt in failures:
                failures.remove(attempt)


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


def cookie_name(member_id: str) -> str:
    """The session cookie of one bank's console. Browsers part cookies by host and not by port, so several banks on one
    machine need names of their own."""
    return f"{COOKIE}_{member_id.removeprefix('0x')[:8]}"


def set_session_cookie(response: web.StreamResponse, name: str, token: str, *, secure: bool) -> None:
    """Out of reach of scripts, and sent with requests of this site's own pages alone. ``secure`` where the door is
    reached by HTTPS. It ends with the browser, and on the server after SESSION_SECONDS."""
    response.set_cookie(name, token, httponly=True, samesite="Strict", secure=secure, path="/")


def clear_session_cookie(response: web.StreamResponse, name: str) -> None:
    """Forget the cookie (the session itself is closed on the server)."""
    response.del_cookie(name, path="/", httponly=True, samesite="Strict")


def csrf_token(secret: str) -> str:
    """The token that unsafe forms of one session carry: derived from the cookie's secret, which it does not reveal."""
    return hmac.new(secret.encode("utf-8", "replace"), b"praya/csrf/v1", hashlib.sha256).hexdigest()


def csrf_holds(secret: str | None, given: str | None) -> bool:
    """Whether a form's token belongs to the cookie's session."""
    if not secret or not given:
        return False
    return hmac.compare_digest(csrf_token(secret).encode(), given.encode("utf-8", "replace"))


def from_own_page(request: web.Request) -> bool:
    """Whether an unsafe request comes from a page of this very origin, port included, as far as the browser says."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("Host", "").lower()
