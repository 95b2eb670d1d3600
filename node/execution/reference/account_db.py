"""py-evm's account database over our state reader: dictionaries with one undo log, no tries (P-20)."""

from __future__ import annotations

from typing import Any

from eth.abc import AccountDatabaseAPI

from node.errors import ImpossibleState
from node.execution.reference.code_stream import Code, code_of
from node.keys.hashing import EMPTY_CODE_HASH, keccak256
from node.state.write_set import WriteSet
from node.types import Account, Address, Hash32, StateReader

STATE_ROOT_TOKEN = bytes(32)
"""What ``state_root`` answers: py-evm reads it at every message and sets it back on a revert (P-20)."""
UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1

_ABSENT: Any = object()
_NOTHING = Account(0, 0, EMPTY_CODE_HASH)


class JournalAccountDB(AccountDatabaseAPI):  # type: ignore[misc]
    """Accounts, storage, warm sets and transient storage of one block in the making.

    Every change appends (map, key, old value) to one log; a checkpoint is a length of that log. Warm sets and the
    values from before the transaction (EIP-2200) start anew at :meth:`lock_changes`.
    """

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._log: list[tuple[dict[Any, Any], Any, Any]] = []
        self._accounts: dict[Address, Account | None] = {}
        self._words: dict[Address, dict[int, int]] = {}
        self._cleared: dict[Address, bool] = {}
        self._codes: dict[Hash32, bytes] = {}
        self._warm: dict[Any, bool] = {}
        self._transient: dict[tuple[Address, int], bytes] = {}
        self._originals: dict[tuple[Address, int], int] = {}
        self._base_accounts: dict[Address, Account | None] = {}
        self._base_words: dict[tuple[Address, int], int] = {}

    # --- the journal ----------------------------------------------------------------------------------

    def _set(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        self._log.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def record(self) -> Any:
        """A checkpoint."""
        return len(self._log)

    def discard(self, checkpoint: Any) -> None:
        """Undo every change since the checkpoint, newest first."""
        log = self._log
        while len(log) > checkpoint:
            mapping, key, old = log.pop()
            if old is _ABSENT:
                mapping.pop(key, None)
            else:
                mapping[key] = old

    def commit(self, checkpoint: Any) -> None:
        """Keep the changes; an outer checkpoint can still undo them."""

    def lock_changes(self) -> None:
        """A transaction begins: warm sets, transient storage and EIP-2200 originals start anew."""
        self._warm = {}
        self._transient = {}
        self._originals = {}

    # --- state root: none here ------------------------------------------------------------------------

    @property
    def state_root(self) -> Hash32:
        """A token; roots are computed from write sets by node.state."""
        return Hash32(STATE_ROOT_TOKEN)

    @state_root.setter
    def state_root(self, value: Hash32) -> None:
        if value != STATE_ROOT_TOKEN:
            raise ImpossibleState("an engine tried to move to another state root")

    def has_root(self, state_root: bytes) -> bool:
        """True for the token alone."""
        return state_root == STATE_ROOT_TOKEN

    def make_state_root(self) -> Hash32:
        """The token: nothing is hashed inside an engine."""
        return self.state_root

    def persist(self) -> Any:
        """Engines never write (design.md, section 4)."""
        raise ImpossibleState("an engine tried to write to the database")

    # --- accounts -------------------------------------------------------------------------------------

    def account(self, address: Address) -> Account | None:
        """The account now, an empty one that the EVM touched included."""
        found = self._accounts.get(address, _ABSENT)
        return self._base_account(address) if found is _ABSENT else found

    def _base_account(self, address: Address) -> Account | None:
        found = self._base_accounts.get(address, _ABSENT)
        if found is _ABSENT:
            found = self._base_accounts[address] = self._reader.account(address)
        account: Account | None = found
        return account

    def _put(self, address: Address, account: Account | None) -> None:
        self._set(self._accounts, address, account)

    def get_balance(self, address: Address) -> int:
        """Wei."""
        return (self.account(address) or _NOTHING).balance

    def set_balance(self, address: Address, balance: int) -> None:
        """Set wei; creates the account (EIP-161 removes it again where it stays empty)."""
        if not 0 <= balance <= UINT256_MAX:
            raise ImpossibleState(f"balance {balance} of 0x{address.hex()}")
        old = self.account(address) or _NOTHING
        self._put(address, Account(old.nonce, balance, old.code_hash))

    def get_nonce(self, address: Address) -> int:
        """Transactions sent, or contracts created plus one."""
        return (self.account(address) or _NOTHING).nonce

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the nonce; creates the account."""
        if not 0 <= nonce <= UINT64_MAX:
            raise ImpossibleState(f"nonce {nonce} of 0x{address.hex()}")
        old = self.account(address) or _NOTHING
        self._put(address, Account(nonce, old.balance, old.code_hash))

    def increment_nonce(self, address: Address) -> None:
        """Add one to the nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def account_exists(self, address: Address) -> bool:
        """True also for an empty account that this transaction touched."""
        return self.account(address) is not None

    def account_has_code_or_nonce(self, address: Address) -> bool:
        """What makes an address taken for CREATE (EIP-684)."""
        account = self.account(address) or _NOTHING
        return account.nonce != 0 or account.code_hash != EMPTY_CODE_HASH

    def account_is_empty(self, address: Address) -> bool:
        """EIP-161: no nonce, no balance, no code."""
        return (self.account(address) or _NOTHING) == _NOTHING

    def touch_account(self, address: Address) -> None:
        """Make the account exist, empty if need be."""
        if self.account(address) is None:
            self._put(address, _NOTHING)

    def delete_account(self, address: Address) -> None:
        """Remove the account and all its storage."""
        self.delete_storage(address)
        self._put(address, None)

    # --- code -----------------------------------------------------------------------------------------

    def get_code_hash(self, address: Address) -> Hash32:
        """The hash of nothing where there is no account."""
        return (self.account(address) or _NOTHING).code_hash

    def get_code(self, address: Address) -> bytes:
        """The account's code."""
        return self.code(self.get_code_hash(address))

    def code(self, code_hash: Hash32) -> bytes:
        """Code by its hash; the same object each time, so that its jump destinations are found once."""
        if code_hash == EMPTY_CODE_HASH:
            return b""
        found = self._codes.get(code_hash)
        if found is None:
            found = self._codes[code_hash] = code_of(code_hash, self._reader.code(code_hash))
        return found

    def set_code(self, address: Address, code: bytes) -> None:
        """Give the account code."""
        code_hash = keccak256(code)
        self._codes.setdefault(code_hash, Code(code))
        old = self.account(address) or _NOTHING
        self._put(address, Account(old.nonce, old.balance, code_hash))

    def delete_code(self, address: Address) -> None:
        """Take the account's code away."""
        old = self.account(address) or _NOTHING
        self._put(address, Account(old.nonce, old.balance, EMPTY_CODE_HASH))

    # --- storage --------------------------------------------------------------------------------------

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """The word now, or (``from_journal`` false) as it was before this transaction (EIP-2200)."""
        if not from_journal:
            original = self._originals.get((address, slot))
            if original is not None:
                return original
        words = self._words.get(address)
        if words is not None:
            value = words.get(slot)
            if value is not None:
                return value
        return 0 if address in self._cleared else self._base_word(address, slot)

    def storage(self, address: Address, slot: int) -> int:
        """The word now."""
        return self.get_storage(address, slot)

    def _base_word(self, address: Address, slot: int) -> int:
        key = (address, slot)
        value = self._base_words.get(key)
        if value is None:
            value = self._base_words[key] = self._reader.storage(address, slot)
        return value

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write a word; 0 deletes it."""
        key = (address, slot)
        if key not in self._originals:
            self._originals[key] = self.get_storage(address, slot)
        words = self._words.get(address)
        if words is None:
            words = {}
            self._set(self._words, address, words)
        self._set(words, slot, value)

    def delete_storage(self, address: Address) -> None:
        """Mask all storage beneath: a mark, journalled like any change."""
        self._set(self._words, address, {})
        self._set(self._cleared, address, True)

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """EIP-2929."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        """EIP-2929; undone by a revert."""
        if (address, slot) not in self._warm:
            self._set(self._warm, (address, slot), True)

    def is_address_warm(self, address: Address) -> bool:
        """EIP-2929."""
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        """EIP-2929; undone by a revert."""
        if address not in self._warm:
            self._set(self._warm, address, True)

    def get_transient(self, address: Address, slot: int) -> bytes:
        """EIP-1153; b"" where nothing was stored in this transaction."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: Address, slot: int, value: bytes) -> None:
        """EIP-1153; undone by a revert."""
        self._set(self._transient, (address, slot), value)

    # --- the result -----------------------------------------------------------------------------------

    def write_set(self) -> WriteSet:
        """Every difference from the state beneath; empty accounts come out as deletions (EIP-161)."""
        accounts: dict[Address, Account | None] = {}
        codes: dict[Hash32, bytes] = {}
        for address, changed in self._accounts.items():
            account = None if changed == _NOTHING else changed
            before = self._base_account(address)
            if account == before:
                continue
            accounts[address] = account
            if account is not None and account.code_hash != (before or _NOTHING).code_hash:
                codes[account.code_hash] = bytes(self.code(account.code_hash))
        codes.pop(EMPTY_CODE_HASH, None)
        # An account that is new beneath has no old storage to clear.
        cleared = frozenset(
            address
            for address in self._cleared
            if self._base_account(address) is not None and not self.account_is_empty(address)
        )
        return WriteSet(accounts, self._changed_words(), cleared, codes)

    def _changed_words(self) -> dict[Address, dict[int, int]]:
        storage = {}
        for address, words in self._words.items():
            masked = address in self._cleared
            changed = {
                slot: value
                for slot, value in words.items()
                if value != (0 if masked else self._base_word(address, slot))
            }
            if changed:
                storage[address] = changed
        return storage
