"""The tree of commands; each group lives in a file of its own."""

from __future__ import annotations

import typer

from node.cli import audit_commands, network_commands, node_commands, status_commands, trade_commands
from node.cli.demo.command import demo

app = typer.Typer(
    name="praya",
    help="A permissioned blockchain node for trade finance: banks, letters of credit, invoices, PBFT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(network_commands.app, name="network", help="A whole consortium on this machine.")
app.add_typer(node_commands.app, name="node", help="One bank's node, and its settings.")
app.add_typer(audit_commands.app, name="audit", help="Replay and export the chain; trust nobody.")
network_commands.app.command("status")(status_commands.network_status)
app.command()(status_commands.status)
trade_commands.register(app)
app.command()(demo)
