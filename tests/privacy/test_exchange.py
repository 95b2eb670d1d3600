"""Lodging with other banks, custody receipts, fetching, and the store under it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from contracts.document_registry import anchor_id
from node.errors import DataError, LimitExceeded, PermissionDenied, UnavailableError
from node.keys.secp256k1 import PrivateKey
from node.privacy.custody import receipt_holds
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import make_document, open_sealed, seal
from node.privacy.exchange import CustodyRequest, DocumentExchange
from node.privacy.store import CiphertextStore
from node.types import Address

CHAIN = 7
NOW = 1_772_700_000


@dataclass(frozen=True)
class Bank:
    """A member for tests."""

    id: bytes
    business_address: bytes
    validator_address: bytes


class Town:
    """Four banks whose requests reach each other's handlers; a bank in ``down`` answers nobody."""

    def __init__(self, root: Path, count: int = 4) -> None:
        self.keys = [PrivateKey.generate() for _ in range(count)]
        self.encryption = [EncryptionKey.generate() for _ in range(count)]
        self.banks = [Bank(bytes([n + 1]) * 32, key.address, bytes([n + 100]) * 20) for n, key in enumerate(self.keys)]
        self.down: set[int] = set()
        self.stores = [CiphertextStore(root / str(n)) for n in range(count)]
        self.exchanges = [self._exchange(n) for n in range(count)]

    def _exchange(self, n: int) -> DocumentExchange:
        return DocumentExchange(
            store=self.stores[n],
            key=self.keys[n],
            chain_id=CHAIN,
            me=self.banks[n].id,
            banks=lambda: self.banks,
            request=self._request_of(n),
            now_s=lambda: NOW,
        )

    def _request_of(self, sender: int) -> Callable[[Address, str, bytes, float], Awaitable[bytes]]:
        async def request(to: Address, kind: str, body: bytes, _timeout_s: float) -> bytes:
            n = next(i for i, bank in enumerate(self.banks) if bank.validator_address == to)
            if n in self.down:
                raise UnavailableError(f"bank {n} is not connected", field=kind)
            handler = self.exchanges[n].on_custody if kind == "custody" else self.exchanges[n].on_document
            return await handler(Address(self.banks[sender].validator_address), body)

        return request


async def test_a_document_is_lodged_receipted_and_fetched_by_its_recipient(tmp_path: Path) -> None:
    """The recipient reads it from a custodian while the sender is gone; a third bank has ciphertext only."""
    town = Town(tmp_path)
    document = make_document(b"COMMERCIAL INVOICE", name="invoice.pdf")
    sealed = seal(document, chain_id=CHAIN, depositor=town.banks[0].id, recipients=[town.encryption[1].public])
    lodged = await town.exchanges[0].lodge(sealed, required=2)
    anchor = anchor_id(town.banks[0].id, document.commitment)
    for receipt in lodged.receipts:
        assert receipt_holds(receipt, chain_id=CHAIN, ciphertext_hash=sealed.ciphertext_hash, anchor=anchor)
        assert not receipt_holds(receipt, chain_id=CHAIN + 1, ciphertext_hash=sealed.ciphertext_hash, anchor=anchor)
        assert not receipt_holds(
            replace(receipt, received_at=NOW + 1), chain_id=CHAIN, ciphertext_hash=sealed.ciphertext_hash, anchor=anchor
        )
    assert len({receipt.custodian for receipt in lodged.receipts}) == 2
    town.down.add(0)
    fetched = await town.exchanges[1].fetch(sealed.ciphertext_hash)
    assert open_sealed(fetched, town.encryption[1], chain_id=CHAIN) == document
    assert (
        open_sealed(await town.exchanges[3].fetch(sealed.ciphertext_hash), town.encryption[3], chain_id=CHAIN) is None
    )
    for store in town.stores:
        for digest in store.hashes():
            kept = store.get(digest)
            assert kept is not None
            assert b"INVOICE" not in kept


