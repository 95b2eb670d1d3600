"""The chain store on a real LevelDB: what is committed is read back whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.chain import ChainStore, Receipt, Transaction
from node.errors import DataError
from node.storage import LevelDB
from node.types import Address
from tests.chain.build import child, make_genesis, make_header, sign

A, B = Address(b"\x0a" * 20), Address(b"\x0b" * 20)


def test_commit_and_read_back(tmp_path: Path) -> None:
    """Headers, blocks, receipts, certificates, places, validator sets and the LSN come back, also after reopening."""
    database = LevelDB.open(tmp_path)
    store = ChainStore(database)
    assert store.is_empty
    with pytest.raises(DataError, match="no chain"):
        store.head()
    genesis, header = make_genesis(), make_header()
    database.write(store.genesis_operations(header, genesis.digest, [A]), sync=True)
    assert store.head() == header and store.genesis_digest() == genesis.digest
    assert store.certificate(0) is None and store.receipts(0) == ()
    assert store.validators(1) == (A,)

    transactions = tuple(Transaction.decode(sign(nonce=n)) for n in range(3))
    receipts = [Receipt.of(2, succeeded=True, cumulative_gas_used=21_000 * (n + 1), logs=()) for n in range(3)]
    one = child(header, transactions)
    database.write(store.commit_operations(one, receipts, b"cert-1", None, [A], 5), sync=True)
    two = child(one.header)
    database.write(store.commit_operations(two, [], b"cert-2", (1, b"canonical-1"), [A, B], 9), sync=True)
    database.close()

    database = LevelDB.open(tmp_path)
    store = ChainStore(database)
    assert store.head() == two.header and store.head_number() == 2
    assert store.block(1) == one and store.block_rlp(1) == one.rlp()
    assert store.receipts(1) == tuple(receipts)
    assert store.header_by_hash(one.hash) == one.header
    assert [store.transaction_location(tx.hash) for tx in transactions] == [(1, 0), (1, 1), (1, 2)]
    assert store.certificate(1) == b"canonical-1" and store.certificate(2) == b"cert-2"
    assert [store.validators(h) for h in (1, 2, 3)] == [(A,), (A,), (A, B)]
    assert store.validators_change(2) == (1, (A,)) and store.wal_lsn() == 9
    for missing in (store.header(3), store.block(3), store.receipts(3), store.certificate(3), store.header(-1)):
        assert missing is None
    assert store.number_of(bytes(32)) is None and store.transaction_location(bytes(32)) is None
    for undecided in (0, 4):
        with pytest.raises(DataError, match="not decided"):
            store.validators(undecided)
    database.close()
