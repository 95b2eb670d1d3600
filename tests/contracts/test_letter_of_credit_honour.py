"""Honour, negotiation, maturity, settlement and the credit's end (UCP 600 articles 3, 6, 7, 12, 15, 18(b), 31)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts import letter_of_credit as lc
from contracts.letter_of_credit import Availability, Life, ObligationKind, Standing, Tenor, ToleranceKind
from tests.contracts.chain import HARBOUR, LION, THAMES
from tests.contracts.credit_desk import APPROVALS, INSTRUCTION, PARTIES, Desk
from tests.contracts.raising import reverts


def complying(amount: int = 100_000_00, **terms: Any) -> Desk:
    """A presentation of Monday 8 June 2026 that the issuing bank has found to comply."""
    desk = Desk.issued(**terms)
    desk.chain.at(2026, 6, 8)
    desk.present(amount, shipment_day=date(2026, 6, 1))
    desk.comply()
    return desk


def test_honour_at_sight_consumes_the_credit_and_owes_at_once() -> None:
    """UCP 7a, 15: payment is due on the banking day of honour, to the presenter."""
    desk = complying(40_000_00)
    assert desk.view().drawn == 0
    desk.chain.at(2026, 6, 10)
    honoured = desk.honour().event("PresentationHonoured")
    assert (honoured["amount"], honoured["kind"]) == (40_000_00, int(ObligationKind.PAYMENT))
    owed = desk.obligation()
    assert (owed.debtor, owed.creditor, owed.maturity_day) == (HARBOUR.id, LION.id, date(2026, 6, 10))
    assert owed.due_at == int(datetime(2026, 6, 10, 9, tzinfo=UTC).timestamp())
    view = desk.view()
    assert (view.drawn, view.available, view.unsettled, view.open_examinations) == (40_000_00, 60_000_00, 1, 0)
    with reverts("CreditStandingForbids", standing=int(Standing.HONOURED)):
        desk.honour()


MATURITIES: list[tuple[dict[str, Any], date, ObligationKind]] = [
    # UCP 3: "after" leaves the named date out
    (
        {"availability": Availability.DEFERRED, "tenor": Tenor.AFTER_SHIPMENT, "tenor_days": 60},
        date(2026, 7, 31),
        ObligationKind.UNDERTAKING,
    ),
    (
        {"availability": Availability.ACCEPTANCE, "tenor": Tenor.AFTER_SIGHT, "tenor_days": 30},
        date(2026, 7, 8),
        ObligationKind.ACCEPTANCE,
    ),
    (
        {"availability": Availability.DEFERRED, "tenor": Tenor.FIXED_DATE, "maturity_day": date(2026, 9, 5)},
        date(2026, 9, 5),
        ObligationKind.UNDERTAKING,
    ),
    (
        {"availability": Availability.NEGOTIATION, "tenor": Tenor.AFTER_SIGHT, "tenor_days": 10},
        date(2026, 6, 18),
        ObligationKind.UNDERTAKING,
    ),
]


@pytest.mark.parametrize(("terms", "maturity", "kind"), MATURITIES)
def test_usance_makes_an_undertaking_at_maturity(terms: dict[str, Any], maturity: date, kind: ObligationKind) -> None:
    """UCP 7a ii to iv: honour is the undertaking now and payment at maturity."""
    desk = complying(**terms)
    desk.chain.at(2026, 6, 10)
    desk.honour()
    assert (desk.obligation().maturity_day, desk.obligation().kind) == (maturity, kind)


def test_payment_at_maturity_on_a_closed_day_is_due_on_the_next() -> None:
    """5 September 2026 is a Saturday: due at Monday's close."""
    desk = complying(availability=Availability.DEFERRED, tenor=Tenor.FIXED_DATE, maturity_day=date(2026, 9, 5))
    desk.honour()
    assert desk.obligation().due_at == int(datetime(2026, 9, 7, 9, tzinfo=UTC).timestamp())


