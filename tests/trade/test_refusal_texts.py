"""What a contract's refusal says to officers."""

from __future__ import annotations

from contracts.bindings import Revert
from contracts.consortium import Member, Role
from node.desk.chain_access import ContractRefusal

BANK = Member(
    id=bytes(31) + b"\x07",
    name="Harbour Pearl Bank (fictitious)",
    bic="HPBKHKH0",
    lei="",
    role=Role.BANK,
    place="HKHKG",
    business_address=bytes(19) + b"\x01",
    validator_address=None,
    encryption_key=bytes(32),
)


def test_a_refusal_names_banks_and_dates() -> None:
    """A member's id is said by its name, an instant and a day as dates; the raw values stay in the details."""
    revert = Revert("UCP16cSecondNotice", {"presentation": 0, "bank": BANK.id, "firstNoticeAt": 1_795_053_611})
    refusal = ContractRefusal(revert, [BANK])
    assert refusal.message == (
        "the contract refuses: UCP16cSecondNotice (presentation 0, bank Harbour Pearl Bank (fictitious), "
        "firstNoticeAt Thu 19 Nov 2026 02:00:11 UTC)"
    )
    assert refusal.details["values"]["firstNoticeAt"] == 1_795_053_611
    assert refusal.field == "UCP16cSecondNotice"


def test_what_no_table_knows_is_said_as_it_stands() -> None:
    """An unknown id stays hex, a number beyond the calendar stays a number."""
    refusal = ContractRefusal(Revert("UCP6dExpired", {"expiresAt": 2**63, "actor": b"\x01" * 32}), [BANK])
    assert refusal.message.endswith(f"(expiresAt {2**63}, actor 0x{'01' * 32})")
