"""Blocks and receipts: standard RLP, roots and blooms equal to py-evm's."""

from __future__ import annotations

import pytest
import rlp
from eth.db.trie import _make_trie_root_and_nodes, make_trie_root_and_nodes
from eth.rlp.logs import Log as EvmLog
from eth.rlp.receipts import Receipt as EvmReceipt
from eth.vm.forks.cancun.blocks import CancunBlock
from eth_bloom import BloomFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from node.chain import Block, Header, Log, Receipt, Transaction, logs_bloom, receipts_root
from node.chain.header import EMPTY_TRIE_ROOT
from node.chain.receipt import combine_blooms
from node.chain.rlp_fields import NESTING_MAX, decode_rlp
from node.errors import DataError, InvalidBlock, InvalidTransaction
from tests.chain.build import child, make_header, sign


def some_transactions() -> tuple[Transaction, ...]:
    """200 transactions of the three types, so that index keys of one and of two bytes appear."""
    rows = [sign(nonce=n) if n % 2 else sign(nonce=n, gasPrice=0) for n in range(199)]
    return tuple(Transaction.decode(raw) for raw in [*rows, sign(gasPrice=1, accessList=[], type=1, nonce=199)])


def test_block_is_py_evms() -> None:
    """py-evm reads our bytes, writes them back, and finds our transactions root."""
    block = child(make_header(), some_transactions())
    theirs = rlp.decode(block.rlp(), CancunBlock)
    assert rlp.encode(theirs) == block.rlp()
    assert theirs.hash == block.hash
    assert [tx.hash for tx in theirs.transactions] == [tx.hash for tx in block.transactions]
    assert make_trie_root_and_nodes(theirs.transactions)[0] == block.transactions_root()
    again = Block.decode(block.rlp())
    assert again == block and again.rlp() == block.rlp()


def test_block_refusals() -> None:
    """Ommers, withdrawals, a missing part and a bad transaction are refused with rule and place."""
    block = child(make_header(), some_transactions()[:2])
    header, transactions, _, _ = rlp.decode(block.rlp())
    with pytest.raises(InvalidBlock, match=r"P-1.*ommers"):
        Block.decode(rlp.encode([header, transactions, [header], []]))
    with pytest.raises(InvalidBlock, match=r"P-1.*withdrawals"):
        Block.decode(rlp.encode([header, transactions, [], [[b"", b"", bytes(20), b""]]]))
    with pytest.raises(InvalidBlock, match="P-1"):
        Block.decode(rlp.encode([header, transactions, []]))
    with pytest.raises(InvalidBlock, match=r"P-6: transaction 1") as caught:
        Block.decode(rlp.encode([header, [transactions[0], b"\x03" + transactions[1][1:]], [], []]))
    assert caught.value.found in ("blob", "malformed")
    with pytest.raises(InvalidBlock, match="P-6"):
        Block.decode(rlp.encode([header, [[b"\x01"]], [], []]))


def test_receipts_are_py_evms() -> None:
    """Encoding, bloom and root agree with py-evm and eth-bloom; decoding gives equal receipts."""
    logs = (Log(b"\x01" * 20, (b"\x02" * 32, b"\x03" * 32), b"data"), Log(b"\x05" * 20, (), b""))
    receipts = [
        Receipt.of(type_, succeeded=type_ != 1, cumulative_gas_used=21_000 * (type_ + 1), logs=logs if type_ else ())
        for type_ in (0, 1, 2)
    ]
    bloom = BloomFilter()
    for log in logs:
        bloom.add(log.address)
        bloom.extend(log.topics)
    assert int.from_bytes(logs_bloom(logs), "big") == int(bloom)
    assert combine_blooms(r.logs_bloom for r in receipts) == logs_bloom(logs)
    encoded = []
    for r in receipts:
        theirs = EvmReceipt(
            state_root=b"\x01" if r.status else b"",
            gas_used=r.cumulative_gas_used,
            bloom=int.from_bytes(r.logs_bloom, "big"),
            logs=[EvmLog(log.address, [int.from_bytes(t, "big") for t in log.topics], log.data) for log in r.logs],
        )
        prefix = bytes([r.type]) if r.type else b""
        encoded.append(prefix + rlp.encode(theirs))
        assert r.encode() == encoded[-1]
        assert Receipt.decode(r.encode()) == r
    assert _make_trie_root_and_nodes(tuple(encoded))[0] == receipts_root(receipts)
    assert receipts_root([]) == EMPTY_TRIE_ROOT


