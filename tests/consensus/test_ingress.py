"""From bytes to belief: whoever signed is the sender, and nothing in a message counts unproved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus import codec, ingress
from consensus.domain import Kind, body_digest, vote_digest
from consensus.errors import InvalidMessage, MalformedMessage
from consensus.messages import (
    Commit,
    Complain,
    ForeignEpoch,
    Message,
    Prepare,
    PrePrepare,
    Reason,
    Repair,
    SignedMessage,
    Status,
)
from consensus.types import Proposal
from consensus.validators import ValidatorSchedule

from .network import (
    GENESIS_HASH,
    START_S,
    NullSigner,
    NullVerifier,
    address,
    decode_header,
    make_block,
    make_config,
)
from .test_view_change import change, commit_certificate, prepared

SCHEDULE = ValidatorSchedule(make_config())
SCHEDULE.add(0, [address(i) for i in range(4)])
BLOCK = make_block(1, GENESIS_HASH, START_S, address(0), b"")
BLOCK_HASH = decode_header(BLOCK).hash


def signed(message: SignedMessage, by: int | None = None) -> bytes:
    """Encoded, signed by ``by`` or the sender that it names."""
    signer = NullSigner(address(message.sender if by is None else by))
    domain = SCHEDULE.domain(0)
    if isinstance(message, PrePrepare | Prepare | Commit):
        kind = codec.kind_of(message)
        digest = vote_digest(domain, kind, message.view, message.height, message.block_hash)
    else:
        digest = body_digest(domain, codec.kind_of(message), codec.encode_body(message))
    return codec.encode_message(replace(message, signature=signer.sign(digest)))


def verify(raw: bytes) -> Message:
    return ingress.verify(raw, address(3), SCHEDULE, NullVerifier(), decode_header)


GOOD: list[SignedMessage] = [
    PrePrepare(0, 0, 1, BLOCK_HASH, Proposal(BLOCK, b""), 0, b""),
    Prepare(0, 0, 1, BLOCK_HASH, 1, b""),
    Commit(0, 0, 1, BLOCK_HASH, 0, b""),
    Complain(0, 1, 0, Reason.AGE, False, 2, b""),
    Status(0, 0, 0, 1, False, 1, b""),
    replace(change(1, 3, (prepared(5, 4, 42),)), signature=b""),
]


@pytest.mark.parametrize("message", GOOD, ids=lambda m: type(m).__name__)
def test_a_relayed_message_is_its_signers(message: SignedMessage) -> None:
    """Any peer may relay; the key decides who speaks, and no other key will do (H11)."""
    found = verify(signed(message))
    assert replace(found, signature=b"") == message  # type: ignore[type-var]
    for other in range(4):
        if other != message.sender:
            with pytest.raises(InvalidMessage):
                verify(signed(message, by=other))


@pytest.mark.parametrize("message", GOOD, ids=lambda m: type(m).__name__)
def test_another_epoch_is_foreign(message: SignedMessage) -> None:
    """P-13: nothing of an epoch whose set is unknown is believed, only noted."""
    raw = codec.encode_message(replace(message, epoch=1, signature=bytes(65)))
    assert verify(raw) == ForeignEpoch(1)


@pytest.mark.parametrize(
    "message",
    [
        PrePrepare(0, 1, 1, BLOCK_HASH, Proposal(BLOCK, b""), 0, b""),
        PrePrepare(0, 0, 2, BLOCK_HASH, Proposal(BLOCK, b""), 0, b""),
        PrePrepare(0, 0, 1, bytes(32), Proposal(BLOCK, b""), 0, b""),
        PrePrepare(0, 0, 1, BLOCK_HASH, Proposal(b"no block", b""), 0, b""),
        Prepare(0, 0, 1, BLOCK_HASH, 0, b""),
        Prepare(0, 0, 0, BLOCK_HASH, 1, b""),
        Commit(0, 0, 1000, BLOCK_HASH, 0, b""),
        Complain(0, 1, 999, Reason.AGE, False, 2, b""),
        Status(0, 0, 2, 1, False, 1, b""),
        replace(change(1, 3, (replace(prepared(5, 4, 42), view=6),)), signature=b""),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(message: SignedMessage) -> None:
    """Properly signed, and still not valid."""
    with pytest.raises(InvalidMessage):
        verify(signed(message))


def test_a_sender_outside_the_set_is_refused() -> None:
    """The index is checked before anything is looked up by it."""
    raw = codec.encode_message(Prepare(0, 0, 1, BLOCK_HASH, 4, bytes(65)))
    with pytest.raises(InvalidMessage):
        verify(raw)
    with pytest.raises(MalformedMessage):
        verify(b"")


def test_a_repair_needs_no_signature_but_every_certificate_proved() -> None:
    """Certificates prove themselves; one bad one discards the message."""
    good = Repair((commit_certificate(1), commit_certificate(2)))
    assert verify(codec.encode_message(good)) == good
    bad = Repair((commit_certificate(1), replace(commit_certificate(2), view=1)))
    with pytest.raises(InvalidMessage):
        verify(codec.encode_message(bad))
    foreign = Repair((replace(commit_certificate(1), epoch=3, height=3000),))
    assert verify(codec.encode_message(foreign)) == ForeignEpoch(3)


def test_every_signature_means_one_thing() -> None:
    """H33: a signature of one kind, view, height or block verifies as no other."""
    votes = [Prepare(0, v, h, b, 1, b"") for v in (0, 2) for h in (1, 2) for b in (BLOCK_HASH, bytes(32))]
    votes += [Commit(*(getattr(v, f) for f in Prepare.__slots__)) for v in votes]  # type: ignore[misc]
    signatures = [codec.decode_message(signed(v)).signature for v in votes]  # type: ignore[union-attr]
    for i, vote in enumerate(votes):
        for j, signature in enumerate(signatures):
            raw = codec.encode_message(replace(vote, signature=signature))
            if i == j:
                verify(raw)
            else:
                with pytest.raises(InvalidMessage):
                    verify(raw)


def test_the_cache_remembers_only_what_was_true() -> None:
    """A wrong signature is checked each time; a good one once; the cache stays within its size."""
    asked: list[bytes] = []

    class Counting(NullVerifier):
        def recover(self, digest: bytes, signature: bytes) -> bytes | None:
            asked.append(signature)
            return super().recover(digest, signature)

    cache = ingress.CachingVerifier(Counting(), size=2)
    digest = bytes(32)
    good = NullSigner(address(1)).sign(digest)
    for _ in range(3):
        assert cache.recover(digest, good) == address(1)
        assert cache.recover(digest, bytes(65)) is None
    assert asked.count(good) == 1
    assert asked.count(bytes(65)) == 3
    for i in range(2, 4):
        cache.recover(digest, NullSigner(address(i)).sign(digest))
    cache.recover(digest, good)
    assert asked.count(good) == 2
    assert Kind.COMMIT == 3
