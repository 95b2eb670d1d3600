"""Floor 1, lowest step: one ordered key-value store with atomic batches, on LevelDB."""

from node.storage.leveldb import LevelDB
from node.storage.store import KeyValueStore, Operation

__all__ = ["KeyValueStore", "LevelDB", "Operation"]
