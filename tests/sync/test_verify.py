"""The check before execution, on hostile bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.chain.block import Block
from node.errors import InvalidBlock
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER
from node.sync.messages import BlockRecord
from node.sync.verify import RecordVerifier, decode_fetched
from node.types import Hash32
from tests.execution.chain import sign
from tests.p2p.parties import CHAIN_ID
from tests.sync.chain import FIRST_SET, SECOND_SET, config, extend, open_ledger, seal, sealers


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[tuple[Ledger, Ledger]]:
    """A chain to serve from and one to check against."""
    full, behind = open_ledger(tmp_path / "full"), open_ledger(tmp_path / "behind")
    yield full, behind
    full.close()
    behind.close()


def _copy(ledger: Ledger, record: BlockRecord) -> None:
    executed = ledger.execute(Block.decode(record.block))
    ledger.commit(executed, certificate=record.certificate, carried_certificate=record.carried, wal_lsn=0)


def _verifier(ledger: Ledger, block_bytes_max: int = 2**21) -> RecordVerifier:
    return RecordVerifier(config(ledger.genesis_hash), ledger.chain, SECP256K1_VERIFIER, block_bytes_max)


def test_no_changed_byte_passes(ledgers: tuple[Ledger, Ledger]) -> None:
    """Any change of block, certificate or carried certificate is an InvalidBlock, and nothing else is raised."""
    full, behind = ledgers
    _copy(behind, extend(full).record)
    record = extend(full).record
    verifier, rng = _verifier(behind), random.Random(7)
    parts = [record.block, record.certificate, record.carried]
    for turn in range(1_500):
        which = turn % 3
        data = bytearray(parts[which])
        at = rng.randrange(len(data))
        change = rng.randrange(3)
        if change == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at:]
        else:
            data[at:at] = bytes([rng.randrange(256)])
        altered = [bytes(data) if index == which else part for index, part in enumerate(parts)]
        with pytest.raises(InvalidBlock):
            verifier.check(BlockRecord(*altered))
    assert verifier.check(record).hash == full.head_hash


def test_seals_count_for_the_set_of_their_height(ledgers: tuple[Ledger, Ledger]) -> None:
    """After the edge at which the set changes, seals of the old set's keys prove nothing; any view and any quorum of
    the new set does, as does the certificate of all (P-10)."""
    full, behind = ledgers
    for _ in range(8):
        record = extend(full).record
        if full.head.number < 8:
            _copy(behind, record)
    assert sealers(7) == FIRST_SET
    assert sealers(8) == SECOND_SET
    block = full.chain.block(8)
    assert block is not None
    for view, signers in ((0, [0, 1, 2, 3]), (5, [1, 2, 3, 4]), (2**40, [0, 1, 2, 3, 4])):
        good = seal(full, block, view=view, signers=signers).encode()
        assert _verifier(behind).check(BlockRecord(record.block, good, record.carried)).number == 8
    stale = full.chain.certificate(7)
    assert stale is not None
    for bad in (stale, seal(full, block, signers=[0, 1, 2]).encode(), b""):
        with pytest.raises(InvalidBlock, match="P-10"):
            _verifier(behind).check(BlockRecord(record.block, bad, record.carried))


def test_the_first_block_carries_nothing(ledgers: tuple[Ledger, Ledger]) -> None:
    """Heights up to W name no certificate, and none may travel with them (P-11)."""
    full, behind = ledgers
    record = extend(full).record
    with pytest.raises(InvalidBlock, match="P-11"):
        _verifier(behind).check(BlockRecord(record.block, record.certificate, record.certificate))
    assert _verifier(behind).check(record).number == 1


def test_size_and_height_come_first(ledgers: tuple[Ledger, Ledger]) -> None:
    """A block over the limit is not even decoded; a height that is not the next is refused by name."""
    full, behind = ledgers
    first, second = extend(full).record, extend(full).record
    with pytest.raises(InvalidBlock, match="size limit"):
        _verifier(behind, len(first.block) - 1).check(first)
    with pytest.raises(InvalidBlock, match="next height"):
        _verifier(behind).check(second)


def test_a_fetched_block_must_have_its_headers_body(ledgers: tuple[Ledger, Ledger]) -> None:
    """The hash covers the header alone: the same header over another body is refused, as are another block, another
    height and another carried certificate."""
    full, _ = ledgers
    extend(full)
    made = extend(full)
    block, carried = made.block, made.record.carried
    assert decode_fetched(made.record.block, carried, 2, block.hash, 1).hash == block.hash
    stuffed = Block(block.header, (sign(chainId=CHAIN_ID),)).rlp()
    for data, certificate, height, wanted, message in (
        (stuffed, carried, 2, block.hash, "body"),
        (made.record.block, carried, 3, block.hash, "asked for"),
        (made.record.block, carried, 2, Hash32(bytes(32)), "asked for"),
        (made.record.block, b"", 2, block.hash, "P-11"),
        (b"\xc0", carried, 2, block.hash, "P-1"),
    ):
        with pytest.raises(InvalidBlock, match=message):
            decode_fetched(data, certificate, height, wanted, 1)
