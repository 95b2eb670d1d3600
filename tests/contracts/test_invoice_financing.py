"""One invoice from registration to repayment: who may act, in which order, and what the legs come to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import bindings, invoice_financing
from contracts.addresses import INVOICE_FINANCING, INVOICE_FINANCING_FACTORY
from contracts.financing_registry import HoldState
from contracts.invoice_financing import DayCount, Legs, OfferState, OfferTerms
from tests.contracts.consortium_chain import APPROVALS, bank_key, events_of, sample_member
from tests.contracts.financing_parties import (
    BUYERS_BANK,
    DUE,
    HOLD,
    INSTRUCTION,
    PROOF,
    RIVAL,
    SELLERS_BANK,
    TAG,
    THIRD,
    TODAY,
    Market,
    expect,
    invoice_terms,
    offer_terms,
)

AUDITOR = 4
ZERO = bytes(32)


def test_an_invoice_is_registered_accepted_financed_and_repaid() -> None:
    """The whole life of one financing; each act leaves its trace and its event."""
    market = Market.open()
    financing = market.register()
    invoice = market.invoice(financing)
    assert invoice.terms == invoice_terms()
    assert (invoice.seller_bank, invoice.buyer_accepted_at) == (sample_member(SELLERS_BANK).id, None)
    market.accept_by_buyer(financing)
    assert market.invoice(financing).buyer_instruction_hash == INSTRUCTION
    offer = market.offer(financing)
    terms = market.offer_of(financing, offer).terms
    assert terms == offer_terms(market.chain.timestamp + HOLD)
    market.accept(financing, offer)
    (event,) = events_of(market.disburse(financing, offer), "InvoiceFinancing")
    assert (event.name, event.args["proofHash"], event.args["approvalsHash"]) == ("Disbursed", PROOF, APPROVALS)
    found = market.offer_of(financing, offer)
    assert (found.state, found.value_day, found.outstanding) == (OfferState.DISBURSED, TODAY, 10_000_000)
    assert market.hold(found.hold_id).state is HoldState.FINANCED
    (part,) = events_of(market.repay(financing, offer, 9_000_000), "InvoiceFinancing")
    assert [part.args[k] for k in ("toAdvance", "toReserve", "outstanding")] == [8_000_000, 1_000_000, 1_000_000]
    rest, done = events_of(market.repay(financing, offer, 1_000_000), "InvoiceFinancing")
    assert [rest.args[k] for k in ("toAdvance", "toReserve", "outstanding")] == [0, 1_000_000, 0]
    assert done.name == "FinancingRepaid"
    assert market.offer_of(financing, offer).state is OfferState.REPAID
    assert market.status(TAG).tombstoned


@pytest.mark.parametrize(
    ("currency", "day_count", "legs"),
    [
        ("USD", DayCount.ACT_360, Legs(10_000_000, 8_000_000, 120_000, 7_880_000, 2_000_000, 90)),
        ("HKD", DayCount.ACT_365_FIXED, Legs(10_000_000, 8_000_000, 118_356, 7_881_644, 2_000_000, 90)),
    ],
)
def test_f15_discount_by_day_count(currency: str, day_count: DayCount, legs: Legs) -> None:
    """F15: 100,000.00 at 80 % and 6 % for 90 days: 1,200.00 on ACT/360, 1,183.56 on ACT/365F."""
    market = Market.open()
    financing = market.register(currency=currency)
    offer = market.offer(financing, day_count=day_count, needs_buyer_acceptance=False)
    quoted = market.chain.call(financing, invoice_financing.encode_quote(offer, TODAY))
    assert invoice_financing.decode_quote(quoted) == legs
    market.accept(financing, offer)
    market.disburse(financing, offer)
    assert market.offer_of(financing, offer).legs == legs


@settings(max_examples=30, deadline=None)
@given(
    amount=st.integers(1, 2**128 // 10_000 - 1),
    fraction=st.integers(100, 10_000),
    advance=st.integers(1, 10_000),
    rate=st.integers(0, 10_000),
    days=st.integers(0, 455),
    day_count=st.sampled_from(DayCount),
)
def test_legs_add_up_and_equal_the_binding(
    amount: int, fraction: int, advance: int, rate: int, days: int, day_count: DayCount
) -> None:
    """Contract and binding compute the same; payout + discount + reserve = eligible while anything is paid out."""
    market = Market.open()
    terms = invoice_terms(amount=amount, due_day=TODAY)
    financing = market.register(amount=amount, due_day=TODAY)
    expected_day = TODAY + timedelta(days=min(days, 365))
    offer = market.offer(
        financing,
        fraction_bps=fraction,
        advance_bps=advance,
        rate_bps=rate,
        expected_payment_day=expected_day,
        day_count=day_count,
    )
    value_day = expected_day - timedelta(days=days)
    quoted = market.chain.call(financing, invoice_financing.encode_quote(offer, value_day))
    legs = invoice_financing.decode_quote(quoted)
    offered = OfferTerms(rate, day_count, advance, expected_day, 0, fraction)
    assert legs == invoice_financing.legs_of(terms, offered, value_day)
    if legs.payout:
        assert legs.payout + legs.discount + legs.reserve == legs.eligible <= amount


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(5, 2, 2), (7, 2, 4), (6, 4, 2), (10, 4, 2), (14, 4, 4), (11, 4, 3), (9, 4, 2)]
)
def test_halves_go_to_the_even_neighbour(x: int, y: int, expected: int) -> None:
    """Bankers' rounding (trade.md 5.2)."""
    assert invoice_financing.divide_half_even(x, y) == expected


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"invoice_hash": ZERO}, "ZeroHash"),
        ({"seller_id": ZERO}, "ZeroParty"),
        ({"buyer_id": ZERO}, "ZeroParty"),
        ({"buyer_bank": b"\x01" * 32}, "BuyersBankNotABank"),
        ({"buyer_bank": sample_member(AUDITOR).id}, "BuyersBankNotABank"),
        ({"amount": 0}, "AmountZero"),
        ({"amount": 2**128 - 1}, "AmountTooLarge"),
        ({"currency": "usd"}, "BadCurrency"),
        ({"exponent": 1}, "BadExponent"),
        ({"exponent": 5}, "BadExponent"),
        ({"issue_day": DUE + timedelta(days=1)}, "DueBeforeIssue"),
        ({"issue_day": TODAY + timedelta(days=2)}, "IssuedInTheFuture"),
        ({"due_day": TODAY - timedelta(days=1)}, "InvoiceOverdue"),
        ({"due_day": TODAY + timedelta(days=3_651)}, "DueTooFar"),
    ],
)
def test_an_invoice_that_cannot_be_financed_is_refused_by_name(changes: dict[str, object], error: str) -> None:
    """An overdue invoice, a currency that is none, an amount of nothing."""
    with expect(error):
        Market.open().register(**changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"rate_bps": 10_001}, "RateOutOfRange"),
        ({"advance_bps": 0}, "AdvanceOutOfRange"),
        ({"advance_bps": 10_001}, "AdvanceOutOfRange"),
        ({"expected_payment_day": DUE - timedelta(days=1)}, "ExpectedPaymentBeforeDue"),
        ({"expected_payment_day": DUE + timedelta(days=366)}, "ExpectedPaymentTooLate"),
        ({"self_attested": True}, "SelfAttestationMismatch"),
    ],
)
def test_an_offer_out_of_bounds_is_refused_by_name(changes: dict[str, object], error: str) -> None:
    """Rates, shares and days stand within their limits."""
    market = Market.open()
    financing = market.register()
    with expect(error):
        market.offer(financing, **changes)


