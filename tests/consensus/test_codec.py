"""One encoding for each message, and a decoder that takes nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import codec, wal_records
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from consensus.errors import MalformedMessage
from consensus.messages import Prepare, Status, WireMessage
from consensus.wal_records import WalRecord

from . import strategies as s

STATUS = Status(0, 3, 1, 2, True, 1, bytes(65))


@settings(max_examples=300, deadline=None)
@given(s.messages)
def test_a_message_survives_the_round_trip(message: WireMessage) -> None:
    """decode(encode(m)) == m."""
    assert codec.decode_message(codec.encode_message(message)) == message


@settings(max_examples=300, deadline=None)
@given(s.messages, st.data())
def test_a_changed_byte_is_refused_or_another_message(message: WireMessage, data: st.DataObject) -> None:
    """Whatever decodes encodes back to the same bytes: there is no second encoding (H34, H39)."""
    raw = bytearray(codec.encode_message(message))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    _decodes_canonically(bytes(raw))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(Kind))
def test_garbage_never_breaks_the_decoder(body: bytes, kind: Kind) -> None:
    """MalformedMessage is the only error that bytes from the network can cause."""
    _decodes_canonically(body)
    _decodes_canonically(bytes((codec.VERSION, kind)) + body)


def _decodes_canonically(raw: bytes) -> None:
    try:
        message = codec.decode_message(raw)
    except MalformedMessage:
        return
    assert codec.encode_message(message) == raw


@settings(max_examples=200, deadline=None)
@given(s.messages, st.data())
def test_a_cut_or_longer_message_is_refused(message: WireMessage, data: st.DataObject) -> None:
    """No prefix decodes, and no trailing byte is allowed."""
    raw = codec.encode_message(message)
    with pytest.raises(MalformedMessage):
        codec.decode_message(raw[: data.draw(st.integers(0, len(raw) - 1))])
    with pytest.raises(MalformedMessage):
        codec.decode_message(raw + b"\0")


def test_flags_and_sizes_are_exact() -> None:
    """A flag of 2, an unknown version, an unknown kind and an oversized message are refused."""
    raw = codec.encode_message(STATUS)
    flag = len(raw) - 65 - 3
    assert raw[flag] == 1
    for changed in (
        raw[:flag] + b"\2" + raw[flag + 1 :],
        b"\2" + raw[1:],
        b"\1\x63" + raw[2:],
        raw + bytes(codec.MAX_BYTES[Kind.STATUS]),
    ):
        with pytest.raises(MalformedMessage):
            codec.decode_message(changed)


@settings(max_examples=200, deadline=None)
@given(s.commit_certificates())
def test_a_certificate_has_one_encoding(certificate: CommitCertificate) -> None:
    """P-10: the encoding decodes to the certificate, and a seal more or less is refused."""
    raw = certificate.encode()
    assert CommitCertificate.decode(raw) == certificate
    for changed in (raw + bytes(65), raw[:-1], b"\2" + raw[1:]):
        with pytest.raises(MalformedMessage):
            CommitCertificate.decode(changed)


@settings(max_examples=300, deadline=None)
@given(s.records)
def test_a_record_survives_the_round_trip(record: WalRecord) -> None:
    """decode(encode(r)) == r for every kind of WAL record."""
    assert wal_records.decode(wal_records.encode(record)) == record


@settings(max_examples=300, deadline=None)
@given(s.records, st.data())
def test_a_damaged_record_is_refused_or_canonical(record: WalRecord, data: st.DataObject) -> None:
    """Damage that the WAL's checksum missed still cannot break the decoder."""
    raw = bytearray(wal_records.encode(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = wal_records.decode(bytes(raw))
    except MalformedMessage:
        return
    assert wal_records.encode(found) == bytes(raw)


def test_a_field_of_another_width_is_never_encoded() -> None:
    """Our own mistake, not a peer's: the encoder stops rather than make bytes that nobody can read."""
    with pytest.raises(ValueError, match="31"):
        codec.encode_message(Prepare(0, 0, 1, bytes(31), 0, bytes(65)))
