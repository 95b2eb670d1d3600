"""Banks that finance invoices, as the tests of InvoiceFinancing and the registry play them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from contracts import financing_registry, invoice_financing
from contracts.addresses import FINANCING_REGISTRY, INVOICE_FINANCING_FACTORY
from contracts.banking_calendar import day_date
from contracts.financing_registry import Hold, Tag, TagStatus
from contracts.invoice_financing import DayCount, Invoice, InvoiceTerms, Offer, OfferTerms
from node.execution.engine import MessageResult
from tests.contracts.consortium_chain import (
    APPROVALS,
    START,
    ConsortiumChain,
    Refused,
    bank_key,
    events_of,
    sample_member,
    sample_spec,
)

SELLERS_BANK, BUYERS_BANK, RIVAL, THIRD = 0, 1, 2, 3
TODAY = day_date(START // 86_400)
DUE = TODAY + timedelta(days=90)
HOLD = 86_400
TAG = Tag(b"\x71" * 32)
INSTRUCTION = b"\x1a" * 32
PROOF = b"\xbf" * 32


def invoice_terms(**changes: object) -> InvoiceTerms:
    """100,000.00 USD, due in 90 days."""
    values: dict[str, object] = {
        "invoice_hash": b"\x11" * 32,
        "seller_id": b"\x5e" * 32,
        "buyer_id": b"\xb0" * 32,
        "buyer_bank": sample_member(BUYERS_BANK).id,
        "amount": 10_000_000,
        "currency": "USD",
        "exponent": 2,
        "issue_day": TODAY - timedelta(days=3),
        "due_day": DUE,
    }
    return InvoiceTerms(**{**values, **changes})  # type: ignore[arg-type]


def offer_terms(expiry: int, **changes: object) -> OfferTerms:
    """80 % at 6 % a year, ACT/360, the whole invoice."""
    values: dict[str, object] = {
        "rate_bps": 600,
        "day_count": DayCount.ACT_360,
        "advance_bps": 8_000,
        "expected_payment_day": DUE,
        "expiry": expiry,
    }
    return OfferTerms(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Market:
    """A consortium with one call for each act; banks are named by their number."""

    chain: ConsortiumChain

    @classmethod
    def open(cls, banks: int = 4) -> Market:
        """A fresh consortium of so many banks and an auditor."""
        return cls(ConsortiumChain(sample_spec(banks)))

    def register(self, bank: int = SELLERS_BANK, tags: tuple[Tag, ...] = (TAG,), **changes: object) -> bytes:
        """Register the sample invoice; the new financing's address."""
        data = invoice_financing.encode_register(invoice_terms(**changes), tags, APPROVALS)
        result = self.act(bank, INVOICE_FINANCING_FACTORY, data)
        (event,) = events_of(result, "InvoiceFinancingFactory")
        return bytes(event.args["financing"])

    def accept_by_buyer(self, financing: bytes, bank: int = BUYERS_BANK, self_attested: bool = False) -> None:
        """The buyer's bank records the buyer's acceptance."""
        data = invoice_financing.encode_record_buyer_acceptance(INSTRUCTION, APPROVALS, self_attested=self_attested)
        self.act(bank, financing, data)

    def offer(self, financing: bytes, bank: int = RIVAL, hold: int = HOLD, **changes: object) -> int:
        """An offer of the sample terms; its id."""
        terms = offer_terms(self.chain.timestamp + hold, **changes)
        result = self.act(bank, financing, invoice_financing.encode_make_offer(terms, APPROVALS))
        (event,) = events_of(result, "InvoiceFinancing")
        return int(event.args["offerId"])

    def accept(self, financing: bytes, offer: int, bank: int = SELLERS_BANK) -> None:
        """The seller's bank accepts."""
        self.act(bank, financing, invoice_financing.encode_accept_offer(offer, INSTRUCTION, APPROVALS))

    def disburse(self, financing: bytes, offer: int, bank: int = RIVAL, day: date | None = None) -> MessageResult:
        """The financing bank pays, today unless said otherwise."""
        day = day or day_date(self.chain.timestamp // 86_400)
        return self.act(bank, financing, invoice_financing.encode_disburse(offer, day, PROOF, APPROVALS))

    def repay(self, financing: bytes, offer: int, amount: int, bank: int = RIVAL) -> MessageResult:
        """The financing bank is paid."""
        return self.act(bank, financing, invoice_financing.encode_repay(offer, amount, PROOF, APPROVALS))

    def release(self, financing: bytes, offer: int, bank: int = RIVAL, proof: bytes = PROOF) -> None:
        """An offer ends."""
        self.act(bank, financing, invoice_financing.encode_release(offer, proof, APPROVALS))

    def financed(self, tags: tuple[Tag, ...] = (TAG,), **changes: object) -> tuple[bytes, int]:
        """An invoice that RIVAL has financed."""
        financing = self.register(tags=tags)
        self.accept_by_buyer(financing)
        offer = self.offer(financing, **changes)
        self.accept(financing, offer)
        self.disburse(financing, offer)
        return financing, offer

    def act(self, bank: int, to: bytes, data: bytes) -> MessageResult:
        """A transaction of a bank's business account."""
        return self.chain.send(bank_key(bank).address, to, data)

    def invoice(self, financing: bytes) -> Invoice:
        """The registered invoice."""
        return invoice_financing.decode_invoice(self.chain.call(financing, invoice_financing.encode_invoice()))

    def offer_of(self, financing: bytes, offer: int) -> Offer:
        """An offer as it stands."""
        return invoice_financing.decode_offer(self.chain.call(financing, invoice_financing.encode_offer_of(offer)))

    def status(self, tag: Tag = TAG) -> TagStatus:
        """What the registry says of a tag."""
        return financing_registry.decode_status(
            self.chain.call(FINANCING_REGISTRY, financing_registry.encode_status_of(tag))
        )

    def hold(self, hold_id: int) -> Hold:
        """A hold as it stands."""
        return financing_registry.decode_hold(
            self.chain.call(FINANCING_REGISTRY, financing_registry.encode_hold_of(hold_id))
        )


@contextmanager
def expect(name: str, **args: object) -> Iterator[None]:
    """The block is refused with this error, and with these among its arguments."""
    with pytest.raises(Refused) as refused:
        yield
    reason = refused.value.reason
    assert reason.name == name, str(reason)
    assert {k: reason.args[k] for k in args} == args, str(reason)
