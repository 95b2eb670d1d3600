"""The officers' console: pages rendered by the server, which need neither scripts nor anything from elsewhere."""

from __future__ import annotations

from aiohttp import web

from node.console.door import Console
from node.trade.service import TradeService

__all__ = ["add_console"]


def add_console(application: web.Application, desk: TradeService, *, environment: str, bank: str) -> None:
    """Serve the console from ``application``, beside the REST door: every path outside ``/api``.

    ``environment`` (DEMO, UAT, PROD) and ``bank`` (its name) stand in the banner of every page.
    """
    Console(desk, environment=environment, bank=bank).register(application)
