"""The state of height 0, from the ``alloc`` of genesis (P-3)."""

from __future__ import annotations

from node.chain.genesis import Genesis
from node.errors import ConfigError
from node.keys.hashing import EMPTY_CODE_HASH, keccak256
from node.state.write_set import WriteSet
from node.types import Account, Address, Hash32, to_hex

WEI_MAX = 2**256 - 1
"""All balances together, so that no transfer can overflow an account."""


def genesis_write_set(genesis: Genesis) -> WriteSet:
    """Everything that ``alloc`` puts into the empty state; ConfigError where no chain could come from it."""
    total = sum(account.balance for account in genesis.alloc.values())
    if total > WEI_MAX:
        raise ConfigError(f"all balances of alloc together are {total}, the limit is {WEI_MAX}", field="alloc")
    accounts: dict[Address, Account | None] = {}
    storage: dict[Address, dict[int, int]] = {}
    codes: dict[Hash32, bytes] = {}
    for address, entry in genesis.alloc.items():
        if entry.storage and not (entry.nonce or entry.code):
            # CREATE2 could be aimed at such an address and find storage that is not its own (EIP-7610).
            name = f"alloc.{to_hex(address)}.storage"
            raise ConfigError(f"{name} stands under an account without nonce and code", field=name)
        code_hash = EMPTY_CODE_HASH
        if entry.code:
            code_hash = keccak256(entry.code)
            codes[code_hash] = entry.code
        accounts[address] = Account(entry.nonce, entry.balance, code_hash)
        words = {slot: word for slot, word in entry.storage.items() if word}
        if words:
            storage[address] = words
    return WriteSet(accounts, storage, frozenset(), codes)
