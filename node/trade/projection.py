"""The read model: credits, invoices and anchors out of the logs of final blocks; rebuilt from the chain alone.

Stored are facts. What follows from time (preclusion, expiry) is derived at every read (design section 8).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from contracts import addresses, bindings
from contracts import invoice_financing as financing
from contracts import letter_of_credit as lc
from contracts.bindings import BindingError, Event
from node.chain.block import Block
from node.chain.receipt import Log, Receipt
from node.desk.canonical import canonical_json
from node.desk.chain_access import ChainAccess
from node.desk.database import Database
from node.log import get_logger
from node.trade.snapshots import credit_snapshot, invoice_snapshot

_log = get_logger("trade")
_CURSOR = "projection_block"
CHUNK_BLOCKS = 256
LISTED_MAX = 2_000
"""Newest credits or invoices in a list."""
_SOURCES = {
    addresses.LETTER_OF_CREDIT_FACTORY: lc.FACTORY,
    addresses.INVOICE_FINANCING_FACTORY: financing.FACTORY,
    addresses.DOCUMENT_REGISTRY: "DocumentRegistry",
    addresses.FINANCING_REGISTRY: "FinancingRegistry",
}


class Blocks(Protocol):
    """Final blocks and their receipts (node.chain's ChainStore)."""

    def block(self, number: int) -> Block | None: ...

    def receipts(self, number: int) -> tuple[Receipt, ...] | None: ...

    def first_block(self) -> int: ...


class Projection:
    """Follows the chain into the bank's database. Thread-safe; idempotent by block."""

    def __init__(self, database: Database, chain: ChainAccess, blocks: Blocks, sender: bytes) -> None:
        self._database = database
        self._chain = chain
        self._blocks = blocks
        self._sender = sender
        self._lock = threading.Lock()
        self._changes: set[tuple[str, bytes]] = set()

    @property
    def height(self) -> int:
        """Last block in the read model; 0 before any."""
        stored = self._database.setting(_CURSOR)
        return int.from_bytes(stored, "big") if stored else 0

    def catch_up(self) -> int:
        """Take in every final block that is not yet here; returns how many. Cheap where there is none."""
        with self._lock:
            start = self.height
            while self._take_some():
                pass
            return self.height - start

    def _take_some(self) -> bool:
        """The next blocks, at most CHUNK_BLOCKS: their logs, then what those changed, then the cursor. Taking a block
        twice (after a stop between the two transactions) gives the same rows."""
        start = max(self.height, self._blocks.first_block() - 1)  # a bank that joined by snapshot has no logs below
        if start > self.height:
            _log.warning("the read model leaves out what is not stored here", above=self.height, up_to=start)
        head = min(self._chain.head_number(), start + CHUNK_BLOCKS)
        if head <= start:
            return False
        dirty: dict[bytes, str] = {}
        last = start
        with self._database.transaction():
            for number in range(start + 1, head + 1):
                if not self._take(number, dirty):
                    break
                last = number
        facts = {address: self._facts(kind, address) for address, kind in dirty.items()}  # slow: nothing is locked
        with self._database.transaction():
            for address, kind in dirty.items():
                if facts[address] is None:
                    continue
                self._database.execute(
                    "UPDATE objects SET body = ?, updated_block = ? WHERE kind = ? AND id = ?",
                    (facts[address], last, kind, address),
                )
            self._database.put_setting(_CURSOR, last.to_bytes(8, "big"))
        self._changes.update((kind, address) for address, kind in dirty.items())
        return last > start

    def take_changes(self) -> list[tuple[str, bytes]]:
        """(kind, address) of credits and invoices that changed since the last call."""
        with self._lock:
            changed, self._changes = sorted(self._changes), set()
            return changed

    def rebuild(self) -> int:
        """Forget the read model and make it again from block 1."""
        with self._lock, self._database.transaction():
            self._database.execute("DELETE FROM objects")
            self._database.execute("DELETE FROM timeline")
            self._database.put_setting(_CURSOR, bytes(8))
        return self.catch_up()

    def objects(self, kind: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Address and facts of every credit or invoice, newest first."""
        rows = self._database.all(
            "SELECT id, body FROM objects WHERE kind = ? AND body <> '{}' ORDER BY created_block DESC, rowid DESC"
            " LIMIT ?",
            (kind, LISTED_MAX),
        )
        return ((bytes(row["id"]), json.loads(row["body"])) for row in rows)

    def object(self, kind: str, identity: bytes) -> dict[str, Any] | None:
        """The facts of one."""
        row = self._database.one(
            "SELECT body FROM objects WHERE kind = ? AND id = ? AND body <> '{}'", (kind, identity)
        )
        return None if row is None else json.loads(row["body"])

    def timeline(self, identity: bytes) -> list[dict[str, Any]]:
        """Everything that happened to one credit or invoice, in order."""
        rows = self._database.all("SELECT * FROM timeline WHERE id = ? ORDER BY block_number, log_index", (identity,))
        return [
            {
                "block_number": row["block_number"],
                "timestamp": row["timestamp"],
                "tx_hash": "0x" + bytes(row["tx_hash"]).hex(),
                "event": row["name"],
                "args": json.loads(row["args"]),
            }
            for row in rows
        ]

    def _take(self, number: int, dirty: dict[bytes, str]) -> bool:
        block, receipts = self._blocks.block(number), self._blocks.receipts(number)
        if block is None or receipts is None:
            return False
        index = 0
        for transaction, receipt in zip(block.transactions, receipts, strict=True):
            for log in receipt.logs:
                found = self._event(log)
                if found is not None:
                    kind, identity, event = found
                    self._keep(kind, identity, event, number)
                    if event.name == "CreditCreated":
                        self._origin(identity, transaction.to, transaction.data, number)
                    if kind in ("credit", "invoice"):
                        dirty[identity] = kind
                    self._database.execute(
                        "INSERT OR REPLACE INTO timeline (block_number, log_index, timestamp, tx_hash, kind, id, name,"
                        " args) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            number,
                            index,
                            block.header.timestamp,
                            transaction.hash,
                            kind,
                            identity,
                            event.name,
                            json.dumps(_shown(event.args), separators=(",", ":")),
                        ),
                    )
                index += 1
        return True

    def _event(self, log: Log) -> tuple[str, bytes, Event] | None:
        """(kind, object, event) of a log that belongs to trade; logs of other contracts are not ours."""
        address = bytes(log.address)
        try:
            if address in _SOURCES:
                event = bindings.decode_event(_SOURCES[address], log.topics, log.data)
                return None if event is None else _object_of(event)
            kind = self._kind(address)
            if kind is None:
                return None
            contract = lc.CONTRACT if kind == "credit" else financing.CONTRACT
            event = bindings.decode_event(contract, log.topics, log.data)
            return None if event is None else (kind, address, event)
        except BindingError:
            return None

    def _kind(self, address: bytes) -> str | None:
        row = self._database.one("SELECT kind FROM objects WHERE id = ? AND kind IN ('credit', 'invoice')", (address,))
        return None if row is None else str(row["kind"])

    def _keep(self, kind: str, identity: bytes, event: Event, number: int) -> None:
        body = _shown(event.args) if kind == "anchor" else {}
        self._database.execute(
            "INSERT INTO objects (kind, id, created_block, updated_block, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET updated_block = excluded.updated_block",
            (kind, identity, number, number, json.dumps(body)),
        )

    def _origin(self, credit: bytes, to: bytes | None, data: bytes, number: int) -> None:
        """The commitment to the terms at issue, from the call: later amendments are chained onto it."""
        if to is None or bytes(to) != addresses.LETTER_OF_CREDIT_FACTORY:
            return
        name, args = bindings.decode_call(lc.FACTORY, data)
        if name == "issue":
            self._database.execute(
                "INSERT OR REPLACE INTO objects (kind, id, created_block, updated_block, body)"
                " VALUES ('credit-origin', ?, ?, ?, ?)",
                (credit, number, number, json.dumps({"terms_hash": args["terms"]["termsHash"].hex()})),
            )

    def _facts(self, kind: str, address: bytes) -> str | None:
        """The facts as JSON; None, with an alarm, where they cannot be read: one deal, whatever a member has written
        into it, must not stop the others'."""
        reader = credit_snapshot if kind == "credit" else invoice_snapshot
        try:
            return canonical_json(reader(lambda data: self._chain.call(address, data, self._sender))).decode()
        except (ValueError, OverflowError) as error:
            _log.error("a deal cannot be read", kind=kind, address="0x" + address.hex(), reason=str(error))
            return None


def _object_of(event: Event) -> tuple[str, bytes, Event] | None:
    args = event.args
    if event.name == "CreditCreated":
        return "credit", args["credit"], event
    if event.name == "FinancingCreated":
        return "invoice", args["financing"], event
    if event.name == "DocumentAnchored":
        return "anchor", args["anchorId"], event
    if "financing" in args:
        return "invoice", args["financing"], event
    return None


def _shown(value: Any) -> Any:
    """JSON-able: bytes as hex, integers beyond 2^53 as text."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shown(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value
