"""Signs an approved draft with the bank's business key, submits it, and follows it to final. Resumable after a crash:
a signed transaction is stored before it leaves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from contracts import bindings
from node.desk.approvals import Approvals
from node.desk.chain_access import ChainAccess, FinalTransaction
from node.desk.database import Database
from node.desk.drafts import APPROVED, FAILED, FINAL, Draft, Drafts
from node.errors import InvalidTransaction, PrayaError, UnavailableError
from node.keys import keccak256
from node.keys.secp256k1 import PrivateKey
from node.types import Hash32

GAS_MARGIN_PARTS = 4
"""The limit is the estimate and a quarter more: another act may come before this one."""
GAS_MAX = 8_000_000
"""maxTxGas of a default genesis (P-6); admission has the last word."""


@dataclass(frozen=True, slots=True)
class SentCall:
    """One call of a draft, final: where, with what gas, and which contract it created (the clone), if any."""

    call_index: int
    function: str
    tx_hash: Hash32
    block_number: int
    gas_used: int
    succeeded: bool
    created: bytes | None

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "function": self.function,
            "tx_hash": "0x" + self.tx_hash.hex(),
            "block_number": self.block_number,
            "gas_used": self.gas_used,
            "succeeded": self.succeeded,
            "created": None if self.created is None else "0x" + self.created.hex(),
        }


class ActSender:
    """One bank's sender. Calls of one draft go one by one, each estimated on the state that the last one left."""

    def __init__(
        self, database: Database, drafts: Drafts, approvals: Approvals, chain: ChainAccess, key: PrivateKey
    ) -> None:
        self._database = database
        self._drafts = drafts
        self._approvals = approvals
        self._chain = chain
        self._key = key
        self._nonce_lock = asyncio.Lock()
        self._acting: set[str] = set()

    async def send(self, draft: Draft) -> list[SentCall]:
        """Carry out an approved draft; returns its calls, all final.

        Errors: PrayaError (the draft is then FAILED with the reason), except where a transaction is only late
        (UnavailableError): then the draft stays APPROVED and ``resume`` goes on.
        """
        approvals_hash = self._approvals.hash_of(draft)
        self._acting.add(draft.id)
        try:
            done: list[SentCall] = []
            for index, call in enumerate(draft.calls):
                final = await self._final_of(draft, index, call.to, call.with_approvals(approvals_hash))
                sent = self._record(draft, index, call.function, final)
                done.append(sent)
                if not sent.succeeded:
                    self._drafts.set_state(
                        draft.id,
                        FAILED,
                        expected=APPROVED,
                        reason=f"{call.function} was reverted in block {final.block_number}",
                    )
                    return done
            self._drafts.set_state(draft.id, FINAL, expected=APPROVED)
            return done
        except PrayaError as error:
            if error.exit_code != 69:  # not merely late or out of reach
                self._drafts.set_state(draft.id, FAILED, expected=APPROVED, reason=error.message[:500])
            raise
        finally:
            self._acting.discard(draft.id)

    async def resume(self) -> list[str]:
        """Go on with every approved draft that no one is sending (after a start); ids of those that became final."""
        finished: list[str] = []
        for draft in self._drafts.list(state=APPROVED, limit=1_000):
            if draft.id in self._acting:
                continue
            try:
                calls = await self.send(draft)
            except PrayaError:
                continue  # its reason stands in the draft, or it is late still
            if all(call.succeeded for call in calls):
                finished.append(draft.id)
        return finished

    def calls_of(self, draft: Draft) -> list[SentCall]:
        """What is final of a draft so far."""
        rows = self._database.all(
            "SELECT * FROM sendings WHERE draft_id = ? AND block_number IS NOT NULL ORDER BY call_index", (draft.id,)
        )
        return [
            SentCall(
                row["call_index"],
                draft.calls[row["call_index"]].function,
                Hash32(bytes(row["tx_hash"])),
                row["block_number"],
                row["gas_used"],
                bool(row["status"]),
                None if row["created"] is None else bytes(row["created"]),
            )
            for row in rows
        ]

    async def _final_of(self, draft: Draft, index: int, to: bytes, data: bytes) -> FinalTransaction:
        row = self._database.one(
            "SELECT raw, tx_hash FROM sendings WHERE draft_id = ? AND call_index = ?"
            " ORDER BY sent_at DESC, rowid DESC LIMIT 1",
            (draft.id, index),
        )
        if row is not None:  # signed before a stop: the same bytes again, never a second transaction
            tx_hash = Hash32(bytes(row["tx_hash"]))
            if await self._resubmitted(bytes(row["raw"]), tx_hash):
                return await self._chain.wait_final(tx_hash)
            self._forget(draft, index, tx_hash)
        gas = await asyncio.to_thread(self._chain.estimate_gas, to, data, self._key.address)
        async with self._nonce_lock:
            raw = sign_transaction(
                self._key,
                chain_id=self._chain.chain_id,
                nonce=self._chain.next_nonce(self._key.address),
                gas=min(GAS_MAX, gas + gas // GAS_MARGIN_PARTS),
                to=to,
                data=data,
            )
            self._database.execute(
                "INSERT INTO sendings (draft_id, call_index, raw, tx_hash, sent_at) VALUES (?, ?, ?, ?, ?)",
                (draft.id, index, raw, keccak256(raw), self._chain.block_time()),
            )
            try:
                tx_hash = await self._chain.submit(raw)
            except InvalidTransaction:
                self._forget(draft, index, keccak256(raw))  # admission refused it: nobody has it
                raise
        return await self._chain.wait_final(tx_hash)

    async def _resubmitted(self, raw: bytes, tx_hash: Hash32) -> bool:
        """Whether the stored transaction can still become final. It cannot where another one took its nonce."""
        if self._chain.find(tx_hash) is not None:
            return True
        try:
            await self._chain.submit(raw)
        except InvalidTransaction as error:
            if error.reason == "nonce_too_low":
                return self._chain.find(tx_hash) is not None
            if error.reason != "already_known":
                raise UnavailableError(f"the act waits: {error.message}", field="transaction") from None
        return True

    def _forget(self, draft: Draft, index: int, tx_hash: bytes) -> None:
        self._database.execute(
            "DELETE FROM sendings WHERE draft_id = ? AND call_index = ? AND tx_hash = ?", (draft.id, index, tx_hash)
        )

    def _record(self, draft: Draft, index: int, function: str, final: FinalTransaction) -> SentCall:
        created = created_contract(final)
        self._database.execute(
            "UPDATE sendings SET block_number = ?, status = ?, gas_used = ?, created = ?"
            " WHERE draft_id = ? AND call_index = ? AND tx_hash = ?",
            (final.block_number, int(final.succeeded), final.gas_used, created, draft.id, index, final.tx_hash),
        )
        return SentCall(index, function, final.tx_hash, final.block_number, final.gas_used, final.succeeded, created)


def sign_transaction(key: PrivateKey, *, chain_id: int, nonce: int, gas: int, to: bytes, data: bytes) -> bytes:
    """A signed EIP-1559 transaction at price 0 (P-2: the base fee is always 0)."""
    from eth_account import Account  # heavy: not before the first act

    signed = Account.sign_transaction(
        {
            "type": 2,
            "chainId": chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            "to": to,
            "value": 0,
            "data": data,
        },
        key.secret_bytes(),
    )
    return bytes(signed.raw_transaction)


def created_contract(final: FinalTransaction) -> bytes | None:
    """The clone that a factory made in this transaction."""
    for log in final.logs:
        for factory, name, argument in (
            ("LetterOfCreditFactory", "CreditCreated", "credit"),
            ("InvoiceFinancingFactory", "FinancingCreated", "financing"),
        ):
            event = bindings.decode_event(factory, log.topics, log.data)
            if event is not None and event.name == name:
                address: bytes = event.args[argument]
                return address
    return None
