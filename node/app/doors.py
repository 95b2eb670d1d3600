"""The node's doors on their ports: JSON-RPC, REST and console, metrics and health. All on loopback by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.validators import quorum_size
from node.execution.transition import ExecutedBlock
from node.web.health import Check, health_application
from node.web.server import HttpServer

if TYPE_CHECKING:
    from node.app.node import Node

PROGRESS_AGE_S = 60.0
"""Work that waits longer than this without a block: the node is alive and not progressing."""


class Doors:
    """Opens and closes every listener of a node but the peers'."""

    def __init__(self, node: Node) -> None:
        self._node = node
        listen = node.config.listen
        health = health_application(node.metrics, self._checks)
        self._servers = [HttpServer(health, listen.host, listen.metrics_port)]

    async def start(self) -> None:
        """Open every port. UnavailableError names the one that is taken."""
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Answer what is under way, then close."""
        for server in reversed(self._servers):
            await server.stop()

    def block_committed(self, executed: ExecutedBlock) -> None:
        """A block became final."""

    def _checks(self) -> list[Check]:
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
