"""Following the chain without executing it: headers, certificates, and the address lists that extraData hashes.

An auditor pins the genesis hash (or a header younger than its trust period) and the validator set after it, and
needs nothing else of the source's word. Two chains that both verify are evidence against more than f validators.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.errors import ImpossibleState, InvalidCertificate, InvalidChain, MalformedMessage, UnknownEpoch
from consensus.types import Address, Config, Digest, HeaderView, Verifier
from consensus.validators import ValidatorSchedule, check_validator_set, epoch_of, validator_set_hash

_NO_CERTIFICATE = bytes(32)


@dataclass(frozen=True, slots=True)
class Link:
    """One block as a light client sees it. ``next_validators`` is S(number + 1), None where it is S(number)."""

    header: HeaderView
    certificate: bytes
    next_validators: tuple[Address, ...] | None = None


class HeaderChain:
    """A verified prefix of the chain; ``append`` proves one more header."""

    def __init__(self, config: Config, anchor: HeaderView, validators: Sequence[Address], verifier: Verifier) -> None:
        """``anchor``: the genesis header, or a pinned later one; ``validators``: S(anchor.number + 1). Raises
        InvalidChain where the anchor is not this chain's or does not hash that set (P-3, P-12)."""
        self.config = config
        self.header = anchor
        self.validators = tuple(validators)
        self._verifier = verifier
        self._schedule = ValidatorSchedule(config)
        self._certificates: dict[int, Digest] = {}
        if anchor.number == 0 and anchor.hash != config.genesis_hash:
            raise InvalidChain(0, "P-3", "the genesis header is another chain's")
        self._check_set(anchor, self.validators)

    def append(self, link: Link) -> None:
        """Follow ``link``; raises InvalidChain naming the rule that it breaks, and stays where it was."""
        header, height = link.header, link.header.number
        self._check_place(header)
        self._check_certificate(link)
        self._check_carried(header)
        following = self.validators if link.next_validators is None else tuple(link.next_validators)
        if following != self.validators and (height + 1) % self.config.epoch_length:
            raise InvalidChain(height, "P-12", "the validator set changes inside an epoch")
        self._check_set(header, following)
        self._certificates[height] = CommitCertificate.decode(link.certificate).hash()
        self._certificates.pop(height - self.config.window - 1, None)
        self.header, self.validators = header, following

    def _check_place(self, header: HeaderView) -> None:
        parent, height = self.header, header.number
        if height != parent.number + 1 or header.parent_hash != parent.hash:
            raise InvalidChain(parent.number + 1, "P-1", "the header does not follow its parent")
        if header.timestamp < parent.timestamp + (1 if self.config.strict_timestamps else 0):
            raise InvalidChain(height, "P-4", "the block's time is before its parent's")
        if header.coinbase not in self.validators:
            raise InvalidChain(height, "P-5", "the coinbase is no validator")

    def _check_certificate(self, link: Link) -> None:
        height = link.header.number
        try:
            certificate = CommitCertificate.decode(link.certificate)
            verify_commit_certificate(certificate, self._schedule, self._verifier)
        except (MalformedMessage, InvalidCertificate, UnknownEpoch) as error:
            raise InvalidChain(height, "P-10", str(error)) from error
        if (certificate.height, certificate.block_hash) != (height, link.header.hash):
            raise InvalidChain(height, "P-10", "the certificate is of another block")

    def _check_carried(self, header: HeaderView) -> None:
        """The certificate at height - W, as the source gave it, is the one that this header makes canonical."""
        ancestor = header.number - self.config.window
        if ancestor <= 0:
            named: Digest | None = _NO_CERTIFICATE
        else:
            named = self._certificates.get(ancestor)  # None only below a pinned anchor
        if named is not None and header.parent_beacon_block_root != named:
            raise InvalidChain(header.number, "P-11", "the header names another certificate")

    def _check_set(self, header: HeaderView, following: tuple[Address, ...]) -> None:
        epoch = epoch_of(header.number + 1, self.config.epoch_length)
        try:
            members = check_validator_set(following)
        except ImpossibleState as error:
            raise InvalidChain(header.number, "P-12", str(error)) from error
        if header.extra_data != validator_set_hash(epoch, members):
            raise InvalidChain(header.number, "P-12", "extraData is not the hash of the next validator set")
        self._schedule.add(epoch, members)


def verify_header_chain(
    config: Config, anchor: HeaderView, validators: Sequence[Address], links: Iterable[Link], verifier: Verifier
) -> HeaderChain:
    """Follow ``links`` from ``anchor``; the verified chain's tip, or InvalidChain at the first bad header."""
    chain = HeaderChain(config, anchor, validators, verifier)
    for link in links:
        chain.append(link)
    return chain
