"""From bytes to a message that the replica may believe: cheap checks, then signatures, then nested certificates.

Pure but for the cache; the host may run it in another thread. Everything that needs the replica's state (view,
height, window) is checked there.
"""

from __future__ import annotations

from collections import OrderedDict

from consensus import codec, view_change
from consensus.certificates import signed_by, verify_commit_certificate
from consensus.domain import Kind, body_digest, vote_digest
from consensus.errors import InvalidMessage, MalformedBlock, UnknownEpoch
from consensus.messages import (
    Commit,
    Complain,
    ForeignEpoch,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Repair,
    SignedMessage,
    Status,
    ViewChange,
)
from consensus.types import Address, Digest, HeaderDecoder, Signature, Verifier
from consensus.validators import ValidatorSchedule, primary_index

CACHE_SIZE = 16_384
"""Verified signatures remembered: a view change repeats most of its signatures many times."""


class CachingVerifier:
    """Remembers who signed what; the least recently used entry goes first."""

    def __init__(self, verifier: Verifier, size: int = CACHE_SIZE) -> None:
        self._verifier = verifier
        self._size = size
        self._known: OrderedDict[tuple[Digest, Signature], Address] = OrderedDict()

    def recover(self, digest: Digest, signature: Signature) -> Address | None:
        """As the verifier beneath; failures are not remembered."""
        key = (digest, signature)
        address = self._known.get(key)
        if address is not None:
            self._known.move_to_end(key)
            return address
        address = self._verifier.recover(digest, signature)
        if address is not None:
            self._known[key] = address
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return address


def verify(
    raw: bytes,
    peer: Address,
    schedule: ValidatorSchedule,
    verifier: Verifier,
    decode_header: HeaderDecoder,
) -> Message:
    """The message in ``raw``, with every signature in it checked; ForeignEpoch where its set is not known here.

    ``peer``, the authenticated connection, need not be the signer: any replica may relay (the replica is
    stricter with COMPLAIN and STATUS: R-11). Raises MalformedMessage or InvalidMessage."""
    message = codec.decode_message(raw)
    try:
        if isinstance(message, Repair):
            for certificate in message.certificates:
                verify_commit_certificate(certificate, schedule, verifier)
            return message
        members = schedule.validators(message.epoch)
        if message.sender >= len(members):
            raise InvalidMessage("the sender's index is outside the validator set")
        _check_place(message, schedule, members)
        _check_signature(message, schedule, verifier, members[message.sender])
        if isinstance(message, PrePrepare):
            _check_block(message, decode_header)
        elif isinstance(message, ViewChange):
            view_change.check_view_change(message, schedule, verifier)
        elif isinstance(message, NewView):
            view_change.check_new_view(message, schedule, verifier)
    except UnknownEpoch as unknown:
        return ForeignEpoch(unknown.epoch)
    return message


def _check_place(message: SignedMessage, schedule: ValidatorSchedule, members: tuple[Address, ...]) -> None:
    """What a message says of itself must fit together: cheap, so first."""
    if isinstance(message, PrePrepare | Prepare | Commit):
        if message.height == 0 or schedule.epoch_of(message.height) != message.epoch:
            raise InvalidMessage("P-13: the epoch is not that of the height")
        leads = message.sender == primary_index(message.epoch, message.view, len(members))
        if isinstance(message, PrePrepare) and not leads:
            raise InvalidMessage("only the primary of the view sends its PRE-PREPARE")
        if isinstance(message, Prepare) and leads:
            raise InvalidMessage("the primary's PRE-PREPARE is its PREPARE")
    elif isinstance(message, Complain | Status):
        base = message.base if isinstance(message, Complain) else message.committed
        if schedule.epoch_of(base + 1) != message.epoch:
            raise InvalidMessage("P-13: the epoch is not that of the next height")
        if isinstance(message, Status) and message.promise < message.view:
            raise InvalidMessage("no promise is below the view that is entered")


def _check_signature(message: SignedMessage, schedule: ValidatorSchedule, verifier: Verifier, address: Address) -> None:
    """The key that signed is the sender's; no other field says who speaks."""
    domain_hash = schedule.domain(message.epoch)
    if isinstance(message, PrePrepare | Prepare | Commit):
        kind = codec.kind_of(message)
        digest = vote_digest(domain_hash, kind, message.view, message.height, message.block_hash)
    else:
        digest = body_digest(domain_hash, codec.kind_of(message), codec.encode_body(message))
    if not signed_by(address, digest, message.signature, verifier):
        raise InvalidMessage(f"the {Kind(codec.kind_of(message)).name} is not signed by its sender")


def _check_block(message: PrePrepare, decode_header: HeaderDecoder) -> None:
    try:
        header = decode_header(message.proposal.block)
    except MalformedBlock as error:
        raise InvalidMessage(f"the proposed block cannot be read: {error}") from error
    if (header.hash, header.number) != (message.block_hash, message.height):
        raise InvalidMessage("the proposed block is not the one announced")
