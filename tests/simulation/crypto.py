"""Signatures of the simulator: unforgeable by construction, or real ones.

A null signature is a keyed hash with the shape of an ECDSA signature (0 < r, s < N, low s, v = 0). Only a
:class:`NullSigner` adds (digest, signature) pairs to the registry, so whoever does not hold the signer cannot make
one that recovers. Byzantine behaviours get the signers of their own identities and no other.
"""

from __future__ import annotations

import hashlib

from consensus.ingress import CachingVerifier
from consensus.types import Address, Digest, Signature, Signer, Verifier


class Registry(CachingVerifier):
    """Every signature made in one run; the verifier of all its replicas. As fast as a cache, so it stands for one."""

    def __init__(self) -> None:
        super().__init__(self)
        self._signed: dict[tuple[Digest, Signature], Address] = {}

    def recover(self, digest: Digest, signature: Signature) -> Address | None:
        """Who made this signature over this digest; None where nobody did."""
        return self._signed.get((digest, signature))

    def add(self, digest: Digest, signature: Signature, address: Address) -> None:
        self._signed[(digest, signature)] = address


class NullSigner:
    """Signs for one address."""

    def __init__(self, registry: Registry, address: Address) -> None:
        self._registry = registry
        self._address = address

    @property
    def address(self) -> Address:
        return self._address

    def sign(self, digest: Digest) -> Signature:
        tag = hashlib.blake2b(digest, key=self._address, digest_size=62).digest()
        signature = b"\x01" + tag[:31] + b"\x01" + tag[31:] + b"\x00"
        self._registry.add(digest, signature, self._address)
        return signature


def make_keys(n: int, *, real: bool) -> tuple[list[Signer], Verifier]:
    """``n`` signers in ascending order of address, and the verifier that knows them."""
    if real:
        from node.keys import SECP256K1_VERIFIER, PrivateKey

        keys: list[Signer] = [PrivateKey.from_bytes(hashlib.sha256(b"%d" % i).digest()) for i in range(n)]
        return sorted(keys, key=lambda key: key.address), CachingVerifier(SECP256K1_VERIFIER)
    registry = Registry()
    return [NullSigner(registry, bytes([0xA0 + i]) * 20) for i in range(n)], registry
