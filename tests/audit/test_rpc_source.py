"""A bank's JSON-RPC as a source: ranges over one connection, and no lie that ends in TRUE or in a stack trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from node.audit import rpc_source
from node.audit.replay import replay_chain
from node.audit.report import Outcome
from node.audit.rpc_source import RpcSource
from node.client import json_rpc
from node.errors import UnavailableError
from tests.audit.rpc_server import ChainServer, Lie, serving
from tests.audit.sealed_chain import SET_CHANGE, SealedChain, tell_story


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SealedChain:
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain")
    chronicle.close()
    return chronicle.chain.cut(SET_CHANGE + 1)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_source, "PAUSE_S", 0.005)


@contextmanager
def opened(server: ChainServer, **options: Any) -> Iterator[RpcSource]:
    source = RpcSource(server.url, **{"timeout_s": 5.0, **options})
    try:
        yield source
    finally:
        source.close()


def audit(chain: SealedChain, lie: Lie = lambda method, params, true: true, **options: Any) -> Outcome:
    with serving(chain, lie) as server, opened(server) as source:
        outcome = replay_chain(source, **options)
    json.dumps(outcome.to_json())
    return outcome


def test_a_true_node_is_read_in_ranges_over_one_connection(chain: SealedChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each height is asked for once, some at a time, and the connection is kept."""
    monkeypatch.setattr(rpc_source, "RANGE_BLOCKS", 4)
    with serving(chain) as server, opened(server) as source:
        assert replay_chain(source).holds
        assert server.connections == 1
        asked = [params for method, params in server.requests if method == "pbft_getSealedBlocks"]
        counts = [4] * (chain.height // 4) + [chain.height % 4]
        assert asked == [[hex(1 + 4 * i), hex(count)] for i, count in enumerate(counts) if count]


def test_a_node_may_give_fewer_blocks_than_asked(chain: SealedChain) -> None:
    """Answers of one block at a time add up to the chain."""
    assert audit(chain, lambda method, params, true: true[:1] if "Sealed" in method else true).holds


def test_a_growing_chain_ends_at_the_height_first_named(chain: SealedChain) -> None:
    """The node's head at the first question; ``to`` ends earlier."""
    outcome = audit(chain, lambda method, params, true: "0x5" if method == "eth_blockNumber" else true)
    assert outcome.holds and outcome.blocks == 5
    assert audit(chain, to=3).blocks == 3
    assert not audit(chain, to=chain.height + 1).holds


def test_a_passing_failure_is_tried_again(chain: SealedChain) -> None:
    """A node that is restarting answers 503 for a while."""
    with serving(chain, refused=4) as server, opened(server) as source:
        assert replay_chain(source).holds
        assert len(server.requests) == 7


def test_an_unreachable_node_is_no_verdict(chain: SealedChain) -> None:
    """Nobody listens, or nobody answers in time: an error, not FALSE."""
    with serving(chain) as server:
        pass
    with opened(server) as source, pytest.raises(UnavailableError):
        replay_chain(source)


def test_a_node_that_stops_in_the_middle_is_no_verdict(chain: SealedChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was replayed before does not become a verdict."""
    monkeypatch.setattr(rpc_source, "RANGE_BLOCKS", 4)
    refusal = {"error": {"code": -32601, "message": "the method does not exist"}}

    def lie(method: str, params: list[Any], true: Any) -> Any:
        return refusal if params and int(params[0], 16) > 4 else true

    with serving(chain, lie) as server, opened(server) as source, pytest.raises(UnavailableError, match="refuses"):
        replay_chain(source)


SCALARS: tuple[Any, ...] = (None, True, -1, 1.5, "", "0x", "0xzz", [], {}, [[]], "0x 1f", "é" * 40)


@pytest.mark.parametrize("value", SCALARS, ids=repr)
@pytest.mark.parametrize("method", ["praya_getGenesis", "eth_blockNumber", "pbft_getSealedBlocks"])
def test_a_whole_answer_of_a_wrong_type_is_found(chain: SealedChain, method: str, value: Any) -> None:
    """Whatever stands where genesis, height or blocks belong: false, with a finding."""
    outcome = audit(chain, lambda asked, params, true: value if asked == method else true)
    assert outcome.finding is not None and outcome.finding.rule in ("source", "P-3")


@pytest.mark.parametrize("value", SCALARS, ids=repr)
@pytest.mark.parametrize("field", ["block", "certificate", "validators"])
def test_a_field_of_a_wrong_type_is_found(chain: SealedChain, field: str, value: Any) -> None:
    """Each field of a sealed block, of the first and of a later one."""
    for index in (0, 4):
        if (field, value, index) == ("validators", None, 4):
            continue  # that is the truth

        def lie(method: str, params: list[Any], true: Any, at: int = index) -> Any:
            if "Sealed" in method:
                true[at] |= {field: value}
            return true

        outcome = audit(chain, lie)
        assert outcome.finding is not None
        assert outcome.finding.height == index + 1
        assert outcome.finding.rule in ("source", "P-1", "P-10", "P-12")


def test_missing_fields_and_rows_that_are_none_are_found(chain: SealedChain) -> None:
    """Rows of no fields, of other types, and more rows than were asked for."""
    for rows in ([{}], [None], [7], ["0x"], [[]], [{"block": "0x"}]):
        outcome = audit(chain, lambda method, params, true, rows=rows: rows if "Sealed" in method else true)
        assert outcome.finding is not None and outcome.finding.rule == "source"
    too_many = audit(chain, lambda method, params, true: true * 2 if "Sealed" in method else true)
    assert too_many.finding is not None and too_many.finding.rule == "source"


def test_a_height_that_is_not_there_is_found(chain: SealedChain) -> None:
    """The node names a head and serves no such block."""
    for height in (chain.height + 1, 2**64 - 1):
        named = hex(height)
        outcome = audit(chain, lambda method, params, true, named=named: named if "Number" in method else true)
        found = outcome.finding
        assert found is not None and (found.height, found.rule, found.field) == (chain.height + 1, "source", "height")


def test_the_same_block_again_is_found(chain: SealedChain) -> None:
    """A node that serves its first block for ever."""
    outcome = audit(chain, lambda method, params, true: true[:1] * len(true) if "Sealed" in method else true)
    assert outcome.finding is not None
    assert (outcome.finding.height, outcome.finding.rule, outcome.finding.field) == (2, "P-1", "number")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b"null", b'{"jsonrpc":"2.0","id":99,"result":"0x1"}', b"[" * 100_000, b"\xff\xfe"],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_rpc_is_found(chain: SealedChain, body: bytes) -> None:
    """Pages, empty bodies, other requests' answers, deep nesting."""
    outcome = audit(chain, lambda method, params, true: body)
    assert outcome.finding is not None and outcome.finding.rule == "source"


def test_a_huge_answer_is_not_read_whole(chain: SealedChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's bound ends it."""
    monkeypatch.setattr(json_rpc, "ANSWER_BYTES_MAX", 200_000)
    outcome = audit(chain, lambda method, params, true: b" " * 400_000 if "Sealed" in method else true)
    assert outcome.finding is not None and outcome.finding.rule == "source"
    assert "longer than 200000" in outcome.finding.message


def test_bits_flipped_on_the_way_are_found(chain: SealedChain) -> None:
    """One hex digit of a block or certificate, at several places of each."""
    for index in (0, 6, chain.height - 1):
        for field in ("block", "certificate"):
            for place in (5, 100, -1):

                def lie(
                    method: str, params: list[Any], true: Any, at: int = index, name: str = field, where: int = place
                ) -> Any:
                    if "Sealed" in method:
                        text = list(true[at][name])
                        text[where] = "0" if text[where] != "0" else "1"
                        true[at][name] = "".join(text)
                    return true

                outcome = audit(chain, lie)
                assert outcome.finding is not None
                # A certificate is named by the next header, or judged by its seals.
                assert outcome.finding.height in (index + 1, index + 2)
