"""Each rule that a block can break, broken alone (P-1 to P-6, P-11, P-12)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.chain.block import Block
from node.chain.genesis import GenesisAccount
from node.chain.transaction import Transaction
from node.errors import InvalidBlock
from node.execution.ledger import Ledger
from node.types import Address
from tests.execution.assembler import assemble, call_to, initcode
from tests.execution.chain import ADDRESSES, GAS_LIMIT, KEYS, OpenPermissions, build, make_genesis, open_ledger, sign

REACHER = Address(b"\x73" * 20)
CATCHER = Address(b"\x74" * 20)
STRANGER = ADDRESSES[2]
PLAIN = ADDRESSES[1]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    reach = call_to("STATICCALL", bytes(19) + b"\x07", gas=0) + assemble(0, 0, "REVERT")
    genesis = make_genesis(
        {
            REACHER: GenesisAccount(nonce=1, code=reach),
            CATCHER: GenesisAccount(nonce=1, code=call_to("CALL", REACHER) + assemble(1, 0, "SSTORE")),
        }
    )
    permissions = OpenPermissions(strangers=[STRANGER], no_deployers=[PLAIN])
    return open_ledger(tmp_path, genesis, permissions)


def refused(ledger: Ledger, block: Block) -> str:
    """The rule that refuses the block."""
    with pytest.raises(InvalidBlock) as caught:
        ledger.execute(Block.decode(block.rlp()))
    return f"{caught.value.rule} {caught.value.found}"


HEADERS: list[tuple[str, dict[str, Any]]] = [
    ("P-1", {"number": 2}),
    ("P-1", {"parent_hash": b"\x01" * 32}),
    ("P-1", {"ommers_hash": b"\x01" * 32}),
    ("P-1", {"difficulty": 1}),
    ("P-1", {"nonce": b"\x00" * 7 + b"\x01"}),
    ("P-1", {"prev_randao": b"\x01" * 32}),
    ("P-1", {"withdrawals_root": b"\x01" * 32}),
    ("P-1", {"blob_gas_used": 1}),
    ("P-1", {"excess_blob_gas": 1}),
    ("P-1", {"gas_limit": GAS_LIMIT + 1}),
    ("P-1", {"state_root": b"\x01" * 32}),
    ("P-1", {"transactions_root": b"\x01" * 32}),
    ("P-1", {"receipts_root": b"\x01" * 32}),
    ("P-1", {"logs_bloom": b"\x01" * 256}),
    ("P-1", {"gas_used": 20_999}),
    ("P-2", {"gas_used": GAS_LIMIT // 2 + 1}),
    ("P-2", {"base_fee_per_gas": 1}),
    ("P-4", {"timestamp": 1_700_000_000}),
    ("P-5", {"coinbase": b"\x99" * 20}),
    ("P-12", {"extra_data": b"\x01" * 32}),
]


@pytest.mark.parametrize(("rule", "change"), HEADERS, ids=[next(iter(change)) for _, change in HEADERS])
def test_each_header_field_is_held(ledger: Ledger, rule: str, change: dict[str, Any]) -> None:
    """A block with one wrong header field is refused by that field's rule."""
    block = build(ledger, [sign(to=PLAIN, value=1)]).executed.block
    assert refused(ledger, replace(block, header=replace(block.header, **change))).startswith(rule + " ")


TRANSACTIONS: list[tuple[str, Transaction]] = [
    ("wrong_chain_id", sign(to=PLAIN, chainId=1)),
    ("gas_too_high", sign(to=PLAIN, gas=8_000_001)),
    ("intrinsic_gas", sign(to=PLAIN, gas=20_999)),
    ("intrinsic_gas", sign(data=b"\x00" * 320, gas=21_000 + 32_000 + 4 * 320 + 19)),
    ("initcode_too_large", sign(data=b"\x00" * 49_153, gas=8_000_000)),
    ("tx_too_large", sign(to=PLAIN, data=b"\x00" * 131_072, gas=8_000_000)),
    ("unknown_sender", sign(KEYS[2], to=PLAIN)),
    ("not_deployer", sign(KEYS[1], data=initcode(b"\x00"))),
    ("nonce_gap", sign(to=PLAIN, nonce=1)),
    ("insufficient_funds", sign(to=PLAIN, value=10**22)),
    ("precompile", sign(to=Address(bytes(19) + b"\x0a"))),
    ("precompile", sign(to=REACHER)),
    ("precompile", sign(to=CATCHER)),
]


@pytest.mark.parametrize(("reason", "transaction"), TRANSACTIONS, ids=[reason for reason, _ in TRANSACTIONS])
def test_each_transaction_rule_makes_the_block_invalid(ledger: Ledger, reason: str, transaction: Transaction) -> None:
    """A block that holds a transaction that P-6 forbids is refused, with the reason."""
    block = replace(build(ledger).executed.block, transactions=(transaction,))
    assert refused(ledger, block) == f"P-6 {reason}"


@pytest.mark.parametrize(("reason", "transaction"), TRANSACTIONS, ids=[reason for reason, _ in TRANSACTIONS])
def test_the_builder_includes_none_of_them(ledger: Ledger, reason: str, transaction: Transaction) -> None:
    """The builder leaves each of them out, and its block is what it would be without it."""
    good = sign(KEYS[3], to=PLAIN, value=1)
    built = build(ledger, [transaction, good])
    assert built.executed.block == build(ledger, [good]).executed.block
    evicted = [why for _, why in built.evicted]
    waits = reason in ("nonce_gap", "insufficient_funds")
    expected = {"precompile": "excluded_precompile_7", "gas_too_high": "gas_too_high"}.get(reason, reason)
    if transaction.to == Address(bytes(19) + b"\x0a"):
        expected = "excluded_precompile_10"
    assert evicted == ([] if waits else [expected])


def test_a_nonce_below_the_account_is_refused(ledger: Ledger) -> None:
    """The same transaction twice in one block is invalid; the builder evicts the second."""
    transaction = sign(to=PLAIN)
    built = build(ledger, [transaction, transaction])
    assert [why for _, why in built.evicted] == ["nonce_too_low"]
    block = built.executed.block
    assert refused(ledger, replace(block, transactions=(transaction, transaction))) == "P-6 nonce_too_low"
