"""Lodging and fetching of sealed documents over the banks' network.

A custodian is asked to take a document and then pulls the ciphertext from the depositor (requests are small, answers
may be large), checks it, keeps it, and signs. Whoever holds a ciphertext serves it to any bank by its hash.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from contracts.document_registry import CustodyReceipt, anchor_id
from node.errors import DataError, PermissionDenied, PrayaError, UnavailableError
from node.keys.secp256k1 import PrivateKey
from node.log import get_logger
from node.privacy.custody import receipt_holds, sign_receipt
from node.privacy.envelope import SEALED_BYTES_MAX, SealedDocument, read_header
from node.privacy.store import CiphertextStore
from node.types import Address

_log = get_logger("privacy")

CUSTODY_REQUEST = "custody"
DOCUMENT_REQUEST = "document"
CUSTODY_TIMEOUT_S = 30.0
FETCH_TIMEOUT_S = 30.0

_Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Request = Callable[[Address, str, bytes, float], Awaitable[bytes]]
"""Ask a peer: its address on the network, the kind of request, the body, seconds to wait."""


class CustodyRequest(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """ "Please keep this": the depositor follows from the connection."""

    ciphertext_hash: _Bytes32
    commitment: _Bytes32


class _Receipt(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    custodian: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    received_at: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    signature: Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]


class Bank(Protocol):
    """A member as the exchange needs it."""

    @property
    def id(self) -> bytes: ...

    @property
    def business_address(self) -> bytes: ...

    @property
    def validator_address(self) -> bytes | None: ...


def peer_address(bank: Bank) -> Address:
    """A bank's address on the network: its validator's, or its business account's where it has none."""
    return Address(bank.validator_address or bank.business_address)


@dataclass(frozen=True, slots=True)
class Lodged:
    """A sealed document with the receipts of those who hold it."""

    document: SealedDocument
    receipts: tuple[CustodyReceipt, ...]


