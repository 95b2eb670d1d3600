"""Who may not connect, each over a real socket: the certificate, its binding, the protocol, the behaviour."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from node.keys import PrivateKey
from node.keys.tls import (
    BINDING_OID,
    CertificateAuthority,
    TlsFiles,
    binding_digest,
    client_context,
    identity_uri,
    make_authority,
    make_node_files,
    revocation_list,
    save_node_files,
    server_context,
)
from node.p2p import PeerAddress, PeerNetwork
from node.p2p.dialler import PATH
from node.p2p.frames import SUBPROTOCOL, Hello, MessageFrame, encode_frame
from node.types import Address
from tests.p2p.parties import CHAIN_ID, GENESIS, PARAMETERS, Consortium, Party, free_port, until


def certificate_by_hand(
    directory: Path,
    authority: CertificateAuthority,
    *,
    address: Address,
    binder: PrivateKey | None,
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
    host: str = "127.0.0.1",
    chain_id: int = CHAIN_ID,
) -> TlsFiles:
    """A leaf of the authority with any content: what an authority that checks nothing might sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity_uri(chain_id, address))]
    names.append(x509.DNSName(host))
    if host == "127.0.0.1":
        import ipaddress

        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by hand")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if binder is not None:
        signature = binder.sign(binding_digest(chain_id, spki, address))
        builder = builder.add_extension(x509.UnrecognizedExtension(BINDING_OID, b"\x04\x41" + signature), False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return save_node_files(
        directory,
        ca_pem=authority.certificate_pem,
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key_pem,
    )


async def _listening(consortium: Consortium) -> tuple[Party, PeerNetwork]:
    """A member that dials nobody."""
    party = consortium.add("bank")
    network = consortium.network(party, [])
    await network.start()
    return party, network


async def _knock(party: Party, context: ssl.SSLContext, *, protocol: str = SUBPROTOCOL) -> int:
    """Ask for a WebSocket; the HTTP status of a refusal, 101 where it was opened."""
    url = f"wss://127.0.0.1:{party.port}{PATH}"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url, ssl=context, protocols=(protocol,)):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def test_another_authority_is_refused(consortium: Consortium, tmp_path: Path) -> None:
    """A certificate of another authority ends in the TLS handshake, whichever side presents it."""
    bank, network = await _listening(consortium)
    stranger = make_authority("Another consortium")
    key = consortium.add("other").key
    files = make_node_files(tmp_path / "x", stranger, key, chain_id=CHAIN_ID, common_name="x")
    with pytest.raises((aiohttp.ClientError, OSError)) as caught:
        await _knock(bank, client_context(files))  # our side does not trust the bank either
    assert isinstance(caught.value, aiohttp.ClientConnectorCertificateError)
    trusting = client_context(files)
    trusting.load_verify_locations(cafile=str(bank.tls.ca))
    with pytest.raises((aiohttp.ClientError, OSError)):
        await _knock(bank, trusting)
    assert not network.connected()
    # and when we dial a place where such a certificate answers
    imposter = Party("other", key, files, free_port())
    consortium.parties[-1] = imposter
    dialler = consortium.network(consortium.add("dialler"), [imposter.place])
    server = consortium.network(imposter, [])
    await server.start()
    await dialler.start()
    await until(lambda: any(refusal.reason == "certificate" for refusal in dialler.refusals))
    assert not dialler.connected()


async def test_no_certificate_is_refused(consortium: Consortium) -> None:
    """A TLS 1.3 client without a certificate gets no answer at all."""
    bank, _ = await _listening(consortium)
    context = ssl.create_default_context(cafile=str(bank.tls.ca))
    with pytest.raises((aiohttp.ClientError, OSError)):
        await _knock(bank, context)


async def test_older_tls_is_refused(consortium: Consortium) -> None:
    """TLS 1.2 with a sound certificate is refused by version; the same certificate passes with 1.3."""
    bank, _ = await _listening(consortium)
    caller = consortium.add("caller")
    context = client_context(caller.tls)
    assert await _knock(bank, context) == 101
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((aiohttp.ClientError, OSError)):
        await _knock(bank, context)


async def test_a_dialled_server_with_older_tls_is_refused(consortium: Consortium) -> None:
    """A node that is answered in TLS 1.2 does not connect."""
    bank, other = consortium.add("bank"), consortium.add("other")
    context = server_context(other.tls)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = await asyncio.start_server(lambda _r, writer: writer.close(), "127.0.0.1", other.port, ssl=context)
    network = consortium.network(bank)
    await network.start()
    await until(lambda: any(refusal.reason in ("tls", "unreachable") for refusal in network.refusals))
    assert not network.connected()
    server.close()


