"""The house: imports only go down the floors, and every third-party library of weight has one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Highest floor first. Names on one line are siblings and do not import each other; the step below may be imported.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("node.cli",),
    ("node.app",),
    ("node.rpc", "node.api", "node.console"),
    ("node.web",),
    ("node.trade", "node.governance"),
    ("node.desk",),
    ("node.engine", "node.sync", "node.privacy"),
    ("node.txpool", "node.p2p"),
    ("node.execution",),
    ("node.permissioning",),
    ("node.state", "node.chain"),
    ("node.storage",),
    ("node.keys", "node.config", "node.clock", "node.log", "node.metrics", "node.client"),
    ("node.errors", "node.types"),
)
BESIDE = ("consensus", "contracts")
AUDIT_MAY_IMPORT = FLOORS[8:]  # floors 0 and 1: an auditor runs it without a network

# library -> the only packages that may import it
HOMES = {
    "eth": ("node.execution",),
    "plyvel": ("node.storage",),
    "aiohttp": ("node.p2p", "node.web", "node.rpc", "node.api", "node.console", "node.client"),
    "cryptography": ("node.keys", "node.privacy"),
}
STANDARD_LIBRARY_ONLY = "consensus"


def _modules() -> Iterator[tuple[str, Path]]:
    for package in ("node", *BESIDE):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "node_modules" in parts:
                continue
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _imports(module: str, path: Path) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                prefix = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*prefix, base] if base else prefix)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def _floor(name: str) -> int | None:
    for index, rooms in enumerate(FLOORS):
        if any(_within(name, room) for room in rooms):
            return index
    return None


def _room(name: str) -> str | None:
    return next((room for rooms in FLOORS for room in rooms if _within(name, room)), None)


def _violations() -> Iterator[str]:
    for module, path in _modules():
        for target in _imports(module, path):
            problem = _problem(module, target)
            if problem:
                yield f"{module} imports {target}: {problem}"


def _problem(module: str, target: str) -> str | None:
    library = target.split(".")[0]
    if library in HOMES and not any(_within(module, home) for home in HOMES[library]):
        return f"{library} lives in {', '.join(HOMES[library])}"
    if any(_within(module, room) for room in BESIDE):
        return "stands beside floor 0 and imports no node" if library == "node" else None
    if not _within(target, "node"):
        return None
    if _within(module, "node.audit"):
        allowed = any(_within(target, room) for rooms in AUDIT_MAY_IMPORT for room in rooms)
        return None if allowed or _within(target, "node.audit") else "the auditor stands on floors 0 and 1 alone"
    here, there = _floor(module), _floor(target)
    if _within(target, "node.audit"):
        return None if here is not None and here <= 1 else "only the command line and the app know the auditor"
    if here is None or there is None:
        return None if module == "node" or target == "node" or module == "node.__main__" else "unknown room"
    if there < here:
        return "imports go down"
    if there == here and _room(module) != _room(target):
        return "siblings do not import each other"
    return None


def test_imports_only_go_down_the_floors() -> None:
    """No module imports a higher floor, a sibling, or a library that has its home elsewhere."""
    assert list(_violations()) == []


def test_consensus_imports_the_standard_library_only() -> None:
    """The replica can be read, run and simulated with nothing but Python."""
    import sys

    foreign = [
        f"{module} imports {target}"
        for module, path in _modules()
        if _within(module, STANDARD_LIBRARY_ONLY)
        for target in _imports(module, path)
        if target.split(".")[0] not in sys.stdlib_module_names and not _within(target, "consensus")
    ]
    assert foreign == []


@pytest.mark.parametrize(
    ("module", "target", "allowed"),
    [
        ("node.chain.store", "node.rpc.server", False),
        ("node.rpc.server", "node.chain.store", True),
        ("node.engine.host", "node.sync.syncer", False),
        ("node.chain.block", "eth.vm", False),
        ("consensus.replica", "node.types", False),
        ("node.audit.replay", "node.p2p.network", False),
        ("node.audit.replay", "node.execution.ledger", True),
    ],
)
def test_the_rule_can_fail(module: str, target: str, allowed: bool) -> None:
    """The check itself tells a lawful import from an unlawful one."""
    assert (_problem(module, target) is None) is allowed
