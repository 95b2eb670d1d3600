"""Small real objects for the chain's tests: signed transactions by eth-account, a genesis, headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eth_account import Account

from node.chain import Block, ChainParameters, Genesis, GenesisAccount, Header, Transaction, genesis_header
from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE
from node.keys import PrivateKey
from node.types import Address, Hash32

CHAIN_ID = 20_241
KEY = PrivateKey.from_bytes(b"\x01" * 32)
GAS_LIMIT = 30_000_000


def sign(key: PrivateKey = KEY, **changes: Any) -> bytes:
    """A signed transaction as raw bytes; type 2 unless ``type`` or ``gasPrice`` says otherwise."""
    fields: dict[str, Any] = {"chainId": CHAIN_ID, "nonce": 0, "gas": 21_000, "to": "0x" + "22" * 20, "value": 0}
    if "gasPrice" not in changes:
        fields |= {"type": 2, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    fields |= changes
    fields = {name: value for name, value in fields.items() if value is not None}
    return bytes(Account.sign_transaction(fields, key.secret_bytes()).raw_transaction)


def make_genesis(**changes: Any) -> Genesis:
    """A valid genesis with EIP-4788's contract and one funded account."""
    alloc = {
        BEACON_ROOTS_ADDRESS: GenesisAccount(nonce=1, code=BEACON_ROOTS_CODE),
        KEY.address: GenesisAccount(balance=10**18),
        Address(b"\x33" * 20): GenesisAccount(nonce=1, code=b"\x00", storage={0: 5, 2**255: 2**256 - 1}),
    }
    values: dict[str, Any] = {
        "parameters": ChainParameters(),
        "chain_id": CHAIN_ID,
        "gas_limit": GAS_LIMIT,
        "timestamp": 1_700_000_000,
        "extra_data": b"\x07" * 32,
        "alloc": alloc,
    }
    return Genesis(**(values | changes))


def child(parent: Header, transactions: tuple[Transaction, ...] = (), **changes: Any) -> Block:
    """A block on ``parent`` whose transactions root is right; state and receipts are not computed."""
    header = replace(parent, parent_hash=parent.hash, number=parent.number + 1, timestamp=parent.timestamp + 1)
    block = Block(header, transactions)
    return Block(replace(header, transactions_root=block.transactions_root(), **changes), transactions)


def make_header(**changes: Any) -> Header:
    """A genesis header over a made-up state root."""
    return replace(genesis_header(make_genesis(), Hash32(b"\x44" * 32)), **changes)
