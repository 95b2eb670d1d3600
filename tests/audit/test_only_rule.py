"""The doctored copies of test_rules are wrong in nothing else: with the one rule switched off they are found true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node.audit import replay
from node.chain.block import Block
from node.chain.header import Header
from node.errors import InvalidBlock
from node.execution import transition
from node.execution.rules import GasCaps
from tests.audit.sealed_chain import GAS_LIMIT, Chronicle, SealedChain, Served, tell_story
from tests.audit.test_rules import BAD_SEALS, HEADER_FIELDS, LAWLESS


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chronicle]:
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain")
    yield chronicle
    chronicle.close()


def holds_without(chain: SealedChain, monkeypatch: pytest.MonkeyPatch, *switches: tuple[Any, str, Any]) -> bool:
    """Whether the copy holds with some rules replaced; that it is false as the rules are, test_rules shows."""
    for owner, name, replacement in switches:
        monkeypatch.setattr(owner, name, replacement)
    return replay.replay_chain(Served(chain)).holds


@pytest.mark.parametrize("field", [f for f, (_, _, check) in HEADER_FIELDS.items() if check == 6])
def test_a_false_field_is_all_that_is_wrong(story: Chronicle, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the comparison of that one field is switched off."""
    true_require, true_constants = transition._require, Header.check_constant_fields

    def require(rule: str, what: str, expected: Any, found: Any) -> None:
        if what != f"header field {field}":
            true_require(rule, what, expected, found)

    def constants(header: Header) -> None:
        try:
            true_constants(header)
        except InvalidBlock as error:
            if f"header field {field}" not in error.message:
                raise

    copy = story.chain.with_header(story.chain.height, **{field: HEADER_FIELDS[field][0]})
    switches = ((transition, "_require", require), (Header, "check_constant_fields", constants))
    assert holds_without(copy, monkeypatch, *switches)


def _nothing(*arguments: Any, **options: Any) -> None:
    """A rule switched off."""


SWITCHES: dict[str, tuple[Any, str, Any]] = {
    "gas above half of the limit": (GasCaps, "of", lambda genesis: GasCaps(8_000_000, GAS_LIMIT)),
    "time before the parent's": (transition, "earliest_timestamp", lambda genesis, parent: 0),
    "unregistered sender": (transition, "check_permission", _nothing),
    "creation without the deployer role": (transition, "check_permission", _nothing),
    "gas above maxTxGas": (transition, "check_transaction", _nothing),
    "excluded precompile called from outside": (transition, "precompile_addresses", lambda numbers: frozenset()),
    "excluded precompile called from within": (transition, "precompile_addresses", lambda numbers: frozenset()),
    "names no certificate": (replay._Replay, "_check_carried", lambda self, height, block: None),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_crime_is_all_that_is_wrong(story: Chronicle, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One rule is off, all others judge the block, and it holds."""
    block = LAWLESS[name].forge(story)
    assert holds_without(story.chain.and_block(block), monkeypatch, SWITCHES[name])


@pytest.mark.parametrize("name", BAD_SEALS)
def test_bad_seals_are_all_that_is_wrong(story: Chronicle, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the verification of seals the copy holds."""
    height = story.chain.height
    block = Block.decode(story.chain.blocks[height - 1].block)
    copy = story.chain.with_block(height, block, **BAD_SEALS[name])
    assert holds_without(copy, monkeypatch, (replay, "verify_commit_certificate", _nothing))
