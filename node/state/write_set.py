"""What a block changes, and a view of a state with those changes on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from node.types import Account, Address, Hash32, StateReader


@dataclass(frozen=True, slots=True)
class WriteSet:
    """The difference between two world states, as an engine returns it. Nothing in it equals the state beneath.

    ``accounts``: new accounts, None where one was deleted (its storage goes with it).
    ``storage``: new words by account and slot; 0 deletes.
    ``cleared``: accounts whose old storage is gone before ``storage`` is written (EIP-6780, CREATE2).
    ``code``: contract code by its keccak-256, for every new code hash in ``accounts``.
    """

    accounts: Mapping[Address, Account | None] = field(default_factory=dict)
    storage: Mapping[Address, Mapping[int, int]] = field(default_factory=dict)
    cleared: frozenset[Address] = frozenset()
    code: Mapping[Hash32, bytes] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True where the two states are equal."""
        return not (self.accounts or self.storage or self.cleared)

    def touched(self) -> list[Address]:
        """Every address that the set changes, ascending."""
        return sorted({*self.accounts, *self.storage, *self.cleared})


class OverlayReader:
    """A state reader that sees ``write_set`` on top of ``base``; neither is copied or changed."""

    def __init__(self, base: StateReader, write_set: WriteSet) -> None:
        self._base = base
        self._writes = write_set

    def account(self, address: Address) -> Account | None:
        """The account after the write set, or None."""
        if address in self._writes.accounts:
            return self._writes.accounts[address]
        return self._base.account(address)

    def storage(self, address: Address, slot: int) -> int:
        """The storage word after the write set."""
        value = self._writes.storage.get(address, {}).get(slot)
        if value is not None:
            return value
        masked = address in self._writes.cleared or self._writes.accounts.get(address, self) is None
        return 0 if masked else self._base.storage(address, slot)

    def code(self, code_hash: Hash32) -> bytes:
        """Contract code by its hash."""
        found = self._writes.code.get(code_hash)
        return self._base.code(code_hash) if found is None else found
