"""Examination and refusal under UCP 600 articles 14(b), 15 and 16: five banking days, one notice, or preclusion."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from contracts import letter_of_credit as lc
from contracts.letter_of_credit import Disposal, Standing
from tests.contracts.chain import HARBOUR, LION, THAMES
from tests.contracts.credit_desk import APPROVALS, DISCREPANCIES, INSTRUCTION, Desk
from tests.contracts.raising import reverts

DEADLINE = int(datetime(2026, 6, 15, 9, tzinfo=UTC).timestamp())  # the Monday after, 17:00 in Hong Kong


def presented_on_monday(**terms: object) -> Desk:
    """Documents reach the issuing bank on Monday 8 June 2026; no holiday follows."""
    desk = Desk.issued(**terms)
    desk.chain.at(2026, 6, 8)
    desk.present()
    return desk


def test_scenario_1_refusal_on_the_fifth_day_is_in_time() -> None:
    """UCP 14b, 16d: a minute before the close of the next Monday."""
    desk = presented_on_monday()
    found = desk.examination()
    assert (found.day_zero, found.deadline, found.provisional) == (date(2026, 6, 8), DEADLINE, False)
    desk.chain.at(2026, 6, 15, 8, 59)
    notice = desk.refuse().event("PresentationRefused")
    assert (notice["discrepancyCount"], notice["discrepanciesHash"]) == (2, DISCREPANCIES)
    assert desk.examination().standing is Standing.REFUSED


def test_the_last_second_counts_and_the_next_does_not() -> None:
    """The deadline is the closing instant itself."""
    desk = presented_on_monday()
    desk.chain.at_instant(DEADLINE)
    desk.refuse()
    late = presented_on_monday()
    late.chain.at_instant(DEADLINE + 1)
    with reverts("UCP16dNoticeLate", deadline=DEADLINE, actedAt=DEADLINE + 1):
        late.refuse()


def test_scenario_2_refusal_on_the_sixth_day_is_precluded() -> None:
    """UCP 16f: the bank can no longer refuse or waive; what remains is to honour."""
    desk = presented_on_monday()
    desk.chain.at(2026, 6, 16)
    with reverts("UCP16dNoticeLate"):
        desk.refuse()
    with reverts("UCP16fPrecluded", deadline=DEADLINE):
        desk.waive()
    assert desk.examination().standing is Standing.PRECLUDED
    desk.honour()
    assert desk.examination().standing is Standing.HONOURED


def test_a_holiday_moves_the_deadline() -> None:
    """Three days of Lunar New Year at the bank's place do not count."""
    desk = Desk.issued()
    desk.chain.at(2026, 2, 13)
    desk.present()
    assert desk.examination().deadline == int(datetime(2026, 2, 25, 9, tzinfo=UTC).timestamp())


def test_scenario_3_expiry_does_not_shorten_the_examination() -> None:
    """UCP 14b: presented in time, refused or honoured after expiry."""
    desk = presented_on_monday(expiry_day=date(2026, 6, 10))
    desk.chain.at(2026, 6, 15, 8)
    assert desk.view().expired
    desk.refuse()


def test_scenario_4_a_waiver_request_does_not_stop_the_clock() -> None:
    """UCP 16b: asked on day 3, answered on day 7, the notice was due on day 5."""
    desk = presented_on_monday()
    desk.chain.at(2026, 6, 11)
    desk.send(HARBOUR, lc.encode_seek_waiver(0, b"\x31" * 32, APPROVALS))
    assert desk.examination().deadline == DEADLINE
    desk.chain.at(2026, 6, 17)
    assert desk.examination().standing is Standing.PRECLUDED


def test_scenario_5_a_second_notice_is_none() -> None:
    """UCP 16c: a single notice; a third discrepancy cannot be added on day 4."""
    desk = presented_on_monday()
    desk.refuse(count=2)
    first_at = desk.chain.timestamp
    desk.chain.at(2026, 6, 12)
    with reverts("UCP16cSecondNotice", firstNoticeAt=first_at):
        desk.refuse(count=3)
    assert desk.examination().discrepancy_count == 2


def test_scenario_6_a_notice_without_disposal_or_discrepancy_is_none() -> None:
    """UCP 16c(ii), (iii): it reverts, nothing was given, and the bank is precluded when its days are over."""
    desk = presented_on_monday()
    with reverts("UCP16cNoDisposal"):
        desk.refuse(disposal=Disposal.NONE)
    with reverts("UCP16cNoDiscrepancy"):
        desk.refuse(count=0)
    with reverts("UCP16cNoDiscrepancy"):
        desk.send(HARBOUR, lc.encode_refuse(0, 1, bytes(32), Disposal.HOLD, APPROVALS))
    desk.chain.at_instant(DEADLINE + 1)
    assert desk.examination().standing is Standing.PRECLUDED


