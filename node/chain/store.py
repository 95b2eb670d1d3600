"""Blocks, receipts, certificates and validator sets in the key-value store.

Reading is here; writing is one list of operations for each block, which the ledger adds to the state's and hands to
the database as one synced batch. Everything below the head is final, so what was read once is never stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from node.chain.block import Block
from node.chain.header import Header
from node.chain.receipt import Receipt
from node.chain.rlp_fields import as_bytes, as_list, decode_rlp, encode_rlp
from node.chain.snapshot import HistoryMissing, SnapshotMarker
from node.errors import ConfigError, DataError
from node.storage import KeyValueStore, Operation, keyspace
from node.types import Address, Hash32

HEADER_CACHE_SIZE = 1_024
"""Decoded headers kept in memory: about 1 KiB each."""
ADDRESS_BYTES = 20


class ChainStore:
    """Read access to the chain, and the operations that extend it. Safe for many reading threads."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._headers: dict[int, Header] = {}
        self._headers_lock = Lock()

    @property
    def is_empty(self) -> bool:
        """Whether not even genesis has been written."""
        return self._store.get(keyspace.HEAD_NUMBER) is None

    def head_number(self) -> int:
        """Height of the last committed block; DataError where the database holds no chain."""
        value = self._store.get(keyspace.HEAD_NUMBER)
        if value is None:
            raise DataError("the database holds no chain", field="head")
        return keyspace.decode_height(value)

    def head(self) -> Header:
        """Header of the last committed block."""
        number = self.head_number()
        header = self.header(number)
        if header is None:
            raise DataError(f"the head's header {number} is missing", field="head")
        return header

    def header(self, number: int) -> Header | None:
        """The header at a height; None above the head."""
        if number < 0:
            return None
        cached = self._headers.get(number)
        if cached is not None:
            return cached
        value = self._store.get(keyspace.header_by_number(number))
        if value is None:
            return None
        header = Header.decode(value)
        with self._headers_lock:
            self._headers[number] = header
            if len(self._headers) > HEADER_CACHE_SIZE:
                del self._headers[next(iter(self._headers))]
        return header

    def header_rlp(self, number: int) -> bytes | None:
        """The bytes of the header at a height; None above the head."""
        return self._store.get(keyspace.header_by_number(number)) if number >= 0 else None

    def number_of(self, block_hash: Hash32) -> int | None:
        """The height of a block hash; None for an unknown one."""
        value = self._store.get(keyspace.number_by_hash(block_hash))
        return None if value is None else keyspace.decode_height(value)

    def header_by_hash(self, block_hash: Hash32) -> Header | None:
        """The header with this hash; None for an unknown one."""
        number = self.number_of(block_hash)
        return None if number is None else self.header(number)

    def block(self, number: int) -> Block | None:
        """The whole block at a height; None above the head."""
        value = self.block_rlp(number)
        return None if value is None else Block.decode(value)

    def block_rlp(self, number: int) -> bytes | None:
        """The bytes of the block at a height, as they were agreed."""
        return self._store.get(keyspace.block_by_number(number)) if number >= 0 else None

    def receipts(self, number: int) -> tuple[Receipt, ...] | None:
        """The receipts of the block at a height, in order."""
        value = self._store.get(keyspace.receipts_by_number(number)) if number >= 0 else None
        if value is None:
            return None
        items = as_list(decode_rlp(value, "receipts"), "receipts")
        return tuple(Receipt.decode(as_bytes(item, "receipt")) for item in items)

    def certificate(self, number: int) -> bytes | None:
        """The encoded commit certificate of a height (P-10, P-11); None for genesis and above the head."""
        return self._store.get(keyspace.certificate_by_number(number)) if number >= 0 else None

    def transaction_location(self, transaction_hash: Hash32) -> tuple[int, int] | None:
        """Height and index of a committed transaction; None for an unknown one."""
        value = self._store.get(keyspace.transaction_location(transaction_hash))
        if value is None:
            return None
        return keyspace.decode_height(value[:8]), int.from_bytes(value[8:], "big")

    def validators(self, height: int) -> tuple[Address, ...]:
        """S(height), ascending, for heights 1 to head + 1 (P-12).

        Heights above that are no history but a forecast, and raise DataError.
        """
        if not 1 <= height <= self.head_number() + 1:
            raise DataError(f"the validator set of height {height} is not decided here", field="height")
        return self.validators_change(height)[1]

    def validators_change(self, height: int) -> tuple[int, tuple[Address, ...]]:
        """The last height at or below ``height`` at which the set changed, and the set from there on."""
        pair = self._store.floor(keyspace.VALIDATORS, keyspace.validators_from(height))
        if pair is None:
            raise DataError(f"no validator set is stored for height {height}", field="height")
        key, value = pair
        return keyspace.decode_height(key[1:]), _split_addresses(value)

    def wal_lsn(self) -> int:
        """The last synced record of the write-ahead log when the head was committed (P-17)."""
        value = self._store.get(keyspace.WAL_LSN)
        return 0 if value is None else keyspace.decode_height(value)

    def genesis_digest(self) -> Hash32 | None:
        """Digest of the genesis document that this database was made from; None where it is empty."""
        value = self._store.get(keyspace.GENESIS_DIGEST)
        return None if value is None else Hash32(value)

    def snapshot(self) -> SnapshotMarker | None:
        """Where this bank's own history starts; None where it executed every block."""
        value = self._store.get(keyspace.SNAPSHOT_MARKER)
        return None if value is None else SnapshotMarker.decode(value)

    def first_block(self) -> int:
        """The lowest height above genesis whose block and receipts are stored."""
        marker = self.snapshot()
        return 1 if marker is None else marker.first_block

    def absent(self, number: int, what: str = "block") -> HistoryMissing | DataError:
        """Why something of a height up to the head is not stored: the bank joined above it, or the database is not
        whole."""
        marker = self.snapshot()
        if marker is not None and number < marker.first_block:
            return marker.missing(f"{what} {number}")
        return DataError(f"{what} {number} is at or below the head but not stored", field=what)

    def check_format(self) -> None:
        """ConfigError where another release made this database, with keys of another form."""
        found = self._store.get(keyspace.FORMAT)
        if found != keyspace.FORMAT_VERSION:
            raise ConfigError(
                "another release made this database: remove the chain folder, and the node makes it anew from the "
                "other banks' blocks",
                field="chain",
                expected=keyspace.FORMAT_VERSION.decode(),
                found=None if found is None else found.decode(errors="replace"),
            )

    def genesis_operations(
        self, header: Header, genesis_digest: Hash32, validators: Sequence[Address]
    ) -> list[Operation]:
        """What height 0 writes: ``validators`` is S(1), read from the genesis state."""
        return [
            *_block_operations(Block(header, ())),
            (keyspace.receipts_by_number(0), encode_rlp([])),
            (keyspace.validators_from(1), b"".join(validators)),
            (keyspace.GENESIS_DIGEST, genesis_digest),
            (keyspace.FORMAT, keyspace.FORMAT_VERSION),
            (keyspace.WAL_LSN, keyspace.encode_height(0)),
        ]

    def commit_operations(
        self,
        block: Block,
        receipts: Sequence[Receipt],
        certificate: bytes,
        carried: tuple[int, bytes] | None,
        next_validators: Sequence[Address],
        wal_lsn: int,
    ) -> list[Operation]:
        """What block h writes.

        ``carried`` is height and bytes of the certificate that the block names: it overwrites the one stored there
        (P-11). ``next_validators`` is S(h + 1), stored where it differs from S(h). ``wal_lsn`` as P-17.
        """
        number = block.number
        operations = _block_operations(block)
        operations.append((keyspace.receipts_by_number(number), encode_rlp([r.encode() for r in receipts])))
        operations.append((keyspace.certificate_by_number(number), certificate))
        if carried is not None:
            operations.append((keyspace.certificate_by_number(carried[0]), carried[1]))
        for index, transaction in enumerate(block.transactions):
            place = keyspace.encode_height(number) + index.to_bytes(4, "big")
            operations.append((keyspace.transaction_location(transaction.hash), place))
        if tuple(next_validators) != self.validators_change(number)[1]:
            operations.append((keyspace.validators_from(number + 1), b"".join(next_validators)))
        operations.append((keyspace.WAL_LSN, keyspace.encode_height(wal_lsn)))
        return operations


def _block_operations(block: Block) -> list[Operation]:
    number = block.number
    return [
        (keyspace.header_by_number(number), block.header.rlp()),
        (keyspace.block_by_number(number), block.rlp()),
        (keyspace.number_by_hash(block.hash), keyspace.encode_height(number)),
        (keyspace.HEAD_NUMBER, keyspace.encode_height(number)),
    ]


def _split_addresses(value: bytes) -> tuple[Address, ...]:
    if len(value) % ADDRESS_BYTES:
        raise DataError("a stored validator set is no list of addresses", field="validators")
    return tuple(Address(value[i : i + ADDRESS_BYTES]) for i in range(0, len(value), ADDRESS_BYTES))
