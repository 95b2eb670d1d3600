"""Genesis (P-3): strict reading, one normal form, and stock py-evm finds the same hash."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rlp
import sha3
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.constants import BEACON_ROOTS_CONTRACT_CODE
from trie import HexaryTrie

from node.chain import ChainParameters, Genesis, GenesisAccount, Limits, genesis_header
from node.chain.genesis import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE, CHAIN_ID_MAX
from node.errors import ConfigError
from node.execution.ledger import Ledger
from node.types import Address
from tests.chain.build import KEY, make_genesis
from tests.rpc.dev_chain import dev_genesis


def stock_head(genesis: Genesis) -> Any:
    """The genesis header that stock py-evm makes, every field set by us (its defaults differ)."""
    chain_class = MiningChain.configure("Stock", vm_configuration=((0, CancunVM),), chain_id=genesis.chain_id)
    state = {
        address: {
            "balance": account.balance,
            "nonce": account.nonce,
            "code": account.code,
            "storage": dict(account.storage),
        }
        for address, account in genesis.alloc.items()
    }
    ours = genesis_header(genesis, b"\x00" * 32)
    params = {
        "coinbase": ours.coinbase, "difficulty": 0, "extra_data": ours.extra_data, "gas_limit": ours.gas_limit,
        "nonce": ours.nonce, "mix_hash": ours.prev_randao, "timestamp": ours.timestamp, "base_fee_per_gas": 0,
        "withdrawals_root": ours.withdrawals_root, "blob_gas_used": 0, "excess_blob_gas": 0,
        "parent_beacon_block_root": ours.parent_beacon_block_root,
    }  # fmt: skip
    return chain_class.from_genesis(AtomicDB(), params, state).get_canonical_head()


def plain_root(pairs: dict[bytes, bytes]) -> bytes:
    """Root of a secure trie by py-trie."""
    trie = HexaryTrie({})
    for key, value in pairs.items():
        trie.set(sha3.keccak_256(key).digest(), value)
    return trie.root_hash


def plain_hash(genesis: Genesis) -> bytes:
    """The genesis hash by py-trie, rlp and keccak alone."""
    accounts = {
        address: rlp.encode(
            [
                account.nonce,
                account.balance,
                plain_root({k.to_bytes(32, "big"): rlp.encode(v) for k, v in account.storage.items()}),
                sha3.keccak_256(account.code).digest(),
            ]
        )
        for address, account in genesis.alloc.items()
    }
    empty, zero = sha3.keccak_256(b"\x80").digest(), bytes(32)
    fields = [
        zero, sha3.keccak_256(b"\xc0").digest(), bytes(20), plain_root(accounts), empty, empty, bytes(256), 0, 0,
        genesis.gas_limit, 0, genesis.timestamp, genesis.extra_data, zero, bytes(8), 0, empty, 0, 0, zero,
    ]  # fmt: skip
    return sha3.keccak_256(rlp.encode(fields)).digest()


@pytest.mark.parametrize("make", [make_genesis, dev_genesis])
def test_hash_is_that_of_two_other_implementations(make: Callable[[], Genesis], tmp_path: Path) -> None:
    """P-3: stock py-evm, and py-trie with rlp and keccak, find our genesis hash; so does the ledger that opens it."""
    genesis = make()
    theirs = stock_head(genesis)
    header = genesis_header(genesis, theirs.state_root)
    assert header.hash == theirs.hash == plain_hash(genesis)
    header.check_constant_fields()
    if make is dev_genesis:
        ledger = Ledger.open(tmp_path / "chain", genesis)
        assert ledger.genesis_hash == header.hash
        ledger.close()


def test_beacon_roots_code_is_the_standards() -> None:
    """EIP-4788's code here is the one that py-evm deploys."""
    assert BEACON_ROOTS_CODE == BEACON_ROOTS_CONTRACT_CODE


def test_json_round_trip(tmp_path: Path) -> None:
    """Writing and reading gives an equal genesis with an equal digest; another parameter gives another digest."""
    parameters = ChainParameters(strict_timestamps=True, test_clock=1_167_609_600, limits=Limits(txs_max=9))
    genesis = make_genesis(parameters=parameters)
    path = tmp_path / "genesis.json"
    path.write_text(json.dumps(genesis.to_json(), indent=2))
    again = Genesis.load(path)
    assert again == genesis and again.digest == genesis.digest and again.document == genesis.to_json()
    assert make_genesis().digest != genesis.digest


def put(path: str, value: Any) -> dict[str, Any]:
    """A valid document with one value replaced; ``...`` removes it."""
    document: dict[str, Any] = copy.deepcopy(make_genesis().to_json())
    *parents, last = path.split("/")
    target = document
    for name in parents:
        target = target[name]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return document


