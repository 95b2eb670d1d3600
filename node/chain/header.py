"""The header of a block: Ethereum's 20 fields after the merge, under Cancun (P-1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from node.chain.rlp_fields import UINT64_MAX, UINT256_MAX, as_bytes, as_list, as_uint, decode_rlp, encode_rlp
from node.errors import DataError, InvalidBlock
from node.keys import keccak256
from node.types import ZERO_HASH, Address, Hash32

EMPTY_OMMERS_HASH = keccak256(encode_rlp([]))
EMPTY_TRIE_ROOT = keccak256(encode_rlp(b""))
ZERO_NONCE = bytes(8)
BLOOM_BYTES = 256

_BYTES_FIELDS = {
    "parent_hash": 32,
    "ommers_hash": 32,
    "coinbase": 20,
    "state_root": 32,
    "transactions_root": 32,
    "receipts_root": 32,
    "logs_bloom": BLOOM_BYTES,
    "extra_data": 32,
    "prev_randao": 32,
    "nonce": 8,
    "withdrawals_root": 32,
    "parent_beacon_block_root": 32,
}
"""Fields of fixed width, in bytes. ``extra_data`` has 32 on this chain (P-12)."""
_UINT_FIELDS = {
    "difficulty": UINT256_MAX,
    "number": UINT64_MAX,
    "gas_limit": UINT64_MAX,
    "gas_used": UINT64_MAX,
    "timestamp": UINT64_MAX,
    "base_fee_per_gas": UINT256_MAX,
    "blob_gas_used": UINT64_MAX,
    "excess_blob_gas": UINT64_MAX,
}
"""Integer fields and their largest value."""


@dataclass(frozen=True)
class Header:
    """A block header. Hashes are 32 bytes, ``logs_bloom`` 256, ``timestamp`` is in Unix seconds, gas in gas."""

    parent_hash: Hash32
    ommers_hash: Hash32
    coinbase: Address
    state_root: Hash32
    transactions_root: Hash32
    receipts_root: Hash32
    logs_bloom: bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int
    extra_data: bytes
    """Hash of the validator set of the next height (P-12)."""
    prev_randao: Hash32
    nonce: bytes
    base_fee_per_gas: int
    withdrawals_root: Hash32
    blob_gas_used: int
    excess_blob_gas: int
    parent_beacon_block_root: Hash32
    """Hash of the commit certificate of block ``number`` - W (P-11)."""

    def fields(self) -> list[Any]:
        """The 20 fields in Ethereum's order, ready for RLP."""
        return [getattr(self, name) for name in FIELD_NAMES]

    @cached_property
    def _encoded(self) -> bytes:
        return encode_rlp(self.fields())

    def rlp(self) -> bytes:
        """Canonical RLP."""
        return self._encoded

    @cached_property
    def hash(self) -> Hash32:
        """The block hash: keccak256 of the header's RLP."""
        return keccak256(self._encoded)

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read a header from its RLP; InvalidBlock (P-1) where a field is missing, misshapen or not canonical."""
        try:
            return cls.from_fields(decode_rlp(data, "header"))
        except DataError as error:
            raise InvalidBlock("P-1", error.message) from error

    @classmethod
    def decode_linked(cls, data: bytes) -> Header:
        """As :meth:`decode`, for bytes whose own hash is then compared with what a child or a certificate names: they
        are not encoded again to be hashed. In another encoding than the one they would not be what was sealed."""
        header = cls.decode(data)
        header.__dict__["_encoded"] = data  # where cached_property looks
        return header

    @classmethod
    def from_fields(cls, items: Any) -> Header:
        """Read a header from decoded RLP; DataError naming the field."""
        values: dict[str, Any] = {}
        for name, item in zip(FIELD_NAMES, as_list(items, "header", len(FIELD_NAMES)), strict=True):
            if name in _BYTES_FIELDS:
                values[name] = as_bytes(item, f"header.{name}", _BYTES_FIELDS[name])
            else:
                values[name] = as_uint(item, f"header.{name}", _UINT_FIELDS[name])
        return cls(**values)

    def check_constant_fields(self) -> None:
        """Hold the fields that are the same in every block to their values; InvalidBlock (P-1, P-2)."""
        for name, expected in CONSTANT_FIELDS.items():
            found = getattr(self, name)
            if found != expected:
                rule = "P-2" if name == "base_fee_per_gas" else "P-1"
                raise InvalidBlock(rule, f"header field {name}", expected=expected, found=found)


FIELD_NAMES: tuple[str, ...] = tuple(
    name for name in Header.__dataclass_fields__ if name in _BYTES_FIELDS or name in _UINT_FIELDS
)
"""Field names in the order of their RLP."""

CONSTANT_FIELDS: dict[str, Any] = {
    "ommers_hash": EMPTY_OMMERS_HASH,
    "difficulty": 0,
    "prev_randao": ZERO_HASH,
    "nonce": ZERO_NONCE,
    "base_fee_per_gas": 0,
    "withdrawals_root": EMPTY_TRIE_ROOT,
    "blob_gas_used": 0,
    "excess_blob_gas": 0,
}
"""What P-1 and P-2 fix for every block, genesis included."""
