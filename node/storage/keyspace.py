"""Every key of the chain database, one function for each kind. No two kinds share a first byte.

Heights are 8 bytes big-endian, so that iteration follows the chain. Hashes are keccak-256.
"""

from __future__ import annotations

from functools import lru_cache

from node.keys.hashing import keccak256

SECURE_KEYS_KEPT = 65_536
"""Hashes of addresses and slots kept in memory, about 150 bytes each: the same few are read in every block."""

HEADER = b"H"
BLOCK = b"B"
RECEIPTS = b"R"
CERTIFICATE = b"Q"
NUMBER_BY_HASH = b"I"
TRANSACTION_LOCATION = b"T"
VALIDATORS = b"V"
META = b"M"
ACCOUNT = b"a"
SLOT = b"s"
CODE = b"c"
TRIE_NODE = b"n"

JOINING = b"J"
JOIN_TIP = JOINING + b"tip"
"""While a snapshot is being fetched: height of the last proved header."""
JOIN_PIVOT = JOINING + b"pivot"
"""Height of the block whose state is fetched."""
JOIN_ORIGIN = JOINING + b"origin"
"""The account key from which on the state is still to be fetched; empty once all of it is here."""
JOIN_STORAGE = JOINING + b"storage"

HEAD_NUMBER = META + b"head"
"""Height of the last committed block, 8 bytes."""
WAL_LSN = META + b"wal_lsn"
"""Last synced record of the write-ahead log when the head was committed (P-17), 8 bytes."""
SNAPSHOT_MARKER = META + b"snapshot"
"""Where this bank's history starts, if it joined by snapshot (node.chain.snapshot)."""
FORMAT = META + b"format"
"""How the keys below are made (:data:`FORMAT_VERSION`)."""
FORMAT_VERSION = b"2"
"""2: the flat state is keyed by hashes. A database of another format is refused, and made anew from blocks."""
GENESIS_DIGEST = META + b"genesis"
"""Digest of the whole genesis document: the genesis hash alone does not cover the protocol's parameters."""


def encode_height(number: int) -> bytes:
    """A height as 8 bytes, big-endian."""
    return number.to_bytes(8, "big")


def decode_height(data: bytes) -> int:
    """The height in 8 big-endian bytes."""
    return int.from_bytes(data, "big")


def header_by_number(number: int) -> bytes:
    """Key of a header's RLP."""
    return HEADER + encode_height(number)


def block_by_number(number: int) -> bytes:
    """Key of a whole block's RLP."""
    return BLOCK + encode_height(number)


def receipts_by_number(number: int) -> bytes:
    """Key of the RLP list of a block's encoded receipts."""
    return RECEIPTS + encode_height(number)


def certificate_by_number(number: int) -> bytes:
    """Key of the commit certificate of a height (P-11)."""
    return CERTIFICATE + encode_height(number)


def number_by_hash(block_hash: bytes) -> bytes:
    """Key of the height of a block hash."""
    return NUMBER_BY_HASH + block_hash


def transaction_location(transaction_hash: bytes) -> bytes:
    """Key of a transaction's place: height (8 bytes) and index (4 bytes)."""
    return TRANSACTION_LOCATION + transaction_hash


def validators_from(height: int) -> bytes:
    """Key of a validator set, at the first height where it is in force (P-12)."""
    return VALIDATORS + encode_height(height)


@lru_cache(maxsize=SECURE_KEYS_KEPT)
def _secure(key: bytes) -> bytes:
    return keccak256(key)


# The flat state has the tries' keys, so that it can be filled from a trie's leaves, which do not tell addresses.


def account(address: bytes) -> bytes:
    """Key of an account in the flat head state."""
    return ACCOUNT + _secure(address)


def slot(address: bytes, index: int) -> bytes:
    """Key of a storage word in the flat head state."""
    return SLOT + _secure(address) + _secure(index.to_bytes(32, "big"))


def slots_of(address: bytes) -> bytes:
    """Prefix of all storage words of an account in the flat head state."""
    return SLOT + _secure(address)


def code(code_hash: bytes) -> bytes:
    """Key of contract code by its hash."""
    return CODE + code_hash


def join_storage(account_key: bytes) -> bytes:
    """Key of the slot key from which on an account's storage is still to be fetched; empty once it is whole."""
    return JOIN_STORAGE + account_key


def trie_node(node_hash: bytes) -> bytes:
    """Key of a node of the account trie or of a storage trie."""
    return TRIE_NODE + node_hash