BEACON = "0x" + BEACON_ROOTS_ADDRESS.hex()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("difficulty", "0x1", "difficulty"),
        ("difficulty", False, "difficulty"),
        ("mixHash", ..., "mixHash"),
        ("baseFeePerGas", "0x7", "baseFeePerGas"),
        ("parentBeaconBlockRoot", ..., "parentBeaconBlockRoot"),
        ("extraData", "0x", "extraData"),
        ("gasLimit", "0x01", "gasLimit"),
        ("gasLimit", "0x1388", "gasLimit"),
        ("timestamp", -1, "timestamp"),
        ("surprise", 1, "surprise"),
        ("config", [], "config"),
        ("config/chainId", CHAIN_ID_MAX + 1, "config.chainId"),
        ("config/chainId", 0, "config.chainId"),
        ("config/chainId", True, "config.chainId"),
        ("config/cancunTime", 1, "config.cancunTime"),
        ("config/pragueTime", 0, "config.pragueTime"),
        ("config/blobSchedule", ..., "config.blobSchedule"),
        ("config/pbft", ..., "config.pbft"),
        ("config/pbft/epochLength", 0, "config.pbft.epochLength"),
        ("config/pbft/epochLength", 1, "config.pbft.epochLength"),
        ("config/pbft/limits/blockBytesMax", 5 * 2**20, "config.pbft.limits.blockBytesMax"),
        ("config/pbft/limits/txBytesMax", 2**20, "config.pbft.limits.txBytesMax"),
        ("config/pbft/epochLength", 1.5, "config.pbft.epochLength"),
        ("config/pbft/activationDelay", 1, "config.pbft.activationDelay"),
        ("config/pbft/window", 5, "config.pbft.window"),
        ("config/pbft/timeoutMaxMs", 10, "config.pbft.timeoutMaxMs"),
        ("config/pbft/strictTimestamps", 1, "config.pbft.strictTimestamps"),
        ("config/pbft/maxTxGas", 15_000_001, "config.pbft.maxTxGas"),
        ("config/pbft/excludedPrecompiles", [8, 7], "config.pbft.excludedPrecompiles"),
        ("config/pbft/excludedPrecompiles", [1], "config.pbft.excludedPrecompiles"),
        ("config/pbft/excludedPrecompiles", [True], "config.pbft.excludedPrecompiles"),
        ("config/pbft/limits/txsMax", ..., "config.pbft.limits.txsMax"),
        ("config/pbft/limits/other", 1, "config.pbft.limits.other"),
        ("config/pbft/limits/txBytesMax", 4 * 1024 * 1024, "config.pbft.limits.txBytesMax"),
        ("config/pbft/testClock", "2007", "config.pbft.testClock"),
        ("config/pbft/testClock", ..., "config.pbft.testClock"),
        ("config/pbft/other", 1, "config.pbft.other"),
        ("alloc", [], "alloc"),
        ("alloc/0x12", {}, "alloc.0x12"),
        ("alloc/0x" + "55" * 20, {"balance": "0x0"}, "alloc.0x" + "55" * 20),
        ("alloc/0x" + "55" * 20, {"balance": "1 ether"}, "alloc.0x" + "55" * 20 + ".balance"),
        ("alloc/0x" + "55" * 20, {"balance": "0x1", "secretKey": "0x"}, "alloc.0x" + "55" * 20 + ".secretKey"),
        (f"alloc/{BEACON}", ..., f"alloc.{BEACON}"),
        (f"alloc/{BEACON}/nonce", "0x0", f"alloc.{BEACON}"),
        (f"alloc/{BEACON}/code", "0x00", f"alloc.{BEACON}"),
        ("alloc/0x" + "33" * 20 + "/storage/0x00", "0x01", "alloc.0x" + "33" * 20 + ".storage slot"),
    ],
)
def test_each_wrong_field_is_named(path: str, value: Any, field: str) -> None:
    """A wrong, missing or unknown field is a ConfigError that names it."""
    with pytest.raises(ConfigError) as caught:
        Genesis.from_json(put(path, value))
    assert caught.value.field == field
    assert field in caught.value.message


def test_texts_that_are_no_genesis(tmp_path: Path) -> None:
    """Malformed JSON, duplicate keys, twice the same address and a missing file are refused with the file's name."""
    path = tmp_path / "genesis.json"
    twice = json.dumps(make_genesis().to_json()).replace('"alloc": {', '"alloc": {"' + KEY.address.hex() + '": {},')
    for text in (
        "",
        "[",
        "[" * 100_000,
        '{"config": 1, "config": 1}',
        "NaN",
        twice,
        "\ud800".encode("utf-8", "ignore").decode(),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"genesis\.json"):
            Genesis.load(path)
    with pytest.raises(ConfigError, match="cannot read"):
        Genesis.load(tmp_path / "absent.json")


def test_storage_words_and_zero_values() -> None:
    """A zero storage word is refused: it would be absent from the state."""
    with pytest.raises(ConfigError, match="storage"):
        make_genesis(
            alloc=dict(make_genesis().alloc) | {Address(b"\x66" * 20): GenesisAccount(nonce=1, storage={1: 0})}
        )
