"""One bank's officers in the demo: a maker who drafts and a checker who approves, through the bank's REST door."""

from __future__ import annotations

import json
import time
from typing import Any

from node.cli.network import processes
from node.cli.network.layout import Network, NodeFolder
from node.client.rest import RestClient
from node.errors import DataError, UnavailableError

CATCH_UP_S = 30.0
POLL_S = 0.02


class Desk:
    """A bank with its maker and checker, signed in when they are first needed."""

    def __init__(self, network: Network, node: NodeFolder) -> None:
        self.node = node
        self.title = node.member.removesuffix(" (fictitious)")
        self._network = network
        self._clients: dict[str, RestClient] = {}

    def password(self, user: str) -> str:
        """An officer's random password, from the network's ``logins.json``."""
        for entry in json.loads(self._network.logins_file.read_text())["logins"]:
            if (entry["bank"], entry["user"]) == (self.node.name, user):
                return str(entry["password"])
        raise DataError(f"{self.node.name} has no officer {user!r}", field="user")

    def officer(self, user: str) -> RestClient:
        """``maker``, ``checker`` or ``viewer``, signed in."""
        if user not in self._clients:
            url = f"{self.node.web_url}/api/v1"
            answer = RestClient(url).post("/session", {"user": user, "password": self.password(user)})
            self._clients[user] = RestClient(url, answer["token"])
        return self._clients[user]

    def draft(self, act: str, **params: Any) -> dict[str, Any]:
        """The maker drafts. Raises the PrayaError of the bank's refusal."""
        answer: dict[str, Any] = self.officer("maker").post("/drafts", {"act": act, "params": params})
        return answer

    def approve(self, draft: dict[str, Any]) -> dict[str, Any]:
        """The checker approves what the maker was shown; returns when every call of it is final."""
        path = f"/drafts/{draft['id']}/approval"
        outcome: dict[str, Any] = self.officer("checker").post(path, {"hash": draft["hash"], "wait": True})
        if outcome["state"] != "final":
            raise DataError(f"{draft['act']} is {outcome['state']}: {outcome['reason']}", field="draft")
        return outcome

    def await_height(self, height: int) -> None:
        """Return when this bank's own head is at ``height``: what another bank has just seen final is known here."""
        deadline = time.monotonic() + CATCH_UP_S
        while (found := processes.block_number(self.node)) is None or found < height:
            if processes.running(self.node) is None:
                raise UnavailableError(
                    f"{self.node.name} has stopped:\n{processes.log_tail(self.node)}", field=self.node.name
                )
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{self.node.name} is at height {found}, not {height}, after {CATCH_UP_S:.0f} s",
                    field=self.node.name,
                )
            time.sleep(POLL_S)