def test_an_overdue_invoice_takes_no_offer() -> None:
    """What fell due after registration is no longer financed."""
    market = Market.open()
    financing = market.register()
    market.chain.pass_time(91 * 86_400)
    with expect("InvoiceOverdue"):
        market.offer(financing)


def test_the_buyers_bank_alone_accepts_and_once() -> None:
    """Acceptance is irrevocable (F21) and no word of the seller's or the financing bank."""
    market = Market.open()
    financing = market.register()
    for bank in (SELLERS_BANK, RIVAL):
        with expect("NotBuyersBank", caller=sample_member(bank).id, buyerBank=sample_member(BUYERS_BANK).id):
            market.accept_by_buyer(financing, bank)
    with expect("SelfAttestationMismatch", declared=True, found=False):
        market.accept_by_buyer(financing, self_attested=True)
    market.accept_by_buyer(financing)
    with expect("BuyerAlreadyAccepted"):
        market.accept_by_buyer(financing)
    orphan = market.register(buyer_bank=ZERO)
    with expect("NotBuyersBank"):
        market.accept_by_buyer(orphan)


def test_one_bank_for_both_sides_is_marked_self_attested() -> None:
    """Where one bank serves both, the act must say so (design.md section 5)."""
    market = Market.open()
    both = market.register(buyer_bank=sample_member(SELLERS_BANK).id)
    with expect("SelfAttestationMismatch", declared=False, found=True):
        market.accept_by_buyer(both, SELLERS_BANK)
    market.accept_by_buyer(both, SELLERS_BANK, self_attested=True)
    assert market.invoice(both).buyer_acceptance_self_attested

    financing = market.register()
    with expect("SelfAttestationMismatch", declared=False, found=True):
        market.offer(financing, BUYERS_BANK)
    market.offer(financing, BUYERS_BANK, self_attested=True)
    with expect("SelfAttestationMismatch", declared=False, found=True):
        market.accept_by_buyer(financing)
    market.accept_by_buyer(financing, self_attested=True)


