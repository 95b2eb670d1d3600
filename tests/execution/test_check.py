"""The check command: a database is what its blocks make of genesis, or the first difference is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from node.chain.genesis import Genesis, GenesisAccount
from node.errors import ConfigError, DataError, PrayaError
from node.execution.check import TABLES, CheckReport, check_database
from node.storage import keyspace
from node.storage.leveldb import LevelDB
from node.types import Address
from tests.execution.assembler import assemble, initcode
from tests.execution.chain import ADDRESSES, KEYS, extend, make_genesis, make_rules, open_ledger, sign

COUNTER = Address(b"\x71" * 20)
COUNTING = assemble(0, "SLOAD", 1, "ADD", 0, "SSTORE", "NUMBER", "DUP1", "SSTORE")
BLOCKS = 4


@pytest.fixture
def genesis() -> Genesis:
    return make_genesis({COUNTER: GenesisAccount(nonce=1, code=COUNTING, storage={0: 7, 5: 6})})


@pytest.fixture
def path(tmp_path: Path, genesis: Genesis) -> Path:
    """A closed database of BLOCKS blocks: transfers, storage writes and a new contract."""
    ledger = open_ledger(tmp_path / "chain", genesis)
    for number in range(BLOCKS):
        extend(
            ledger,
            [
                sign(nonce=2 * number, to=COUNTER),
                sign(nonce=2 * number + 1, to=ADDRESSES[1], value=1),
                sign(KEYS[2], nonce=number, to=None, data=initcode(assemble(number, 0, "SSTORE"))),
            ],
        )
    ledger.close()
    return tmp_path / "chain"


def check(path: Path, genesis: Genesis) -> CheckReport:
    return check_database(path, genesis, rules=make_rules(genesis))


def change(path: Path, edit: Callable[[LevelDB], None]) -> None:
    store = LevelDB.open(path)
    edit(store)
    store.close()


def test_an_honest_database_is_equal(path: Path, genesis: Genesis) -> None:
    """All tables are equal, progress is told, and nothing is left beside the database."""
    told: list[tuple[int, int]] = []
    before = sorted(path.parent.iterdir())
    rules = make_rules(genesis)
    report = check_database(path, genesis, rules=rules, progress=lambda height, count: told.append((height, count)))
    assert report.head == BLOCKS
    assert report.entries > 40
    assert told == [(number, 3) for number in range(1, BLOCKS + 1)]
    assert sorted(path.parent.iterdir()) == before
    assert check(path, genesis) == report


@pytest.mark.parametrize("prefix", [p for p in TABLES if len(p) == 1], ids=lambda prefix: str(TABLES[prefix]))
@pytest.mark.parametrize("damage", ["changed", "deleted", "added"])
def test_any_difference_in_any_table_is_found(path: Path, genesis: Genesis, prefix: bytes, damage: str) -> None:
    """One changed, deleted or added entry of each kind ends the check with exit code 65; nothing is repaired."""

    def edit(store: LevelDB) -> None:
        key, value = list(store.iterate(prefix))[-1]
        operations = {
            "changed": (key, value[:-1] + bytes([value[-1] ^ 1])),
            "deleted": (key, None),
            "added": (key[:-1] + bytes([key[-1] ^ 1]), value),
        }
        store.write([operations[damage]], sync=True)

    change(path, edit)
    for _ in range(2):
        with pytest.raises(PrayaError) as caught:
            check(path, genesis)
        assert caught.value.exit_code == 65


def test_the_difference_is_named(path: Path, genesis: Genesis) -> None:
    """Table, key, what is stored and what should be."""
    key = keyspace.slot(COUNTER, 0)
    change(path, lambda store: store.write([(key, b"\x63")], sync=True))
    with pytest.raises(DataError, match="storage word") as caught:
        check(path, genesis)
    assert key[len(keyspace.SLOT) :].hex() in caught.value.message
    assert caught.value.details == {"expected": "0b", "found": "63"}


def test_what_cannot_be_checked_is_refused(path: Path, genesis: Genesis, tmp_path: Path) -> None:
    """No database, one in use, and one of another genesis: configuration errors, and no folder is made."""
    with pytest.raises(ConfigError, match="no database"):
        check(tmp_path / "nowhere", genesis)
    assert not (tmp_path / "nowhere").exists()
    store = LevelDB.open(path)
    with pytest.raises(ConfigError):
        check(path, genesis)
    store.close()
    with pytest.raises(ConfigError, match="another genesis"):
        check(path, make_genesis())
