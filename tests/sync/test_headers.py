"""Following headers without blocks: what is believed, and what is not, whoever serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from consensus.certificates import make_commit_certificate
from consensus.domain import domain, seal_digest
from consensus.validators import epoch_of, quorum_size, validator_set_hash
from node.chain.header import Header
from node.errors import InvalidBlock
from node.execution.ledger import Ledger
from node.keys import SECP256K1_VERIFIER, PrivateKey
from node.sync.headers import HeaderFollower, Pin
from node.sync.messages import decode_body, encode_body
from node.sync.snapshot_messages import HeaderRecord, HeadersAnswer, HeadersRequest
from node.sync.snapshot_server import SnapshotServer
from node.types import Address, Hash32
from tests.p2p.parties import CHAIN_ID
from tests.sync.chain import CHANGE_EPOCH, FIRST_SET, KEYS, PARAMETERS, SECOND_SET, addresses, config, extend
from tests.sync.chain import open_ledger as open_chain

LENGTH = 22
"""Five epochs and a half: more than a schedule keeps."""
L = PARAMETERS.epoch_length


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = open_chain(tmp_path / "chain")
    for _ in range(LENGTH):
        extend(made)
    yield made
    made.close()


def follower(ledger: Ledger, pin: Pin | None = None) -> HeaderFollower:
    genesis = ledger.chain.header(0)
    assert genesis is not None
    return HeaderFollower(config(genesis.hash), genesis, addresses(FIRST_SET), SECP256K1_VERIFIER, pin)


def served(ledger: Ledger, start: int = 1, count: int = LENGTH) -> list[HeaderRecord]:
    """What an honest bank answers."""
    server = SnapshotServer(ledger.chain, ledger.state, window=1, epoch_length=L)
    return list(decode_body(server._headers(encode_body(HeadersRequest(start, count))), HeadersAnswer).records)


def sealed_by(keys: Sequence[PrivateKey], genesis_hash: Hash32, header: Header) -> bytes:
    """A certificate of a quorum of ``keys`` as the set of the header's epoch."""
    epoch = epoch_of(header.number, L)
    place = domain(CHAIN_ID, genesis_hash, epoch, validator_set_hash(epoch, addresses(keys)))
    digest = seal_digest(place, 0, header.number, header.hash)
    seals = {index: keys[index].sign(digest) for index in range(quorum_size(len(keys)))}
    return make_commit_certificate(epoch, 0, header.number, header.hash, seals).encode()


def other_history(
    ledger: Ledger, keys: Callable[[int], Sequence[PrivateKey]], sealers: Callable[[int], Sequence[PrivateKey]]
) -> list[HeaderRecord]:
    """Headers on the true genesis with another state, where ``keys(h)`` is said to be S(h); ``sealers(h)`` sign."""
    parent = ledger.chain.header(0)
    assert parent is not None
    genesis_hash, records = parent.hash, list[HeaderRecord]()
    for height in range(1, LENGTH + 1):
        true = ledger.chain.header(height)
        assert true is not None
        following = addresses(keys(height + 1))
        header = replace(
            true,
            parent_hash=parent.hash,
            state_root=Hash32(b"\x66" * 32),
            extra_data=validator_set_hash(epoch_of(height + 1, L), following),
        )
        certificate = b""
        if (height + 1) % L == 0 or height == LENGTH:
            certificate = sealed_by(sealers(height), genesis_hash, header)
        changed = following != addresses(keys(height))
        records.append(HeaderRecord(header.rlp(), certificate, b"".join(following) if changed else b""))
        parent = header
    return records


def test_a_chain_is_followed_over_all_its_edges_in_answers_of_any_length(ledger: Ledger) -> None:
    """One answer, answers of 1, 5 and 9 headers: the same tip and validators, each set where it changes, and few
    certificates."""
    for count in (LENGTH, 1, 5, 9):
        one = follower(ledger)
        proved = []
        while one.tip.number < LENGTH:
            proved += one.follow(served(ledger, one.tip.number + 1, count))
        assert one.tip == ledger.head
        assert one.validators == ledger.next_validators
        assert [each.header.number for each in proved] == list(range(1, LENGTH + 1))
        assert [each.header.number for each in proved if each.validators] == [CHANGE_EPOCH * L - 1]
        edges = [height for height in range(1, LENGTH + 1) if (height + 1) % L == 0]
        certificates = [each.header.number for each in proved if each.certificate]
        assert set(edges) <= set(certificates)
        assert count != LENGTH or certificates == [*edges, LENGTH]


def test_ones_own_validators_prove_nothing(ledger: Ledger) -> None:
    """Headers linked to the true genesis that name the server's own validators from the first edge on, sealed by them:
    the edge's header itself must have been sealed by the set before (linked hashes alone would let this pass)."""
    mine = KEYS[4:]

    def named(height: int) -> Sequence[PrivateKey]:
        return FIRST_SET if height < L else mine

    for sealers in (lambda _height: mine, named):
        records = other_history(ledger, named, sealers)
        if sealers is named:  # its own seals everywhere but at the edge, where it has none of the true set
            records[L - 2] = msgspec.structs.replace(records[L - 2], certificate=records[-1].certificate)
        one = follower(ledger)
        with pytest.raises(InvalidBlock, match="P-10"):
            one.follow(records)
        assert one.tip.number == 0


