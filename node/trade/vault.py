"""Sealed texts of deals: sealing with lodging for an act's draft, and opening what is sealed for this bank."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts import addresses, document_registry
from contracts.consortium import Member
from contracts.document_registry import Anchor, anchor_id
from node.desk.canonical import canonical_json
from node.desk.chain_access import ChainAccess
from node.desk.database import Database
from node.desk.drafts import APPROVALS_PLACEHOLDER, Call
from node.errors import DataError, PermissionDenied, PrayaError, UnavailableError
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import Document, SealedDocument, make_document, open_sealed, read_header, seal
from node.privacy.exchange import DocumentExchange, Lodged

OPEN_TIMEOUT_S = 5.0
"""A view waits this long for a sealed text that is not here yet."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """A text sealed for an act: its commitment, its anchor's id, and the call that anchors it.

    ``call`` is None where too few custodians could be reached; the act may go without (design section 5: acts under a
    legal deadline wait for nobody), and the document is anchored later.
    """

    commitment: bytes
    anchor: bytes
    call: Call | None
    ciphertext_hash: bytes
    name: str
    size: int
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For a draft's notes."""
        return {
            "name": self.name,
            "size": self.size,
            "anchor": "0x" + self.anchor.hex(),
            "commitment": "0x" + self.commitment.hex(),
            "ciphertext_hash": "0x" + self.ciphertext_hash.hex(),
            "anchored_by_this_draft": self.call is not None,
            "problem": self.problem,
        }


