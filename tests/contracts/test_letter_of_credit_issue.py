"""A credit is issued only with what UCP 600 articles 1 and 6 ask for, once for each reference, and binds at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts import addresses, bindings
from contracts import letter_of_credit as lc
from contracts.bindings import BindingError
from contracts.letter_of_credit import (
    ANY_BANK,
    Advice,
    Availability,
    Confirmation,
    ConfirmationRequest,
    Life,
    Rules,
    Tenor,
    ToleranceKind,
)
from tests.contracts.chain import AUDITOR, HARBOUR, LION, THAMES, Chain
from tests.contracts.credit_desk import APPLICANT, APPROVALS, PARTIES, TERMS, Desk, issue
from tests.contracts.raising import reverts


def test_issue_binds_and_is_read_back_whole() -> None:
    """What was issued is what readers see, with the expiry as an instant at its place."""
    desk = Desk.issued()
    view = desk.view()
    assert (view.parties, view.terms, view.life) == (PARTIES, TERMS, Life.ISSUED)
    assert view.expires_at == int(datetime(2026, 7, 31, 9, tzinfo=UTC).timestamp())  # 17:00 in Singapore
    assert (view.available, view.drawn, view.terms_version, view.expired) == (100_000_00, 0, 1, False)
    assert not view.expiry_provisional


def test_scenario_10_expiry_on_a_sunday_moves_to_monday() -> None:
    """UCP 29a: the last moment is Monday's close; a second later is too late."""
    desk = Desk.issued(expiry_day=date(2026, 8, 2))
    monday_close = int(datetime(2026, 8, 3, 9, tzinfo=UTC).timestamp())
    assert desk.view().expires_at == monday_close
    desk.chain.at_instant(monday_close)
    desk.present(at=LION)
    desk.chain.at_instant(monday_close + 1)
    with reverts("UCP6dExpired", expiresAt=monday_close, actedAt=monday_close + 1):
        desk.present(at=LION)


def test_expiry_at_a_place_without_a_calendar_is_provisional() -> None:
    """Monday to Friday stand in, and the credit says so."""
    assert Desk.issued(expiry_place="NLAMS").view().expiry_provisional


PARTY_ERRORS: list[tuple[str, dict[str, Any]]] = [
    ("UCP1RulesNotSupported", {"rules": Rules.ISP98}),
    ("UCP1RulesNotSupported", {"rules": Rules.NONE}),
    ("CreditPartyMissing", {"applicant": bytes(32)}),
    ("CreditPartyMissing", {"beneficiary": bytes(32)}),
    ("CreditNotABank", {"advising_bank": AUDITOR.id}),
    ("CreditNotABank", {"beneficiary_bank": bytes(32)}),
    ("CreditNotABank", {"nominated_bank": b"\x77" * 32}),
    ("CreditNotABank", {"drawee": b"\x77" * 32}),
    ("UCP6aAvailableWithNoBank", {"nominated_bank": bytes(32)}),
    ("UCP6cDraftOnApplicant", {"drawee": APPLICANT}),  # scenario 52
    ("CreditCurrencyInvalid", {"currency": "usd"}),
    ("CreditCurrencyInvalid", {"exponent": 1}),
    ("CreditCurrencyInvalid", {"exponent": 5}),
    ("FactoryWrongIssuingBank", {"issuing_bank": THAMES.id}),
    ("FactoryReferenceMissing", {"reference_hash": bytes(32)}),
]


@pytest.mark.parametrize(("error", "changed"), PARTY_ERRORS)
def test_issue_refuses_bad_parties(error: str, changed: dict[str, Any]) -> None:
    """Each with the article or the party named."""
    with reverts(error):
        issue(Chain.fresh(), parties=replace(PARTIES, **changed))


TERM_ERRORS: list[tuple[str, dict[str, Any]]] = [
    ("CreditAmountZero", {"amount": 0}),
    ("CreditHashMissing", {"terms_hash": bytes(32)}),
    ("UCP6bAvailabilityMissing", {"availability": Availability.NONE}),
    ("UCP6bTenorConflict", {"availability": Availability.SIGHT, "tenor": Tenor.AFTER_SIGHT}),
    ("UCP6bTenorConflict", {"availability": Availability.DEFERRED}),
    ("UCP6bTenorConflict", {"availability": Availability.ACCEPTANCE, "tenor": Tenor.FIXED_DATE}),
    ("UCP6bTenorConflict", {"maturity_day": date(2026, 9, 1)}),
    ("UCP6bTenorConflict", {"tenor_days": 30}),
    ("UCP6dNoExpiry", {"expiry_day": None}),
    ("UCP6dNoExpiry", {"expiry_place": ""}),
    ("UCP6dExpired", {"expiry_day": date(2026, 1, 2)}),
    ("CreditToleranceInvalid", {"plus_percent": 5}),
    ("CreditToleranceInvalid", {"tolerance_kind": ToleranceKind.ABOUT, "minus_percent": 1}),
    ("CreditToleranceInvalid", {"tolerance_kind": ToleranceKind.PERCENT, "plus_percent": 100}),
    ("SafeCastOverflowedUintDowncast", {"amount": 2**128 - 1, "tolerance_kind": ToleranceKind.ABOUT}),
]


@pytest.mark.parametrize(("error", "changed"), TERM_ERRORS)
def test_issue_refuses_bad_terms(error: str, changed: dict[str, Any]) -> None:
    """Each with its article."""
    with reverts(error):
        issue(Chain.fresh(), **changed)


