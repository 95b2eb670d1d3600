"""W > 1: blocks executed on blocks that are not final yet (P-11), on a real LevelDB."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from node.chain.block import Block
from node.chain.transaction import Transaction
from node.errors import InvalidBlock
from node.execution.guard import ExecutionAbandoned
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.types import Address
from tests.execution.assembler import assemble, initcode
from tests.execution.chain import ADDRESSES, KEYS, build, created_address, make_genesis, open_ledger, sign

COUNTER = assemble(0, "SLOAD", 1, "ADD", 0, "SSTORE", "NUMBER", 1, "SWAP1", "SUB", "BLOCKHASH", "NUMBER", "SSTORE")
"""Counts its calls in slot 0, and stores the parent's hash in the slot of the block's number."""
DEPTH = 4


def _transactions(random: Random, nonces: dict[bytes, int], counter: Address, count: int) -> list[Transaction]:
    found = []
    for _ in range(count):
        key = random.choice(KEYS)
        target = random.choice([counter, *ADDRESSES, Address(random.randbytes(20))])
        found.append(sign(key, nonce=nonces[key], to=target, value=0 if target == counter else random.randrange(3)))
        nonces[key] += 1
    return found


def _commit(ledger: Ledger, executed: ExecutedBlock) -> None:
    ledger.commit(executed, certificate=b"certificate", carried_certificate=b"carried", wal_lsn=0)


@pytest.mark.parametrize("seed", range(4))
def test_a_stack_of_blocks_is_the_chain_that_it_becomes(seed: int, tmp_path: Path) -> None:
    """Blocks built and executed on each other before any is final have the roots, receipts and hashes of the same
    blocks executed one after the other; and the flat store equals the tries when they are committed."""
    random = Random(seed)
    genesis = make_genesis()
    stacked, plain = open_ledger(tmp_path / "stacked", genesis), open_ledger(tmp_path / "plain", genesis)
    nonces = dict.fromkeys(KEYS, 0)
    deploy = sign(KEYS[0], nonce=0, to=b"", data=initcode(COUNTER))
    nonces[KEYS[0]] = 1
    counter = created_address(ADDRESSES[0], 0)
    for _ in range(3):
        above: list[ExecutedBlock] = []
        for depth in range(random.randint(1, DEPTH)):
            transactions = _transactions(random, nonces, counter, random.randrange(6))
            if stacked.head.number == 0 and depth == 0:
                transactions = [deploy, *(one for one in transactions if one.sender != ADDRESSES[0])]
                nonces[KEYS[0]] = 1
            time = stacked.head.timestamp + 1 + depth
            built = build(stacked, transactions, above=above, timestamp=time)
            assert len(built.executed.block.transactions) == len(transactions)
            above.append(stacked.execute(Block.decode(built.executed.block.rlp()), above=above))
            assert above[-1].state_update.root == built.executed.state_update.root
        for executed in above:
            again = plain.execute(executed.block)
            assert again.receipts == executed.receipts
            assert sorted(again.state_update.operations) == sorted(executed.state_update.operations)
            _commit(plain, again)
            _commit(stacked, executed)
    assert stacked.state.check_flat_equals_tries() == plain.state.check_flat_equals_tries()
    number = stacked.head.number
    parent = stacked.head.parent_hash
    assert stacked.state.head().storage(counter, number) in (0, int.from_bytes(parent, "big"))
    stacked.close()
    plain.close()


def test_nothing_of_a_block_in_flight_is_seen_or_written(tmp_path: Path) -> None:
    """Readers of the head, and the database itself, know nothing of executed blocks that are not final."""
    ledger = open_ledger(tmp_path, make_genesis())
    before = list(ledger.state._kv.iterate(b""))
    first = build(ledger, [sign(nonce=0, to=ADDRESSES[1], value=5)]).executed
    build(ledger, [sign(nonce=1, to=ADDRESSES[1], value=5)], above=[first], timestamp=first.block.header.timestamp + 1)
    assert list(ledger.state._kv.iterate(b"")) == before
    account = ledger.state.head().account(ADDRESSES[0])
    assert account is not None
    assert account.nonce == 0
    ledger.close()


def test_execution_stands_while_the_head_moves_along_the_stack(tmp_path: Path) -> None:
    """A parent that becomes final during the execution of its child spoils nothing; another block does."""
    ledger = open_ledger(tmp_path, make_genesis())
    first = build(ledger, [sign(nonce=0, to=ADDRESSES[1], value=5)]).executed
    rival = build(ledger, [], timestamp=ledger.head.timestamp + 9).executed
    later = first.block.header.timestamp + 1
    candidate = sign(nonce=1, to=ADDRESSES[1], value=5)

    def meanwhile(executed: ExecutedBlock) -> list[Transaction]:
        class Candidates(list[Transaction]):
            def __iter__(self):  # type: ignore[no-untyped-def]
                _commit(ledger, executed)
                return super().__iter__()

        return Candidates([candidate])

    second = ledger.build(
        timestamp=later,
        coinbase=first.block.header.coinbase,
        certificate_hash=first.block.header.parent_beacon_block_root,
        candidates=meanwhile(first),
        cpu_budget_s=10.0,
        above=[first],
    ).executed
    assert [one.hash for one in second.block.transactions] == [candidate.hash]
    _commit(ledger, second)
    ledger.close()

    ledger = open_ledger(tmp_path / "other", make_genesis())
    with pytest.raises(ExecutionAbandoned):
        ledger.build(
            timestamp=later,
            coinbase=first.block.header.coinbase,
            certificate_hash=first.block.header.parent_beacon_block_root,
            candidates=meanwhile(rival),
            cpu_budget_s=10.0,
            above=[first],
        )
    ledger.close()


def test_a_stack_that_does_not_follow_the_head_says_nothing_of_the_block(tmp_path: Path) -> None:
    """Neither valid nor invalid: the blocks in flight are not those of this head."""
    ledger = open_ledger(tmp_path, make_genesis())
    first = build(ledger, []).executed
    second = build(ledger, [], above=[first], timestamp=first.block.header.timestamp + 1).executed
    with pytest.raises(ExecutionAbandoned):
        ledger.execute(second.block, above=[second])
    with pytest.raises(InvalidBlock):  # without its parent it is simply no child of the head
        ledger.execute(second.block)
    _commit(ledger, build(ledger, [], timestamp=ledger.head.timestamp + 5).executed)
    with pytest.raises(ExecutionAbandoned):
        ledger.execute(second.block, above=[first])
    ledger.close()
