"""The pool's bounds, in one place. A consortium has few and heavy senders, so a sender's share is large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds on what waits. The size of one transaction is a chain parameter (``limits.txBytesMax``)."""

    nonce_gap_max: int = 64
    """How far a nonce may be ahead of the sender's next one, counting what waits already."""
    per_sender_max: int = 4_096
    """Transactions of one sender."""
    total_max: int = 8_192
    """Transactions of all senders."""
    bytes_max: int = 64 * 1024 * 1024
    """Encoded bytes of all transactions."""
    gap_lifetime_us: int = 3_600 * 1_000_000
    """How long a transaction may wait behind a missing nonce."""
    eviction_hold_us: int = 10 * 1_000_000
    """How long an evicted transaction is refused on the same head."""
    dropped_reasons_max: int = 4_096
    """Dropped transactions whose reason is remembered for clients."""
