"""Logins of a network on one machine: a maker, a checker and a viewer for each node, random for each network."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from argon2 import PasswordHasher

from node.cli.network.layout import Network, NodeFolder
from node.desk.database import Database
from node.desk.users import Users
from node.keys.keystore import write_secret_file

DATABASE_FILE = "praya.sqlite"
BANK_LOGINS = (("maker", ("maker",)), ("checker", ("checker",)), ("viewer", ("viewer",)))
OBSERVER_LOGINS = (("viewer", ("viewer",)),)
# Such a network lives on one machine for minutes, and its passwords lie beside it: no need to be slow.
_QUICK = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)


def write_officers(network: Network) -> None:
    """Create each node's users, and ``logins.json`` (mode 0600) with their passwords."""
    logins = [login for node in network.nodes for login in _make_users(node)]
    write_secret_file(network.logins_file, _document(logins))


def add_officers(network: Network, node: NodeFolder) -> None:
    """Create one more node's users, and add them to ``logins.json``."""
    logins = json.loads(network.logins_file.read_text())["logins"]
    renewed = network.logins_file.with_name(network.logins_file.name + ".new")
    renewed.unlink(missing_ok=True)
    write_secret_file(renewed, _document([*logins, *_make_users(node)]))
    renewed.replace(network.logins_file)


def _make_users(node: NodeFolder) -> list[dict[str, Any]]:
    logins = []
    database = Database.open(node.path / DATABASE_FILE)
    users = Users(database, hasher=_QUICK)
    for name, roles in BANK_LOGINS if node.role == "validator" else OBSERVER_LOGINS:
        password = secrets.token_urlsafe(12)
        users.add(name, password, roles)
        logins.append({"bank": node.name, "user": name, "password": password, "roles": list(roles)})
    database.close()
    return logins


def _document(logins: Sequence[Mapping[str, Any]]) -> bytes:
    return (json.dumps({"logins": logins}, indent=1) + "\n").encode()