def test_the_sellers_own_bank_may_finance_and_the_event_says_so() -> None:
    """Accepting its own offer for its customer is marked."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing, SELLERS_BANK)
    data = invoice_financing.encode_accept_offer(offer, INSTRUCTION, APPROVALS)
    (event,) = events_of(market.act(SELLERS_BANK, financing, data), "InvoiceFinancing")
    assert event.args["selfAttested"] is True


def test_each_act_has_its_actor() -> None:
    """Offer: any bank. Accept: the seller's. Disburse, repay: the financing bank. An auditor: nothing."""
    market = Market.open()
    with expect("NotABank", caller=bank_key(AUDITOR).address):
        market.register(AUDITOR)
    financing = market.register()
    market.accept_by_buyer(financing)
    with expect("NotABank"):
        market.offer(financing, AUDITOR)
    offer = market.offer(financing)
    for bank in (BUYERS_BANK, RIVAL):
        with expect("NotSellersBank"):
            market.accept(financing, offer, bank)
    with expect("NotABank"):
        market.accept(financing, offer, AUDITOR)
    market.accept(financing, offer)
    for bank in (SELLERS_BANK, THIRD):
        with expect("NotFinancingBank", financingBank=sample_member(RIVAL).id):
            market.disburse(financing, offer, bank)
    market.disburse(financing, offer)
    with expect("NotFinancingBank"):
        market.repay(financing, offer, 1, SELLERS_BANK)
    with expect("NotFinancingBank"):
        market.release(financing, offer, SELLERS_BANK)


def test_acts_come_in_order() -> None:
    """Open, accepted, disbursed, repaid: no act before its time and none twice."""
    market = Market.open()
    financing = market.register()
    with expect("UnknownOffer", offerId=1):
        market.accept(financing, 1)
    market.accept_by_buyer(financing)
    offer = market.offer(financing)
    with expect("OfferInWrongState", state=OfferState.OPEN, wanted=OfferState.ACCEPTED):
        market.disburse(financing, offer)
    market.accept(financing, offer)
    with expect("OfferInWrongState", state=OfferState.ACCEPTED, wanted=OfferState.OPEN):
        market.accept(financing, offer)
    with expect("OfferInWrongState", state=OfferState.ACCEPTED, wanted=OfferState.DISBURSED):
        market.repay(financing, offer, 1)
    market.disburse(financing, offer)
    with expect("OfferInWrongState"):
        market.disburse(financing, offer)
    market.repay(financing, offer, 10_000_000)
    with expect("OfferInWrongState", state=OfferState.REPAID):
        market.repay(financing, offer, 1)
    with expect("OfferInWrongState", state=OfferState.REPAID):
        market.release(financing, offer)


def test_disbursement_waits_for_the_buyer_where_the_offer_says_so() -> None:
    """An offer on an accepted receivable is not paid out before the buyer's bank has spoken."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing)
    market.accept(financing, offer)
    with expect("BuyerAcceptanceMissing"):
        market.disburse(financing, offer)
    market.accept_by_buyer(financing)
    market.disburse(financing, offer)


@pytest.mark.parametrize(("days", "lawful"), [(-6, False), (-5, True), (0, True), (5, True), (6, False)])
def test_no_bank_dates_a_payment_far_back_or_forward(days: int, lawful: bool) -> None:
    """A value date lies within five days of the block's day."""
    market = Market.open()
    financing = market.register()
    market.accept_by_buyer(financing)
    offer = market.offer(financing)
    market.accept(financing, offer)
    day = TODAY + timedelta(days=days)
    if lawful:
        market.disburse(financing, offer, day=day)
        assert market.offer_of(financing, offer).legs.discount_days == 90 - days
    else:
        with expect("ValueDayOutOfRange"):
            market.disburse(financing, offer, day=day)


def test_a_discount_that_eats_the_advance_is_refused() -> None:
    """At 100 % a year for more than a year nothing would be paid out."""
    market = Market.open()
    financing = market.register(due_day=TODAY + timedelta(days=400))
    offer = market.offer(
        financing, rate_bps=10_000, expected_payment_day=TODAY + timedelta(days=400), needs_buyer_acceptance=False
    )
    market.accept(financing, offer)
    with expect("NothingToPayOut"):
        market.disburse(financing, offer)


