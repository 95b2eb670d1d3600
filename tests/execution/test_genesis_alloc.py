"""Genesis making: what stands at height 0, and that a second implementation reads the same hash from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from eth.abc import BlockHeaderAPI
from eth.chains.base import Chain
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS as PY_EVM_BEACON_ROOTS
from eth.vm.forks.cancun.constants import BEACON_ROOTS_CONTRACT_CODE

from consensus.validators import validator_set_hash
from contracts import addresses, artifacts
from contracts.banking_calendar import Hours, YearCalendar, encode_is_banking_day
from contracts.bindings import decode_result
from node.chain.genesis import BEACON_ROOTS_ADDRESS, Genesis, genesis_header
from node.errors import ConfigError
from node.execution.call import CallRequest
from node.execution.genesis_alloc import (
    DEVELOPER_BALANCE,
    GAS_LIMIT,
    AllocReader,
    build_alloc,
    genesis_hash,
    make_genesis,
)
from node.execution.ledger import Ledger
from node.permissioning import consortium_parameters, is_registered, may_deploy, members, validators_at
from node.types import Address, Hash32
from tests.contracts.consortium_chain import START, sample_spec

CALENDAR = YearCalendar("HKHKG", 2026, (date(2026, 1, 2),), (Hours(date(2026, 1, 1), 3_600, 32_400),))
SPEC = replace(sample_spec(), calendars=(CALENDAR,))


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    """A consortium of four banks and an auditor."""
    return make_genesis(SPEC)


def test_genesis_holds_the_whole_system(genesis: Genesis) -> None:
    """Every system contract with its runtime code and nonce 1, EIP-4788's contract, and funded developers."""
    for name, address in addresses.SYSTEM_CONTRACTS.items():
        account = genesis.alloc[Address(address)]
        assert (account.code, account.nonce) == (artifacts.load(name).runtime_code, 1)
    beacon = genesis.alloc[BEACON_ROOTS_ADDRESS]
    assert (beacon.nonce, beacon.code) == (1, BEACON_ROOTS_CONTRACT_CODE)
    assert PY_EVM_BEACON_ROOTS == BEACON_ROOTS_ADDRESS
    assert genesis.alloc[SPEC.developers[0]].balance == DEVELOPER_BALANCE
    assert Address(addresses.GENESIS_SENDER) not in genesis.alloc
    assert not any(account.is_empty for account in genesis.alloc.values())


def test_the_register_is_what_the_specification_says(genesis: Genesis) -> None:
    """Members, rights, L, D and the validator set, read from alloc; extraData is the hash of S(1) (P-12)."""
    state = AllocReader(dict(genesis.alloc))
    assert members(state) == list(SPEC.members)
    assert consortium_parameters(state) == (SPEC.epoch_length, SPEC.activation_delay)
    assert is_registered(state, SPEC.developers[0]) and may_deploy(state, SPEC.developers[0])
    validators = validators_at(state, 1)
    assert validators == tuple(sorted(m.validator_address for m in SPEC.members if m.validator_address))
    assert genesis.extra_data == validator_set_hash(0, validators)


def test_parameters_are_the_specification_and_named_defaults(genesis: Genesis) -> None:
    """Every field of P-3 is stated, and the document reads back to an equal genesis."""
    found = genesis.parameters
    assert (found.epoch_length, found.activation_delay, found.window) == (100, 10, 1)
    assert (found.timeout_ms, found.timeout_max_ms, found.tolerance_s, found.heartbeat_s) == (2_000, 30_000, 5, 600)
    assert (found.max_tx_gas, genesis.gas_limit, found.excluded_precompiles) == (8_000_000, GAS_LIMIT, (7, 8, 9, 10))
    assert Genesis.from_json(json.loads(json.dumps(genesis.to_json()))) == genesis
    strict = make_genesis(replace(SPEC, strict_timestamps=True, test_clock=START))
    assert (strict.parameters.strict_timestamps, strict.parameters.test_clock) == (True, START)


