"""What an audit found: a plain verdict for people, JSON for machines (its fields: README.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing that does not hold. ``height`` is None where genesis or the file itself is wrong."""

    check: int
    """Number of the check that found it (``CHECKS``)."""
    height: int | None
    rule: str
    """The protocol's number ("P-10"), the article ("UCP 14(b)"), "file", or "source"."""
    message: str
    field: str | None = None
    """What is wrong, where the rule speaks of several things: a header field, ``transactions[3]``, ``seals``."""
    expected: Any = None
    found: Any = None

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "height": self.height,
            "rule": self.rule,
            "field": self.field,
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
    genesis_digest: str | None = None
    genesis_demanded: tuple[str, ...] = ()
    """What the auditor knew of genesis: "genesis_hash", "genesis_digest". Nothing: it is the source's word."""
    blocks: int = 0
    transactions: int = 0
    gas: int = 0
    seals: int = 0
    validator_sets: int = 0
    deadlines: int = 0
    compared: int = 0
    """Blocks that a second source served alike."""
    head_hash: str | None = None
    state_root: str | None = None
    duration_s: float = 0.0
    finding: Finding | None = None
    against: str | None = None
    notes: list[str] = field(default_factory=list)
    """What is no error, and the reader should know."""
    checks: tuple[str, ...] = field(default=())

    @property
    def holds(self) -> bool:
        """True only if every check of every block held."""
        return self.finding is None

    def rate(self, count: int) -> float:
        """``count`` for each second of the replay."""
        return count / self.duration_s if self.duration_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """The report: stable names, hex for hashes."""
        return {
            "report_version": REPORT_VERSION,
            "source": self.source,
            "against": self.against,
            "holds": self.holds,
            "chain_id": self.chain_id,
            "genesis_hash": self.genesis_hash,
            "genesis_digest": self.genesis_digest,
            "genesis_demanded": list(self.genesis_demanded),
            "head": {"height": self.blocks, "hash": self.head_hash, "state_root": self.state_root},
            "checked": {
                "blocks": self.blocks,
                "transactions": self.transactions,
                "gas": self.gas,
                "seals": self.seals,
                "validator_sets": self.validator_sets,
                "deadlines": self.deadlines,
                "compared_blocks": self.compared,
            },
            "duration_s": round(self.duration_s, 3),
            "blocks_per_s": round(self.rate(self.blocks), 1),
            "transactions_per_s": round(self.rate(self.transactions), 1),
            "finding": self.finding.to_json() if self.finding else None,
            "notes": list(self.notes),
            "scope": list(self.checks),
        }

    def verdict(self) -> str:
        """The result in words."""
        return "\n".join([*self._result(), *(f"note: {note}" for note in self.notes)])

    def _result(self) -> list[str]:
        if self.finding is None:
            return [
                f"TRUE: {self.blocks} blocks, {self.transactions} transactions, {self.seals} seals and "
                f"{self.deadlines} deadlines of chain {self.chain_id} hold.",
                f"head {self.head_hash} state {self.state_root}",
                f"genesis {self.genesis_hash} document {self.genesis_digest}"
                + ("" if self.genesis_demanded else " (the source's: compare them with those you know)"),
                f"{self.duration_s:.1f} s, {self.rate(self.blocks):.0f} blocks/s, "
                f"{self.rate(self.transactions):.0f} transactions/s",
            ]
        found = self.finding
        where = "genesis or file" if found.height is None else f"block {found.height}"
        what = f" [{found.field}]" if found.field else ""
        lines = [f"FALSE at {where}: {found.rule}{what}: {found.message}"]
        if found.expected is not None or found.found is not None:
            lines += [f"  expected {_plain(found.expected)}", f"  found    {_plain(found.found)}"]
        lines.append(f"  {self.blocks} blocks before it hold")
        return lines


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
