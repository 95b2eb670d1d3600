"""Certificates: files, requests, bindings."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from node.errors import ConfigError, DataError
from node.keys import PrivateKey
from node.keys.tls import (
    BindingRefused,
    TlsFiles,
    certificate_expiry,
    client_context,
    load_authority,
    make_authority,
    make_node_files,
    make_signing_request,
    save_authority,
    server_context,
    sign_request,
    verify_binding,
)

CHAIN_ID = 4503599627370476
"""The largest that genesis accepts."""


def _der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def test_a_certificate_speaks_for_the_key_that_bound_it(tmp_path: Path) -> None:
    """Made, stored, loaded: the address is the signer's, on its own chain alone; every file is private."""
    authority, key = make_authority("Consortium"), PrivateKey.generate()
    save_authority(tmp_path / "ca", authority)
    files = make_node_files(
        tmp_path / "tls", load_authority(tmp_path / "ca"), key, chain_id=CHAIN_ID, common_name="Harbour Bank"
    )
    assert verify_binding(_der(files.certificate.read_bytes()), CHAIN_ID) == key.address
    with pytest.raises(BindingRefused) as caught:
        verify_binding(_der(files.certificate.read_bytes()), CHAIN_ID - 1)
    assert caught.value.reason == "wrong_chain"
    for path in (*(tmp_path / "tls").iterdir(), *(tmp_path / "ca").iterdir()):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    server_context(files)
    client_context(files)
    days = (certificate_expiry(files) - dt.datetime.now(dt.UTC)).days
    assert 390 <= days <= 397


def test_a_key_leaves_its_bank_only_as_a_request() -> None:
    """The authority signs a request whose binding holds, and takes nothing but names and binding from it."""
    authority, key = make_authority("Consortium"), PrivateKey.generate()
    request = make_signing_request(key, chain_id=7, common_name="Bank", hosts=["localhost", "10.0.0.7"])
    certificate = sign_request(authority, request.request_pem, chain_id=7)
    assert verify_binding(_der(certificate), 7) == key.address
    parsed = x509.load_pem_x509_certificate(certificate)
    assert parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert b"PRIVATE" not in request.request_pem
    with pytest.raises(BindingRefused, match="chain"):
        sign_request(authority, request.request_pem, chain_id=8)
    with pytest.raises(DataError):
        sign_request(authority, b"no request", chain_id=7)


def test_every_changed_byte_of_the_binding_is_refused() -> None:
    """A certificate whose binding signature is altered anywhere speaks for nobody."""
    authority, key = make_authority("Consortium"), PrivateKey.generate()
    request = make_signing_request(key, chain_id=7, common_name="Bank", hosts=["localhost"])
    der = _der(sign_request(authority, request.request_pem, chain_id=7))
    signature = _binding_of(der)
    start = der.index(signature)
    for offset in range(len(signature)):
        altered = bytearray(der)
        altered[start + offset] ^= 1
        with pytest.raises(BindingRefused) as caught:
            verify_binding(bytes(altered), 7)
        assert caught.value.reason == "bad_signature"


def _binding_of(der: bytes) -> bytes:
    """The 65 bytes of the binding in a certificate."""
    from node.keys.tls import BINDING_OID

    value = x509.load_der_x509_certificate(der).extensions.get_extension_for_oid(BINDING_OID).value
    assert isinstance(value, x509.UnrecognizedExtension)
    return value.value[2:]


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"certificate", bytes(1000)])
def test_what_is_no_certificate_is_refused_by_name(data: bytes) -> None:
    """Hostile bytes end in BindingRefused, never in a parser's own error."""
    with pytest.raises(BindingRefused) as caught:
        verify_binding(data, 7)
    assert caught.value.reason == "malformed"


def test_unusable_files_are_named(tmp_path: Path) -> None:
    """A missing or wrong file is a configuration error that names its folder."""
    with pytest.raises(ConfigError, match=str(tmp_path)):
        server_context(TlsFiles.in_directory(tmp_path))
    with pytest.raises(ConfigError, match=str(tmp_path)):
        load_authority(tmp_path)
    key = PrivateKey.generate()
    files = make_node_files(tmp_path / "a", make_authority("A"), key, chain_id=7, common_name="a")
    other = make_node_files(tmp_path / "b", make_authority("B"), key, chain_id=7, common_name="b")
    with pytest.raises(ConfigError):
        client_context(TlsFiles(files.ca, files.certificate, other.key))
