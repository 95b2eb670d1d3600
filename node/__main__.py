"""``python -m node``: the same as the ``praya`` command."""

from node.cli import main

main()
