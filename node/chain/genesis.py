"""Genesis: one JSON document in Ethereum's shape with a ``pbft`` block in its ``config`` (P-3), read strictly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from node.chain.header import CONSTANT_FIELDS, EMPTY_TRIE_ROOT, Header
from node.chain.json_fields import Fields, data, parse_json, quantity
from node.chain.parameters import ChainParameters
from node.errors import ConfigError
from node.types import ZERO_ADDRESS, ZERO_HASH, Address, Hash32, to_hex

CHAIN_ID_MAX = 4_503_599_627_370_476
"""The largest id whose EIP-155 v stays exact in a double, so that every wallet can sign for the chain (P-3)."""
GAS_LIMIT_MIN = 2 * 21_000
GAS_LIMIT_MAX = 2**63 - 1
BEACON_ROOTS_ADDRESS = Address(bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02"))
"""EIP-4788's contract."""
BEACON_ROOTS_CODE = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff81069081"
    "5414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
)
"""Its exact runtime code (EIP-4788, "Deployment")."""

FORKS: dict[str, Any] = {
    "homesteadBlock": 0,
    "eip150Block": 0,
    "eip155Block": 0,
    "eip158Block": 0,
    "byzantiumBlock": 0,
    "constantinopleBlock": 0,
    "petersburgBlock": 0,
    "istanbulBlock": 0,
    "berlinBlock": 0,
    "londonBlock": 0,
    "terminalTotalDifficulty": 0,
    "shanghaiTime": 0,
    "cancunTime": 0,
    "blobSchedule": {"cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477}},
}
"""The fork schedule of every chain of this node: Cancun rules from the first block."""

CONSTANTS: dict[str, Any] = {
    "nonce": "0x0000000000000000",
    "difficulty": "0x0",
    "mixHash": to_hex(ZERO_HASH),
    "coinbase": to_hex(ZERO_ADDRESS),
    "number": "0x0",
    "gasUsed": "0x0",
    "parentHash": to_hex(ZERO_HASH),
    "baseFeePerGas": "0x0",
    "blobGasUsed": "0x0",
    "excessBlobGas": "0x0",
    "parentBeaconBlockRoot": to_hex(ZERO_HASH),
}
"""Header fields that genesis states and cannot choose (P-1, P-3)."""


@dataclass(frozen=True, slots=True)
class GenesisAccount:
    """An account at height 0. ``balance`` in wei; ``storage`` maps slots to non-zero words."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether EIP-161 would delete it: no nonce, no balance, no code."""
        return not (self.nonce or self.balance or self.code)


@dataclass(frozen=True)
class Genesis:
    """Everything that height 0 and the chain's rules are made from. ``timestamp`` in Unix seconds."""

    parameters: ChainParameters
    chain_id: int
    gas_limit: int
    timestamp: int
    extra_data: bytes
    """Hash of the validator set of height 1 (P-12 with h = 0), 32 bytes."""
    alloc: Mapping[Address, GenesisAccount]

    def __post_init__(self) -> None:
        """Hold P-3's bounds whichever way the object was made; ConfigError names the field."""
        _check_range("config.chainId", self.chain_id, 1, CHAIN_ID_MAX)
        _check_range("gasLimit", self.gas_limit, GAS_LIMIT_MIN, GAS_LIMIT_MAX)
        _check_range("timestamp", self.timestamp, 0, 2**64 - 1)
        if self.parameters.max_tx_gas > self.gas_limit // 2:
            raise ConfigError(
                f"config.pbft.maxTxGas {self.parameters.max_tx_gas} is above half of gasLimit (P-2)",
                field="config.pbft.maxTxGas",
            )
        if len(self.extra_data) != 32:
            raise ConfigError("extraData is a hash of 32 bytes (P-12)", field="extraData")
        for address, account in self.alloc.items():
            _check_account(f"alloc.{to_hex(address)}", address, account)
        beacon = self.alloc.get(BEACON_ROOTS_ADDRESS)
        if beacon is None or beacon.nonce != 1 or beacon.code != BEACON_ROOTS_CODE:
            name = f"alloc.{to_hex(BEACON_ROOTS_ADDRESS)}"
            raise ConfigError(f"{name} must be EIP-4788's contract: nonce 1 and its exact code (P-3)", field=name)

    @classmethod
    def load(cls, path: Path) -> Genesis:
        """Read ``genesis.json``; ConfigError names the file and the field."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read {path}: {error}", field="genesis") from error
        try:
            return cls.from_json(parse_json(text))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", field=error.field) from error

    @classmethod
    def from_json(cls, document: Any) -> Genesis:
        """Read the document: every field is stated, none is unknown; ConfigError names the one that is wrong."""
        fields = Fields(document, "")
        for name, expected in CONSTANTS.items():
            found = fields.take(name)
            same = isinstance(found, str) and found.lower() == expected
            if not same and not (found == 0 and expected == "0x0" and not isinstance(found, bool)):
                raise ConfigError(f"{name} must be {expected} (P-3), found {found!r}", field=name)
        config = Fields(fields.take("config"), "config")
        chain_id = quantity(config.take("chainId"), "config.chainId")
        for name, expected in FORKS.items():
            found = config.take(name)
            if found != expected or isinstance(found, bool):
                raise ConfigError(
                    f"config.{name} must be {json.dumps(expected)}: this chain runs Cancun rules (P-3)",
                    field=f"config.{name}",
                )
        parameters = ChainParameters.from_json(config.take("pbft"))
        config.done()
        timestamp = quantity(fields.take("timestamp"), "timestamp")
        gas_limit = quantity(fields.take("gasLimit"), "gasLimit")
        extra_data = data(fields.take("extraData"), "extraData", 32)
        alloc = _read_alloc(fields.take("alloc"))
        fields.done()
        return cls(parameters, chain_id, gas_limit, timestamp, extra_data, alloc)

    def to_json(self) -> dict[str, Any]:
        """The document in its one normal form; ``from_json`` of it gives an equal genesis."""
        return {
            "config": {"chainId": self.chain_id, **FORKS, "pbft": self.parameters.to_json()},
            **CONSTANTS,
            "timestamp": hex(self.timestamp),
            "gasLimit": hex(self.gas_limit),
            "extraData": to_hex(self.extra_data),
            "alloc": {to_hex(address): _account_json(self.alloc[address]) for address in sorted(self.alloc)},
        }

    @cached_property
    def document(self) -> dict[str, Any]:
        """``to_json()``, computed once: what a node serves to auditors."""
        return self.to_json()

    @cached_property
    def digest(self) -> Hash32:
        """SHA-256 of the normal form: binds the protocol's parameters, which the genesis hash does not cover."""
        text = json.dumps(self.document, sort_keys=True, separators=(",", ":"))
        return Hash32(hashlib.sha256(text.encode()).digest())


def genesis_header(genesis: Genesis, state_root: Hash32) -> Header:
    """The header of height 0 over a state root that was computed from ``alloc``."""
    return Header(
        parent_hash=ZERO_HASH,
        ommers_hash=CONSTANT_FIELDS["ommers_hash"],
        coinbase=ZERO_ADDRESS,
        state_root=state_root,
        transactions_root=EMPTY_TRIE_ROOT,
        receipts_root=EMPTY_TRIE_ROOT,
        logs_bloom=bytes(256),
        difficulty=0,
        number=0,
        gas_limit=genesis.gas_limit,
        gas_used=0,
        timestamp=genesis.timestamp,
        extra_data=genesis.extra_data,
        prev_randao=ZERO_HASH,
        nonce=CONSTANT_FIELDS["nonce"],
        base_fee_per_gas=0,
        withdrawals_root=EMPTY_TRIE_ROOT,
        blob_gas_used=0,
        excess_blob_gas=0,
        parent_beacon_block_root=ZERO_HASH,
    )


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}, allowed are {low} to {high}", field=name)


