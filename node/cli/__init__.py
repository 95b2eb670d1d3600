"""The ``praya`` command: arguments become a call of a running bank's door, or a configuration and a node."""

from __future__ import annotations

import sys

from node.errors import PrayaError


def main() -> None:
    """Entry point. A PrayaError ends in one line on stderr and its exit code, never in a stack trace."""
    try:
        if len(sys.argv) == 5 and sys.argv[1:4] == ["node", "run", "--config"]:
            sys.exit(_run_node(sys.argv[4]))
        from node.cli.commands import app

        app()
    except PrayaError as error:
        where = f" [{error.field}]" if error.field else ""
        print(f"praya: {error.message}{where}", file=sys.stderr)
        sys.exit(error.exit_code)


def _run_node(config: str) -> int:
    """What a bank's process is started with, after every failure too: it does not wait for the tree of commands."""
    from pathlib import Path

    from node.app import run_node
    from node.config import load_config

    return run_node(load_config(Path(config)))
