"""A simulated bank's ledger: final blocks with their certificates, and the state after each block, which is all that
the simulator executes: which transactions are used up, and which validator sets are in force from when (P-12).

Each commit is one atomic, synced batch, so a crash finds it whole or absent; what the replica must survive is the
time between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consensus.types import Address, Digest, Proposal
from consensus.validators import epochs_at_open
from consensus.wal_records import LedgerState
from tests.simulation.blocks import SimulatedBlock, decode_block

CERTIFICATES_KEPT = 16
"""Recent heights whose certificates a restarting replica is given."""
CHANGES_FROM = 1 << 20
"""Transaction CHANGES_FROM + k is a vote of the members that has passed: the validators become ``targets[k]``."""

Validators = tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the simulated Consortium contract knows (P-12)."""

    epoch_length: int
    activation_delay: int
    window: int
    targets: tuple[Validators, ...] = ()
    """Sets that a change may lead to, each ascending."""


@dataclass(frozen=True, slots=True)
class Tip:
    """The state after one block; ``parent`` leads to the ones before it."""

    height: int
    block_hash: Digest
    timestamp: int
    sets: tuple[tuple[int, Validators], ...]
    """(first height, set), ascending: the one in force and those that wait for their edge."""
    parent: Tip | None = None
    transactions: tuple[int, ...] = ()

    def validators_at(self, height: int) -> Validators:
        """``Consortium.validatorsAt`` on this state."""
        found = self.sets[0][1]
        for first, members in self.sets:
            if first <= height:
                found = members
        return found

    def change_waits(self) -> bool:
        """Whether a set change waits for an edge beyond the next block, so that blocks are due (P-15)."""
        return self.sets[-1][0] > self.height + 1

    def above(self, height: int) -> Iterator[Tip]:
        """This state and those before it, down to the first above ``height``."""
        tip: Tip | None = self
        while tip is not None and tip.height > height:
            yield tip
            tip = tip.parent


def execute(rules: Rules, parent: Tip, block_hash: Digest, block: SimulatedBlock) -> Tip:
    """The state after ``block``: a set change enters at the first multiple of L that is >= h + D (P-12)."""
    sets = parent.sets
    for transaction in block.transactions:
        if transaction >= CHANGES_FROM:
            step = rules.epoch_length
            edge = -(-(block.number + rules.activation_delay) // step) * step
            members = rules.targets[(transaction - CHANGES_FROM) % len(rules.targets)]
            sets = (*(item for item in sets if item[0] < edge), (edge, members))
    while len(sets) > 1 and sets[1][0] <= block.number:
        sets = sets[1:]
    return Tip(block.number, block_hash, block.timestamp, sets, parent, block.transactions)


@dataclass(frozen=True, slots=True)
class Entry:
    """One final block."""

    block_hash: Digest
    proposal: Proposal
    certificate: bytes
    block: SimulatedBlock
    next_validators: Validators
    """S(number + 1)."""


class SimulatedLedger:
    """Blocks 1..height of one bank, and what it has executed beyond them since it started."""

    def __init__(self, rules: Rules, genesis_hash: Digest, genesis_time: int, validators: Validators):
        self.rules = rules
        self.genesis = Tip(0, genesis_hash, genesis_time, ((0, validators),))
        self.tip = self.genesis
        self.entries: list[Entry] = []
        self.by_hash: dict[Digest, Entry] = {}
        self.included: set[int] = set()
        self.wal_lsn = 0
        self.executed: dict[Digest, Tip] = {}
        """Results of blocks above the head, built or found valid by this process."""

    @property
    def height(self) -> int:
        return self.tip.height

    @property
    def head_hash(self) -> Digest:
        return self.tip.block_hash

    @property
    def head_time(self) -> int:
        return self.tip.timestamp

    @property
    def next_validators(self) -> Validators:
        """S(height + 1)."""
        return self.tip.validators_at(self.tip.height + 1)

    def entry(self, height: int) -> Entry | None:
        """The block at ``height``; None above the head and for genesis."""
        return self.entries[height - 1] if 0 < height <= len(self.entries) else None

    def state_of(self, block_hash: Digest) -> Tip | None:
        """The state to execute a child of this block on: the head's, or that of a block executed here above it."""
        return self.tip if block_hash == self.tip.block_hash else self.executed.get(block_hash)

    def used(self, parent: Tip, transactions: tuple[int, ...]) -> set[int]:
        """Those of ``transactions`` that the chain up to ``parent`` holds already."""
        found = self.included.intersection(transactions)
        for tip in parent.above(self.height):
            found.update(set(transactions).intersection(tip.transactions))
        return found

    def commit(self, block_hash: Digest, proposal: Proposal, certificate: bytes, wal_lsn: int) -> None:
        """Append one block; its carried certificate replaces the stored one of height - W (P-11)."""
        block = decode_block(proposal.block)
        assert block.number == self.height + 1
        self.tip = self.executed.pop(block_hash, None) or execute(self.rules, self.tip, block_hash, block)
        entry = Entry(block_hash, proposal, certificate, block, self.next_validators)
        old = self.entry(block.number - self.rules.window)
        if old is not None and proposal.certificate:
            canonical = Entry(old.block_hash, old.proposal, proposal.certificate, old.block, old.next_validators)
            self.entries[old.block.number - 1] = self.by_hash[old.block_hash] = canonical
        self.entries.append(entry)
        self.by_hash[block_hash] = entry
        self.included.update(block.transactions)
        self.executed = {digest: tip for digest, tip in self.executed.items() if tip.height > block.number}
        # P-18: never down, or a bank that refuses to vote after a rollback would forget why at its next start.
        self.wal_lsn = max(self.wal_lsn, wal_lsn)

    def validators_of(self, height: int) -> Validators:
        """S(height) for heights up to the head's child."""
        entry = self.entry(height - 1)
        return entry.next_validators if entry is not None else self.genesis.validators_at(height)

    def state(self) -> LedgerState:
        """What a restarting replica is told."""
        first = max(1, self.height - CERTIFICATES_KEPT)
        length = self.rules.epoch_length
        epochs = epochs_at_open(self.height, self.rules.window, length)
        return LedgerState(
            height=self.height,
            block_hash=self.head_hash,
            timestamp=self.head_time,
            next_validators=self.next_validators,
            certificates={h: self.entries[h - 1].certificate for h in range(first, self.height + 1)},
            validators={epoch: self.validators_of(max(1, epoch * length)) for epoch in epochs},
            wal_lsn=self.wal_lsn,
        )
