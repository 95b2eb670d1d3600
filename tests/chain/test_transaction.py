"""Transactions: what wallets sign is read exactly, and everything else is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from node.chain import Transaction
from node.errors import InvalidTransaction
from node.keys import keccak256
from node.keys.secp256k1 import CURVE_ORDER
from tests.chain.build import CHAIN_ID, KEY, sign

ACCESS = [{"address": "0x" + "44" * 20, "storageKeys": ["0x" + "00" * 31 + "05", "0x" + "ff" * 32]}]
KINDS: list[dict[str, Any]] = [
    {"gasPrice": 0},
    {"gasPrice": 7, "data": "0x" + "ab" * 300, "value": 10**20},
    {"gasPrice": 3, "accessList": ACCESS, "type": 1},
    {"accessList": ACCESS, "maxFeePerGas": 9, "maxPriorityFeePerGas": 2, "nonce": 300},
    {"to": None, "data": "0x6000", "gas": 100_000},
]


@pytest.mark.parametrize("kind", KINDS)
def test_reads_what_eth_account_signs(kind: dict[str, Any]) -> None:
    """Sender, hash and every field agree with eth-account and with py-evm's reading of the same bytes."""
    raw = sign(**kind)
    tx = Transaction.decode(raw)
    theirs = CancunTransactionBuilder.decode(raw)
    assert tx.sender == KEY.address == theirs.sender
    assert tx.hash == keccak256(raw) == theirs.hash
    assert (tx.chain_id, tx.nonce, tx.gas, tx.value, tx.data) == (
        theirs.chain_id, theirs.nonce, theirs.gas, theirs.value, theirs.data,
    )  # fmt: skip
    assert (tx.to or b"") == theirs.to
    assert (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) == (
        theirs.max_fee_per_gas, theirs.max_priority_fee_per_gas,
    )  # fmt: skip
    assert tx.access_list == tuple((address, tuple(slots)) for address, slots in theirs.access_list)
    assert "0x" + tx.sender.hex() == Account.recover_transaction(raw).lower()


def reason_of(raw: bytes) -> str:
    """Why the bytes are refused."""
    with pytest.raises(InvalidTransaction) as caught:
        _ = Transaction.decode(raw).sender
    return caught.value.reason


def resigned(raw: bytes, **items: int) -> bytes:
    """A type-2 transaction with some of its last three items (y parity, r, s) replaced."""
    fields = rlp.decode(raw[1:])
    for name, value in items.items():
        fields[{"parity": 9, "r": 10, "s": 11}[name]] = value
    return b"\x02" + rlp.encode(fields)


def test_signatures_that_are_refused() -> None:
    """High s (EIP-2), zero or oversized r and s, and a parity above 1 are refused."""
    raw = sign()
    good = Transaction.decode(raw)
    assert reason_of(resigned(raw, s=CURVE_ORDER - good.s, parity=1 - good.y_parity)) == "bad_signature"
    assert reason_of(resigned(raw, r=0)) == "bad_signature"
    assert reason_of(resigned(raw, s=CURVE_ORDER)) == "bad_signature"
    assert reason_of(resigned(raw, parity=2)) == "malformed"
    other = Transaction.decode(resigned(raw, r=good.r ^ 0xFF)) if good.r ^ 0xFF < CURVE_ORDER else None
    if other is not None:
        try:
            assert other.sender != KEY.address
        except InvalidTransaction as error:
            assert error.reason == "bad_signature"


def test_kinds_that_are_refused() -> None:
    """Blobs, unknown types, unprotected legacy, fee order and malformed bytes each have their reason."""
    assert reason_of(b"\x03" + sign()[1:]) == "blob"
    assert reason_of(b"\x04" + sign()[1:]) == "unsupported_type"
    assert reason_of(b"\x7f\x00") == "unsupported_type"
    assert reason_of(sign(gasPrice=0, chainId=None)) == "unprotected"
    fields = rlp.decode(sign(maxFeePerGas=5, maxPriorityFeePerGas=5)[1:])
    fields[2] = 6
    assert reason_of(b"\x02" + rlp.encode(fields)) == "fee_order"
    for raw in (b"", b"\xc0", b"\x02", b"\x02\xc0", sign() + b"\x00", sign(gasPrice=0)[:-1], b"\xf8\xff", b"\x80"):
        assert reason_of(raw) in ("malformed", "unsupported_type")
    legacy = rlp.decode(sign(gasPrice=0))
    legacy[0] = b"\x00"
    assert reason_of(rlp.encode(legacy)) == "malformed"
    legacy[0], legacy[3] = b"", bytes(19)
    assert reason_of(rlp.encode(legacy)) == "malformed"


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=150).map(lambda tail: b"\x02\xf8" + tail)))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No bytes whatever raise anything but InvalidTransaction; what is read encodes to itself."""
    try:
        tx = Transaction.decode(raw)
    except InvalidTransaction:
        return
    assert tx.raw == raw and tx.chain_id != CHAIN_ID
