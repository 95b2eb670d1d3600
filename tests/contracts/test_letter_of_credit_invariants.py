"""Random acts of all banks, lawful and unlawful, never break what a credit must always keep."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

import pytest

from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import Change, Disposal, Life, Standing, Tenor, ToleranceKind
from tests.contracts.chain import HARBOUR, LION, THAMES, Chain, Reverted
from tests.contracts.credit_desk import APPROVALS, INSTRUCTION, Desk

STEPS = 200
BANKS = (HARBOUR, LION, THAMES)
OPEN = {Standing.EXAMINING, Standing.COMPLYING, Standing.WAIVED, Standing.PRECLUDED}


class Walk:
    """A credit, a random source, and the acts to draw from."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.refused: set[str] = set()
        self.desk = Desk.issued(
            chain=Chain.fresh().at(2026, 6, 1),
            tolerance_kind=self.draw.choice([ToleranceKind.NONE, ToleranceKind.ABOUT]),
            partial_drawings=self.draw.random() < 0.7,
            tenor=Tenor.AFTER_SIGHT,
            tenor_days=30,
            availability=lc.Availability.NEGOTIATION,
            expiry_day=date(2026, 12, 31),
        )

    def index(self) -> int:
        """A presentation, mostly one that exists."""
        return self.draw.randrange(self.desk.view().presentation_count + 1)

    def bank(self) -> Member:
        """Any of the banks, right or wrong."""
        return self.draw.choice(BANKS)

    def amount(self) -> int:
        """From a cent to more than the credit holds."""
        return self.draw.choice([1, 30_000_00, 60_000_00, 96_000_00, 100_000_00, 110_000_00, 130_000_00])

    def acts(self) -> list[Callable[[], object]]:
        """Every act, with arguments drawn anew."""
        desk, draw = self.desk, self.draw

        def present() -> object:
            previous = self.index() + 1 if draw.random() < 0.3 else 0
            return desk.present(self.amount(), by=self.bank(), at=draw.choice(BANKS), previous=previous)

        def refuse() -> object:
            return desk.refuse(self.index(), self.bank(), count=draw.randrange(3), disposal=draw.choice([*Disposal]))

        def withdraw() -> object:
            bank = self.bank().id
            return desk.send(self.bank(), lc.encode_withdraw(self.index(), bank, INSTRUCTION, APPROVALS))

        def amend() -> object:
            change = draw.choice([-40_000_00, 20_000_00, 0])
            return desk.amend(
                amount_change=change, changed=Change.PARTIAL_DRAWINGS, partial_drawings=draw.random() < 0.7
            )

        def wait() -> object:
            return desk.chain.at_instant(desk.chain.timestamp + draw.randrange(3 * 86_400))

        return [
            present,
            present,
            refuse,
            withdraw,
            amend,
            wait,
            lambda: desk.accept(draw.randrange(desk.view().amendment_count + 1), self.bank()),
            lambda: desk.comply(self.index(), self.bank()),
            lambda: desk.comply(self.index(), self.bank()),
            lambda: desk.waive(self.index(), HARBOUR),
            lambda: desk.honour(self.index(), self.bank()),
            lambda: desk.honour(self.index(), self.bank()),
            lambda: desk.forward(self.index(), LION),
            lambda: desk.settle(draw.randrange(desk.view().obligation_count + 1), self.bank()),
            lambda: desk.send(self.bank(), lc.encode_return_documents(self.index(), APPROVALS)),
            lambda: desk.send(self.bank(), lc.encode_close(APPROVALS)),
        ]

    def step(self) -> None:
        """One act; whatever it does, its refusal has a name."""
        try:
            self.draw.choice(self.acts())()
        except Reverted as error:
            assert error.revert.name not in ("Panic", "Unknown", "Error"), str(error)
            self.refused.add(error.revert.name)

    def check(self) -> None:
        """Trade rules I1, I3 and I5, and the counters against a recount."""
        desk, view = self.desk, self.desk.view()
        presentations = [
            lc.decode_presentation(desk.chain.call(desk.credit, lc.encode_presentation(i)))
            for i in range(view.presentation_count)
        ]
        assert view.drawn == sum(p.consumed for p in presentations)
        about = view.terms.tolerance_kind is ToleranceKind.ABOUT
        assert view.drawn <= view.terms.amount * (110 if about else 100) // 100
        still_open = 0
        for number, given in enumerate(presentations):
            issuers = desk.examination(number, HARBOUR).standing
            first = desk.examination(number, LION).standing
            still_open += issuers in OPEN
            still_open += first in OPEN or (first is Standing.HONOURED and issuers is Standing.NONE)
            honoured = Standing.HONOURED in (issuers, first)
            assert given.consumed == 0 or honoured
        assert view.open_examinations == still_open
        owed = [desk.obligation(i) for i in range(view.obligation_count)]
        assert view.unsettled == sum(not o.settled_at for o in owed)
        assert len({(o.presentation, o.debtor) for o in owed}) == len(owed)  # no bank honours one twice
        assert view.life is not Life.CLOSED or (view.unsettled == 0 and view.open_examinations == 0)


@pytest.mark.parametrize("seed", [0, 2, 3, 5])
def test_random_acts_keep_the_invariants(seed: int) -> None:
    """Drawings, counters, single notices and single honours hold after every act."""
    walk = Walk(seed)
    for step in range(STEPS):
        walk.step()
        if step % 10 == 0:
            walk.check()
    walk.check()
    assert len(walk.refused) > 5  # the walk has met the guards
