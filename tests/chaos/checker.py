"""Judges a history against the chains of all banks. Pure functions: tests feed them forged histories."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.history import (
    COUNT,
    TRANSFER,
    Accepted,
    Dropped,
    FinalBank,
    History,
    Life,
    Place,
    Receipt,
    Unknown,
)

SHOWN_MAX = 20
"""Violations of one kind that are spelt out."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken. ``kind`` is a stable word."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def check(history: History, banks: Sequence[FinalBank]) -> list[Violation]:
    """Everything that is wrong; [] where every promise was kept."""
    found = [
        *(Violation("remark", text) for text in history.remarks),
        *_one_chain(history, banks),
        *_heads_rise(history),
        *_nothing_lost(history, banks),
        *_receipts_stand(history, banks),
        *_committed_once(history, banks),
        *_state_adds_up(history, banks),
        *_recovered(history),
    ]
    shown: Counter[str] = Counter()
    kept = []
    for violation in found:
        shown[violation.kind] += 1
        if shown[violation.kind] <= SHOWN_MAX:
            kept.append(violation)
    return kept


def check_head(history: History, hashes: dict[int, str], life: Life, number: int, block_hash: str) -> list[Violation]:
    """While the run goes on: a head that contradicts one seen before. ``hashes`` is by height and grows."""
    known = hashes.setdefault(number, block_hash)
    if known == block_hash:
        return []
    return [Violation("fork", f"height {number} is {block_hash} at bank {life.bank}, and was {known} elsewhere")]


def _one_chain(history: History, banks: Sequence[FinalBank]) -> Iterator[Violation]:
    """One hash a height: in every chain, in every data directory, and in every sample of the whole run."""
    reference = banks[0].chain
    for index, bank in enumerate(banks):
        if len(bank.chain) != len(reference):
            yield Violation("fork", f"bank {index} ends at {len(bank.chain) - 1}, bank 0 at {len(reference) - 1}")
        for ours, theirs in zip(bank.chain, reference, strict=False):
            if ours != theirs:
                yield Violation("fork", f"height {ours.number} is {ours.hash} at bank {index}, {theirs.hash} at bank 0")
                break
        if bank.stored_hashes and bank.stored_hashes != tuple(block.hash for block in bank.chain):
            yield Violation("fork", f"the data directory of bank {index} holds another chain than it served")
    for parent, block in pairwise(reference):
        if block.number != parent.number + 1 or block.parent != parent.hash or block.timestamp < parent.timestamp:
            yield Violation("fork", f"block {block.number} does not follow {parent.number}")
    for head in history.heads:
        if head.number >= len(reference):
            yield Violation("fork", f"bank {head.life.bank} showed height {head.number}, which the chain has lost")
        elif reference[head.number].hash != head.block_hash:
            yield Violation(
                "fork",
                f"bank {head.life.bank} showed {head.block_hash} at height {head.number} after {head.at_s:.1f} s,"
                f" the chain holds {reference[head.number].hash}",
            )


def _heads_rise(history: History) -> Iterator[Violation]:
    """A bank's head never goes back, over its restarts too, unless its data were put back on purpose."""
    last: dict[int, tuple[Life, int]] = {}
    for head in history.heads:
        before = last.get(head.life.bank)
        last[head.life.bank] = (head.life, head.number)
        if before is None or head.number >= before[1]:
            continue
        if head.life != before[0] and head.life in history.rolled_back:
            continue
        yield Violation(
            "head_went_back", f"bank {head.life.bank} showed {before[1]}, then {head.number} at {head.at_s:.1f} s"
        )


