"""The node's doors on their ports: JSON-RPC, REST and console, metrics and health. All on loopback by default."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from consensus.validators import quorum_size
from node.api import add_api
from node.api.routes import BODY_BYTES_MAX as API_BODY_BYTES_MAX
from node.console import add_console
from node.execution.transition import ExecutedBlock
from node.rpc import RpcContext, RpcServer, SyncProgress
from node.types import to_hex
from node.web.health import Check, health_application
from node.web.server import HttpServer, new_application
from node.web.sessions import LoginBrake

if TYPE_CHECKING:
    from node.app.node import Node

PROGRESS_AGE_S = 60.0
"""Work that waits longer than this without a block: the node is alive and not progressing."""


class Listener(Protocol):
    """Anything with a port of its own."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Doors:
    """Opens and closes every listener of a node but the peers'."""

    def __init__(self, node: Node) -> None:
        self._node = node
        listen = node.config.listen
        self._status = StatusOfNode(node)
        rpc = RpcServer(
            RpcContext(node.ledger, node.pool, self._status),
            host=listen.host,
            port=listen.rpc_port,
            allowed_hosts=listen.allowed_hosts,
            metrics=node.metrics,
        )
        health = HttpServer(health_application(node.metrics, self._status.checks), listen.host, listen.metrics_port)
        web = new_application(listen.allowed_hosts, body_bytes_max=API_BODY_BYTES_MAX)
        brake = LoginBrake()  # one for both doors: guesses are not to be split between them
        add_api(web, node.desk, brake)
        environment, bank = node.config.node.environment, node.config.node.member
        add_console(web, node.desk, environment=environment, bank=bank, brake=brake)
        self._listeners: list[Listener] = [health, rpc, HttpServer(web, listen.host, listen.web_port)]

    async def start(self) -> None:
        """Open every port. ConfigError names the one that is taken."""
        for listener in self._listeners:
            await listener.start()

    async def stop(self) -> None:
        """Answer what is under way, then close."""
        for listener in reversed(self._listeners):
            await listener.stop()

    def block_committed(self, executed: ExecutedBlock) -> None:
        """A block became final."""
        self._status.last_block_at = time.monotonic()


class StatusOfNode:
    """What the node says of itself, in one place for every door."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.last_block_at = time.monotonic()

    def client_version(self) -> str:
        """As web3_clientVersion shows it."""
        return f"praya/{version('praya')}/{platform.system().lower()}/python{platform.python_version()}"

    def peer_count(self) -> int:
        """Connected peers."""
        return len(self._node.network.connected())

    def syncing(self) -> SyncProgress | None:
        """Progress while the node is behind."""
        sync = self._node.syncer.status()
        if not sync.syncing or sync.target <= sync.height:
            return None
        return SyncProgress(sync.height - sync.imported, sync.height, sync.target)

    def pbft_status(self) -> Mapping[str, Any]:
        """The replica's view of agreement, who is reachable, and how old the last block is."""
        node = self._node
        validators = node.ledger.next_validators
        connected = node.network.connected()
        me = node.keys.transport.address
        common: dict[str, Any] = {
            "role": node.config.node.role,
            "height": hex(node.ledger.head.number),
            "validators": [to_hex(address) for address in validators],
            "reachable": [to_hex(a) for a in validators if a == me or a in connected],
            "quorum": quorum_size(len(validators)),
            "secondsSinceBlock": round(time.monotonic() - self.last_block_at, 1),
            "pendingTransactions": len(node.pool),
        }
        if node.engine is None:
            return common
        status = node.engine.status()
        return common | {
            "epoch": status.epoch,
            "view": status.view,
            "promise": status.promise,
            "primary": to_hex(status.primary),
            "mayVote": status.may_vote,
            "refuseToVote": status.refuse_to_vote or None,
            "failedViews": status.failed_views,
            "complaining": status.complaining,
        }

    def checks(self) -> list[Check]:
        """What ``/readyz`` asks: in step with the others, a quorum in reach, and work moving."""
        node = self._node
        sync = node.syncer.status()
        checks = [Check("sync", not sync.syncing, f"height {sync.height}")]
        if node.engine is not None:
            validators = set(node.ledger.next_validators)
            reachable = 1 + sum(address in validators for address in node.network.connected())
            quorum = quorum_size(len(validators))
            checks.append(Check("quorum", reachable >= quorum, f"{reachable} of {len(validators)}, {quorum} needed"))
            oldest = node.pool.oldest_us
            age_s = 0.0 if oldest is None else (node.clock.monotonic_us() - oldest) / 1_000_000
            checks.append(Check("progress", age_s < PROGRESS_AGE_S, f"oldest work waits {age_s:.1f} s"))
        return checks