def test_scenario_8_held_documents_may_be_returned_unasked() -> None:
    """UCP 16e: after HOLD, at any time; then they cannot be taken up any more."""
    desk = presented_on_monday()
    desk.refuse(disposal=Disposal.HOLD)
    desk.chain.at(2026, 6, 20)
    desk.send(HARBOUR, lc.encode_return_documents(0, APPROVALS))
    assert desk.examination().documents_returned
    with reverts("UCP16eDocumentsReturned"):
        desk.waive()
    with reverts("UCP16eDocumentsReturned"):
        desk.send(HARBOUR, lc.encode_return_documents(0, APPROVALS))


def test_scenario_9_the_applicants_waiver_alone_changes_nothing() -> None:
    """UCP 16b, 16c(iii)(b): after NOTIFY the issuing bank need not agree, and nothing is honoured."""
    desk = presented_on_monday()
    desk.refuse(disposal=Disposal.NOTIFY)
    desk.send(HARBOUR, lc.encode_seek_waiver(0, b"\x31" * 32, APPROVALS))
    desk.chain.at(2026, 6, 30)
    assert desk.examination().standing is Standing.REFUSED
    with reverts("CreditStandingForbids", standing=int(Standing.REFUSED)):
        desk.honour()


@pytest.mark.parametrize("disposal", [Disposal.HOLD, Disposal.NOTIFY])
def test_the_issuing_bank_may_take_up_what_it_holds(disposal: Disposal) -> None:
    """UCP 16b: in its own judgement, before or after its notice, and then it honours."""
    desk = presented_on_monday()
    desk.refuse(disposal=disposal)
    desk.waive()
    assert desk.examination().standing is Standing.WAIVED
    desk.honour()
    early = presented_on_monday()
    early.waive()
    early.honour()


@pytest.mark.parametrize("disposal", [Disposal.RETURN, Disposal.PREVINST])
def test_documents_that_go_back_cannot_be_taken_up(disposal: Disposal) -> None:
    """UCP 16c(iii)(c), (d)."""
    desk = presented_on_monday()
    desk.refuse(disposal=disposal)
    with reverts("UCP16eDocumentsReturned"):
        desk.waive()


def test_only_the_issuing_bank_waives() -> None:
    """UCP 16b: neither a nominated bank nor anyone else."""
    desk = Desk.issued()
    desk.present(at=LION)
    for bank in (LION, THAMES):
        with reverts("UCP16bOnlyIssuingBank", actor=bank.id, issuingBank=HARBOUR.id):
            desk.waive(bank=bank)


def test_a_determination_stands() -> None:
    """UCP 15: after finding compliance a bank neither refuses nor finds again."""
    desk = presented_on_monday()
    with reverts("UCP15NotDetermined"):
        desk.honour()
    desk.comply()
    with reverts("UCP15AlreadyDetermined"):
        desk.refuse()
    with reverts("UCP15AlreadyDetermined"):
        desk.comply()
    with reverts("CreditStandingForbids"):
        desk.waive()


def test_a_bank_without_the_documents_decides_nothing() -> None:
    """Only the bank that received them has a clock and an answer."""
    desk = presented_on_monday()
    for bank in (LION, THAMES):
        with reverts("CreditWrongBank", actor=bank.id, expected=HARBOUR.id):
            desk.refuse(bank=bank)
        with reverts("CreditWrongBank"):
            desk.comply(bank=bank)
    with reverts("CreditUnknownPresentation", presentation=3, count=1):
        desk.refuse(3)


def test_a_nominated_bank_is_not_precluded() -> None:
    """UCP 16f names the issuing and the confirming bank; 16d binds the nominated bank's notice all the same."""
    desk = Desk.issued()
    desk.chain.at(2026, 6, 8)
    desk.present(at=LION)
    desk.chain.at(2026, 6, 16)
    assert desk.examination(bank=LION).standing is Standing.EXAMINING
    with reverts("UCP16dNoticeLate"):
        desk.refuse(bank=LION)
    with reverts("UCP15NotDetermined"):
        desk.honour(bank=LION)
    desk.forward()


def test_the_presenter_may_take_undecided_documents_back() -> None:
    """Only the presenter, with the beneficiary's instruction; a withdrawn presentation is closed."""
    desk = presented_on_monday()
    data = lc.encode_withdraw(0, HARBOUR.id, INSTRUCTION, APPROVALS)
    with reverts("CreditWrongBank", actor=THAMES.id, expected=LION.id):
        desk.send(THAMES, data)
    with reverts("CreditHashMissing"):
        desk.send(LION, lc.encode_withdraw(0, HARBOUR.id, bytes(32), APPROVALS))
    desk.send(LION, data)
    assert (desk.examination().standing, desk.view().open_examinations) == (Standing.WITHDRAWN, 0)
    with reverts("CreditStandingForbids"):
        desk.honour()
    with reverts("CreditStandingForbids"):
        desk.send(LION, data)
