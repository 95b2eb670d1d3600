"""LetterOfCredit and its factory: acts as call data, answers as the dataclasses of ``credit_types``, exported here too.

What each act means and which article guards it stands in
contracts/trade/ILetterOfCredit.sol; a refusal decodes by ``bindings.decode_revert``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date
from enum import IntEnum, IntFlag
from typing import Any, Final, TypeVar

from contracts import bindings
from contracts.banking_calendar import day_date, day_number, place_key, place_name
from contracts.credit_types import (
    ANY_BANK,
    DOCUMENTS_MAX,
    EXAMINATION_BANKING_DAYS,
    NO_PARTY,
    PRESENTATION_DAYS_DEFAULT,
    Advice,
    Amendment,
    AmendmentChanges,
    AmendmentStatus,
    Availability,
    Change,
    Confirmation,
    ConfirmationRequest,
    CreditView,
    Disposal,
    Examination,
    Finding,
    Life,
    Obligation,
    ObligationKind,
    Parties,
    Presentation,
    PresentationInput,
    Rules,
    Standing,
    Tenor,
    Terms,
    ToleranceKind,
)

__all__ = [
    "ANY_BANK",
    "CONTRACT",
    "DOCUMENTS_MAX",
    "EXAMINATION_BANKING_DAYS",
    "FACTORY",
    "NO_PARTY",
    "PRESENTATION_DAYS_DEFAULT",
    "Advice",
    "Amendment",
    "AmendmentChanges",
    "AmendmentStatus",
    "Availability",
    "Change",
    "Confirmation",
    "ConfirmationRequest",
    "CreditView",
    "Disposal",
    "Examination",
    "Finding",
    "Life",
    "Obligation",
    "ObligationKind",
    "Parties",
    "Presentation",
    "PresentationInput",
    "Rules",
    "Standing",
    "Tenor",
    "Terms",
    "ToleranceKind",
    "decode_amendment",
    "decode_credit",
    "decode_credit_of",
    "decode_examination",
    "decode_findings",
    "decode_obligation",
    "decode_presentation",
    "encode_accept_amendment",
    "encode_advise",
    "encode_amend",
    "encode_amendment",
    "encode_cancel",
    "encode_close",
    "encode_consent_to_cancellation",
    "encode_credit",
    "encode_credit_of",
    "encode_decline_advice",
    "encode_decline_confirmation",
    "encode_determine_compliance",
    "encode_examination",
    "encode_expire",
    "encode_findings",
    "encode_forward_documents",
    "encode_honour",
    "encode_issue",
    "encode_obligation",
    "encode_present",
    "encode_presentation",
    "encode_refuse",
    "encode_reject_amendment",
    "encode_return_documents",
    "encode_seek_waiver",
    "encode_settle",
    "encode_waive",
    "encode_withdraw",
    "next_acts",
]

CONTRACT: Final = "LetterOfCredit"
FACTORY: Final = "LetterOfCreditFactory"
T = TypeVar("T")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _is_day(name: str) -> bool:
    return name.endswith("_day") or name == "day_zero"


def _to_chain(name: str, value: Any) -> Any:
    if _is_day(name):
        return 0 if value is None else day_number(value)
    if name == "expiry_place":
        return place_key(value) if value else bytes(32)
    if name == "currency":
        return value.encode("ascii")
    if isinstance(value, IntEnum | IntFlag):
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def _argument(record: Any) -> dict[str, Any]:
    return {_camel(f.name): _to_chain(f.name, getattr(record, f.name)) for f in fields(record)}


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "expiry_place": place_name,
    "currency": lambda raw: raw.decode("ascii"),
    "rules": Rules,
    "availability": Availability,
    "tenor": Tenor,
    "tolerance_kind": ToleranceKind,
    "confirmation_request": ConfirmationRequest,
    "confirmation": Confirmation,
    "advice": Advice,
    "life": Life,
    "disposal": Disposal,
    "standing": Standing,
    "kind": ObligationKind,
    "changed": Change,
}


def _from_chain(name: str, value: Any) -> Any:
    if _is_day(name):
        return day_date(value) if value else None
    reader = _READERS.get(name)
    return reader(value) if reader is not None else value


def _record(kind: type[T], values: Mapping[str, Any], **ready: Any) -> T:
    read = {
        f.name: ready[f.name] if f.name in ready else _from_chain(f.name, values[_camel(f.name)])
        for f in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**read)


# ------------------------------------------------------------------ the factory


def encode_issue(parties: Parties, terms: Terms, approvals_hash: bytes) -> bytes:
    """Call data for the factory; the issuing bank is bound when it is included (UCP 7b)."""
    return bindings.encode_call(FACTORY, "issue", [_argument(parties), _argument(terms), approvals_hash])


def encode_credit_of(issuing_bank: bytes, reference_hash: bytes) -> bytes:
    """Call data for the factory; the result is decoded by ``decode_credit_of``."""
    return bindings.encode_call(FACTORY, "creditOf", [issuing_bank, reference_hash])


def decode_credit_of(data: bytes) -> tuple[bytes, bool]:
    """Where the credit stands or would stand, and whether it was issued."""
    address, issued = bindings.decode_result(FACTORY, "creditOf", data)
    return address, issued


# ------------------------------------------------------------------ acts on a credit


def _act(name: str, *args: Any) -> bytes:
    return bindings.encode_call(CONTRACT, name, args)


def encode_advise(approvals_hash: bytes) -> bytes:
    """The advising bank advises (UCP 9)."""
    return _act("advise", approvals_hash)


def encode_decline_advice(reason_hash: bytes, approvals_hash: bytes) -> bytes:
    """The advising bank elects not to advise (UCP 9e)."""
    return _act("declineAdvice", reason_hash, approvals_hash)


def encode_decline_confirmation(approvals_hash: bytes) -> bytes:
    """The bank asked to confirm does not (UCP 8d)."""
    return _act("declineConfirmation", approvals_hash)


def encode_amend(changes: AmendmentChanges, approvals_hash: bytes) -> bytes:
    """The issuing bank amends and is bound from here (UCP 10b)."""
    return _act("amend", _argument(changes), approvals_hash)


def encode_accept_amendment(index: int, instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The beneficiary's bank accepts the whole amendment (UCP 10c)."""
    return _act("acceptAmendment", index, instruction_hash, approvals_hash)


