"""Where, by whom and until when documents are presented, and what the contract sees against them.

UCP 600 articles 6, 14(c), 29, 30 and 31; scenarios by their numbers.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts import letter_of_credit as lc
from contracts.letter_of_credit import Finding, PresentationInput, Standing, ToleranceKind
from tests.contracts.chain import HARBOUR, HUDSON, LION, THAMES, Chain
from tests.contracts.credit_desk import APPROVALS, DOCUMENTS, PARTIES, Desk
from tests.contracts.raising import reverts


def presentation(desk: Desk, index: int = 0) -> lc.Presentation:
    return lc.decode_presentation(desk.chain.call(desk.credit, lc.encode_presentation(index)))


def test_a_presentation_needs_only_an_issued_credit() -> None:
    """UCP 7b: advised or not, it is taken in and the examining bank's clock starts."""
    desk = Desk.issued()
    index = desk.present(40_000_00, shipment_day=date(2026, 5, 29))
    found = presentation(desk, index)
    assert (found.presenter, found.examining_bank, found.amount) == (LION.id, HARBOUR.id, 40_000_00)
    assert found.received_at == desk.chain.timestamp
    assert desk.examination().standing is Standing.EXAMINING


def test_scenario_31_documents_may_go_straight_to_the_issuing_bank() -> None:
    """UCP 6a, 6d(ii): the issuing bank records what reached it, past the nominated bank."""
    desk = Desk.issued()
    desk.present(by=HARBOUR, at=HARBOUR)
    assert desk.examination().standing is Standing.EXAMINING


def test_scenario_32_another_bank_is_no_place_of_presentation() -> None:
    """UCP 6d(ii): a bank that is neither nominated nor the issuing bank takes in nothing."""
    desk = Desk.issued()
    with reverts("UCP6dNotAPlaceOfPresentation", bank=THAMES.id):
        desk.present(at=THAMES)
    with reverts("CreditPresenterNotEntitled", actor=HUDSON.id):
        desk.present(by=HUDSON)


def test_scenario_12_a_day_after_expiry_is_too_late() -> None:
    """UCP 36: without an agreed banking-day extension the next day is no presentation."""
    desk = Desk.issued()
    desk.chain.at(2026, 8, 3)
    with reverts("UCP6dExpired"):
        desk.present(at=LION)


def test_scenario_11_latest_shipment_is_never_extended() -> None:
    """UCP 29c: latest shipment on a Sunday, shipped on Monday, is late."""
    desk = Desk.issued(latest_shipment_day=date(2026, 6, 7))
    desk.chain.at(2026, 6, 9)
    desk.present(shipment_day=date(2026, 6, 8))
    assert desk.findings() == Finding.LATE_SHIPMENT
    with reverts("UCP29cShippedLate"):
        desk.comply()


def march_credit() -> Desk:
    """Expires on 31 March; nothing else is in the way."""
    chain = Chain.fresh().at(2026, 2, 2)
    return Desk.issued(chain=chain, expiry_day=date(2026, 3, 31), latest_shipment_day=date(2026, 3, 10))


def test_scenario_13_presented_on_the_twenty_first_day() -> None:
    """UCP 14c with 29a: shipped on 2 March, presented on 23 March, complies."""
    desk = march_credit()
    desk.chain.at(2026, 3, 23, 8, 59)
    desk.present(shipment_day=date(2026, 3, 2), transport_original=True)
    assert desk.findings() == Finding(0)
    desk.comply()


def test_scenario_14_presented_on_the_twenty_second_day() -> None:
    """UCP 14c: a day later does not comply; UCP 29a moves a last day that is a Sunday to Monday."""
    desk = march_credit()
    desk.chain.at(2026, 3, 24)
    late = desk.present(shipment_day=date(2026, 3, 2), transport_original=True)
    assert desk.findings(late) == Finding.LATE_PRESENTATION
    last = int(datetime(2026, 3, 23, 9, tzinfo=UTC).timestamp())
    with reverts("UCP14cPresentedLate", lastPresentationAt=last, receivedAt=desk.chain.timestamp):
        desk.comply(late)
    moved = march_credit()
    moved.chain.at(2026, 3, 23)
    moved.present(shipment_day=date(2026, 3, 1), transport_original=True)  # 22 March is a Sunday
    moved.comply()


