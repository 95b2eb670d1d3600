"""Floor 4: fetches missed blocks, proves them, and serves the same to others."""

from node.sync.syncer import Conviction, Syncer, SyncStatus

__all__ = ["Conviction", "SyncStatus", "Syncer"]
