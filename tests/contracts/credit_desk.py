"""One credit and the acts on it, with defaults, for tests that read as a story.

Harbour (Hong Kong) issues, Lion (Singapore) advises, is nominated and speaks for the beneficiary.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from contracts import addresses
from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import (
    AmendmentChanges,
    Availability,
    CreditView,
    Disposal,
    Examination,
    Finding,
    Obligation,
    Parties,
    PresentationInput,
    Terms,
)
from tests.contracts.chain import HARBOUR, LION, Chain, Outcome

APPROVALS = b"\xa1" * 32
INSTRUCTION = b"\x15" * 32
DISCREPANCIES = b"\xd1" * 32
DOCUMENTS = (b"\xdc" * 32, b"\xdd" * 32)
APPLICANT = b"\xab" * 32
BENEFICIARY = b"\xbe" * 32

PARTIES = Parties(
    issuing_bank=HARBOUR.id,
    applicant=APPLICANT,
    beneficiary=BENEFICIARY,
    advising_bank=LION.id,
    beneficiary_bank=LION.id,
    nominated_bank=LION.id,
    reference_hash=b"\x20" * 32,
    currency="USD",
    exponent=2,
)
TERMS = Terms(
    amount=100_000_00,
    expiry_day=date(2026, 7, 31),
    expiry_place="SGSIN",
    availability=Availability.SIGHT,
    terms_hash=b"\x45" * 32,
    latest_shipment_day=date(2026, 7, 10),
)


class Desk:
    """A chain with one credit on it. ``as_``-less methods act as the bank whose act it is."""

    def __init__(self, chain: Chain, credit: bytes) -> None:
        self.chain = chain
        self.credit = credit

    @classmethod
    def issued(cls, *, parties: Parties = PARTIES, chain: Chain | None = None, **terms: Any) -> Desk:
        """A credit issued on 1 June 2026 with the changed terms."""
        chain = chain or Chain.fresh().at(2026, 6, 1)
        outcome = issue(chain, parties=parties, **terms)
        return cls(chain, outcome.event("CreditCreated")["credit"])

    def send(self, bank: Member, data: bytes) -> Outcome:
        """An act of a bank on the credit."""
        return self.chain.send(bank, self.credit, data)

    def view(self) -> CreditView:
        """The credit as readers see it."""
        return lc.decode_credit(self.chain.call(self.credit, lc.encode_credit()))

    def examination(self, index: int = 0, bank: Member = HARBOUR) -> Examination:
        """A bank's examination now."""
        return lc.decode_examination(self.chain.call(self.credit, lc.encode_examination(index, bank.id)))

    def findings(self, index: int = 0) -> Finding:
        """What the contract sees against a presentation."""
        return lc.decode_findings(self.chain.call(self.credit, lc.encode_findings(index)))

    def obligation(self, index: int = 0) -> Obligation:
        """What is owed."""
        return lc.decode_obligation(self.chain.call(self.credit, lc.encode_obligation(index)))

    def amend(self, **changes: Any) -> int:
        """The issuing bank amends; the amendment's index."""
        given = AmendmentChanges(amendment_hash=b"\x07" * 32, **changes)
        return int(self.send(HARBOUR, lc.encode_amend(given, APPROVALS)).event("AmendmentIssued")["amendment"])

    def accept(self, index: int = 0, bank: Member = LION) -> Outcome:
        """The beneficiary's bank accepts an amendment."""
        return self.send(bank, lc.encode_accept_amendment(index, INSTRUCTION, APPROVALS))

    def present(self, amount: int = 100_000_00, *, by: Member = LION, at: Member = HARBOUR, **facts: Any) -> int:
        """Documents are presented at a bank; the presentation's index."""
        given = PresentationInput(at.id, amount, DOCUMENTS, **facts)
        outcome = self.send(by, lc.encode_present(given, APPROVALS))
        return int(outcome.event("DocumentsPresented")["presentation"])

    def comply(self, index: int = 0, bank: Member = HARBOUR) -> Outcome:
        """A bank determines compliance."""
        return self.send(bank, lc.encode_determine_compliance(index, APPROVALS))

    def refuse(
        self, index: int = 0, bank: Member = HARBOUR, *, count: int = 2, disposal: Disposal = Disposal.HOLD
    ) -> Outcome:
        """A bank gives its notice of refusal."""
        return self.send(bank, lc.encode_refuse(index, count, DISCREPANCIES, disposal, APPROVALS))

    def waive(self, index: int = 0, bank: Member = HARBOUR) -> Outcome:
        """The issuing bank waives."""
        return self.send(bank, lc.encode_waive(index, bytes(32), APPROVALS))

    def honour(self, index: int = 0, bank: Member = HARBOUR, stated_maturity: date | None = None) -> Outcome:
        """A bank honours or negotiates."""
        return self.send(bank, lc.encode_honour(index, APPROVALS, stated_maturity=stated_maturity))

    def settle(self, index: int = 0, bank: Member = HARBOUR) -> Outcome:
        """The debtor records payment with today's value date."""
        return self.send(bank, lc.encode_settle(index, b"\x99" * 32, self.chain.now.date(), APPROVALS))

    def forward(self, index: int = 0, bank: Member = LION) -> Outcome:
        """A nominated bank sends the documents on."""
        return self.send(bank, lc.encode_forward_documents(index, APPROVALS))


def issue(chain: Chain, *, bank: Member = HARBOUR, parties: Parties = PARTIES, **terms: Any) -> Outcome:
    """Issues through the factory."""
    data = lc.encode_issue(parties, replace(TERMS, **terms), APPROVALS)
    return chain.send(bank, addresses.LETTER_OF_CREDIT_FACTORY, data)
