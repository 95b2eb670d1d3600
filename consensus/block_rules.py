"""What a replica checks of a proposed block before the host executes it: the header against its parent, the clock and
the carried certificate (P-4, P-5, P-11). Everything else of a block is the host's to judge."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.core import Core
from consensus.errors import InvalidCertificate, InvalidMessage, MalformedBlock, MalformedMessage, UnknownEpoch
from consensus.types import Digest, HeaderView, Instant, Proposal

_NO_CERTIFICATE = bytes(32)


@dataclass(frozen=True, slots=True)
class Parent:
    """The block that a proposal must stand on: the ledger's head, or one above it that is not final yet."""

    block_hash: Digest
    timestamp: int


def read_block(core: Core, proposal: Proposal, block_hash: Digest) -> HeaderView | None:
    """The header, if the block has this hash and carries the certificate that its header names (P-11)."""
    try:
        header = core.decode_header(proposal.block)
    except MalformedBlock:
        return None
    if header.hash != block_hash or carried_hash(proposal.certificate) != header.parent_beacon_block_root:
        return None
    return header


def carried_hash(certificate: bytes) -> Digest:
    """parentBeaconBlockRoot of a block that carries these bytes; zero for none (P-11)."""
    return hashlib.sha256(certificate).digest() if certificate else _NO_CERTIFICATE


def check_proposal(core: Core, height: int, block_hash: Digest, proposal: Proposal, parent: Parent) -> HeaderView:
    """The always rules that need no execution (P-4, P-5, P-11); raises InvalidMessage."""
    header = read_block(core, proposal, block_hash)
    if header is None:
        raise InvalidMessage("the block is not the one announced, or does not carry its certificate")
    if header.number != height or header.parent_hash != parent.block_hash:
        raise InvalidMessage("the block does not follow its parent")
    if header.timestamp < parent.timestamp + (1 if core.config.strict_timestamps else 0):
        raise InvalidMessage("P-4: the block's time is before its parent's")
    if header.coinbase not in core.members:
        raise InvalidMessage("P-5: the coinbase is no validator")
    _check_carried(core, header, proposal.certificate)
    return header


def _check_carried(core: Core, header: HeaderView, data: bytes) -> None:
    """The carried certificate is a valid one of the block W below (P-11)."""
    if header.number <= core.config.window:
        if data:
            raise InvalidMessage("P-11: the first blocks carry no certificate")
        return
    ancestor = header.number - core.config.window
    known = core.block_hash if ancestor == core.height else core.certificates[ancestor].block_hash
    try:
        certificate = CommitCertificate.decode(data)
        verify_commit_certificate(certificate, core.schedule, core.verifier)
    except (MalformedMessage, InvalidCertificate, UnknownEpoch) as error:
        raise InvalidMessage(f"P-11: {error}") from error
    if (certificate.height, certificate.block_hash) != (ancestor, known):
        raise InvalidMessage("P-11: the carried certificate is of another block")


def check_fresh(core: Core, header: HeaderView, proposer: int, arrived: Instant) -> None:
    """The rules for fresh proposals only: P-5's proposer, and P-4's late side, judged at arrival."""
    if header.coinbase != core.members[proposer]:
        raise InvalidMessage("P-5: the coinbase is not the proposer")
    patience_s = -(-core.patience_us() // 1_000_000)
    if header.timestamp < arrived.unix_s - core.config.tolerance_s - patience_s:
        raise InvalidMessage("P-4: the block is late")
