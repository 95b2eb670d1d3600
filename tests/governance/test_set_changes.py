"""A real chain whose validator set is voted anew until nobody of the founders' keys is left: light client, auditor and
export follow it, and certificates count for the set of their height alone (P-10, P-12, P-13)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.errors import InvalidChain
from consensus.light_client import HeaderChain, Link
from contracts import consortium
from contracts.consortium_votes import Admission, Removal, ValidatorChange
from node.audit.export_file import ExportFile
from node.audit.replay import replay_chain
from node.chain.block import Block
from node.engine.header_view import decode_header_view
from node.execution.consensus_config import consensus_config
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.keys import SECP256K1_VERIFIER
from node.types import Address
from tests.audit.sealed_chain import (
    ACTIVATION_DELAY,
    CHAIN_ID,
    EPOCH_LENGTH,
    GAS_LIMIT,
    MEMBERS,
    START,
    VALIDATOR_KEYS,
    Chronicle,
    SealedChain,
    Served,
)
from tests.contracts.calendars import YEARS
from tests.contracts.consortium_chain import bank_key
from tests.governance.ballots import cast, propose, vote

FOUNDERS = MEMBERS[:4]
NEWCOMER = MEMBERS[4]


def _key(bank: int, generation: int) -> bytes:
    """A bank's validator key of a generation, known to the chronicle that seals."""
    key = bank_key(bank, f"validator of generation {generation}")
    VALIDATOR_KEYS[Address(key.address)] = key
    return key.address


def _to_edge(chronicle: Chronicle) -> int:
    """Blocks until a change that was executed in the head is in force, and one more; the edge."""
    edge = consortium.activation_height(chronicle.chain.height, EPOCH_LENGTH, ACTIVATION_DELAY)
    while chronicle.chain.height <= edge:
        chronicle.extend()
    return edge


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chronicle, list[int]]]:
    """The founders' keys replaced one after the other, a bank more, a founder removed; and the heights of change."""
    spec = ConsortiumSpec(
        chain_id=CHAIN_ID,
        timestamp=START,
        members=FOUNDERS,
        calendars=YEARS,
        epoch_length=EPOCH_LENGTH,
        activation_delay=ACTIVATION_DELAY,
        gas_limit=GAS_LIMIT,
    )
    chronicle = Chronicle(tmp_path_factory.mktemp("sets") / "chain", make_genesis(spec))
    for bank in range(4):
        vote(chronicle, ValidatorChange(MEMBERS[bank].id, _key(bank, 1)), (1, 2, 3))
    _to_edge(chronicle)
    vote(chronicle, Admission(replace(NEWCOMER, validator_address=_key(4, 1))), (0, 1, 2))
    _to_edge(chronicle)
    vote(chronicle, Removal(MEMBERS[0].id), (1, 2, 3, 4))
    _to_edge(chronicle)
    sets = chronicle.chain.sets
    yield chronicle, [height for height in range(2, len(sets) + 1) if sets[height - 1] != sets[height - 2]]
    chronicle.close()


@pytest.fixture(scope="module")
def disjoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chronicle, int]]:
    """All four keys replaced at one edge: the sets on its two sides have nobody in common."""
    spec = ConsortiumSpec(
        chain_id=CHAIN_ID,
        timestamp=START,
        members=FOUNDERS,
        calendars=YEARS,
        epoch_length=EPOCH_LENGTH,
        activation_delay=ACTIVATION_DELAY,
        gas_limit=GAS_LIMIT,
    )
    chronicle = Chronicle(tmp_path_factory.mktemp("disjoint") / "chain", make_genesis(spec))
    ids = propose(chronicle, {bank: ValidatorChange(MEMBERS[bank].id, _key(bank, 2)) for bank in range(4)})
    cast(chronicle, [((proposer + step) % 4, i) for proposer, i in enumerate(ids) for step in (1, 2)])
    yield chronicle, _to_edge(chronicle)
    chronicle.close()


def _links(chain: SealedChain) -> list[Link]:
    return [
        Link(
            decode_header_view(sealed.block),
            sealed.certificate,
            chain.sets[height] if chain.sets[height] != chain.sets[height - 1] else None,
        )
        for height, sealed in enumerate(chain.blocks, start=1)
    ]