def _nothing_lost(history: History, banks: Sequence[FinalBank]) -> Iterator[Violation]:
    """What a bank accepted is in the chain, or was evicted with a reason and not accepted again. And a bank whose
    process lives on never forgets what it accepted: a client need not send it again."""
    chained = {transaction for block in banks[0].chain for transaction in block.transactions}
    last_word: dict[str, Accepted | Dropped] = {}
    holders: dict[str, set[Life]] = defaultdict(set)
    for answer in history.answers:
        if isinstance(answer, Accepted):
            last_word[answer.hash] = answer
            holders[answer.hash].add(answer.life)
        elif isinstance(answer, Dropped):
            last_word[answer.hash] = answer
            if not answer.reason:
                yield Violation("lost", f"{answer.hash} was dropped by bank {answer.life.bank} without a reason")
        elif isinstance(answer, Unknown) and answer.life in holders[answer.hash]:
            yield Violation(
                "forgotten", f"bank {answer.life.bank} accepted {answer.hash} and, still running, knows nothing of it"
            )
    for transaction, word in last_word.items():
        if isinstance(word, Accepted) and transaction not in chained:
            row = history.transactions.get(transaction)
            what = f" (nonce {row.nonce} of {row.sender})" if row else ""
            yield Violation("lost", f"{transaction}{what} was accepted by bank {word.life.bank} and never committed")


def _receipts_stand(history: History, banks: Sequence[FinalBank]) -> Iterator[Violation]:
    """Every receipt ever answered is what every bank answers at the end."""
    places: dict[str, Place] = {}
    for answer in history.answers:
        if isinstance(answer, Receipt):
            first = places.setdefault(answer.hash, answer.place)
            if first != answer.place:
                yield Violation("receipt_changed", f"{answer.hash}: {first}, then {answer.place}")
    for index, bank in enumerate(banks):
        for transaction, place in places.items():
            if bank.places.get(transaction) != place:
                yield Violation(
                    "receipt_changed",
                    f"{transaction}: a client was shown {place}, bank {index} has {bank.places.get(transaction)}",
                )


def _committed_once(history: History, banks: Sequence[FinalBank]) -> Iterator[Violation]:
    """Each transaction once, each account's nonces one after the other from 0, nothing that no client signed."""
    seen: set[str] = set()
    expected: Counter[str] = Counter()
    for block in banks[0].chain:
        for transaction in block.transactions:
            if transaction in seen:
                yield Violation("committed_twice", f"{transaction}, again in block {block.number}")
                continue
            seen.add(transaction)
            row = history.transactions.get(transaction)
            if row is None:
                yield Violation("invented", f"{transaction} in block {block.number} was signed by no client")
                continue
            if row.nonce != expected[row.sender]:
                yield Violation(
                    "nonce_gap",
                    f"block {block.number} has nonce {row.nonce} of {row.sender}, expected {expected[row.sender]}",
                )
            expected[row.sender] = row.nonce + 1
    for index, bank in enumerate(banks):
        for sender, nonce in bank.nonces.items():
            if nonce != expected[sender]:
                yield Violation(
                    "nonce_gap", f"bank {index} says nonce {nonce} of {sender}, the chain holds {expected[sender]}"
                )


def _state_adds_up(history: History, banks: Sequence[FinalBank]) -> Iterator[Violation]:
    """The state is what the committed transactions make of it: money arrived and the counter, at each bank."""
    chained = Counter(
        history.transactions[transaction].kind
        for block in banks[0].chain
        for transaction in set(block.transactions)
        if transaction in history.transactions
    )
    for index, bank in enumerate(banks):
        if bank.received != chained[TRANSFER]:
            yield Violation("state", f"bank {index}: {bank.received} wei arrived of {chained[TRANSFER]} transfers")
        if bank.counted != chained[COUNT]:
            yield Violation("state", f"bank {index}: the counter is {bank.counted} after {chained[COUNT]} calls")


def _recovered(history: History) -> Iterator[Violation]:
    """After each round of faults there was a new block within the bound."""
    for recovery in history.recoveries:
        if not recovery.in_time or recovery.seconds > recovery.bound_s:
            yield Violation(
                "no_recovery",
                f"no new block within {recovery.bound_s:.0f} s after round {recovery.round} ({recovery.faults})",
            )
