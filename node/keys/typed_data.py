"""EIP-712 typed data: what a business account signs outside transactions (custody receipts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from node.errors import DataError
from node.keys.hashing import keccak256
from node.keys.secp256k1 import PrivateKey, recover_address
from node.types import Address, Hash32

FieldTypes = Mapping[str, Sequence[Mapping[str, str]]]
"""Struct name to its fields, each ``{"name": ..., "type": ...}``; without EIP712Domain."""


def eip712_digest(domain: Mapping[str, Any], types: FieldTypes, message: Mapping[str, Any]) -> Hash32:
    """The 32 bytes that are signed: keccak256(0x19 01 || domain separator || struct hash) (EIP-712).

    Raises DataError where message, types and domain do not fit each other.
    """
    from eth_account.messages import encode_typed_data  # heavy, and most processes never sign typed data

    try:
        signable = encode_typed_data(
            domain_data=dict(domain),
            message_types={name: [dict(field) for field in fields] for name, fields in types.items()},
            message_data=dict(message),
        )
    except Exception as error:  # the library raises many kinds for a misfit
        raise DataError(f"the typed data cannot be encoded: {error}", field="message") from error
    return keccak256(b"\x19" + signable.version + signable.header + signable.body)


def sign_eip712(key: PrivateKey, domain: Mapping[str, Any], types: FieldTypes, message: Mapping[str, Any]) -> bytes:
    """Sign typed data: r || s || v, 65 bytes, v in {27, 28}, as ``ecrecover`` and OpenZeppelin's ECDSA take it."""
    signature = key.sign(eip712_digest(domain, types, message))
    return signature[:64] + bytes([27 + signature[64]])


def recover_eip712(
    signature: bytes, domain: Mapping[str, Any], types: FieldTypes, message: Mapping[str, Any]
) -> Address | None:
    """Who signed the typed data; None for a malformed or high-s signature."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    return recover_address(eip712_digest(domain, types, message), signature[:64] + bytes([signature[64] - 27]))
