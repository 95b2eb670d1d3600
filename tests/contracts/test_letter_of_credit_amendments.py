"""UCP 600 article 10: no amendment and no cancellation takes effect before the beneficiary accepts the whole of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts import letter_of_credit as lc
from contracts.letter_of_credit import AmendmentStatus, Change, Life, ToleranceKind
from tests.contracts.chain import HARBOUR, LION, THAMES
from tests.contracts.credit_desk import APPROVALS, INSTRUCTION, PARTIES, TERMS, Desk
from tests.contracts.raising import reverts


def amendment(desk: Desk, index: int = 0) -> lc.Amendment:
    return lc.decode_amendment(desk.chain.call(desk.credit, lc.encode_amendment(index)))


def reject(desk: Desk, index: int = 0, *, partly: bool = False) -> None:
    desk.send(LION, lc.encode_reject_amendment(index, INSTRUCTION, APPROVALS, partly=partly))


def test_a_pending_amendment_changes_nothing_until_accepted() -> None:
    """UCP 10c: the old terms hold until acceptance, which then puts all of it into force."""
    desk = Desk.issued()
    changes = Change.EXPIRY | Change.LATEST_SHIPMENT | Change.PRESENTATION_DAYS | Change.PARTIAL_DRAWINGS
    index = desk.amend(
        amount_change=25_000_00,
        changed=changes | Change.TOLERANCE,
        expiry_day=date(2026, 8, 31),
        expiry_place="HKHKG",
        latest_shipment_day=date(2026, 8, 10),
        presentation_days=15,
        tolerance_kind=ToleranceKind.PERCENT,
        plus_percent=5,
        minus_percent=3,
    )
    assert (desk.view().terms, desk.view().terms_version) == (TERMS, 1)
    assert amendment(desk).status is AmendmentStatus.PENDING
    accepted = desk.accept(index).event("AmendmentAccepted")
    assert (accepted["bank"], accepted["selfAttested"], accepted["termsVersion"]) == (LION.id, False, 2)
    after = desk.view()
    assert after.terms == replace(
        TERMS,
        amount=125_000_00,
        expiry_day=date(2026, 8, 31),
        expiry_place="HKHKG",
        latest_shipment_day=date(2026, 8, 10),
        presentation_days=15,
        partial_drawings=False,
        tolerance_kind=ToleranceKind.PERCENT,
        plus_percent=5,
        minus_percent=3,
        terms_hash=after.terms.terms_hash,
    )
    assert after.terms.terms_hash != TERMS.terms_hash
    assert after.expires_at == int(datetime(2026, 8, 31, 9, tzinfo=UTC).timestamp())
    assert amendment(desk).instruction_hash == INSTRUCTION


def test_scenario_25_partial_acceptance_is_rejection_of_all() -> None:
    """UCP 10e: the beneficiary takes the raise but not the earlier shipment, so neither comes into force."""
    desk = Desk.issued()
    desk.amend(amount_change=50_000_00, changed=Change.LATEST_SHIPMENT, latest_shipment_day=date(2026, 6, 15))
    reject(desk, partly=True)
    assert (desk.view().terms, amendment(desk).status) == (TERMS, AmendmentStatus.REJECTED)
    with reverts("UCP10NotPending", status=int(AmendmentStatus.REJECTED)):
        desk.accept()


def test_scenario_28_silence_accepts_nothing() -> None:
    """UCP 10f: however long the beneficiary is silent, the amendment is pending and the terms are the old ones."""
    desk = Desk.issued()
    desk.amend(amount_change=-10_000_00)
    desk.chain.at(2026, 7, 30)
    assert (amendment(desk).status, desk.view().terms) == (AmendmentStatus.PENDING, TERMS)
    desk.accept()
    assert desk.view().terms.amount == 90_000_00


def test_amendments_are_answered_one_by_one_in_any_order() -> None:
    """Each changes the amount by its own difference, so that accepting the second first loses nothing."""
    desk = Desk.issued()
    first = desk.amend(amount_change=10_000_00)
    second = desk.amend(amount_change=-5_000_00)
    third = desk.amend(amount_change=1_00)
    desk.accept(second)
    reject(desk, third)
    desk.accept(first)
    assert (desk.view().terms.amount, desk.view().terms_version) == (105_000_00, 3)


def test_only_the_beneficiarys_bank_answers() -> None:
    """UCP 10a: never the issuing bank for the beneficiary, and not without the signed instruction's hash."""
    desk = Desk.issued()
    desk.amend(amount_change=1)
    for bank in (HARBOUR, THAMES):
        with reverts("UCP10aOnlyBeneficiarysBank", actor=bank.id, beneficiaryBank=LION.id):
            desk.accept(bank=bank)
    with reverts("CreditHashMissing", field="instructionHash"):
        desk.send(LION, lc.encode_accept_amendment(0, bytes(32), APPROVALS))
    with reverts("CreditUnknownAmendment", amendment=1, count=1):
        desk.accept(1)


