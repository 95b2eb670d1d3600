"""The wiring that every chain of this node uses: the reference engine and the Consortium contract's readers."""

from __future__ import annotations

from functools import cache

from consensus.validators import validator_set_hash
from node import permissioning
from node.chain.genesis import Genesis
from node.execution.engine import Engine
from node.execution.reference import ReferenceEngine
from node.execution.transition import Rules
from node.types import Address, StateReader


class ConsortiumPermissions:
    """node.permissioning as an object."""

    def is_registered(self, state: StateReader, address: Address) -> bool:
        """May this account send transactions (P-6)?"""
        return permissioning.is_registered(state, address)

    def may_deploy(self, state: StateReader, address: Address) -> bool:
        """Does it hold the deployer role (P-6)?"""
        return permissioning.may_deploy(state, address)

    def validators_at(self, state: StateReader, height: int) -> tuple[Address, ...]:
        """S(height) on the post-state of the block before (P-12)."""
        return permissioning.validators_at(state, height)

    def consortium_parameters(self, state: StateReader) -> tuple[int, int]:
        """L and D as Consortium holds them (P-3)."""
        return permissioning.consortium_parameters(state)


@cache
def reference_engine() -> Engine:
    """The one reference engine of this process."""
    return ReferenceEngine()


def default_rules(genesis: Genesis) -> Rules:
    """Rules of a chain from its genesis alone."""
    return Rules(genesis, reference_engine(), ConsortiumPermissions(), validator_set_hash)
