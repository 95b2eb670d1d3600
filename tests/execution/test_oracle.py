"""Our engine and state layer against stock py-evm with its own state, tries and validation."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from node.chain.genesis import GenesisAccount
from node.types import Hash32
from tests.execution.assembler import assemble, initcode
from tests.execution.chain import (
    ADDRESSES,
    VALIDATORS,
    created_address,
    extend,
    make_genesis,
    open_ledger,
    sign,
    stock_chain,
    stock_import,
    stock_receipts,
)
from tests.execution.programs import PROGRAMS, Writer

SEEDS = range(40)
BLOCKS = 3
TRANSACTIONS = 5
REFUSED = {"insufficient_funds", "intrinsic_gas"}


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_blocks_have_the_oracles_hashes(seed: int, tmp_path: Path) -> None:
    """Random programs that call and create each other give the hashes and receipts that stock py-evm computes."""
    writer = Writer(Random(seed))
    alloc = {
        address: GenesisAccount(nonce=1, balance=5, code=writer.program(rank), storage={0: 7, 1: 1})
        for rank, address in enumerate(PROGRAMS)
    }
    genesis = make_genesis(alloc)
    oracle = stock_chain(genesis)
    ledger = open_ledger(tmp_path / "chain", genesis)
    for _ in range(BLOCKS):
        nonces = [ledger.state.head().account(address).nonce for address in ADDRESSES[:2]]
        batch = []
        for _ in range(TRANSACTIONS):
            sender = writer.random.randrange(2)
            batch.append(writer.transaction(sender, nonces[sender]))
            nonces[sender] += 1
        built = extend(ledger, batch)
        assert {reason for _, reason in built.evicted} <= REFUSED
        block = built.executed.block
        imported = stock_import(oracle, block)
        assert imported.hash == block.hash == ledger.head_hash
        assert stock_receipts(oracle, imported) == [receipt.encode() for receipt in built.executed.receipts]
    ledger.state.check_flat_equals_tries()
    ledger.close()


def test_a_chain_of_blocks_imports_into_stock_py_evm(tmp_path: Path) -> None:
    """Strict timestamps: stock py-evm, validating as it does, imports block after block with equal hashes."""
    genesis = make_genesis()
    oracle = stock_chain(genesis)
    ledger = open_ledger(tmp_path / "chain", genesis)
    assert oracle.get_canonical_block_header_by_number(0).hash == ledger.genesis_hash
    counter = assemble(0, "SLOAD", 1, "ADD", "DUP1", 0, "SSTORE", 0, "MSTORE", 1, 32, 0, "LOG1")
    for height, batch in enumerate([[sign(nonce=0, data=initcode(counter))], [], []]):
        root = Hash32(bytes([height + 1]) * 32)
        block = extend(ledger, batch, certificate_hash=root).executed.block
        assert stock_import(oracle, block).hash == block.hash == ledger.head_hash
    deployed = created_address(ADDRESSES[0], 0)
    for nonce in range(1, 6):
        block = extend(ledger, [sign(nonce=nonce, to=deployed)], coinbase=VALIDATORS[nonce % 4]).executed.block
        assert stock_import(oracle, block).hash == block.hash
    assert ledger.state.head().storage(deployed, 0) == 5
    ledger.state.check_flat_equals_tries()
