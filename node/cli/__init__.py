"""The ``praya`` command: arguments become a call of a running bank's door, or a configuration and a node."""

from __future__ import annotations

import sys

from node.errors import PrayaError


def main() -> None:
    """Entry point. A PrayaError ends in one line on stderr and its exit code, never in a stack trace."""
    from node.cli.commands import app

    try:
        app()
    except PrayaError as error:
        where = f" [{error.field}]" if error.field else ""
        print(f"praya: {error.message}{where}", file=sys.stderr)
        sys.exit(error.exit_code)
