"""Real chains with known keys: built on a ledger, sealed by their validators, and forged by whoever holds the keys.

Five banks with a validator each; four of them seal from the start, and at ``SET_CHANGE`` the first leaves and the
fifth enters (both sets stand in genesis, as if voted before). Epochs are short, so that their edges are crossed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from consensus.certificates import make_commit_certificate
from consensus.domain import domain, seal_digest
from consensus.validators import epoch_of, quorum_size, validator_set_hash
from contracts import addresses, bindings
from contracts import consortium as layout
from contracts import letter_of_credit as lc
from node.audit.export_file import write_export
from node.audit.source import SealedBlock
from node.chain.block import Block
from node.chain.genesis import Genesis, GenesisAccount
from node.chain.header import Header
from node.chain.parameters import Limits
from node.chain.transaction import Transaction
from node.execution import builder
from node.execution.genesis_alloc import AllocReader, ConsortiumSpec, make_genesis
from node.execution.ledger import Ledger
from node.execution.rules import GasCaps
from node.execution.transition import ExecutedBlock, Rules
from node.keys import PrivateKey, keccak256
from node.permissioning import validators_at
from node.types import Address, Hash32
from tests.contracts.calendars import YEARS
from tests.contracts.consortium_chain import bank_key, sample_member
from tests.execution.chain import created_address, sign

CHAIN_ID = 2_044
START = int(datetime(2026, 6, 1, 2, 0, tzinfo=UTC).timestamp())
"""A Monday, 10:00 in Hong Kong."""
EPOCH_LENGTH = 4
ACTIVATION_DELAY = 2
SET_CHANGE = 2 * EPOCH_LENGTH
BANKS = 5
GAS_LIMIT = 16_000_000
"""Half of it is one transaction's most (P-2, P-6), so that two greedy ones overfill a block."""
MEMBERS = tuple(sample_member(index) for index in range(BANKS))
DEVELOPER = bank_key(0, "developer")
STRANGER = bank_key(0, "stranger")
VALIDATOR_KEYS = {Address(key.address): key for key in (bank_key(index, "validator") for index in range(BANKS))}
"""By address; a test that votes new keys in adds them."""
FIRST_VALIDATORS = tuple(sorted(VALIDATOR_KEYS))
APPROVALS = b"\xa5" * 32
SPENDER = bytes.fromhex("60fe60005360016000f3")
"""Initcode of a contract whose only opcode is INVALID: a call of it spends all of its gas."""
CALLS_PAIRING = bytes.fromhex("5f5f5f5f60085afa00")
"""Initcode that asks the pairing precompile, and leaves an empty contract (P-6)."""


