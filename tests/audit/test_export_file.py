"""The export: one encoding, every byte of which counts; and bare blocks that another implementation imports."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import rlp
from eth.vm.forks.cancun.blocks import CancunBlock
from eth_hash.auto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.audit.export_file import MAGIC, ExportFile, write_export
from node.audit.replay import replay_chain
from node.audit.report import Finding, Outcome
from node.audit.source import SourceFault
from node.chain.genesis import Genesis
from node.errors import ConfigError
from tests.audit.sealed_chain import SealedChain, Served, genesis_of, tell_story
from tests.execution.chain import stock_chain

FLIPS = 100
SEED = 20_260_601


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> SealedChain:
    """A chain with strict time, so that any Ethereum implementation re-executes it as it is (P-4)."""
    chronicle = tell_story(tmp_path_factory.mktemp("story") / "chain", strict=True)
    chronicle.close()
    return chronicle.chain


@pytest.fixture(scope="module")
def exported(chain: SealedChain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chain.write(tmp_path_factory.mktemp("export") / "chain.praya")


@pytest.fixture(scope="module")
def doctored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where changed copies are written."""
    yield tmp_path_factory.mktemp("doctored") / "copy.praya"


def replay_bytes(path: Path, content: bytes) -> Outcome:
    path.write_bytes(content)
    return replay_chain(ExportFile(path))


def assert_false(outcome: Outcome) -> Finding:
    """Found false, with a height or the name of what is damaged."""
    found = outcome.finding
    assert found is not None and not outcome.holds
    assert found.height is not None or found.rule in ("file", "P-3")
    assert found.height is None or outcome.blocks == found.height - 1
    json.dumps(outcome.to_json())
    assert outcome.verdict().startswith("FALSE")
    return found


def test_an_export_reads_back_and_holds(chain: SealedChain, exported: Path) -> None:
    """The file gives the same genesis and sealed blocks, and replays true."""
    source = ExportFile(exported)
    assert source.height() == chain.height
    assert Genesis.from_json(source.genesis()) == chain.genesis
    assert tuple(source.blocks()) == chain.blocks
    assert replay_chain(source).holds


