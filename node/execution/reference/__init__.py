"""The reference engine: py-evm's Cancun rules over our own state layer (P-20). The only home of ``eth``."""

from node.execution.reference.engine import ReferenceEngine

__all__ = ["ReferenceEngine"]
