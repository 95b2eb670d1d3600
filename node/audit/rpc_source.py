"""A bank's JSON-RPC as a chain source: the genesis document and sealed blocks, fetched in bounded ranges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.audit.source import SealedBlock
from node.client.json_rpc import call_once
from node.errors import DataError
from node.types import Address

RANGE_BLOCKS = 128
TIMEOUT_S = 60.0


class RpcSource:
    """Reads up to the head that the node had at the first question; a chain that grows meanwhile has an end."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._height: int | None = None

    def genesis(self) -> dict[str, Any]:
        """The genesis document that the node serves."""
        document = call_once(self.name, "praya_getGenesis", timeout_s=TIMEOUT_S)
        if not isinstance(document, dict):
            raise DataError(f"{self.name}: praya_getGenesis gave no object", field="genesis")
        return document

    def height(self) -> int:
        """The node's head, asked once."""
        if self._height is None:
            try:
                self._height = int(call_once(self.name, "eth_blockNumber", timeout_s=TIMEOUT_S), 16)
            except (TypeError, ValueError) as error:
                raise DataError(f"{self.name}: eth_blockNumber gave no quantity", field="height") from error
        return self._height

    def blocks(self) -> Iterator[SealedBlock]:
        """Blocks from height 1 to the head. DataError where an answer is not of the promised form."""
        following = 1
        while following <= self.height():
            count = min(RANGE_BLOCKS, self.height() - following + 1)
            rows = call_once(self.name, "pbft_getSealedBlocks", hex(following), hex(count), timeout_s=TIMEOUT_S)
            if not isinstance(rows, list) or not 0 < len(rows) <= count:
                raise DataError(f"{self.name}: no sealed blocks from height {following}", field="blocks")
            for row in rows:
                yield _sealed_block(row, following)
                following += 1


def _sealed_block(row: Any, height: int) -> SealedBlock:
    try:
        listed = row["validators"]
        return SealedBlock(
            block=bytes.fromhex(row["block"][2:]),
            certificate=bytes.fromhex(row["certificate"][2:]),
            validators=None if listed is None else tuple(Address(bytes.fromhex(a[2:])) for a in listed),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"block {height} was served in another form: {error}", field="blocks", height=height) from error
