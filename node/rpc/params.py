"""Reading JSON-RPC parameters: each kind has one reader, and every refusal names the parameter and what is due."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.execution.call import CallRequest
from node.rpc.errors import invalid_params
from node.types import ZERO_ADDRESS, Address, Hash32

UINT64_MAX = 2**64 - 1
UINT256_MAX = 2**256 - 1
DATA_BYTES_MAX = 256 * 1024
"""Input of a call: twice what a transaction can hold."""
ACCESS_LIST_MAX = 1_000
FILTER_ADDRESSES_MAX = 1_000
FILTER_TOPIC_OPTIONS_MAX = 1_000
STORAGE_KEYS_MAX = 1_024
PERCENTILES_MAX = 100
BLOCK_TAGS = ("latest", "safe", "finalized", "pending", "earliest")

_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})\Z")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*\Z")
_REQUIRED = object()


class Misfit(ValueError):
    """A value that is not what its parameter takes; the message says what is due."""


@dataclass(frozen=True, slots=True)
class BlockRef:
    """Which block is meant: a tag, a height, or a hash (EIP-1898)."""

    tag: str | None = None
    number: int | None = None
    hash: Hash32 | None = None


LATEST = BlockRef(tag="latest")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs are asked for. Empty ``addresses`` means all; an empty topic position takes any topic."""

    first: BlockRef = LATEST
    last: BlockRef = LATEST
    block_hash: Hash32 | None = None
    addresses: tuple[Address, ...] = ()
    topics: tuple[tuple[Hash32, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a method: its name, its reader, and its default where it may be left out."""

    name: str
    read: Callable[[Any], Any]
    default: Any = _REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether a request must state it."""
        return self.default is _REQUIRED

    @property
    def kind(self) -> str:
        """What it takes, in words."""
        return (self.read.__doc__ or "").strip().rstrip(".")


def read_params(params: tuple[Param, ...], values: Any) -> list[Any]:
    """The arguments of a handler; RpcError -32602 that names position and parameter."""
    if values is None:
        values = []
    if not isinstance(values, list):
        raise invalid_params("params is an array")
    if len(values) > len(params):
        raise invalid_params(f"too many: at most {len(params)} are taken, {len(values)} were given")
    arguments = []
    for position, param in enumerate(params):
        value = values[position] if position < len(values) else None
        if value is None:
            if param.is_required:
                raise invalid_params(f"parameter {position + 1} ({param.name}) is missing: {param.kind}")
            arguments.append(param.default)
            continue
        try:
            arguments.append(param.read(value))
        except Misfit as error:
            raise invalid_params(f"parameter {position + 1} ({param.name}): {error}") from error
    return arguments


def quantity(value: Any) -> int:
    """A 0x-quantity without leading zeros."""
    if isinstance(value, str) and _QUANTITY.match(value):
        return int(value, 16)
    raise Misfit(f"a 0x-quantity without leading zeros is due, found {_shown(value)}")


def index(value: Any) -> int:
    """An index as 0x-quantity."""
    number = quantity(value)
    if number > UINT64_MAX:
        raise Misfit(f"above the limit {UINT64_MAX}")
    return number


def lenient_quantity(value: Any) -> int:
    """A 0x-quantity, or a JSON integer, of 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= UINT64_MAX:
        return value
    return index(value)


def data(value: Any) -> bytes:
    """0x-hex of whole bytes."""
    if isinstance(value, str) and _DATA.match(value):
        return bytes.fromhex(value[2:])
    raise Misfit(f"0x-hex with an even number of digits is due, found {_shown(value)}")


def address(value: Any) -> Address:
    """An address: 0x-hex of 20 bytes."""
    return Address(_fixed(value, 20))


def hash32(value: Any) -> Hash32:
    """A hash: 0x-hex of 32 bytes."""
    return Hash32(_fixed(value, 32))


def boolean(value: Any) -> bool:
    """true or false."""
    if isinstance(value, bool):
        return value
    raise Misfit(f"true or false is due, found {_shown(value)}")


def word(value: Any) -> int:
    """A storage slot: 0x-hex of at most 32 bytes."""
    if isinstance(value, str) and re.match(r"0x[0-9a-fA-F]{1,64}\Z", value):
        return int(value, 16)
    raise Misfit(f"0x-hex of at most 32 bytes is due, found {_shown(value)}")


def words(value: Any) -> list[int]:
    """A list of storage slots."""
    return _list(value, word, STORAGE_KEYS_MAX)


def percentiles(value: Any) -> list[float]:
    """A list of percentiles, ascending, from 0 to 100."""
    rows = _list(value, _percentile, PERCENTILES_MAX)
    if rows != sorted(rows):
        raise Misfit("percentiles ascend")
    return rows


def block_ref(value: Any) -> BlockRef:
    """A block: latest, safe, finalized, pending, earliest, a 0x-height, a 32-byte hash, or an EIP-1898 object."""
    if isinstance(value, str) and value in BLOCK_TAGS:
        return BlockRef(tag=value)
    if isinstance(value, str) and len(value) == 66:
        return BlockRef(hash=hash32(value))
    if isinstance(value, dict):
        return _block_object(value)
    try:
        return BlockRef(number=index(value))
    except Misfit as error:
        raise Misfit(
            f"one of {', '.join(BLOCK_TAGS)}, a 0x-height, a hash, or an EIP-1898 object is due, found {_shown(value)}"
        ) from error


def _block_object(value: dict[str, Any]) -> BlockRef:
    extra = set(value) - {"blockHash", "blockNumber", "requireCanonical"}
    if extra or ("blockHash" in value) == ("blockNumber" in value):
        raise Misfit("an EIP-1898 object holds either blockHash or blockNumber")
    if "blockNumber" in value:
        return block_ref(value["blockNumber"])
    return BlockRef(hash=hash32(value["blockHash"]))


_CALL_FIELDS = {
    "from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "data", "input", "nonce",
    "chainId", "type", "accessList", "v", "r", "s", "yParity", "hash",
}  # fmt: skip
"""Fields of a call object that are read or, where they decide nothing here, taken without effect."""


def call_object(value: Any) -> CallRequest:
    """A call object (from, to, gas, gasPrice or maxFeePerGas, value, data or input, accessList)."""
    if not isinstance(value, dict):
        raise Misfit("a call object is due")
    unknown = sorted(set(value) - _CALL_FIELDS)
    if unknown:
        raise Misfit(f"the field {_shown(unknown[0])} is unknown in a call object")
    if value.get("gasPrice") is not None and value.get("maxFeePerGas") is not None:
        raise Misfit("a call object states gasPrice or maxFeePerGas, not both")
    stated, alias = _field(value, "data", data, None), _field(value, "input", data, None)
    if stated is not None and alias is not None and stated != alias:
        raise Misfit("data and input differ")
    content = stated if stated is not None else alias or b""
    if len(content) > DATA_BYTES_MAX:
        raise Misfit(f"data has {len(content)} bytes, the limit is {DATA_BYTES_MAX}")
    price = _field(value, "gasPrice", quantity, None)
    return CallRequest(
        sender=_field(value, "from", address, ZERO_ADDRESS),
        to=_field(value, "to", address, None),
        data=content,
        value=_field(value, "value", quantity, 0),
        gas=_field(value, "gas", index, None),
        gas_price=price if price is not None else _field(value, "maxPriorityFeePerGas", quantity, 0),
        access_list=_field(value, "accessList", _access_list, ()),
    )


def log_filter(value: Any) -> LogFilter:
    """A filter object (fromBlock and toBlock, or blockHash; address; topics)."""
    if not isinstance(value, dict):
        raise Misfit("a filter object is due")
    unknown = sorted(set(value) - {"fromBlock", "toBlock", "blockHash", "address", "topics"})
    if unknown:
        raise Misfit(f"the field {_shown(unknown[0])} is unknown in a filter object")
    block_hash = _field(value, "blockHash", hash32, None)
    if block_hash is not None and (value.get("fromBlock") is not None or value.get("toBlock") is not None):
        raise Misfit("a filter states blockHash, or fromBlock and toBlock, not both (EIP-234)")
    return LogFilter(
        first=_field(value, "fromBlock", block_ref, LATEST),
        last=_field(value, "toBlock", block_ref, LATEST),
        block_hash=block_hash,
        addresses=_field(value, "address", _addresses, ()),
        topics=_field(value, "topics", _topics, ()),
    )


def subscription_kind(value: Any) -> str:
    """newHeads, logs or newPendingTransactions."""
    if isinstance(value, str) and value in ("newHeads", "logs", "newPendingTransactions"):
        return value
    raise Misfit(f"one of newHeads, logs, newPendingTransactions is due, found {_shown(value)}")


def anything(value: Any) -> Any:
    """Any value."""
    return value


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(_list(value, address, FILTER_ADDRESSES_MAX)) if isinstance(value, list) else (address(value),)


def _topics(value: Any) -> tuple[tuple[Hash32, ...], ...]:
    return tuple(_list(value, _topic_options, 4))


def _topic_options(value: Any) -> tuple[Hash32, ...]:
    if value is None:
        return ()
    if isinstance(value, list):
        # A null among the alternatives takes any topic.
        if any(item is None for item in value):
            return ()
        return tuple(_list(value, hash32, FILTER_TOPIC_OPTIONS_MAX))
    return (hash32(value),)


def _access_list(value: Any) -> tuple[tuple[Address, tuple[int, ...]], ...]:
    return tuple(_list(value, _access_entry, ACCESS_LIST_MAX))


def _access_entry(value: Any) -> tuple[Address, tuple[int, ...]]:
    if not isinstance(value, dict) or set(value) != {"address", "storageKeys"}:
        raise Misfit("an access list entry holds address and storageKeys")
    return address(value["address"]), tuple(words(value["storageKeys"]))


def _percentile(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise Misfit(f"a number from 0 to 100 is due, found {_shown(value)}")
    return float(value)


def _field(value: dict[str, Any], name: str, read: Callable[[Any], Any], default: Any) -> Any:
    item = value.get(name)
    if item is None:
        return default
    try:
        return read(item)
    except Misfit as error:
        raise Misfit(f"{name}: {error}") from error


def _list(value: Any, read: Callable[[Any], Any], maximum: int) -> list[Any]:
    if not isinstance(value, list):
        raise Misfit(f"a list is due, found {_shown(value)}")
    if len(value) > maximum:
        raise Misfit(f"the list has {len(value)} items, the limit is {maximum}")
    return [read(item) for item in value]


def _fixed(value: Any, length: int) -> bytes:
    if isinstance(value, str) and len(value) == 2 + 2 * length and _DATA.match(value):
        return bytes.fromhex(value[2:])
    raise Misfit(f"0x-hex of {length} bytes is due, found {_shown(value)}")


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 70 else f"{text[:66]}..."
