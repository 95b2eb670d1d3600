"""InvoiceFinancing and its factory: terms, acts, and the state of one invoice's financing as dataclasses.

Amounts are integers in minor units; days are dates here and numbers of days since 1970-01-01 on the chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Any, Final

from contracts import bindings
from contracts.banking_calendar import day_date, day_number
from contracts.financing_registry import Tag, tags_argument

CONTRACT: Final = "InvoiceFinancing"
FACTORY: Final = "InvoiceFinancingFactory"
BPS: Final = 10_000


class DayCount(IntEnum):
    """The basis of the discount (trade.md 5.2); the contract between the parties says which."""

    ACT_360 = 0
    ACT_365_FIXED = 1

    @property
    def basis(self) -> int:
        """Days of a year."""
        return 360 if self is DayCount.ACT_360 else 365


class OfferState(IntEnum):
    """An offer's state as read now; EXPIRED is derived from block time."""

    NONE = 0
    OPEN = 1
    ACCEPTED = 2
    DISBURSED = 3
    REPAID = 4
    RELEASED = 5
    EXPIRED = 6


@dataclass(frozen=True, slots=True)
class InvoiceTerms:
    """What stands on the chain of an invoice. Ids are random, one for each relationship; ``amount`` in minor units.

    ``buyer_bank`` is the member that serves the buyer, zero where no member does.
    """

    invoice_hash: bytes
    seller_id: bytes
    buyer_id: bytes
    buyer_bank: bytes
    amount: int
    currency: str
    exponent: int
    issue_day: date
    due_day: date

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``InvoiceTerms``."""
        return (
            self.invoice_hash,
            self.seller_id,
            self.buyer_id,
            self.buyer_bank,
            self.amount,
            self.currency.encode("ascii"),
            self.exponent,
            day_number(self.issue_day),
            day_number(self.due_day),
        )

    @classmethod
    def from_result(cls, found: dict[str, Any]) -> InvoiceTerms:
        """The decoded Solidity struct."""
        return cls(
            invoice_hash=found["invoiceHash"],
            seller_id=found["sellerId"],
            buyer_id=found["buyerId"],
            buyer_bank=found["buyerBank"],
            amount=found["amount"],
            currency=found["currency"].decode("ascii"),
            exponent=found["exponent"],
            issue_day=day_date(found["issueDay"]),
            due_day=day_date(found["dueDay"]),
        )


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """A bank's offer. Rates and shares in basis points; ``expiry`` Unix seconds, also of its hold.

    ``self_attested`` is declared, and only then, where the financing bank is the buyer's bank.
    """

    rate_bps: int
    day_count: DayCount
    advance_bps: int
    expected_payment_day: date
    expiry: int
    fraction_bps: int = BPS
    with_recourse: bool = True
    needs_buyer_acceptance: bool = True
    self_attested: bool = False

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``OfferTerms``."""
        return (
            self.rate_bps,
            int(self.day_count),
            self.advance_bps,
            self.fraction_bps,
            day_number(self.expected_payment_day),
            self.expiry,
            self.with_recourse,
            self.needs_buyer_acceptance,
            self.self_attested,
        )

    @classmethod
    def from_result(cls, found: dict[str, Any]) -> OfferTerms:
        """The decoded Solidity struct."""
        return cls(
            rate_bps=found["rateBps"],
            day_count=DayCount(found["dayCount"]),
            advance_bps=found["advanceBps"],
            expected_payment_day=day_date(found["expectedPaymentDay"]),
            expiry=found["expiry"],
            fraction_bps=found["fractionBps"],
            with_recourse=found["withRecourse"],
            needs_buyer_acceptance=found["needsBuyerAcceptance"],
            self_attested=found["selfAttested"],
        )


