"""Two sources: one chain, a false copy, or evidence of a fork that names who sealed twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.audit.replay import replay_chain
from node.chain.block import Block
from tests.audit.sealed_chain import SealedChain, Served, genesis_of, tell_story


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SealedChain:
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain")
    chronicle.close()
    return chronicle.chain


class Other(Served):
    name = "other"


def test_two_sources_of_one_chain_agree(chain: SealedChain) -> None:
    """Every block is compared; other good seals on the tip are no difference (P-10)."""
    height = chain.height
    seal = chain.seal(height, chain.header(height).hash, signers=(1, 2, 3), view=4)
    outcome = replay_chain(Served(chain), against=Other(chain.with_sealed(height, certificate=seal)))
    assert outcome.holds and outcome.compared == height and outcome.notes == []


def test_a_source_behind_or_ahead_is_noted(chain: SealedChain) -> None:
    """Shorter is no contradiction; what lies above was not audited, and the report says so."""
    behind = replay_chain(Served(chain), against=Other(chain.cut(5)))
    assert behind.holds and behind.compared == 5 and behind.notes == ["other ends at height 5"]
    ahead = replay_chain(Served(chain.cut(5)), against=Other(chain))
    assert ahead.holds and ahead.blocks == 5 and "not audited" in ahead.notes[0]


@pytest.mark.parametrize("at", ["middle", "tip"])
def test_a_fork_names_who_sealed_both(chain: SealedChain, at: str) -> None:
    """Two blocks with good seals in one view: both certificates, and the validators that are proven false."""
    height = 7 if at == "middle" else chain.height
    members = chain.sets[height - 1]
    header = chain.header(height)
    ours = chain.with_block(height, Block.decode(chain.blocks[height - 1].block), signers=(0, 1, 2))
    twin = replace(Block.decode(chain.blocks[height - 1].block), header=replace(header, timestamp=header.timestamp + 1))
    theirs = chain.with_block(height, twin, signers=(1, 2, 3))
    found = replay_chain(Served(ours), against=Other(theirs)).finding
    assert found is not None
    assert (found.check, found.height, found.rule, found.field) == (8, height, "P-10", "fork")
    assert found.found["signers"] == found.found["proven_false"] == [members[1], members[2]]
    assert found.expected["certificate"] == ours.blocks[height - 1].certificate
    assert found.found["certificate"] == theirs.blocks[height - 1].certificate
    assert found.expected["block_hash"] != found.found["block_hash"]


def test_seals_of_two_views_prove_no_single_validator(chain: SealedChain) -> None:
    """An honest replica may commit in a later view: the fork is shown, the names are witnesses only."""
    header = chain.header(7)
    twin = replace(Block.decode(chain.blocks[6].block), header=replace(header, timestamp=header.timestamp + 1))
    found = replay_chain(Served(chain), against=Other(chain.with_block(7, twin, view=5))).finding
    assert found is not None and found.field == "fork"
    assert found.found["signers"] and found.found["proven_false"] == []


def test_a_second_source_that_lies_is_found(chain: SealedChain) -> None:
    """Another block without good seals, another body, another genesis."""
    header = chain.header(7)
    twin = replace(Block.decode(chain.blocks[6].block), header=replace(header, timestamp=header.timestamp + 1))
    unsealed = chain.with_block(7, twin, signers=(0,))
    found = replay_chain(Served(chain), against=Other(unsealed)).finding
    assert found is not None and (found.check, found.height, found.field) == (8, 7, "against")
    body = chain.with_sealed(7, block=replace(Block.decode(chain.blocks[6].block), transactions=()).rlp())
    found = replay_chain(Served(chain), against=Other(body)).finding
    assert found is not None and (found.check, found.height, found.field) == (8, 7, "against")
    # The other way round, the first source's own checks speak.
    found = replay_chain(Served(body), against=Other(chain)).finding
    assert found is not None and found.check == 6
    other = replace(chain, genesis=genesis_of(strict=True))
    found = replay_chain(Served(chain), against=Other(other)).finding
    assert found is not None and (found.check, found.height, found.field) == (8, None, "genesis_digest")
