"""What the clients and the watcher saw, in the order in which they saw it: the checker's only evidence beside the
banks' chains at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

TRANSFER = "transfer"
COUNT = "count"
"""A call of the counter contract: it adds one to a storage word."""
DEPLOY = "deploy"


@dataclass(frozen=True, slots=True)
class Life:
    """One process of one bank: ``number`` counts its starts."""

    bank: int
    number: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a client signed."""

    hash: str
    sender: str
    nonce: int
    kind: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A bank answered eth_sendRawTransaction with the hash."""

    at_s: float
    hash: str
    life: Life


@dataclass(frozen=True, slots=True)
class Refused:
    """A bank answered eth_sendRawTransaction with an error."""

    at_s: float
    hash: str
    life: Life
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A bank that had accepted says that the transaction is gone, and why."""

    at_s: float
    hash: str
    life: Life
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A bank has never heard of a transaction (asked of the one that had accepted it)."""

    at_s: float
    hash: str
    life: Life


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction stands in the chain, and how it ended."""

    number: int
    block_hash: str
    status: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A bank answered a receipt."""

    at_s: float
    hash: str
    life: Life
    place: Place


@dataclass(frozen=True, slots=True)
class Head:
    """A bank's latest block, as the watcher saw it."""

    at_s: float
    life: Life
    number: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """From the moment at which the last fault of a round was healed to the next new block."""

    round: int
    seconds: float
    bound_s: float
    faults: str
    in_time: bool = True
    """False: the run ended before there was any."""


Answer = Accepted | Refused | Dropped | Unknown | Receipt


@dataclass
class History:
    """Everything that was seen."""

    transactions: dict[str, Transaction] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    rolled_back: set[Life] = field(default_factory=set)
    """Lives that began from an older copy of the data, on purpose."""
    remarks: list[str] = field(default_factory=list)
    """Violations that the nemesis itself saw: a bank without its votes that votes, a process that ends unasked."""


@dataclass(frozen=True, slots=True)
class ChainBlock:
    """One block of a bank's chain."""

    number: int
    hash: str
    parent: str
    timestamp: int
    transactions: tuple[str, ...]


@dataclass(frozen=True)
class FinalBank:
    """What one bank holds when everything is healed and no work is left."""

    chain: tuple[ChainBlock, ...]
    """From genesis to the head."""
    stored_hashes: tuple[str, ...]
    """Block hashes in its data directory, read after its process has ended; () where that was not done."""
    places: dict[str, Place]
    """Receipts of every transaction of the clients."""
    nonces: dict[str, int]
    """By sender, from the state of the head."""
    received: int
    """Balance of the address to which every transfer goes 1 wei."""
    counted: int
    """The counter contract's storage word."""
