"""The ledger that a replay builds and throws away."""

from __future__ import annotations

from pathlib import Path

from node.chain.genesis import Genesis
from node.execution.ledger import Ledger
from node.storage.leveldb import LevelDB
from node.storage.unsynced import UnsyncedStore


def open_scratch_ledger(directory: str, genesis: Genesis) -> Ledger:
    """A ledger at height 0 in a fresh directory; ConfigError or DataError for a genesis that contradicts itself."""
    store = UnsyncedStore(LevelDB.open(Path(directory) / "chain"))
    try:
        return Ledger.open_store(store, genesis)
    except BaseException:
        store.close()
        raise
