"""Floor 0: keys and hashes. secp256k1 for seals and transactions, V3 keystores, EIP-712 data."""

from node.keys.hashing import EMPTY_CODE_HASH, keccak256
from node.keys.secp256k1 import (
    SECP256K1_VERIFIER,
    PrivateKey,
    Secp256k1Verifier,
    address_of_public_key,
    recover_address,
)

__all__ = [
    "EMPTY_CODE_HASH",
    "SECP256K1_VERIFIER",
    "PrivateKey",
    "Secp256k1Verifier",
    "address_of_public_key",
    "keccak256",
    "recover_address",
]
