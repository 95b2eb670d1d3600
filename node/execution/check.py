"""Proof that a database is what its blocks make of genesis: flat state, tries, receipts and indexes built anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from node.chain.genesis import Genesis
from node.chain.snapshot import SnapshotMarker
from node.chain.store import ChainStore
from node.errors import ConfigError, DataError, InvalidBlock
from node.execution.defaults import default_rules
from node.execution.ledger import Ledger
from node.execution.snapshot_check import copy_snapshot
from node.execution.transition import Rules
from node.storage import keyspace
from node.storage.leveldb import LevelDB
from node.storage.store import KeyValueStore
from node.storage.unsynced import UnsyncedStore

TABLES = {
    keyspace.HEADER: "header",
    keyspace.BLOCK: "block",
    keyspace.RECEIPTS: "receipts",
    keyspace.NUMBER_BY_HASH: "height of hash",
    keyspace.TRANSACTION_LOCATION: "transaction location",
    keyspace.VALIDATORS: "validator set",
    keyspace.ACCOUNT: "account",
    keyspace.SLOT: "storage word",
    keyspace.CODE: "code",
    keyspace.TRIE_NODE: "trie node",
    keyspace.HEAD_NUMBER: "head",
    keyspace.GENESIS_DIGEST: "genesis digest",
}
"""What blocks and genesis determine. Certificates and the log's number are this bank's own (P-11, P-17)."""

Progress = Callable[[int, int], None]
"""Told each executed height and how many transactions it has."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was compared and found equal."""

    head: int
    entries: int
    """Keys of all tables."""
    state: int
    """Accounts and storage words of the head, in the flat store and in the tries."""
    snapshot: SnapshotMarker | None = None
    """Where the bank's own history starts; what is below was taken over, and its hashes alone could be checked."""


def check_database(
    path: Path, genesis: Genesis, *, rules: Rules | None = None, progress: Progress | None = None
) -> CheckReport:
    """Execute every block of the database at ``path`` from genesis into a second one beside it, and compare.

    The second database takes as much room as the first, and is removed. Raises DataError or InvalidBlock naming the
    first difference, ConfigError where there is no such database, it is in use, or of another genesis. Writes nothing
    to the database.
    """
    if not (path / "CURRENT").exists():
        raise ConfigError(f"there is no database at {path}", field="directory")
    stored = LevelDB.open(path)
    try:
        chain = ChainStore(stored)
        if chain.genesis_digest() != genesis.digest:
            raise ConfigError("the database belongs to a chain of another genesis", field="genesis")
        chain.check_format()
        with tempfile.TemporaryDirectory(dir=path.parent, prefix="check-") as directory:
            scratch = UnsyncedStore(LevelDB.open(Path(directory) / "rebuilt"))
            try:
                ledger = _begin(stored, scratch, genesis, rules, Path(directory))
                _execute_all(chain, ledger, progress)
                entries = sum(_compare(stored, scratch, prefix) for prefix in TABLES)
                state = ledger.state.check_flat_equals_tries()
                return CheckReport(ledger.head.number, entries, state, ledger.snapshot)
            finally:
                scratch.close()
    finally:
        stored.close()


def _begin(
    stored: KeyValueStore, scratch: KeyValueStore, genesis: Genesis, rules: Rules | None, directory: Path
) -> Ledger:
    """The ledger to execute on: at genesis, or at the snapshot that the bank joined by."""
    marker = ChainStore(stored).snapshot()
    if marker is not None:
        rules = rules or default_rules(genesis)
        start = Ledger.open(directory / "genesis", genesis, rules=rules)
        try:
            copy_snapshot(stored, marker, rules, (start.head, start.next_validators), scratch)
        finally:
            start.close()
    return Ledger.open_store(scratch, genesis, rules=rules)


def _execute_all(chain: ChainStore, ledger: Ledger, progress: Progress | None) -> None:
    head = chain.head_number()
    for number in range(ledger.head.number + 1, head + 1):
        block = chain.block(number)
        if block is None:
            raise DataError(f"block {number} is missing, the head is {head}", field="block")
        try:
            executed = ledger.execute(block)
        except InvalidBlock as error:
            where = f"block {number}: {error.message}"
            raise InvalidBlock(error.rule, where, expected=error.expected, found=error.found) from error
        ledger.commit(executed, certificate=b"", carried_certificate=b"", wal_lsn=0)
        if progress is not None:
            progress(number, len(block.transactions))


def _compare(stored: KeyValueStore, rebuilt: KeyValueStore, prefix: bytes) -> int:
    """Compare one table in key order; how many entries."""
    count = 0
    for found, expected in zip_longest(stored.iterate(prefix), rebuilt.iterate(prefix)):
        if found != expected:
            raise _difference(TABLES[prefix], len(prefix), found, expected)
        count += 1
    return count


def _difference(
    what: str, start: int, found: tuple[bytes, bytes] | None, expected: tuple[bytes, bytes] | None
) -> DataError:
    if expected is None or (found is not None and found[0] < expected[0]):
        assert found is not None
        return DataError(f"{what} 0x{found[0][start:].hex()} is stored, and comes from no block", field=what)
    key = expected[0][start:].hex()
    if found is None or found[0] > expected[0]:
        return DataError(f"{what} 0x{key} is missing", field=what, expected=expected[1].hex())
    return DataError(
        f"{what} 0x{key} is not what the blocks make of it",
        field=what,
        expected=expected[1].hex(),
        found=found[1].hex(),
    )
