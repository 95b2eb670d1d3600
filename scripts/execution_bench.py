"""Tries against py-trie, and blocks of transfers and of issued credits on one ledger; subcommands of scripts/bench."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

from eth_account import Account as EthAccount

from contracts import addresses, letter_of_credit
from contracts.letter_of_credit import Availability, Parties, Terms
from node.chain.block import Block
from node.chain.transaction import Transaction
from node.execution.genesis_alloc import make_genesis
from node.execution.ledger import Ledger
from node.keys.hashing import keccak256
from node.keys.secp256k1 import PrivateKey
from node.state.batch_trie import EMPTY_ROOT, update_trie
from node.state.plain_trie import update_trie_plainly
from node.storage import keyspace
from node.storage.leveldb import LevelDB
from node.types import Hash32
from tests.contracts.consortium_chain import CHAIN_ID, START, bank_key, sample_member, sample_spec

LOAD_BATCH = 5_000
VALUE_BYTES = 74
TRANSFERS = 500

Changes = list[tuple[bytes, bytes]]


def bench_trie(arguments: argparse.Namespace) -> int:
    """CPU per key of the batch updater and of py-trie, on the same changes of the same trie in LevelDB."""
    random = Random(1)  # noqa: S311 - test data
    with tempfile.TemporaryDirectory() as directory:
        store = LevelDB.open(Path(directory))
        root, keys = _load(store, random, arguments.keys)
        print(f"{len(keys):,} keys in LevelDB; values of {VALUE_BYTES} bytes; half of a batch is new, a tenth deleted")
        for size in arguments.batches:
            ours, theirs = [], []
            for _ in range(arguments.repeat):
                changes = _changes(random, keys, size)
                seconds, result = _timed(lambda: update_trie(_reader(store), root, changes))  # noqa: B023
                plain_seconds, plain = _timed(lambda: update_trie_plainly(_reader(store), root, changes))  # noqa: B023
                if _stored_after(store, result) != _stored_after(store, plain):
                    raise SystemExit(f"batch of {size}: other roots or nodes than py-trie's")
                ours.append(seconds / size * 1e6)
                theirs.append(plain_seconds / size * 1e6)
            print(
                f"batch of {size:6,}: {min(ours):7.1f} us a key, py-trie {min(theirs):7.1f} us a key, "
                f"ratio {min(theirs) / min(ours):5.1f}; {len(result[1]) / size:.1f} nodes a key, equal in both"
            )
        store.close()
    return 0


def _stored_after(store: LevelDB, result: tuple[Hash32, dict[bytes, bytes]]) -> tuple[Hash32, dict[bytes, bytes]]:
    """The root, and the nodes that are not stored yet."""
    root, nodes = result
    return root, {node_hash: body for node_hash, body in nodes.items() if _reader(store)(node_hash) is None}


def _load(store: LevelDB, random: Random, count: int) -> tuple[Hash32, list[bytes]]:
    root, keys = EMPTY_ROOT, [keccak256(number.to_bytes(8, "big")) for number in range(count)]
    for start in range(0, count, LOAD_BATCH):
        batch = [(key, random.randbytes(VALUE_BYTES)) for key in keys[start : start + LOAD_BATCH]]
        root, fresh = update_trie(_reader(store), root, batch)
        store.write([(keyspace.trie_node(node_hash), body) for node_hash, body in fresh.items()], sync=False)
    return root, list[bytes](keys)


def _changes(random: Random, keys: list[bytes], size: int) -> Changes:
    old = random.sample(keys, min(size // 2, len(keys)))
    changes = [(key, b"" if index % 5 == 0 else random.randbytes(VALUE_BYTES)) for index, key in enumerate(old)]
    changes += [(random.randbytes(32), random.randbytes(VALUE_BYTES)) for _ in range(size - len(old))]
    random.shuffle(changes)
    return changes


def _reader(store: LevelDB) -> Callable[[bytes], bytes | None]:
    return lambda node_hash: store.get(keyspace.trie_node(node_hash))


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.thread_time()
    result = work()
    return time.thread_time() - started, result


def bench_blocks(arguments: argparse.Namespace) -> int:
    """CPU of building, decoding, executing and committing blocks of transfers, and blocks with one issued credit."""
    with tempfile.TemporaryDirectory() as directory:
        ledger = Ledger.open(Path(directory), make_genesis(sample_spec()))
        _report(ledger, f"block of {TRANSFERS} transfers", TRANSFERS, [_transfers(n) for n in range(4)], arguments)
        credits = [[_issue(number)] for number in range(arguments.credits)]
        _report(ledger, "block with one LetterOfCreditFactory.issue", 1, credits, arguments)
        ledger.close()
    return 0


def _transfers(block: int) -> list[Transaction]:
    """From the funded developer, each to an account that is new."""
    key = bank_key(0, "developer")
    first = block * TRANSFERS
    return [
        _sign(key, nonce, to=keccak256(nonce.to_bytes(8, "big"))[:20], value=1, gas=21_000)
        for nonce in range(first, first + TRANSFERS)
    ]


def _issue(number: int) -> Transaction:
    issuing, advising = sample_member(0), sample_member(1)
    parties = Parties(
        issuing_bank=issuing.id,
        applicant=b"\xab" * 32,
        beneficiary=b"\xbe" * 32,
        advising_bank=advising.id,
        beneficiary_bank=advising.id,
        nominated_bank=advising.id,
        reference_hash=keccak256(number.to_bytes(4, "big")),
        currency="USD",
        exponent=2,
    )
    today = datetime.fromtimestamp(START, UTC).date()
    terms = Terms(
        amount=100_000_00,
        expiry_day=date(today.year + 1, 7, 31),
        expiry_place="HKHKG",
        availability=Availability.SIGHT,
        terms_hash=b"\x45" * 32,
        latest_shipment_day=date(today.year + 1, 7, 10),
    )
    data = letter_of_credit.encode_issue(parties, terms, b"\xa1" * 32)
    return _sign(bank_key(0), number, to=addresses.LETTER_OF_CREDIT_FACTORY, data=data, gas=3_000_000)


def _sign(key: PrivateKey, nonce: int, **fields: Any) -> Transaction:
    fields = {"chainId": CHAIN_ID, "nonce": nonce, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "type": 2, **fields}
    signed = EthAccount.sign_transaction({"data": b"", "value": 0, **fields}, key.secret_bytes())
    return Transaction.decode(bytes(signed.raw_transaction))


def _report(
    ledger: Ledger, title: str, size: int, blocks: Iterable[list[Transaction]], arguments: argparse.Namespace
) -> None:
    """As the primary, whose pool has recovered each sender, and as a replica that sees the block for the first time."""
    times: dict[str, list[float]] = {name: [] for name in ("recover", "build", "decode", "execute", "commit")}
    profile = cProfile.Profile()
    gas = 0
    for transactions in blocks:
        seconds, _ = _timed(lambda: [transaction.sender for transaction in transactions])  # noqa: B023
        times["recover"].append(seconds)
        if arguments.profile == "build":
            profile.enable()
        seconds, built = _timed(
            lambda: ledger.build(
                timestamp=ledger.head.timestamp + 1,
                coinbase=ledger.next_validators[0],
                certificate_hash=Hash32(bytes(32)),
                candidates=transactions,  # noqa: B023
                cpu_budget_s=60.0,
                tx_cpu_max_s=60.0,
            )
        )
        profile.disable()
        times["build"].append(seconds)
        if len(built.executed.block.transactions) != size or not all(r.status for r in built.executed.receipts):
            raise SystemExit(f"{title}: {len(built.executed.block.transactions)} placed, {built.evicted}")
        seconds, block = _timed(lambda: Block.decode(built.executed.block.rlp()))  # noqa: B023
        times["decode"].append(seconds)
        if arguments.profile == "execute":
            profile.enable()
        seconds, executed = _timed(lambda: ledger.execute(block))  # noqa: B023
        profile.disable()
        times["execute"].append(seconds)
        seconds, _ = _timed(
            lambda: ledger.commit(executed, certificate=b"c", carried_certificate=b"c", wal_lsn=0)  # noqa: B023
        )
        times["commit"].append(seconds)
        gas = executed.gas_used
    print(f"{title}, {gas:,} gas; us of CPU for each transaction, best of {len(times['build'])}")
    for name, values in times.items():
        print(f"  {name:8} {min(values) / size * 1e6:9.1f}")
    if arguments.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def add_commands(commands: Any) -> None:
    """The subcommands ``trie`` and ``blocks``."""
    trie = commands.add_parser("trie", help="batch trie updater against py-trie")
    trie.add_argument("--keys", type=int, default=100_000)
    trie.add_argument("--batches", type=int, nargs="+", default=[100, 1_000, 5_000])
    trie.add_argument("--repeat", type=int, default=3)
    trie.set_defaults(run=bench_trie)
    blocks = commands.add_parser("blocks", help="CPU of blocks of transfers and of one issued credit")
    blocks.add_argument("--credits", type=int, default=8)
    blocks.add_argument("--profile", choices=["build", "execute"], help="also print where the time goes")
    blocks.set_defaults(run=bench_blocks)
