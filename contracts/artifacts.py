"""The compiled contracts, read from the committed artefacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from contracts.addresses import LINKED_LIBRARIES

_LIBRARY_ADDRESS: Final = "library_deploy_address"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. ``functions``, ``events`` and ``errors`` map a canonical signature to its hash in hex."""

    name: str
    source: str
    abi: tuple[dict[str, Any], ...]
    functions: dict[str, str]
    events: dict[str, str]
    errors: dict[str, str]
    creation_code: bytes
    runtime_code: bytes
    storage_layout: dict[str, Any]
    compiler: dict[str, Any]
    sources: dict[str, str]


def names() -> tuple[str, ...]:
    """Every contract that has an artefact, in alphabetical order."""
    folder = resources.files("contracts") / "artifacts"
    return tuple(sorted(f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")))


@cache
def load(name: str) -> Artifact:
    """The artefact of a contract; ``KeyError`` where there is none of that name."""
    file = resources.files("contracts") / "artifacts" / f"{name}.json"
    if not file.is_file():
        raise KeyError(f"no compiled contract named {name!r}")
    stored = json.loads(file.read_text("utf-8"))
    return Artifact(
        name=stored["contract"],
        source=stored["source"],
        abi=tuple(stored["abi"]),
        functions=stored["functions"],
        events=stored["events"],
        errors=stored["errors"],
        creation_code=bytes.fromhex(stored["bytecode"]),
        runtime_code=_runtime_code(stored),
        storage_layout=stored["storageLayout"],
        compiler=stored["compiler"],
        sources=stored["sources"],
    )


def _runtime_code(stored: dict[str, Any]) -> bytes:
    """Code as it stands on the chain without a constructor having run.

    A library's one immutable is its own address, by which it knows a direct call (Solidity, "call protection").
    """
    code = bytearray.fromhex(stored["deployedBytecode"])
    assert not stored["linkReferences"], f"{stored['contract']} is not linked"
    for label, places in stored["immutableReferences"].items():
        assert label == _LIBRARY_ADDRESS, f"{stored['contract']} has immutables, which genesis code cannot hold"
        word = LINKED_LIBRARIES[stored["contract"]].rjust(32, b"\0")
        for place in places:
            code[place["start"] : place["start"] + place["length"]] = word[-place["length"] :]
    return bytes(code)


def storage_slot(name: str, label: str) -> int:
    """The slot of a state variable of a contract, for readers that stand on the state itself."""
    for entry in load(name).storage_layout["storage"]:
        if entry["label"] == label:
            return int(entry["slot"])
    raise KeyError(f"{name} has no state variable {label!r}")
