"""Where the system contracts stand: fixed addresses, in every network's genesis."""

from __future__ import annotations

from typing import Final


def _system(number: int) -> bytes:
    return number.to_bytes(20, "big")


CONSORTIUM: Final = _system(0x1001)
BANKING_CALENDAR: Final = _system(0x1002)
DOCUMENT_REGISTRY: Final = _system(0x1003)
FINANCING_REGISTRY: Final = _system(0x1004)
LETTER_OF_CREDIT_FACTORY: Final = _system(0x1005)
INVOICE_FINANCING_FACTORY: Final = _system(0x1006)
LETTER_OF_CREDIT: Final = _system(0x1007)
"""The implementation that every credit's clone delegates to (EIP-1167)."""
INVOICE_FINANCING: Final = _system(0x1008)
"""The implementation that every financing's clone delegates to (EIP-1167)."""

LINKED_LIBRARIES: Final[dict[str, bytes]] = {
    "CreditExamination": _system(0x1010),
}
"""External libraries by name, from 0x..1010 upwards; scripts/compile-contracts links their users to these."""
LIBRARY_SOURCES: Final[dict[str, str]] = {
    "CreditExamination": "contracts/trade/CreditExamination.sol",
}
"""The source file of each linked library, as the compiler names it."""

GENESIS_SENDER: Final = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
"""The only caller of the system contracts' ``initialize`` functions; nobody holds its key."""

SYSTEM_CONTRACTS: Final[dict[str, bytes]] = {
    "Consortium": CONSORTIUM,
    "BankingCalendar": BANKING_CALENDAR,
    "DocumentRegistry": DOCUMENT_REGISTRY,
    "FinancingRegistry": FINANCING_REGISTRY,
    "LetterOfCreditFactory": LETTER_OF_CREDIT_FACTORY,
    "InvoiceFinancingFactory": INVOICE_FINANCING_FACTORY,
    "LetterOfCredit": LETTER_OF_CREDIT,
    "InvoiceFinancing": INVOICE_FINANCING,
    **LINKED_LIBRARIES,
}
"""Artefact name -> address, for all code that genesis puts in place."""
