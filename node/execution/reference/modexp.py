"""Precompile 5 (EIP-198, priced by EIP-2565), interruptible: Python's own power holds the interpreter for seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eth.vm.forks.berlin.computation import _compute_modexp_gas_fee_eip_2565

WORD_BYTES = 32
HEAD_BYTES = 3 * WORD_BYTES
DIRECT_EXPONENT_BYTES = 16_384
"""Up to here one built-in power, a third of a second at most for 8,000,000 gas; it does not let other threads run."""
WINDOW = 2**12
BYTES_PER_CHECK = 48


def modexp(computation: Any, check: Callable[[], None]) -> None:
    """base ** exponent % modulus over the lengths and operands of the input, zeros where it ends.

    Only the bytes that the operands name are read. A missing base is 0, and 0 ** 0 is 1, as EIP-198 and other
    implementations have it (py-evm answers 0). ``check`` is called along the way; what it raises passes through.
    """
    data = computation.msg.data
    head = bytes(data[:HEAD_BYTES]).ljust(HEAD_BYTES, b"\x00")
    base_size, exponent_size, modulus_size = (
        int.from_bytes(head[at : at + WORD_BYTES], "big") for at in range(0, HEAD_BYTES, WORD_BYTES)
    )
    priced = HEAD_BYTES + base_size + WORD_BYTES  # the price reads the first word of the exponent
    computation.consume_gas(_compute_modexp_gas_fee_eip_2565(bytes(data[:priced])), "MODEXP Precompile")
    if not base_size and not modulus_size:
        computation.output = b""
        return
    # The gas is paid, so the sizes are small: an exponent costs at least 8/3 gas a byte.
    exponent_at = HEAD_BYTES + base_size
    modulus_at = exponent_at + exponent_size
    base = int.from_bytes(_operand(data, HEAD_BYTES, base_size), "big")
    modulus = int.from_bytes(_operand(data, modulus_at, modulus_size), "big")
    result = _power(base, _operand(data, exponent_at, exponent_size), modulus, check) if modulus else 0
    computation.output = result.to_bytes(modulus_size, "big")


def _operand(data: bytes | memoryview, start: int, size: int) -> bytes:
    return bytes(data[start : start + size]).ljust(size, b"\x00")


def _power(base: int, exponent: bytes, modulus: int, check: Callable[[], None]) -> int:
    """Left to right in windows of 12 bits, two of them for each 3 bytes of a long exponent."""
    if len(exponent) <= DIRECT_EXPONENT_BYTES:
        return pow(base, int.from_bytes(exponent, "big"), modulus)
    powers = [1 % modulus]
    for _ in range(WINDOW - 1):
        powers.append(powers[-1] * base % modulus)
    result = powers[0]
    padded = exponent.rjust(-(-len(exponent) // 3) * 3, b"\x00")
    for start in range(0, len(padded), 3):
        if start % BYTES_PER_CHECK == 0:
            check()
        high, low = divmod(int.from_bytes(padded[start : start + 3], "big"), WINDOW)
        result = pow(result, WINDOW, modulus) * powers[high] % modulus
        result = pow(result, WINDOW, modulus) * powers[low] % modulus
    return result
