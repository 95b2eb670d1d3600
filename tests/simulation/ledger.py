"""A simulated bank's ledger: final blocks with their certificates. Each commit is one atomic, synced batch, so a
crash finds it whole or absent; what the replica must survive is the time between the two."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.types import Address, Digest, Proposal
from consensus.validators import epoch_of
from consensus.wal_records import LedgerState
from tests.simulation.blocks import SimulatedBlock, decode_block

CERTIFICATES_KEPT = 16
"""Recent heights whose certificates a restarting replica is given."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One final block."""

    block_hash: Digest
    proposal: Proposal
    certificate: bytes
    block: SimulatedBlock


class SimulatedLedger:
    """Blocks 1..height. ``validators`` is the one set of all epochs."""

    def __init__(self, genesis_hash: Digest, genesis_time: int, validators: tuple[Address, ...], epoch_length: int):
        self.genesis_hash = genesis_hash
        self.genesis_time = genesis_time
        self.validators = validators
        self.epoch_length = epoch_length
        self.entries: list[Entry] = []
        self.by_hash: dict[Digest, Entry] = {}
        self.included: set[int] = set()
        self.wal_lsn = 0

    @property
    def height(self) -> int:
        return len(self.entries)

    @property
    def head_hash(self) -> Digest:
        return self.entries[-1].block_hash if self.entries else self.genesis_hash

    @property
    def head_time(self) -> int:
        return self.entries[-1].block.timestamp if self.entries else self.genesis_time

    def entry(self, height: int) -> Entry | None:
        """The block at ``height``; None above the head and for genesis."""
        return self.entries[height - 1] if 0 < height <= len(self.entries) else None

    def commit(self, block_hash: Digest, proposal: Proposal, certificate: bytes, wal_lsn: int) -> None:
        """Append one block; its carried certificate replaces the stored one of its parent (P-11, W = 1)."""
        block = decode_block(proposal.block)
        assert block.number == self.height + 1
        entry = Entry(block_hash, proposal, certificate, block)
        if self.entries and proposal.certificate:
            parent = self.entries[-1]
            self.entries[-1] = Entry(parent.block_hash, parent.proposal, proposal.certificate, parent.block)
            self.by_hash[parent.block_hash] = self.entries[-1]
        self.entries.append(entry)
        self.by_hash[block_hash] = entry
        self.included.update(block.transactions)
        # P-18: never down, or a bank that refuses to vote after a rollback would forget why at its next start.
        self.wal_lsn = max(self.wal_lsn, wal_lsn)

    def state(self) -> LedgerState:
        """What a restarting replica is told."""
        first = max(1, self.height - CERTIFICATES_KEPT)
        epochs = {epoch_of(h, self.epoch_length) for h in range(max(0, self.height - 1), self.height + 2)}
        return LedgerState(
            height=self.height,
            block_hash=self.head_hash,
            timestamp=self.head_time,
            next_validators=self.validators,
            certificates={h: self.entries[h - 1].certificate for h in range(first, self.height + 1)},
            validators=dict.fromkeys(sorted(epochs), self.validators),
            wal_lsn=self.wal_lsn,
        )
