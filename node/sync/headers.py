"""Following headers from genesis without executing blocks: what a bank believes that joins by snapshot.

What is verified, and why it is enough: the hash of each header stands in the next one, so one certificate proves every
header below it down to what is proved already. Which validators a certificate needs is hashed into the last header of
the epoch before (P-12), so that header must have been sealed by the set before it: each epoch's last certificate is
verified, in order, under the set that the one before it proved, beginning with the set of genesis. (Linked hashes
alone would not do: anybody can write headers on genesis that name their own validators.) So a chain costs a quorum of
recoveries for each epoch and each answer, not for each block; each answer ends with a certificate, so that no server
can make this node follow headers that nobody sealed.

What it cannot prove (posterior corruption): that the members of a past set still guard their old keys. More than f of
them who no longer do can sign another history for whoever begins at genesis. Against this an operator pins a block
that a member told them; without it the bank is reported as not pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ConsensusError, ImpossibleState
from consensus.types import Config, Verifier
from consensus.validators import ValidatorSchedule, check_validator_set, epoch_of, validator_set_hash
from node.chain.header import Header
from node.errors import InvalidBlock
from node.sync.snapshot_messages import HeaderRecord
from node.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class Pin:
    """A block that the operator knows to be of the chain."""

    height: int
    block_hash: Hash32


@dataclass(frozen=True, slots=True)
class ProvedHeader:
    """A header; ``certificate`` where one was verified, ``validators`` is S(number + 1) where that is another set."""

    header: Header
    certificate: bytes
    validators: tuple[Address, ...] | None


class HeaderFollower:
    """Stands at a proved header; ``follow`` goes on from there, or raises and stays."""

    def __init__(
        self, config: Config, tip: Header, validators: Sequence[Address], verifier: Verifier, pin: Pin | None = None
    ) -> None:
        """``tip`` is genesis or a header that was proved before, ``validators`` is S(tip.number + 1)."""
        self._config = config
        self._verifier = verifier
        self._pin = pin
        self.tip = tip
        self.validators = tuple(validators)

    def follow(self, records: Sequence[HeaderRecord]) -> list[ProvedHeader]:
        """All of an answer or nothing of it. Raises InvalidBlock with the broken rule."""
        tip, validators = self.tip, self.validators
        # Its own for each answer: the sets of one that fails must not push out the set that the tip stands on.
        schedule = ValidatorSchedule(self._config)
        schedule.add(epoch_of(tip.number + 1, self._config.epoch_length), validators)
        proved: list[ProvedHeader] = []
        for index, record in enumerate(records):
            header = Header.decode_linked(record.header)
            height = header.number
            if height != tip.number + 1 or header.parent_hash != tip.hash:
                raise InvalidBlock("P-1", f"header {tip.number + 1} does not follow its parent")
            self._check_pin(header)
            is_edge = (height + 1) % self._config.epoch_length == 0
            following = self._following(header, record, validators, is_edge)
            sealed = is_edge or index == len(records) - 1
            if sealed:
                _check_certificate(schedule, self._verifier, header, record.certificate)
            if is_edge:
                schedule.add(epoch_of(height + 1, self._config.epoch_length), following)
            changed = following if following != validators else None
            proved.append(ProvedHeader(header, record.certificate if sealed else b"", changed))
            tip, validators = header, following
        self.tip, self.validators = tip, validators
        return proved

    def _following(
        self, header: Header, record: HeaderRecord, standing: tuple[Address, ...], is_edge: bool
    ) -> tuple[Address, ...]:
        following = standing
        if record.validators:
            if not is_edge or len(record.validators) % 20:
                raise InvalidBlock("P-12", f"header {header.number}: a validator set where none can begin")
            rows = record.validators
            following = tuple(Address(rows[at : at + 20]) for at in range(0, len(rows), 20))
        try:
            members = check_validator_set(following)
        except ImpossibleState as error:
            raise InvalidBlock("P-12", f"header {header.number}: {error}") from error
        epoch = epoch_of(header.number + 1, self._config.epoch_length)
        if header.extra_data != validator_set_hash(epoch, members):
            raise InvalidBlock("P-12", f"header {header.number}: extraData is not the hash of the next validator set")
        return following

    def _check_pin(self, header: Header) -> None:
        pin = self._pin
        if pin is not None and header.number == pin.height and header.hash != pin.block_hash:
            raise InvalidBlock(
                "pin",
                "the chain on offer has another block at the pinned height",
                expected=pin.block_hash.hex(),
                found=header.hash.hex(),
            )


def check_certificate(
    config: Config, validators: Sequence[Address], verifier: Verifier, header: Header, data: bytes
) -> None:
    """A certificate of a proved header, under S(header.number). Raises InvalidBlock (P-10)."""
    schedule = ValidatorSchedule(config)
    schedule.add(epoch_of(header.number, config.epoch_length), validators)
    _check_certificate(schedule, verifier, header, data)


def _check_certificate(schedule: ValidatorSchedule, verifier: Verifier, header: Header, data: bytes) -> None:
    try:
        certificate = CommitCertificate.decode(data)
        if (certificate.height, certificate.block_hash) != (header.number, header.hash):
            raise InvalidBlock("P-10", f"height {header.number}: the certificate is another block's")
        verify_commit_certificate(certificate, schedule, verifier)
    except ConsensusError as error:
        raise InvalidBlock("P-10", f"certificate of height {header.number}: {error}") from error
