"""Anchors: custody receipts are checked, counted by distinct banks, and bound to chain, contract and depositor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts import bindings, document_registry
from contracts.addresses import DOCUMENT_REGISTRY
from contracts.document_registry import Anchor, CustodyReceipt
from node.keys import PrivateKey
from node.keys.typed_data import eip712_digest, sign_eip712
from node.types import Address
from tests.contracts.consortium_chain import (
    APPROVALS,
    CHAIN_ID,
    START,
    ConsortiumChain,
    Refused,
    bank_key,
    events_of,
    sample_member,
    sample_spec,
)

COMMITMENT = b"\xc0" * 32
CIPHERTEXT = b"\xce" * 32
RECEIVED = START + 30
ANCHOR_ID = document_registry.anchor_id(sample_member(0).id, COMMITMENT)
HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def receipt(
    key: PrivateKey,
    *,
    anchor: bytes = ANCHOR_ID,
    ciphertext: bytes = CIPHERTEXT,
    chain_id: int = CHAIN_ID,
    custodian: bytes | None = None,
) -> CustodyReceipt:
    """A receipt as a custodian's node makes it."""
    message = document_registry.receipt_message(ciphertext, anchor, custodian or key.address, RECEIVED)
    domain = document_registry.receipt_domain(chain_id)
    signature = sign_eip712(key, domain, document_registry.RECEIPT_TYPES, message)
    return CustodyReceipt(custodian or key.address, RECEIVED, signature)


def anchoring(receipts: list[CustodyReceipt], **changes: Any) -> bytes:
    """Call data for the sample document."""
    values: dict[str, Any] = {
        "commitment": COMMITMENT,
        "ciphertext_hash": CIPHERTEXT,
        "size_class": 3,
        "recipient_count": 2,
        "approvals_hash": APPROVALS,
    }
    return document_registry.encode_anchor(receipts=receipts, **{**values, **changes})


def refusal(chain: ConsortiumChain, sender: PrivateKey, data: bytes) -> bindings.Revert:
    """Why the registry refuses."""
    with pytest.raises(Refused) as refused:
        chain.send(sender.address, DOCUMENT_REGISTRY, data)
    return refused.value.reason


def test_a_document_with_enough_custodians_is_anchored() -> None:
    """Four banks, f = 1: two receipts of other banks suffice; anchor and event tell what was anchored."""
    chain = ConsortiumChain(sample_spec())
    result = chain.send(bank_key(0).address, DOCUMENT_REGISTRY, anchoring([receipt(bank_key(1)), receipt(bank_key(3))]))
    stored = document_registry.decode_anchor(
        chain.call(DOCUMENT_REGISTRY, document_registry.encode_anchor_of(ANCHOR_ID))
    )
    assert stored == Anchor(
        depositor=sample_member(0).id,
        commitment=COMMITMENT,
        ciphertext_hash=CIPHERTEXT,
        anchored_at=chain.timestamp,
        block_number=1,
        recipient_count=2,
        custodian_count=2,
        size_class=3,
    )
    (event,) = events_of(result, "DocumentRegistry")
    assert event.name == "DocumentAnchored"
    assert event.args["custodians"] == [sample_member(1).id, sample_member(3).id]
    assert event.args["approvalsHash"] == APPROVALS


def test_the_contract_and_the_binding_sign_the_same_digest() -> None:
    """EIP-712: what the node signs is what the contract recovers from."""
    chain = ConsortiumChain(sample_spec())
    custodian = bank_key(1).address
    asked = chain.ask("DocumentRegistry", "receiptDigest", CIPHERTEXT, ANCHOR_ID, custodian, RECEIVED)
    message = document_registry.receipt_message(CIPHERTEXT, ANCHOR_ID, custodian, RECEIVED)
    domain = document_registry.receipt_domain(CHAIN_ID)
    assert asked == eip712_digest(domain, document_registry.RECEIPT_TYPES, message)
    assert chain.ask("DocumentRegistry", "anchorIdOf", sample_member(0).id, COMMITMENT) == ANCHOR_ID


@pytest.mark.parametrize(("banks", "required"), [(1, 0), (2, 1), (3, 1), (4, 2), (7, 3), (10, 4)])
def test_custodians_needed_by_size_of_the_consortium(banks: int, required: int) -> None:
    """min(f + 1, other banks): nobody can veto by being offline, and one bank alone needs none."""
    chain = ConsortiumChain(sample_spec(banks))
    assert chain.ask("DocumentRegistry", "requiredCustodians", sample_member(0).id) == required
    assert document_registry.required_custodians(banks, banks - 1) == required
    keys = [bank_key(i) for i in range(1, required + 1)]
    if required:
        reason = refusal(chain, bank_key(0), anchoring([receipt(k) for k in keys[1:]]))
        assert (reason.name, reason.args) == ("TooFewCustodians", {"given": required - 1, "required": required})
    chain.send(bank_key(0).address, DOCUMENT_REGISTRY, anchoring([receipt(k) for k in keys]))


