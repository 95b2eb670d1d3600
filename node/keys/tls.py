"""The consortium's certificates: who a connection belongs to, bound to the key that the chain knows.

A node's certificate carries its chain address as a URI (``praya:<chain id>:<address>``) and, in an extension of
our own, the signature of that address' key over the certificate's public key. So a consortium authority that
signs carelessly, or is taken over, still cannot speak for a bank: identity is the chain's key, the certificate
is transport only and is renewed without touching the chain.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import re
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.errors import ConfigError, DataError, PermissionDenied
from node.keys import recover_address
from node.types import Address

BINDING_DOMAIN = b"praya-tls/1"
# A UUID under joint-iso-itu-t(2) uuid(25): an object identifier of our own that needs no registration (X.667).
BINDING_OID = x509.ObjectIdentifier("2.25.286484401468738126552501819715190407546")
SIGNATURE_BYTES = 65
_DER_HEAD = bytes([0x04, SIGNATURE_BYTES])  # an extension's value is DER: here one OCTET STRING
AUTHORITY_DAYS = 3650
NODE_DAYS = 397
BACKDATED = dt.timedelta(minutes=5)
"""A certificate is valid from a little before it was made: members' clocks differ by seconds."""

CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, KEY_FILE, CRL_FILE = "ca.pem", "ca.key", "node.crt", "node.key", "crl.pem"

_IDENTITY = re.compile(r"praya:([1-9][0-9]{0,15}):0x([0-9a-f]{40})")
_AuthorityKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class BindingSigner(Protocol):
    """The key that the chain knows: a validator's, or an observing member's business key."""

    @property
    def address(self) -> Address: ...

    def sign(self, digest: bytes) -> bytes: ...


class BindingRefused(PermissionDenied):
    """A certificate that speaks for nobody. ``reason`` is one of: malformed, no_identity, wrong_chain, no_binding,
    bad_signature."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, field="certificate", reason=reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The consortium's own authority: its certificate is the only root that a node's connections trust."""

    certificate: x509.Certificate
    key: _AuthorityKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A bank's request: the private key stays with the bank, the request goes to the authority. Both PEM."""

    key_pem: bytes
    request_pem: bytes


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a node's transport identity lies. ``crl`` is optional; where it exists, revoked leaves are refused."""

    ca: Path
    certificate: Path
    key: Path
    crl: Path | None = None

    @classmethod
    def in_directory(cls, directory: Path) -> TlsFiles:
        """The customary names in a node's ``tls`` folder."""
        crl = directory / CRL_FILE
        return cls(
            ca=directory / CA_FILE,
            certificate=directory / CERTIFICATE_FILE,
            key=directory / KEY_FILE,
            crl=crl if crl.exists() else None,
        )


# --- the binding --------------------------------------------------------------------------------------


def identity_uri(chain_id: int, address: Address) -> str:
    """The name under which a certificate speaks for an address on one chain."""
    return f"praya:{chain_id}:0x{address.hex()}"


def binding_digest(chain_id: int, public_key_info: bytes, address: Address) -> bytes:
    """What the chain's key signs: SHA-256 over domain, chain id (8 bytes), hash of the DER SubjectPublicKeyInfo,
    address. The genesis hash is left out because certificates are made before genesis is."""
    key_hash = hashlib.sha256(public_key_info).digest()
    return hashlib.sha256(BINDING_DOMAIN + chain_id.to_bytes(8, "big") + key_hash + address).digest()


