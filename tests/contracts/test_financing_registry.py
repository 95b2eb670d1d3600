"""The registry against duplicate financing: races, fractions, expiry, limits and tombstones (trade.md 5.3, 5.4)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from contracts import bindings, financing_registry
from contracts.addresses import FINANCING_REGISTRY
from contracts.financing_registry import HoldState, Tag, TagView
from contracts.invoice_financing import OfferState
from node.execution.genesis_alloc import HOLD_SECONDS_MAX
from tests.contracts.consortium_chain import bank_key, sample_member
from tests.contracts.financing_parties import HOLD, RIVAL, TAG, THIRD, TODAY, Market, expect

YEAR = 365 * 86_400


def test_f1_of_two_banks_the_first_in_order_holds() -> None:
    """F1: two banks register and hold one invoice; the second is refused and learns only that nothing is free."""
    market = Market.open()
    first, second = market.register(RIVAL), market.register(THIRD)
    assert market.status().registrations == 2
    market.offer(first, RIVAL)
    with expect("TagTaken", tag=TAG.value, wantedBps=10_000, freeBps=0):
        market.offer(second, THIRD)
    assert (market.status().held_bps, market.status().word) == (10_000, "taken")


def test_registering_excludes_nobody() -> None:
    """Any number of registrations leaves the tag free."""
    market = Market.open()
    for bank in (0, 1, 2, 3, 0):
        market.register(bank)
    status = market.status()
    assert (status.registrations, status.free_bps, status.word) == (5, 10_000, "free")


def test_f5_an_expired_hold_is_free_again() -> None:
    """F5: A holds and never pays out; after the last second B may hold, and A's late disbursement fails."""
    market = Market.open()
    mine, theirs = market.register(RIVAL), market.register(THIRD)
    market.accept_by_buyer(mine)
    stale = market.offer(mine, RIVAL)
    market.accept(mine, stale, RIVAL)
    market.chain.pass_time(HOLD)
    with expect("TagTaken"):
        market.offer(theirs, THIRD)
    market.chain.pass_time(1)
    assert market.status().free_bps == 10_000
    assert market.hold(market.offer_of(mine, stale).hold_id).state is HoldState.EXPIRED
    assert market.offer_of(mine, stale).state is OfferState.EXPIRED
    market.offer(theirs, THIRD)
    with expect("OfferHasExpired", offerId=stale):
        market.disburse(mine, stale, RIVAL)


def test_f6_fractions_never_exceed_the_whole() -> None:
    """F6: after 60 % financed by A, 41 % is refused to B, and 40 % granted."""
    market = Market.open()
    market.financed(fraction_bps=6_000)
    other = market.register(THIRD)
    with expect("TagTaken", wantedBps=4_100, freeBps=4_000):
        market.offer(other, THIRD, fraction_bps=4_100)
    assert market.status().word == "partly"
    market.offer(other, THIRD, fraction_bps=4_000)
    status = market.status()
    assert (status.financed_bps, status.held_bps, status.free_bps) == (6_000, 4_000, 0)


def test_f7_a_paid_invoice_stays_buried() -> None:
    """F7: a year after payment, the same invoice hits the tombstone."""
    market = Market.open()
    financing, offer = market.financed()
    market.repay(financing, offer, 10_000_000)
    assert market.status().tombstoned
    market.chain.pass_time(YEAR)
    again = market.register(THIRD, issue_day=_later(0), due_day=_later(60))
    with expect("TombstoneHit", tag=TAG.value):
        market.offer(again, THIRD, expected_payment_day=_later(60))


def _later(days: int) -> date:
    return TODAY + timedelta(days=365 + days)


def test_a_tombstone_waits_for_every_financed_fraction() -> None:
    """Two banks share an invoice: the tag is buried when the second has been paid too."""
    market = Market.open()
    one, first = market.financed(fraction_bps=6_000)
    two = market.register(THIRD)
    market.accept_by_buyer(two)
    second = market.offer(two, THIRD, fraction_bps=4_000)
    market.accept(two, second, THIRD)
    market.disburse(two, second, THIRD)
    market.repay(one, first, 6_000_000)
    assert not market.status().tombstoned
    market.repay(two, second, 4_000_000, THIRD)
    assert market.status().tombstoned


def test_a_hold_that_outlives_a_payment_cannot_be_financed() -> None:
    """A holds 40 % while the financed 60 % is paid: the invoice is buried, and A's disbursement fails."""
    market = Market.open()
    one, first = market.financed(fraction_bps=6_000)
    two = market.register(THIRD)
    market.accept_by_buyer(two)
    second = market.offer(two, THIRD, fraction_bps=4_000)
    market.accept(two, second, THIRD)
    market.repay(one, first, 6_000_000)
    with expect("TombstoneHit"):
        market.disburse(two, second, THIRD)


