"""secp256k1 keys through libsecp256k1 (coincurve): sign, recover, addresses."""

from __future__ import annotations

import coincurve

from node.errors import DataError
from node.keys.hashing import keccak256
from node.types import Address

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_CURVE_ORDER = CURVE_ORDER // 2
"""The largest s that is not malleable (EIP-2, P-10)."""
SIGNATURE_BYTES = 65
DIGEST_BYTES = 32


class PrivateKey:
    """One secret key. Its text form never shows the secret."""

    __slots__ = ("_address", "_key")

    def __init__(self, key: coincurve.PrivateKey) -> None:
        self._key = key
        self._address = address_of_public_key(key.public_key.format(compressed=False))

    @classmethod
    def from_bytes(cls, secret: bytes) -> PrivateKey:
        """The key of 32 secret bytes; DataError where they are no scalar of the curve."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < CURVE_ORDER:
            raise DataError("a secp256k1 key is 32 bytes with a value from 1 to N - 1", field="key")
        return cls(coincurve.PrivateKey(secret))

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the operating system's randomness."""
        return cls(coincurve.PrivateKey())

    @property
    def address(self) -> Address:
        """The Ethereum address of this key."""
        return self._address

    @property
    def public_key(self) -> bytes:
        """The uncompressed point: 0x04 and two coordinates, 65 bytes."""
        point: bytes = self._key.public_key.format(compressed=False)
        return point

    def secret_bytes(self) -> bytes:
        """The 32 secret bytes, for keystores and for libraries that sign by themselves."""
        secret: bytes = self._key.secret
        return secret

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes: r || s || v, 65 bytes, v in {0, 1}, low s, deterministic (RFC 6979; P-10)."""
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"a digest is {DIGEST_BYTES} bytes, this one is {len(digest)}")
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature

    def __repr__(self) -> str:
        return f"PrivateKey(address=0x{self._address.hex()})"


def address_of_public_key(public_key: bytes) -> Address:
    """Address of an uncompressed public key, with (65 bytes) or without (64 bytes) the leading 0x04."""
    point = public_key[1:] if len(public_key) == 65 and public_key[0] == 4 else public_key
    if len(point) != 64:
        raise DataError("an uncompressed secp256k1 public key is 64 bytes, or 65 that begin with 04", field="key")
    return Address(keccak256(point)[12:])


def recover_address(digest: bytes, signature: bytes) -> Address | None:
    """Who signed ``digest``; None for a malformed, high-s or unrecoverable signature (P-10)."""
    if len(digest) != DIGEST_BYTES or len(signature) != SIGNATURE_BYTES or signature[64] > 1:
        return None
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    if not (0 < r < CURVE_ORDER and 0 < s <= HALF_CURVE_ORDER):
        return None
    try:
        public_key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception:  # noqa: BLE001 -- the library raises a bare Exception for "no such point"
        return None
    return address_of_public_key(public_key.format(compressed=False))


class Secp256k1Verifier:
    """The consensus layer's Verifier on this curve."""

    def recover(self, digest: bytes, signature: bytes) -> Address | None:
        """See :func:`recover_address`."""
        return recover_address(digest, signature)


SECP256K1_VERIFIER = Secp256k1Verifier()