class DocumentExchange:
    """One bank's side of lodging: asks others, and answers them (``on_custody``, ``on_document``).

    ``banks`` gives the active member banks of the head's state (this one included), ``now_s`` block time.
    """

    def __init__(
        self,
        *,
        store: CiphertextStore,
        key: PrivateKey,
        chain_id: int,
        me: bytes,
        banks: Callable[[], Sequence[Bank]],
        request: Request,
        now_s: Callable[[], int],
    ) -> None:
        self._store = store
        self._key = key
        self._chain_id = chain_id
        self._me = me
        self._banks = banks
        self._request = request
        self._now_s = now_s

    async def lodge(self, document: SealedDocument, *, required: int, prefer: Sequence[bytes] = ()) -> Lodged:
        """Keep the document here and with ``required`` other banks, those in ``prefer`` (member ids) first.

        A bank that does not answer is replaced by the next. Errors: UnavailableError where too few sign.
        """
        await asyncio.to_thread(self._store.put, document.sealed)
        others = [bank for bank in self._banks() if bank.id != self._me]
        queue = sorted(others, key=lambda bank: (bank.id not in prefer, bank.id))
        receipts: list[CustodyReceipt] = []
        problems: list[str] = []
        while len(receipts) < required and queue:
            asked, queue = queue[: required - len(receipts)], queue[required - len(receipts) :]
            answers = await asyncio.gather(*(self._ask(bank, document) for bank in asked), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, PrayaError):
                    problems.append(answer.message)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    receipts.append(answer)
        if len(receipts) < required:
            reasons = "; ".join(problems) or "no other bank is known"
            raise UnavailableError(
                f"{len(receipts)} of {required} banks took the document into custody: {reasons}", field="custody"
            )
        return Lodged(document, tuple(receipts))

    async def fetch(self, ciphertext_hash: bytes) -> bytes:
        """The ciphertext, from here or from any bank that holds it; kept here once found.

        Errors: UnavailableError where nobody reachable has it; PermissionDenied where this is no active bank.
        """
        found = await asyncio.to_thread(self._sound, ciphertext_hash)
        if found is not None:
            return found
        banks = self._banks()
        if all(bank.id != self._me for bank in banks):
            raise PermissionDenied("only a member bank may fetch a document", field="document", code="NO_BANK")
        for bank in sorted((bank for bank in banks if bank.id != self._me), key=lambda bank: bank.id):
            try:
                sealed = await self._request(peer_address(bank), DOCUMENT_REQUEST, ciphertext_hash, FETCH_TIMEOUT_S)
                kept = bool(sealed) and await asyncio.to_thread(self._store_checked, sealed, ciphertext_hash)
                if kept:
                    return sealed
            except PrayaError:
                continue  # the next one may have it
        raise UnavailableError(f"no reachable bank holds the document 0x{ciphertext_hash.hex()}", field="document")

    async def on_custody(self, peer: Address, body: bytes) -> bytes:
        """A bank asks this one to keep its document: pull it, check it, keep it, sign for it."""
        depositor = self._bank_of(peer)
        try:
            wanted = msgspec.msgpack.decode(body, type=CustodyRequest)
        except msgspec.MsgspecError as error:
            raise DataError(f"no custody request: {error}", field="body") from None
        sealed = await asyncio.to_thread(self._sound, wanted.ciphertext_hash)
        if sealed is None:
            sealed = await self._request(peer, DOCUMENT_REQUEST, wanted.ciphertext_hash, CUSTODY_TIMEOUT_S)
        header = read_header(sealed)
        if header.depositor != depositor.id or header.commitment != wanted.commitment:
            raise DataError("the sealed document is not of this depositor and commitment", field="sealed")
        if not await asyncio.to_thread(self._store_checked, sealed, wanted.ciphertext_hash):
            raise DataError("the sealed document does not hash to what was announced", field="ciphertext_hash")
        receipt = sign_receipt(
            self._key,
            chain_id=self._chain_id,
            ciphertext_hash=wanted.ciphertext_hash,
            anchor=anchor_id(depositor.id, wanted.commitment),
            received_at=self._now_s(),
        )
        return msgspec.msgpack.encode(_Receipt(receipt.custodian, receipt.received_at, receipt.signature))

    async def on_document(self, peer: Address, body: bytes) -> bytes:
        """A bank asks for a ciphertext by its hash; an empty answer where it is not kept here."""
        self._bank_of(peer)
        if len(body) != 32:
            raise DataError("a document is asked for by 32 bytes", field="body")
        return await asyncio.to_thread(self._store.get, body) or b""

    async def _ask(self, bank: Bank, document: SealedDocument) -> CustodyReceipt:
        request = CustodyRequest(document.ciphertext_hash, document.commitment)
        answer = await self._request(
            peer_address(bank), CUSTODY_REQUEST, msgspec.msgpack.encode(request), CUSTODY_TIMEOUT_S
        )
        try:
            given = msgspec.msgpack.decode(answer, type=_Receipt)
        except msgspec.MsgspecError as error:
            raise DataError(f"no custody receipt: {error}", field="receipt") from None
        receipt = CustodyReceipt(given.custodian, given.received_at, given.signature)
        anchor = anchor_id(self._me, document.commitment)
        if given.custodian != bank.business_address or not receipt_holds(
            receipt, chain_id=self._chain_id, ciphertext_hash=document.ciphertext_hash, anchor=anchor
        ):
            raise DataError(
                f"0x{bank.business_address.hex()} sent a custody receipt that does not hold", field="receipt"
            )
        return receipt

    def _sound(self, ciphertext_hash: bytes) -> bytes | None:
        """What is kept here; None also where it is damaged, so that another bank's copy takes its place."""
        try:
            return self._store.get(ciphertext_hash)
        except DataError as error:
            _log.error("kept document is damaged", ciphertext_hash="0x" + ciphertext_hash.hex(), reason=error.message)
            return None

    def _store_checked(self, sealed: bytes, ciphertext_hash: bytes) -> bool:
        if len(sealed) > SEALED_BYTES_MAX or hashlib.sha256(sealed).digest() != ciphertext_hash:
            return False
        self._store.put(sealed)
        return True

    def _bank_of(self, peer: Address) -> Bank:
        for bank in self._banks():
            if peer in (bank.validator_address, bank.business_address):
                return bank
        raise PermissionDenied("only a member bank may lodge or fetch a document", field="document")
