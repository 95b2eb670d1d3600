"""The replica's parameters, read from genesis: one place, for engine, sync and auditor alike."""

from __future__ import annotations

from consensus.types import Config
from node.chain.genesis import Genesis
from node.types import Hash32


def consensus_config(genesis: Genesis, genesis_hash: Hash32) -> Config:
    """Durations in microseconds (P-3)."""
    parameters = genesis.parameters
    return Config(
        chain_id=genesis.chain_id,
        genesis_hash=genesis_hash,
        epoch_length=parameters.epoch_length,
        window=parameters.window,
        timeout_us=parameters.timeout_ms * 1_000,
        timeout_max_us=parameters.timeout_max_ms * 1_000,
        status_interval_us=parameters.status_interval_ms * 1_000,
        age_limit_us=parameters.age_limit_ms * 1_000,
        heartbeat_us=parameters.heartbeat_s * 1_000_000,
        tolerance_s=parameters.tolerance_s,
        strict_timestamps=parameters.strict_timestamps,
    )