def test_scenario_15_the_period_needs_an_original_transport_document() -> None:
    """UCP 14c: with copies only, forty days after shipment is in time."""
    desk = march_credit()
    desk.chain.at(2026, 3, 30)
    desk.present(shipment_day=date(2026, 2, 18), transport_original=False)
    assert presentation(desk).last_presentation_at == 0
    desk.comply()


AMOUNTS: list[tuple[str, dict[str, Any], int, bool, str | None]] = [
    # scenario 16: exact amount, partials prohibited, full quantity at the stated price, four per cent less
    ("16", {"partial_drawings": False}, 96_000_00, True, None),
    ("16 edge", {"partial_drawings": False}, 95_000_00, True, None),
    ("17", {"partial_drawings": False}, 94_999_00, True, "UCP30cShortDrawn"),
    ("17 cent", {"partial_drawings": False}, 94_999_99, True, "UCP30cShortDrawn"),
    ("30c not full", {"partial_drawings": False}, 96_000_00, False, "UCP30cShortDrawn"),
    ("31a", {}, 1, False, None),
    ("18", {"tolerance_kind": ToleranceKind.ABOUT}, 110_000_00, False, None),
    ("18 beyond", {"tolerance_kind": ToleranceKind.ABOUT}, 110_000_01, False, "UCP30Overdrawn"),
    (
        "30a least",
        {"tolerance_kind": ToleranceKind.ABOUT, "partial_drawings": False},
        90_000_00,
        True,
        None,
    ),
    (
        "30a below",
        {"tolerance_kind": ToleranceKind.ABOUT, "partial_drawings": False},
        89_999_99,
        True,
        "UCP30cShortDrawn",
    ),
    (
        "39A switches 30c off",
        {"tolerance_kind": ToleranceKind.PERCENT, "plus_percent": 5, "partial_drawings": False},
        99_999_99,
        True,
        "UCP30cShortDrawn",
    ),
    (
        "39A",
        {"tolerance_kind": ToleranceKind.PERCENT, "plus_percent": 5, "minus_percent": 2},
        105_000_00,
        False,
        None,
    ),
    ("exact", {}, 100_000_01, False, "UCP30Overdrawn"),
    ("inward", {"amount": 15, "tolerance_kind": ToleranceKind.ABOUT}, 17, False, "UCP30Overdrawn"),
    (
        "inward least",
        {"amount": 15, "tolerance_kind": ToleranceKind.ABOUT, "partial_drawings": False},
        13,
        False,
        "UCP30cShortDrawn",
    ),
]


@pytest.mark.parametrize(("name", "terms", "amount", "full", "error"), AMOUNTS)
def test_amount_tolerances(name: str, terms: dict[str, Any], amount: int, full: bool, error: str | None) -> None:
    """UCP 30 and field 39A, rounded inward (scenarios 16 to 18)."""
    desk = Desk.issued(**terms)
    desk.present(amount, full_quantity=full)
    if error is None:
        desk.comply()
        assert desk.examination().standing is Standing.COMPLYING
    else:
        with reverts(error, amount=amount):
            desk.comply()


def test_tolerance_counts_all_drawings_together() -> None:
    """UCP 30, 31a: what is honoured leaves less for the next."""
    desk = Desk.issued(tolerance_kind=ToleranceKind.ABOUT)
    desk.present(60_000_00)
    desk.comply()
    desk.honour()
    assert desk.view().available == 50_000_00
    desk.present(50_000_01)
    with reverts("UCP30Overdrawn", available=50_000_00, amount=50_000_01):
        desk.comply(1)


def test_a_second_drawing_where_partial_drawings_are_prohibited() -> None:
    """UCP 31a: concurrent presentations are taken in, and only one of them can be found to comply and be honoured."""
    desk = Desk.issued(partial_drawings=False, tolerance_kind=ToleranceKind.ABOUT)
    first, second = desk.present(90_000_00), desk.present(90_000_00)
    desk.comply(first)
    desk.honour(first)
    with reverts("UCP31aPartialDrawing", drawn=90_000_00):
        desk.comply(second)


