"""Four banks' trade desks over one real ledger: LevelDB, the contracts, the pool; a block for each transaction.

Consensus and the network are left out here (they have their own tests): requests reach the other bank's handlers.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from contracts.consortium import Member, Role
from node import permissioning
from node.desk.database import Database
from node.desk.ledger_chain import LedgerChain
from node.desk.users import User, Users
from node.errors import UnavailableError
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.execution.ledger import Ledger
from node.keys.secp256k1 import PrivateKey
from node.privacy.encryption_key import EncryptionKey
from node.privacy.exchange import DocumentExchange
from node.privacy.store import CiphertextStore
from node.trade.calendar import compute_years
from node.trade.service import TradeService
from node.trade.ubl import KeyedTagFunction
from node.txpool.pool import TransactionPool
from node.types import Address, Hash32

CHAIN_ID = 4242
NAMES = (
    ("Lotus Bank", "LOTUHKH0", "HKHKG"),
    ("Nanshan Bank", "NANSCNS0", "CNSHA"),
    ("Harbour Bank", "HARBSGS0", "SGSIN"),
    ("Thames Bank", "THAMGBL0", "GBLON"),
)
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"


class Desk:
    """One bank: its service and its two officers."""

    def __init__(self, service: TradeService, store: CiphertextStore, member: Member) -> None:
        self.service = service
        self.store = store
        self.database = service.office.database
        self.member = member
        self.maker: User = service.users.get("may") or service.users.add("may", PASSWORD, ["maker", "checker"])
        self.checker: User = service.users.get("chi") or service.users.add("chi", PASSWORD, ["maker", "checker"])

    async def do(self, act: str, **params: Any) -> dict[str, Any]:
        """Draft by one officer, approval by the other; the status of the final act."""
        draft = await self.service.draft(act, params, self.maker)
        done = await self.service.approve(draft["id"], draft["hash"], self.checker)
        assert done["state"] == "final", done
        return done


class Town:
    """The banks, their chain, and a clock that the test moves."""

    def __init__(self, root: Path, start: datetime, years: Sequence[int]) -> None:
        self.root = root
        self.now = int(start.timestamp())
        self.keys = [PrivateKey.from_bytes(bytes([0x10 + n]) * 32) for n in range(len(NAMES))]
        self.encryption = [EncryptionKey.generate() for _ in NAMES]
        self.members = [
            Member(
                id=hashlib.sha256(name.encode()).digest(),
                name=name,
                bic=bic,
                lei="",
                role=Role.BANK,
                place=place,
                business_address=self.keys[n].address,
                validator_address=bytes([0xA0 + n]) * 20,
                encryption_key=self.encryption[n].public,
            )
            for n, (name, bic, place) in enumerate(NAMES)
        ]
        spec = ConsortiumSpec(
            chain_id=CHAIN_ID,
            timestamp=self.now - 10,
            members=tuple(self.members),
            calendars=tuple(compute_years([place for _, _, place in NAMES], years)),
        )
        genesis = make_genesis(spec)
        self.ledger = Ledger.open(root / "chain", genesis)
        self.pool = TransactionPool(genesis, self.ledger.state.head, permissioning, lambda: 0)
        self.down: set[int] = set()
        self.sealing = True
        self._sealing = asyncio.Lock()
        self.desks = [self.open_desk(n) for n in range(len(NAMES))]

    def open_desk(self, n: int) -> Desk:
        """A bank's services over its own files (also again, as after a restart)."""
        chain = LedgerChain(
            self.ledger,
            submit=self._submit,
            next_nonce=self.pool.next_nonce,
            now_s=lambda: self.now,
            why_dropped=self.pool.why_dropped,
        )
        database = Database.open(self.root / f"bank{n}" / "praya.sqlite")
        store = CiphertextStore(self.root / f"bank{n}" / "documents")
        exchange = DocumentExchange(
            store=store,
            key=self.keys[n],
            chain_id=CHAIN_ID,
            me=self.members[n].id,
            banks=lambda: self.members,
            request=self._request_of(n),
            now_s=lambda: self.now,
        )
        service = TradeService(
            database=database,
            chain=chain,
            blocks=self.ledger.chain,
            key=self.keys[n],
            encryption_key=self.encryption[n],
            exchange=exchange,
            tags=KeyedTagFunction(b"t" * 32),
            users=Users(database, hasher=QUICK_HASHER),
        )
        return Desk(service, store, self.members[n])

    def stand_at(self, year: int, month: int, day: int, hour: int = 3) -> None:
        """Move the clock forward to a UTC time."""
        self.now = max(self.now, int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()))

    def close(self) -> None:
        """Release the files."""
        self.ledger.close()
        for desk in self.desks:
            desk.database.close()

    def _request_of(self, sender: int) -> Callable[[Address, str, bytes, float], Awaitable[bytes]]:
        async def request(to: Address, kind: str, body: bytes, _timeout_s: float) -> bytes:
            n = next(i for i, member in enumerate(self.members) if member.validator_address == to)
            if n in self.down or sender in self.down:
                raise UnavailableError(f"{self.members[n].name} is not connected", field=kind)
            exchange = self.desks[n].service.exchange
            handler = exchange.on_custody if kind == "custody" else exchange.on_document
            return await handler(Address(self.members[sender].validator_address or b""), body)

        return request

    async def _submit(self, raw: bytes) -> Hash32:
        tx_hash = self.pool.add(raw)
        async with self._sealing:
            if self.sealing:
                await asyncio.to_thread(self.seal)
        return tx_hash

    def seal(self) -> None:
        """One block of what waits."""
        head = self.ledger.head
        carried = f"certificate of {head.number}".encode() if head.number else b""
        self.now = max(self.now, head.timestamp)
        built = self.ledger.build(
            timestamp=self.now,
            coinbase=self.ledger.next_validators[0],
            certificate_hash=Hash32(hashlib.sha256(carried).digest() if carried else bytes(32)),
            candidates=self.pool.candidates(),
            cpu_budget_s=5.0,
        )
        for tx_hash, reason in built.evicted:
            self.pool.evict(tx_hash, reason)
        certificate = f"certificate of {head.number + 1}".encode()
        self.ledger.commit(built.executed, certificate=certificate, carried_certificate=carried, wal_lsn=0)
        self.pool.on_block(built.executed)
