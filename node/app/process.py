"""The life of a node's process: signals, an orderly end within its time, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

from node.app.joining import join_if_wanted
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
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    asked: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        # Not the loop's own handlers: those of two signals that come together would both be a first one.
        asked.append(number)
        if len(asked) == 1:
            loop.call_soon_threadsafe(stopping.set)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in SIGNALS:
        signal.signal(number, on_signal)
    if not await _join(config, stopping):
        return 0
    return await _serve(Node(config), stopping)


async def _join(config: NodeConfig, stopping: asyncio.Event) -> bool:
    """Fill an empty chain folder as the configuration says; False where a signal came first."""
    joining = asyncio.create_task(join_if_wanted(config))
    asked_to_stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({joining, asked_to_stop}, return_when=asyncio.FIRST_COMPLETED)
    asked_to_stop.cancel()
    if joining.done():
        await joining
        return not stopping.is_set()
    _end_in_time()
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    _log.info("node stopped", reason="asked to, while it joined")
    return False


async def _serve(node: Node, asked_to_stop: asyncio.Event) -> int:
    starting = asyncio.create_task(node.start())
    stopping = {asyncio.create_task(event.wait()) for event in (asked_to_stop, node.stopping)}
    try:
        done, _ = await asyncio.wait({starting, *stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting in done:
            await starting
            await asyncio.wait(stopping, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _end_in_time()
        for task in (starting, *stopping):
            task.cancel()
        await asyncio.gather(starting, *stopping, return_exceptions=True)
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