async def test_an_offline_custodian_is_replaced_and_too_few_are_named(tmp_path: Path) -> None:
    """Nobody can veto by being offline; where too few sign, that is said and nothing is pretended."""
    town = Town(tmp_path)
    sealed = seal(
        make_document(b"x", name="x"),
        chain_id=CHAIN,
        depositor=town.banks[0].id,
        recipients=[town.encryption[1].public],
    )
    town.down.add(1)
    lodged = await town.exchanges[0].lodge(sealed, required=2, prefer=[town.banks[1].id])
    assert {receipt.custodian for receipt in lodged.receipts} == {town.keys[2].address, town.keys[3].address}
    town.down.add(2)
    with pytest.raises(UnavailableError, match="1 of 2"):
        await town.exchanges[0].lodge(sealed, required=2)


async def test_a_custodian_takes_only_what_is_the_senders(tmp_path: Path) -> None:
    """Another bank's document, noise and strangers are refused before anything is signed."""
    town = Town(tmp_path)
    sealed = seal(
        make_document(b"x", name="x"),
        chain_id=CHAIN,
        depositor=town.banks[1].id,
        recipients=[town.encryption[0].public],
    )
    with pytest.raises(UnavailableError, match="depositor"):
        await town.exchanges[0].lodge(sealed, required=1)
    with pytest.raises(DataError):
        await town.exchanges[2].on_custody(Address(town.banks[0].validator_address), b"noise")
    body = msgspec.msgpack.encode(CustodyRequest(sealed.ciphertext_hash, sealed.commitment))
    with pytest.raises(PermissionDenied):
        await town.exchanges[2].on_custody(Address(b"\xee" * 20), body)
    with pytest.raises(PermissionDenied):
        await town.exchanges[2].on_document(Address(b"\xee" * 20), sealed.ciphertext_hash)
    with pytest.raises(UnavailableError):
        await town.exchanges[3].fetch(bytes(32))


def _sealed(depositor: int) -> bytes:
    key = EncryptionKey.generate().public
    return seal(
        make_document(b"x", name="x"), chain_id=CHAIN, depositor=bytes([depositor]) * 32, recipients=[key]
    ).sealed


def test_the_store_is_bounded_checks_itself_and_survives_a_cut_write(tmp_path: Path) -> None:
    """A full store refuses by name, a damaged file is found at reading, a half-written one goes at start."""
    sealed = _sealed(1)
    store = CiphertextStore(tmp_path, bytes_max=len(sealed) + 100)
    digest = store.put(sealed)
    assert store.put(sealed) == digest
    assert store.total_bytes == len(sealed)
    with pytest.raises(LimitExceeded, match="full"):
        store.put(_sealed(1))
    with pytest.raises(DataError):
        store.put(b"noise")
    (path,) = tmp_path.glob(f"*/{digest.hex()}")
    (path.parent / ".new-dead").write_bytes(b"half")
    reopened = CiphertextStore(tmp_path, bytes_max=len(sealed))
    assert reopened.hashes() == [digest]
    assert not (path.parent / ".new-dead").exists()
    path.write_bytes(sealed[:-1] + b"!")
    with pytest.raises(DataError, match="corrupt"):
        reopened.get(digest)
    reopened.drop(digest)
    assert reopened.total_bytes == 0
    assert reopened.get(digest) is None


def test_one_depositor_cannot_fill_the_store(tmp_path: Path) -> None:
    """Its share ends while another bank's documents are still taken; the count survives a restart."""
    first = _sealed(1)
    store = CiphertextStore(tmp_path, depositor_bytes_max=len(first) + 100)
    store.put(first)
    for each in (store, CiphertextStore(tmp_path, depositor_bytes_max=len(first) + 100)):
        with pytest.raises(LimitExceeded, match="share"):
            each.put(_sealed(1))
    store.put(_sealed(2))


def test_an_encryption_key_is_kept_private(tmp_path: Path) -> None:
    """It is written with mode 0600, read back alike, and refused where others may read it."""
    key = EncryptionKey.generate()
    key.save(tmp_path / "encryption.key")
    assert EncryptionKey.load(tmp_path / "encryption.key").public == key.public
    (tmp_path / "encryption.key").chmod(0o644)
    with pytest.raises(PermissionDenied):
        EncryptionKey.load(tmp_path / "encryption.key")
