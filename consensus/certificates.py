"""Proofs that a quorum signed: prepared certificates (for the next view) and commit certificates (for everybody).

Layout of a commit certificate, all integers big endian (P-10):
``version u8 = 1 | epoch u64 | view u64 | height u64 | block hash 32 | bitmap 32 | seals 65 each``; bit i of the
bitmap (least significant first) is validator i, seals stand in ascending order of index. Hashed whole with SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consensus.domain import Kind, vote_digest
from consensus.errors import InvalidCertificate, MalformedMessage
from consensus.types import Address, Digest, Signature, Verifier
from consensus.validators import ValidatorSchedule, committed_quorum, prepared_quorum, primary_index

CERTIFICATE_VERSION = 1
SIGNATURE_BYTES = 65
_U64 = (1 << 64) - 1
_HEAD_BYTES = 1 + 8 + 8 + 8 + 32 + 32
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class CommitCertificate:
    """Q to n seals of one epoch and view on one block: the block is final (P-10)."""

    epoch: int
    view: int
    height: int
    block_hash: Digest
    bitmap: int
    seals: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The one encoding (module docstring)."""
        return b"".join(
            (
                bytes((CERTIFICATE_VERSION,)),
                self.epoch.to_bytes(8, "big"),
                self.view.to_bytes(8, "big"),
                self.height.to_bytes(8, "big"),
                self.block_hash,
                self.bitmap.to_bytes(32, "big"),
                *self.seals,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> CommitCertificate:
        """The certificate that encodes to exactly ``data``; raises MalformedMessage."""
        if len(data) < _HEAD_BYTES or data[0] != CERTIFICATE_VERSION:
            raise MalformedMessage("certificate: wrong version or too short")
        bitmap = int.from_bytes(data[57:89], "big")
        if len(data) != _HEAD_BYTES + SIGNATURE_BYTES * bitmap.bit_count():
            raise MalformedMessage("certificate: as many seals as bits must follow")
        return cls(
            epoch=int.from_bytes(data[1:9], "big"),
            view=int.from_bytes(data[9:17], "big"),
            height=int.from_bytes(data[17:25], "big"),
            block_hash=data[25:57],
            bitmap=bitmap,
            seals=tuple(data[i : i + SIGNATURE_BYTES] for i in range(_HEAD_BYTES, len(data), SIGNATURE_BYTES)),
        )

    def hash(self) -> Digest:
        """SHA-256 of the encoding: parentBeaconBlockRoot of the block that names it (P-11)."""
        return hashlib.sha256(self.encode()).digest()

    def signers(self) -> tuple[int, ...]:
        """Indexes of the validators that sealed, ascending."""
        return indexes_of(self.bitmap)


@dataclass(frozen=True, slots=True)
class PreparedCertificate:
    """A PRE-PREPARE and PREPAREs of Q - 1 backups that agree: no other block can be prepared at this height in this
    view (PBFT §4.2). ``bitmap`` and ``signatures`` are the backups', never the primary's."""

    epoch: int
    view: int
    height: int
    block_hash: Digest
    pre_prepare: Signature
    bitmap: int
    prepares: tuple[Signature, ...]

    def signers(self) -> tuple[int, ...]:
        """Indexes of the backups that prepared, ascending."""
        return indexes_of(self.bitmap)


def indexes_of(bitmap: int) -> tuple[int, ...]:
    """The set bits, ascending."""
    return tuple(i for i in range(bitmap.bit_length()) if bitmap >> i & 1)


def bitmap_of(indexes: Iterable[int]) -> int:
    """The word in which exactly ``indexes`` are set."""
    word = 0
    for index in indexes:
        word |= 1 << index
    return word


def make_commit_certificate(
    epoch: int, view: int, height: int, block_hash: Digest, seals: Mapping[int, Signature]
) -> CommitCertificate:
    """A certificate of ``seals``, keyed by validator index. Does not verify."""
    ordered = sorted(seals)
    return CommitCertificate(epoch, view, height, block_hash, bitmap_of(ordered), tuple(seals[i] for i in ordered))


def make_prepared_certificate(
    epoch: int, view: int, height: int, block_hash: Digest, pre_prepare: Signature, prepares: Mapping[int, Signature]
) -> PreparedCertificate:
    """A certificate of the primary's signature and ``prepares``, keyed by validator index. Does not verify."""
    ordered = sorted(prepares)
    return PreparedCertificate(
        epoch, view, height, block_hash, pre_prepare, bitmap_of(ordered), tuple(prepares[i] for i in ordered)
    )


def is_canonical_signature(signature: Signature) -> bool:
    """65 bytes r || s || v with 0 < r < N, 0 < s <= N / 2 and v in {0, 1} (P-10)."""
    if len(signature) != SIGNATURE_BYTES or signature[64] > 1:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    return 0 < r < _CURVE_ORDER and 0 < s <= _CURVE_ORDER // 2


def signed_by(address: Address, digest: Digest, signature: Signature, verifier: Verifier) -> bool:
    """Whether ``signature`` is canonical and ``address`` made it over ``digest``."""
    return is_canonical_signature(signature) and verifier.recover(digest, signature) == address


def verify_commit_certificate(certificate: CommitCertificate, schedule: ValidatorSchedule, verifier: Verifier) -> None:
    """Raise InvalidCertificate (or UnknownEpoch) unless every seal is good and there are Q to n (P-10)."""
    if not 0 < certificate.height <= _U64 or schedule.epoch_of(certificate.height) != certificate.epoch:
        raise InvalidCertificate("the certificate's epoch is not its height's")
    members = schedule.validators(certificate.epoch)
    indexes = certificate.signers()
    if len(certificate.seals) != len(indexes) or (indexes and indexes[-1] >= len(members)):
        raise InvalidCertificate("seals and bitmap do not fit the validator set")
    if len(indexes) < committed_quorum(len(members)):
        raise InvalidCertificate("fewer seals than a quorum")
    digest = vote_digest(
        schedule.domain(certificate.epoch),
        Kind.COMMIT,
        certificate.view,
        certificate.height,
        certificate.block_hash,
    )
    # Every seal, not the first Q: a certificate with one bad seal is no certificate (P-10).
    for index, seal in zip(indexes, certificate.seals, strict=True):
        if not signed_by(members[index], digest, seal, verifier):
            raise InvalidCertificate(f"seal {index} is not that validator's")


def verify_prepared_certificate(
    certificate: PreparedCertificate, schedule: ValidatorSchedule, verifier: Verifier
) -> None:
    """Raise InvalidCertificate (or UnknownEpoch) unless the primary and Q - 1 backups signed (PBFT §4.2)."""
    if schedule.epoch_of(certificate.height) != certificate.epoch:
        raise InvalidCertificate("the certificate's epoch is not its height's")
    members = schedule.validators(certificate.epoch)
    indexes = certificate.signers()
    leader = primary_index(certificate.epoch, certificate.view, len(members))
    if len(certificate.prepares) != len(indexes) or (indexes and indexes[-1] >= len(members)):
        raise InvalidCertificate("signatures and bitmap do not fit the validator set")
    if leader in indexes:
        raise InvalidCertificate("the primary's PREPARE does not count beside its PRE-PREPARE")
    if len(indexes) < prepared_quorum(len(members)):
        raise InvalidCertificate("fewer PREPAREs than a quorum less the primary")
    domain_hash = schedule.domain(certificate.epoch)
    place = (certificate.view, certificate.height, certificate.block_hash)
    signed = [(Kind.PRE_PREPARE, leader, certificate.pre_prepare)]
    signed += [(Kind.PREPARE, i, s) for i, s in zip(indexes, certificate.prepares, strict=True)]
    for kind, index, signature in signed:
        digest = vote_digest(domain_hash, kind, *place)
        if not signed_by(members[index], digest, signature, verifier):
            raise InvalidCertificate(f"signature {index} is not that validator's")
