"""EVM bytecode in words: just enough to write test contracts."""

from __future__ import annotations

OPCODES = {
    "STOP": 0x00, "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "DIV": 0x04, "LT": 0x10, "GT": 0x11, "EQ": 0x14,
    "ISZERO": 0x15, "SHA3": 0x20, "ADDRESS": 0x30, "BALANCE": 0x31, "ORIGIN": 0x32, "CALLER": 0x33,
    "CALLVALUE": 0x34, "CALLDATALOAD": 0x35, "CALLDATASIZE": 0x36, "CALLDATACOPY": 0x37, "CODESIZE": 0x38,
    "CODECOPY": 0x39, "GASPRICE": 0x3A, "EXTCODESIZE": 0x3B, "RETURNDATASIZE": 0x3D, "RETURNDATACOPY": 0x3E,
    "EXTCODEHASH": 0x3F, "BLOCKHASH": 0x40, "COINBASE": 0x41, "TIMESTAMP": 0x42, "NUMBER": 0x43,
    "PREVRANDAO": 0x44, "GASLIMIT": 0x45, "CHAINID": 0x46, "SELFBALANCE": 0x47, "BASEFEE": 0x48,
    "BLOBBASEFEE": 0x4A, "POP": 0x50, "MLOAD": 0x51, "MSTORE": 0x52, "SLOAD": 0x54, "SSTORE": 0x55,
    "JUMP": 0x56, "JUMPI": 0x57, "PC": 0x58, "GAS": 0x5A, "JUMPDEST": 0x5B, "TLOAD": 0x5C, "TSTORE": 0x5D,
    "MCOPY": 0x5E, "PUSH0": 0x5F, "DUP1": 0x80, "SWAP1": 0x90, "LOG0": 0xA0, "LOG1": 0xA1, "LOG2": 0xA2,
    "CREATE": 0xF0, "CALL": 0xF1, "CALLCODE": 0xF2, "RETURN": 0xF3, "DELEGATECALL": 0xF4, "CREATE2": 0xF5,
    "STATICCALL": 0xFA, "REVERT": 0xFD, "INVALID": 0xFE, "SELFDESTRUCT": 0xFF,
}  # fmt: skip


def assemble(*items: str | int | bytes) -> bytes:
    """Names are opcodes, integers and byte strings are pushed with the shortest PUSH."""
    code = bytearray()
    for item in items:
        if isinstance(item, str):
            code.append(OPCODES[item])
            continue
        data = item if isinstance(item, bytes) else item.to_bytes(max(1, (item.bit_length() + 7) // 8), "big")
        code.append(0x5F + len(data))
        code += data
    return bytes(code)


def initcode(runtime: bytes) -> bytes:
    """Creation code that leaves ``runtime`` as the contract's code."""
    prefix = assemble(len(runtime), "DUP1", 13, "PUSH0", "CODECOPY", "PUSH0", "RETURN")
    length = 13 - len(prefix)
    return prefix + b"\x00" * length + runtime


def store_code(data: bytes) -> bytes:
    """Put ``data`` into memory from 0."""
    code = b""
    for start in range(0, len(data), 32):
        code += assemble(data[start : start + 32].ljust(32, b"\x00"), start, "MSTORE")
    return code


def call_to(kind: str, address: bytes, *, value: int = 0, gas: int | None = None, size: int = 0) -> bytes:
    """A call with ``size`` bytes of memory as input and no output; pops the result."""
    tail = [gas] if gas is not None else ["GAS"]
    middle: list[int] = [value] if kind in ("CALL", "CALLCODE") else []
    return assemble(0, 0, size, 0, *middle, address, *tail, kind, "POP")