async def test_plain_tcp_is_refused(consortium: Consortium) -> None:
    """HTTP without TLS gets no HTTP answer."""
    bank, _ = await _listening(consortium)
    reader, writer = await asyncio.open_connection("127.0.0.1", bank.port)
    writer.write(b"GET /p2p HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert not (await reader.read()).startswith(b"HTTP")
    writer.close()


async def test_a_certificate_of_another_bank_is_refused_where_we_dial(consortium: Consortium) -> None:
    """A valid certificate bound to another bank's key answers at a configured place: the dialler parts from it."""
    bank, real, thief = consortium.add("bank"), consortium.add("real"), consortium.add("thief")
    server = consortium.network(thief, [])
    await server.start()
    network = consortium.network(bank, [PeerAddress("real", "127.0.0.1", thief.port, real.address)])
    await network.start()
    await until(lambda: any(refusal.reason == "identity_mismatch" for refusal in network.refusals))
    assert not network.connected()
    await until(lambda: not server.connected())


async def test_a_certificate_in_anothers_name_is_refused(consortium: Consortium, tmp_path: Path) -> None:
    """The authority signs a victim's address for a key whose binding the thief signed: nobody takes it."""
    bank, network = await _listening(consortium)
    victim, thief = consortium.add("victim"), PrivateKey.generate()
    files = certificate_by_hand(tmp_path / "x", consortium.authority, address=victim.address, binder=thief)
    assert await _knock(bank, client_context(files)) == 403
    assert network.refusals[-1].reason == "bad_signature"
    unbound = certificate_by_hand(tmp_path / "y", consortium.authority, address=victim.address, binder=None)
    assert await _knock(bank, client_context(unbound)) == 403
    assert network.refusals[-1].reason == "no_binding"
    elsewhere = certificate_by_hand(
        tmp_path / "z", consortium.authority, address=victim.address, binder=victim.key, chain_id=CHAIN_ID + 1
    )
    assert await _knock(bank, client_context(elsewhere)) == 403
    assert network.refusals[-1].reason == "wrong_chain"
    sound = certificate_by_hand(tmp_path / "s", consortium.authority, address=victim.address, binder=victim.key)
    assert await _knock(bank, client_context(sound)) == 101


async def test_a_stranger_to_the_chain_is_refused(consortium: Consortium) -> None:
    """A sound certificate is not enough: the chain must know the address."""
    bank, network = await _listening(consortium)
    stranger = consortium.outsider("stranger")
    assert await _knock(bank, client_context(stranger.tls)) == 403
    assert network.refusals[-1].reason == "unauthorised"


async def test_wrong_usage_and_name_are_refused(consortium: Consortium, tmp_path: Path) -> None:
    """A certificate for servers alone may not dial, one for clients alone may not answer, nor one of another host."""
    bank, _ = await _listening(consortium)
    member = consortium.add("member")
    bound = {"address": member.address, "binder": member.key}
    server_only = certificate_by_hand(
        tmp_path / "a", consortium.authority, usages=(ExtendedKeyUsageOID.SERVER_AUTH,), **bound
    )
    with pytest.raises((aiohttp.ClientError, OSError)):
        await _knock(bank, client_context(server_only))
    client_only = certificate_by_hand(
        tmp_path / "b", consortium.authority, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,), **bound
    )
    other_host = certificate_by_hand(tmp_path / "c", consortium.authority, host="elsewhere.example", **bound)
    for files in (client_only, other_host):
        party = Party("member", member.key, files, free_port())
        answering = consortium.network(party, [])
        await answering.start()
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await _knock(party, client_context(bank.tls))


async def test_expired_certificates_are_refused(consortium: Consortium, tmp_path: Path) -> None:
    """Validity goes by the machine's clock: over, or not begun, is refused."""
    bank, _ = await _listening(consortium)
    key = consortium.add("member").key
    for name, days in (("past", -30), ("future", 30)):
        moment = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        files = make_node_files(
            tmp_path / name, consortium.authority, key, chain_id=CHAIN_ID, common_name=name, days=7, now=moment
        )
        with pytest.raises((aiohttp.ClientError, OSError)):
            await _knock(bank, client_context(files))


async def test_a_revoked_certificate_is_refused(consortium: Consortium) -> None:
    """Where the authority's list stands in the folder, what it names is refused and everything else passes."""
    bank, good, bad = consortium.add("bank"), consortium.add("good"), consortium.add("bad")
    revoked = x509.load_pem_x509_certificate(bad.tls.certificate.read_bytes()).serial_number
    (bank.tls.ca.parent / "crl.pem").write_bytes(revocation_list(consortium.authority, [revoked]))
    bank.tls = TlsFiles.in_directory(bank.tls.ca.parent)
    await consortium.network(bank, []).start()
    assert await _knock(bank, client_context(good.tls)) == 101
    with pytest.raises((aiohttp.ClientError, OSError)):
        await _knock(bank, client_context(bad.tls))


@pytest.mark.parametrize("field", ["chain", "genesis", "parameters", "address"])
async def test_a_hello_of_another_chain_is_refused(consortium: Consortium, field: str) -> None:
    """Another chain, genesis or parameters, or a Hello in another's name, ends the connection with the reason."""
    bank, network = await _listening(consortium)
    caller = consortium.add("caller")
    hello = Hello(
        chain_id=CHAIN_ID + (field == "chain"),
        genesis_hash=b"\x09" * 32 if field == "genesis" else GENESIS,
        parameters_hash=b"\x09" * 32 if field == "parameters" else PARAMETERS,
        address=bytes(20) if field == "address" else caller.address,
        instance=bytes(8),
        head_number=0,
        head_hash=bytes(32),
    )
    await _talk(bank, caller, [encode_frame(hello)])
    reason = "identity_mismatch" if field == "address" else f"wrong_{field}"
    await until(lambda: any(refusal.reason == reason for refusal in network.refusals))
    assert not network.connected()