def _malleated(good: CustodyReceipt) -> CustodyReceipt:
    s = HALF_ORDER - int.from_bytes(good.signature[32:64], "big")
    flipped = good.signature[:32] + s.to_bytes(32, "big") + bytes([55 - good.signature[64]])
    return replace(good, signature=flipped)


@pytest.mark.parametrize(
    ("receipts", "error"),
    [
        ([receipt(bank_key(1)), receipt(bank_key(1))], "DuplicateCustodian"),
        ([receipt(bank_key(0)), receipt(bank_key(1))], "CustodianIsDepositor"),
        ([receipt(bank_key(4)), receipt(bank_key(1))], "CustodianNotABank"),
        ([receipt(bank_key(9)), receipt(bank_key(1))], "CustodianNotABank"),
        ([receipt(bank_key(1, "validator")), receipt(bank_key(2))], "CustodianNotABank"),
        ([receipt(bank_key(3), custodian=bank_key(1).address)], "BadReceiptSignature"),
        ([receipt(bank_key(1), ciphertext=b"\x01" * 32)], "BadReceiptSignature"),
        ([receipt(bank_key(1), anchor=b"\x01" * 32)], "BadReceiptSignature"),
        ([receipt(bank_key(1), chain_id=CHAIN_ID + 1)], "BadReceiptSignature"),
        ([replace(receipt(bank_key(1)), received_at=RECEIVED + 1)], "BadReceiptSignature"),
        ([replace(receipt(bank_key(1)), signature=bytes(65))], "BadReceiptSignature"),
        ([replace(receipt(bank_key(1)), signature=b"")], "BadReceiptSignature"),
        ([_malleated(receipt(bank_key(1)))], "BadReceiptSignature"),
        ([receipt(bank_key(1))] * 65, "TooManyReceipts"),
    ],
)
def test_receipts_that_do_not_count(receipts: list[CustodyReceipt], error: str) -> None:
    """One false receipt refuses the anchor, by the name of what is wrong with it."""
    assert refusal(ConsortiumChain(sample_spec()), bank_key(0), anchoring(receipts)).name == error


def test_nobody_takes_anothers_anchor() -> None:
    """A bank that copies commitment and receipts from the pool cannot use them: they name the depositor's anchor."""
    chain = ConsortiumChain(sample_spec())
    data = anchoring([receipt(bank_key(1)), receipt(bank_key(3))])
    assert refusal(chain, bank_key(2), data).name == "BadReceiptSignature"
    own = document_registry.anchor_id(sample_member(2).id, COMMITMENT)
    copied = [receipt(bank_key(1), anchor=own), receipt(bank_key(3), anchor=own)]
    chain.send(bank_key(2).address, DOCUMENT_REGISTRY, anchoring(copied))
    chain.send(bank_key(0).address, DOCUMENT_REGISTRY, data)
    assert refusal(chain, bank_key(0), data).name == "AlreadyAnchored"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"commitment": bytes(32)}, "ZeroHash(field=commitment)"),
        ({"ciphertext_hash": bytes(32)}, "ZeroHash(field=ciphertextHash)"),
        ({"approvals_hash": bytes(32)}, "ZeroHash(field=approvalsHash)"),
        ({"recipient_count": 0}, "NoRecipient()"),
    ],
)
def test_an_incomplete_anchor_is_refused(changes: dict[str, Any], error: str) -> None:
    """Hashes, recipients and approvals are all there or nothing is anchored."""
    assert str(refusal(ConsortiumChain(sample_spec()), bank_key(0), anchoring([], **changes))) == error


def test_only_banks_anchor() -> None:
    """An auditor, a developer and a stranger are refused; an unknown anchor is no anchor."""
    chain = ConsortiumChain(sample_spec())
    for sender in (bank_key(4), bank_key(0, "developer"), bank_key(0, "validator")):
        reason = refusal(chain, sender, anchoring([]))
        assert (reason.name, reason.args["caller"]) == ("NotABank", Address(sender.address))
    with pytest.raises(Refused, match="UnknownAnchor"):
        chain.call(DOCUMENT_REGISTRY, document_registry.encode_anchor_of(ANCHOR_ID))
