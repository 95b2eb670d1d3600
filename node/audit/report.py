"""What an audit found: a plain verdict for people, JSON for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that does not hold. ``height`` is None where genesis or the file itself is wrong."""

    height: int | None
    rule: str
    message: str
    expected: Any = None
    found: Any = None

    def to_json(self) -> dict[str, Any]:
        return {
            "height": self.height,
            "rule": self.rule,
            "message": self.message,
            "expected": _plain(self.expected),
            "found": _plain(self.found),
        }


@dataclass(slots=True)
class Outcome:
    """The result of a replay, with what was re-checked on the way."""

    source: str
    chain_id: int | None = None
    genesis_hash: str | None = None
    blocks: int = 0
    transactions: int = 0
    seals: int = 0
    validator_sets: int = 0
    deadlines: int = 0
    head_hash: str | None = None
    state_root: str | None = None
    duration_s: float = 0.0
    finding: Finding | None = None
    checks: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """True only if every check of every block held."""
        return self.finding is None

    def to_json(self) -> dict[str, Any]:
        """The report: stable names, hex for hashes."""
        return {
            "source": self.source,
            "holds": self.holds,
            "chain_id": self.chain_id,
            "genesis_hash": self.genesis_hash,
            "head": {"height": self.blocks, "hash": self.head_hash, "state_root": self.state_root},
            "checked": {
                "blocks": self.blocks,
                "transactions": self.transactions,
                "seals": self.seals,
                "validator_sets": self.validator_sets,
                "deadlines": self.deadlines,
            },
            "duration_s": round(self.duration_s, 3),
            "finding": self.finding.to_json() if self.finding else None,
            "scope": list(self.checks),
        }

    def verdict(self) -> str:
        """The result in words."""
        if self.finding is None:
            return (
                f"TRUE: {self.blocks} blocks, {self.transactions} transactions, {self.seals} seals and "
                f"{self.deadlines} deadlines of chain {self.chain_id} hold.\n"
                f"head {self.head_hash} state {self.state_root}"
            )
        where = "genesis or file" if self.finding.height is None else f"block {self.finding.height}"
        lines = [f"FALSE at {where}: {self.finding.rule}: {self.finding.message}"]
        if self.finding.expected is not None or self.finding.found is not None:
            lines += [f"  expected {_plain(self.finding.expected)}", f"  found    {_plain(self.finding.found)}"]
        lines.append(f"  {self.blocks} blocks before it hold")
        return "\n".join(lines)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
