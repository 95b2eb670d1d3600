"""Each rule of the chain has a doctored copy, sealed again with the real keys, that only this rule finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import rlp

from contracts import addresses, bindings
from node.audit.replay import replay_chain
from node.audit.report import Finding
from node.chain.block import Block, transactions_root
from node.chain.parameters import Limits
from node.keys import PrivateKey
from node.keys.secp256k1 import CURVE_ORDER
from node.types import Address, Hash32
from tests.audit.sealed_chain import (
    CALLS_PAIRING,
    DEVELOPER,
    FIRST_VALIDATORS,
    SET_CHANGE,
    SPENDER,
    STRANGER,
    VALIDATOR_KEYS,
    Chronicle,
    SealedChain,
    Served,
    genesis_of,
    spender_address,
    tell_story,
)
from tests.contracts.consortium_chain import bank_key

FRIEND = b"\x11" * 20
JUNK = Hash32(b"\x5a" * 32)
MIDDLE = 6
"""A height with blocks of both sides, and a transaction."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chronicle]:
    """The honest chain, its ledger open for one block more."""
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain")
    yield chronicle
    chronicle.close()


def finding(chain: SealedChain, **options: Any) -> Finding:
    """What a replay of a false chain finds; the blocks before it were found true."""
    outcome = replay_chain(Served(chain), **options)
    assert outcome.finding is not None, "the copy was found true"
    assert outcome.blocks == (outcome.finding.height or 1) - 1
    return outcome.finding


def where(found: Finding) -> tuple[int, int | None, str, str | None]:
    return (found.check, found.height, found.rule, found.field)


def test_the_honest_chain_is_true(story: Chronicle) -> None:
    """Everything holds, and what was checked is counted: two validator sets, five stored deadlines."""
    outcome = replay_chain(Served(story.chain))
    assert outcome.finding is None and outcome.holds
    assert (outcome.blocks, outcome.validator_sets, outcome.deadlines) == (story.chain.height, 2, 5)
    assert outcome.seals == 3 * story.chain.height
    assert outcome.head_hash == "0x" + story.ledger.head_hash.hex()
    assert outcome.notes == []


def test_any_quorum_and_any_view_make_the_last_block_final(story: Chronicle) -> None:
    """The tip's certificate is not yet named by a header: another good one is as good (P-10, P-11)."""
    height = story.chain.height
    block_hash = story.chain.header(height).hash
    for options in ({"signers": (0, 1, 3)}, {"signers": (0, 1, 2, 3)}, {"view": 9}):
        other = story.chain.seal(height, block_hash, **options)
        assert replay_chain(Served(story.chain.with_sealed(height, certificate=other))).holds


# --- header fields ----------------------------------------------------------------------------------------

HEADER_FIELDS: dict[str, tuple[Any, str, int]] = {
    "ommers_hash": (JUNK, "P-1", 6),
    "difficulty": (1, "P-1", 6),
    "prev_randao": (JUNK, "P-1", 6),
    "nonce": (bytes(7) + b"\x01", "P-1", 6),
    "base_fee_per_gas": (1, "P-2", 6),
    "withdrawals_root": (JUNK, "P-1", 6),
    "blob_gas_used": (131_072, "P-1", 6),
    "excess_blob_gas": (1, "P-1", 6),
    "gas_limit": (16_000_001, "P-1", 6),
    "gas_used": (100_001, "P-1", 6),
    "state_root": (JUNK, "P-1", 6),
    "transactions_root": (JUNK, "P-1", 6),
    "receipts_root": (JUNK, "P-1", 6),
    "logs_bloom": (b"\x01" + bytes(255), "P-1", 6),
    "extra_data": (JUNK, "P-12", 6),
    "parent_hash": (JUNK, "P-1", 2),
    "number": (99, "P-1", 2),
}
"""Field -> a false value, the rule that finds it, the check."""


