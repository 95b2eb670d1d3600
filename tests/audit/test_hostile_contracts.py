"""Contracts that are not ours: logs that look like a credit's, and credits whose code answers nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import addresses, bindings
from contracts import letter_of_credit as lc
from node.audit.replay import replay_chain
from node.types import Address
from tests.audit.sealed_chain import DEVELOPER, MEMBERS, Chronicle, Served, genesis_of, issue

EVENTS = ("CreditIssued", "AmendmentAccepted", "DocumentsPresented", "ExaminationStarted")
CLONE = Address(b"\xc1" * 20)
CLONE_CODE = (
    bytes.fromhex("363d3d373d3d3d363d73") + addresses.LETTER_OF_CREDIT + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
)


def emitting(event: str, answer: bytes = b"\x00", data_bytes: int = 0x60) -> bytes:
    """Code that logs ``event`` of the first bank when it is called without data, and runs ``answer`` otherwise."""
    topic = bindings.event_topic(lc.CONTRACT, event)
    jump = 5 + len(answer)
    return (
        (b"\x36\x15\x60" + bytes([jump]) + b"\x57" + answer + b"\x5b")
        + (b"\x7f" + MEMBERS[0].id + b"\x5f\x7f" + topic)
        + (b"\x60" + bytes([data_bytes]) + b"\x5f\xa3\x00")
    )


@pytest.mark.parametrize("event", EVENTS)
def test_a_strangers_log_of_the_same_name_proves_nothing(event: str, tmp_path: Path) -> None:
    """Anybody may log a credit's event, well-formed or not; the chain stays true and no deadline is counted."""
    stranger = Address(b"\xc2" * 20)
    for data_bytes in (0, 1, 0x60):
        genesis = genesis_of(code={stranger: emitting(event, data_bytes=data_bytes)})
        chronicle = Chronicle(tmp_path / f"chain-{data_bytes}", genesis)
        executed = chronicle.extend([chronicle.transaction(DEVELOPER, to=stranger)])
        chronicle.close()
        assert len(executed.receipts[0].logs) == 1
        outcome = replay_chain(Served(chronicle.chain))
        assert outcome.holds and outcome.deadlines == 0


ANSWERS = {
    "nothing": b"\x00",
    "a revert": b"\x5f\x5f\xfd",
    "an invalid opcode": b"\xfe",
    "ones": b"\x5f\x19\x5f\x52\x60\x20\x5f\xf3",
    "many zeros": b"\x61\x40\x00\x5f\xf3",
    "many ones": bytes.fromhex("5f19805f528060205280604052806060528060805260a05261200060" + "00" + "f3"),
    "an excluded precompile": b"\x5f\x5f\x5f\x5f\x60\x08\x5a\xfa\x00",
}


@pytest.mark.parametrize("event", ("CreditIssued", "ExaminationStarted"))
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_credit_that_answers_nonsense_is_found(answer: str, event: str, tmp_path: Path) -> None:
    """Its deadline cannot be computed again: a finding of check 7, never a stack trace."""
    implementation = Address(addresses.LETTER_OF_CREDIT)
    genesis = genesis_of(code={CLONE: CLONE_CODE, implementation: emitting(event, ANSWERS[answer])})
    chronicle = Chronicle(tmp_path / "chain", genesis)
    executed = chronicle.extend([chronicle.transaction(DEVELOPER, to=CLONE)])
    chronicle.close()
    assert len(executed.receipts[0].logs) == 1
    outcome = replay_chain(Served(chronicle.chain))
    assert outcome.finding is not None
    assert (outcome.finding.check, outcome.finding.height) == (7, 1)
    assert any("LetterOfCredit" in note for note in outcome.notes)


def test_a_credit_of_any_place_and_day_raises_no_false_alarm(tmp_path: Path) -> None:
    """A bank may write nonsense into its own credit: places that are no text, days beyond any calendar."""
    chronicle = Chronicle(tmp_path / "chain", genesis_of())
    places = (b"\xff" * 32, b"\x01".ljust(32, b"\0"), b"HKHKG".ljust(32, b"\0"), b"\xe9" * 5 + bytes(27))
    for number, place in enumerate(places):
        for day in (2**32 - 100, 2_932_897, 20_700):
            reference = bytes([number]) + day.to_bytes(31, "big")
            issue(chronicle, reference, expiryPlace=place, expiryDay=day)
    chronicle.close()
    outcome = replay_chain(Served(chronicle.chain))
    assert outcome.holds and outcome.deadlines == 3 * len(places)
