"""Random acts of all banks on shared invoices against a model in Python: same verdicts, same fractions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import pytest

from contracts.financing_registry import Tag
from contracts.invoice_financing import OfferState
from tests.contracts.consortium_chain import Refused
from tests.contracts.financing_parties import BUYERS_BANK, TODAY, Market

DUE = TODAY + timedelta(days=2_000)
FINANCINGS_MAX = 10
TAGS = tuple(Tag(bytes([i + 1]) * 32, key_version=i) for i in range(4))
AMOUNT = 1_000_000
"""Small enough that every fraction in use divides it."""


@dataclass
class ModelOffer:
    """An offer as the model sees it; ``tags`` are those that its fraction is held on."""

    bank: int
    seller: int
    tags: frozenset[int]
    fraction: int
    expiry: int
    state: OfferState = OfferState.OPEN
    left: int = 0


@dataclass
class ModelFinancing:
    """A registered invoice."""

    address: bytes
    seller: int
    tags: frozenset[int]
    offers: list[ModelOffer] = field(default_factory=list)


class FinancingModel:
    """The contracts and the model take the same acts, drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.market = Market.open()
        self.financings: list[ModelFinancing] = []
        self.paid = [0] * len(TAGS)
        self.buried = [False] * len(TAGS)
        self.verdicts: Counter[str] = Counter()

    def step(self) -> None:
        """One act, most of them lawful."""
        if len(self.financings) < FINANCINGS_MAX and (not self.financings or self.random.random() < 0.1):
            self.register()
        elif not self.offers():
            self.offer()
        else:
            acts = (self.offer, self.proceed, self.meddle, self.end, self.pass_time)
            (act,) = self.random.choices(acts, weights=(5, 8, 3, 1, 2))
            act()

    @property
    def now(self) -> int:
        """Block time."""
        return self.market.chain.timestamp

    def offers(self) -> list[ModelOffer]:
        """Every offer ever made."""
        return [offer for financing in self.financings for offer in financing.offers]

    def live(self, offer: ModelOffer) -> bool:
        """Whether its hold counts."""
        return offer.state in (OfferState.OPEN, OfferState.ACCEPTED) and self.now <= offer.expiry

    def financed(self, tag: int) -> int:
        """FINANCED and paid fractions of a tag."""
        done = (OfferState.DISBURSED, OfferState.REPAID)
        return sum(o.fraction for o in self.offers() if tag in o.tags and o.state in done)

    def held(self, tag: int) -> int:
        """Live holds on a tag."""
        return sum(o.fraction for o in self.offers() if tag in o.tags and self.live(o))

    def bury(self, tags: frozenset[int]) -> None:
        """A tag whose financed fractions are all paid is a tombstone for ever."""
        for tag in tags:
            if self.paid[tag] and self.paid[tag] == self.financed(tag):
                self.buried[tag] = True

    def compare(self, name: str, expected: str | None, act: Callable[[], object]) -> bool:
        """The contract must give the model's verdict; True where the act is done."""
        found = None
        try:
            act()
        except Refused as refused:
            found = refused.reason.name
        assert found == expected, f"{name}: {found}, the model says {expected}"
        self.verdicts[f"{name} {expected or 'done'}"] += 1
        return expected is None

    def pick(self, *wanted: OfferState) -> tuple[ModelFinancing, int]:
        """An offer with its number in its financing; one in a wanted state where there is one."""
        known = [(f, i) for f in self.financings for i in range(len(f.offers))]
        return self.random.choice([(f, i) for f, i in known if f.offers[i].state in wanted] or known)

    def any_bank(self) -> int:
        """One of the four."""
        return self.random.randrange(4)

    def register(self) -> None:
        """Registering excludes nobody and is never refused."""
        bank, tags = self.any_bank(), self.random.choice([(0,), (1,), (2, 3), (1, 2), (3,)])
        address = self.market.register(bank, tuple(TAGS[t] for t in tags), amount=AMOUNT, due_day=DUE)
        self.financings.append(ModelFinancing(address, bank, frozenset(tags)))

    def offer(self) -> None:
        """The first tag that is buried or too full refuses; otherwise all of them are held."""
        financing = self.random.choice(self.financings)
        bank, fraction = self.any_bank(), self.random.choice([100, 2_500, 4_000, 6_000])
        ttl = self.random.randrange(1, 20_000)
        terms = {
            "fraction_bps": fraction,
            "expected_payment_day": DUE,
            "rate_bps": 100,
            "needs_buyer_acceptance": False,
            "self_attested": bank == BUYERS_BANK,
        }
        expected = next(filter(None, (self._hold_refusal(t, fraction) for t in sorted(financing.tags))), None)
        if self.compare("offer", expected, lambda: self.market.offer(financing.address, bank, ttl, **terms)):
            made = ModelOffer(bank, financing.seller, financing.tags, fraction, self.now + ttl)
            made.left = AMOUNT * fraction // 10_000
            financing.offers.append(made)

    def _hold_refusal(self, tag: int, fraction: int) -> str | None:
        if self.buried[tag]:
            return "TombstoneHit"
        return "TagTaken" if self.financed(tag) + self.held(tag) + fraction > 10_000 else None

    def proceed(self) -> None:
        """An offer takes its next step by the bank whose act it is."""
        financing, index = self.pick(OfferState.OPEN, OfferState.ACCEPTED, OfferState.DISBURSED)
        offer = financing.offers[index]
        if offer.state is OfferState.OPEN:
            self.accept(financing, index, offer.seller)
        elif offer.state is OfferState.ACCEPTED:
            self.disburse(financing, index, offer.bank)
        else:
            self.repay(financing, index, offer.bank)

    def meddle(self) -> None:
        """Any bank tries any act on any offer."""
        self.random.choice((self.accept, self.disburse, self.repay))(*self.pick(), self.any_bank())

    def end(self) -> None:
        """Any bank tries to release any offer."""
        self.release(*self.pick(), self.any_bank())

    def pass_time(self) -> None:
        """Holds run out by themselves."""
        self.market.chain.pass_time(self.random.choice([1, 60, 1_000]))

    def accept(self, financing: ModelFinancing, index: int, bank: int) -> None:
        """The seller's bank, an open offer, in time."""
        offer = financing.offers[index]
        expected = None
        if bank != offer.seller:
            expected = "NotSellersBank"
        elif offer.state is not OfferState.OPEN:
            expected = "OfferInWrongState"
        elif self.now > offer.expiry:
            expected = "OfferHasExpired"
        if self.compare("accept", expected, lambda: self.market.accept(financing.address, index + 1, bank)):
            offer.state = OfferState.ACCEPTED

    def disburse(self, financing: ModelFinancing, index: int, bank: int) -> None:
        """The financing bank, an accepted offer, its hold alive, no tombstone."""
        offer = financing.offers[index]
        expected = None
        if offer.state is not OfferState.ACCEPTED:
            expected = "OfferInWrongState"
        elif bank != offer.bank:
            expected = "NotFinancingBank"
        elif self.now > offer.expiry:
            expected = "OfferHasExpired"
        elif any(self.buried[tag] for tag in offer.tags):
            expected = "TombstoneHit"
        if self.compare("disburse", expected, lambda: self.market.disburse(financing.address, index + 1, bank)):
            offer.state = OfferState.DISBURSED

    def repay(self, financing: ModelFinancing, index: int, bank: int) -> None:
        """The financing bank, a disbursed offer; two thirds, or all, of what is left."""
        offer = financing.offers[index]
        amount = max(1, offer.left * self.random.choice((2, 3)) // 3)
        expected = None
        if offer.state is not OfferState.DISBURSED:
            expected = "OfferInWrongState"
        elif bank != offer.bank:
            expected = "NotFinancingBank"
        if not self.compare("repay", expected, lambda: self.market.repay(financing.address, index + 1, amount, bank)):
            return
        offer.left -= amount
        if offer.left == 0:
            offer.state = OfferState.REPAID
            for tag in offer.tags:
                self.paid[tag] += offer.fraction
            self.bury(offer.tags)

    def release(self, financing: ModelFinancing, index: int, bank: int) -> None:
        """Who may end an offer depends on how far it has come."""
        offer = financing.offers[index]
        expected = self._release_refusal(offer, bank)
        if self.compare("release", expected, lambda: self.market.release(financing.address, index + 1, bank)):
            was_financed = offer.state is OfferState.DISBURSED
            offer.state = OfferState.RELEASED
            if was_financed:
                self.bury(offer.tags)

    def _release_refusal(self, offer: ModelOffer, bank: int) -> str | None:
        if offer.state is OfferState.OPEN:
            return None if bank in (offer.bank, offer.seller) else "NotFinancingBank"
        if offer.state is OfferState.ACCEPTED:
            lawful = bank == offer.seller or (bank == offer.bank and self.now > offer.expiry)
            return None if lawful else "NotSellersBank"
        if offer.state is OfferState.DISBURSED:
            return None if bank == offer.bank else "NotFinancingBank"
        return "OfferInWrongState"

    def check_fractions(self) -> None:
        """What the registry tells is what the model knows, and never more than the whole."""
        for number, tag in enumerate(TAGS):
            status = self.market.status(tag)
            held, financed = self.held(number), self.financed(number)
            assert (status.held_bps, status.financed_bps, status.paid_bps) == (held, financed, self.paid[number])
            assert status.tombstoned is self.buried[number]
            assert held + financed <= 10_000
            assert status.free_bps == (0 if self.buried[number] else 10_000 - held - financed)


@pytest.mark.parametrize("seed", range(6))
def test_contracts_and_model_agree(seed: int) -> None:
    """120 acts from a seed: every verdict, fraction and tombstone is the model's, and the acts are not all refused."""
    model = FinancingModel(seed)
    for number in range(120):
        model.step()
        if number % 5 == 0:
            model.check_fractions()
    for act in ("offer", "accept", "disburse", "repay"):
        assert model.verdicts[f"{act} done"], model.verdicts
    assert sum(n for verdict, n in model.verdicts.items() if not verdict.endswith("done")) > 20