@pytest.mark.parametrize("at", ["middle", "tip"])
@pytest.mark.parametrize("field", HEADER_FIELDS)
def test_a_false_header_field_is_named(story: Chronicle, field: str, at: str) -> None:
    """One field differs; the copy is re-hashed, re-linked and sealed again."""
    value, rule, check = HEADER_FIELDS[field]
    height = MIDDLE if at == "middle" else story.chain.height
    found = finding(story.chain.with_header(height, **{field: value}))
    assert where(found) == (check, height, rule, field)
    assert found.expected is not None and found.found is not None and found.expected != found.found


def test_a_root_of_an_epoch_edge_is_checked(story: Chronicle) -> None:
    """The block before a set change hashes the new set: the hash of the old one is found false (P-12)."""
    before_edge = SET_CHANGE - 1
    old = story.chain.header(before_edge - 1).extra_data
    found = finding(story.chain.with_header(before_edge, extra_data=old))
    assert where(found) == (6, before_edge, "P-12", "extra_data")


# --- what a lawless proposer does, with every result computed truly ---------------------------------------


@dataclass(frozen=True)
class Lawless:
    """One block more on the honest chain; its results are true, so the broken rule alone can find it."""

    rule: str
    field: str
    forge: Callable[[Chronicle], Block]
    check: int = 6


def _send(story: Chronicle, key: PrivateKey, **fields: Any) -> Any:
    return story.transaction(key, keep=False, **fields)


def _greedy_pair(story: Chronicle) -> Block:
    first = _send(story, DEVELOPER, to=spender_address(), gas=5_000_000)
    second = _send(story, DEVELOPER, to=spender_address(), gas=5_000_000, nonce=first.nonce + 1)
    return story.forge([first, second])


LAWLESS = {
    "gas above half of the limit": Lawless("P-2", "gas_used", _greedy_pair),
    "time before the parent's": Lawless(
        "P-4", "timestamp", lambda story: story.forge(timestamp=story.ledger.head.timestamp - 1)
    ),
    "coinbase is a stranger": Lawless("P-5", "coinbase", lambda story: story.forge(coinbase=Address(STRANGER.address))),
    "coinbase has left the set": Lawless("P-5", "coinbase", lambda story: story.forge(coinbase=story.chain.sets[0][0])),
    "unregistered sender": Lawless(
        "P-6", "transactions[0]", lambda story: story.forge([_send(story, STRANGER, to=FRIEND)])
    ),
    "creation without the deployer role": Lawless(
        "P-6", "transactions[0]", lambda story: story.forge([_send(story, bank_key(2), data=SPENDER)])
    ),
    "gas above maxTxGas": Lawless(
        "P-6", "transactions[0]", lambda story: story.forge([_send(story, DEVELOPER, to=FRIEND, gas=8_000_001)])
    ),
    "excluded precompile called from outside": Lawless(
        "P-6", "transactions[0]", lambda story: story.forge([_send(story, DEVELOPER, to=bytes(19) + b"\x08")])
    ),
    "excluded precompile called from within": Lawless(
        "P-6", "transactions[0]", lambda story: story.forge([_send(story, DEVELOPER, data=CALLS_PAIRING)])
    ),
    "names no certificate": Lawless(
        "P-11", "parent_beacon_block_root", lambda story: story.forge(certificate_hash=JUNK), check=3
    ),
}


@pytest.mark.parametrize("name", LAWLESS)
def test_a_lawless_block_is_found_by_the_rule_it_breaks(story: Chronicle, name: str) -> None:
    """Nothing else is wrong with it: roots, gas and bloom are what re-execution gives."""
    case = LAWLESS[name]
    found = finding(story.chain.and_block(case.forge(story)))
    assert where(found) == (case.check, story.chain.height + 1, case.rule, case.field)


def test_the_lawless_proposer_without_a_crime_is_honest(story: Chronicle) -> None:
    """The forger's own tools add no fault: a lawful block from it is found true."""
    block = story.forge([_send(story, DEVELOPER, to=FRIEND, value=1)])
    assert replay_chain(Served(story.chain.and_block(block))).holds


