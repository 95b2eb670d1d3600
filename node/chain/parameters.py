"""The protocol's parameters: the ``pbft`` block of genesis, one for the chain's life (P-3)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from consensus.types import WINDOW_MAX
from node.chain.json_fields import Fields
from node.errors import ConfigError

DAY_MS = 86_400_000
PRECOMPILES = range(1, 11)
"""Addresses of Cancun's precompiled contracts: 1 ecRecover to 10 point evaluation."""
EXCLUDED_PRECOMPILES = (7, 8, 9, 10)
"""ecMul, pairing, blake2f, point evaluation: too slow here for what they would be used for (P-6, P-7)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on blocks and transactions that every bank shares. Bytes are of the RLP."""

    block_bytes_max: int = 2 * 1024 * 1024
    tx_bytes_max: int = 128 * 1024
    txs_max: int = 5_000
    """Transactions in one block."""


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """What P-3 lists under ``pbft``. Durations carry their unit in their name."""

    epoch_length: int = 64
    """L: epoch e covers heights eL .. (e + 1)L - 1 (P-13)."""
    activation_delay: int = 16
    """D: a change of the validator set executed in h enters at the first edge >= h + D (P-12)."""
    window: int = 1
    """W: blocks in flight; the header of h names the certificate of h - W (P-11)."""
    timeout_ms: int = 2_000
    """T0: first patience with a primary (P-4)."""
    timeout_max_ms: int = 60_000
    """Tmax."""
    status_interval_ms: int = 1_000
    """T_status (P-14)."""
    age_limit_ms: int = 10_000
    """T_age: how long a transaction may be work before the primary is blamed (P-14)."""
    tolerance_s: int = 5
    """How far a fresh proposal's time may be from a replica's clock (P-4)."""
    heartbeat_s: int = 300
    """An empty block at the latest after this time without one (P-16)."""
    strict_timestamps: bool = False
    """Whether each block is at least one second later than its parent (P-4)."""
    min_block_period_ms: int = 0
    max_tx_gas: int = 8_000_000
    """P-6."""
    excluded_precompiles: tuple[int, ...] = EXCLUDED_PRECOMPILES
    limits: Limits = Limits()
    test_clock: int | None = None
    """Start of block time in Unix seconds, where this is a test network (P-19)."""

    def __post_init__(self) -> None:
        """Rules between the fields; ConfigError names the field."""
        _require(1 <= self.window <= WINDOW_MAX, "window", f"must be 1 to {WINDOW_MAX} (P-11)")
        _require(self.activation_delay > self.window, "activationDelay", "must be above window (P-12)")
        _require(self.timeout_max_ms >= self.timeout_ms, "timeoutMaxMs", "must not be below timeoutMs (P-4)")
        _require(
            self.limits.tx_bytes_max < self.limits.block_bytes_max,
            "limits.txBytesMax",
            "must be below limits.blockBytesMax",
        )
        excluded = self.excluded_precompiles
        _require(
            all(number in PRECOMPILES for number in excluded) and list(excluded) == sorted(set(excluded)),
            "excludedPrecompiles",
            "must list numbers from 1 to 10, ascending, each once (P-6)",
        )
        _require(1 not in excluded and 2 not in excluded, "excludedPrecompiles", "must leave 1 and 2 (P-9)")

    @classmethod
    def from_json(cls, document: Any) -> ChainParameters:
        """Read the ``pbft`` block: each field stated, none unknown; ConfigError names the one that is wrong."""
        block = Fields(document, "config.pbft")
        values: dict[str, Any] = {
            name: block.integer(_camel(name), low, high) for name, (low, high) in _INTEGERS.items()
        }
        values["strict_timestamps"] = block.boolean("strictTimestamps")
        values["excluded_precompiles"] = _read_precompiles(block.take("excludedPrecompiles"))
        limits = Fields(block.take("limits"), "config.pbft.limits")
        values["limits"] = Limits(
            **{name: limits.integer(_camel(name), low, high) for name, (low, high) in _LIMITS.items()}
        )
        limits.done()
        start = block.take("testClock")
        if start is not None and (isinstance(start, bool) or not isinstance(start, int) or start < 0):
            raise ConfigError("config.pbft.testClock is null or Unix seconds", field="config.pbft.testClock")
        values["test_clock"] = start
        block.done()
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The ``pbft`` block, every field stated."""
        document: dict[str, Any] = {_camel(item.name): getattr(self, item.name) for item in fields(self)}
        document["excludedPrecompiles"] = list(self.excluded_precompiles)
        document["limits"] = {_camel(item.name): getattr(self.limits, item.name) for item in fields(Limits)}
        return document


_INTEGERS: dict[str, tuple[int, int]] = {
    "epoch_length": (2, 2**31),
    "activation_delay": (1, 2**31),
    "window": (1, 2**16),
    "timeout_ms": (10, DAY_MS),
    "timeout_max_ms": (10, DAY_MS),
    "status_interval_ms": (10, DAY_MS),
    "age_limit_ms": (10, DAY_MS),
    "tolerance_s": (1, 3_600),
    "heartbeat_s": (1, 86_400),
    "min_block_period_ms": (0, DAY_MS),
    "max_tx_gas": (21_000, 2**63 - 1),
}
"""Integer fields of ``pbft`` with their bounds."""
_LIMITS: dict[str, tuple[int, int]] = {
    "block_bytes_max": (64 * 1024, 4 * 1024 * 1024),
    "tx_bytes_max": (1_024, 512 * 1024),
    "txs_max": (1, 1_000_000),
}
"""Upper bounds keep every legal block within one frame between peers and a few of them within one record of the vote
log, and every legal transaction within one frame of gossip: a larger one could never be agreed."""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _require(holds: bool, name: str, text: str) -> None:
    if not holds:
        raise ConfigError(f"config.pbft.{name} {text}", field=f"config.pbft.{name}")


def _read_precompiles(value: Any) -> tuple[int, ...]:
    name = "config.pbft.excludedPrecompiles"
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ConfigError(f"{name} is a list of numbers", field=name)
    return tuple(value)
