"""Random but reproducible EVM programs and transactions, dense enough to meet the corners of Cancun's rules."""

from __future__ import annotations

from random import Random
from typing import Any

from node.types import Address
from tests.execution.assembler import assemble, call_to, initcode, store_code
from tests.execution.chain import ADDRESSES, KEYS, VALIDATORS, sign

PROGRAMS = tuple(Address(bytes([0x11 * (index + 1)]) * 20) for index in range(4))
"""Addresses of the contracts in genesis. Each calls mostly those after it, so that calls end."""
NOBODY = Address(b"\x0e" * 20)
PRECOMPILES = tuple(Address(number.to_bytes(20, "big")) for number in range(1, 7))
OTHERS = (ADDRESSES[3], NOBODY, VALIDATORS[0], *PRECOMPILES)
TARGETS = (*PROGRAMS, *OTHERS)
ENVIRONMENT = (
    "ADDRESS",
    "CALLER",
    "CALLVALUE",
    "CALLDATASIZE",
    "TIMESTAMP",
    "NUMBER",
    "COINBASE",
    "GASLIMIT",
    "CHAINID",
    "SELFBALANCE",
    "BASEFEE",
    "BLOBBASEFEE",
    "PREVRANDAO",
    "RETURNDATASIZE",
    "CODESIZE",
    "ORIGIN",
    "GASPRICE",
    "GAS",
    "PC",
)
CALL_GAS = (None, 40_000, 90_000, 150_000, 300_000)


class Writer:
    """Draws programs from one seeded source."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def slot(self) -> int:
        return self.random.randrange(4)

    def simple(self) -> bytes:
        """One step that touches no other contract."""
        draw, slot = self.random, self.slot()
        address = draw.choice(TARGETS)
        steps = [
            assemble(draw.randrange(3), slot, "SSTORE"),
            assemble(draw.randrange(3), slot, "SSTORE"),
            assemble(self.slot(), "SLOAD", slot, "SSTORE"),
            assemble(draw.randrange(3), slot, "TSTORE"),
            assemble(self.slot(), "TLOAD", slot, "SSTORE"),
            assemble(draw.randrange(1, 3), 0, "TSTORE", 0, "TLOAD", slot, "SSTORE"),
            assemble(0, "TLOAD", slot, "SSTORE", draw.randrange(1, 9), 0, "TSTORE"),
            assemble(draw.choice(ENVIRONMENT), slot, "SSTORE"),
            assemble(address, "BALANCE", slot, "SSTORE"),
            assemble(address, "EXTCODEHASH", slot, "SSTORE"),
            assemble(address, "EXTCODESIZE", slot, "SSTORE"),
            assemble(draw.randrange(4), "NUMBER", "SUB", "BLOCKHASH", slot, "SSTORE"),
            assemble(draw.randrange(3), draw.randrange(3), 64, 0, "LOG2"),
            assemble("GAS", 40, 3, "LOG1"),
            assemble(32, 0, "SHA3", 0, "MSTORE"),
            assemble(40, 1, 70, "MCOPY"),
            assemble("RETURNDATASIZE", 0, 0, "RETURNDATACOPY"),
        ]
        return draw.choice(steps)

    def call(self, rank: int) -> bytes:
        """A call, mostly to a program of higher rank, now and then back to any."""
        draw = self.random
        later = PROGRAMS[rank + 1 :]
        to = draw.choice(later) if later and draw.random() < 0.7 else draw.choice(TARGETS)
        kind = draw.choice(["CALL", "CALL", "CALL", "CALLCODE", "DELEGATECALL", "DELEGATECALL", "STATICCALL"])
        value = draw.choice([0, 0, 0, 1]) if kind != "STATICCALL" else 0
        return call_to(kind, to, value=value, gas=draw.choice(CALL_GAS), size=draw.choice([0, 32, 128]))

    def creation(self, depth: int) -> bytes:
        """CREATE or CREATE2, as initcode or as runtime, then a call to what came of it."""
        draw = self.random
        body = self.program(3, depth - 1, draw.randrange(1, 4))
        code = initcode(body) if draw.random() < 0.7 else body
        kind = draw.choice(["CREATE", "CREATE2"])
        salted = [draw.randrange(2)] if kind == "CREATE2" else []
        made = assemble(*salted, len(code), 0, draw.choice([0, 0, 1]), kind)
        keep = made + assemble(3, "SSTORE")
        visit = assemble(0, 0, 0, 0, draw.choice([0, 0, 1]), 3, "SLOAD", draw.choice(["GAS", 60_000]), "CALL", "POP")
        return store_code(code) + keep + visit * draw.randrange(3)

    def ending(self) -> bytes:
        draw = self.random
        kind = draw.random()
        if kind < 0.5:
            return assemble("STOP")
        if kind < 0.65:
            return assemble(draw.choice(TARGETS), "SELFDESTRUCT")
        if kind < 0.75:
            return assemble("ADDRESS", "SELFDESTRUCT")
        if kind < 0.88:
            return assemble(7, 0, "MSTORE", 32, 0, "REVERT")
        return assemble("INVALID") if kind < 0.93 else assemble(64, 0, "RETURN")

    def program(self, rank: int, depth: int = 2, steps: int = 6) -> bytes:
        """Straight-line code."""
        draw = self.random
        parts = []
        for _ in range(draw.randrange(1, steps + 1)):
            kind = draw.random()
            if kind < 0.55 or (kind >= 0.8 and not depth):
                parts.append(self.simple())
            elif kind < 0.8:
                parts.append(self.call(rank))
            else:
                parts.append(self.creation(depth))
        return b"".join(parts) + self.ending()

    def transaction(self, sender: int, nonce: int) -> Any:
        """A signed transaction of any admitted type."""
        draw = self.random
        fields: dict[str, Any] = {
            "nonce": nonce,
            "gas": draw.choice([60_000, 400_000, 1_500_000, 3_000_000]),
            "value": draw.choice([0, 0, 1, 10**15]),
            "data": bytes([0, 1] * draw.randrange(4)),
        }
        kind = draw.random()
        if kind < 0.25:
            fields["data"] = self.program(0)
            if draw.random() < 0.5:
                fields["data"] = initcode(fields["data"])
        else:
            fields["to"] = draw.choice(PROGRAMS if kind < 0.85 else OTHERS)
        price = draw.choice([0, 0, 3])
        if draw.random() < 0.5:
            fields["accessList"] = [
                {
                    "address": "0x" + draw.choice(TARGETS).hex(),
                    "storageKeys": [f"0x{self.slot():064x}"] * draw.randrange(3),
                }
                for _ in range(draw.randrange(3))
            ]
        if draw.random() < 0.5:
            fields |= {"maxFeePerGas": price + 1, "maxPriorityFeePerGas": price, "type": 2}
        else:
            fields["gasPrice"] = price
        return sign(KEYS[sender], **fields)
