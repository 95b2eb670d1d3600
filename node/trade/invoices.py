"""Planning the acts of invoice financing: register, buyer's acceptance, offer, acceptance, disbursement, repayment."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any

from contracts import addresses, financing_registry
from contracts import invoice_financing as financing
from contracts.invoice_financing import DayCount, OfferTerms
from node.desk.acts import Inputs
from node.desk.drafts import APPROVALS_PLACEHOLDER, ActPlan, Call
from node.errors import DataError
from node.trade.currency import amount_in, format_amount
from node.trade.office import Office
from node.trade.ubl import parse_invoice, tag_inputs
from node.trade.vault import Sealing, json_of

OFFER_HOURS_DEFAULT = 24
OFFER_HOURS_MAX = 24 * 366
"""The registry's own limit for a hold is shorter; this one keeps the arithmetic of times in its bounds."""
_ACT_365 = frozenset({"GBP", "HKD", "SGD", "AUD"})
"""Currencies whose money market counts 365 days (trade practice); others count 360 unless the offer says otherwise."""


async def plan_register(office: Office, inputs: Inputs) -> ActPlan:
    """Register an invoice for the seller, this bank's customer, from UBL 2.1 or CII. Registering excludes nobody."""
    text = inputs.need_content("ubl")
    invoice = parse_invoice(text)
    due = invoice.require_financeable(office.today(), inputs.day("due_date"))
    seller, buyer = inputs.record("seller"), inputs.record("buyer")
    buyer_bank = office.bank(name) if (name := inputs.text("buyer_bank")) else None
    views = tag_inputs(invoice, seller=seller, buyer=buyer)
    tags = [office.tags.tag(view) for view in views]
    sealed = await office.vault.seal_json(
        {"invoice": invoice.to_json(), "xml_base64": base64.b64encode(text).decode(), "due_date": due},
        kind="invoice",
        name=f"invoice {invoice.number}",
        recipients=office.others([buyer_bank]),
    )
    terms = financing.InvoiceTerms(
        invoice_hash=sealed.commitment,
        seller_id=office.relationship("seller", (seller or {}).get("name") or invoice.seller.name),
        buyer_id=office.relationship("buyer", (buyer or {}).get("name") or invoice.buyer.name),
        buyer_bank=buyer_bank.id if buyer_bank else bytes(32),
        amount=invoice.amount,
        currency=invoice.currency,
        exponent=invoice.exponent,
        issue_day=invoice.issue_date,
        due_day=due,
    )
    status = financing_registry.decode_status(
        await office.read(addresses.FINANCING_REGISTRY, financing_registry.encode_status_of(tags[0]))
    )
    data = financing.encode_register(terms, tags, APPROVALS_PLACEHOLDER)
    calls = [sealed.call, Call(financing.FACTORY, "register", addresses.INVOICE_FINANCING_FACTORY, data)]
    return ActPlan(
        act="invoice.register",
        subject="",
        params=inputs.to_json(),
        calls=tuple(call for call in calls if call is not None),
        notes={
            "summary": f"register {invoice.currency} {format_amount(invoice.amount, invoice.currency)} due {due}",
            "invoice": invoice.to_json(),
            "due_date": due.isoformat(),
            "registry": {"status": status.word, "registrations": status.registrations},
            "sealed": [sealed.to_json()],
        },
    )


async def plan_buyer_accept(office: Office, inputs: Inputs) -> ActPlan:
    """The buyer's bank records the buyer's irrevocable acceptance, by the buyer's signed instruction."""
    invoice = await read_invoice(office, inputs.raw("invoice"))
    attested = invoice.seller_bank == office.me.id or await _has_offered(office, inputs.raw("invoice"), invoice)
    sealed = await _sealed(office, inputs, "instruction", kind="instruction")
    data = financing.encode_record_buyer_acceptance(sealed.commitment, APPROVALS_PLACEHOLDER, self_attested=attested)
    summary = "the buyer accepts" + (", attested by this bank for both sides" if attested else "")
    return _plan("invoice.buyer-accept", inputs, "recordBuyerAcceptance", data, summary, sealed)


async def plan_offer(office: Office, inputs: Inputs) -> ActPlan:
    """Offer finance: the HOLD in the registry is made with the offer, or the offer fails."""
    invoice = await read_invoice(office, inputs.raw("invoice"))
    terms = invoice.terms
    basis = inputs.text("day_count") or ("ACT_365_FIXED" if terms.currency in _ACT_365 else "ACT_360")
    if basis not in DayCount.__members__:
        raise DataError(f"day_count is one of {', '.join(DayCount.__members__)}", field="day_count")
    expected: date = inputs.day("expected_payment_date") or terms.due_day
    hours = inputs.integer("hours") or OFFER_HOURS_DEFAULT
    if hours > OFFER_HOURS_MAX:
        raise DataError(f"hours is at most {OFFER_HOURS_MAX}", field="hours")
    fraction, advance = inputs.integer("fraction_bps"), inputs.integer("advance_bps")
    offer = OfferTerms(
        rate_bps=inputs.need_integer("rate_bps"),
        day_count=DayCount[basis],
        advance_bps=financing.BPS if advance is None else advance,
        expected_payment_day=expected,
        expiry=office.chain.block_time() + int(timedelta(hours=hours).total_seconds()),
        fraction_bps=financing.BPS if fraction is None else fraction,
        with_recourse=not inputs.flag("without_recourse"),
        needs_buyer_acceptance=not inputs.flag("without_buyer_acceptance"),
        self_attested=terms.buyer_bank == office.me.id,
    )
    legs = financing.legs_of(terms, offer, office.today())
    data = financing.encode_make_offer(offer, APPROVALS_PLACEHOLDER)
    plan = _plan("invoice.offer", inputs, "makeOffer", data, f"offer at {offer.rate_bps} bp until {expected}")
    shown = {name: getattr(legs, name) for name in legs.__slots__}
    return ActPlan(plan.act, plan.subject, plan.params, plan.calls, {**plan.notes, "legs_if_disbursed_today": shown})