class Vault:
    """One bank's sealed texts. ``me`` is this bank's member record."""

    def __init__(
        self, database: Database, chain: ChainAccess, exchange: DocumentExchange, key: EncryptionKey, me: Member
    ) -> None:
        self._database = database
        self._chain = chain
        self._exchange = exchange
        self._key = key
        self._me = me

    async def seal(
        self,
        body: bytes,
        *,
        kind: str,
        name: str,
        recipients: Sequence[Member],
        subject: str = "",
        media_type: str = "application/json",
        must_lodge: bool = True,
    ) -> Sealing:
        """Seal for the recipients and this bank, lodge with custodians, and prepare the anchoring call.

        Errors: LimitExceeded for the size; UnavailableError where too few custodians sign and ``must_lodge``.
        """
        document = make_document(body, kind=kind, name=name, media_type=media_type)
        keys = [member.encryption_key for member in recipients] + [self._me.encryption_key]
        sealed = await asyncio.to_thread(
            seal, document, chain_id=self._chain.chain_id, depositor=self._me.id, recipients=keys
        )
        anchor = anchor_id(self._me.id, document.commitment)
        try:
            lodged = await self._exchange.lodge(
                sealed, required=await self.required_custodians(), prefer=[member.id for member in recipients]
            )
        except UnavailableError as error:
            if must_lodge:
                raise
            await asyncio.to_thread(self._remember, document, anchor, sealed.ciphertext_hash, self._me.id, subject)
            return Sealing(document.commitment, anchor, None, sealed.ciphertext_hash, name, len(body), error.message)
        await asyncio.to_thread(self._remember, document, anchor, sealed.ciphertext_hash, self._me.id, subject)
        return Sealing(document.commitment, anchor, self._anchoring(lodged), sealed.ciphertext_hash, name, len(body))

    async def seal_json(
        self, value: Mapping[str, Any], *, kind: str, name: str, recipients: Sequence[Member], must_lodge: bool = True
    ) -> Sealing:
        """Seal a structured text in its canonical form."""
        return await self.seal(
            canonical_json(value), kind=kind, name=name, recipients=recipients, must_lodge=must_lodge
        )

    async def required_custodians(self) -> int:
        """As the contract asks: min(f + 1, other banks)."""
        data = document_registry.encode_required_custodians(self._me.id)
        output = await asyncio.to_thread(self._chain.call, addresses.DOCUMENT_REGISTRY, data, self._me.business_address)
        return int.from_bytes(output[:32], "big")

    def has_sealed(self, anchor: bytes) -> bool:
        """Whether this bank itself sealed the document behind an anchor, on the chain already or not."""
        row = self._database.one("SELECT 1 FROM openings WHERE anchor = ? AND depositor = ?", (anchor, self._me.id))
        return row is not None

    async def anchor_of(self, anchor: bytes) -> Anchor:
        """The anchor on the chain; ContractRefusal(UnknownAnchor) where there is none."""
        data = document_registry.encode_anchor_of(anchor)
        output = await asyncio.to_thread(self._chain.call, addresses.DOCUMENT_REGISTRY, data, self._me.business_address)
        return document_registry.decode_anchor(output)

    async def open(self, anchor: bytes, *, subject: str = "") -> Document:
        """The document behind an anchor, fetched from a custodian where it is not here, and checked against the chain.

        Errors: PermissionDenied where it is not sealed for this bank; UnavailableError where nobody has it; DataError
        where it is not what the chain says.
        """
        row = self._database.one("SELECT ciphertext_hash, depositor FROM openings WHERE anchor = ?", (anchor,))
        if row is None:
            found = await self.anchor_of(anchor)
            ciphertext_hash, depositor = found.ciphertext_hash, found.depositor
        else:
            ciphertext_hash, depositor = bytes(row["ciphertext_hash"]), bytes(row["depositor"])
        sealed = await self._exchange.fetch(ciphertext_hash)
        document = await asyncio.to_thread(open_sealed, sealed, self._key, chain_id=self._chain.chain_id)
        if document is None:
            raise PermissionDenied("the document is not sealed for this bank", field="document", code="NOT_A_RECIPIENT")
        if anchor_id(depositor, document.commitment) != anchor:
            raise DataError("the document is not what was anchored", field="commitment")
        if row is None:
            await asyncio.to_thread(self._remember, document, anchor, ciphertext_hash, depositor, subject)
        return document

    async def open_committed(self, depositor: bytes, commitment: bytes, *, subject: str = "") -> Document | None:
        """A text by the commitment in an act; None where it cannot be had or is not for this bank."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                return await self.open(anchor_id(depositor, commitment), subject=subject)
        except (PrayaError, TimeoutError):
            return None

    async def anchor_again(self, anchor: bytes) -> Sealing:
        """Lodge a document of this bank's own that was sealed but not anchored (an urgent act went out without).

        Errors: DataError where this bank sealed no such document; UnavailableError for want of custodians.
        """
        row = self._database.one("SELECT * FROM openings WHERE anchor = ? AND depositor = ?", (anchor, self._me.id))
        if row is None:
            raise DataError("this bank has sealed no such document", field="anchor")
        ciphertext_hash, commitment = bytes(row["ciphertext_hash"]), bytes(row["commitment"])
        sealed = await self._exchange.fetch(ciphertext_hash)
        header = read_header(sealed)
        document = SealedDocument(sealed, ciphertext_hash, commitment, header.size_class, header.recipient_count)
        lodged = await self._exchange.lodge(document, required=await self.required_custodians())
        return Sealing(commitment, anchor, self._anchoring(lodged), ciphertext_hash, row["name"], row["size"])

    def _anchoring(self, lodged: Lodged) -> Call:
        sealed = lodged.document
        data = document_registry.encode_anchor(
            commitment=sealed.commitment,
            ciphertext_hash=sealed.ciphertext_hash,
            size_class=sealed.size_class,
            recipient_count=sealed.recipient_count,
            receipts=lodged.receipts,
            approvals_hash=APPROVALS_PLACEHOLDER,
        )
        return Call("DocumentRegistry", "anchor", addresses.DOCUMENT_REGISTRY, data)

    def listing(self, subject: str | None = None) -> list[dict[str, Any]]:
        """The documents that this bank has sealed or opened; never another's."""
        rows = self._database.all(
            "SELECT * FROM openings WHERE ?1 IS NULL OR subject = ?1 ORDER BY opened_at DESC, rowid DESC LIMIT 500",
            (subject,),
        )
        return [
            {
                "anchor": "0x" + bytes(row["anchor"]).hex(),
                "commitment": "0x" + bytes(row["commitment"]).hex(),
                "ciphertext_hash": "0x" + bytes(row["ciphertext_hash"]).hex(),
                "depositor": "0x" + bytes(row["depositor"]).hex(),
                "kind": row["kind"],
                "name": row["name"],
                "media_type": row["media_type"],
                "size": row["size"],
                "subject": row["subject"] or None,
                "opened_at": row["opened_at"],
            }
            for row in rows
        ]

    def _remember(
        self, document: Document, anchor: bytes, ciphertext_hash: bytes, depositor: bytes, subject: str
    ) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO openings (anchor, commitment, ciphertext_hash, depositor, kind, name, media_type,"
            " size, subject, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                anchor,
                document.commitment,
                ciphertext_hash,
                depositor,
                document.kind,
                document.name,
                document.media_type,
                len(document.body),
                subject,
                self._chain.block_time(),
            ),
        )


def json_of(document: Document | None) -> dict[str, Any] | None:
    """The structured text of an opened document; None where there is none or it is no JSON object."""
    if document is None:
        return None
    try:
        value = json.loads(document.body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
