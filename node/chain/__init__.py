"""Floor 1: what a chain is made of: headers, transactions, receipts, blocks, genesis, and where they are kept."""

from node.chain.block import Block, receipts_root, transactions_root
from node.chain.genesis import Genesis, GenesisAccount, genesis_header
from node.chain.header import Header
from node.chain.parameters import ChainParameters, Limits
from node.chain.receipt import Log, Receipt, logs_bloom
from node.chain.store import ChainStore
from node.chain.transaction import Transaction

__all__ = [
    "Block",
    "ChainParameters",
    "ChainStore",
    "Genesis",
    "GenesisAccount",
    "Header",
    "Limits",
    "Log",
    "Receipt",
    "Transaction",
    "genesis_header",
    "logs_bloom",
    "receipts_root",
    "transactions_root",
]
