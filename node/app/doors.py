"""The node's doors on their ports: JSON-RPC, REST and console, metrics and health. All on loopback by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from node.api import add_api
from node.api.routes import BODY_BYTES_MAX as API_BODY_BYTES_MAX
from node.app.status import StatusOfNode
from node.console import add_console
from node.rpc import RpcContext, RpcServer
from node.web.health import health_application
from node.web.server import HttpServer, new_application
from node.web.sessions import LoginBrake

if TYPE_CHECKING:
    from node.app.node import Node


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
        health = HttpServer(health_application(node.metrics, self._status.report), listen.host, listen.metrics_port)
        web = new_application(listen.allowed_hosts, body_bytes_max=API_BODY_BYTES_MAX)
        brake = LoginBrake()  # one for both doors: guesses are not to be split between them
        add_api(web, node.desk, node.governance, brake)
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

    def block_committed(self) -> None:
        """A block became final."""
        self._status.block_committed()
