"""A validator key after lost signing state (P-18): drawn once, taken up when the members have voted for it, and never
half taken up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.wal_records import State
from contracts import consortium
from contracts.consortium_votes import ValidatorChange
from node.app import new_key
from node.engine.wal import WriteAheadLog
from node.errors import ConfigError
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.keys import PrivateKey
from node.keys.keystore import load_keystore, read_secret_file, save_keystore, write_secret_file
from node.keys.tls import make_authority, make_node_files, sign_request
from node.types import Address
from tests.audit.sealed_chain import CHAIN_ID, EPOCH_LENGTH, GAS_LIMIT, MEMBERS, START, Chronicle
from tests.contracts.calendars import YEARS
from tests.contracts.consortium_chain import bank_key
from tests.governance.ballots import vote

BUSINESS = Address(bank_key(0).address)
OLD = bank_key(0, "validator")
AUTHORITY = make_authority("test")


@pytest.fixture
def chronicle(tmp_path: Path) -> Iterator[Chronicle]:
    """Four banks."""
    spec = ConsortiumSpec(
        CHAIN_ID,
        START,
        MEMBERS[:4],
        calendars=YEARS,
        epoch_length=EPOCH_LENGTH,
        activation_delay=2,
        gas_limit=GAS_LIMIT,
    )
    made = Chronicle(tmp_path / "chain", make_genesis(spec))
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a bank that votes with its old key, its log included."""
    path = tmp_path / "bank"
    save_keystore(path / "keystore" / "validator.json", OLD, "old", light=True)
    write_secret_file(path / "keystore" / "validator.password", b"old")
    make_node_files(path / "tls", AUTHORITY, OLD, chain_id=CHAIN_ID, common_name="bank")
    log = WriteAheadLog(str(path / "wal"))
    log.open()
    log.append(7, (State(0, 0, None, None, (), ()),))
    log.sync()
    log.close()
    return path


def _prepare(folder: Path) -> Address:
    return new_key.prepare(folder, chain_id=CHAIN_ID, name="bank", authority=AUTHORITY).address


def _current(folder: Path) -> PrivateKey:
    keystore = folder / "keystore"
    return load_keystore(keystore / "validator.json", read_secret_file(keystore / "validator.password").decode())


def test_a_next_key_is_drawn_once(folder: Path) -> None:
    """It is another key, it waits, and a second one is refused: the members vote on the first."""
    address = _prepare(folder)
    assert address != OLD.address
    assert new_key.waits(folder)
    assert _current(folder).address == OLD.address
    with pytest.raises(ConfigError, match="waits"):
        _prepare(folder)


def test_it_is_taken_up_when_the_register_names_it(folder: Path, chronicle: Chronicle) -> None:
    """Before the vote nothing changes; after it key, certificate and log are new, the old ones retired, and the log
    begins above every sequence number that the ledger has seen."""
    address = _prepare(folder)
    assert not new_key.take_up(folder, BUSINESS, chronicle.ledger)
    assert _current(folder).address == OLD.address
    vote(chronicle, ValidatorChange(MEMBERS[0].id, address), (1, 2, 3))
    assert new_key.take_up(folder, BUSINESS, chronicle.ledger)
    _assert_taken_up(folder, chronicle, address)
    assert not new_key.take_up(folder, BUSINESS, chronicle.ledger)


@pytest.mark.parametrize("stop_after", range(6))
def test_a_cut_at_any_step_is_carried_on(
    folder: Path, chronicle: Chronicle, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """Whatever rename the power went out after, the next start ends where an undisturbed one does."""
    address = _prepare(folder)
    vote(chronicle, ValidatorChange(MEMBERS[0].id, address), (1, 2, 3))
    true_rename, done = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        if len(done) == stop_after:
            raise KeyboardInterrupt
        done.append(target)
        return true_rename(self, target)

    with monkeypatch.context() as cut:
        cut.setattr(Path, "rename", rename)
        with pytest.raises(KeyboardInterrupt):
            new_key.take_up(folder, BUSINESS, chronicle.ledger)
    assert new_key.waits(folder), "until the last step a start knows that the old key must not vote"
    assert new_key.take_up(folder, BUSINESS, chronicle.ledger)
    _assert_taken_up(folder, chronicle, address)


def _assert_taken_up(folder: Path, chronicle: Chronicle, address: Address) -> None:
    assert _current(folder).address == address
    assert not new_key.waits(folder)
    mark = f"retired-before-{address.hex()}"
    assert (folder / f"wal-{mark}").is_dir()
    assert (folder / f"tls-{mark}" / "node.crt").exists()
    assert (folder / "keystore" / f"validator-{mark}.json").exists()
    assert not (folder / "tls-next").exists()
    log = WriteAheadLog(str(folder / "wal"))
    ((lsn, records),) = log.open()
    log.close()
    height = chronicle.ledger.head.number
    assert lsn > chronicle.ledger.chain.wal_lsn()
    assert records == (State((height + 1) // EPOCH_LENGTH, height, None, None, (), ()),)
    assert consortium.activation_height(height, EPOCH_LENGTH, 2) > height


def test_without_the_authoritys_answer_a_voted_key_is_not_taken_up(folder: Path, chronicle: Chronicle) -> None:
    """A real bank's request is signed elsewhere: until the certificate lies there, the start says what is missing."""
    made = new_key.prepare(folder, chain_id=CHAIN_ID, name="bank")
    assert made.request is not None
    vote(chronicle, ValidatorChange(MEMBERS[0].id, made.address), (1, 2, 3))
    with pytest.raises(ConfigError, match=r"node\.crt is missing"):
        new_key.take_up(folder, BUSINESS, chronicle.ledger)
    assert _current(folder).address == OLD.address
    certificate = sign_request(AUTHORITY, made.request.read_bytes(), chain_id=CHAIN_ID)
    (folder / "tls-next" / "node.crt").write_bytes(certificate)
    assert new_key.take_up(folder, BUSINESS, chronicle.ledger)
    assert _current(folder).address == made.address
