"""What all tests share."""

from __future__ import annotations

import os

from node.cli.network.files import PORTS_ENV

WORKER_PORTS = 5_000


def pytest_configure() -> None:
    """Each worker makes its networks on ports of its own: a bank that is down for a moment finds its port free."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return  # one process alone, or the one that starts the workers
    low = 10_000 + WORKER_PORTS * (int(worker.removeprefix("gw")) % 4)
    os.environ[PORTS_ENV] = f"{low}-{low + WORKER_PORTS}"