def test_consent_of_a_bank_that_serves_both_sides_is_marked() -> None:
    """Where the issuing bank also serves the beneficiary, its word for it is on record as self-attested."""
    desk = Desk.issued(parties=replace(PARTIES, beneficiary_bank=HARBOUR.id))
    desk.amend(amount_change=1)
    assert desk.accept(bank=HARBOUR).event("AmendmentAccepted")["selfAttested"]


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("UCP10AmountOutOfRange", {"amount_change": -100_000_00}),
        ("UCP10AmountOutOfRange", {"amount_change": -(2**127)}),
        ("CreditHashMissing", {"amendment_hash": bytes(32)}),
    ],
)
def test_bad_amendments_are_refused(error: str, changes: dict[str, Any]) -> None:
    """An amount that falls to nothing, and an amendment without its text's hash."""
    desk = Desk.issued()
    given = lc.AmendmentChanges(**{"amendment_hash": b"\x07" * 32, **changes})
    with reverts(error):
        desk.send(HARBOUR, lc.encode_amend(given, APPROVALS))


def test_an_amount_below_what_is_drawn_does_not_come_into_force() -> None:
    """The acceptance reverts; the amendment stays pending."""
    desk = Desk.issued()
    desk.amend(amount_change=-70_000_00)
    desk.present(60_000_00)
    desk.comply()
    desk.honour()
    with reverts("UCP10BelowDrawn", available=30_000_00, drawn=60_000_00):
        desk.accept()
    assert amendment(desk).status is AmendmentStatus.PENDING


def test_bad_terms_by_amendment_do_not_come_into_force() -> None:
    """Tolerance and expiry are checked again when an amendment is accepted."""
    desk = Desk.issued()
    desk.amend(changed=Change.TOLERANCE, plus_percent=5)
    with reverts("CreditToleranceInvalid"):
        desk.accept(0)
    desk.amend(changed=Change.EXPIRY)
    with reverts("UCP6dNoExpiry"):
        desk.accept(1)


def test_an_expired_credit_revives_only_by_accepted_amendment() -> None:
    """After expiry nothing can be presented until the beneficiary accepts a later date."""
    desk = Desk.issued()
    desk.chain.at(2026, 8, 3)
    with reverts("UCP6dExpired"):
        desk.present()
    desk.amend(changed=Change.EXPIRY, expiry_day=date(2026, 8, 31), expiry_place="SGSIN")
    desk.accept()
    desk.present()


def test_scenario_30_cancellation_needs_the_beneficiarys_consent() -> None:
    """UCP 10a: the issuing bank alone cancels nothing, and cannot give the consent itself."""
    desk = Desk.issued()
    with reverts("UCP10aNoConsent"):
        desk.send(HARBOUR, lc.encode_cancel(APPROVALS))
    with reverts("UCP10aOnlyBeneficiarysBank"):
        desk.send(HARBOUR, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    desk.send(LION, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    with reverts("CreditAlreadyAnswered"):
        desk.send(LION, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    desk.send(HARBOUR, lc.encode_cancel(APPROVALS))
    assert desk.view().life is Life.CANCELLED
    with reverts("CreditNotInForce", life=int(Life.CANCELLED)):
        desk.present()
    with reverts("CreditNotInForce"):
        desk.amend()


def test_a_presentation_in_progress_holds_off_cancellation() -> None:
    """What was presented before is decided first."""
    desk = Desk.issued()
    desk.present()
    desk.send(LION, lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS))
    with reverts("CreditStillOpen", openExaminations=1):
        desk.send(HARBOUR, lc.encode_cancel(APPROVALS))
