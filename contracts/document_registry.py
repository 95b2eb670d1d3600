"""DocumentRegistry: anchors, and the EIP-712 data of custody receipts (design.md section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts import bindings
from contracts.addresses import DOCUMENT_REGISTRY

CONTRACT: Final = "DocumentRegistry"
DOMAIN_NAME: Final = "Praya DocumentRegistry"
DOMAIN_VERSION: Final = "1"
RECEIPTS_MAX: Final = 64
RECEIPT_TYPES: Final[dict[str, list[dict[str, str]]]] = {
    "Receipt": [
        {"name": "ciphertextHash", "type": "bytes32"},
        {"name": "anchor", "type": "bytes32"},
        {"name": "custodian", "type": "address"},
        {"name": "receivedAt", "type": "uint64"},
    ]
}
"""What a custodian signs with its business account, never with its validator key."""


@dataclass(frozen=True, slots=True)
class CustodyReceipt:
    """A bank's word that it holds a ciphertext. ``signature`` is r || s || v with v in {27, 28} (65 bytes)."""

    custodian: bytes
    received_at: int
    signature: bytes

    def as_argument(self) -> tuple[Any, ...]:
        """The Solidity ``CustodyReceipt``."""
        return ("0x" + self.custodian.hex(), self.received_at, self.signature)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What stands on the chain of one sealed document; hashes and ids of 32 bytes, ``anchored_at`` Unix seconds."""

    depositor: bytes
    commitment: bytes
    ciphertext_hash: bytes
    anchored_at: int
    block_number: int
    recipient_count: int
    custodian_count: int
    size_class: int


def anchor_id(depositor: bytes, commitment: bytes) -> bytes:
    """SHA-256 of the depositing member's id and the commitment: nobody can take it by being first."""
    return hashlib.sha256(depositor + commitment).digest()


def receipt_domain(chain_id: int) -> dict[str, Any]:
    """The EIP-712 domain: this chain and this contract."""
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": chain_id,
        "verifyingContract": "0x" + DOCUMENT_REGISTRY.hex(),
    }


def receipt_message(ciphertext_hash: bytes, anchor: bytes, custodian: bytes, received_at: int) -> dict[str, Any]:
    """The EIP-712 message of a receipt; with RECEIPT_TYPES and receipt_domain it is all that is signed."""
    return {
        "ciphertextHash": ciphertext_hash,
        "anchor": anchor,
        "custodian": "0x" + custodian.hex(),
        "receivedAt": received_at,
    }


def required_custodians(validators: int, other_banks: int) -> int:
    """min(f + 1, banks other than the depositor) with f = (n - 1) // 3."""
    return min((validators - 1) // 3 + 1, other_banks)


def encode_anchor(
    *,
    commitment: bytes,
    ciphertext_hash: bytes,
    size_class: int,
    recipient_count: int,
    receipts: Sequence[CustodyReceipt],
    approvals_hash: bytes,
) -> bytes:
    """Call data that anchors a sealed document."""
    given = [r.as_argument() for r in receipts]
    arguments = [commitment, ciphertext_hash, size_class, recipient_count, given, approvals_hash]
    return bindings.encode_call(CONTRACT, "anchor", arguments)


def encode_anchor_of(anchor: bytes) -> bytes:
    """Call data; the result is decoded by ``decode_anchor``; reverts with UnknownAnchor."""
    return bindings.encode_call(CONTRACT, "anchorOf", [anchor])


def decode_anchor(data: bytes) -> Anchor:
    """The answer of ``anchorOf``."""
    found = bindings.decode_result(CONTRACT, "anchorOf", data)
    return Anchor(
        depositor=found["depositor"],
        commitment=found["commitment"],
        ciphertext_hash=found["ciphertextHash"],
        anchored_at=found["anchoredAt"],
        block_number=found["blockNumber"],
        recipient_count=found["recipientCount"],
        custodian_count=found["custodianCount"],
        size_class=found["sizeClass"],
    )


def encode_required_custodians(depositor: bytes) -> bytes:
    """Call data; the result is a number."""
    return bindings.encode_call(CONTRACT, "requiredCustodians", [depositor])