def test_sight_after_a_refusal_runs_from_the_waiver() -> None:
    """A draft after sight on documents that were refused matures from the day they were taken up."""
    desk = Desk.issued(availability=Availability.ACCEPTANCE, tenor=Tenor.AFTER_SIGHT, tenor_days=30)
    desk.chain.at(2026, 6, 8)
    desk.present()
    desk.refuse()
    desk.chain.at(2026, 6, 22)
    desk.waive()
    desk.chain.at(2026, 6, 24)
    desk.honour()
    assert desk.obligation().maturity_day == date(2026, 7, 22)


def test_another_tenor_needs_a_stated_maturity_and_only_that_one() -> None:
    """UCP 3: the bank states the date only where the contract cannot compute it."""
    desk = complying(availability=Availability.DEFERRED, tenor=Tenor.OTHER, tenor_days=45)
    with reverts("UCP3MaturityNotStated", statedMaturityDay=0):
        desk.honour()
    desk.honour(stated_maturity=date(2026, 8, 1))
    assert desk.obligation().maturity_day == date(2026, 8, 1)
    with reverts("UCP3MaturityNotStated"):
        complying().honour(stated_maturity=date(2026, 8, 1))


def test_maturity_after_shipment_needs_a_shipment_date() -> None:
    """Without one in the documents it cannot be computed."""
    desk = Desk.issued(availability=Availability.DEFERRED, tenor=Tenor.AFTER_SHIPMENT, tenor_days=60)
    desk.present()
    desk.comply()
    with reverts("UCP3ShipmentDateMissing", presentation=0):
        desk.honour()


def test_honour_never_exceeds_the_credit() -> None:
    """UCP 18b: a larger claim that the bank takes up is honoured for what the credit holds."""
    desk = Desk.issued()
    desk.present(120_000_00)
    desk.waive()
    assert desk.honour().event("PresentationHonoured")["amount"] == 100_000_00
    desk.present(1_00)
    desk.waive(1)
    with reverts("UCP18bNothingAvailable", drawn=100_000_00):
        desk.honour(1)


def test_a_nominated_bank_honours_and_is_reimbursed_once() -> None:
    """UCP 7c, 12: one drawing, two obligations: nominated bank to presenter, issuing bank to nominated bank."""
    desk = Desk.issued(availability=Availability.NEGOTIATION)
    desk.present(70_000_00, at=LION)
    desk.comply(bank=LION)
    assert desk.honour(bank=LION).event("PresentationHonoured")["kind"] == int(ObligationKind.NEGOTIATION)
    desk.forward()
    desk.comply(bank=HARBOUR)
    desk.honour(bank=HARBOUR)
    assert (desk.view().drawn, desk.view().unsettled) == (70_000_00, 2)
    assert (desk.obligation(1).debtor, desk.obligation(1).creditor) == (HARBOUR.id, LION.id)


def test_a_valid_refusal_gives_the_drawing_back() -> None:
    """What a nominated bank honoured against discrepant documents does not use up the issuing bank's credit."""
    desk = Desk.issued(partial_drawings=False)
    desk.present(at=LION)
    desk.comply(bank=LION)
    desk.honour(bank=LION)
    desk.forward()
    desk.refuse(bank=HARBOUR)
    assert (desk.view().drawn, desk.view().available) == (0, 100_000_00)
    desk.waive(bank=HARBOUR)
    desk.honour(bank=HARBOUR)
    assert (desk.view().drawn, desk.view().available) == (100_000_00, 0)


def test_settlement_is_the_debtors_and_needs_its_proof() -> None:
    """Paid once, with proof and value date."""
    desk = complying()
    desk.honour()
    with reverts("CreditWrongBank", actor=THAMES.id, expected=HARBOUR.id):
        desk.settle(bank=THAMES)
    with reverts("CreditHashMissing", field="proofHash"):
        desk.send(HARBOUR, lc.encode_settle(0, bytes(32), date(2026, 6, 30), APPROVALS))
    with reverts("CreditHashMissing", field="valueDay"):
        desk.send(HARBOUR, lc.encode_settle(0, b"\x01" * 32, date(1970, 1, 1), APPROVALS))
    desk.settle()
    assert (desk.obligation().value_day, desk.view().unsettled) == (desk.chain.now.date(), 0)
    with reverts("CreditAlreadySettled"):
        desk.settle()
    with reverts("CreditUnknownObligation", obligation=1, count=1):
        desk.settle(1)