async def test_another_subprotocol_is_refused(consortium: Consortium) -> None:
    """A peer of another protocol version is refused before a frame is read."""
    bank, network = await _listening(consortium)
    caller = consortium.add("caller")
    assert await _knock(bank, client_context(caller.tls), protocol="praya.99") == 403
    assert network.refusals[-1].reason == "version"


BAD_FRAMES = {
    "empty": b"",
    "version": b"\x63\x02\x90",
    "type": b"\x01\x63\x90",
    "not MessagePack": b"\x01\x02\xc1",
    "fields missing": b"\x01\x02\x91\xa1x",
    "too many fields": b"\x01\x02\x93\xa9consensus\xc4\x00\xc0",
    "trailing bytes": b"\x01\x02\x92\xa9consensus\xc4\x00\x00",
    "wrong type": b"\x01\x02\x92\xa9consensus\xa1x",
    "unknown kind": encode_frame(MessageFrame("gossip", b"x")),
    "head over its size": b"\x01\x04" + bytes(200),
    "hash of 31 bytes": b"\x01\x04\x92\x01\xc4\x1f" + bytes(31),
    "negative height": b"\x01\x04\x92\xff\xc4\x20" + bytes(32),
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES.keys())
async def test_bad_frames_cut_a_peer_off(consortium: Consortium, frame: bytes) -> None:
    """A few are borne, eight end the connection, and the peer is shut out for a while; others go on."""
    bank, network = await _listening(consortium)
    network.on_frame("consensus", lambda _peer, _payload: None)
    caller, good = consortium.add("caller"), consortium.add("good")
    honest = consortium.network(good)
    await honest.start()
    await until(lambda: good.address in network.connected())
    hello = encode_frame(Hello(CHAIN_ID, GENESIS, PARAMETERS, caller.address, bytes(8), 0, bytes(32)))
    await _talk(bank, caller, [hello, *[frame] * 8])
    await until(lambda: any(refusal.reason == "bad_frames" for refusal in network.refusals))
    assert await _knock(bank, client_context(caller.tls)) == 403
    assert network.refusals[-1].reason == "paused"
    assert good.address in network.connected()


async def test_a_message_over_the_socket_limit_ends_the_connection(consortium: Consortium) -> None:
    """What is larger than any frame is not read to its end."""
    bank, network = await _listening(consortium)
    caller = consortium.add("caller")
    hello = encode_frame(Hello(CHAIN_ID, GENESIS, PARAMETERS, caller.address, bytes(8), 0, bytes(32)))
    await _talk(bank, caller, [hello, bytes(40 * 1024 * 1024)])
    await until(lambda: not network.connected())


async def test_silence_instead_of_a_hello_ends(consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that says nothing does not hold a place for ever."""
    monkeypatch.setattr("node.p2p.link.HELLO_TIMEOUT_S", 0.1)
    bank, network = await _listening(consortium)
    await _talk(bank, consortium.add("caller"), [])
    await until(lambda: any(refusal.reason == "hello" for refusal in network.refusals))


async def test_a_fault_of_a_handler_keeps_the_connection(consortium: Consortium) -> None:
    """An error of ours is reported to the composition root; the peer is not blamed and stays."""
    bank, network = await _listening(consortium)
    caller = consortium.network(consortium.add("caller"))
    failures: list[BaseException] = []
    network._on_frame_failure = failures.append

    def fail(_peer: Address, _payload: bytes) -> None:
        raise ZeroDivisionError

    network.on_frame("consensus", fail)
    await caller.start()
    await until(lambda: caller.connected() and network.connected())
    from node.p2p import Priority

    for _ in range(20):
        caller.send(bank.address, Priority.STATUS, b"x")
    await until(lambda: len(failures) == 20)
    assert network.connected()


def test_only_loopback_is_listened_on(consortium: Consortium) -> None:
    """The port is opened on the interface of the configuration and on no other."""

    async def check() -> None:
        _, network = await _listening(consortium)
        assert network._server is not None
        names = [sock.getsockname()[0] for sock in network._server.sockets]
        assert names == ["127.0.0.1"]
        assert all(sock.family is socket.AF_INET for sock in network._server.sockets)
        await network.stop()
        consortium.networks.clear()

    asyncio.run(check())


async def _talk(bank: Party, caller: Party, frames: list[bytes]) -> None:
    """Open a connection with the caller's certificate, send raw frames, read until the bank closes."""
    url = f"wss://127.0.0.1:{bank.port}{PATH}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, ssl=client_context(caller.tls), protocols=(SUBPROTOCOL,), max_msg_size=0) as ws,
    ):
        try:
            for frame in frames:
                await ws.send_bytes(frame)
            async with asyncio.timeout(5):
                async for _ in ws:
                    pass
        except ConnectionError:
            pass
