"""A real chain with one process: a consortium's genesis on LevelDB, the pool, and a sealer that turns each waiting
transaction into a block with a certificate of a quorum of four validator keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consensus.certificates import make_commit_certificate
from consensus.domain import domain, seal_digest
from consensus.validators import quorum_size, validator_set_hash
from contracts.consortium import Member, Role
from node import permissioning
from node.chain import Genesis
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.execution.ledger import Ledger
from node.keys import PrivateKey, keccak256
from node.rpc import RpcContext, RpcServer, SyncProgress
from node.txpool import TransactionPool
from node.types import Address, Hash32

CHAIN_ID = 20_247
START = 1_760_000_000
DEVELOPERS = tuple(PrivateKey.from_bytes(bytes([0x51 + i]) * 32) for i in range(3))
STRANGER = PrivateKey.from_bytes(b"\x7e" * 32)
VALIDATOR_KEYS = sorted((PrivateKey.from_bytes(bytes([0x41 + i]) * 32) for i in range(4)), key=lambda key: key.address)
HOSTS = ("localhost", "127.0.0.1")
COUNTER = json.loads(Path(__file__).with_name("counter.json").read_text())


def dev_genesis() -> Genesis:
    """Four fictitious banks and three developers who may send and deploy."""
    members = tuple(
        Member(
            id=keccak256(b"bank %d" % i),
            name=f"Bank {i} (fictitious)",
            bic=f"BNK{'ABCD'[i]}HK0X"[:8],
            lei="",
            role=Role.BANK,
            place="HKHKG",
            business_address=keccak256(b"business %d" % i)[12:],
            validator_address=key.address,
            encryption_key=keccak256(b"encryption %d" % i),
        )
        for i, key in enumerate(VALIDATOR_KEYS)
    )
    return make_genesis(
        ConsortiumSpec(
            chain_id=CHAIN_ID,
            timestamp=START,
            members=members,
            developers=tuple(key.address for key in DEVELOPERS),
            strict_timestamps=True,
        )
    )


@dataclass
class DevStatus:
    """What the node says of itself; the test sets it."""

    progress: SyncProgress | None = None

    def client_version(self) -> str:
        return "Praya/test/linux"

    def peer_count(self) -> int:
        return 3

    def syncing(self) -> SyncProgress | None:
        return self.progress

    def pbft_status(self) -> Mapping[str, Any]:
        return {"epoch": "0x0", "view": "0x0"}


class DevChain:
    """Ledger, pool, sealer and door."""

    def __init__(self, path: Path, genesis: Genesis) -> None:
        self.genesis = genesis
        self.ledger = Ledger.open(path, genesis)
        self.now_us = 0
        self.pool = TransactionPool(genesis, self.ledger.state.head, permissioning, lambda: self.now_us)
        self.status = DevStatus()
        self.context = RpcContext(self.ledger, self.pool, self.status)
        self.server = RpcServer(self.context, host="127.0.0.1", port=0, allowed_hosts=HOSTS)
        self.sealing = True
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the door and seal whatever waits."""
        await self.server.start()
        self.pool.changed_listeners.append(self._wake.set)
        self._task = asyncio.create_task(self._seal_forever())

    async def stop(self) -> None:
        """Close door and database."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.server.stop()
        self.ledger.close()

    async def _seal_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.sealing and self.pool.pending():
                await self.seal()

    async def seal(self) -> None:
        """Build, certify and commit one block of what waits, off the event loop."""
        candidates = self.pool.candidates()
        built = await asyncio.to_thread(self._seal, candidates)
        for tx_hash, reason in built.evicted:
            self.pool.evict(tx_hash, reason)
        self.pool.on_block(built.executed)

    def _seal(self, candidates: Any) -> Any:
        ledger = self.ledger
        carried = ledger.chain.certificate(ledger.head.number) or b""
        built = ledger.build(
            timestamp=ledger.head.timestamp + 1,
            coinbase=VALIDATOR_KEYS[0].address,
            certificate_hash=Hash32(_sha256(carried) if carried else bytes(32)),
            candidates=candidates,
            cpu_budget_s=5.0,
        )
        header = built.executed.block.header
        certificate = self.certify(header.number, header.hash)
        ledger.commit(built.executed, certificate=certificate, carried_certificate=carried, wal_lsn=header.number)
        return built

    def certify(self, number: int, block_hash: Hash32) -> bytes:
        """A commit certificate with the seals of a quorum."""
        epoch = number // self.genesis.parameters.epoch_length
        validators = self.ledger.next_validators
        set_hash = validator_set_hash(epoch, validators)
        digest = seal_digest(domain(CHAIN_ID, self.ledger.genesis_hash, epoch, set_hash), 0, number, block_hash)
        quorum = VALIDATOR_KEYS[: quorum_size(len(validators))]
        seals = {validators.index(key.address): key.sign(digest) for key in quorum}
        return make_commit_certificate(epoch, 0, number, block_hash, seals).encode()


def _sha256(content: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(content).digest()


def shifted(genesis: Genesis, **changes: Any) -> Genesis:
    """The same genesis with other fields."""
    return replace(genesis, **changes)


def account_address(key: PrivateKey) -> Address:
    """Address of a key."""
    return key.address