def encode_reject_amendment(
    index: int, instruction_hash: bytes, approvals_hash: bytes, *, partly: bool = False
) -> bytes:
    """The beneficiary's bank rejects; ``partly``: a part was accepted, which rejects all (UCP 10d, 10e)."""
    return _act("rejectAmendment", index, partly, instruction_hash, approvals_hash)


def encode_consent_to_cancellation(instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The beneficiary's bank passes on consent (UCP 10a)."""
    return _act("consentToCancellation", instruction_hash, approvals_hash)


def encode_cancel(approvals_hash: bytes) -> bytes:
    """The issuing bank cancels with that consent (UCP 10a)."""
    return _act("cancel", approvals_hash)


def encode_expire(approvals_hash: bytes) -> bytes:
    """A party records expiry with nothing in progress (UCP 6d)."""
    return _act("expire", approvals_hash)


def encode_close(approvals_hash: bytes) -> bytes:
    """A party closes what is spent or ended, and settled."""
    return _act("close", approvals_hash)


def encode_present(given: PresentationInput, approvals_hash: bytes) -> bytes:
    """Documents are presented (UCP 6d, 14c, 29a)."""
    return _act("present", _argument(given), approvals_hash)


def encode_forward_documents(index: int, approvals_hash: bytes) -> bytes:
    """A bank sends documents on to the issuing bank, whose clock starts."""
    return _act("forwardDocuments", index, approvals_hash)


def encode_seek_waiver(index: int, request_hash: bytes, approvals_hash: bytes) -> bytes:
    """The issuing bank approaches the applicant; its clock runs on (UCP 16b)."""
    return _act("seekWaiver", index, request_hash, approvals_hash)


def encode_determine_compliance(index: int, approvals_hash: bytes) -> bytes:
    """The examining bank finds the presentation complying (UCP 15)."""
    return _act("determineCompliance", index, approvals_hash)


def encode_refuse(
    index: int, discrepancy_count: int, discrepancies_hash: bytes, disposal: Disposal, approvals_hash: bytes
) -> bytes:
    """The examining bank's single notice of refusal (UCP 16c, 16d)."""
    return _act("refuse", index, discrepancy_count, discrepancies_hash, int(disposal), approvals_hash)


def encode_return_documents(index: int, approvals_hash: bytes) -> bytes:
    """The refusing bank returns the documents (UCP 16e)."""
    return _act("returnDocuments", index, approvals_hash)


def encode_waive(index: int, evidence_hash: bytes, approvals_hash: bytes) -> bytes:
    """The issuing bank takes up despite discrepancies (UCP 16b)."""
    return _act("waive", index, evidence_hash, approvals_hash)


def encode_withdraw(index: int, bank: bytes, instruction_hash: bytes, approvals_hash: bytes) -> bytes:
    """The presenter takes an undecided presentation back."""
    return _act("withdraw", index, bank, instruction_hash, approvals_hash)


def encode_honour(index: int, approvals_hash: bytes, *, stated_maturity: date | None = None) -> bytes:
    """Honour or negotiation (UCP 7, 12, 15); ``stated_maturity`` only with Tenor.OTHER."""
    return _act("honour", index, day_number(stated_maturity) if stated_maturity else 0, approvals_hash)


def encode_settle(index: int, proof_hash: bytes, value_day: date, approvals_hash: bytes) -> bytes:
    """The debtor records payment of an obligation."""
    return _act("settle", index, proof_hash, day_number(value_day), approvals_hash)


# ------------------------------------------------------------------ reading


def encode_credit() -> bytes:
    """Call data; the result is decoded by ``decode_credit``."""
    return _act("credit")


def decode_credit(data: bytes) -> CreditView:
    """The answer of ``credit``."""
    found = bindings.decode_result(CONTRACT, "credit", data)
    parties = _record(Parties, found["parties"])
    return _record(CreditView, found, parties=parties, terms=_record(Terms, found["terms"]))


def encode_amendment(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_amendment``."""
    return _act("amendment", index)


def decode_amendment(data: bytes) -> Amendment:
    """The answer of ``amendment``."""
    found = bindings.decode_result(CONTRACT, "amendment", data)
    changes = _record(AmendmentChanges, found["changes"])
    return _record(Amendment, found, changes=changes, status=AmendmentStatus(found["status"]))


def encode_presentation(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_presentation``."""
    return _act("presentation", index)


def decode_presentation(data: bytes) -> Presentation:
    """The answer of ``presentation``."""
    return _record(Presentation, bindings.decode_result(CONTRACT, "presentation", data))


def encode_obligation(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_obligation``."""
    return _act("obligation", index)


def decode_obligation(data: bytes) -> Obligation:
    """The answer of ``obligation``."""
    return _record(Obligation, bindings.decode_result(CONTRACT, "obligation", data))


def encode_examination(index: int, bank: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_examination``."""
    return _act("examination", index, bank)


def decode_examination(data: bytes) -> Examination:
    """The answer of ``examination``."""
    found, standing = bindings.decode_result(CONTRACT, "examination", data)
    return _record(Examination, found, standing=Standing(standing))


def encode_findings(index: int) -> bytes:
    """Call data; the result is decoded by ``decode_findings``."""
    return _act("findings", index)


def decode_findings(data: bytes) -> Finding:
    """The answer of ``findings``."""
    return Finding(bindings.decode_result(CONTRACT, "findings", data))


# ------------------------------------------------------------------ whose turn it is


def next_acts(credit: CreditView, examinations: Mapping[tuple[int, bytes], Examination]) -> list[tuple[bytes, str]]:
    """Who can move the credit on, and how: (member id, act), the bank under a legal deadline first.

    ``examinations`` by (presentation, bank). Acts are the command line's words.
    """
    acts: list[tuple[int, bytes, str]] = []
    for (_, bank), found in examinations.items():
        if found.standing is Standing.EXAMINING:
            acts.append((found.deadline, bank, "examine"))
        elif found.standing in (Standing.COMPLYING, Standing.WAIVED, Standing.PRECLUDED):
            acts.append((found.deadline, bank, "honour"))
    turn = [(bank, act) for _, bank, act in sorted(acts)]
    if credit.life is not Life.ISSUED:
        return turn
    if credit.advice is Advice.NONE:
        turn.append((credit.parties.advising_bank, "advise"))
    if not credit.expired and credit.available and not acts:
        turn.append((credit.parties.beneficiary_bank, "present"))
    return turn