def test_corrected_documents_replace_a_refused_presentation() -> None:
    """A new presentation is linked to the refused one, by the same presenter, once."""
    desk = Desk.issued()
    first = desk.present()
    with reverts("UCP16NotRefused"):
        desk.present(previous=first + 1)
    desk.refuse(first)
    with reverts("CreditWrongBank", actor=HARBOUR.id, expected=LION.id):
        desk.present(by=HARBOUR, previous=first + 1)
    second = desk.present(previous=first + 1)
    assert (presentation(desk, first).replaced_by, presentation(desk, second).previous) == (2, 1)
    with reverts("UCP16Replaced", by=second):
        desk.present(previous=first + 1)
    with reverts("UCP16Replaced"):
        desk.waive(first)
    with reverts("CreditUnknownPresentation", presentation=8, count=2):
        desk.present(previous=9)


def test_what_cannot_be_a_presentation_is_refused() -> None:
    """No amount, no documents, too many documents."""
    desk = Desk.issued()
    with reverts("CreditAmountZero"):
        desk.present(0)
    for count in (0, lc.DOCUMENTS_MAX + 1):
        given = PresentationInput(HARBOUR.id, 1, (DOCUMENTS[0],) * count)
        with reverts("CreditDocumentsOutOfRange", count=count):
            desk.send(LION, lc.encode_present(given, APPROVALS))


def test_the_nominated_bank_examines_and_sends_on() -> None:
    """Each bank has its own clock (14b): the issuing bank's starts when the documents reach it."""
    desk = Desk.issued()
    desk.present(at=LION)
    assert desk.examination(bank=HARBOUR).standing is Standing.NONE
    desk.comply(bank=LION)
    desk.chain.at(2026, 6, 3)
    desk.forward()
    assert desk.examination(bank=LION).standing is Standing.FORWARDED
    own = desk.examination(bank=HARBOUR)
    assert (own.day_zero, own.presenter, own.standing) == (date(2026, 6, 3), LION.id, Standing.EXAMINING)
    with reverts("CreditAlreadyAnswered"):
        desk.forward()
    with reverts("CreditAlreadyAnswered"):
        desk.forward(bank=HARBOUR)


def test_receipt_after_closing_starts_the_clock_a_day_later() -> None:
    """UCP 33: presented on Monday after five in the afternoon, day zero is Tuesday."""
    desk = Desk.issued()
    desk.chain.at(2026, 6, 8, 9, 0, 1)
    desk.present()
    assert desk.examination().day_zero == date(2026, 6, 9)


def test_a_deadline_at_a_place_without_a_calendar_is_provisional() -> None:
    """Expiry may be agreed while the examining bank's clock reaches beyond the horizon, and the record says so."""
    chain = Chain.fresh().at(2027, 12, 28)
    desk = Desk.issued(chain=chain, expiry_day=date(2027, 12, 31), latest_shipment_day=None)
    desk.present()
    assert not desk.view().expiry_provisional
    assert desk.examination().provisional


def test_a_bank_may_present_under_its_own_nomination() -> None:
    """Beneficiary's, advising and nominated bank may differ; each may present."""
    parties = replace(PARTIES, beneficiary_bank=THAMES.id, nominated_bank=HUDSON.id)
    desk = Desk.issued(parties=parties)
    for bank in (LION, THAMES, HUDSON):
        desk.present(1_00, by=bank, at=HUDSON)
    assert desk.view().presentation_count == 3


def test_a_shipment_after_the_presentation_cannot_comply() -> None:
    """UCP 14i: no document is dated after its presentation; tomorrow may have begun at the place of shipment."""
    desk = Desk.issued()
    desk.present(shipment_day=date(2026, 6, 3))
    assert desk.findings() is Finding.POST_DATED
    with reverts("UCP14iPostDated"):
        desk.comply()
    desk.present(shipment_day=date(2026, 6, 2))
    assert not desk.findings(1)


def test_a_document_is_named_by_a_hash() -> None:
    """An empty anchor is no document."""
    desk = Desk.issued()
    with reverts("CreditHashMissing", field="documents"):
        desk.send(LION, lc.encode_present(PresentationInput(HARBOUR.id, 1, (DOCUMENTS[0], bytes(32))), APPROVALS))