@dataclass(frozen=True, slots=True)
class Legs:
    """The legs of a financing in minor units: payout + discount + reserve = eligible."""

    eligible: int
    advance: int
    discount: int
    payout: int
    reserve: int
    discount_days: int

    @classmethod
    def from_result(cls, found: dict[str, Any]) -> Legs:
        """The decoded Solidity struct."""
        return cls(
            eligible=found["eligible"],
            advance=found["advance"],
            discount=found["discount"],
            payout=found["payout"],
            reserve=found["reserve"],
            discount_days=found["discountDays"],
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer as it stands; ``value_day`` is None before disbursement."""

    bank: bytes
    terms: OfferTerms
    state: OfferState
    hold_id: int
    value_day: date | None
    legs: Legs
    collected: int

    @property
    def outstanding(self) -> int:
        """What is still to be collected, in minor units."""
        return self.legs.eligible - self.collected


@dataclass(frozen=True, slots=True)
class Invoice:
    """A registered invoice; times in Unix seconds, ``buyer_accepted_at`` None before the buyer's acceptance."""

    terms: InvoiceTerms
    seller_bank: bytes
    registered_at: int
    buyer_accepted_at: int | None
    buyer_acceptance_self_attested: bool
    buyer_instruction_hash: bytes
    offer_count: int


def divide_half_even(x: int, y: int) -> int:
    """x / y, a half rounded to the even neighbour, as Economics.sol does it."""
    quotient, remainder = divmod(x, y)
    return quotient + (2 * remainder > y or (2 * remainder == y and quotient % 2 == 1))


def legs_of(terms: InvoiceTerms, offer: OfferTerms, value_day: date) -> Legs:
    """The contract's economics in Python: straight discount = advance x rate x days / basis (trade.md 5.2)."""
    days = (offer.expected_payment_day - value_day).days
    eligible = terms.amount * offer.fraction_bps // BPS
    advance = divide_half_even(eligible * offer.advance_bps, BPS)
    discount = divide_half_even(advance * offer.rate_bps * days, BPS * offer.day_count.basis)
    return Legs(eligible, advance, discount, max(0, advance - discount), eligible - advance, days)


def encode_register(terms: InvoiceTerms, tags: Sequence[Tag], approvals_hash: bytes) -> bytes:
    """Call data for the factory; the clone's address is in the FinancingCreated event."""
    return bindings.encode_call(FACTORY, "register", [terms.as_argument(), tags_argument(tags), approvals_hash])


def decode_registered(topics: Sequence[bytes], data: bytes) -> bytes | None:
    """The new financing's address from the factory's FinancingCreated log; None for another log."""
    event = bindings.decode_event(FACTORY, topics, data)
    return None if event is None else event.args["financing"]


def encode_record_buyer_acceptance(
    instruction_hash: bytes, approvals_hash: bytes, *, self_attested: bool = False
) -> bytes:
    """Call data: the buyer's bank records the buyer's acceptance."""
    return bindings.encode_call(CONTRACT, "recordBuyerAcceptance", [instruction_hash, self_attested, approvals_hash])


def encode_make_offer(terms: OfferTerms, approvals_hash: bytes) -> bytes:
    """Call data: an offer with its HOLD."""
    return bindings.encode_call(CONTRACT, "makeOffer", [terms.as_argument(), approvals_hash])


def encode_accept_offer(offer_id: int, instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """Call data: the seller's bank accepts for the seller."""
    return bindings.encode_call(CONTRACT, "acceptOffer", [offer_id, instruction_hash, approvals_hash])


def encode_disburse(offer_id: int, value_day: date, proof_hash: bytes, approvals_hash: bytes) -> bytes:
    """Call data: the financing bank has paid."""
    return bindings.encode_call(CONTRACT, "disburse", [offer_id, day_number(value_day), proof_hash, approvals_hash])


def encode_repay(offer_id: int, amount: int, proof_hash: bytes, approvals_hash: bytes) -> bytes:
    """Call data: the financing bank has been paid, in full or in part."""
    return bindings.encode_call(CONTRACT, "repay", [offer_id, amount, proof_hash, approvals_hash])


def encode_release(offer_id: int, proof_hash: bytes, approvals_hash: bytes) -> bytes:
    """Call data: an offer ends without payment of the invoice."""
    return bindings.encode_call(CONTRACT, "release", [offer_id, proof_hash, approvals_hash])


def encode_invoice() -> bytes:
    """Call data; the result is decoded by ``decode_invoice``."""
    return bindings.encode_call(CONTRACT, "invoice")


def decode_invoice(data: bytes) -> Invoice:
    """The answer of ``invoice``."""
    found = bindings.decode_result(CONTRACT, "invoice", data)
    return Invoice(
        terms=InvoiceTerms.from_result(found["terms"]),
        seller_bank=found["sellerBank"],
        registered_at=found["registeredAt"],
        buyer_accepted_at=found["buyerAcceptedAt"] or None,
        buyer_acceptance_self_attested=found["buyerAcceptanceSelfAttested"],
        buyer_instruction_hash=found["buyerInstructionHash"],
        offer_count=found["offerCount"],
    )


def encode_offer_of(offer_id: int) -> bytes:
    """Call data; the result is decoded by ``decode_offer``."""
    return bindings.encode_call(CONTRACT, "offerOf", [offer_id])


def decode_offer(data: bytes) -> Offer:
    """The answer of ``offerOf``."""
    found = bindings.decode_result(CONTRACT, "offerOf", data)
    return Offer(
        bank=found["bank"],
        terms=OfferTerms.from_result(found["terms"]),
        state=OfferState(found["state"]),
        hold_id=found["holdId"],
        value_day=day_date(found["valueDay"]) if found["valueDay"] else None,
        legs=Legs.from_result(found["legs"]),
        collected=found["collected"],
    )


def encode_quote(offer_id: int, value_day: date) -> bytes:
    """Call data; the result is decoded by ``decode_quote``."""
    return bindings.encode_call(CONTRACT, "quote", [offer_id, day_number(value_day)])


def decode_quote(data: bytes) -> Legs:
    """The answer of ``quote``."""
    return Legs.from_result(bindings.decode_result(CONTRACT, "quote", data))