def test_a_spent_credit_closes_when_all_is_settled() -> None:
    """By any party, and not before."""
    desk = complying()
    close = lc.encode_close(APPROVALS)
    with reverts("CreditNotInForce"):
        desk.send(LION, close)
    desk.honour()
    with reverts("CreditStillOpen", unsettled=1):
        desk.send(LION, close)
    desk.settle()
    with reverts("CreditWrongBank", actor=THAMES.id):
        desk.send(THAMES, close)
    desk.send(LION, close)
    assert desk.view().life is Life.CLOSED


def test_expiry_waits_for_presentations_in_progress() -> None:
    """UCP 14b: made in time, decided after expiry, and then the credit has expired."""
    desk = Desk.issued()
    expire = lc.encode_expire(APPROVALS)
    desk.chain.at(2026, 7, 31)
    desk.present()
    with reverts("UCP6dNotExpired"):
        desk.send(HARBOUR, expire)
    desk.chain.at(2026, 8, 3)
    with reverts("CreditStillOpen", openExaminations=1):
        desk.send(HARBOUR, expire)
    desk.refuse()
    desk.send(HARBOUR, expire)
    assert desk.view().life is Life.EXPIRED
    desk.send(HARBOUR, lc.encode_close(APPROVALS))
    assert desk.view().life is Life.CLOSED


