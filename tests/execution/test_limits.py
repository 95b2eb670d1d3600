"""Bounds of blocks and of genesis (P-2, P-3, P-12), and the moment at which permissions are read (P-6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from node.chain.block import Block
from node.chain.genesis import GenesisAccount
from node.chain.parameters import Limits
from node.errors import ConfigError, InvalidBlock
from node.types import Address, StateReader
from tests.execution.chain import (
    ADDRESSES,
    GAS_LIMIT,
    KEYS,
    PARAMETERS,
    OpenPermissions,
    build,
    extend,
    make_genesis,
    open_ledger,
    sign,
)

BURNER = Address(b"\x01" + b"\x66" * 19)
BURNER_CODE = bytes.fromhex("fe")
"""INVALID: takes all the gas it is given."""
REGISTRY = Address(b"\x01" + b"\x55" * 19)
REGISTRY_CODE = bytes.fromhex("60015f55")
"""PUSH1 1 PUSH0 SSTORE: whoever calls it opens the register."""


def test_a_block_over_the_byte_limit_is_invalid(tmp_path: Path) -> None:
    """P-3: what a bank with wider limits would build is refused; no builder of ours makes it."""
    narrow = replace(PARAMETERS, limits=Limits(block_bytes_max=64 * 1024, tx_bytes_max=50_000))
    wide_ledger = open_ledger(tmp_path / "wide", make_genesis())
    ledger = open_ledger(tmp_path / "narrow", make_genesis(parameters=narrow))
    transactions = [sign(key, to=ADDRESSES[3], data=bytes(40_000)) for key in KEYS[:2]]
    too_large = build(wide_ledger, transactions).executed.block
    assert len(too_large.transactions) == 2
    with pytest.raises(InvalidBlock, match="bytes of the block") as caught:
        ledger.execute(Block.decode(too_large.rlp()))
    assert caught.value.rule == "P-3"
    assert len(build(ledger, transactions).executed.block.transactions) == 1


def test_a_builder_stops_at_half_of_the_gas_limit(tmp_path: Path) -> None:
    """P-2: one block above half of the limit would end the base fee of 0 for ever."""
    ledger = open_ledger(tmp_path, make_genesis({BURNER: GenesisAccount(nonce=1, code=BURNER_CODE)}))
    gas = GAS_LIMIT // 4
    block = extend(ledger, [sign(key, to=BURNER, gas=gas) for key in KEYS[:3]]).executed.block
    assert (block.header.gas_used, len(block.transactions)) == (GAS_LIMIT // 2, 2)
    assert len(extend(ledger, [sign(KEYS[2], to=BURNER, gas=gas)]).executed.block.transactions) == 1


def test_a_genesis_that_hashes_another_set_is_refused(tmp_path: Path) -> None:
    """P-12 with h = 0: extraData must be the hash of the validators of height 1."""
    with pytest.raises(ConfigError, match="P-12") as caught:
        open_ledger(tmp_path, replace(make_genesis(), extra_data=bytes(32)))
    assert caught.value.field == "extraData"


class RegisterOnChain(OpenPermissions):
    """The first account may always send; the others once slot 0 of the registry is set."""

    def is_registered(self, state: StateReader, address: Address) -> bool:
        return address == ADDRESSES[0] or state.storage(REGISTRY, 0) != 0


def test_permissions_are_those_before_the_first_transaction(tmp_path: Path) -> None:
    """P-6: a registration counts from the next block on, for the builder and for whoever judges its block."""
    genesis = make_genesis({REGISTRY: GenesisAccount(nonce=1, code=REGISTRY_CODE)})
    ledger = open_ledger(tmp_path / "strict", genesis, RegisterOnChain())
    open_door = open_ledger(tmp_path / "open", genesis)
    opening, sending = sign(KEYS[0], to=REGISTRY), sign(KEYS[1], to=ADDRESSES[2])
    both = build(open_door, [opening, sending]).executed.block
    assert len(both.transactions) == 2
    with pytest.raises(InvalidBlock, match="P-6: transaction 1") as caught:
        ledger.execute(Block.decode(both.rlp()))
    assert caught.value.rule == "P-6"
    assert [tx.sender for tx in extend(ledger, [opening, sending]).executed.block.transactions] == [ADDRESSES[0]]
    assert [tx.sender for tx in extend(ledger, [sending]).executed.block.transactions] == [ADDRESSES[1]]
