"""The reference engine: py-evm's Cancun rules over our own state layer (P-20). The only home of ``eth``."""

import sys

import node.execution.reference.deferred_imports  # noqa: F401 - before anything imports eth

from node.execution.reference.engine import ReferenceEngine  # isort: skip

RECURSION_LIMIT = 12_000
"""Python frames: the EVM's 1,024 calls deep need fewer than 8,000. Importing ``eth`` raises the limit to 100,000, with
which a parser written in C can overrun the stack and end the process (nested JSON from a stranger)."""
sys.setrecursionlimit(RECURSION_LIMIT)

__all__ = ["RECURSION_LIMIT", "ReferenceEngine"]
