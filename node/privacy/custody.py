"""Custody receipts: a bank's signed word (EIP-712, business account) that it holds a ciphertext."""

from __future__ import annotations

from contracts.document_registry import RECEIPT_TYPES, CustodyReceipt, receipt_domain, receipt_message
from node.keys.secp256k1 import PrivateKey
from node.keys.typed_data import recover_eip712, sign_eip712


def sign_receipt(
    key: PrivateKey, *, chain_id: int, ciphertext_hash: bytes, anchor: bytes, received_at: int
) -> CustodyReceipt:
    """Sign with the bank's business key. ``anchor``: the anchor's id, which binds depositor and commitment."""
    message = receipt_message(ciphertext_hash, anchor, key.address, received_at)
    signature = sign_eip712(key, receipt_domain(chain_id), RECEIPT_TYPES, message)
    return CustodyReceipt(key.address, received_at, signature)


def receipt_holds(receipt: CustodyReceipt, *, chain_id: int, ciphertext_hash: bytes, anchor: bytes) -> bool:
    """Whether the custodian named in the receipt has signed it for this document."""
    message = receipt_message(ciphertext_hash, anchor, receipt.custodian, receipt.received_at)
    signer = recover_eip712(receipt.signature, receipt_domain(chain_id), RECEIPT_TYPES, message)
    return signer == receipt.custodian