def test_strict_time_is_a_rule_of_the_genesis(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With strict timestamps the parent's own second is too early (P-4)."""
    strict = tell_story(tmp_path_factory.mktemp("strict") / "chain", strict=True)
    assert replay_chain(Served(strict.chain)).holds
    forged = strict.chain.and_block(strict.forge(timestamp=strict.ledger.head.timestamp))
    strict.close()
    assert where(finding(forged)) == (6, forged.height, "P-4", "timestamp")


def test_limits_of_genesis_bind_blocks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """More transactions than genesis allows (P-3)."""
    chronicle = Chronicle(tmp_path_factory.mktemp("limits") / "chain", genesis_of(limits=Limits(txs_max=2)))
    chronicle.extend()
    block = chronicle.forge([chronicle.transaction(DEVELOPER, to=FRIEND) for _ in range(3)])
    chronicle.close()
    found = finding(chronicle.chain.and_block(block))
    assert (found.check, found.height, found.rule) == (6, 2, "P-3")
    assert (found.expected, found.found) == (2, 3)


# --- the body ---------------------------------------------------------------------------------------------


def test_a_transaction_twice_is_found(story: Chronicle) -> None:
    """Root and header are of the doubled list; the nonce is used (P-6)."""
    block = Block.decode(story.chain.blocks[MIDDLE - 1].block)
    twice = block.transactions * 2
    header = replace(block.header, transactions_root=transactions_root(twice))
    found = finding(story.chain.with_block(MIDDLE, Block(header, twice)))
    assert where(found) == (6, MIDDLE, "P-6", "transactions[1]")
    assert "nonce" in found.message


def test_a_body_of_another_shape_is_found(story: Chronicle) -> None:
    """Ommers, withdrawals, missing items, trailing bytes, nothing at all: the block does not decode (P-1)."""
    header, transactions, ommers, withdrawals = rlp.decode(story.chain.blocks[MIDDLE - 1].block)
    bodies = [
        rlp.encode([header, transactions, [header], withdrawals]),
        rlp.encode([header, transactions, ommers, [b""]]),
        rlp.encode([header, transactions, ommers]),
        rlp.encode([header[:-1], transactions, ommers, withdrawals]),
        story.chain.blocks[MIDDLE - 1].block + b"\x00",
        b"",
        b"\xc0",
    ]
    for body in bodies:
        assert where(finding(story.chain.with_sealed(MIDDLE, block=body)))[:3] == (2, MIDDLE, "P-1")


def test_a_blob_transaction_is_found(story: Chronicle) -> None:
    """Type 3 is refused by name (P-6)."""
    header, _, ommers, withdrawals = rlp.decode(story.chain.blocks[MIDDLE - 1].block)
    body = rlp.encode([header, [b"\x03" + rlp.encode([b""] * 14)], ommers, withdrawals])
    found = finding(story.chain.with_sealed(MIDDLE, block=body))
    assert where(found) == (2, MIDDLE, "P-6", "transactions[0]") and found.found == "blob"


# --- certificates -----------------------------------------------------------------------------------------


def _malleable(certificate: bytes) -> bytes:
    """The last seal with N - s and the other v: as valid a curve point, and refused (P-10)."""
    r, s, v = certificate[-65:-33], int.from_bytes(certificate[-33:-1], "big"), certificate[-1]
    return certificate[:-65] + r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([1 - v])


BAD_SEALS: dict[str, dict[str, Any]] = {
    "one seal less than a quorum": {"signers": (0, 1)},
    "no seal": {"signers": ()},
    "a seal by no member": {"keys": lambda index, key: STRANGER if index == 1 else key},
    "one validator's seal twice": {"keys": lambda index, key: VALIDATOR_KEYS[FIRST_VALIDATORS[1]]},
    "seals of two views": {"seal_view": lambda index: index % 2},
    "all seals of another view": {"seal_view": lambda index: 1},
    "another epoch": {"epoch": 7},
    "one bad seal beside a quorum": {
        "signers": (0, 1, 2, 3),
        "keys": lambda index, key: STRANGER if index == 3 else key,
    },
}


@pytest.mark.parametrize("at", ["middle", "tip"])
@pytest.mark.parametrize("name", BAD_SEALS)
def test_a_bad_certificate_is_found(story: Chronicle, name: str, at: str) -> None:
    """Later headers name the bad certificate, so that only its own verification can find it (P-10)."""
    height = MIDDLE if at == "middle" else story.chain.height
    block = Block.decode(story.chain.blocks[height - 1].block)
    found = finding(story.chain.with_block(height, block, **BAD_SEALS[name]))
    assert where(found) == (4, height, "P-10", "seals")


GARBLED: dict[str, Callable[[bytes], bytes]] = {
    "missing": lambda good: b"",
    "cut": lambda good: good[:-1],
    "longer": lambda good: good + b"\x00",
    "another version": lambda good: b"\x02" + good[1:],
    "a seal of garbage": lambda good: good[:-65] + b"\xff" * 65,
    "a seal of zeros": lambda good: good[:-65] + bytes(65),
    "a malleable seal": _malleable,
    "v of 27": lambda good: good[:-1] + bytes([good[-1] + 27]),
    "a seal of nobody's index": lambda good: good[:88] + bytes([good[88] & 0b11 | 0b10000]) + good[89:],
    "an earlier block's": lambda good: good,
}


@pytest.mark.parametrize("name", GARBLED)
def test_the_last_blocks_certificate_counts_too(story: Chronicle, name: str) -> None:
    """No later header speaks for it: its seals alone make the tip final (P-10)."""
    height = story.chain.height
    good = story.chain.seal(height, story.chain.header(height).hash)
    if name == "an earlier block's":
        good = story.chain.blocks[height - 2].certificate
    found = finding(story.chain.with_sealed(height, certificate=GARBLED[name](good)))
    assert (found.check, found.height, found.rule) == (4, height, "P-10")


def test_the_set_that_has_left_seals_no_more(story: Chronicle) -> None:
    """From the epoch edge on only the new set counts (P-12)."""
    old = replace(story.chain, sets=(story.chain.sets[0],) * len(story.chain.sets))
    block = Block.decode(story.chain.blocks[SET_CHANGE - 1].block)
    found = finding(old.with_block(SET_CHANGE, block))
    assert where(found) == (4, SET_CHANGE, "P-10", "seals")


def test_another_good_certificate_than_the_named_one_is_found(story: Chronicle) -> None:
    """A quorum sealed it, but the next header made another certificate canonical (P-11)."""
    other = story.chain.seal(MIDDLE, story.chain.header(MIDDLE).hash, signers=(0, 1, 2, 3))
    found = finding(story.chain.with_sealed(MIDDLE, certificate=other))
    assert where(found) == (3, MIDDLE + 1, "P-11", "parent_beacon_block_root")


# --- listed sets ------------------------------------------------------------------------------------------


def test_a_false_list_of_validators_is_found(story: Chronicle) -> None:
    """A set is listed where it changes, as the state holds it, and nowhere else (P-12)."""
    first, second = story.chain.sets[0], story.chain.sets[SET_CHANGE - 1]
    assert first != second
    for height, listed in (
        (1, second),
        (1, None),
        (1, tuple(reversed(first))),
        (SET_CHANGE, first),
        (SET_CHANGE, None),
        (SET_CHANGE - 1, first),
        (SET_CHANGE + 1, second),
    ):
        found = finding(story.chain.with_sealed(height, validators=listed))
        assert where(found) == (5, height, "P-12", "validators")


# --- genesis ----------------------------------------------------------------------------------------------


def _edited(chain: SealedChain, *path: str, value: Any) -> Served:
    """The chain under a genesis document with one other value."""
    document = dict(chain.genesis.document)
    place = document
    for key in path[:-1]:
        place[key] = dict(place[key])
        place = place[key]
    place[path[-1]] = value
    return Served(chain, document=document)


ALTERED: dict[str, tuple[tuple[str, ...], Any, tuple[int | None, str, str | None]]] = {
    "another epoch length": (("config", "pbft", "epochLength"), 5, (None, "P-3", "config.pbft.epochLength")),
    "another set": (("extraData",), "0x" + "5a" * 32, (None, "P-3", "extraData")),
    "a field that is none": (("config", "pbft", "bribe"), 1, (None, "P-3", "config.pbft.bribe")),
    "another difficulty": (("difficulty",), "0x1", (None, "P-3", "difficulty")),
    "a wide window": (("config", "pbft", "window"), 5, (None, "P-3", "config.pbft.window")),
    "an empty account": (("alloc", "0x" + "77" * 20), {}, (None, "P-3", "alloc.0x" + "77" * 20)),
    "a richer stranger": (("alloc", "0x" + "77" * 20), {"balance": "0x1"}, (1, "P-1", "parent_hash")),
    "another start": (("timestamp",), "0x1", (1, "P-1", "parent_hash")),
    "another chain id": (("config", "chainId"), 1, (1, "P-10", "seals")),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_genesis_is_found(story: Chronicle, name: str) -> None:
    """By itself where it contradicts itself (P-3), else by the first block, which was made on another."""
    path, value, expected = ALTERED[name]
    found = replay_chain(_edited(story.chain, *path, value=value)).finding
    assert found is not None and (found.height, found.rule, found.field) == expected


def test_a_known_genesis_is_demanded(story: Chronicle) -> None:
    """Hash and digest that the auditor brings; the digest also binds the timers, which no block shows (P-3)."""
    honest = replay_chain(Served(story.chain))
    assert honest.genesis_hash and honest.genesis_digest
    known = {"expected_genesis_hash": honest.genesis_hash, "expected_genesis_digest": honest.genesis_digest}
    assert replay_chain(Served(story.chain), **known).holds
    found = finding(story.chain, expected_genesis_hash="0x" + "00" * 32)
    assert where(found) == (1, None, "P-3", "genesis_hash")
    slower = replay_chain(_edited(story.chain, "config", "pbft", "timeoutMs", value=2_001), **known).finding
    assert slower is not None and where(slower) == (1, None, "P-3", "genesis_digest")


# --- stored deadlines -------------------------------------------------------------------------------------


def crooked_calendar(function: str, argument: int, shift: int) -> dict[Address, bytes]:
    """A calendar that adds ``shift`` to an argument of one function, and answers truly otherwise."""
    real = Address((0x2002).to_bytes(20, "big"))
    offset = bytes([4 + 32 * argument])
    code = (
        b"\x36\x5f\x5f\x37"  # the call data into memory
        + (b"\x5f\x35\x60\xe0\x1c\x63" + bindings.selector("BankingCalendar", function) + b"\x14")  # this function?
        + (b"\x62" + shift.to_bytes(3, "big") + b"\x02")  # then the shift, else 0
        + (b"\x60" + offset + b"\x51\x01\x60" + offset + b"\x52")  # onto the argument
        + (b"\x5f\x5f\x36\x5f\x73" + real + b"\x5a\xf4")  # the true code, on this storage
        + b"\x3d\x5f\x5f\x3e\x60"
    )
    jump = len(code) + 5
    code += bytes([jump]) + b"\x57\x3d\x5f\xfd" + b"\x5b\x3d\x5f\xf3"
    genuine = genesis_of().alloc[Address(addresses.BANKING_CALENDAR)].code
    return {Address(addresses.BANKING_CALENDAR): code, real: genuine}


CROOKED = {
    "six days for five": (("addBankingDays", 2, 1), 7, "UCP 14(b)", "deadline"),
    "a later day of receipt": (("bankingDayOf", 1, 86_400), 7, "UCP 33", "dayZero"),
    "a day more after shipment": (("bankingDayFrom", 1, 1), 7, "UCP 14(c)", "lastPresentationAt"),
    "a later expiry": (("bankingDayFrom", 1, 2), 5, "UCP 29(a)", "expiresAt"),
}


@pytest.mark.parametrize("name", CROOKED)
def test_a_deadline_that_the_calendar_does_not_give_is_found(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every bank ran the crooked contract alike, so all roots and seals are true: check 7 alone finds it."""
    patch, height, rule, field = CROOKED[name]
    crooked = genesis_of(code=crooked_calendar(*patch))
    chronicle = tell_story(tmp_path_factory.mktemp("crooked") / "chain", genesis=crooked)
    chronicle.close()
    outcome = replay_chain(Served(chronicle.chain))
    assert outcome.finding is not None
    assert where(outcome.finding) == (7, height, rule, field)
    assert outcome.finding.expected < outcome.finding.found
    assert any("BankingCalendar" in note for note in outcome.notes)
