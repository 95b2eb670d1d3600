"""A bank's REST door as a program reaches it: plain HTTP, so that a test may send what no well-behaved client would."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.network.consortium import Consortium

TIMEOUT_S = 60


@dataclass(frozen=True)
class Answer:
    """Status, headers and body; ``json`` reads the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def field(self, name: str) -> Any:
        """A member of the problem document."""
        return self.json.get(name)


@dataclass
class Door:
    """One bank's REST door, as one officer or as nobody."""

    url: str
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request. ``body`` goes as JSON, ``raw`` as it is."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
        sent = {"Content-Type": "application/json", **self.headers}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        content = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        try:
            connection.request(method, parts.path + path, content, {**sent, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.ask("POST", path, {} if body is None else body)

    def draft(self, act: str, **params: Any) -> Answer:
        """Draft an act."""
        return self.post("/drafts", {"act": act, "params": params})

    def approve(self, draft: dict[str, Any], **changed: Any) -> Answer:
        """Approve a draft as it was shown."""
        return self.post(f"/drafts/{draft['id']}/approval", {"hash": draft["hash"], **changed})


@dataclass
class Officers:
    """The people of a network on this machine."""

    banks: Consortium
    _doors: dict[tuple[str, str], Door] = field(default_factory=dict)

    def logins(self) -> list[dict[str, Any]]:
        return list(json.loads((Path(self.banks.directory) / "logins.json").read_text())["logins"])

    def password(self, bank: str, user: str) -> str:
        return next(str(row["password"]) for row in self.logins() if (row["bank"], row["user"]) == (bank, user))

    def nobody(self, bank: str) -> Door:
        """Somebody without a session."""
        return Door(self.banks.node(bank)["rest_url"])

    def at(self, bank: str, user: str) -> Door:
        """An officer, signed in once."""
        if (bank, user) not in self._doors:
            self._doors[bank, user] = self.signed_in(bank, user)
        return self._doors[bank, user]

    def signed_in(self, bank: str, user: str) -> Door:
        """A session of its own."""
        door = self.nobody(bank)
        answer = door.post("/session", {"user": user, "password": self.password(bank, user)})
        assert answer.status == 201, answer.body
        return Door(door.url, answer.json["token"])

    def do(self, bank: str, act: str, **params: Any) -> dict[str, Any]:
        """Drafted by the maker, approved by the checker, final."""
        drafted = self.at(bank, "maker").draft(act, **params)
        assert drafted.status == 201, drafted.body
        done = self.at(bank, "checker").approve(drafted.json)
        assert done.status == 200, done.body
        assert done.json["state"] == "final", done.json
        return dict(done.json)
