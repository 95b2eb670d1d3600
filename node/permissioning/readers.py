"""Readers of Consortium's storage (the layout is documented in Consortium.sol)."""

from __future__ import annotations

from typing import Final

from contracts import addresses
from contracts import consortium as layout
from contracts.banking_calendar import place_name
from contracts.consortium import Member, Role
from node.errors import DataError
from node.keys.hashing import keccak256
from node.types import Address, StateReader

CONSORTIUM: Final = Address(addresses.CONSORTIUM)
UINT64_MASK: Final = 2**64 - 1
MEMBERS_MAX: Final = 1_024
VALIDATOR_SETS_MAX: Final = 1_000_000
STRING_BYTES_MAX: Final = 4_096
"""Bounds on lengths read from storage: a larger one means that the state is no consortium's."""


def is_registered(state: StateReader, address: Address) -> bool:
    """Whether the account may send transactions (P-6)."""
    return bool(_roles(state, address) & layout.ROLE_SENDER)


def may_deploy(state: StateReader, address: Address) -> bool:
    """Whether the account may create contracts by a transaction (P-6)."""
    return bool(_roles(state, address) & layout.ROLE_DEPLOYER)


def consortium_parameters(state: StateReader) -> tuple[int, int]:
    """Epoch length L and activation delay D, which must equal those of genesis (P-3)."""
    word = _word(state, layout.SLOT_PARAMETERS)
    return word & UINT64_MASK, word >> 64 & UINT64_MASK


def validators_at(state: StateReader, height: int) -> tuple[Address, ...]:
    """S(height), ascending, as ``validatorsAt`` answers it on this state (P-12).

    On the post-state of h - 1 the answer counts for h, and below the first edge >= h + D; beyond, it is a forecast.
    Raises DataError where the state holds no validator set.
    """
    count = _length(state, layout.SLOT_VALIDATOR_SETS, VALIDATOR_SETS_MAX)
    if count == 0:
        raise DataError("the state holds no validator set: Consortium was not initialised", field="validatorSets")
    base = layout.array_slot(layout.SLOT_VALIDATOR_SETS, keccak256)
    index = count - 1
    while index > 0 and _word(state, base + index * layout.VALIDATOR_SET_WORDS) & UINT64_MASK > height:
        index -= 1
    slot = base + index * layout.VALIDATOR_SET_WORDS + 1
    first = layout.array_slot(slot, keccak256)
    return tuple(_address(_word(state, first + i)) for i in range(_length(state, slot, MEMBERS_MAX)))


def members(state: StateReader) -> list[Member]:
    """Every member ever admitted, in order of admission, inactive ones included."""
    first = layout.array_slot(layout.SLOT_MEMBER_IDS, keccak256)
    count = _length(state, layout.SLOT_MEMBER_IDS, MEMBERS_MAX)
    ids = [_word(state, first + i).to_bytes(32, "big") for i in range(count)]
    return [_member(state, member_id) for member_id in ids]


def member_by_id(state: StateReader, member_id: bytes) -> Member | None:
    """The member with this id of 32 bytes, or None."""
    base = layout.mapping_slot(layout.SLOT_MEMBERS, member_id, keccak256)
    known = _word(state, base + layout.MEMBER_ACCOUNT) & layout.ADDRESS_MASK
    return _member(state, member_id) if known else None


def member_by_address(state: StateReader, address: Address) -> Member | None:
    """The member whose business account this is, or None."""
    return _member_by(state, layout.SLOT_MEMBER_BY_BUSINESS_ACCOUNT, address)


def member_by_validator(state: StateReader, address: Address) -> Member | None:
    """The bank whose validator this is, or None."""
    return _member_by(state, layout.SLOT_MEMBER_BY_VALIDATOR, address)


def _member_by(state: StateReader, mapping: int, address: Address) -> Member | None:
    member_id = _word(state, layout.mapping_slot(mapping, address, keccak256))
    return _member(state, member_id.to_bytes(32, "big")) if member_id else None


def _member(state: StateReader, member_id: bytes) -> Member:
    base = layout.mapping_slot(layout.SLOT_MEMBERS, member_id, keccak256)
    account = _word(state, base + layout.MEMBER_ACCOUNT)
    validator = _word(state, base + layout.MEMBER_VALIDATOR)
    lei = _word(state, base + layout.MEMBER_LEI) & layout.ADDRESS_MASK
    return Member(
        id=member_id,
        name=_string(state, base + layout.MEMBER_NAME),
        bic=layout.text_of((validator >> 160 & 2 ** (8 * layout.BIC_BYTES) - 1).to_bytes(layout.BIC_BYTES, "big")),
        lei=layout.text_of(lei.to_bytes(layout.LEI_BYTES, "big")),
        role=Role(account >> 160 & 0xFF),
        place=place_name(_word(state, base + layout.MEMBER_PLACE).to_bytes(32, "big")),
        business_address=_address(account),
        validator_address=layout.address_or_none(_address(validator)),
        encryption_key=_word(state, base + layout.MEMBER_ENCRYPTION_KEY).to_bytes(32, "big"),
        active=bool(account >> 168 & 0xFF),
    )


def _roles(state: StateReader, address: Address) -> int:
    return _word(state, layout.mapping_slot(layout.SLOT_ROLES, address, keccak256))


def _string(state: StateReader, slot: int) -> str:
    """A Solidity string: up to 31 bytes stand in the slot with twice their number, longer ones at its hash."""
    word = _word(state, slot)
    if word & 1 == 0:
        return word.to_bytes(32, "big")[: (word & 0xFF) // 2].decode("utf-8", "backslashreplace")
    length = word // 2
    if length > STRING_BYTES_MAX:
        raise DataError(f"a text of {length} bytes in Consortium, at most {STRING_BYTES_MAX}", field="name")
    first = layout.array_slot(slot, keccak256)
    words = [_word(state, first + i).to_bytes(32, "big") for i in range(-(-length // 32))]
    return b"".join(words)[:length].decode("utf-8", "backslashreplace")


def _length(state: StateReader, slot: int, limit: int) -> int:
    length = _word(state, slot)
    if length > limit:
        raise DataError(f"a list of {length} items in Consortium's slot {slot}, at most {limit}", field="length")
    return length


def _address(word: int) -> Address:
    return Address((word & layout.ADDRESS_MASK).to_bytes(20, "big"))


def _word(state: StateReader, slot: int) -> int:
    return state.storage(CONSORTIUM, slot % 2**256)
