"""Encode calls, decode results, logs and reverts by the committed ABIs (eth-abi only; the artefacts carry hashes)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from contracts import artifacts

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_PANIC_MEANINGS: Final[dict[int, str]] = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "value outside its enum",
    0x22: "corrupt storage encoding",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}
"""Solidity's panic codes (language reference, "Panic via assert and Error via require")."""


class BindingError(ValueError):
    """An argument, result or log that does not fit the ABI; the message names the contract and the entry."""


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log: the contract type that declares it, the event's name and its arguments by name."""

    contract: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call failed. ``name`` is a custom error's, ``Error`` (a text), ``Panic``, or ``Unknown`` (raw data)."""

    name: str
    args: dict[str, Any]
    contract: str | None = None

    def __str__(self) -> str:
        inner = ", ".join(f"{k}={_shown(v)}" for k, v in self.args.items())
        return f"{self.name}({inner})"


def _shown(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def canonical_type(parameter: Mapping[str, Any]) -> str:
    """The ABI's canonical type: tuples written out."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(canonical_type(c) for c in parameter["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def signature(entry: Mapping[str, Any]) -> str:
    """``name(type,...)`` of a function, event or error."""
    return f"{entry['name']}({','.join(canonical_type(p) for p in entry['inputs'])})"


@cache
def _by_name(contract: str, kind: str) -> dict[str, dict[str, Any]]:
    return {e["name"]: e for e in artifacts.load(contract).abi if e["type"] == kind}


@cache
def _by_hash(contract: str, kind: str) -> dict[bytes, dict[str, Any]]:
    artifact = artifacts.load(contract)
    hashes = {"event": artifact.events, "error": artifact.errors, "function": artifact.functions}[kind]
    entries = {signature(e): e for e in artifact.abi if e["type"] == kind}
    return {bytes.fromhex(hashes[s]): entries[s] for s in entries}


def _function(contract: str, name: str) -> dict[str, Any]:
    try:
        return _by_name(contract, "function")[name]
    except KeyError:
        raise BindingError(f"{contract} has no function {name!r}") from None


def selector(contract: str, name: str) -> bytes:
    """The four bytes that call a function."""
    return bytes.fromhex(artifacts.load(contract).functions[signature(_function(contract, name))])


def event_topic(contract: str, name: str) -> bytes:
    """The first topic of an event, to filter logs by."""
    return bytes.fromhex(artifacts.load(contract).events[signature(_by_name(contract, "event")[name])])


def encode_call(contract: str, name: str, args: Sequence[Any] | Mapping[str, Any] = ()) -> bytes:
    """Call data. Arguments by position, or by name where all parameters have one; a struct is a tuple or a mapping.

    Raises BindingError where an argument is missing, unknown or outside its type.
    """
    entry = _function(contract, name)
    where = f"{contract}.{name}"
    values = _positional(entry["inputs"], args, where)
    try:
        return selector(contract, name) + bytes(encode([canonical_type(p) for p in entry["inputs"]], values))
    except (EncodingError, TypeError, OverflowError) as error:
        raise BindingError(f"{where}: {error}") from error


def _positional(parameters: Sequence[Mapping[str, Any]], args: Any, where: str) -> list[Any]:
    if isinstance(args, Mapping):
        names = [p["name"] for p in parameters]
        if set(args) != set(names):
            missing, unknown = sorted(set(names) - set(args)), sorted(set(args) - set(names))
            raise BindingError(f"{where}: missing {missing}, unknown {unknown}")
        args = [args[n] for n in names]
    if len(args) != len(parameters):
        raise BindingError(f"{where}: {len(args)} arguments, expected {len(parameters)}")
    return [_value(p, a, f"{where}.{p['name']}") for p, a in zip(parameters, args, strict=True)]


def _value(parameter: Mapping[str, Any], value: Any, where: str) -> Any:
    kind = str(parameter["type"])
    if kind == "tuple":
        return tuple(_positional(parameter["components"], value, where))
    if kind.startswith("tuple["):
        return [tuple(_positional(parameter["components"], v, where)) for v in value]
    if kind == "address" and isinstance(value, bytes):
        return "0x" + value.hex()  # eth-abi's address encoder takes text
    if kind == "address[]":
        return ["0x" + v.hex() if isinstance(v, bytes) else v for v in value]
    return value


def decode_result(contract: str, name: str, data: bytes) -> Any:
    """What a function returned: one value, or a tuple of them; structs as dicts, addresses as 20 bytes."""
    outputs = _function(contract, name)["outputs"]
    values = _decoded(outputs, data, f"{contract}.{name}")
    return values[0] if len(values) == 1 else tuple(values)


def decode_call(contract: str, data: bytes) -> tuple[str, dict[str, Any]]:
    """The function that call data names and its arguments by name (the reverse of encode_call)."""
    entry = _by_hash(contract, "function").get(data[:4])
    if entry is None:
        raise BindingError(f"{contract} has no function with selector 0x{data[:4].hex()}")
    return entry["name"], _named(entry["inputs"], _decoded(entry["inputs"], data[4:], f"{contract}.{entry['name']}"))


def decode_values(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Bytes that a contract has made with ``abi.encode``. BindingError where they do not decode."""
    try:
        return tuple(decode(list(types), data))
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise BindingError(f"abi.encode of {', '.join(types)}: {error}") from error


def decode_event(contract: str, topics: Sequence[bytes], data: bytes) -> Event | None:
    """A log of this contract type; None where its first topic is none of the type's events.

    An indexed argument of dynamic type comes as its 32-byte hash.
    """
    entry = _by_hash(contract, "event").get(bytes(topics[0])) if topics else None
    if entry is None:
        return None
    where = f"{contract}.{entry['name']}"
    indexed = [p for p in entry["inputs"] if p["indexed"]]
    if len(topics) - 1 != len(indexed):
        raise BindingError(f"{where}: {len(topics) - 1} indexed topics, expected {len(indexed)}")
    plain = [p for p in entry["inputs"] if not p["indexed"]]
    values = dict(zip([p["name"] for p in plain], _decoded(plain, data, where), strict=True))
    for parameter, topic in zip(indexed, topics[1:], strict=True):
        values[parameter["name"]] = _topic_value(parameter, bytes(topic), where)
    return Event(contract, entry["name"], {p["name"]: values[p["name"]] for p in entry["inputs"]})


def _topic_value(parameter: Mapping[str, Any], topic: bytes, where: str) -> Any:
    kind = str(parameter["type"])
    if kind in ("string", "bytes") or kind.endswith("]") or kind.startswith("tuple"):
        return topic
    return _decoded([parameter], topic, where)[0]


def decode_revert(data: bytes, contracts: Sequence[str] | None = None) -> Revert:
    """The reason in a failed call's output. Looks in the given contracts, or in all of them."""
    head, body = data[:4], data[4:]
    try:
        if head == _ERROR_STRING:
            return Revert("Error", {"message": decode(["string"], body)[0]})
        if head == _PANIC:
            code = decode(["uint256"], body)[0]
            return Revert("Panic", {"code": code, "meaning": _PANIC_MEANINGS.get(code, "unknown panic code")})
        for contract in artifacts.names() if contracts is None else contracts:
            entry = _by_hash(contract, "error").get(head)
            if entry is not None:
                values = _decoded(entry["inputs"], body, f"{contract}.{entry['name']}")
                return Revert(entry["name"], _named(entry["inputs"], values), contract)
    except (DecodingError, OverflowError, UnicodeDecodeError, BindingError):
        pass  # a foreign contract may put anything behind a known selector: shown raw
    return Revert("Unknown", {"data": data})


def _decoded(parameters: Sequence[Mapping[str, Any]], data: bytes, where: str) -> list[Any]:
    try:
        values = decode([canonical_type(p) for p in parameters], data)
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise BindingError(f"{where}: {error}") from error
    return [_plain(p, v) for p, v in zip(parameters, values, strict=True)]


def _plain(parameter: Mapping[str, Any], value: Any) -> Any:
    kind = str(parameter["type"])
    if kind == "tuple":
        return {c["name"]: _plain(c, v) for c, v in zip(parameter["components"], value, strict=True)}
    if kind.endswith("]"):
        element = {**parameter, "type": kind[: kind.rindex("[")]}
        return [_plain(element, v) for v in value]
    if kind == "address":
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _named(parameters: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> dict[str, Any]:
    return {p["name"] or str(i): v for i, (p, v) in enumerate(zip(parameters, values, strict=True))}
