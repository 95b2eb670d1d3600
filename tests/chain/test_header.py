"""Headers hash as Ethereum's do: by plain rlp and keccak, and by py-evm's Cancun header."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rlp
import sha3
from eth.vm.forks.cancun.blocks import CancunBlockHeader

from node.chain import Header
from node.chain.header import FIELD_NAMES
from node.errors import InvalidBlock
from tests.chain.build import make_header


def test_hash_is_plain_rlp_and_keccak() -> None:
    """P-1: the hash is keccak256 of the RLP of 20 fields, written out here by hand."""
    h = make_header(number=7, gas_used=21_000, timestamp=1_700_000_123, coinbase=b"\x09" * 20)
    fields = [
        h.parent_hash, h.ommers_hash, h.coinbase, h.state_root, h.transactions_root, h.receipts_root, h.logs_bloom,
        b"", b"\x07", (30_000_000).to_bytes(4, "big"), (21_000).to_bytes(2, "big"),
        (1_700_000_123).to_bytes(4, "big"), h.extra_data, bytes(32), bytes(8), b"", h.withdrawals_root, b"", b"",
        h.parent_beacon_block_root,
    ]  # fmt: skip
    assert h.hash == sha3.keccak_256(rlp.encode(fields)).digest()
    assert h.rlp() == rlp.encode(fields)


def test_hash_is_py_evms() -> None:
    """The same 20 values in py-evm's Cancun header class give the same RLP and hash."""
    h = make_header(number=3, gas_used=1, logs_bloom=b"\x80" + bytes(255))
    theirs = CancunBlockHeader(
        parent_hash=h.parent_hash, uncles_hash=h.ommers_hash, coinbase=h.coinbase, state_root=h.state_root,
        transaction_root=h.transactions_root, receipt_root=h.receipts_root,
        bloom=int.from_bytes(h.logs_bloom, "big"), difficulty=0, block_number=h.number, gas_limit=h.gas_limit,
        gas_used=h.gas_used, timestamp=h.timestamp, extra_data=h.extra_data, mix_hash=h.prev_randao, nonce=h.nonce,
        base_fee_per_gas=0, withdrawals_root=h.withdrawals_root, blob_gas_used=0, excess_blob_gas=0,
        parent_beacon_block_root=h.parent_beacon_block_root,
    )  # fmt: skip
    assert theirs.hash == h.hash
    assert Header.decode(rlp.encode(theirs)) == h


def test_decode_refuses_what_is_not_canonical() -> None:
    """Missing or extra fields, wrong widths, leading zeros and tails are P-1 errors that name the field."""
    fields = make_header().fields()
    assert len(FIELD_NAMES) == 20

    def decode_with(index: int, value: bytes) -> None:
        Header.decode(rlp.encode([*fields[:index], value, *fields[index + 1 :]]))

    with pytest.raises(InvalidBlock, match=r"P-1.*coinbase"):
        decode_with(2, bytes(19))
    with pytest.raises(InvalidBlock, match=r"number.*leading zeros"):
        decode_with(8, b"\x00\x01")
    with pytest.raises(InvalidBlock, match=r"extra_data"):
        decode_with(12, b"")
    with pytest.raises(InvalidBlock, match=r"timestamp.*limit"):
        decode_with(11, b"\x01" * 9)
    for data in (b"", b"\xc0", rlp.encode(fields[:-1]), rlp.encode([*fields, b""]), make_header().rlp() + b"\x00"):
        with pytest.raises(InvalidBlock, match="P-1"):
            Header.decode(data)
    with pytest.raises(InvalidBlock):
        Header.decode(b"\xc1" * 100_000)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("difficulty", 1, "P-1"), ("nonce", b"\x01" * 8, "P-1"), ("prev_randao", b"\x01" * 32, "P-1"),
        ("blob_gas_used", 1, "P-1"), ("excess_blob_gas", 1, "P-1"), ("ommers_hash", b"\x01" * 32, "P-1"),
        ("withdrawals_root", b"\x01" * 32, "P-1"), ("base_fee_per_gas", 1, "P-2"),
    ],
)  # fmt: skip
def test_constant_fields_are_held(name: str, value: object, rule: str) -> None:
    """P-1 and P-2: each constant field is checked, with the rule and both values in the error."""
    header = make_header()
    header.check_constant_fields()
    with pytest.raises(InvalidBlock) as caught:
        replace(header, **{name: value}).check_constant_fields()
    assert caught.value.rule == rule and caught.value.found == value
