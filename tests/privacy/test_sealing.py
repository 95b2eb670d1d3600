"""Sealing: only recipients open, nothing else can be learned or changed, and sizes are classes."""

from __future__ import annotations

import pytest

from node.errors import DataError, LimitExceeded
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import (
    DOCUMENT_BYTES_MAX,
    SIZE_CLASS_0_BYTES,
    make_document,
    open_sealed,
    read_header,
    seal,
)

CHAIN, DEPOSITOR = 7, b"\x01" * 32


def test_recipients_open_and_others_do_not() -> None:
    """Each recipient reads the same document; a custodian's key opens nothing."""
    first, second, stranger = (EncryptionKey.generate() for _ in range(3))
    document = make_document(b"FULL SET OF BILLS OF LADING", name="bl.pdf")
    sealed = seal(document, chain_id=CHAIN, depositor=DEPOSITOR, recipients=[first.public, second.public])
    for key in (first, second):
        assert open_sealed(sealed.sealed, key, chain_id=CHAIN) == document
    assert open_sealed(sealed.sealed, stranger, chain_id=CHAIN) is None
    assert b"LADING" not in sealed.sealed
    assert b"bl.pdf" not in sealed.sealed


def test_the_seal_is_bound_to_chain_and_depositor() -> None:
    """A ciphertext replayed on another chain, or under another depositor's name, opens for nobody."""
    key = EncryptionKey.generate()
    sealed = seal(make_document(b"x", name="x"), chain_id=CHAIN, depositor=DEPOSITOR, recipients=[key.public])
    assert open_sealed(sealed.sealed, key, chain_id=CHAIN + 1) is None
    stolen = sealed.sealed.replace(DEPOSITOR, b"\x02" * 32)
    assert stolen != sealed.sealed
    assert open_sealed(stolen, key, chain_id=CHAIN) is None


def test_a_flipped_bit_is_found() -> None:
    """Every byte of the ciphertext is authenticated."""
    key = EncryptionKey.generate()
    sealed = seal(make_document(b"x" * 100, name="x"), chain_id=CHAIN, depositor=DEPOSITOR, recipients=[key.public])
    broken = sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1])
    with pytest.raises(DataError):
        open_sealed(broken, key, chain_id=CHAIN)


@pytest.mark.parametrize("size", [0, 1, SIZE_CLASS_0_BYTES - 200, SIZE_CLASS_0_BYTES, 40_000])
def test_sizes_are_padded_to_classes(size: int) -> None:
    """What lies on a custodian's disk tells the class alone, and the header agrees with what the anchor says."""
    key = EncryptionKey.generate()
    sealed = seal(make_document(b"y" * size, name="y"), chain_id=CHAIN, depositor=DEPOSITOR, recipients=[key.public])
    header = read_header(sealed.sealed)
    assert (header.size_class, header.recipient_count) == (sealed.size_class, 1)
    assert (header.depositor, header.commitment) == (DEPOSITOR, sealed.commitment)
    opened = open_sealed(sealed.sealed, key, chain_id=CHAIN)
    assert opened is not None
    assert len(opened.body) == size
    smaller = seal(make_document(b"", name="y"), chain_id=CHAIN, depositor=DEPOSITOR, recipients=[key.public])
    if size < SIZE_CLASS_0_BYTES - 200:
        assert len(smaller.sealed) == len(sealed.sealed)


def test_equal_documents_have_different_commitments() -> None:
    """The salt keeps a rival from recognising a document that it knows."""
    assert make_document(b"same", name="a").commitment != make_document(b"same", name="a").commitment


def test_limits_are_named() -> None:
    """A document over the size limit is refused by name, and so is an unknown kind."""
    with pytest.raises(LimitExceeded, match=r"big\.pdf") as refused:
        make_document(b"z" * (DOCUMENT_BYTES_MAX + 1), name="big.pdf")
    assert refused.value.field == "document"
    assert refused.value.details["limit"] == DOCUMENT_BYTES_MAX
    with pytest.raises(DataError, match="kind"):
        make_document(b"", name="a", kind="gossip")
    with pytest.raises(DataError, match="recipients"):
        seal(make_document(b"", name="a"), chain_id=CHAIN, depositor=DEPOSITOR, recipients=[])


@pytest.mark.parametrize("noise", [b"", b"\x00", b"\x96\x01", b"\xc1" * 50, b"x" * 5000])
def test_noise_is_no_envelope(noise: bytes) -> None:
    """Whatever a peer sends ends as DataError."""
    with pytest.raises(DataError):
        read_header(noise)
    with pytest.raises(DataError):
        open_sealed(noise, EncryptionKey.generate(), chain_id=CHAIN)
