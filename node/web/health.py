"""Metrics and health on a port of their own: alive, ready and progressing are three different things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from node.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``/readyz?verbose``."""

    name: str
    holds: bool
    detail: str = ""


def health_application(metrics: Metrics, checks: Callable[[], Sequence[Check]]) -> web.Application:
    """``/metrics`` (Prometheus), ``/livez`` (the event loop turns), ``/readyz`` (every check holds, else 503).

    ``/livez`` depends on no peer: a bank without the others is alive and must not be restarted for it.
    """

    async def serve_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), content_type="text/plain", charset="utf-8")

    async def serve_livez(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def serve_readyz(request: web.Request) -> web.Response:
        results = checks()
        ready = all(check.holds for check in results)
        lines = [f"[{'+' if c.holds else '!'}] {c.name}{': ' + c.detail if c.detail else ''}" for c in results]
        text = "\n".join(lines) if "verbose" in request.query or not ready else "ok"
        return web.Response(text=text + "\n", status=200 if ready else 503)

    application = web.Application(client_max_size=1024)
    application.router.add_get("/metrics", serve_metrics)
    application.router.add_get("/livez", serve_livez)
    application.router.add_get("/readyz", serve_readyz)
    return application
