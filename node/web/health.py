"""Metrics and health on a port of their own: alive, ready and progressing are three different things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from aiohttp import web

from node.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``/readyz``."""

    name: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What ``/readyz`` answers; ``reason`` is the diagnosis in one sentence."""

    ready: bool
    progressing: bool
    reason: str
    checks: tuple[Check, ...]


def health_application(metrics: Metrics, report: Callable[[], HealthReport]) -> web.Application:
    """``/metrics`` (Prometheus), ``/livez`` (the event loop turns), ``/readyz`` (ready and progressing, else 503).

    Both health doors answer JSON; ``/readyz?verbose`` answers one line of text for each check. They ask nothing of the
    agreement but where it stands, so they answer while it hangs. ``/livez`` depends on no peer: a bank without the
    others is alive and must not be restarted for it.
    """

    async def serve_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), content_type="text/plain", charset="utf-8")

    async def serve_livez(_request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def serve_readyz(request: web.Request) -> web.Response:
        found = report()
        status = 200 if found.ready and found.progressing else 503
        if "verbose" not in request.query:
            return web.json_response({"live": True, **asdict(found)}, status=status)
        lines = [f"[{'+' if c.holds else '!'}] {c.name}{': ' + c.detail if c.detail else ''}" for c in found.checks]
        return web.Response(text="\n".join((found.reason, *lines)) + "\n", status=status)

    application = web.Application(client_max_size=1024)
    application.router.add_get("/metrics", serve_metrics)
    application.router.add_get("/livez", serve_livez)
    application.router.add_get("/readyz", serve_readyz)
    return application
