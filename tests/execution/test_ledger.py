"""The ledger on a real LevelDB: head, refusals, durability, consistent readers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.chain.block import Block
from node.chain.genesis import BEACON_ROOTS_ADDRESS, GenesisAccount
from node.chain.parameters import ChainParameters
from node.errors import ConfigError, ImpossibleState, InvalidBlock
from node.execution.call import CallFailed, CallRequest
from node.execution.guard import ExcludedPrecompileReached, ExecutionAbandoned
from node.execution.ledger import Ledger
from node.storage import keyspace
from node.types import ZERO_HASH, Address, Hash32
from tests.execution.assembler import assemble, call_to, initcode
from tests.execution.chain import (
    ADDRESSES,
    KEYS,
    START,
    VALIDATORS,
    OpenPermissions,
    build,
    created_address,
    extend,
    make_genesis,
    make_rules,
    open_ledger,
    sign,
)

COUNTER = assemble(0, "SLOAD", 1, "ADD", 0, "SSTORE")


def test_open_again_stands_at_the_same_head(tmp_path: Path) -> None:
    """A closed and reopened ledger has the head, validators, state and log position that it had."""
    genesis = make_genesis()
    ledger = open_ledger(tmp_path, genesis)
    for nonce in range(3):
        extend(ledger, [sign(nonce=nonce, to=ADDRESSES[1], value=7)])
    head, lsn = ledger.head, ledger.chain.wal_lsn()
    ledger.close()
    again = open_ledger(tmp_path, genesis)
    assert again.head == head
    assert again.next_validators == VALIDATORS
    assert again.chain.wal_lsn() == lsn
    assert again.state.root == head.state_root
    extend(again, [sign(nonce=3, to=ADDRESSES[1], value=7)])
    assert again.state.check_flat_equals_tries() > 4


def test_another_genesis_is_refused(tmp_path: Path) -> None:
    """A data directory of another genesis, or of other protocol parameters alone, is refused by name."""
    open_ledger(tmp_path, make_genesis()).close()
    others = (
        make_genesis({Address(b"\x77" * 20): GenesisAccount(balance=1)}),
        make_genesis(parameters=ChainParameters(strict_timestamps=True, heartbeat_s=60)),
    )
    for other in others:
        with pytest.raises(ConfigError, match="another genesis"):
            open_ledger(tmp_path, other)


def test_a_database_of_another_format_is_refused(tmp_path: Path) -> None:
    """Keys of an earlier form would read as absent accounts: such a database is refused by name, before a vote."""
    ledger = open_ledger(tmp_path, make_genesis())
    ledger._kv.write([(keyspace.FORMAT, None)], sync=True)
    ledger.close()
    with pytest.raises(ConfigError, match="another release"):
        open_ledger(tmp_path, make_genesis())


def test_a_genesis_that_contradicts_its_state_is_refused(tmp_path: Path) -> None:
    """extraData, L and D must be what the contract in alloc says; balances must not be able to overflow."""
    genesis = make_genesis(parameters=ChainParameters(epoch_length=32))
    with pytest.raises(ConfigError, match="epochLength"):
        Ledger.open(tmp_path / "a", genesis, rules=make_rules(genesis, OpenPermissions()))
    rich = make_genesis({Address(b"\x77" * 20): GenesisAccount(balance=2**256 - 1)})
    with pytest.raises(ConfigError, match="all balances"):
        open_ledger(tmp_path / "b", rich)
    odd = make_genesis({Address(b"\x77" * 20): GenesisAccount(balance=1, storage={1: 1})})
    with pytest.raises(ConfigError, match="without nonce and code"):
        open_ledger(tmp_path / "c", odd)


def test_kill_dash_nine_keeps_the_last_committed_head(tmp_path: Path) -> None:
    """A process killed while it commits loses no block that it reported, and the state is whole."""
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.execution.chain import *\n"
        "ledger = open_ledger(Path(sys.argv[1]), make_genesis())\n"
        "for nonce in range(10_000):\n"
        "    extend(ledger, [sign(nonce=nonce, to=ADDRESSES[1], value=1)])\n"
        "    print(ledger.head.number, ledger.head_hash.hex(), flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(9)]
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    reported = [line.split() for line in lines if line.endswith("\n")]
    ledger = open_ledger(tmp_path, make_genesis())
    assert ledger.head.number >= int(reported[-1][0])
    for number, block_hash in reported:
        header = ledger.chain.header(int(number))
        assert header is not None
        assert header.hash.hex() == block_hash
    ledger.state.check_flat_equals_tries()


def test_a_reader_keeps_its_state_when_the_head_moves(tmp_path: Path) -> None:
    """A reader of the head answers from its own block after later commits."""
    ledger = open_ledger(tmp_path, make_genesis({Address(b"\x77" * 20): GenesisAccount(nonce=1, code=COUNTER)}))
    counter = Address(b"\x77" * 20)
    readers = []
    for nonce in range(3):
        readers.append((ledger.state.head(), ledger.head))
        extend(ledger, [sign(nonce=nonce, to=counter)])
    for count, (reader, header) in enumerate(readers):
        assert reader.storage(counter, 0) == count == ledger.state_at(header).storage(counter, 0)
        account = reader.account(ADDRESSES[0])
        assert account is not None
        assert account.nonce == count


def test_parent_root_is_written_before_the_first_transaction(tmp_path: Path) -> None:
    """EIP-4788 (P-8): a contract reads the carried certificate's hash; in one second the last block's value wins."""
    genesis = make_genesis(parameters=ChainParameters(strict_timestamps=False))
    ledger = open_ledger(tmp_path, genesis)
    for value in (5, 6):
        root = Hash32(bytes([value]) * 32)
        extend(ledger, timestamp=START + 1, certificate_hash=root)
        request = CallRequest(to=BEACON_ROOTS_ADDRESS, data=(START + 1).to_bytes(32, "big"))
        assert ledger.call(request, ledger.head).output == root


def test_commit_refuses_a_block_that_is_no_child_of_the_head(tmp_path: Path) -> None:
    """Two blocks of one height cannot both be committed."""
    ledger = open_ledger(tmp_path, make_genesis())
    first, second = build(ledger), build(ledger, coinbase=VALIDATORS[1])
    ledger.commit(first.executed, certificate=b"c", carried_certificate=b"", wal_lsn=1)
    with pytest.raises(ImpossibleState):
        ledger.commit(second.executed, certificate=b"c", carried_certificate=b"", wal_lsn=2)


def test_head_that_moves_during_execution_gives_no_verdict(tmp_path: Path) -> None:
    """A commit under a running execution makes it neither valid nor invalid (P-7)."""
    ledger = open_ledger(tmp_path, make_genesis())
    built = build(ledger)
    permissions = ledger.rules.permissions
    answer = permissions.validators_at

    def commit_meanwhile(state, height):
        permissions.validators_at = answer
        ledger.commit(built.executed, certificate=b"c", carried_certificate=b"", wal_lsn=1)
        return answer(state, height)

    permissions.validators_at = commit_meanwhile
    with pytest.raises(ExecutionAbandoned):
        ledger.execute(Block.decode(built.executed.block.rlp()))


def test_on_commit_hears_each_block_once(tmp_path: Path) -> None:
    """Callbacks run after the batch, in order, with the executed block."""
    ledger = open_ledger(tmp_path, make_genesis())
    heard: list[int] = []
    ledger.on_commit.append(lambda executed: heard.append(executed.block.number))
    ledger.on_commit.append(lambda executed: heard.append(ledger.head.number * 10))
    extend(ledger)
    extend(ledger)
    assert heard == [1, 10, 2, 20]


def test_calls_answer_output_reverts_and_errors(tmp_path: Path) -> None:
    """eth_call: output, revert data, lack of gas or funds, an excluded precompile by name; estimates suffice."""
    echo, reverter = Address(b"\x71" * 20), Address(b"\x72" * 20)
    reacher = Address(b"\x73" * 20)
    ledger = open_ledger(
        tmp_path,
        make_genesis(
            {
                echo: GenesisAccount(nonce=1, code=assemble(0, "CALLDATALOAD", 0, "MSTORE", 32, 0, "RETURN")),
                reverter: GenesisAccount(nonce=1, code=assemble(9, 0, "MSTORE", 32, 0, "REVERT")),
                reacher: GenesisAccount(nonce=1, code=call_to("STATICCALL", bytes(19) + b"\x08") + b"\xfe"),
            }
        ),
    )
    head = ledger.head
    word = b"\x05" * 32
    assert ledger.call(CallRequest(to=echo, data=word), head).output == word
    reverted = ledger.call(CallRequest(to=reverter), head)
    assert (reverted.reverted, reverted.output, reverted.error) == (True, (9).to_bytes(32, "big"), "execution reverted")
    assert "intrinsic" in str(ledger.call(CallRequest(to=echo, gas=100), head).error)
    assert "balance" in str(ledger.call(CallRequest(to=echo, value=1), head).error)
    with pytest.raises(ExcludedPrecompileReached, match="08 is excluded"):
        ledger.call(CallRequest(to=reacher), head)
    with pytest.raises(CallFailed) as failure:
        ledger.estimate_gas(CallRequest(to=reverter), head)
    assert failure.value.result.output == reverted.output
    assert ledger.estimate_gas(CallRequest(sender=ADDRESSES[0], to=NOBODY, value=1), head) == 21_000


NOBODY = Address(b"\x0e" * 20)


def test_an_estimate_is_enough_to_send(tmp_path: Path) -> None:
    """A creation and a call that forwards gas succeed with their estimate, which is within 1/64 of the least."""
    counter, caller = Address(b"\x71" * 20), Address(b"\x72" * 20)
    needs = call_to("CALL", counter) + assemble("STOP")
    ledger = open_ledger(
        tmp_path,
        make_genesis({counter: GenesisAccount(nonce=1, code=COUNTER), caller: GenesisAccount(nonce=1, code=needs)}),
    )
    for nonce, (to, data) in enumerate([(None, initcode(COUNTER)), (caller, b"")]):
        gas = ledger.estimate_gas(CallRequest(sender=ADDRESSES[0], to=to, data=data), ledger.head)
        fields = {"to": to} if to else {}
        built = extend(ledger, [sign(nonce=nonce, data=data, gas=gas, **fields)])
        assert built.executed.receipts[0].status == 1
    created = ledger.state.head().account(created_address(ADDRESSES[0], 0))
    assert created is not None
    assert ledger.state.head().code(created.code_hash) == COUNTER


def test_build_on_the_head_changes_nothing(tmp_path: Path) -> None:
    """Building and executing leave head and database as they were."""
    ledger = open_ledger(tmp_path, make_genesis())
    before = list(ledger._kv.iterate(b""))
    built = build(ledger, [sign(KEYS[1], to=ADDRESSES[0], value=1)])
    ledger.execute(Block.decode(built.executed.block.rlp()))
    with pytest.raises(InvalidBlock):
        ledger.execute(Block.decode(built.executed.block.rlp()), carried_certificate_hash=Hash32(b"\x01" * 32))
    ledger.execute(Block.decode(built.executed.block.rlp()), carried_certificate_hash=ZERO_HASH)
    assert list(ledger._kv.iterate(b"")) == before
