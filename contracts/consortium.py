"""Consortium: members as dataclasses, calls, and the storage layout that nodes read the register by.

The layout is part of the protocol (it is documented in Consortium.sol, and a test compares it with the compiler's).
This package cannot hash, so whatever needs a slot of a mapping or array takes keccak-256 as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from contracts import bindings
from contracts.banking_calendar import place_key, place_name

CONTRACT: Final = "Consortium"
Keccak = Callable[[bytes], bytes]

ROLE_SENDER: Final = 1
"""Bit of an account's roles: it may send transactions (P-6)."""
ROLE_DEPLOYER: Final = 2
"""Bit of an account's roles: it may create contracts (P-6)."""

SLOT_PARAMETERS: Final = 0
"""L in bits 0-63, D in bits 64-127, number of active banks in bits 128-159."""
SLOT_MEMBER_IDS: Final = 1
SLOT_MEMBERS: Final = 2
SLOT_MEMBER_BY_BUSINESS_ACCOUNT: Final = 3
SLOT_MEMBER_BY_VALIDATOR: Final = 4
SLOT_ROLES: Final = 5
SLOT_VALIDATOR_SETS: Final = 6
REGISTER_SLOTS: Final = 7
"""The register's words end here; the votes behind them are read by calls (``contracts.consortium_votes``)."""

MEMBER_NAME: Final = 0
"""Offset in a Member: the name, laid out as a Solidity string."""
MEMBER_ACCOUNT: Final = 1
"""Business account in bits 0-159, role in bits 160-167, active in bits 168-175."""
MEMBER_VALIDATOR: Final = 2
"""Validator in bits 0-159, BIC (11 ASCII characters) in bits 160-247."""
MEMBER_LEI: Final = 3
"""20 ASCII characters in bits 0-159."""
MEMBER_PLACE: Final = 4
MEMBER_ENCRYPTION_KEY: Final = 5
VALIDATOR_SET_WORDS: Final = 2
"""Activation height, then the length of an address array whose items stand at the hash of its own slot."""

ADDRESS_MASK: Final = 2**160 - 1
BIC_BYTES: Final = 11
LEI_BYTES: Final = 20
NAME_BYTES_MAX: Final = 140
"""Four lines of 35 characters, as SWIFT has them for names."""


class Role(IntEnum):
    """What a member is; the numbers are Solidity's."""

    BANK = 0
    AUDITOR = 1
    REGULATOR = 2


@dataclass(frozen=True, slots=True)
class Member:
    """One member. ``id`` 32 bytes, addresses 20, ``encryption_key`` 32 (X25519); ``place`` such as ``HKHKG``.

    Only a bank has a validator; a bank without one has a vote in the consortium and seals no blocks.
    """

    id: bytes
    name: str
    bic: str
    lei: str
    role: Role
    place: str
    business_address: bytes
    validator_address: bytes | None
    encryption_key: bytes
    active: bool = True

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``MemberRecord``. ValueError names a field that does not fit."""
        if not 1 <= len(self.name.encode()) <= NAME_BYTES_MAX:
            raise ValueError(f"name: 1 to {NAME_BYTES_MAX} bytes, found {len(self.name.encode())}")
        return (
            _exact("id", self.id, 32),
            int(self.role),
            self.name,
            _ascii("bic", self.bic, (8, BIC_BYTES)).ljust(BIC_BYTES, b"\0"),
            _ascii("lei", self.lei, (0, LEI_BYTES)).ljust(LEI_BYTES, b"\0"),
            place_key(self.place),
            _exact("business_address", self.business_address, 20),
            _exact("validator_address", self.validator_address or bytes(20), 20),
            _exact("encryption_key", self.encryption_key, 32),
        )


def _exact(field: str, value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise ValueError(f"{field}: {length} bytes, found {len(value)}")
    return value


def _ascii(field: str, value: str, lengths: tuple[int, ...]) -> bytes:
    if len(value) not in lengths or not value.isascii():
        raise ValueError(f"{field}: {' or '.join(map(str, lengths))} ASCII characters, found {value!r}")
    return value.encode("ascii")


def encode_initialize(
    epoch_length: int, activation_delay: int, members: Iterable[Member], developers: Iterable[bytes]
) -> bytes:
    """Call data that fills the register at genesis."""
    records = [m.as_argument() for m in members]
    return bindings.encode_call(CONTRACT, "initialize", [epoch_length, activation_delay, records, list(developers)])


def encode_validators_at(height: int) -> bytes:
    """Call data; the result is decoded by ``decode_validators``."""
    return bindings.encode_call(CONTRACT, "validatorsAt", [height])


def decode_validators(data: bytes) -> tuple[bytes, ...]:
    """The answer of ``validatorsAt``: addresses ascending."""
    return tuple(bindings.decode_result(CONTRACT, "validatorsAt", data))


def encode_member(member_id: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_member``."""
    return bindings.encode_call(CONTRACT, "member", [member_id])


def decode_member(member_id: bytes, data: bytes) -> Member:
    """The answer of ``member``."""
    found = bindings.decode_result(CONTRACT, "member", data)
    return Member(
        id=member_id,
        name=found["name"],
        bic=text_of(found["bic"]),
        lei=text_of(found["lei"]),
        role=Role(found["kind"]),
        place=place_name(found["place"]),
        business_address=found["businessAccount"],
        validator_address=address_or_none(found["validator"]),
        encryption_key=found["encryptionKey"],
        active=found["active"],
    )


def encode_is_registered(account: bytes) -> bytes:
    """Call data; the result is a bool."""
    return bindings.encode_call(CONTRACT, "isRegistered", [account])


def encode_may_deploy(account: bytes) -> bytes:
    """Call data; the result is a bool."""
    return bindings.encode_call(CONTRACT, "mayDeploy", [account])


def activation_height(executed_height: int, epoch_length: int, activation_delay: int) -> int:
    """The first multiple of L that is not below h + D: where a change executed in h enters (P-12)."""
    return -(-(executed_height + activation_delay) // epoch_length) * epoch_length


def text_of(data: bytes) -> str:
    """Left-aligned ASCII as the chain holds it; what is none (nobody checks it on the chain) is shown escaped."""
    return data.rstrip(b"\0").decode("ascii", "backslashreplace")


def address_or_none(address: bytes) -> bytes | None:
    """None for the zero address."""
    return address if any(address) else None


def mapping_slot(slot: int, key: bytes, keccak: Keccak) -> int:
    """Slot of a mapping's value: keccak256(key . slot), an address padded on the left (Solidity's layout)."""
    return int.from_bytes(keccak(key.rjust(32, b"\0") + slot.to_bytes(32, "big")), "big")


def array_slot(slot: int, keccak: Keccak) -> int:
    """Slot of a dynamic array's first item (Solidity: keccak256(slot))."""
    return int.from_bytes(keccak(slot.to_bytes(32, "big")), "big")