def test_an_amount_beyond_128_bits_does_not_encode() -> None:
    """The binding names the function instead of wrapping round."""
    with pytest.raises(BindingError, match=r"LetterOfCreditFactory\.issue"):
        issue(Chain.fresh(), amount=2**128)


def test_a_reference_is_unique_for_each_issuing_bank() -> None:
    """The same bank may not use it twice; another bank may."""
    chain = Chain.fresh()
    first = issue(chain).event("CreditCreated")["credit"]
    with reverts("FactoryReferenceUsed", credit=first):
        issue(chain, amount=5)
    other = replace(PARTIES, issuing_bank=THAMES.id)
    assert issue(chain, bank=THAMES, parties=other).event("CreditCreated")["credit"] != first


def test_the_address_is_known_before_issue() -> None:
    """creditOf predicts it, and says whether it is taken."""
    chain = Chain.fresh()
    question = lc.encode_credit_of(HARBOUR.id, PARTIES.reference_hash)
    before = lc.decode_credit_of(chain.call(addresses.LETTER_OF_CREDIT_FACTORY, question))
    created = issue(chain).event("CreditCreated")["credit"]
    after = lc.decode_credit_of(chain.call(addresses.LETTER_OF_CREDIT_FACTORY, question))
    assert (before, after) == ((created, False), (created, True))


def test_only_member_banks_issue() -> None:
    """An auditor and a stranger may not."""
    chain = Chain.fresh()
    for sender in (AUDITOR.business_address, b"\x99" * 20):
        with reverts("FactoryNotMemberBank", sender=sender):
            chain.send(sender, addresses.LETTER_OF_CREDIT_FACTORY, lc.encode_issue(PARTIES, TERMS, APPROVALS))


def test_a_credit_is_initialised_only_by_the_factory() -> None:
    """Neither a clone nor the implementation can be taken over."""
    desk = Desk.issued()
    arguments = [lc._argument(PARTIES), lc._argument(TERMS), APPROVALS]
    data = bindings.encode_call(lc.CONTRACT, "initialize", arguments)
    for address in (desk.credit, addresses.LETTER_OF_CREDIT):
        with reverts("CreditNotFactory"):
            desk.chain.send(HARBOUR, address, data)
    with reverts("CreditNotInForce"):
        desk.chain.send(addresses.LETTER_OF_CREDIT_FACTORY, desk.credit, data)


def test_advice_is_given_once_or_declined() -> None:
    """UCP 9: the advising bank's own act, after which it has answered."""
    desk = Desk.issued()
    with reverts("CreditWrongBank", actor=THAMES.id, expected=LION.id):
        desk.send(THAMES, lc.encode_advise(APPROVALS))
    assert desk.send(LION, lc.encode_advise(APPROVALS)).event("CreditAdvised")["bank"] == LION.id
    assert desk.view().advice is Advice.ADVISED
    with reverts("CreditAlreadyAnswered"):
        desk.send(LION, lc.encode_decline_advice(b"\x01" * 32, APPROVALS))
    declined = Desk.issued()
    declined.send(LION, lc.encode_decline_advice(b"\x01" * 32, APPROVALS))
    assert declined.view().advice is Advice.DECLINED


def test_a_requested_confirmation_is_answered_not_added() -> None:
    """UCP 8d: only where it was requested, and once."""
    with reverts("UCP8NoConfirmationRequested"):
        Desk.issued().send(LION, lc.encode_decline_confirmation(APPROVALS))
    desk = Desk.issued(parties=replace(PARTIES, confirmation_request=ConfirmationRequest.CONFIRM))
    desk.send(LION, lc.encode_decline_confirmation(APPROVALS))
    assert desk.view().confirmation is Confirmation.DECLINED
    with reverts("CreditAlreadyAnswered"):
        desk.send(LION, lc.encode_decline_confirmation(APPROVALS))


def test_every_act_records_bank_and_approvals() -> None:
    """The hash of both officers' approvals stands in an event; without one the act reverts."""
    desk = Desk.issued()
    recorded = desk.send(LION, lc.encode_advise(APPROVALS)).event("ActApproved")
    assert (recorded["bank"], recorded["approvalsHash"]) == (LION.id, APPROVALS)
    assert recorded["act"] == bindings.selector(lc.CONTRACT, "advise")
    given = lc.PresentationInput(HARBOUR.id, 1_00, (b"\x01" * 32,))
    recorded = desk.send(LION, lc.encode_present(given, APPROVALS)).event("ActApproved")
    assert recorded["act"] == bindings.selector(lc.CONTRACT, "present")
    with reverts("CreditApprovalsMissing"):
        desk.send(HARBOUR, lc.encode_cancel(bytes(32)))
    with reverts("CreditApprovalsMissing"):
        desk.chain.send(
            HARBOUR,
            addresses.LETTER_OF_CREDIT_FACTORY,
            lc.encode_issue(replace(PARTIES, reference_hash=b"\x02" * 32), TERMS, bytes(32)),
        )


def test_a_credit_may_be_available_with_any_bank() -> None:
    """UCP 6a: then any member bank may take the documents, and no one who is not a bank."""
    desk = Desk.issued(parties=replace(PARTIES, nominated_bank=ANY_BANK))
    desk.present(by=THAMES, at=THAMES)
    with reverts("UCP6dNotAPlaceOfPresentation", bank=AUDITOR.id):
        desk.present(at=AUDITOR)
