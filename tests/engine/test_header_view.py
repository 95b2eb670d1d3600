"""What consensus sees of a block."""

from __future__ import annotations

from pathlib import Path

import pytest

from consensus.errors import MalformedBlock
from node.chain.block import Block
from node.chain.rlp_fields import encode_rlp
from node.engine.header_view import decode_header_view
from tests.execution.chain import ADDRESSES, KEYS, build, make_genesis, open_ledger, sign


def test_one_hash_has_one_body(tmp_path: Path) -> None:
    """A Byzantine primary cannot send one header with different transactions, ommers or withdrawals."""
    ledger = open_ledger(tmp_path, make_genesis())
    one, other = (sign(KEYS[0], to=ADDRESSES[index], value=1) for index in (1, 2))
    block = build(ledger, [one]).executed.block
    assert decode_header_view(block.rlp()).hash == block.header.hash
    for body in ((), (other,), (one, other), (one, one)):
        with pytest.raises(MalformedBlock, match="transactions_root"):
            decode_header_view(Block(block.header, body).rlp())
    fields, items = block.header.fields(), [one.block_item()]
    for parts in ([fields, items, [fields], []], [fields, items, [], [b"x"]], [fields, items, []]):
        with pytest.raises(MalformedBlock):
            decode_header_view(encode_rlp(parts))
    ledger.close()