def test_an_export_of_an_export_is_the_same_file(exported: Path, tmp_path: Path) -> None:
    """One chain, one file: reading and writing again changes no byte, and leaves no other file."""
    source = ExportFile(exported)
    again = tmp_path / "again.praya"
    write_export(again, source.genesis(), source.blocks())
    assert again.read_bytes() == exported.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_random_flips_are_found(exported: Path, doctored: Path) -> None:
    """One byte of the file changed, anywhere: false, with the height or what is damaged; never an exception."""
    original = exported.read_bytes()
    draw = random.Random(SEED)
    first_block = _frame_edges(original)[1]
    for turn in range(FLIPS):
        # Most of a small chain's file is genesis: half of the positions are drawn from the rest.
        position = draw.randrange(first_block if turn % 2 else 0, len(original))
        changed = bytearray(original)
        changed[position] ^= draw.randrange(1, 256)
        assert_false(replay_bytes(doctored, bytes(changed)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_is_found(exported: Path, doctored: Path, data: st.DataObject) -> None:
    """A stretch replaced, removed or added at any place: false, and never an exception."""
    original = exported.read_bytes()
    genesis_too = data.draw(st.booleans())
    start = data.draw(st.integers(0 if genesis_too else _frame_edges(original)[1], len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 64)))
    edit = data.draw(st.binary(max_size=64))
    changed = original[:start] + edit + original[end:]
    if changed != original:
        assert_false(replay_bytes(doctored, changed))


def test_a_genesis_written_otherwise_is_refused(exported: Path, doctored: Path) -> None:
    """Spaces, upper-case hex or a timer changed: named as genesis, even where it means the same."""
    original = exported.read_bytes()
    for old, new in ((b'"0x', b'"0X'), (b'":{"', b'": {"'), (b'"timeoutMs":2000', b'"timeoutMs":2001'), (b"a", b"A")):
        assert original.count(old)
        found = assert_false(replay_bytes(doctored, original.replace(old, new, 1)))
        assert (found.check, found.height) == (1, None)


def test_a_cut_file_is_found(chain: SealedChain, exported: Path, doctored: Path) -> None:
    """Within a frame, and between two: the closing frame is missing."""
    original = exported.read_bytes()
    edges = _frame_edges(original)
    assert len(edges) == chain.height + 3  # before genesis, before each block, before the closing frame, the end
    for height, edge in enumerate(edges[2:-1], start=1):
        if height in (1, 2, 7, chain.height):
            found = assert_false(replay_bytes(doctored, original[:edge]))
            assert (found.rule, found.height) == ("file", height + 1)
    for length in (0, 5, len(MAGIC), len(MAGIC) + 3, edges[5] + 2, edges[5] + 9, len(original) - 1):
        assert_false(replay_bytes(doctored, original[:length]))


def test_nothing_may_follow_or_be_moved(exported: Path, doctored: Path) -> None:
    """Trailing bytes, a second closing frame, a block left out, two blocks exchanged."""
    original = exported.read_bytes()
    edges = _frame_edges(original)
    frames = [original[a:b] for a, b in pairwise(edges)]
    assert assert_false(replay_bytes(doctored, original + b"\x00")).rule == "file"
    assert assert_false(replay_bytes(doctored, original + frames[-1])).rule == "file"
    left_out = assert_false(replay_bytes(doctored, MAGIC + b"".join(frames[:4] + frames[5:])))
    assert (left_out.height, left_out.rule, left_out.field) == (4, "P-1", "number")
    exchanged = [*frames[:4], frames[5], frames[4], *frames[6:]]
    assert assert_false(replay_bytes(doctored, MAGIC + b"".join(exchanged))).height == 4


def test_a_shorter_export_must_say_so(chain: SealedChain, doctored: Path) -> None:
    """A prefix with its own closing frame is a true shorter chain; a demand for more is not met."""
    chain.cut(5).write(doctored)
    assert replay_chain(ExportFile(doctored)).holds
    assert replay_chain(ExportFile(doctored), to=3).blocks == 3
    found = replay_chain(ExportFile(doctored), to=6).finding
    assert found is not None and (found.height, found.field, found.expected, found.found) == (6, "height", 6, 5)


def test_what_is_no_chain_is_not_written(chain: SealedChain, tmp_path: Path) -> None:
    """A false genesis, blocks out of order or of no shape, no block at all: refused, and no file is left."""
    target = tmp_path / "none.praya"
    with pytest.raises(ConfigError):
        write_export(target, {"config": {}}, chain.blocks)
    for blocks in ((), chain.blocks[1:], (replace(chain.blocks[0], block=b"\xc0"),)):
        with pytest.raises(SourceFault):
            write_export(target, chain.genesis.document, blocks)
    assert list(tmp_path.iterdir()) == []


def test_every_hash_is_plain_rlp_and_keccak(chain: SealedChain) -> None:
    """Block hashes and links recomputed with nothing of ours."""
    parent = chain.genesis_hash
    for height, sealed in enumerate(chain.blocks, start=1):
        header = rlp.decode(sealed.block)[0]
        assert header[0] == parent
        parent = keccak(rlp.encode(header))
        assert parent == chain.header(height).hash


def test_bare_blocks_are_imported_by_another_implementation(chain: SealedChain, tmp_path: Path) -> None:
    """``--format rlp``: stock py-evm re-executes the whole story with its own validation, roots equal."""
    content = chain.write(tmp_path / "blocks.rlp", bare=True).read_bytes()
    stock = stock_chain(chain.genesis)
    assert stock.get_canonical_head().hash == chain.genesis_hash
    position = height = 0
    while position < len(content):
        _, _, length, start = rlp.codec.consume_length_prefix(content, position)
        item, position = content[position : start + length], start + length
        height += 1
        imported = stock.import_block(rlp.decode(item, sedes=CancunBlock), perform_validation=True).imported_block
        ours = chain.header(height)
        assert (imported.header.hash, imported.header.state_root) == (ours.hash, ours.state_root)
        assert (imported.header.receipt_root, imported.number) == (ours.receipts_root, height)
    assert height == chain.height


def test_the_sources_own_order_of_genesis_does_not_matter(chain: SealedChain, exported: Path, tmp_path: Path) -> None:
    """A document with its keys in another order gives the same file."""
    document = json.loads(json.dumps(chain.genesis.document))
    shuffled = dict(sorted(document.items(), reverse=True))
    write_export(tmp_path / "again.praya", shuffled, Served(chain).blocks())
    assert (tmp_path / "again.praya").read_bytes() == exported.read_bytes()
    assert genesis_of(strict=True) == chain.genesis


def _frame_edges(content: bytes) -> list[int]:
    edges = [len(MAGIC)]
    while edges[-1] < len(content):
        edges.append(edges[-1] + 4 + int.from_bytes(content[edges[-1] : edges[-1] + 4], "big"))
    return edges
