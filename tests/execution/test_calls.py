"""Lent call data, bounded precompile inputs and the interruptible power (P-7)."""

from __future__ import annotations

import pytest
from eth.vm.forks.berlin.computation import BERLIN_PRECOMPILES
from hypothesis import given, settings
from hypothesis import strategies as st

from node.execution.guard import CancellationToken, ExecutionAbandoned, ExecutionGuard
from node.execution.reference.modexp import DIRECT_EXPONENT_BYTES, modexp
from node.types import Address
from tests.execution.assembler import assemble
from tests.execution.test_engine import TARGET, FixedState, begin, run

CALLEE = Address(b"\x73" * 20)
INPUT_BYTES = 5_000


def call_with_input(kind: str, to: bytes, out: int = 0) -> bytes:
    """``kind`` with INPUT_BYTES of memory from 0 as input; the result of the call stays on the stack."""
    value = (0,) if kind in ("CALL", "CALLCODE") else ()
    return assemble(out, 0, INPUT_BYTES, 0, *value, to, "GAS", kind)


FILL = assemble(0xABCD, 4_000, "MSTORE", 7, INPUT_BYTES - 32, "MSTORE")


@pytest.mark.parametrize("kind", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_a_callee_reads_lent_memory(kind: str) -> None:
    """CALLDATASIZE, CALLDATALOAD and CALLDATACOPY see the caller's memory; past its end there are zeros."""
    callee = (
        assemble("CALLDATASIZE", 0, "MSTORE", 4_000, "CALLDATALOAD", 32, "MSTORE", INPUT_BYTES - 1, "CALLDATALOAD")
        + assemble(64, "MSTORE", 64, INPUT_BYTES - 32, 96, "CALLDATACOPY", 2**200, "CALLDATALOAD", 160, "MSTORE")
        + assemble(192, 0, "RETURN")
    )
    caller = FILL + call_with_input(kind, CALLEE, out=192) + assemble("POP", 192, 0, "RETURN")
    result = run(begin(FixedState({TARGET: caller, CALLEE: callee})))
    words = [int.from_bytes(result.output[at : at + 32], "big") for at in range(0, 192, 32)]
    assert result.succeeded
    assert words == [INPUT_BYTES, 0xABCD, 7 << 248, 7, 0, 0]


@pytest.mark.parametrize("ending", [assemble(0, 0, "REVERT"), assemble("INVALID"), assemble("STOP")])
def test_memory_grows_after_it_was_lent(ending: bytes) -> None:
    """A callee that failed holds on to nothing: the caller's memory grows where it is and keeps its content."""
    caller = FILL + call_with_input("CALL", CALLEE) + assemble("POP", 5, 60_000, "MSTORE", 60_032, 0, "RETURN")
    result = run(begin(FixedState({TARGET: caller, CALLEE: ending})))
    assert result.succeeded
    assert int.from_bytes(result.output[4_000:4_032], "big") == 0xABCD
    assert int.from_bytes(result.output[-32:], "big") == 5


def test_lent_memory_can_be_lent_on_and_returned() -> None:
    """A frame copies what it was lent and lends that to the identity precompile, whose output returns to the caller."""
    middle = (
        assemble("CALLDATASIZE", 0, 0, "CALLDATACOPY")
        + call_with_input("CALL", bytes(19) + b"\x04")
        + assemble("POP", "RETURNDATASIZE", 0, 0, "RETURNDATACOPY", "RETURNDATASIZE", 0, "RETURN")
    )
    caller = FILL + call_with_input("CALL", CALLEE, out=INPUT_BYTES) + assemble("POP", INPUT_BYTES, 0, "RETURN")
    result = run(begin(FixedState({TARGET: caller, CALLEE: middle})))
    assert len(result.output) == INPUT_BYTES
    assert int.from_bytes(result.output[4_000:4_032], "big") == 0xABCD


def test_ecadd_ignores_what_follows_its_points() -> None:
    """EIP-196: input beyond 128 bytes does not matter; here it is the sum of two points at infinity."""
    caller = assemble(7, INPUT_BYTES - 32, "MSTORE") + call_with_input("STATICCALL", bytes(19) + b"\x06", out=64)
    result = run(begin(FixedState({TARGET: caller + assemble(0, "MSTORE", 64, 0, "RETURN")})))
    assert int.from_bytes(result.output[:32], "big") == 1


class _Frame:
    """What a precompile needs of a frame."""

    def __init__(self, data: bytes) -> None:
        self.msg = self
        self.data = self.data_as_bytes = data
        self.gas = 0
        self.output = b""

    def consume_gas(self, amount: int, reason: str) -> None:
        self.gas += amount


def modexp_input(base: bytes, exponent: bytes, modulus: bytes) -> bytes:
    return b"".join(len(part).to_bytes(32, "big") for part in (base, exponent, modulus)) + base + exponent + modulus


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=70), st.binary(max_size=40), st.integers(0, 60))
@settings(deadline=None)
def test_modexp_is_py_evms(base: bytes, exponent: bytes, modulus: bytes, cut: int) -> None:
    """Result and gas equal py-evm's over long, short, missing and cut operands."""
    data = modexp_input(base, exponent, modulus)
    data = data[: len(data) - cut]
    ours, theirs = _Frame(data), _Frame(data)
    modexp(ours, lambda: None)
    BERLIN_PRECOMPILES[bytes(19) + b"\x05"](theirs)
    assert (ours.output, ours.gas) == (theirs.output, theirs.gas)


@pytest.mark.parametrize(
    ("byte", "more", "modulus"), [(0xFF, 1, 2**64 - 1), (1, 3, 1), (0, 2, 5), (0x9A, 4, 2**61 - 1)]
)
def test_long_powers_are_pythons(byte: int, more: int, modulus: int) -> None:
    """Beyond the exponents that go to the built-in power, windows of 12 bits give the same."""
    exponent = bytes([byte]) * (DIRECT_EXPONENT_BYTES + more)
    frame = _Frame(modexp_input(b"\x03", exponent, modulus.to_bytes(8, "big")))
    modexp(frame, lambda: None)
    assert int.from_bytes(frame.output, "big") == pow(3, int.from_bytes(exponent, "big"), modulus)


def test_zero_to_the_zero_is_one() -> None:
    """EIP-198 where the base has no bytes: 0 ** 0 % 5 is 1 and 0 ** 1 is 0; py-evm alone answers 0 to both."""
    for exponent, expected in ((b"", b"\x01"), (b"\x00", b"\x01"), (b"\x01", b"\x00")):
        frame = _Frame(modexp_input(b"", exponent, b"\x05"))
        modexp(frame, lambda: None)
        assert frame.output == expected


def test_a_long_power_can_be_abandoned() -> None:
    """A power of 60 KB of exponent looks at the token on its way."""
    token = CancellationToken()
    guard = ExecutionGuard(token=token)
    token.cancel()
    with pytest.raises(ExecutionAbandoned):
        modexp(_Frame(modexp_input(b"\x03", b"\xff" * 60_000, b"\xfb")), guard.check)
