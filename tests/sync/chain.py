"""Chains with real blocks, real executions and real seals, for the tests of block sync."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from consensus.certificates import CommitCertificate, make_commit_certificate
from consensus.domain import domain, seal_digest
from consensus.types import Config, Proposal
from consensus.validators import epoch_of, quorum_size, validator_set_hash
from node.chain.block import Block
from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE, Genesis, GenesisAccount
from node.chain.parameters import ChainParameters
from node.chain.transaction import Transaction
from node.execution.defaults import reference_engine
from node.execution.ledger import Ledger
from node.execution.transition import Rules
from node.keys import PrivateKey, keccak256
from node.sync.messages import BlockRecord
from node.types import ZERO_HASH, Address, Hash32, StateReader
from tests.p2p.parties import CHAIN_ID

PARAMETERS = ChainParameters(epoch_length=4, activation_delay=2)
CHANGE_EPOCH = 2
"""From this epoch on another set of validators decides."""
KEYS = tuple(sorted((PrivateKey.from_bytes(bytes([0x40 + n]) * 32) for n in range(8)), key=lambda k: k.address))
FIRST_SET, SECOND_SET = KEYS[:4], KEYS[3:]


def sealers(height: int) -> tuple[PrivateKey, ...]:
    """The keys of S(height), ascending by address."""
    return FIRST_SET if epoch_of(height, PARAMETERS.epoch_length) < CHANGE_EPOCH else SECOND_SET


def addresses(keys: Sequence[PrivateKey]) -> tuple[Address, ...]:
    return tuple(key.address for key in keys)


class Permissions:
    """Everyone may send; the set of validators changes at the edge of CHANGE_EPOCH."""

    def is_registered(self, state: StateReader, address: Address) -> bool:
        return True

    def may_deploy(self, state: StateReader, address: Address) -> bool:
        return True

    def validators_at(self, state: StateReader, height: int) -> tuple[Address, ...]:
        return addresses(sealers(height))

    def consortium_parameters(self, state: StateReader) -> tuple[int, int]:
        return PARAMETERS.epoch_length, PARAMETERS.activation_delay


def _accounts() -> dict[Address, GenesisAccount]:
    """A state of some size: plain accounts, contracts with the same and with other code, storage of 0 to 90 words."""
    plain = {Address(keccak256(b"plain %d" % n)[12:]): GenesisAccount(balance=n + 1) for n in range(60)}
    contracts = {
        Address(keccak256(b"contract %d" % n)[12:]): GenesisAccount(
            nonce=1, code=bytes([0x60, n % 7]), storage={slot: slot + n + 1 for slot in range(n % 10 * 10)}
        )
        for n in range(30)
    }
    return plain | contracts


@cache
def genesis() -> Genesis:
    return Genesis(
        parameters=PARAMETERS,
        chain_id=CHAIN_ID,
        gas_limit=32_000_000,
        timestamp=1_700_000_000,
        extra_data=validator_set_hash(0, addresses(FIRST_SET)),
        alloc={BEACON_ROOTS_ADDRESS: GenesisAccount(nonce=1, code=BEACON_ROOTS_CODE), **_accounts()},
    )


def rules() -> Rules:
    """The chain's rules, with this module's validators."""
    return Rules(genesis(), reference_engine(), Permissions(), validator_set_hash)


def open_ledger(path: Path) -> Ledger:
    """A real ledger on a real LevelDB."""
    return Ledger.open(path, genesis(), rules=rules())


def config(genesis_hash: Hash32) -> Config:
    """The protocol's parameters for this chain."""
    return Config(
        chain_id=CHAIN_ID,
        genesis_hash=genesis_hash,
        epoch_length=PARAMETERS.epoch_length,
        window=PARAMETERS.window,
        timeout_us=1_000_000,
        timeout_max_us=10_000_000,
        status_interval_us=1_000_000,
        age_limit_us=10_000_000,
        heartbeat_us=300_000_000,
        tolerance_s=5,
        strict_timestamps=False,
    )


def seal(ledger: Ledger, block: Block, *, view: int = 0, signers: Sequence[int] | None = None) -> CommitCertificate:
    """A certificate with real seals of a quorum of S(h), or of the validators with these indexes."""
    keys = sealers(block.number)
    epoch = epoch_of(block.number, PARAMETERS.epoch_length)
    place = domain(CHAIN_ID, ledger.genesis_hash, epoch, validator_set_hash(epoch, addresses(keys)))
    digest = seal_digest(place, view, block.number, block.hash)
    chosen = range(quorum_size(len(keys))) if signers is None else signers
    return make_commit_certificate(
        epoch, view, block.number, block.hash, {index: keys[index].sign(digest) for index in chosen}
    )


@dataclass(frozen=True)
class Extension:
    """A block that was committed, as it travels."""

    block: Block
    record: BlockRecord


def extend(ledger: Ledger, transactions: Sequence[Transaction] = ()) -> Extension:
    """Build the next block, seal it, commit it."""
    height = ledger.head.number + 1
    carried = ledger.chain.certificate(height - PARAMETERS.window) or b"" if height > PARAMETERS.window else b""
    named = CommitCertificate.decode(carried).hash() if carried else ZERO_HASH
    executed = ledger.build(
        timestamp=ledger.head.timestamp + 1,
        coinbase=sealers(height)[0].address,
        certificate_hash=Hash32(named),
        candidates=transactions,
        cpu_budget_s=1.0,
    ).executed
    certificate = seal(ledger, executed.block).encode()
    ledger.commit(executed, certificate=certificate, carried_certificate=carried, wal_lsn=0)
    return Extension(executed.block, BlockRecord(executed.block.rlp(), certificate, carried))


def with_header(block: Block, **changes: object) -> Block:
    """The block with other header fields."""
    return Block(replace(block.header, **changes), block.transactions)  # type: ignore[arg-type]


async def import_into(ledger: Ledger, proposal: Proposal, certificate: bytes) -> None:
    """What a node's engine does with a proved block: execute, compare, commit."""
    block = Block.decode(proposal.block)
    if block.number <= ledger.head.number:
        return
    executed = ledger.execute(block)
    ledger.commit(executed, certificate=certificate, carried_certificate=proposal.certificate, wal_lsn=0)
