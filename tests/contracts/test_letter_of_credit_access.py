"""Every act tried by every wrong role is refused with the error that says so, and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from contracts import artifacts
from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import AmendmentChanges, Disposal, PresentationInput
from tests.contracts.chain import AUDITOR, HARBOUR, HUDSON, LION, THAMES
from tests.contracts.credit_desk import APPROVALS, DISCREPANCIES, DOCUMENTS, INSTRUCTION, Desk
from tests.contracts.raising import reverts

HASH = b"\x01" * 32
AMENDMENT = AmendmentChanges(HASH)
PRESENTATION = PresentationInput(HARBOUR.id, 1, DOCUMENTS)


def _issued() -> Desk:
    return Desk.issued()


def _amended() -> Desk:
    desk = Desk.issued()
    desk.amend(amount_change=1)
    return desk


def _presented() -> Desk:
    desk = Desk.issued()
    desk.present()
    return desk


def _nominated() -> Desk:
    desk = Desk.issued()
    desk.present(at=LION)
    return desk


def _refused() -> Desk:
    desk = _presented()
    desk.refuse()
    return desk


def _honoured() -> Desk:
    desk = _presented()
    desk.comply()
    desk.honour()
    return desk


Case = tuple[str, Callable[[], Desk], bytes, tuple[Member, ...], str]
CASES: list[Case] = [
    ("advise", _issued, lc.encode_advise(APPROVALS), (LION,), "CreditWrongBank"),
    ("declineAdvice", _issued, lc.encode_decline_advice(HASH, APPROVALS), (LION,), "CreditWrongBank"),
    ("declineConfirmation", _issued, lc.encode_decline_confirmation(APPROVALS), (LION,), "CreditWrongBank"),
    ("amend", _issued, lc.encode_amend(AMENDMENT, APPROVALS), (HARBOUR,), "CreditWrongBank"),
    (
        "acceptAmendment",
        _amended,
        lc.encode_accept_amendment(0, INSTRUCTION, APPROVALS),
        (LION,),
        "UCP10aOnlyBeneficiarysBank",
    ),
    (
        "rejectAmendment",
        _amended,
        lc.encode_reject_amendment(0, INSTRUCTION, APPROVALS),
        (LION,),
        "UCP10aOnlyBeneficiarysBank",
    ),
    (
        "consentToCancellation",
        _issued,
        lc.encode_consent_to_cancellation(INSTRUCTION, APPROVALS),
        (LION,),
        "UCP10aOnlyBeneficiarysBank",
    ),
    ("cancel", _issued, lc.encode_cancel(APPROVALS), (HARBOUR,), "CreditWrongBank"),
    ("expire", _issued, lc.encode_expire(APPROVALS), (HARBOUR, LION), "CreditWrongBank"),
    ("close", _issued, lc.encode_close(APPROVALS), (HARBOUR, LION), "CreditWrongBank"),
    (
        "present",
        _issued,
        lc.encode_present(PRESENTATION, APPROVALS),
        (HARBOUR, LION),
        "CreditPresenterNotEntitled",
    ),
    ("forwardDocuments", _nominated, lc.encode_forward_documents(0, APPROVALS), (LION,), "CreditWrongBank"),
    (
        "seekWaiver",
        _presented,
        lc.encode_seek_waiver(0, HASH, APPROVALS),
        (HARBOUR,),
        "UCP16bOnlyIssuingBank",
    ),
    (
        "determineCompliance",
        _presented,
        lc.encode_determine_compliance(0, APPROVALS),
        (HARBOUR,),
        "CreditWrongBank",
    ),
    (
        "refuse",
        _presented,
        lc.encode_refuse(0, 1, DISCREPANCIES, Disposal.HOLD, APPROVALS),
        (HARBOUR,),
        "CreditWrongBank",
    ),
    ("returnDocuments", _refused, lc.encode_return_documents(0, APPROVALS), (HARBOUR,), "CreditWrongBank"),
    ("waive", _presented, lc.encode_waive(0, HASH, APPROVALS), (HARBOUR,), "UCP16bOnlyIssuingBank"),
    (
        "withdraw",
        _presented,
        lc.encode_withdraw(0, HARBOUR.id, INSTRUCTION, APPROVALS),
        (LION,),
        "CreditWrongBank",
    ),
    ("honour", _presented, lc.encode_honour(0, APPROVALS), (HARBOUR,), "CreditWrongBank"),
    ("settle", _honoured, lc.encode_settle(0, HASH, date(2026, 6, 30), APPROVALS), (HARBOUR,), "CreditWrongBank"),
]


@pytest.mark.parametrize(("name", "make", "data", "allowed", "error"), CASES, ids=[c[0] for c in CASES])
def test_wrong_roles_are_refused(
    name: str, make: Callable[[], Desk], data: bytes, allowed: tuple[Member, ...], error: str
) -> None:
    """Other banks by the act's own error, the auditor and strangers as no member bank."""
    desk = make()
    before = desk.chain.state.state_root
    for bank in (HARBOUR, LION, THAMES, HUDSON):
        if bank not in allowed:
            with reverts(error):
                desk.send(bank, data)
    for sender in (AUDITOR.business_address, HARBOUR.validator_address, b"\x99" * 20):
        assert sender is not None
        with reverts("CreditNotMemberBank", sender=sender):
            desk.chain.send(sender, desk.credit, data)
    assert desk.chain.state.state_root == before


def test_the_table_covers_every_act() -> None:
    """Each state-changing function of the interface has its row; initialize has a test of its own."""
    acts = {
        e["name"]
        for e in artifacts.load(lc.CONTRACT).abi
        if e["type"] == "function" and e["stateMutability"] == "nonpayable"
    }
    assert acts - {"initialize"} == {case[0] for case in CASES}
