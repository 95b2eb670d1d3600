"""Who votes: quorums, primaries and the validator sets of the epochs (P-12, P-13)."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

from consensus import domain
from consensus.errors import ImpossibleState, UnknownEpoch
from consensus.types import Address, Config, Digest

MAX_VALIDATORS = 256
"""Certificates name their signers in one 256-bit word (P-10)."""
EPOCHS_KEPT = 4
"""Sets remembered: the current epoch's, and those that recent certificates need."""
_SET_TAG = b"praya/validators/1"


def max_faulty(n: int) -> int:
    """f: how many of ``n`` validators may be faulty."""
    return (n - 1) // 3


def quorum_size(n: int) -> int:
    """Q = ceil((n + f + 1) / 2): any two quorums share an honest validator. Never 2f + 1, which is unsafe
    for n = 5, 6, 8 (PBFT §4.2 assumes n = 3f + 1)."""
    return (n + max_faulty(n) + 2) // 2


def weak_quorum_size(n: int) -> int:
    """f + 1: at least one of them is honest."""
    return max_faulty(n) + 1


def prepared_quorum(n: int) -> int:
    """PREPAREs of distinct backups that, with the primary's PRE-PREPARE, make a quorum: Q - 1 (PBFT §4.2)."""
    return quorum_size(n) - 1


def committed_quorum(n: int) -> int:
    """Distinct COMMITs that make a block final: Q (PBFT §4.2)."""
    return quorum_size(n)


def view_change_quorum(n: int) -> int:
    """VIEW-CHANGEs of distinct senders that a NEW-VIEW rests on: Q (PBFT §4.4)."""
    return quorum_size(n)


def epoch_of(height: int, epoch_length: int) -> int:
    """Epoch e covers heights eL .. (e + 1)L - 1 (P-13)."""
    return height // epoch_length


def epochs_at_open(height: int, window: int, epoch_length: int) -> range:
    """The epochs whose sets a replica needs that opens a ledger of this height: the next height's, the one before it (a
    VIEW-CHANGE's base may be its last block), and those of the certificates that the next blocks carry (P-11)."""
    epoch = epoch_of(height + 1, epoch_length)
    return range(max(0, min(epoch - 1, epoch_of(max(0, height - window), epoch_length))), epoch + 1)


def primary_index(epoch: int, view: int, n: int) -> int:
    """Index of the primary of (epoch, view); rotates at each epoch edge (P-13)."""
    return (epoch + view) % n


def primary(epoch: int, view: int, addresses: Sequence[Address]) -> Address:
    """Address of the primary of (epoch, view)."""
    return addresses[primary_index(epoch, view, len(addresses))]


def validator_set_hash(epoch: int, addresses: Sequence[Address]) -> Digest:
    """What extraData of the block before ``epoch``'s height holds (P-12): SHA-256 of tag, epoch (8 bytes, big
    endian) and the 20-byte addresses, ascending."""
    return hashlib.sha256(_SET_TAG + epoch.to_bytes(8, "big") + b"".join(addresses)).digest()


def check_validator_set(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """The set as a tuple; ImpossibleState unless it is non-empty, strictly ascending 20-byte addresses (P-12)."""
    result = tuple(bytes(address) for address in addresses)
    ordered = all(a < b for a, b in itertools.pairwise(result))
    if not 1 <= len(result) <= MAX_VALIDATORS or not ordered or any(len(a) != 20 for a in result):
        raise ImpossibleState("a validator set must be 1 to 256 distinct addresses in ascending order")
    return result


class ValidatorSchedule:
    """The sets of the epochs that this node knows, with the signing domain of each. The host shares one
    instance between ingress and the replica, which alone adds to it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._sets: dict[int, tuple[Address, ...]] = {}
        self._domains: dict[int, Digest] = {}
        self._indexes: dict[int, dict[Address, int]] = {}

    def add(self, epoch: int, addresses: Sequence[Address]) -> None:
        """Learn the set of ``epoch``; a second, different set for it is an impossible state."""
        members = check_validator_set(addresses)
        if self._sets.get(epoch, members) != members:
            raise ImpossibleState(f"two validator sets for epoch {epoch}")
        self._sets[epoch] = members
        self._indexes[epoch] = {address: index for index, address in enumerate(members)}
        self._domains[epoch] = domain.domain(
            self.config.chain_id, self.config.genesis_hash, epoch, validator_set_hash(epoch, members)
        )
        for old in [e for e in self._sets if e <= epoch - EPOCHS_KEPT]:
            del self._sets[old], self._domains[old], self._indexes[old]

    def knows(self, epoch: int) -> bool:
        """Whether messages of ``epoch`` can be verified here."""
        return epoch in self._sets

    def validators(self, epoch: int) -> tuple[Address, ...]:
        """The set of ``epoch``; raises UnknownEpoch."""
        try:
            return self._sets[epoch]
        except KeyError:
            raise UnknownEpoch(epoch) from None

    def index(self, epoch: int, address: Address) -> int | None:
        """The index of ``address`` in the set of ``epoch``; None for others."""
        self.validators(epoch)
        return self._indexes[epoch].get(address)

    def domain(self, epoch: int) -> Digest:
        """The 32-byte domain of ``epoch`` (P-9)."""
        self.validators(epoch)
        return self._domains[epoch]

    def epoch_of(self, height: int) -> int:
        """The epoch whose set decides ``height``."""
        return epoch_of(height, self.config.epoch_length)

    def latest(self) -> int:
        """The latest epoch whose set is known."""
        return max(self._sets)