def test_a_past_set_with_lost_keys_is_stopped_by_a_pin_alone(ledger: Ledger) -> None:
    """H31: a quorum of the first set signs another history. Nothing in headers tells, so a bank without a pin is
    reported as such; one that knows a block of the chain refuses it."""
    false = other_history(ledger, lambda _height: FIRST_SET, lambda _height: FIRST_SET)
    follower(ledger).follow(false)
    known = ledger.chain.header(LENGTH - 3)
    assert known is not None
    pin = Pin(known.number, known.hash)
    with pytest.raises(InvalidBlock, match="pinned"):
        follower(ledger, pin).follow(false)
    follower(ledger, pin).follow(served(ledger))


def _changed(record: HeaderRecord, **changes: object) -> HeaderRecord:
    return HeaderRecord(replace(Header.decode(record.header), **changes).rlp(), record.certificate, record.validators)


def _replaced(place: int, change: Callable[[HeaderRecord, list[HeaderRecord]], HeaderRecord]) -> Callable[..., None]:
    def edit(records: list[HeaderRecord]) -> None:
        records[place] = change(records[place], records)

    return edit


def _set(record: HeaderRecord, **changes: bytes) -> HeaderRecord:
    return msgspec.structs.replace(record, **changes)


EDGE = CHANGE_EPOCH * L - 2
"""Place of the header before the first of the second set."""
SETS = b"".join(addresses(SECOND_SET))


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (_replaced(8, lambda r, _all: _changed(r, timestamp=9)), "P-1"),
        (_replaced(6, lambda _r, rows: rows[7]), "P-1"),
        (_replaced(0, lambda r, _all: _changed(r, parent_hash=bytes(32))), "P-1"),
        (_replaced(6, lambda r, _all: _set(r, header=r.header[:-1])), "P-1"),
        (_replaced(-1, lambda r, _all: _set(r, certificate=b"")), "P-10"),
        (_replaced(EDGE, lambda r, _all: _set(r, certificate=b"")), "P-10"),
        (_replaced(EDGE, lambda r, rows: _set(r, certificate=rows[-1].certificate)), "P-10"),
        (_replaced(-1, lambda r, rows: _set(r, certificate=rows[EDGE].certificate)), "P-10"),
        (_replaced(EDGE, lambda r, _all: _set(r, validators=b"")), "P-12"),
        (_replaced(EDGE, lambda r, _all: _set(r, validators=SETS[20:])), "P-12"),
        (_replaced(EDGE, lambda r, _all: _set(r, validators=SETS[20:] + SETS[:20])), "P-12"),
        (_replaced(EDGE, lambda r, _all: _set(r, validators=SETS[:-1])), "P-12"),
        (_replaced(EDGE - 1, lambda r, _all: _set(r, validators=SETS)), "P-12"),
    ],
)
def test_a_false_answer_is_refused_whole(ledger: Ledger, edit: Callable[[list[HeaderRecord]], None], rule: str) -> None:
    """One wrong field, certificate or set: the rule is named, nothing of the answer is kept, and the true answer is
    followed afterwards from where the follower stood, also over more epochs than a schedule keeps."""
    one = follower(ledger)
    records = served(ledger)
    edit(records)
    with pytest.raises(InvalidBlock) as caught:
        one.follow(records)
    assert caught.value.rule == rule
    assert one.tip.number == 0
    one.follow(served(ledger))
    assert one.tip == ledger.head


def test_the_old_sets_seal_does_not_count_in_a_later_epoch(ledger: Ledger) -> None:
    """A true header of epoch 2 with seals of the set of epochs 0 and 1, as that set or under the new one's name."""
    records = served(ledger)
    genesis = ledger.chain.header(0)
    assert genesis is not None
    tip = ledger.head
    old = sealed_by(FIRST_SET, genesis.hash, tip)
    digest_of_new = seal_digest(
        domain(
            CHAIN_ID, genesis.hash, epoch_of(LENGTH, L), validator_set_hash(epoch_of(LENGTH, L), addresses(SECOND_SET))
        ),
        0,
        LENGTH,
        tip.hash,
    )
    seals = {index: FIRST_SET[index].sign(digest_of_new) for index in range(4)}
    borrowed = make_commit_certificate(epoch_of(LENGTH, L), 0, LENGTH, tip.hash, seals).encode()
    for certificate in (old, borrowed):
        with pytest.raises(InvalidBlock, match="P-10"):
            follower(ledger).follow([*records[:-1], _set(records[-1], certificate=certificate)])


def test_an_address_list_is_read_as_addresses(ledger: Ledger) -> None:
    """The set that a header's hash names, in its order, is what seals are then counted for."""
    one = follower(ledger)
    one.follow(served(ledger, 1, CHANGE_EPOCH * L - 1))
    assert one.validators == tuple(Address(key.address) for key in SECOND_SET)