def genesis_of(
    *, strict: bool = False, code: Mapping[Address, bytes] | None = None, limits: Limits | None = None
) -> Genesis:
    """The consortium's genesis; ``code`` replaces or adds runtime code by address."""
    spec = ConsortiumSpec(
        chain_id=CHAIN_ID,
        timestamp=START,
        members=MEMBERS,
        developers=(Address(DEVELOPER.address),),
        calendars=YEARS,
        epoch_length=EPOCH_LENGTH,
        activation_delay=ACTIVATION_DELAY,
        strict_timestamps=strict,
        gas_limit=GAS_LIMIT,
    )
    made = make_genesis(spec)
    alloc = dict(made.alloc)
    for address, runtime in (code or {}).items():
        alloc[address] = replace(alloc.get(address, GenesisAccount(nonce=1)), code=runtime)
    everybody = FIRST_VALIDATORS
    consortium = Address(addresses.CONSORTIUM)
    alloc[consortium] = _with_sets(alloc[consortium], ((0, everybody[:4]), (SET_CHANGE, everybody[1:])))
    first = validators_at(AllocReader(alloc), 1)
    parameters = made.parameters if limits is None else replace(made.parameters, limits=limits)
    return replace(made, parameters=parameters, alloc=alloc, extra_data=validator_set_hash(1 // EPOCH_LENGTH, first))


def _with_sets(account: GenesisAccount, sets: Sequence[tuple[int, Sequence[Address]]]) -> GenesisAccount:
    """Consortium with this history of validator sets (layout: Consortium.sol)."""
    storage = dict(account.storage)
    base = layout.array_slot(layout.SLOT_VALIDATOR_SETS, keccak256)
    storage[layout.SLOT_VALIDATOR_SETS] = len(sets)
    for index, (height, members) in enumerate(sets):
        slot = base + index * layout.VALIDATOR_SET_WORDS
        list_slot = layout.array_slot(slot + 1, keccak256)
        old = storage.get(slot + 1, 0)
        words = {slot: height, slot + 1: len(members)}
        words |= {list_slot + i: int.from_bytes(member, "big") for i, member in enumerate(members)}
        words |= {list_slot + i: 0 for i in range(len(members), old)}
        storage |= words
    return replace(account, storage={slot: word for slot, word in storage.items() if word})


@dataclass(frozen=True)
class SealedChain:
    """A genesis and its blocks as an export holds them. The sets by height are what the chain's state holds."""

    genesis: Genesis
    genesis_hash: Hash32
    blocks: tuple[SealedBlock, ...]
    sets: tuple[tuple[Address, ...], ...]
    """S(1), S(2), ... one more than there are blocks."""
    credit: Address | None = None

    @property
    def height(self) -> int:
        return len(self.blocks)

    def header(self, height: int) -> Header:
        """The header at a height from 1."""
        return Block.decode(self.blocks[height - 1].block).header

    def write(self, path: Path, **options: Any) -> Path:
        """Export to ``path``."""
        write_export(path, self.genesis.document, self.blocks, **options)
        return path

    def seal(
        self,
        height: int,
        block_hash: Hash32,
        *,
        view: int = 0,
        signers: Sequence[int] | None = None,
        keys: Callable[[int, PrivateKey], PrivateKey] = lambda index, key: key,
        seal_view: Callable[[int], int] | None = None,
        epoch: int | None = None,
    ) -> bytes:
        """An encoded certificate by the set of ``height``; the options make it a bad one."""
        members = self.sets[height - 1]
        named = epoch_of(height, EPOCH_LENGTH) if epoch is None else epoch
        place = domain(CHAIN_ID, self.genesis_hash, named, validator_set_hash(named, members))
        chosen = range(quorum_size(len(members))) if signers is None else signers
        seals = {}
        for index in chosen:
            digest = seal_digest(place, view if seal_view is None else seal_view(index), height, block_hash)
            seals[index] = keys(index, VALIDATOR_KEYS[members[index]]).sign(digest)
        return make_commit_certificate(named, view, height, block_hash, seals).encode()

    def with_block(self, height: int, block: Block, **options: Any) -> SealedChain:
        """A copy with another block at ``height``; it and all later ones are re-linked and sealed again."""
        blocks = list(self.blocks)
        for at in range(height, len(blocks) + 1):
            listed = blocks[at - 1].validators
            if at > height:
                above = Block.decode(blocks[at - 1].block)
                links = {
                    "parent_hash": block.hash,
                    "parent_beacon_block_root": hashlib.sha256(blocks[at - 2].certificate).digest(),
                }
                block = Block(replace(above.header, **links), above.transactions)
            seal = self.seal(at, block.hash, **(options if at == height else {}))
            blocks[at - 1] = SealedBlock(block.rlp(), seal, listed)
        return replace(self, blocks=tuple(blocks))

    def with_header(self, height: int, **fields: Any) -> SealedChain:
        """A copy whose header at ``height`` says something else, re-hashed, re-linked and sealed again."""
        block = Block.decode(self.blocks[height - 1].block)
        return self.with_block(height, Block(replace(block.header, **fields), block.transactions))

    def with_sealed(self, height: int, **fields: Any) -> SealedChain:
        """A copy that serves another certificate, block or list at ``height``, and nothing else."""
        blocks = list(self.blocks)
        blocks[height - 1] = replace(blocks[height - 1], **fields)
        return replace(self, blocks=tuple(blocks))

    def cut(self, height: int) -> SealedChain:
        """The chain up to a height."""
        return replace(self, blocks=self.blocks[:height], sets=self.sets[: height + 1])

    def and_block(self, block: Block, **options: Any) -> SealedChain:
        """One more block, sealed, whatever it is worth."""
        height = self.height + 1
        sealed = SealedBlock(block.rlp(), self.seal(height, block.hash, **options), None)
        return replace(self, blocks=(*self.blocks, sealed))


class Chronicle:
    """A growing chain: each block is built, executed as a replica would, sealed and committed."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self.ledger = Ledger.open(path, genesis)
        self.chain = SealedChain(genesis, self.ledger.genesis_hash, (), (self.ledger.next_validators,))
        self._nonces: dict[Address, int] = {}

    def close(self) -> None:
        self.ledger.close()

    def transaction(self, key: PrivateKey, *, keep: bool = True, **fields: Any) -> Transaction:
        """Signed with the next nonce; ``keep`` False leaves the nonce to another transaction."""
        sender = Address(key.address)
        nonce = self._nonces.get(sender, 0)
        if keep:
            self._nonces[sender] = nonce + 1
        return sign(key.secret_bytes(), **{"chainId": CHAIN_ID, "nonce": nonce, "gas": 100_000, **fields})

    def act(self, bank: int, to: bytes, data: bytes) -> Transaction:
        """A bank's act from its business account."""
        return self.transaction(bank_key(bank), to=to, data=data, gas=4_000_000)

    def extend(
        self, transactions: Iterable[Transaction] = (), *, timestamp: int | None = None, view: int = 0
    ) -> ExecutedBlock:
        """One more final block, one second after its parent unless ``timestamp`` says otherwise."""
        given = list(transactions)
        built = self.build(given, timestamp=timestamp)
        assert len(built.block.transactions) == len(given), "a transaction was left out"
        executed = self.ledger.execute(Block.decode(built.block.rlp()))
        height, members = executed.block.number, self.chain.sets[-1]
        before = self.chain.sets[-2] if height > 1 else ()
        # Another quorum, and another view, now and then: any Q signers make a block final (P-10).
        signers = tuple(sorted((height + i) % len(members) for i in range(quorum_size(len(members)))))
        seal = self.chain.seal(height, executed.block.hash, view=view, signers=signers)
        self.ledger.commit(executed, certificate=seal, carried_certificate=self._carried(), wal_lsn=height)
        sealed = SealedBlock(executed.block.rlp(), seal, members if members != before else None)
        self.chain = replace(
            self.chain,
            blocks=(*self.chain.blocks, sealed),
            sets=(*self.chain.sets, executed.next_validators),
        )
        return executed

    def build(
        self,
        transactions: Iterable[Transaction] = (),
        *,
        timestamp: int | None = None,
        coinbase: Address | None = None,
        certificate_hash: Hash32 | None = None,
    ) -> ExecutedBlock:
        """A block on the head, not committed."""
        carried = self._carried()
        named = Hash32(hashlib.sha256(carried).digest()) if carried else Hash32(bytes(32))
        return self.ledger.build(
            timestamp=self.ledger.head.timestamp + 1 if timestamp is None else timestamp,
            coinbase=coinbase or self.chain.sets[-1][self.chain.height % len(self.chain.sets[-1])],
            certificate_hash=certificate_hash or named,
            candidates=list(transactions),
            cpu_budget_s=60.0,
        ).executed

    def forge(self, transactions: Iterable[Transaction] = (), **options: Any) -> Block:
        """A block by a proposer that keeps no rule but computes every result truly: nothing but the broken rule is
        wrong with it."""
        honest = self.ledger.rules
        parameters = replace(self.ledger.parameters, excluded_precompiles=(), limits=Limits())
        lawless = replace(honest.genesis, parameters=parameters)
        self.ledger.rules = Rules(lawless, honest.engine, _Anyone(honest), honest.validator_set_hash)
        given = list(transactions)
        with ExitStack() as stack:
            stack.callback(setattr, self.ledger, "rules", honest)
            caps = GasCaps(GAS_LIMIT, GAS_LIMIT)
            stack.enter_context(patch.object(builder.GasCaps, "of", lambda genesis: caps))
            stack.enter_context(patch.object(builder, "earliest_timestamp", lambda genesis, parent: 0))
            block = self.build(given, **options).block
        assert len(block.transactions) == len(given), "a transaction was left out"
        return block

    def _carried(self) -> bytes:
        return self.chain.blocks[-1].certificate if self.chain.blocks else b""


class _Anyone:
    """Lets everybody send and deploy; all else as the state has it."""

    def __init__(self, rules: Rules) -> None:
        self._true = rules.permissions

    def is_registered(self, state: Any, address: Address) -> bool:
        return True

    def may_deploy(self, state: Any, address: Address) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._true, name)


def tell_story(path: Path, *, genesis: Genesis | None = None, strict: bool = False) -> Chronicle:
    """Twelve blocks and more: transfers of every type, contracts, a credit with two presentations, a refusal and a
    correction, and empty blocks across three epoch edges."""
    made = genesis or genesis_of(strict=strict)
    chronicle = Chronicle(path, made)
    send, extend = chronicle.transaction, chronicle.extend
    friend = b"\x11" * 20
    extend()
    extend([send(DEVELOPER, to=friend, value=7), send(DEVELOPER, to=friend, value=1, gasPrice=0)], view=1)
    extend([send(DEVELOPER, data=SPENDER, gas=200_000)])
    greedy = spender_address()
    extend(
        [
            send(DEVELOPER, to=greedy, gas=50_000),
            send(DEVELOPER, to=friend, value=2, gasPrice=0, accessList=[]),
        ]
    )
    credit = issue(chronicle)
    chronicle.chain = replace(chronicle.chain, credit=credit)
    extend([chronicle.act(1, credit, lc.encode_advise(APPROVALS))], view=2)
    _present(chronicle, credit, timestamp=START + 86_400, previous=0)
    extend([chronicle.act(0, credit, lc.encode_refuse(0, 2, b"\xd1" * 32, lc.Disposal.HOLD, APPROVALS))])
    _present(chronicle, credit, timestamp=START + 4 * 86_400 + 8 * 3_600, previous=1)
    if not made.parameters.strict_timestamps:
        extend(timestamp=chronicle.ledger.head.timestamp)
    for _ in range(4):
        extend([send(DEVELOPER, to=friend, value=3)])
    return chronicle


def spender_address() -> Address:
    """Where the story's third transaction puts the contract that spends all gas."""
    return created_address(Address(DEVELOPER.address), 2)


def issue(chronicle: Chronicle, reference_hash: bytes = b"\x20" * 32, **changes: Any) -> Address:
    """A credit of the first bank, in a block of its own."""
    parties = lc.Parties(
        issuing_bank=MEMBERS[0].id,
        applicant=b"\xab" * 32,
        beneficiary=b"\xbe" * 32,
        advising_bank=MEMBERS[1].id,
        beneficiary_bank=MEMBERS[1].id,
        nominated_bank=MEMBERS[1].id,
        reference_hash=reference_hash,
        currency="USD",
        exponent=2,
    )
    terms = lc.Terms(
        amount=100_000_00,
        expiry_day=date(2026, 7, 1),  # a holiday in Hong Kong: 29(a) moves the expiry
        expiry_place="HKHKG",
        availability=lc.Availability.SIGHT,
        terms_hash=b"\x45" * 32,
        latest_shipment_day=date(2026, 6, 20),
    )
    data = issue_data(parties, terms, **changes)
    executed = chronicle.extend([chronicle.act(0, addresses.LETTER_OF_CREDIT_FACTORY, data)])
    (created,) = [
        event.args["credit"]
        for log in executed.receipts[0].logs
        if (event := bindings.decode_event(lc.FACTORY, log.topics, log.data)) is not None
        and event.name == "CreditCreated"
    ]
    return Address(bytes(created))


def issue_data(parties: lc.Parties, terms: lc.Terms, **changes: Any) -> bytes:
    """Call data of an issue; ``changes`` are raw words of the terms, which the bindings would not let pass."""
    _, values = bindings.decode_call(lc.FACTORY, lc.encode_issue(parties, terms, APPROVALS))
    values["terms"] |= changes
    return bindings.encode_call(lc.FACTORY, "issue", values)


def _present(chronicle: Chronicle, credit: Address, *, timestamp: int, previous: int) -> None:
    given = lc.PresentationInput(
        MEMBERS[0].id,
        60_000_00,
        (b"\xdc" * 32,),
        shipment_day=date(2026, 5, 28),
        transport_original=True,
        previous=previous,
    )
    act = chronicle.act(1, credit, lc.encode_present(given, APPROVALS))
    executed = chronicle.extend([act], timestamp=timestamp)
    assert executed.receipts[0].status == 1


class Served:
    """A chain as a source that needs no file, so that it can serve what no writer would write."""

    name = "served"

    def __init__(self, chain: SealedChain, *, document: dict[str, Any] | None = None) -> None:
        self._chain = chain
        self._document = document or chain.genesis.document

    def genesis(self) -> dict[str, Any]:
        return self._document

    def height(self) -> int:
        return self._chain.height

    def blocks(self, last: int | None = None) -> Iterator[SealedBlock]:
        return iter(self._chain.blocks[:last])

    def close(self) -> None:
        """Nothing is held."""
