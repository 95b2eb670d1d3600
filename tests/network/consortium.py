"""A real consortium for tests: processes made and driven by the ``praya`` command, as an operator would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from web3 import HTTPProvider, Web3

COMMAND = (sys.executable, "-m", "node")
COMMAND_TIMEOUT_S = 120
BATCH = 50
"""Requests in one JSON-RPC batch."""


def praya(*arguments: str, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the ``praya`` command; its output as text."""
    result = subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        env={**os.environ, **(env or {})},
    )
    assert not check or result.returncode == 0, f"praya {' '.join(arguments)}\n{result.stdout}\n{result.stderr}"
    return result


def wait_until(condition: Callable[[], Any], *, timeout_s: float = 30.0, what: str = "the condition") -> Any:
    """Poll until ``condition`` gives something true; its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout_s} s"
        time.sleep(0.05)


@dataclass
class Consortium:
    """A running network and its developer accounts."""

    directory: Path
    description: dict[str, Any]

    @classmethod
    def up(cls, directory: Path, *options: str) -> Consortium:
        """``praya network up`` with these options."""
        result = praya("network", "up", "--dir", str(directory), "--json", *options)
        return cls(directory, json.loads(result.stdout))

    def down(self) -> None:
        praya("network", "down", "--dir", str(self.directory))

    def stop(self, bank: str, *, kill: bool = False) -> None:
        praya("network", "stop", bank, "--dir", str(self.directory), *(["--kill"] if kill else []))

    def start(self, bank: str) -> None:
        praya("network", "start", bank, "--dir", str(self.directory))

    @property
    def names(self) -> list[str]:
        return [bank["name"] for bank in self.description["banks"]]

    def node(self, name: str) -> dict[str, Any]:
        rows = (*self.description["banks"], *self.description["observers"])
        return next(row for row in rows if row["name"] == name)

    def web3(self, name: str) -> Web3:
        """A client of one node's JSON-RPC."""
        return Web3(HTTPProvider(self.node(name)["rpc_url"], request_kwargs={"timeout": 10}))

    def accounts(self) -> list[dict[str, str]]:
        document = json.loads(Path(self.description["accounts_file"]).read_text())
        return list(document["accounts"])

    def height(self, name: str) -> int:
        return int(self.web3(name).eth.block_number)

    def head_hash(self, name: str, height: int) -> str:
        block = self.web3(name).eth.get_block(height)
        return bytes(block["hash"]).hex()

    def transfer(self, name: str, *, account: int = 0, nonce: int | None = None, value: int = 1) -> bytes:
        """Send a plain transfer through one bank's JSON-RPC; its hash."""
        client = self.web3(name)
        sender = client.eth.account.from_key(self.accounts()[account]["private_key"])
        transaction = {
            "chainId": self.description["chain_id"],
            "nonce": client.eth.get_transaction_count(sender.address, "pending") if nonce is None else nonce,
            "to": "0x" + "11" * 20,
            "value": value,
            "gas": 21_000,
            "gasPrice": 0,
        }
        signed = sender.sign_transaction(transaction)
        return bytes(client.eth.send_raw_transaction(signed.raw_transaction))

    def signed_transfers(self, account: int, nonces: Sequence[int]) -> list[str]:
        """Raw plain transfers of one developer account, as eth_sendRawTransaction takes them."""
        key = self.accounts()[account]["private_key"]
        fields = {"chainId": self.description["chain_id"], "to": "0x" + "11" * 20, "value": 1}
        fields |= {"gas": 21_000, "gasPrice": 0}
        return [Account.sign_transaction({**fields, "nonce": n}, key).raw_transaction.to_0x_hex() for n in nonces]

    def batch(self, name: str, method: str, parameters: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """One JSON-RPC batch; the answers in the order of the requests."""
        if not parameters:
            return []
        rows = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(p)} for i, p in enumerate(parameters)]
        request = urllib.request.Request(
            self.node(name)["rpc_url"], json.dumps(rows).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return sorted(json.loads(response.read()), key=lambda row: row["id"])

    def call(self, name: str, method: str, *parameters: Any) -> Any:
        """The result of one JSON-RPC call; AssertionError where it is an error."""
        (answer,) = self.batch(name, method, [parameters])
        assert "error" not in answer, answer
        return answer["result"]

    def status(self, name: str) -> dict[str, Any]:
        """``pbft_status`` of one bank."""
        return dict(self.call(name, "pbft_status"))

    def history(self, name: str, height: int) -> list[str]:
        """Hashes of the blocks 0 .. height."""
        found: list[str] = []
        for start in range(0, height + 1, BATCH):
            rows = [(hex(h), False) for h in range(start, min(start + BATCH, height + 1))]
            found += [answer["result"]["hash"] for answer in self.batch(name, "eth_getBlockByNumber", rows)]
        return found

    def receipt(self, name: str, transaction_hash: bytes, *, timeout_s: float = 30.0) -> Any:
        """Wait for a receipt at one node."""
        return self.web3(name).eth.wait_for_transaction_receipt(transaction_hash, timeout=timeout_s, poll_latency=0.02)
