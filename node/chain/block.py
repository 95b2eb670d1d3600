"""A block in standard Ethereum RLP: [header, transactions, ommers, withdrawals], the last two empty (P-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from node.chain.header import Header
from node.chain.ordered_trie import ordered_root
from node.chain.receipt import Receipt
from node.chain.rlp_fields import as_list, decode_rlp, encode_rlp
from node.chain.transaction import Transaction
from node.errors import DataError, InvalidBlock, InvalidTransaction
from node.types import Hash32


@dataclass(frozen=True)
class Block:
    """A header and its transactions in order."""

    header: Header
    transactions: tuple[Transaction, ...]

    @property
    def hash(self) -> Hash32:
        """The header's hash."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The header's height."""
        return self.header.number

    @cached_property
    def _encoded(self) -> bytes:
        items = [transaction.block_item() for transaction in self.transactions]
        return encode_rlp([self.header.fields(), items, [], []])

    def rlp(self) -> bytes:
        """Canonical RLP."""
        return self._encoded

    @classmethod
    def decode(cls, data: bytes) -> Block:
        """Read a block.

        Raises InvalidBlock: P-1 where shape or encoding is wrong or ommers or withdrawals stand in it, P-6 where
        a transaction is of no admitted kind. Roots and signatures are not compared here.
        """
        try:
            header_fields, items, ommers, withdrawals = as_list(decode_rlp(data, "block"), "block", 4)
            header = Header.from_fields(header_fields)
            if as_list(ommers, "block.ommers") or as_list(withdrawals, "block.withdrawals"):
                raise InvalidBlock("P-1", "a block carries no ommers and no withdrawals")
            rows = as_list(items, "block.transactions")
        except DataError as error:
            raise InvalidBlock("P-1", error.message) from error
        transactions = []
        for index, item in enumerate(rows):
            try:
                transactions.append(Transaction.from_block_item(item))
            except InvalidTransaction as error:
                raise InvalidBlock("P-6", f"transaction {index}: {error.message}", found=error.reason) from error
        return cls(header, tuple(transactions))

    def transactions_root(self) -> Hash32:
        """Root of the trie of this block's transactions."""
        return transactions_root(self.transactions)


def transactions_root(transactions: Sequence[Transaction]) -> Hash32:
    """Root of the trie from RLP(index) to the encoded transaction (Yellow Paper, 4.3.2)."""
    return ordered_root([transaction.raw for transaction in transactions])


def receipts_root(receipts: Sequence[Receipt]) -> Hash32:
    """Root of the trie from RLP(index) to the encoded receipt (Yellow Paper, 4.3.2)."""
    return ordered_root([receipt.encode() for receipt in receipts])
