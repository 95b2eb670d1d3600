"""The officers' console: pages rendered by the server, which need neither scripts nor anything from elsewhere."""

from __future__ import annotations

from aiohttp import web

from node.console.door import Console
from node.trade.service import TradeService
from node.web.sessions import LoginBrake

__all__ = ["add_console"]


def add_console(
    application: web.Application,
    desk: TradeService,
    *,
    environment: str,
    bank: str,
    brake: LoginBrake | None = None,
) -> None:
    """Serve the console from ``application``, beside the REST door: every path outside ``/api``.

    ``environment`` (DEMO, UAT, PROD) and ``bank`` (its name) stand in the banner of every page. ``brake`` counts failed
    sign-ins, and is one for all doors.
    """
    Console(desk, environment=environment, bank=bank, brake=brake or LoginBrake()).register(application)
