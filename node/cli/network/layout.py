"""Where everything of a network on one machine lies: one folder for each bank, the authority's key in its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.errors import ConfigError, DataError

NETWORK_FILE = "network.json"
LAYOUT_VERSION = 1


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """One node: its folder, its doors and the key by which the chain knows it."""

    name: str
    path: Path
    role: str
    host: str
    p2p_port: int
    rpc_port: int
    web_port: int
    metrics_port: int
    validator_address: str | None
    business_address: str
    member: str
    bic: str

    @property
    def config_file(self) -> Path:
        return self.path / "node.toml"

    @property
    def pid_file(self) -> Path:
        return self.path / "node.pid"

    @property
    def log_file(self) -> Path:
        return self.path / "logs" / "node.log"

    @property
    def rpc_url(self) -> str:
        return f"http://{self.host}:{self.rpc_port}"

    @property
    def web_url(self) -> str:
        return f"http://{self.host}:{self.web_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.host}:{self.metrics_port}/metrics"

    def description(self, pid: int | None) -> dict[str, Any]:
        """The node as ``praya network up --json`` prints it (design.md section 9)."""
        return {
            "name": self.name,
            "pid": pid,
            "rpc_url": self.rpc_url,
            "ws_url": f"ws://{self.host}:{self.rpc_port}",
            "rest_url": f"{self.web_url}/api/v1",
            "console_url": f"{self.web_url}/",
            "metrics_url": self.metrics_url,
            "validator_address": self.validator_address,
            "log_path": str(self.log_file),
        }


@dataclass(frozen=True, slots=True)
class Network:
    """A consortium on this machine, as its ``network.json`` describes it."""

    path: Path
    chain_id: int
    genesis_hash: str
    strict_time: bool
    test_clock: int | None
    """Block time at which a test-clock network begins (unix seconds); None: the machine's clock rules."""
    nodes: tuple[NodeFolder, ...]

    @property
    def banks(self) -> tuple[NodeFolder, ...]:
        return tuple(node for node in self.nodes if node.role == "validator")

    @property
    def observers(self) -> tuple[NodeFolder, ...]:
        return tuple(node for node in self.nodes if node.role == "observer")

    @property
    def accounts_file(self) -> Path:
        return self.path / "accounts.json"

    @property
    def logins_file(self) -> Path:
        return self.path / "logins.json"

    def node(self, name: str) -> NodeFolder:
        """The node of that short name; ConfigError lists the names there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f"no bank or observer is called {name!r}: there are {known}", field="bank")


def save_network(network: Network) -> None:
    """Write ``network.json``, replacing an earlier one whole."""
    document = {
        "version": LAYOUT_VERSION,
        "chain_id": network.chain_id,
        "genesis_hash": network.genesis_hash,
        "strict_time": network.strict_time,
        "test_clock": network.test_clock,
        "nodes": [
            {
                "name": node.name,
                "folder": str(node.path.relative_to(network.path)),
                "role": node.role,
                "host": node.host,
                "p2p_port": node.p2p_port,
                "rpc_port": node.rpc_port,
                "web_port": node.web_port,
                "metrics_port": node.metrics_port,
                "validator_address": node.validator_address,
                "business_address": node.business_address,
                "member": node.member,
                "bic": node.bic,
            }
            for node in network.nodes
        ],
    }
    temporary = network.path / (NETWORK_FILE + ".new")
    temporary.write_text(json.dumps(document, indent=2) + "\n")
    temporary.replace(network.path / NETWORK_FILE)


def load_network(directory: Path) -> Network:
    """Read a network's folder. ConfigError where there is none, DataError where its file is malformed."""
    directory = directory.resolve()
    file = directory / NETWORK_FILE
    if not file.exists():
        raise ConfigError(f"{directory} holds no network: run `praya network up --dir {directory}`", field="dir")
    try:
        document = json.loads(file.read_text())
        if document["version"] != LAYOUT_VERSION:
            raise DataError(f"{file}: version {document['version']} is not {LAYOUT_VERSION}", field="version")
        nodes = tuple(
            NodeFolder(path=directory / entry.pop("folder"), **entry) for entry in map(dict, document["nodes"])
        )
        return Network(
            path=directory,
            chain_id=document["chain_id"],
            genesis_hash=document["genesis_hash"],
            strict_time=document["strict_time"],
            test_clock=document["test_clock"],
            nodes=nodes,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is malformed: {error}", field="network.json") from error
