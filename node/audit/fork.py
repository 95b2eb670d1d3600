"""Two sources at one height: the same block, or evidence.

Two certificates of one height for two blocks share at least f + 1 signers, so more than f validators broke the
protocol: those who sealed both in one view are proven false each by themselves.
"""

from __future__ import annotations

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError
from consensus.validators import ValidatorSchedule
from node.audit.report import Finding
from node.audit.source import SealedBlock
from node.chain.block import Block
from node.errors import InvalidBlock
from node.keys import SECP256K1_VERIFIER
from node.types import Hash32


def compare_block(height: int, sealed: SealedBlock, other: SealedBlock, schedule: ValidatorSchedule) -> Finding | None:
    """None where both sources serve one block; else a finding that tells a fork from a false copy.

    ``schedule`` knows the set of ``height``: both chains agree on every block below.
    """
    if sealed.block == other.block:
        return None
    ours, theirs = _sealed_hash(height, sealed, schedule), _sealed_hash(height, other, schedule)
    if ours is None:
        return None  # the first source's own block is false: its own checks say why
    if theirs is None:
        return Finding(8, height, "P-10", "the second source serves another block, without good seals", "against")
    if ours[0].block_hash == theirs[0].block_hash:
        if Block.decode(other.block).transactions_root() == Block.decode(other.block).header.transactions_root:
            return None  # the false body is the first source's
        return Finding(8, height, "P-1", "the second source serves another body under the same header", "against")
    evidence = {"signers": _common_signers(ours[0], theirs[0], schedule)}
    evidence["proven_false"] = evidence["signers"] if ours[0].view == theirs[0].view else []
    message = (
        f"FORK: two blocks at one height with good seals, views {ours[0].view} and {theirs[0].view}; "
        f"{len(evidence['signers'])} validators sealed both"
    )
    expected = {"block_hash": ours[0].block_hash, "certificate": ours[1]}
    found = {"block_hash": theirs[0].block_hash, "certificate": theirs[1], **evidence}
    return Finding(8, height, "P-10", message, "fork", expected, found)


def _sealed_hash(
    height: int, sealed: SealedBlock, schedule: ValidatorSchedule
) -> tuple[CommitCertificate, bytes] | None:
    """The certificate, where it is a good one for this block at this height."""
    try:
        block_hash: Hash32 = Block.decode(sealed.block).hash
        certificate = CommitCertificate.decode(sealed.certificate)
        verify_commit_certificate(certificate, schedule, SECP256K1_VERIFIER)
    except (InvalidBlock, ConsensusError):
        return None
    if (certificate.height, certificate.block_hash) != (height, block_hash):
        return None
    return certificate, sealed.certificate


def _common_signers(ours: CommitCertificate, theirs: CommitCertificate, schedule: ValidatorSchedule) -> list[bytes]:
    members = schedule.validators(ours.epoch)
    return [members[index] for index in ours.signers() if index in theirs.signers()]