def test_receipt_refusals() -> None:
    """An unknown type, five topics, a status of 2 and a short bloom are data errors."""
    good = Receipt.of(2, succeeded=True, cumulative_gas_used=1, logs=()).encode()
    for bad in (b"\x05" + good[1:], good[:-1], b"", b"\x02"):
        with pytest.raises(DataError):
            Receipt.decode(bad)
    with pytest.raises(DataError, match="status"):
        Receipt.decode(rlp.encode([2, 1, bytes(256), []]))
    with pytest.raises(DataError, match="topics"):
        Receipt.decode(rlp.encode([1, 1, bytes(256), [[bytes(20), [bytes(32)] * 5, b""]]]))


GOOD_BLOCK = child(make_header(), some_transactions()[:3]).rlp()


@settings(max_examples=400)
@given(st.integers(0, len(GOOD_BLOCK) - 1), st.integers(1, 255), st.integers(0, 3))
def test_a_flipped_byte_is_another_block_or_none(position: int, mask: int, cut: int) -> None:
    """Any damaged block is refused with a rule, or reads as another block: encodings are one to one."""
    data = bytearray(GOOD_BLOCK)
    data[position] ^= mask
    damaged = bytes(data[: len(data) - cut])
    try:
        block = Block.decode(damaged)
    except InvalidBlock as error:
        assert error.rule in ("P-1", "P-6")
        return
    assert block.rlp() == damaged


@settings(max_examples=300)
@given(st.recursive(st.binary(max_size=40), lambda inner: st.lists(inner, max_size=6), max_leaves=40))
def test_any_rlp_is_read_or_refused(value: object) -> None:
    """Any well-formed RLP whatever raises our errors alone, as block, header and receipt."""
    data = rlp.encode(value)
    for decode in (Block.decode, Header.decode):
        with pytest.raises(InvalidBlock):
            decode(data)
    with pytest.raises(DataError):
        Receipt.decode(data)


def nested(depth: int) -> bytes:
    """RLP of ``depth`` lists, one in another."""
    data = b""
    for _ in range(depth):
        size = len(data)
        width = (size.bit_length() + 7) // 8
        data = (bytes([0xC0 + size]) if size < 56 else bytes([0xF7 + width]) + size.to_bytes(width, "big")) + data
    return data


@pytest.mark.parametrize("depth", [13, 100, 330, 3_999, 5_000, 40_000])
def test_nested_lists_are_refused_at_any_depth(depth: int) -> None:
    """A stranger's nesting never reaches the interpreter's limit: not in reading, not in writing an item again."""
    header = make_header().rlp()
    inner = nested(depth)
    length = len(header) + len(inner) + 2
    width = (length.bit_length() + 7) // 8
    block = bytes([0xF7 + width]) + length.to_bytes(width, "big") + header + inner + b"\xc0\xc0"
    with pytest.raises(InvalidBlock):
        Block.decode(block)
    with pytest.raises(InvalidTransaction):
        Transaction.decode(inner)


def test_the_nesting_bound_is_the_librarys_own_count() -> None:
    """16 lists in one another are read, 17 are not, whatever stands beside them."""
    assert decode_rlp(nested(NESTING_MAX), "sample") is not None
    with pytest.raises(DataError, match="deeper than 16"):
        decode_rlp(nested(NESTING_MAX + 1), "sample")
    beside = rlp.encode([b"x" * 60, b"", [b"y" * 300], rlp.decode(nested(NESTING_MAX - 1)), [[]] * 40])
    assert decode_rlp(beside, "sample") == rlp.decode(beside)
