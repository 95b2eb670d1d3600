"""What consensus refuses, by cause. Nothing else is raised on purpose (design.md: errors are our own)."""

from __future__ import annotations


class ConsensusError(Exception):
    """Root of this package's errors."""


class MalformedMessage(ConsensusError):
    """Bytes that no honest replica encodes: wrong version, length, range or order."""


class MalformedBlock(ConsensusError):
    """Bytes whose header cannot be read; raised by the injected header decoder."""


class InvalidMessage(ConsensusError):
    """Well-formed, but not valid: wrong signer, signature, certificate or proposal."""


class UnknownEpoch(ConsensusError):
    """No validator set is known here for this epoch, so nothing of it can be verified (P-13)."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"the validator set of epoch {epoch} is not known here")
        self.epoch = epoch


class InvalidCertificate(InvalidMessage):
    """A commit or prepared certificate that proves nothing (P-10)."""


class InvalidChain(ConsensusError):
    """A header chain that a light client must not follow; ``height`` is the first bad one and ``rule`` its rule."""

    def __init__(self, height: int, rule: str, message: str) -> None:
        super().__init__(f"height {height}: {rule}: {message}")
        self.height = height
        self.rule = rule


class ImpossibleState(ConsensusError):
    """A broken invariant inside the replica; the facade turns it into a Halt effect."""
