"""Signed transactions of types 0 (legacy, EIP-155), 1 (EIP-2930) and 2 (EIP-1559); blobs are refused (P-6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from node.chain.rlp_fields import UINT64_MAX, UINT256_MAX, as_bytes, as_list, as_uint, decode_rlp, encode_rlp
from node.errors import DataError, InvalidTransaction
from node.keys import keccak256, recover_address
from node.keys.secp256k1 import CURVE_ORDER, HALF_CURVE_ORDER
from node.types import Address, Hash32

LEGACY = 0
ACCESS_LIST = 1
DYNAMIC_FEE = 2
BLOB = 3
NONCE_MAX = 2**64 - 2
"""EIP-2681."""

AccessList = tuple[tuple[Address, tuple[int, ...]], ...]
"""Addresses with the storage slots that are warm from the start (EIP-2930)."""


@dataclass(frozen=True)
class Transaction:
    """A decoded transaction and the exact bytes that it came from. Wei, gas; ``to`` is None for a creation."""

    raw: bytes
    type: int
    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    """For types 0 and 1 the gas price."""
    max_fee_per_gas: int
    """For types 0 and 1 the gas price."""
    gas: int
    to: Address | None
    value: int
    data: bytes
    access_list: AccessList
    y_parity: int
    r: int
    s: int

    @cached_property
    def hash(self) -> Hash32:
        """keccak256 of the encoded transaction."""
        return keccak256(self.raw)

    @property
    def gas_price(self) -> int:
        """What one gas costs at most; with a base fee of 0 (P-2) what the sender offers the coinbase is
        ``max_priority_fee_per_gas``."""
        return self.max_fee_per_gas

    @property
    def effective_gas_price(self) -> int:
        """The price paid at base fee 0: min(max fee, 0 + priority fee) (EIP-1559, P-2)."""
        return min(self.max_fee_per_gas, self.max_priority_fee_per_gas)

    @property
    def v(self) -> int:
        """The signature's v as it stands in the encoding: EIP-155 for legacy, the parity otherwise."""
        return self.chain_id * 2 + 35 + self.y_parity if self.type == LEGACY else self.y_parity

    @cached_property
    def sender(self) -> Address:
        """Who signed; recovered once. InvalidTransaction("bad_signature") where the signature recovers nobody."""
        signature = self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([self.y_parity])
        address = recover_address(self.signing_hash, signature)
        if address is None:
            raise InvalidTransaction("bad_signature", "the signature recovers no sender")
        return address

    @cached_property
    def signing_hash(self) -> Hash32:
        """The 32 bytes that the sender signed (EIP-155, EIP-2930, EIP-1559)."""
        if self.type == LEGACY:
            return keccak256(encode_rlp([*self._legacy_fields(), self.chain_id, 0, 0]))
        return keccak256(bytes([self.type]) + encode_rlp(self._typed_fields()))

    def _legacy_fields(self) -> list[Any]:
        return [self.nonce, self.max_fee_per_gas, self.gas, self.to or b"", self.value, self.data]

    def _typed_fields(self) -> list[Any]:
        fees = (
            [self.max_fee_per_gas]
            if self.type == ACCESS_LIST
            else [self.max_priority_fee_per_gas, self.max_fee_per_gas]
        )
        access = [[address, [slot.to_bytes(32, "big") for slot in slots]] for address, slots in self.access_list]
        return [self.chain_id, self.nonce, *fees, self.gas, self.to or b"", self.value, self.data, access]

    @classmethod
    def decode(cls, raw: bytes) -> Transaction:
        """Read a signed transaction.

        Raises InvalidTransaction: "malformed", "blob", "unsupported_type", "unprotected" (no chain id, EIP-155),
        "bad_signature" (out of range or malleable, EIP-2), "fee_order" (priority fee above the fee, EIP-1559).
        """
        if not raw:
            raise InvalidTransaction("malformed", "the transaction is empty")
        try:
            if raw[0] >= 0xC0:
                return _decode_legacy(raw)
            return _decode_typed(raw)
        except DataError as error:
            raise InvalidTransaction("malformed", error.message) from error

    @classmethod
    def from_block_item(cls, item: Any) -> Transaction:
        """Read a transaction as it stands in a block's RLP: a list (legacy) or a byte string (typed)."""
        return cls.decode(item if isinstance(item, bytes) else encode_rlp(item))

    def block_item(self) -> Any:
        """What stands in a block's RLP for this transaction."""
        return decode_rlp(self.raw, "transaction") if self.type == LEGACY else self.raw


