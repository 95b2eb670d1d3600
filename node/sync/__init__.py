"""Floor 4: fetches missed blocks, proves them, and serves the same to others."""

from node.sync.snapshot_server import SnapshotServer
from node.sync.syncer import Conviction, Syncer, SyncStatus

__all__ = ["Conviction", "SnapshotServer", "SyncStatus", "Syncer"]