def test_the_same_specification_makes_the_same_genesis(genesis: Genesis) -> None:
    """Nothing depends on the machine, the time or an order of dictionaries."""
    again = make_genesis(SPEC)
    assert again.to_json() == genesis.to_json()
    assert genesis_hash(again) == genesis_hash(genesis)
    assert genesis_hash(make_genesis(replace(SPEC, chain_id=SPEC.chain_id + 1))) == genesis_hash(genesis)
    assert genesis_hash(make_genesis(replace(SPEC, timestamp=START + 1))) != genesis_hash(genesis)


class _StockChain(Chain):
    vm_configuration = ((0, CancunVM),)
    chain_id = SPEC.chain_id


def test_stock_py_evm_computes_the_same_hash(genesis: Genesis) -> None:
    """P-3: py-evm's own state database and header, each field set, give the hash that the node computes."""
    ours = genesis_header(genesis, _stock_root(genesis))
    stock = _StockChain.from_genesis(
        AtomicDB(),
        {
            "difficulty": 0,
            "gas_limit": genesis.gas_limit,
            "timestamp": genesis.timestamp,
            "extra_data": genesis.extra_data,
            "coinbase": bytes(20),
            "nonce": bytes(8),
            "mix_hash": bytes(32),
            "base_fee_per_gas": 0,
            "blob_gas_used": 0,
            "excess_blob_gas": 0,
            "parent_beacon_block_root": bytes(32),
            "withdrawals_root": BLANK_ROOT_HASH,
        },
        _stock_state(genesis),
    )
    head: BlockHeaderAPI = stock.get_canonical_block_header_by_number(0)
    assert head.state_root == ours.state_root
    assert head.hash == ours.hash == genesis_hash(genesis)


def _stock_state(genesis: Genesis) -> dict[bytes, dict[str, object]]:
    return {
        address: {"balance": a.balance, "nonce": a.nonce, "code": a.code, "storage": dict(a.storage)}
        for address, a in genesis.alloc.items()
    }


def _stock_root(genesis: Genesis) -> Hash32:
    chain = _StockChain.from_genesis(AtomicDB(), {"difficulty": 0, "timestamp": 0}, _stock_state(genesis))
    return Hash32(chain.get_canonical_block_header_by_number(0).state_root)


def test_a_ledger_opens_on_it_and_its_contracts_answer(genesis: Genesis, tmp_path: Path) -> None:
    """The node's own database takes the genesis; the calendar that was seeded answers eth_call."""
    ledger = Ledger.open(tmp_path / "chain", genesis)
    try:
        assert ledger.head.hash == genesis_hash(genesis)
        assert ledger.next_validators == validators_at(AllocReader(dict(genesis.alloc)), 1)
        for day, expected in ((date(2026, 1, 2), True), (date(2026, 1, 5), False)):
            data = encode_is_banking_day("HKHKG", day)
            request = CallRequest(to=Address(addresses.BANKING_CALENDAR), data=data)
            answer = ledger.call(request, ledger.head)
            found = decode_result("BankingCalendar", "isBankingDay", answer.output)
            assert found == (expected, False)
    finally:
        ledger.close()


def test_an_initialiser_that_refuses_is_named() -> None:
    """The operator reads which contract refuses which value."""
    with pytest.raises(ConfigError, match="Consortium refuses its initial values: EpochLengthZero"):
        build_alloc(replace(SPEC, epoch_length=0))
    with pytest.raises(ConfigError, match="FinancingRegistry refuses its initial values: LimitZero"):
        build_alloc(replace(SPEC, holds_for_bank_max=0))
    with pytest.raises(ConfigError, match="BankingCalendar refuses its initial values"):
        build_alloc(replace(SPEC, calendars=(CALENDAR, CALENDAR)))
    with pytest.raises(ConfigError, match="AddressTaken"):
        build_alloc(replace(SPEC, developers=(*SPEC.developers, *SPEC.developers)))
    with pytest.raises(ConfigError, match="stands at a system contract"):
        build_alloc(replace(SPEC, developers=(Address(addresses.CONSORTIUM),)))


def test_a_thousand_developers_fit() -> None:
    """The largest network that can be asked for is still made in seconds."""
    developers = tuple(Address((10**9 + i).to_bytes(20, "big")) for i in range(1_000))
    genesis = make_genesis(replace(SPEC, developers=developers))
    assert may_deploy(AllocReader(dict(genesis.alloc)), developers[999])