def test_repayments_never_exceed_what_is_outstanding() -> None:
    """Nothing, and more than is left, are refused with the values."""
    market = Market.open()
    financing, offer = market.financed(fraction_bps=5_000)
    with expect("RepaymentZero"):
        market.repay(financing, offer, 0)
    market.repay(financing, offer, 3_000_000)
    with expect("RepaymentTooLarge", amount=2_000_001, outstanding=2_000_000):
        market.repay(financing, offer, 2_000_001)


def test_an_accepted_offer_binds_its_bank_until_it_expires() -> None:
    """The seller relies on it: its own bank may let it go, the financing bank only after expiry."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing)
    market.accept(financing, offer)
    with expect("NotSellersBank"):
        market.release(financing, offer)
    with expect("NotSellersBank"):
        market.release(financing, offer, THIRD)
    market.release(financing, offer, SELLERS_BANK)
    second = market.offer(financing)
    market.accept(financing, second)
    market.chain.pass_time(HOLD + 1)
    market.release(financing, second)
    assert market.offer_of(financing, second).state is OfferState.RELEASED


def test_the_sellers_bank_declines_an_offer() -> None:
    """A hold that the seller does not want ends at once; another bank has no say."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing)
    with expect("NotFinancingBank", caller=sample_member(THIRD).id):
        market.release(financing, offer, THIRD)
    market.release(financing, offer, SELLERS_BANK, proof=ZERO)
    assert market.status().free_bps == 10_000
    market.offer(financing, THIRD)


def test_a_financing_is_released_only_with_proof() -> None:
    """Giving a financed invoice free says that the advance came back, and how."""
    market = Market.open()
    financing, offer = market.financed()
    with expect("ZeroHash", field="proofHash"):
        market.release(financing, offer, proof=ZERO)
    market.release(financing, offer)
    assert market.status().free_bps == 10_000


def test_an_expired_offer_cannot_be_accepted() -> None:
    """Not even one second late."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing)
    market.chain.pass_time(HOLD + 1)
    with expect("OfferHasExpired"):
        market.accept(financing, offer)


def test_every_act_carries_its_approvals() -> None:
    """Maker's and checker's approvals are part of each act (design.md section 5); an act without is refused."""
    market = Market.open()
    with expect("ZeroHash", field="approvalsHash"):
        market.act(
            SELLERS_BANK,
            INVOICE_FINANCING_FACTORY,
            invoice_financing.encode_register(invoice_terms(), [TAG], ZERO),
        )
    financing = market.register()
    offer_data = invoice_financing.encode_make_offer(offer_terms(market.chain.timestamp + HOLD), ZERO)
    acceptance = invoice_financing.encode_record_buyer_acceptance(INSTRUCTION, ZERO)
    offer = market.offer(financing, needs_buyer_acceptance=False)
    acts = [(BUYERS_BANK, acceptance), (RIVAL, offer_data)]
    acts.append((SELLERS_BANK, invoice_financing.encode_accept_offer(offer, INSTRUCTION, ZERO)))
    for bank, data in acts:
        with expect("ZeroHash", field="approvalsHash"):
            market.act(bank, financing, data)
    market.accept(financing, offer)
    with expect("ZeroHash", field="approvalsHash"):
        market.act(RIVAL, financing, invoice_financing.encode_disburse(offer, TODAY, PROOF, ZERO))
    market.disburse(financing, offer)
    late = [
        invoice_financing.encode_repay(offer, 1, PROOF, ZERO),
        invoice_financing.encode_release(offer, PROOF, ZERO),
    ]
    for data in late:
        with expect("ZeroHash", field="approvalsHash"):
            market.act(RIVAL, financing, data)


def test_clones_and_the_implementation_are_initialised_by_the_factory_alone() -> None:
    """Nobody takes over a financing, and nobody brings the implementation to life."""
    market = Market.open()
    financing = market.register()
    terms = invoice_terms().as_argument()
    args = [sample_member(RIVAL).id, terms, [TAG.as_argument()], APPROVALS]
    data = bindings.encode_call("InvoiceFinancing", "initialize", args)
    with expect("InvalidInitialization"):
        market.act(RIVAL, financing, data)
    with expect("NotFactory"):
        market.act(RIVAL, INVOICE_FINANCING, data)
    assert market.chain.ask("InvoiceFinancingFactory", "isFinancing", financing) is True
    assert market.chain.ask("InvoiceFinancingFactory", "isFinancing", INVOICE_FINANCING) is False
