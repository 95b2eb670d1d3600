"""Clients: each signs for one account, sends to random banks, asks random banks for receipts, and notes every answer.

A client behaves as one of a bank would: nonces without gaps, a few transactions under way at a time, and what has no
receipt after a while is sent again, the same bytes, to another bank. What only a killed process knew is so not lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_utils import to_checksum_address

from tests.chaos.history import (
    COUNT,
    DEPLOY,
    TRANSFER,
    Accepted,
    Dropped,
    History,
    Life,
    Receipt,
    Refused,
    Transaction,
    Unknown,
)
from tests.chaos.plan import BANKS
from tests.chaos.rpc import Doors, NoAnswer, place_of

UNDER_WAY_MAX = 8
"""Transactions of one client without a receipt."""
BURST_MAX = 3
PAUSE_S = (0.05, 0.45)
RESEND_S = 3.0
"""After so long without a receipt a client asks how its transaction stands, and sends it again."""
OLD_ASKED = 5
"""Receipts seen before that are asked for again in each round, at whichever bank."""
COUNT_SHARE = 0.3
"""Share of calls of the counter contract; the others are transfers."""
ASK_AGAIN_S = 0.3
RECIPIENT = "0x" + "11" * 20
COUNTER_RUNTIME = bytes.fromhex("5f546001015f5500")
"""storage[0] = storage[0] + 1: SLOAD(0), PUSH1 1, ADD, SSTORE(0), STOP."""
COUNTER_INITCODE = bytes([0x67]) + COUNTER_RUNTIME + bytes.fromhex("5f5260086018f3")
GAS = {TRANSFER: 21_000, COUNT: 60_000, DEPLOY: 120_000}


@dataclass
class _UnderWay:
    transaction: Transaction
    raw: str
    sent_at: float = float("-inf")
    holders: set[Life] = field(default_factory=set)


class Client:
    """One account. ``clock`` gives seconds since the run began."""

    def __init__(
        self,
        doors: Doors,
        history: History,
        key: str,
        chain_id: int,
        source: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self._doors = doors
        self._history = history
        self._account = Account.from_key(key)
        self._chain_id = chain_id
        self._source = source
        self._clock = clock
        self._next_nonce = 0
        self._under_way: dict[str, _UnderWay] = {}
        self._settled: list[str] = []
        self.counter: str | None = None
        """Address of the counter contract, once there is one."""
        self.draining = False
        """True: nothing new is signed; what is under way is still brought to its end."""

    @property
    def address(self) -> str:
        return str(self._account.address).lower()

    @property
    def under_way(self) -> int:
        """Transactions without a receipt."""
        return len(self._under_way)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(self._source.uniform(*PAUSE_S))

    async def turn(self) -> None:
        """Sign, send, ask: each at a bank chosen by chance."""
        if not self.draining:
            for _ in range(self._source.randint(0, min(BURST_MAX, UNDER_WAY_MAX - len(self._under_way)))):
                self._sign(COUNT if self.counter and self._source.random() < COUNT_SHARE else TRANSFER)
        for act in (self._send, self._ask_receipts, self._ask_how_it_stands):
            with contextlib.suppress(NoAnswer):  # another bank is asked next time
                await act()

    async def deploy_counter(self) -> str:
        """Deploy the counter contract and return its address. NoAnswer where it does not come about."""
        hash_ = self._sign(DEPLOY)
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            await self.turn_without_new()
            if hash_ not in self._under_way:
                receipt = await self._doors.call(0, "eth_getTransactionReceipt", hash_)
                if receipt is not None:
                    return str(to_checksum_address(receipt["contractAddress"]))
            await asyncio.sleep(0.05)
        raise NoAnswer("the counter contract was not deployed")

    async def turn_without_new(self) -> None:
        """A turn in which nothing new is signed."""
        self.draining, before = True, self.draining
        await self.turn()
        self.draining = before

    # --- parts of a turn --------------------------------------------------------------------------------

    def _sign(self, kind: str) -> str:
        fields: dict[str, Any] = {"chainId": self._chain_id, "gasPrice": 0, "nonce": self._next_nonce, "gas": GAS[kind]}
        if kind == TRANSFER:
            fields |= {"to": RECIPIENT, "value": 1}
        elif kind == COUNT:
            fields |= {"to": self.counter, "value": 0}
        else:
            fields |= {"value": 0, "data": "0x" + COUNTER_INITCODE.hex()}
        signed = self._account.sign_transaction(fields)
        transaction = Transaction(signed.hash.to_0x_hex(), self.address, self._next_nonce, kind)
        self._next_nonce += 1
        self._history.transactions[transaction.hash] = transaction
        self._under_way[transaction.hash] = _UnderWay(transaction, signed.raw_transaction.to_0x_hex())
        return transaction.hash

    async def _send(self) -> None:
        """What has not been sent, or not for a while, in the order of nonces, to one bank."""
        now = time.monotonic()
        due = [one for one in self._under_way.values() if one.sent_at + RESEND_S < now]
        if not due:
            return
        bank = self._source.randrange(BANKS)
        # The life before the question: where a restart falls between, the answer is laid at the door of a dead process.
        life = self._doors.banks.life(bank)
        for one in due:
            one.sent_at = now
        answers = await self._doors.batch(bank, "eth_sendRawTransaction", [(one.raw,) for one in due])
        for one, answer in zip(due, answers, strict=True):
            reason = _reason(answer)
            if reason is None or reason == "already_known":
                one.holders.add(life)
                self._note(Accepted, one.transaction.hash, life)
            else:
                self._note(Refused, one.transaction.hash, life, reason)

    async def _ask_receipts(self) -> None:
        old = self._source.sample(self._settled, min(OLD_ASKED, len(self._settled)))
        asked = [*self._under_way, *old]
        life, answers = await self._doors.steady(
            self._source.randrange(BANKS), "eth_getTransactionReceipt", [(one,) for one in asked]
        )
        for hash_, answer in zip(asked, answers, strict=True):
            if answer.get("result") is None:
                continue
            self._note(Receipt, hash_, life, place_of(answer["result"]))
            if self._under_way.pop(hash_, None) is not None:
                self._settled.append(hash_)

    async def _ask_how_it_stands(self) -> None:
        """Ask a bank that took a transaction a while ago, and whose process lives on, what became of it."""
        now = time.monotonic()
        for one in list(self._under_way.values()):
            living = [life for life in one.holders if life == self._doors.banks.life(life.bank)]
            if one.sent_at + RESEND_S > now or not living:
                continue
            life = self._source.choice(sorted(living, key=lambda life: life.bank))
            status = await self._standing(life, one.transaction.hash)
            if status["status"] == "unknown":  # it may have gone from pool to chain between two looks: look again
                await asyncio.sleep(ASK_AGAIN_S)
                status = await self._standing(life, one.transaction.hash)
            if status["status"] == "unknown":
                self._note(Unknown, one.transaction.hash, life)
            elif status["status"] == "dropped" and status["reason"] != "included":
                one.holders.discard(life)
                self._note(Dropped, one.transaction.hash, life, status["reason"])

    async def _standing(self, life: Life, hash_: str) -> dict[str, Any]:
        answered, (answer,) = await self._doors.steady(life.bank, "praya_getTransactionStatus", [(hash_,)])
        if answered != life or "result" not in answer:
            raise NoAnswer("another process, or an error")
        return dict(answer["result"])

    def _note(self, kind: Callable[..., Any], *values: Any) -> None:
        self._history.answers.append(kind(self._clock(), *values))


def _reason(answer: dict[str, Any]) -> str | None:
    """The stable word of a refusal; None where the transaction was accepted."""
    if "error" not in answer:
        return None
    data = answer["error"].get("data")
    return str(data["reason"]) if isinstance(data, dict) and "reason" in data else str(answer["error"]["message"])
