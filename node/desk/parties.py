"""Banks as the trade services see them: found by BIC or name among the consortium's members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from node.errors import DataError


class BankRecord(Protocol):
    """What a member of the consortium must offer (node.permissioning's Member does)."""

    @property
    def id(self) -> bytes: ...

    @property
    def name(self) -> str: ...

    @property
    def bic(self) -> str: ...

    @property
    def business_address(self) -> bytes: ...

    @property
    def encryption_key(self) -> bytes: ...


def same_bic(left: str, right: str) -> bool:
    """Equal BICs, where a missing branch code and ``XXX`` both mean the head office (ISO 9362)."""
    return _bic11(left) == _bic11(right)


def _bic11(bic: str) -> str:
    return bic.upper() + "XXX" if len(bic) == 8 else bic.upper()


def find_by_bic(members: Iterable[BankRecord], bic: str | None) -> BankRecord | None:
    """The member with this BIC, or None."""
    if bic is None:
        return None
    return next((member for member in members if same_bic(member.bic, bic)), None)


def find_bank(members: Iterable[BankRecord], name: str) -> BankRecord:
    """A member by BIC, name or 0x-address, as an officer writes it; the beginning of a name will do where it is one
    member's alone (``lioncity``). DataError that lists the members otherwise."""
    known = list(members)
    wanted = name.strip().lower()
    for member in known:
        keys = {member.name.lower(), "0x" + bytes(member.business_address).hex(), "0x" + bytes(member.id).hex()}
        if wanted in keys or (len(wanted) in (8, 11) and same_bic(member.bic, wanted)):
            return member
    begin = _letters(wanted)
    alike = [member for member in known if begin and _letters(member.name).startswith(begin)]
    if len(alike) == 1:
        return alike[0]
    names = ", ".join(f"{member.name} ({member.bic})" for member in known)
    problem = "may be more than one member bank" if alike else "is no member bank"
    raise DataError(f"{name!r} {problem}; members: {names}", field="bank")


def _letters(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum())
