"""Tags against duplicate financing: a canonical view of the invoice, then a keyed function behind one interface.

The party ids come from the bank's customer record, not from the file: the same seller is written in many ways. A keyed
tag keeps outsiders from guessing; it does not protect against the members, who hold the key (README says so).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from contracts.financing_registry import Tag, TagView
from node.errors import DataError
from node.trade.ubl.invoice import Invoice, InvoiceParty

_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Z]")
_ZEROS_OF_A_RUN = re.compile(r"(?<![0-9])0+(?=[0-9])")


@dataclass(frozen=True, slots=True)
class TagInput:
    """What one view of the invoice is made of; ``encoded`` is the function's input."""

    view: TagView
    parts: tuple[str, ...]

    def encoded(self) -> bytes:
        """Each part with its length, so that no two lists of parts encode alike."""
        body = b"".join(len(raw := part.encode()).to_bytes(4, "big") + raw for part in self.parts)
        return b"praya/invoice-tag/v1" + bytes([self.view]) + body


class TagFunction(Protocol):
    """A pseudo-random function of the canonical input. First keyed; later a threshold oblivious PRF of the banks."""

    @property
    def key_version(self) -> int:
        """Stored with each tag, so that a key can be replaced."""

    def tag(self, value: TagInput) -> Tag:
        """The view's tag as the registry takes it."""


class KeyedTagFunction:
    """HMAC-SHA-256 under the consortium's tag key (32 bytes or more)."""

    def __init__(self, key: bytes, key_version: int = 1) -> None:
        if len(key) < 32:
            raise DataError("the tag key has fewer than 32 bytes", field="tag_key")
        self._key = key
        self._key_version = key_version

    @property
    def key_version(self) -> int:
        return self._key_version

    def tag(self, value: TagInput) -> Tag:
        return Tag(hmac.new(self._key, value.encoded(), hashlib.sha256).digest(), self._key_version, value.view)


def canonical_text(text: str) -> str:
    """NFKC, capitals, letters and digits alone."""
    return _NOT_ALPHANUMERIC.sub("", unicodedata.normalize("NFKC", text).upper())


def canonical_number(text: str) -> str:
    """An invoice number without the leading zeros of its runs of digits: ``INV-0042`` and ``inv 42`` are one."""
    spaced = re.sub(r"[^0-9A-Z]", " ", unicodedata.normalize("NFKC", text).upper())
    return canonical_text(_ZEROS_OF_A_RUN.sub("", spaced))


def canonical_party(party: InvoiceParty, customer: Mapping[str, str] | None = None) -> str:
    """The strongest id: LEI, then registration number, then VAT number, then the name.

    ``customer`` is the bank's own record of this customer (keys ``lei``, ``registration``, ``vat``, ``name``); where it
    is given the file does not count.
    """
    source = (
        customer
        if customer is not None
        else {
            "lei": party.lei or "",
            "registration": party.registration or "",
            "vat": party.vat or "",
            "name": party.name,
        }
    )
    for kind in ("lei", "registration", "vat", "name"):
        value = canonical_text(source.get(kind, ""))
        if value:
            return f"{kind}:{value}"
    raise DataError("a party without any id or name", field="party")


def tag_inputs(
    invoice: Invoice, *, seller: Mapping[str, str] | None = None, buyer: Mapping[str, str] | None = None
) -> list[TagInput]:
    """Every view of the invoice: exact first (number, date, currency, amount, parties), then the warning ones."""
    seller_id, buyer_id = canonical_party(invoice.seller, seller), canonical_party(invoice.buyer, buyer)
    number = canonical_number(invoice.number)
    money = f"{invoice.currency}{invoice.amount}"
    issued = _iso(invoice.issue_date)
    views = [
        TagInput(TagView.EXACT, (seller_id, buyer_id, number, issued, money)),
        TagInput(TagView.NORMALISED_NUMBER, (seller_id, buyer_id, re.sub(r"[^0-9]", "", number) or number, money)),
        TagInput(TagView.NO_DATE, (seller_id, buyer_id, number, money)),
        TagInput(TagView.NO_AMOUNT, (seller_id, buyer_id, number, issued)),
    ]
    if invoice.order_reference:
        views.append(TagInput(TagView.PURCHASE_ORDER, (seller_id, buyer_id, canonical_number(invoice.order_reference))))
    return views


def tag_input(
    invoice: Invoice, *, seller: Mapping[str, str] | None = None, buyer: Mapping[str, str] | None = None
) -> TagInput:
    """The exact view alone: the one that excludes."""
    return tag_inputs(invoice, seller=seller, buyer=buyer)[0]


def _iso(day: date) -> str:
    return day.isoformat()
