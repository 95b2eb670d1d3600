"""Calls, results, events and reverts survive the way to the chain and back; what does not fit is named."""

from __future__ import annotations

import pytest
from eth_abi import encode
from eth_utils import keccak

from contracts import artifacts, bindings
from contracts import letter_of_credit as lc
from contracts.bindings import BindingError, Revert
from tests.contracts.credit_desk import APPROVALS, PARTIES, TERMS


@pytest.mark.parametrize("name", artifacts.names())
def test_selectors_and_topics_are_keccak_of_the_signature(name: str) -> None:
    """The artefacts' hashes are the ABI's, recomputed by another library."""
    artifact = artifacts.load(name)
    for kind, hashes, length in (
        ("function", artifact.functions, 4),
        ("event", artifact.events, 32),
        ("error", artifact.errors, 4),
    ):
        entries = [e for e in artifact.abi if e["type"] == kind]
        if name in ("CreditExamination",) and kind == "function":
            continue  # a library's selectors name storage types, not ABI types
        assert {bindings.signature(e) for e in entries} == set(hashes)
        for signature, found in hashes.items():
            assert keccak(text=signature)[:length].hex() == found


def test_a_call_decodes_to_its_arguments() -> None:
    """By position or by name, structs as mappings."""
    data = lc.encode_issue(PARTIES, TERMS, APPROVALS)
    name, args = bindings.decode_call(lc.FACTORY, data)
    assert (name, args["approvalsHash"]) == ("issue", APPROVALS)
    assert args["parties"]["issuingBank"] == PARTIES.issuing_bank
    again = bindings.encode_call(lc.FACTORY, "issue", args)
    assert again == data


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("advise", [], "0 arguments, expected 1"),
        ("advise", {"other": 1}, "missing .'approvalsHash'., unknown .'other'."),
        ("advise", [b"\x01" * 33], "advise"),
        ("settle", [0, b"\x01" * 32, 2**32, APPROVALS], "settle"),
        ("settle", [-1, b"\x01" * 32, 1, APPROVALS], "settle"),
        ("nothing", [], "no function 'nothing'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(name: str, args: object, message: str) -> None:
    """The error names the contract and the function."""
    with pytest.raises(BindingError, match=message):
        bindings.encode_call(lc.CONTRACT, name, args)  # type: ignore[arg-type]


def test_reverts_are_named() -> None:
    """Custom errors with their arguments, texts, panics; anything else is shown raw."""
    selector = bytes.fromhex(artifacts.load(lc.CONTRACT).errors["UCP16dNoticeLate(uint64,uint64)"])
    assert bindings.decode_revert(selector + encode(["uint64", "uint64"], [5, 9])) == Revert(
        "UCP16dNoticeLate", {"deadline": 5, "actedAt": 9}, "CreditExamination"
    )
    text = bytes.fromhex("08c379a0") + encode(["string"], ["no"])
    assert str(bindings.decode_revert(text)) == "Error(message=no)"
    panic = bindings.decode_revert(bytes.fromhex("4e487b71") + encode(["uint256"], [0x11]))
    assert panic.args == {"code": 0x11, "meaning": "arithmetic overflow or underflow"}
    for data in (b"", b"\x01\x02", b"\xff" * 40, selector + b"\x00", bytes.fromhex("08c379a0") + b"\xff" * 64):
        assert bindings.decode_revert(data) == Revert("Unknown", {"data": data})


def test_a_foreign_log_is_none_and_a_broken_one_an_error() -> None:
    """Only logs of the contract type are decoded."""
    topic = bindings.event_topic(lc.CONTRACT, "CreditAdvised")
    assert bindings.decode_event(lc.CONTRACT, [b"\x01" * 32], b"") is None
    assert bindings.decode_event(lc.CONTRACT, [], b"") is None
    found = bindings.decode_event(lc.CONTRACT, [topic, b"\x07" * 32], b"")
    assert found is not None
    assert found.args == {"bank": b"\x07" * 32}
    with pytest.raises(BindingError, match="indexed topics"):
        bindings.decode_event(lc.CONTRACT, [topic], b"")
    with pytest.raises(BindingError, match="AmendmentAccepted"):
        bindings.decode_event(
            lc.CONTRACT,
            [bindings.event_topic(lc.CONTRACT, "AmendmentAccepted"), bytes(32), bytes(32)],
            b"\x01",
        )
    with pytest.raises(BindingError, match="no function with selector"):
        bindings.decode_call(lc.CONTRACT, b"\x00" * 4)
