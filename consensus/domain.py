"""Preimages: what a consensus signature is over (P-9). Fixed-width big-endian fields, SHA-256, so that a contract
recomputes each digest with precompile 0x02 and one abi.encodePacked."""

from __future__ import annotations

import hashlib
from enum import IntEnum

from consensus.types import Digest

_DOMAIN_TAG = b"praya/pbft/1"


class Kind(IntEnum):
    """First byte of a message, and the byte that parts one message's digests from another's."""

    PRE_PREPARE = 1
    PREPARE = 2
    COMMIT = 3
    COMPLAIN = 4
    VIEW_CHANGE = 5
    NEW_VIEW = 6
    STATUS = 7
    REPAIR = 8


def domain(chain_id: int, genesis_hash: Digest, epoch: int, set_hash: Digest) -> Digest:
    """SHA-256(tag, chain id u64, genesis hash, epoch u64, validator set hash): no signature of one chain, epoch
    or set means anything in another."""
    return hashlib.sha256(
        _DOMAIN_TAG + chain_id.to_bytes(8, "big") + genesis_hash + epoch.to_bytes(8, "big") + set_hash
    ).digest()


def vote_digest(domain_hash: Digest, kind: Kind, view: int, height: int, block_hash: Digest) -> Digest:
    """Digest of PRE-PREPARE, PREPARE and COMMIT: SHA-256(domain, kind u8, view u64, height u64, block hash).

    The COMMIT's is the seal. It binds the view: seals of two views must never make one certificate."""
    return hashlib.sha256(
        domain_hash + bytes((kind,)) + view.to_bytes(8, "big") + height.to_bytes(8, "big") + block_hash
    ).digest()


def seal_digest(domain_hash: Digest, view: int, height: int, block_hash: Digest) -> Digest:
    """What a validator signs to commit a block (P-9)."""
    return vote_digest(domain_hash, Kind.COMMIT, view, height, block_hash)


def body_digest(domain_hash: Digest, kind: Kind, body: bytes) -> Digest:
    """Digest of every other message: SHA-256(domain, kind u8, canonical body without the signature)."""
    return hashlib.sha256(domain_hash + bytes((kind,)) + body).digest()
