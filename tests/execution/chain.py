"""A small chain for the tests: keys, genesis, transactions, and the same genesis in stock py-evm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import rlp
from eth.chains.base import Chain
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.blocks import CancunBlock
from eth_account import Account as EthAccount

from consensus.validators import validator_set_hash
from node.chain.block import Block
from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE, Genesis, GenesisAccount
from node.chain.parameters import ChainParameters
from node.chain.transaction import Transaction
from node.execution.builder import BuiltBlock
from node.execution.defaults import reference_engine
from node.execution.ledger import Ledger
from node.execution.transition import Rules
from node.keys.hashing import keccak256
from node.types import ZERO_HASH, Address, StateReader

CHAIN_ID = 1337
GAS_LIMIT = 32_000_000
START = 1_700_000_000
KEYS = tuple(bytes([0xA0 + index]) * 32 for index in range(4))
ADDRESSES = tuple(Address(bytes.fromhex(EthAccount.from_key(key).address[2:])) for key in KEYS)
VALIDATORS = tuple(sorted(Address(bytes([0xB0 + index]) * 20) for index in range(4)))
FUNDS = 10**21
CPU_BUDGET_S = 10.0
PARAMETERS = ChainParameters(strict_timestamps=True)


class OpenPermissions:
    """Everyone of ``deployers`` may deploy, everyone but ``strangers`` may send; the validators never change."""

    def __init__(
        self,
        *,
        strangers: Iterable[Address] = (),
        no_deployers: Iterable[Address] = (),
        parameters: ChainParameters = PARAMETERS,
    ) -> None:
        self.strangers = set(strangers)
        self.no_deployers = set(no_deployers)
        self.parameters = parameters

    def is_registered(self, state: StateReader, address: Address) -> bool:
        return address not in self.strangers

    def may_deploy(self, state: StateReader, address: Address) -> bool:
        return address not in self.no_deployers

    def validators_at(self, state: StateReader, height: int) -> tuple[Address, ...]:
        return VALIDATORS

    def consortium_parameters(self, state: StateReader) -> tuple[int, int]:
        return (self.parameters.epoch_length, self.parameters.activation_delay)


def make_genesis(
    alloc: Mapping[Address, GenesisAccount] | None = None, *, parameters: ChainParameters = PARAMETERS
) -> Genesis:
    accounts = {address: GenesisAccount(balance=FUNDS) for address in ADDRESSES}
    accounts[BEACON_ROOTS_ADDRESS] = GenesisAccount(nonce=1, code=BEACON_ROOTS_CODE)
    accounts.update(alloc or {})
    return Genesis(
        parameters=parameters,
        chain_id=CHAIN_ID,
        gas_limit=GAS_LIMIT,
        timestamp=START,
        extra_data=validator_set_hash(1 // parameters.epoch_length, VALIDATORS),
        alloc=accounts,
    )


def make_rules(genesis: Genesis, permissions: OpenPermissions | None = None) -> Rules:
    permissions = permissions or OpenPermissions(parameters=genesis.parameters)
    return Rules(genesis, reference_engine(), permissions, validator_set_hash)


def open_ledger(path: Path, genesis: Genesis, permissions: OpenPermissions | None = None) -> Ledger:
    return Ledger.open(path, genesis, rules=make_rules(genesis, permissions))


def sign(key: bytes = KEYS[0], **fields: Any) -> Transaction:
    """A signed transaction: type 2 unless ``gasPrice`` makes it legacy (with ``accessList``: type 1)."""
    defaults: dict[str, Any] = {"chainId": CHAIN_ID, "gas": 1_000_000, "value": 0, "data": b"", "nonce": 0}
    if "gasPrice" not in fields:
        defaults |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "type": 2}
    elif "accessList" in fields:
        defaults["type"] = 1
    signed = EthAccount.sign_transaction({**defaults, **fields}, key)
    return Transaction.decode(bytes(signed.raw_transaction))


def build(ledger: Ledger, transactions: Iterable[Transaction] = (), **changes: Any) -> BuiltBlock:
    arguments: dict[str, Any] = {
        "timestamp": ledger.head.timestamp + 1,
        "coinbase": VALIDATORS[0],
        "certificate_hash": ZERO_HASH,
        "candidates": list(transactions),
        "cpu_budget_s": CPU_BUDGET_S,
        **changes,
    }
    return ledger.build(**arguments)


def extend(ledger: Ledger, transactions: Iterable[Transaction] = (), **changes: Any) -> BuiltBlock:
    """Build, execute as a replica would, and commit."""
    built = build(ledger, transactions, **changes)
    executed = ledger.execute(Block.decode(built.executed.block.rlp()))
    assert executed.state_update.root == built.executed.state_update.root
    ledger.commit(executed, certificate=b"certificate", carried_certificate=b"carried", wal_lsn=ledger.head.number)
    return built


def stock_chain(genesis: Genesis) -> Any:
    """The same genesis under stock py-evm, with its own state and its own validation."""
    chain_class = Chain.configure("Stock", vm_configuration=((0, CancunVM),), chain_id=genesis.chain_id)
    state = {
        address: {
            "nonce": account.nonce,
            "balance": account.balance,
            "code": account.code,
            "storage": dict(account.storage),
        }
        for address, account in genesis.alloc.items()
    }
    fields = {
        "difficulty": 0,
        "gas_limit": genesis.gas_limit,
        "timestamp": genesis.timestamp,
        "extra_data": genesis.extra_data,
        "nonce": bytes(8),
        "mix_hash": bytes(32),
        "coinbase": bytes(20),
        "base_fee_per_gas": 0,
        "blob_gas_used": 0,
        "excess_blob_gas": 0,
        "parent_beacon_block_root": bytes(32),
    }
    return chain_class.from_genesis(AtomicDB(), fields, state)


def stock_import(chain: Any, block: Block) -> Any:
    """Import one of our blocks with py-evm's own validation; its imported block."""
    decoded = rlp.decode(block.rlp(), sedes=CancunBlock)
    return chain.import_block(decoded, perform_validation=True).imported_block


def stock_receipts(chain: Any, imported: Any) -> list[bytes]:
    """Encoded receipts of an imported block."""
    return [receipt.encode() for receipt in imported.get_receipts(chain.chaindb)]


def created_address(sender: Address, nonce: int) -> Address:
    """Where a creation by ``sender`` puts its contract (Yellow Paper, 7)."""
    return Address(keccak256(rlp.encode([sender, nonce]))[12:])
