"""The life of a node's process: signals, an orderly end within its time, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

from node.app.node import Node
from node.config import NodeConfig
from node.log import configure_logging, get_logger

_log = get_logger("app")

EXIT_IMPOSSIBLE = 70
"""An impossible state: the node stopped rather than forked (sysexits: EX_SOFTWARE)."""
EXIT_CUT_SHORT = 75
"""Something did not end in time and was cut off (EX_TEMPFAIL); the database and the log stand whatever happens."""
STOP_LIMIT_S = 9.0
"""From the first signal to the end of the process."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_node(config: NodeConfig) -> int:
    """Run until a signal or a halt; the exit code of the process. A second signal ends it at once."""
    configure_logging(level=config.log.level)
    return asyncio.run(_run(config))


async def _run(config: NodeConfig) -> int:
    node = Node(config)
    loop = asyncio.get_running_loop()

    def asked_to_stop() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once
        node.request_stop()

    for number in SIGNALS:
        loop.add_signal_handler(number, asked_to_stop)
    starting = asyncio.create_task(node.start())
    stopping = asyncio.create_task(node.stopping.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await stopping
    finally:
        _end_in_time()
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await node.stop()
    return EXIT_IMPOSSIBLE if node.halt_reason else 0


def _end_in_time() -> None:
    """Cut the process off where an answer under way or a thread outlives the limit: every commit is one synced batch
    and every vote is synced before it leaves, so nothing can be half done."""

    def cut_off() -> None:
        _log.error("node did not stop in time", limit_s=STOP_LIMIT_S)
        os._exit(EXIT_CUT_SHORT)

    timer = threading.Timer(STOP_LIMIT_S, cut_off)
    timer.daemon = True
    timer.start()