def test_a_cancelled_credit_closes() -> None:
    """With consent, cancelled, closed."""
    desk = Desk.issued()
    desk.send(LION, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    desk.send(HARBOUR, lc.encode_cancel(APPROVALS))
    desk.send(HARBOUR, lc.encode_close(APPROVALS))
    with reverts("CreditNotInForce", life=int(Life.CLOSED)):
        desk.send(HARBOUR, lc.encode_close(APPROVALS))


def test_tolerance_is_available_to_drawings() -> None:
    """UCP 30a: "about" leaves ten per cent more to draw."""
    desk = complying(110_000_00, tolerance_kind=ToleranceKind.ABOUT)
    desk.honour()
    assert desk.view().drawn == 110_000_00


def test_next_acts_follow_the_credit() -> None:
    """Whose turn it is: deadlines first, then advice and presentation."""
    desk = Desk.issued()
    assert lc.next_acts(desk.view(), {}) == [(LION.id, "advise"), (LION.id, "present")]
    desk.present()
    key = (0, HARBOUR.id)
    assert lc.next_acts(desk.view(), {key: desk.examination()})[0] == (HARBOUR.id, "examine")
    desk.comply()
    assert lc.next_acts(desk.view(), {key: desk.examination()})[0] == (HARBOUR.id, "honour")
    desk.honour()
    assert lc.next_acts(desk.view(), {key: desk.examination()}) == [(LION.id, "advise")]


def test_the_parties_of_a_credit_may_be_one_bank() -> None:
    """With a single bank the whole life runs, its word for the beneficiary marked as its own."""
    own = replace(PARTIES, advising_bank=HARBOUR.id, beneficiary_bank=HARBOUR.id, nominated_bank=HARBOUR.id)
    desk = Desk.issued(parties=own)
    desk.present(by=HARBOUR)
    desk.comply()
    desk.honour()
    desk.settle()
    desk.send(HARBOUR, lc.encode_close(APPROVALS))


def test_a_credit_stays_open_until_the_nominated_bank_is_reimbursed() -> None:
    """UCP 7c: what a nominated bank has honoured can be sent on after expiry, and nobody closes the credit before."""
    desk = Desk.issued()
    desk.present(at=LION)
    desk.comply(bank=LION)
    desk.honour(bank=LION)
    desk.settle(bank=LION)
    desk.chain.at(2026, 8, 3)
    for act in (lc.encode_expire(APPROVALS), lc.encode_close(APPROVALS)):
        with reverts("CreditStillOpen", openExaminations=1):
            desk.send(HARBOUR, act)
    desk.forward()
    desk.comply()
    desk.honour()
    desk.settle(1)
    desk.send(HARBOUR, lc.encode_close(APPROVALS))


def test_documents_taken_back_from_the_issuing_bank_release_the_drawing() -> None:
    """The nominated bank that honoured withdraws its claim: the credit is whole again."""
    desk = Desk.issued()
    desk.present(at=LION)
    desk.comply(bank=LION)
    desk.honour(bank=LION)
    desk.forward()
    desk.send(LION, lc.encode_withdraw(0, HARBOUR.id, INSTRUCTION, APPROVALS))
    assert (desk.view().drawn, desk.view().open_examinations) == (0, 0)


def test_a_closed_credit_takes_nothing_up() -> None:
    """Documents refused before the close are neither waived nor sent on after it."""
    desk = Desk.issued()
    desk.present(at=LION)
    desk.refuse(bank=LION)
    desk.present()
    desk.refuse(1)
    desk.send(LION, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    desk.send(HARBOUR, lc.encode_cancel(APPROVALS))
    with reverts("CreditNotInForce"):
        desk.waive(1)
    with reverts("CreditNotInForce"):
        desk.forward(0)


@pytest.mark.parametrize("value_day", [date(2026, 5, 31), date(2026, 6, 14), date(2999, 1, 1)])
def test_a_value_date_is_neither_before_issue_nor_far_ahead(value_day: date) -> None:
    """Settled means paid: from the day of issue (1 June) to five days from today (8 June)."""
    desk = complying()
    desk.honour()
    with reverts("CreditValueDayOutOfRange", earliest=20_605, latest=20_617):
        desk.send(HARBOUR, lc.encode_settle(0, b"\x99" * 32, value_day, APPROVALS))
    desk.send(HARBOUR, lc.encode_settle(0, b"\x99" * 32, date(2026, 6, 13), APPROVALS))


def freely_available() -> Desk:
    """A credit available with any bank by negotiation."""
    parties = replace(PARTIES, nominated_bank=lc.ANY_BANK)
    return Desk.issued(parties=parties, availability=Availability.NEGOTIATION)


def test_a_bank_that_nobody_named_cannot_use_a_freely_available_credit_up() -> None:
    """A rival's honour of papers of its own takes nothing: the beneficiary's drawing is honoured in full."""
    desk = freely_available()
    desk.present(by=THAMES, at=THAMES)
    desk.comply(0, THAMES)
    desk.honour(0, THAMES)
    assert (desk.view().drawn, desk.view().available) == (0, 100_000_00)
    desk.present(by=LION, at=HARBOUR)
    desk.comply(1)
    desk.honour(1)
    assert desk.obligation(1).amount == desk.view().drawn == 100_000_00


def test_any_bank_that_negotiates_is_reimbursed_once_and_draws_then() -> None:
    """UCP 7c: a bank that was no party's own is paid by the issuing bank, and the credit is drawn by that honour."""
    desk = freely_available()
    desk.present(40_000_00, by=THAMES, at=THAMES)
    desk.comply(0, THAMES)
    desk.honour(0, THAMES)
    desk.forward(0, THAMES)
    desk.comply(0)
    desk.honour(0)
    assert (desk.obligation(1).creditor, desk.obligation(1).amount) == (THAMES.id, 40_000_00)
    assert desk.view().drawn == 40_000_00


def test_documents_from_the_beneficiarys_bank_draw_at_any_banks_honour() -> None:
    """UCP 18b: negotiated for the beneficiary's side, the amount is taken at once, and once."""
    desk = freely_available()
    desk.present(40_000_00, by=LION, at=THAMES)
    desk.comply(0, THAMES)
    desk.honour(0, THAMES)
    assert desk.view().drawn == 40_000_00
    desk.forward(0, THAMES)
    desk.comply(0)
    desk.honour(0)
    assert desk.view().drawn == 40_000_00
