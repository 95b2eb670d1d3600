"""JSON-RPC of the banks for clients and the watcher: short timeouts, and the life of the process that answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.chaos.banks import Banks
from tests.chaos.history import ChainBlock, Life, Place

TIMEOUT_S = 3.0
BATCH = 50
"""Requests in one batch."""


class NoAnswer(Exception):
    """The bank is down, stopped, or slower than the timeout; whatever was asked may have happened or not."""


class Doors:
    """The JSON-RPC doors of all banks, by number. One for all users of one event loop."""

    def __init__(self, banks: Banks) -> None:
        self.banks = banks
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        await self._session.close()

    async def batch(
        self, bank: int, method: str, parameters: Sequence[Sequence[Any]], timeout_s: float = TIMEOUT_S
    ) -> list[dict[str, Any]]:
        """Answers in the order of the requests, each with "result" or "error". Raises NoAnswer."""
        if not parameters:
            return []
        rows = [{"jsonrpc": "2.0", "id": i, "method": method, "params": list(p)} for i, p in enumerate(parameters)]
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.post(self.banks.folder(bank).rpc_url, json=rows, timeout=timeout) as response:
                answers = await response.json()
            return sorted(answers, key=lambda row: row["id"])
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError, TypeError, KeyError) as error:
            raise NoAnswer(f"{self.banks.name(bank)}: {error or type(error).__name__}") from error

    async def call(self, bank: int, method: str, *parameters: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """The result of one call. NoAnswer also where the bank answers an error."""
        (answer,) = await self.batch(bank, method, [parameters], timeout_s)
        if "error" in answer:
            raise NoAnswer(f"{self.banks.name(bank)}: {answer['error']}")
        return answer["result"]

    async def steady(
        self, bank: int, method: str, parameters: Sequence[Sequence[Any]]
    ) -> tuple[Life, list[dict[str, Any]]]:
        """A batch with the life of the one process that answered it. NoAnswer where the bank was started meanwhile."""
        life = self.banks.life(bank)
        answers = await self.batch(bank, method, parameters)
        if self.banks.life(bank) != life:
            raise NoAnswer(f"{self.banks.name(bank)} was started while it was asked")
        return life, answers

    # --- what is asked at the end: patiently -------------------------------------------------------------

    async def chain(self, bank: int, height: int) -> tuple[ChainBlock, ...]:
        """Blocks 0 to ``height``."""
        blocks: list[ChainBlock] = []
        for start in range(0, height + 1, BATCH):
            wanted = [(hex(h), False) for h in range(start, min(start + BATCH, height + 1))]
            for answer in await self.batch(bank, "eth_getBlockByNumber", wanted, timeout_s=60.0):
                block = answer["result"]
                blocks.append(
                    ChainBlock(
                        int(block["number"], 16),
                        block["hash"],
                        block["parentHash"],
                        int(block["timestamp"], 16),
                        tuple(block["transactions"]),
                    )
                )
        return tuple(blocks)

    async def places(self, bank: int, height: int) -> dict[str, Place]:
        """Receipts of all transactions in blocks 0 to ``height``."""
        found: dict[str, Place] = {}
        for start in range(0, height + 1, BATCH):
            wanted = [(hex(h),) for h in range(start, min(start + BATCH, height + 1))]
            for answer in await self.batch(bank, "eth_getBlockReceipts", wanted, timeout_s=60.0):
                found |= {receipt["transactionHash"]: place_of(receipt) for receipt in answer["result"]}
        return found


def place_of(receipt: dict[str, Any]) -> Place:
    """The part of a receipt that must never change."""
    return Place(int(receipt["blockNumber"], 16), receipt["blockHash"], int(receipt["status"], 16))