def _decode_legacy(raw: bytes) -> Transaction:
    items = as_list(decode_rlp(raw, "transaction"), "transaction", 9)
    v = as_uint(items[6], "transaction.v", UINT64_MAX)
    if v < 35:
        raise InvalidTransaction("unprotected", "the transaction names no chain id (EIP-155)")
    price = as_uint(items[1], "transaction.gasPrice")
    r, s = _signature(items[7], items[8])
    return Transaction(
        raw=raw,
        type=LEGACY,
        chain_id=(v - 35) // 2,
        nonce=as_uint(items[0], "transaction.nonce", NONCE_MAX),
        max_priority_fee_per_gas=price,
        max_fee_per_gas=price,
        gas=as_uint(items[2], "transaction.gas", UINT64_MAX),
        to=_recipient(items[3]),
        value=as_uint(items[4], "transaction.value"),
        data=as_bytes(items[5], "transaction.data"),
        access_list=(),
        y_parity=(v - 35) % 2,
        r=r,
        s=s,
    )


def _decode_typed(raw: bytes) -> Transaction:
    type_ = raw[0]
    if type_ == BLOB:
        raise InvalidTransaction("blob", "blob transactions are refused on this chain (P-6)")
    if type_ not in (ACCESS_LIST, DYNAMIC_FEE):
        raise InvalidTransaction("unsupported_type", f"transaction type {type_} is none of 0, 1 and 2 (P-6)")
    items = as_list(decode_rlp(raw[1:], "transaction"), "transaction", 11 if type_ == ACCESS_LIST else 12)
    chain_id = as_uint(items[0], "transaction.chainId")
    nonce = as_uint(items[1], "transaction.nonce", NONCE_MAX)
    priority = as_uint(items[2], "transaction.maxPriorityFeePerGas")
    fee = priority if type_ == ACCESS_LIST else as_uint(items[3], "transaction.maxFeePerGas", UINT256_MAX)
    if priority > fee:
        raise InvalidTransaction("fee_order", "maxPriorityFeePerGas is above maxFeePerGas (EIP-1559)")
    gas, to, value, data, access, parity, r, s = items[-8:]
    r, s = _signature(r, s)
    return Transaction(
        raw=raw,
        type=type_,
        chain_id=chain_id,
        nonce=nonce,
        max_priority_fee_per_gas=priority,
        max_fee_per_gas=fee,
        gas=as_uint(gas, "transaction.gas", UINT64_MAX),
        to=_recipient(to),
        value=as_uint(value, "transaction.value"),
        data=as_bytes(data, "transaction.data"),
        access_list=_access_list(access),
        y_parity=as_uint(parity, "transaction.yParity", 1),
        r=r,
        s=s,
    )


def _recipient(item: Any) -> Address | None:
    data = as_bytes(item, "transaction.to")
    if len(data) not in (0, 20):
        raise DataError(f"transaction.to has {len(data)} bytes, 0 or 20 are due", field="transaction.to")
    return Address(data) if data else None


def _signature(r_item: Any, s_item: Any) -> tuple[int, int]:
    r, s = as_uint(r_item, "transaction.r"), as_uint(s_item, "transaction.s")
    if not (0 < r < CURVE_ORDER and 0 < s < CURVE_ORDER):
        raise InvalidTransaction("bad_signature", "r or s is outside 1..N-1")
    if s > HALF_CURVE_ORDER:
        raise InvalidTransaction("bad_signature", "s is in the upper half: malleable (EIP-2)")
    return r, s


def _access_list(item: Any) -> AccessList:
    rows = []
    for entry in as_list(item, "transaction.accessList"):
        address, slots = as_list(entry, "transaction.accessList entry", 2)
        rows.append(
            (
                Address(as_bytes(address, "transaction.accessList address", 20)),
                tuple(
                    int.from_bytes(as_bytes(slot, "transaction.accessList slot", 32), "big")
                    for slot in as_list(slots, "transaction.accessList slots")
                ),
            )
        )
    return tuple(rows)