def verify_binding(certificate_der: bytes, chain_id: int) -> Address:
    """The address for which this certificate speaks, proved by that address' own signature.

    The chain of trust and the validity dates are the TLS layer's business (P-19: by the machine's clock).
    Raises BindingRefused with its reason.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        public_key_info = _public_key_info(certificate.public_key())
        extensions = certificate.extensions
    except Exception as error:  # the parser raises a dozen types on hostile input; all mean one thing here
        raise BindingRefused("malformed", "the certificate cannot be read") from error
    return _bound_address(extensions, public_key_info, chain_id)


def _bound_address(extensions: x509.Extensions, public_key_info: bytes, chain_id: int) -> Address:
    address = _named_address(extensions, chain_id)
    try:
        value = extensions.get_extension_for_oid(BINDING_OID).value
    except x509.ExtensionNotFound as error:
        raise BindingRefused("no_binding", "the certificate is not bound to a chain key") from error
    encoded = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
    if len(encoded) != len(_DER_HEAD) + SIGNATURE_BYTES or not encoded.startswith(_DER_HEAD):
        raise BindingRefused("malformed", f"the binding must be an OCTET STRING of {SIGNATURE_BYTES} bytes")
    signature = encoded[len(_DER_HEAD) :]
    if recover_address(binding_digest(chain_id, public_key_info, address), signature) != address:
        raise BindingRefused("bad_signature", f"0x{address.hex()} has not signed this certificate's key")
    return address


def _named_address(extensions: x509.Extensions, chain_id: int) -> Address:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise BindingRefused("no_identity", "the certificate names no chain address") from error
    uris = [uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith("praya:")]
    if len(uris) != 1:
        raise BindingRefused("no_identity", f"the certificate names {len(uris)} chain addresses, not one")
    match = _IDENTITY.fullmatch(uris[0])
    if match is None:
        raise BindingRefused("malformed", f"{uris[0][:80]!r} is no chain address")
    if int(match[1]) != chain_id:
        raise BindingRefused("wrong_chain", f"the certificate is for chain {match[1]}, this is chain {chain_id}")
    return Address(bytes.fromhex(match[2]))


# --- making certificates ------------------------------------------------------------------------------


def make_authority(name: str, *, days: int = AUTHORITY_DAYS, now: dt.datetime | None = None) -> CertificateAuthority:
    """A new consortium authority (P-256, self-signed, may sign leaves only). ``now`` defaults to the machine's
    clock, never to block time (P-19)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    builder = _builder(subject, subject, key.public_key(), key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return CertificateAuthority(builder.sign(key, hashes.SHA256()), key)


def make_signing_request(
    signer: BindingSigner, *, chain_id: int, common_name: str, hosts: Sequence[str]
) -> SigningRequest:
    """A new transport key (P-256) and a request that binds it to ``signer``. ``hosts`` are the DNS names and IP
    addresses at which this node is dialled."""
    key = ec.generate_private_key(ec.SECP256R1())
    signature = signer.sign(binding_digest(chain_id, _public_key_info(key.public_key()), signer.address))
    names: list[x509.GeneralName] = [_host_name(host) for host in hosts]
    names.append(x509.UniformResourceIdentifier(identity_uri(chain_id, signer.address)))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.UnrecognizedExtension(BINDING_OID, _DER_HEAD + signature), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SigningRequest(key_pem, request.public_bytes(serialization.Encoding.PEM))


def sign_request(
    authority: CertificateAuthority,
    request_pem: bytes,
    *,
    chain_id: int,
    days: int = NODE_DAYS,
    now: dt.datetime | None = None,
) -> bytes:
    """The node's certificate (PEM) for a request whose own signature and chain binding hold.

    Only the names and the binding are taken from the request; usage and dates are the authority's. Raises
    BindingRefused, or DataError for what is no request.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem)
        sound = request.is_signature_valid
        extensions = request.extensions
        public_key = request.public_key()
    except Exception as error:  # see verify_binding
        raise DataError("the certificate request cannot be read", field="request") from error
    if not sound or not isinstance(public_key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise DataError("the certificate request is not signed by its own P-256 or Ed25519 key", field="request")
    _bound_address(extensions, _public_key_info(public_key), chain_id)
    builder = _builder(
        request.subject, authority.certificate.subject, public_key, authority.key.public_key(), days, now
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    builder = builder.add_extension(names, critical=False)
    binding = extensions.get_extension_for_oid(BINDING_OID).value
    builder = builder.add_extension(binding, critical=False)
    algorithm = None if isinstance(authority.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(authority.key, algorithm).public_bytes(serialization.Encoding.PEM)


def revocation_list(
    authority: CertificateAuthority, serials: Iterable[int], *, days: int = 30, now: dt.datetime | None = None
) -> bytes:
    """The authority's list of revoked certificates (PEM), for every node's ``tls/crl.pem``."""
    moment = now or dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(moment - BACKDATED)
        .next_update(moment + dt.timedelta(days=days))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .add_extension(x509.CRLNumber(int(moment.timestamp())), critical=False)
    )
    for serial in sorted(set(serials)):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment - BACKDATED).build()
        builder = builder.add_revoked_certificate(entry)
    algorithm = None if isinstance(authority.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(authority.key, algorithm).public_bytes(serialization.Encoding.PEM)


# --- files --------------------------------------------------------------------------------------------


def save_authority(directory: Path, authority: CertificateAuthority) -> None:
    """``ca.pem`` and ``ca.key`` (mode 0600) in the authority's own folder."""
    key_pem = authority.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_private(directory / CA_KEY_FILE, key_pem)
    _write_private(directory / CA_FILE, authority.certificate_pem)


def load_authority(directory: Path) -> CertificateAuthority:
    """The authority of :func:`save_authority`. Raises ConfigError naming the file."""
    try:
        key = serialization.load_pem_private_key((directory / CA_KEY_FILE).read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((directory / CA_FILE).read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"no certificate authority in {directory}: {error}", field="ca") from error
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise ConfigError(f"{directory / CA_KEY_FILE} is neither a P-256 nor an Ed25519 key", field="ca")
    return CertificateAuthority(certificate, key)


def save_node_files(directory: Path, *, ca_pem: bytes, certificate_pem: bytes, key_pem: bytes) -> TlsFiles:
    """A node's ``tls`` folder: the root, its certificate and its key, each mode 0600."""
    files = TlsFiles.in_directory(directory)
    _write_private(files.ca, ca_pem)
    _write_private(files.certificate, certificate_pem)
    _write_private(files.key, key_pem)
    return files


def make_node_files(
    directory: Path,
    authority: CertificateAuthority,
    signer: BindingSigner,
    *,
    chain_id: int,
    common_name: str,
    hosts: Sequence[str] = ("localhost", "127.0.0.1", "::1"),
    days: int = NODE_DAYS,
    now: dt.datetime | None = None,
) -> TlsFiles:
    """Request, sign and store in one step: for networks whose folders are made on one machine."""
    request = make_signing_request(signer, chain_id=chain_id, common_name=common_name, hosts=hosts)
    certificate = sign_request(authority, request.request_pem, chain_id=chain_id, days=days, now=now)
    return save_node_files(
        directory, ca_pem=authority.certificate_pem, certificate_pem=certificate, key_pem=request.key_pem
    )


def certificate_expiry(files: TlsFiles) -> dt.datetime:
    """When the node's certificate ends (UTC): for health checks and warnings. Raises ConfigError."""
    return _load_certificate(files.certificate).not_valid_after_utc


# --- contexts -----------------------------------------------------------------------------------------


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What the peer port answers with: TLS 1.3 only, a certificate of the consortium demanded. ConfigError."""
    return _context(ssl.PROTOCOL_TLS_SERVER, files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """What this node dials with: TLS 1.3 only, the server's certificate and name checked. ConfigError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, files)


def _context(protocol: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # no resumption: every connection proves its certificate anew
    try:
        context.load_verify_locations(cafile=str(files.ca))
        context.load_cert_chain(certfile=str(files.certificate), keyfile=str(files.key))
        if files.crl is not None:
            context.load_verify_locations(cafile=str(files.crl))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot use the certificates in {files.certificate.parent}: {error}", field="tls") from error
    return context


# --- details ------------------------------------------------------------------------------------------

_PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: _PublicKey,
    issuer_key: _PublicKey,
    days: int,
    now: dt.datetime | None,
) -> x509.CertificateBuilder:
    moment = now or dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - BACKDATED)
        .not_valid_after(moment + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _public_key_info(key: object) -> bytes:
    if not isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey)):
        raise DataError("the certificate's key is neither P-256 nor Ed25519", field="certificate")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the certificate {path}: {error}", field="tls") from error


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads: its mode is set before its content is there, and a crash leaves
    either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
