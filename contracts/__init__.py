"""Solidity contracts, their compiled artefacts, and thin bindings (eth-abi only)."""