def _check_account(name: str, address: Address, account: GenesisAccount) -> None:
    if len(address) != 20:
        raise ConfigError(f"{name} is no address of 20 bytes", field=name)
    if account.is_empty:
        raise ConfigError(f"{name} is an empty account, which no block could hold (EIP-161, P-3)", field=name)
    _check_range(f"{name}.nonce", account.nonce, 0, 2**64 - 2)
    _check_range(f"{name}.balance", account.balance, 0, 2**256 - 1)
    for slot, word in account.storage.items():
        _check_range(f"{name}.storage slot", slot, 0, 2**256 - 1)
        _check_range(f"{name}.storage[{hex(slot)}]", word, 1, 2**256 - 1)


def _read_alloc(value: Any) -> dict[Address, GenesisAccount]:
    if not isinstance(value, dict):
        raise ConfigError("alloc is an object from addresses to accounts", field="alloc")
    alloc: dict[Address, GenesisAccount] = {}
    for key, entry in value.items():
        name = f"alloc.{key}"
        address = Address(data(key if key.lower().startswith("0x") else "0x" + key, name, 20))
        if address in alloc:
            raise ConfigError(f"{name} stands twice", field=name)
        fields = Fields(entry, name)
        account = GenesisAccount(
            nonce=quantity(fields.take("nonce", "0x0"), f"{name}.nonce"),
            balance=quantity(fields.take("balance", "0x0"), f"{name}.balance"),
            code=data(fields.take("code", "0x"), f"{name}.code"),
            storage=_read_storage(fields.take("storage", {}), f"{name}.storage"),
        )
        fields.done()
        alloc[address] = account
    return alloc


def _read_storage(value: Any, name: str) -> dict[int, int]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} is an object from slots to words", field=name)
    storage: dict[int, int] = {}
    for slot_text, word_text in value.items():
        slot = int.from_bytes(data(slot_text, f"{name} slot", 32), "big")
        if slot in storage:
            raise ConfigError(f"{name}[{slot_text}] stands twice", field=name)
        storage[slot] = int.from_bytes(data(word_text, f"{name}[{slot_text}]", 32), "big")
    return storage


def _account_json(account: GenesisAccount) -> dict[str, Any]:
    document: dict[str, Any] = {"nonce": hex(account.nonce), "balance": hex(account.balance)}
    if account.code:
        document["code"] = to_hex(account.code)
    if account.storage:
        document["storage"] = {f"0x{slot:064x}": f"0x{account.storage[slot]:064x}" for slot in sorted(account.storage)}
    return document
