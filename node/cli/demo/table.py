"""The boxed table of the demo: every door of every node, each tried before it is shown."""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.table import Table

from node.cli.demo.desk import Desk
from node.cli.demo.town import Town
from node.cli.network import processes
from node.errors import PrayaError, UnavailableError

PROBE_S = 5.0
"""How long a door may take to answer for the first time."""
WIDTH_WITHOUT_TERMINAL = 160
NO_ANSWER = "does not answer"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a node's row; ``probe`` raises where what it names does not work."""

    label: str
    text: str
    probe: Callable[[], None]

    def shown(self) -> str:
        """The line, with the text only if the probe succeeds in time."""
        deadline = time.monotonic() + PROBE_S
        while True:
            try:
                self.probe()
                return f"{self.label:<9}{self.text}"
            except (OSError, http.client.HTTPException, PrayaError) as error:
                if time.monotonic() > deadline:
                    return f"{self.label:<9}{NO_ANSWER}: {error}"
                time.sleep(0.1)


def print_table(town: Town) -> None:
    """Probe everything, then print the table."""
    desks = list(town.desks.values())
    with ThreadPoolExecutor(max_workers=len(desks)) as pool:
        rows = list(pool.map(lambda desk: [line.shown() for line in _lines(desk)], desks))
    table = Table(box=box.SQUARE, show_header=False, show_lines=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for desk, lines in zip(desks, rows, strict=True):
        table.add_row(f"{desk.node.name}\n{desk.node.bic}", "\n".join([desk.node.member, *lines]))
    Console(width=_width(), markup=False, highlight=False).print(table)


def _lines(desk: Desk) -> list[Line]:
    node = desk.node
    rest = f"{node.web_url}/api/v1"
    users = ("maker", "checker") if node.role == "validator" else ("viewer",)
    logins = "   ".join(f"{user} / {desk.password(user)}" for user in users)
    return [
        Line("console", f"{node.web_url}/", lambda: _answers(f"{node.web_url}/")),
        Line("JSON-RPC", node.rpc_url, lambda: _has_head(desk)),
        Line("REST", rest, lambda: _answers(f"{rest}/openapi.json")),
        Line("metrics", node.metrics_url, lambda: _answers(node.metrics_url)),
        Line("sign in", logins, lambda: _sign_in(desk, users)),
        Line("log", str(node.log_file), lambda: _is_file(node.log_file)),
    ]


def _answers(url: str) -> None:
    parts = urlsplit(url)
    processes.http_request(parts.hostname or "", parts.port or 80, "GET", parts.path or "/")


def _has_head(desk: Desk) -> None:
    if processes.block_number(desk.node) is None:
        raise UnavailableError("no head")


def _sign_in(desk: Desk, users: tuple[str, ...]) -> None:
    for user in users:
        desk.officer(user).get("/me")


def _is_file(path: os.PathLike[str]) -> None:
    os.stat(path)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return WIDTH_WITHOUT_TERMINAL
