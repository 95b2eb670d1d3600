"""Receipts and logs in Ethereum's consensus encoding (EIP-2718, EIP-658)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.chain.header import BLOOM_BYTES
from node.chain.rlp_fields import UINT64_MAX, as_bytes, as_list, as_uint, decode_rlp, encode_rlp
from node.errors import DataError
from node.keys import keccak256
from node.types import Address, Hash32

RECEIPT_TYPES = (0, 1, 2)
TOPICS_MAX = 4


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a contract: at most four topics of 32 bytes, and data."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of one transaction. ``status`` 1 is success; ``cumulative_gas_used`` counts from the block's start."""

    type: int
    status: int
    cumulative_gas_used: int
    logs_bloom: bytes
    logs: tuple[Log, ...]

    @classmethod
    def of(cls, type_: int, *, succeeded: bool, cumulative_gas_used: int, logs: tuple[Log, ...]) -> Receipt:
        """A receipt with the bloom of its logs."""
        return cls(type_, int(succeeded), cumulative_gas_used, logs_bloom(logs), logs)

    def encode(self) -> bytes:
        """Consensus bytes: the type (none for legacy), then the RLP of status, gas, bloom and logs."""
        logs = [[log.address, list(log.topics), log.data] for log in self.logs]
        payload = encode_rlp([self.status, self.cumulative_gas_used, self.logs_bloom, logs])
        return payload if self.type == 0 else bytes([self.type]) + payload

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        """Read consensus bytes; DataError for anything else."""
        type_ = data[0] if data and data[0] < 0x80 else 0
        if type_ not in RECEIPT_TYPES:
            raise DataError(f"receipt type {type_} is unknown", field="receipt.type")
        items = as_list(decode_rlp(data[1:] if type_ else data, "receipt"), "receipt", 4)
        return cls(
            type=type_,
            status=as_uint(items[0], "receipt.status", 1),
            cumulative_gas_used=as_uint(items[1], "receipt.cumulative_gas_used", UINT64_MAX),
            logs_bloom=as_bytes(items[2], "receipt.logs_bloom", BLOOM_BYTES),
            logs=tuple(_decode_log(item) for item in as_list(items[3], "receipt.logs")),
        )


def _decode_log(item: object) -> Log:
    address, topics, data = as_list(item, "log", 3)
    rows = as_list(topics, "log.topics")
    if len(rows) > TOPICS_MAX:
        raise DataError(f"a log has {len(rows)} topics, the limit is {TOPICS_MAX}", field="log.topics")
    return Log(
        Address(as_bytes(address, "log.address", 20)),
        tuple(Hash32(as_bytes(topic, "log.topic", 32)) for topic in rows),
        as_bytes(data, "log.data"),
    )


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """The 2048-bit Bloom filter of the logs' addresses and topics (Yellow Paper, 4.3.1)."""
    bits = 0
    for log in logs:
        bits |= bloom_bits(log.address)
        for topic in log.topics:
            bits |= bloom_bits(topic)
    return bits.to_bytes(BLOOM_BYTES, "big")


def combine_blooms(blooms: Iterable[bytes]) -> bytes:
    """The union of several filters: a block's from its receipts'."""
    bits = 0
    for bloom in blooms:
        bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(BLOOM_BYTES, "big")


def bloom_bits(value: bytes) -> int:
    """The three bits that one address or topic sets, as an integer."""
    digest = keccak256(value)
    bits = 0
    for index in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[index : index + 2], "big") & 2047)
    return bits
