"""Lodging and fetching over the banks' real network: mutual TLS, a document larger than a request may be."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.p2p import PeerNetwork
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import SEALED_BYTES_MAX, make_document, open_sealed, seal
from node.privacy.exchange import CUSTODY_REQUEST, DOCUMENT_REQUEST, DocumentExchange
from node.privacy.store import CiphertextStore
from node.types import Address
from tests.p2p.parties import CHAIN_ID, Consortium, until


@dataclass(frozen=True)
class Bank:
    """A member for tests; its business account is its validator's key here."""

    id: bytes
    business_address: bytes
    validator_address: bytes


@pytest.fixture
async def consortium(tmp_path: Path) -> AsyncIterator[Consortium]:
    """Members on loopback; whatever a test started is stopped after it."""
    made = Consortium(tmp_path)
    yield made
    await made.stop()


def _request(network: PeerNetwork) -> Callable[[Address, str, bytes, float], Awaitable[bytes]]:
    async def request(to: Address, kind: str, body: bytes, timeout_s: float) -> bytes:
        return await network.request(to, kind, body, timeout_s, response_max=SEALED_BYTES_MAX)

    return request


async def test_a_large_document_is_lodged_and_fetched_over_mutual_tls(consortium: Consortium, tmp_path: Path) -> None:
    """Two custodians sign for three megabytes; the recipient has it from them when the sender is gone."""
    parties = [consortium.add(name) for name in ("lotus", "nanshan", "harbour")]
    banks = [Bank(bytes([n]) * 32, party.address, party.address) for n, party in enumerate(parties)]
    networks = [consortium.network(party) for party in parties]
    exchanges = []
    for n, (party, network) in enumerate(zip(parties, networks, strict=True)):
        exchange = DocumentExchange(
            store=CiphertextStore(tmp_path / f"store{n}"),
            key=party.key,
            chain_id=CHAIN_ID,
            me=banks[n].id,
            banks=lambda: banks,
            request=_request(network),
            now_s=lambda: 1_772_700_000,
        )
        network.on_request(CUSTODY_REQUEST, exchange.on_custody)
        network.on_request(DOCUMENT_REQUEST, exchange.on_document)
        exchanges.append(exchange)
        await network.start()
    await until(lambda: all(len(network.connected()) == 2 for network in networks))
    recipient = EncryptionKey.generate()
    document = make_document(secrets.token_bytes(3_000_000), name="scan.tiff")
    sealed = seal(document, chain_id=CHAIN_ID, depositor=banks[0].id, recipients=[recipient.public])
    lodged = await exchanges[0].lodge(sealed, required=1, prefer=[banks[2].id])
    assert [receipt.custodian for receipt in lodged.receipts] == [parties[2].address]
    await networks[0].stop()
    fetched = await exchanges[1].fetch(sealed.ciphertext_hash)
    assert open_sealed(fetched, recipient, chain_id=CHAIN_ID) == document
