"""The health doors: what Kubernetes and operators read of them."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import TestClient, TestServer

from node.metrics import Metrics
from node.web.health import Check, HealthReport, health_application

CHECKS = (Check("sync", True, "height 3"), Check("progress", False, "work waits for 12.0 s"))


@pytest.mark.parametrize(
    ("ready", "progressing", "status"), [(True, True, 200), (False, True, 503), (True, False, 503)]
)
async def test_readyz_asks_for_both(ready: bool, progressing: bool, status: int) -> None:
    """503 where a node is not ready or not progressing, with both answers and the reason; livez asks for neither."""
    application = health_application(Metrics(), lambda: HealthReport(ready, progressing, "stuck: x", CHECKS))
    async with TestClient(TestServer(application)) as client:
        answer = await client.get("/readyz")
        document = await answer.json()
        assert answer.status == status
        assert (document["ready"], document["progressing"], document["reason"]) == (ready, progressing, "stuck: x")
        assert document["checks"][1] == {"name": "progress", "holds": False, "detail": "work waits for 12.0 s"}
        verbose = await client.get("/readyz?verbose")
        assert verbose.status == status
        assert (await verbose.text()).splitlines() == [
            "stuck: x",
            "[+] sync: height 3",
            "[!] progress: work waits for 12.0 s",
        ]
        live = await client.get("/livez")
        assert (live.status, await live.json()) == (200, {"live": True})


async def test_metrics_are_of_the_moment() -> None:
    """Ages are set when they are asked for."""
    metrics = Metrics()
    metrics.refreshers.append(lambda: metrics.seconds_since_block.set(41))
    application = health_application(metrics, lambda: HealthReport(True, True, "", ()))
    async with TestClient(TestServer(application)) as client:
        text = await (await client.get("/metrics")).text()
    assert "praya_chain_seconds_since_block 41.0" in text
