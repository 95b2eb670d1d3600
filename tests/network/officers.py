"""Officers of a real consortium at work through the REST door: a maker drafts, a checker approves, the act is final."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from node.client.rest import RestClient
from tests.network.consortium import Consortium


@dataclass
class Officers:
    """Sign-ins at every bank, made when first needed."""

    consortium: Consortium
    rest_urls: dict[str, str]
    _clients: dict[tuple[str, str], RestClient] = field(default_factory=dict)

    def client(self, bank: str, user: str) -> RestClient:
        """A signed-in client."""
        if (bank, user) not in self._clients:
            url = self.rest_urls[bank]
            logins = json.loads((self.consortium.directory / "logins.json").read_text())["logins"]
            password = next(each["password"] for each in logins if (each["bank"], each["user"]) == (bank, user))
            token = RestClient(url).post("/session", {"user": user, "password": password})["token"]
            self._clients[bank, user] = RestClient(url, token)
        return self._clients[bank, user]

    def act(self, bank: str, act: str, /, **params: Any) -> dict[str, Any]:
        """Draft, approve, final; the draft's outcome."""
        draft = self.client(bank, "maker").post("/drafts", {"act": act, "params": params})
        return self.approve(bank, draft)

    def approve(self, bank: str, draft: dict[str, Any]) -> dict[str, Any]:
        """The checker's approval of a draft, to final."""
        path = f"/drafts/{draft['id']}/approval"
        outcome = self.client(bank, "checker").post(path, {"hash": draft["hash"], "wait": True})
        assert outcome["state"] == "final", outcome
        return dict(outcome)

    def open_proposals(self, bank: str) -> list[dict[str, Any]]:
        """What can be voted on."""
        return list(self.client(bank, "viewer").get("/consortium/proposals"))

    def carry(self, banks: list[str], act: str, /, **params: Any) -> dict[str, Any]:
        """The first bank proposes, the others vote until it executes; the proposal as executed."""
        self.act(banks[0], act, **params)
        (proposal,) = self.open_proposals(banks[0])
        return self.vote(banks[1:], proposal["id"])

    def vote(self, banks: list[str], proposal: str) -> dict[str, Any]:
        """These banks vote, one after the other; the proposal as it stands then."""
        for bank in banks:
            self.act(bank, "consortium.vote", proposal=proposal)
        return dict(self.client(banks[-1], "viewer").get(f"/consortium/proposals/{proposal}"))