async def plan_accept_offer(office: Office, inputs: Inputs) -> ActPlan:
    """The seller's bank accepts an offer for the seller, by the seller's signed instruction."""
    sealed = await _sealed(office, inputs, "instruction", kind="instruction")
    number = inputs.need_integer("offer")
    data = financing.encode_accept_offer(number, sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("invoice.accept-offer", inputs, "acceptOffer", data, f"accept offer {number}", sealed)


async def plan_disburse(office: Office, inputs: Inputs) -> ActPlan:
    """The financing bank has paid: value date and proof."""
    sealed = await _sealed(office, inputs, "proof", kind="document")
    number, value = inputs.need_integer("offer"), inputs.day("value_date") or office.today()
    legs = financing.decode_quote(await office.read(inputs.raw("invoice"), financing.encode_quote(number, value)))
    data = financing.encode_disburse(number, value, sealed.commitment, APPROVALS_PLACEHOLDER)
    plan = _plan("invoice.disburse", inputs, "disburse", data, f"disburse offer {number}, value {value}", sealed)
    shown = {name: getattr(legs, name) for name in legs.__slots__}
    return ActPlan(plan.act, plan.subject, plan.params, plan.calls, {**plan.notes, "legs": shown})


async def plan_repay(office: Office, inputs: Inputs) -> ActPlan:
    """The financing bank has been paid, in full or in part."""
    invoice = await read_invoice(office, inputs.raw("invoice"))
    amount = amount_in(inputs.need_text("amount"), invoice.terms.currency, invoice.terms.exponent)
    sealed = await _sealed(office, inputs, "proof", kind="document")
    number = inputs.need_integer("offer")
    data = financing.encode_repay(number, amount, sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan(
        "invoice.repay", inputs, "repay", data, f"{inputs.need_text('amount')} received on offer {number}", sealed
    )


async def plan_release(office: Office, inputs: Inputs) -> ActPlan:
    """End an offer without payment of the invoice; its hold is freed."""
    sealed = await _sealed(office, inputs, "proof", kind="document")
    number = inputs.need_integer("offer")
    data = financing.encode_release(number, sealed.commitment, APPROVALS_PLACEHOLDER)
    return _plan("invoice.release", inputs, "release", data, f"release offer {number}", sealed)


async def _has_offered(office: Office, address: bytes, invoice: financing.Invoice) -> bool:
    """Whether this bank has ever offered finance for the invoice: its word for the buyer is then not independent."""
    for number in range(1, invoice.offer_count + 1):
        offer = financing.decode_offer(await office.read(address, financing.encode_offer_of(number)))
        if offer.bank == office.me.id:
            return True
    return False


async def read_invoice(office: Office, address: bytes) -> financing.Invoice:
    """A financing; DataError where none stands at the address."""
    output = await office.read(address, financing.encode_invoice())
    if not output:
        raise DataError(f"no invoice stands at 0x{address.hex()}", field="invoice", code="INVOICE_UNKNOWN")
    return financing.decode_invoice(output)


async def open_invoice(office: Office, invoice: financing.Invoice, subject: str) -> dict[str, Any] | None:
    """The invoice's sealed content, where this bank may read it."""
    return json_of(await office.vault.open_committed(invoice.seller_bank, invoice.terms.invoice_hash, subject=subject))


def _plan(act: str, inputs: Inputs, function: str, data: bytes, summary: str, sealed: Sealing | None = None) -> ActPlan:
    address = inputs.raw("invoice")
    calls = [] if sealed is None or sealed.call is None else [sealed.call]
    return ActPlan(
        act=act,
        subject="0x" + address.hex(),
        params=inputs.to_json(),
        calls=(*calls, Call(financing.CONTRACT, function, address, data)),
        notes={"summary": summary, "sealed": [] if sealed is None else [sealed.to_json()]},
    )


async def _sealed(office: Office, inputs: Inputs, name: str, *, kind: str) -> Sealing:
    return await office.vault.seal(
        inputs.need_text(name).encode(),
        kind=kind,
        name=name,
        media_type="text/plain",
        recipients=[],
        subject=inputs.need_text("invoice"),
    )