def _light_client(chronicle: Chronicle) -> HeaderChain:
    header = chronicle.ledger.chain.header(0)
    assert header is not None
    genesis = Block(header, ()).rlp()
    config = consensus_config(chronicle.chain.genesis, chronicle.chain.genesis_hash)
    return HeaderChain(config, decode_header_view(genesis), chronicle.chain.sets[0], SECP256K1_VERIFIER)


def test_nobody_of_the_founders_keys_is_left(story: tuple[Chronicle, list[int]]) -> None:
    """Each change enters at its edge and not a height before; the last set shares no key with the first."""
    chronicle, edges = story
    sets = chronicle.chain.sets
    for edge in edges:
        assert edge % EPOCH_LENGTH == 0
    assert len(edges) >= 5
    assert len(set(sets)) == len(edges) + 1
    assert set(sets[0]).isdisjoint(sets[-1])


def test_a_light_client_follows_every_change(story: tuple[Chronicle, list[int]]) -> None:
    """From genesis by headers, certificates and the address lists that extraData hashes; without a list it stops."""
    chronicle, edges = story
    client = _light_client(chronicle)
    for link in _links(chronicle.chain):
        client.append(link)
    assert client.header.hash == chronicle.ledger.head_hash
    assert client.validators == chronicle.chain.sets[-1]
    untold = _light_client(chronicle)
    with pytest.raises(InvalidChain, match="P-12"):
        for link in _links(chronicle.chain):
            untold.append(replace(link, next_validators=None))
    assert untold.header.number == edges[0] - 2


def test_an_auditor_replays_every_change(story: tuple[Chronicle, list[int]], tmp_path: Path) -> None:
    """From a bank and from a file alike; the file tells each set where it begins."""
    chronicle, edges = story
    chain = chronicle.chain
    with closing(ExportFile(chain.write(tmp_path / "chain.praya"))) as exported:
        for source in (Served(chain), exported):
            outcome = replay_chain(source)
            assert outcome.finding is None
            assert (outcome.blocks, outcome.validator_sets) == (chain.height, len(edges) + 1)


def test_across_disjoint_sets_each_certificate_is_of_its_own_set(disjoint: tuple[Chronicle, int]) -> None:
    """At the edge nobody stays. All seals of the old set, for the old epoch or the new, prove nothing from the edge on,
    nor do the new set's the height before it: for the light client as for the auditor (P-10, P-13)."""
    chronicle, edge = disjoint
    chain = chronicle.chain
    assert set(chain.sets[edge - 1]).isdisjoint(chain.sets[edge - 2])
    assert replay_chain(Served(chain)).holds
    old, new = chain.sets[edge - 2], chain.sets[edge - 1]
    for height, wrong in ((edge, old), (edge - 1, new)):
        deceivers = replace(chain, sets=(wrong,) * len(chain.sets))
        block_hash = Block.decode(chain.blocks[height - 1].block).hash
        for epoch in ((edge - 1) // EPOCH_LENGTH, edge // EPOCH_LENGTH):
            seal = deceivers.seal(height, block_hash, epoch=epoch, signers=range(len(wrong)))
            false = chain.with_sealed(height, certificate=seal)
            outcome = replay_chain(Served(false))
            assert outcome.finding is not None
            assert (outcome.finding.check, outcome.finding.height, outcome.finding.rule) == (4, height, "P-10")
            client = _light_client(chronicle)
            with pytest.raises(InvalidChain, match="P-10"):
                for link in _links(false):
                    client.append(link)
            assert client.header.number == height - 1


def test_a_pinned_header_anchors_a_client_after_the_founders_are_gone(disjoint: tuple[Chronicle, int]) -> None:
    """Keys of a set that has left may be stolen later (H31): who pins a header after it needs none of them."""
    chronicle, edge = disjoint
    chain = chronicle.chain
    config = consensus_config(chain.genesis, chain.genesis_hash)
    anchor = decode_header_view(chain.blocks[edge - 2].block)
    client = HeaderChain(config, anchor, chain.sets[edge - 1], SECP256K1_VERIFIER)
    for link in _links(chain)[edge - 1 :]:
        client.append(link)
    assert client.header.hash == chronicle.ledger.head_hash
    with pytest.raises(InvalidChain, match="P-12"):
        HeaderChain(config, anchor, chain.sets[0], SECP256K1_VERIFIER)
