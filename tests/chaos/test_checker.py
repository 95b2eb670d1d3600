"""The checker bites: a clean history has no violation, and each forged one has the violation that was forged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import check, check_head
from tests.chaos.history import (
    COUNT,
    TRANSFER,
    Accepted,
    ChainBlock,
    Dropped,
    FinalBank,
    Head,
    History,
    Life,
    Place,
    Receipt,
    Recovery,
    Refused,
    Transaction,
    Unknown,
)

SENDER = "0xaa"
FIRST, SECOND, EVICTED = "0x01", "0x02", "0x0e"
LIFE = Life(0, 1)


def chain() -> tuple[ChainBlock, ...]:
    return (
        ChainBlock(0, "h0", "-", 100, ()),
        ChainBlock(1, "h1", "h0", 100, ()),
        ChainBlock(2, "h2", "h1", 101, (FIRST,)),
        ChainBlock(3, "h3", "h2", 101, (SECOND,)),
    )


def bank() -> FinalBank:
    places = {FIRST: Place(2, "h2", 1), SECOND: Place(3, "h3", 1)}
    return FinalBank(chain(), ("h0", "h1", "h2", "h3"), places, {SENDER: 2}, received=1, counted=1)


def clean() -> tuple[History, list[FinalBank]]:
    """Two transactions accepted and committed, one evicted; a bank restarted; another with its data put back."""
    history = History()
    for hash_, nonce, kind in ((FIRST, 0, TRANSFER), (SECOND, 1, COUNT), (EVICTED, 2, TRANSFER)):
        history.transactions[hash_] = Transaction(hash_, SENDER, nonce, kind)
    history.answers += [
        Accepted(1.0, FIRST, LIFE),
        Accepted(1.0, SECOND, Life(1, 1)),
        Refused(1.1, SECOND, Life(2, 1), "already_known"),
        Unknown(1.2, SECOND, Life(1, 2)),  # the process that had accepted it was killed
        Receipt(2.0, FIRST, LIFE, Place(2, "h2", 1)),
        Receipt(2.5, FIRST, Life(3, 1), Place(2, "h2", 1)),
        Accepted(3.0, EVICTED, LIFE),
        Dropped(3.5, EVICTED, LIFE, "cpu"),
    ]
    history.heads += [
        Head(0.5, LIFE, 1, "h1"),
        Head(1.5, LIFE, 2, "h2"),
        Head(1.6, Life(0, 2), 2, "h2"),
        Head(1.7, Life(1, 1), 3, "h3"),
        Head(1.9, Life(1, 2), 1, "h1"),
    ]
    history.rolled_back.add(Life(1, 2))
    history.recoveries.append(Recovery(1, 2.0, 60.0, "kill"))
    return history, [bank() for _ in range(4)]


def with_chain(banks: list[FinalBank], index: int, number: int, **changes: object) -> None:
    blocks = list(banks[index].chain)
    blocks[number] = replace(blocks[number], **changes)  # type: ignore[arg-type]
    banks[index] = replace(banks[index], chain=tuple(blocks), stored_hashes=())


def everywhere(banks: list[FinalBank], number: int, **changes: object) -> None:
    for index in range(len(banks)):
        with_chain(banks, index, number, **changes)


def kinds(history: History, banks: list[FinalBank]) -> set[str]:
    return {violation.kind for violation in check(history, banks)}


def test_a_clean_history_has_no_violation() -> None:
    """Eviction with a reason, a killed holder and a deliberate rollback are none."""
    assert check(*clean()) == []


def accept_another(history: History) -> None:
    history.transactions["0x03"] = Transaction("0x03", "0xbb", 0, TRANSFER)
    history.answers.append(Accepted(1.0, "0x03", LIFE))


def exchange(banks: list[FinalBank]) -> None:
    everywhere(banks, 2, transactions=(SECOND,))
    everywhere(banks, 3, transactions=(FIRST,))


Forge = Callable[[History, list[FinalBank]], None]

FORGERIES: dict[str, tuple[str, Forge]] = {
    "another hash at one bank": ("fork", lambda _h, banks: with_chain(banks, 2, 3, hash="hX")),
    "a shorter chain": ("fork", lambda _h, banks: banks.__setitem__(1, replace(bank(), chain=chain()[:3]))),
    "a folder that holds another chain": (
        "fork",
        lambda _h, banks: banks.__setitem__(3, replace(bank(), stored_hashes=("h0", "h1", "h2", "hX"))),
    ),
    "a block that does not follow": ("fork", lambda _h, banks: everywhere(banks, 2, parent="hX")),
    "time that goes back": ("fork", lambda _h, banks: everywhere(banks, 3, timestamp=99)),
    "a head that was shown and is gone": ("fork", lambda h, _b: h.heads.append(Head(2.0, Life(2, 1), 2, "hX"))),
    "a head beyond the end": ("fork", lambda h, _b: h.heads.append(Head(2.0, Life(2, 1), 9, "h9"))),
    "a head that goes back": ("head_went_back", lambda h, _b: h.heads.append(Head(1.65, Life(0, 2), 1, "h1"))),
    "a head that goes back with a restart": (
        "head_went_back",
        lambda h, _b: h.heads.append(Head(1.65, Life(0, 3), 1, "h1")),
    ),
    "accepted and never committed": ("lost", lambda h, _b: accept_another(h)),
    "evicted, accepted again, never committed": ("lost", lambda h, _b: h.answers.append(Accepted(4.0, EVICTED, LIFE))),
    "evicted without a reason": ("lost", lambda h, _b: h.answers.append(Dropped(4.0, EVICTED, LIFE, ""))),
    "forgotten by a living process": ("forgotten", lambda h, _b: h.answers.append(Unknown(1.5, FIRST, LIFE))),
    "a receipt at another place": (
        "receipt_changed",
        lambda h, _b: h.answers.append(Receipt(3.0, FIRST, LIFE, Place(3, "h3", 1))),
    ),
    "a receipt with another end": (
        "receipt_changed",
        lambda h, _b: h.answers.append(Receipt(3.0, FIRST, LIFE, Place(2, "h2", 0))),
    ),
    "a receipt that one bank lacks": (
        "receipt_changed",
        lambda _h, banks: banks.__setitem__(1, replace(bank(), places={SECOND: Place(3, "h3", 1)})),
    ),
    "committed twice": ("committed_twice", lambda _h, banks: everywhere(banks, 3, transactions=(SECOND, FIRST))),
    "a transaction of nobody": ("invented", lambda _h, banks: everywhere(banks, 1, transactions=("0xff",))),
    "nonces out of order": ("nonce_gap", lambda _h, banks: exchange(banks)),
    "a nonce of the state that the chain does not explain": (
        "nonce_gap",
        lambda _h, banks: banks.__setitem__(0, replace(bank(), nonces={SENDER: 3})),
    ),
    "money that the chain does not explain": (
        "state",
        lambda _h, banks: banks.__setitem__(2, replace(bank(), received=2)),
    ),
    "a counter that the chain does not explain": (
        "state",
        lambda _h, banks: banks.__setitem__(2, replace(bank(), counted=0)),
    ),
    "a recovery after the bound": (
        "no_recovery",
        lambda h, _b: h.recoveries.append(Recovery(2, 61.0, 60.0, "partition")),
    ),
    "no recovery at all": (
        "no_recovery",
        lambda h, _b: h.recoveries.append(Recovery(2, 60.0, 60.0, "partition", in_time=False)),
    ),
    "what the nemesis saw": ("remark", lambda h, _b: h.remarks.append("bank 2 ended by itself")),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_history_is_found_out(name: str) -> None:
    """One lie, and the violation of its kind."""
    kind, forge = FORGERIES[name]
    history, banks = clean()
    forge(history, banks)
    assert kind in kinds(history, banks)


def test_a_contradicting_head_is_seen_at_once() -> None:
    """While the run goes on: two hashes at one height, from whichever banks, at whatever times."""
    hashes: dict[int, str] = {}
    assert check_head(History(), hashes, LIFE, 2, "h2") == []
    assert check_head(History(), hashes, Life(1, 1), 2, "h2") == []
    (violation,) = check_head(History(), hashes, Life(2, 1), 2, "hX")
    assert violation.kind == "fork"
