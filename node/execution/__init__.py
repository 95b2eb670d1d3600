"""The EVM transition: engines, block execution, building, calls, and the ledger that stands on them."""