def test_a_released_hold_and_a_released_financing_free_their_fraction() -> None:
    """RELEASED gives back what was held or financed."""
    market = Market.open()
    financing = market.register()
    offer = market.offer(financing)
    hold_id = market.offer_of(financing, offer).hold_id
    market.release(financing, offer)
    assert market.hold(hold_id).state is HoldState.RELEASED
    assert market.status().free_bps == 10_000
    other, financed = market.financed()
    market.release(other, financed)
    assert (market.status().free_bps, market.status().financed_bps) == (10_000, 0)


def test_every_exact_tag_excludes_and_other_views_only_count() -> None:
    """While keys rotate an invoice has an exact tag for each version: either finds the duplicate. Views warn."""
    old, new, loose = Tag(b"\x01" * 32, 1), Tag(b"\x02" * 32, 2), Tag(b"\x03" * 32, 1, TagView.NO_DATE)
    market = Market.open()
    mine = market.register(RIVAL, (old, new, loose))
    market.offer(mine, RIVAL)
    for tag in (old, new):
        theirs = market.register(THIRD, (tag, loose))
        with expect("TagTaken", tag=tag.value):
            market.offer(theirs, THIRD)
    similar = market.register(THIRD, (Tag(b"\x04" * 32), loose))
    market.offer(similar, THIRD)
    assert (market.status(loose).registrations, market.status(loose).held_bps) == (4, 0)


def test_a_tag_of_another_key_version_is_another_tag() -> None:
    """Nobody spoils a tag by registering its value under a false version."""
    market = Market.open()
    false = market.register(THIRD, (Tag(TAG.value, key_version=9),))
    market.offer(false, THIRD)
    market.offer(market.register(RIVAL), RIVAL)
    assert market.status().held_bps == 10_000


def test_a_bank_has_a_limited_number_of_live_holds() -> None:
    """The limit counts live holds only: one that expired makes room."""
    market = Market.open()
    tags = [Tag(bytes([1, i]) + bytes(30)) for i in range(66)]
    for tag in tags[:64]:
        market.offer(market.register(RIVAL, (tag,)), RIVAL)
    bank = sample_member(RIVAL).id
    last = market.register(RIVAL, (tags[64],))
    with expect("HoldLimitReached", bank=bank, limit=64):
        market.offer(last, RIVAL)
    market.offer(market.register(THIRD, (tags[65],)), THIRD)
    market.chain.pass_time(HOLD + 1)
    assert market.chain.ask("FinancingRegistry", "liveHoldsOf", bank) == 0
    market.offer(last, RIVAL)
    assert market.chain.ask("FinancingRegistry", "liveHoldsOf", bank) == 1


@pytest.mark.parametrize(
    ("hold", "changes", "error"),
    [
        (0, {}, "ExpiryInThePast"),
        (HOLD_SECONDS_MAX + 1, {}, "HoldTooLong"),
        (HOLD, {"fraction_bps": 99}, "FractionOutOfRange"),
        (HOLD, {"fraction_bps": 10_001}, "FractionOutOfRange"),
    ],
)
def test_holds_are_bounded(hold: int, changes: dict[str, object], error: str) -> None:
    """Expiry and fraction stand within their limits."""
    market = Market.open()
    financing = market.register()
    with expect(error):
        market.offer(financing, hold=hold, **changes)


@pytest.mark.parametrize(
    ("tags", "error"),
    [
        ((), "NoExactTag"),
        ((Tag(TAG.value, 1, TagView.NO_DATE),), "NoExactTag"),
        ((TAG, TAG), "DuplicateTag"),
        ((TAG, Tag(b"\x72" * 32)), "SecondExactTag"),
        ((Tag(bytes(32)),), "ZeroTag"),
        (tuple(Tag(bytes([i + 1]) * 32) for i in range(9)), "TooManyTags"),
    ],
)
def test_tags_are_well_formed(tags: tuple[Tag, ...], error: str) -> None:
    """One exact tag for each key, eight tags at most, none zero, none twice: nobody holds ten invoices by one."""
    with expect(error):
        Market.open().register(tags=tags)


def test_only_financings_of_the_factory_act_on_the_registry() -> None:
    """A bank cannot hold, finance, release or bury by calling the registry itself."""
    market = Market.open()
    calls = [
        ("register", [[TAG.as_argument()]]),
        ("hold", [sample_member(RIVAL).id, 10_000, market.chain.timestamp + HOLD]),
        ("finance", [1]),
        ("release", [1]),
        ("markPaid", [1]),
    ]
    for function, args in calls:
        with expect("NotAFinancing", caller=bank_key(RIVAL).address):
            market.act(RIVAL, FINANCING_REGISTRY, bindings.encode_call("FinancingRegistry", function, args))


def test_the_registry_is_initialised_at_genesis_only() -> None:
    """Limits stand for the chain's life."""
    market = Market.open()
    with expect("NotGenesis"):
        market.act(RIVAL, FINANCING_REGISTRY, financing_registry.encode_initialize(1, 1))
    financing = market.register()
    tags = financing_registry.decode_tags(
        market.chain.call(FINANCING_REGISTRY, financing_registry.encode_tags_of(financing))
    )
    assert tags == (TAG,)
