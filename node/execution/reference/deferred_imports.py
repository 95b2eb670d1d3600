"""Modules under py-evm that no chain of ours calls are loaded when something first calls them.

Importing py_ecc computes tables for pairings, a third of a node's start, although no chain of ours reaches a pairing
unless its genesis admits that precompile (P-6), and Cancun has none of BLS12-381. Importing this module, before
``eth``, puts stand-ins in their place.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_LOADED_WHEN_CALLED: dict[str, tuple[str, ...]] = {
    "Crypto.Hash.keccak": ("new",),  # for ethash alone; it compiles C declarations when it is imported
    "eth.precompiles.bls12_381": (
        "bls12_g1_add",
        "bls12_g1_msm",
        "bls12_g2_add",
        "bls12_g2_msm",
        "bls12_map_fp2_to_g2",
        "bls12_map_fp_to_g1",
        "bls12_pairing_check",
    ),
    "py_ecc.bls12_381.bls12_381_pairing": ("final_exponentiate", "pairing"),
    "py_ecc.optimized_bls12_381.optimized_pairing": ("final_exponentiate", "pairing"),
    "py_ecc.optimized_bn128.optimized_pairing": ("final_exponentiate", "pairing"),
}
"""Module to the functions that its package takes from it."""


class _Deferred:
    """A function that imports its module when it is first called."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(sys.modules.get(self._module), _StandIn):
            del sys.modules[self._module]
        return getattr(importlib.import_module(self._module), self._name)(*arguments, **keywords)


class _StandIn(ModuleType):
    """Stands in ``sys.modules`` for a module that is not loaded yet."""

    def __init__(self, module: str, names: tuple[str, ...]) -> None:
        super().__init__(module)
        self.__spec__ = ModuleSpec(module, None)
        for name in names:
            setattr(self, name, _Deferred(module, name))


for _module, _names in _LOADED_WHEN_CALLED.items():
    if _module not in sys.modules:
        sys.modules[_module] = _StandIn(_module, _names)
