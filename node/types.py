"""Quantities that every floor shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType, Protocol

Address = NewType("Address", bytes)
"""20 bytes."""
Hash32 = NewType("Hash32", bytes)
"""32 bytes."""

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash32(bytes(32))


@dataclass(frozen=True, slots=True)
class Account:
    """An Ethereum account as the flat store holds it (EIP-161: an empty one is absent).

    ``storage_root`` stands in the account trie only; engines never see it.
    """

    nonce: int
    balance: int
    code_hash: Hash32


class StateReader(Protocol):
    """Read access to one version of the world state."""

    def account(self, address: Address) -> Account | None:
        """The account, or None where there is none."""

    def storage(self, address: Address, slot: int) -> int:
        """A storage word as an integer; 0 where nothing was written."""

    def code(self, code_hash: Hash32) -> bytes:
        """Contract code by its hash; b"" for the hash of nothing."""


def to_hex(data: bytes) -> str:
    """0x-prefixed lower-case hex."""
    return "0x" + data.hex()
