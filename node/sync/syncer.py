"""Catches up: fetches final blocks from peers, proves each before it is executed, and asks another peer where one
fails. No peer's claim stands by itself, its height included."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from consensus.types import Config, Proposal, Verifier
from node.chain.store import ChainStore
from node.clock import Clock
from node.errors import DataError, ImpossibleState, InvalidBlock, PrayaError
from node.log import get_logger
from node.sync.messages import (
    BLOCKS,
    PROPOSAL,
    BlockRecord,
    BlocksAnswer,
    BlocksRequest,
    ProposalAnswer,
    ProposalRequest,
    decode_body,
    encode_body,
)
from node.sync.network import SyncNetwork
from node.sync.server import BlockServer, FindProposal
from node.sync.verify import RecordVerifier, decode_fetched
from node.types import Address, Hash32

RANGE_COUNT = 64
"""Blocks asked for at once; the next range is fetched while this one is executed."""
RANGE_TIMEOUT_S = 15.0
SLOW_S = 2.0
"""A peer that takes longer for a range has its turn ended when that range is imported: nobody's slowness, meant or
not, keeps this node from asking the others."""
PROPOSAL_TIMEOUT_S = 5.0
HEDGE_S = 0.3
"""A proposal is asked of the next peer too when the last one has not answered for so long."""
RETRY_S = 1.0
"""Rest after every peer failed, before all but the convicted are asked again."""
ROUNDS_MAX = 5
"""Rounds without one block after which a target counts as nobody's; whoever wants it says so again."""
CONVICTED_US = 60_000_000
"""How long a peer that served a false block is not asked."""
POLL_S = 2.0
"""A follower looks for later heads at least so often, whatever was announced."""

ImportBlock: TypeAlias = Callable[[Proposal, bytes], Awaitable[None]]
"""(block with the certificate that it carries, its own certificate): execute and commit the child of the head, or
return where the chain has it already; InvalidBlock where it breaks a rule."""

_log = get_logger("sync")


@dataclass(frozen=True, slots=True)
class Conviction:
    """A peer that served a false block, the rule that the block breaks, and until when it is not asked."""

    peer: Address
    rule: str
    message: str
    until_us: int


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """Where catching up stands; for doors and operators."""

    syncing: bool
    height: int
    target: int
    imported: int
    """Blocks imported by this process."""
    convicted: tuple[Conviction, ...]
    """Peers that served a false block lately, by address."""


class Syncer:
    """One task imports; ``start_sync`` and, for a follower, heads of peers say that there is something to import.

    ``follow``: whether this node, at this moment, learns of new blocks only here (it is no validator; None: never).
    ``find_proposal`` finds blocks that the replica holds and that are not final. ``on_failure`` is told of a fault of
    this node's own.
    """

    def __init__(
        self,
        *,
        network: SyncNetwork,
        chain: ChainStore,
        config: Config,
        verifier: Verifier,
        import_block: ImportBlock,
        clock: Clock,
        block_bytes_max: int,
        find_proposal: FindProposal | None = None,
        follow: Callable[[], bool] | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._network = network
        self._chain = chain
        self._config = config
        self._import_block = import_block
        self._clock = clock
        self._follow = follow
        self._on_failure = on_failure or _log_failure
        self._verifier = RecordVerifier(config, chain, verifier, block_bytes_max)
        self._server = BlockServer(chain, config.window, find_proposal)
        self._wanted = asyncio.Event()
        self._target = 0
        self._hints: tuple[Address, ...] = ()
        self._convicted: dict[Address, Conviction] = {}
        self._imported = 0
        self._syncing = False
        self._tasks: list[asyncio.Task[None]] = []
        network.on_request(BLOCKS, self._server.blocks)
        network.on_request(PROPOSAL, self._server.proposal)
        network.on_head(self._head_announced)

    # --- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work on what is wanted; serving begins with the network."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._run(), name="sync"))
        if self._follow is not None:
            self._tasks.append(loop.create_task(self._poll(), name="sync-poll"))

    async def stop(self) -> None:
        """Stop; an import under way is left to its owner."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def status(self) -> SyncStatus:
        """A snapshot."""
        convicted = tuple(found for _, found in sorted(self._still_convicted().items()))
        return SyncStatus(self._syncing, self._chain.head_number(), self._target, self._imported, convicted)

    # --- what is wanted ---------------------------------------------------------------------------

    def start_sync(self, target_height: int, peers: Sequence[bytes] = ()) -> None:
        """Peers prove or claim this height: fetch from the head's child upwards. ``peers`` are asked first."""
        if target_height <= self._chain.head_number():
            return
        self._target = max(self._target, target_height)
        self._hints = tuple(Address(bytes(peer)) for peer in peers)
        self._wanted.set()

    def block_committed(self, number: int, block_hash: Hash32) -> None:
        """This node has a new final block: tell the peers, of whom some only follow."""
        self._network.announce_head(number, block_hash)

    def _head_announced(self, peer: Address, number: int, _block_hash: Hash32) -> None:
        if self._follows():
            self.start_sync(number, (peer,))

    def _follows(self) -> bool:
        return self._follow is not None and self._follow()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            if not self._follows():
                continue
            heads = [(info.head_number, address) for address, info in self._network.connected().items()]
            if heads:
                # Further than anyone says: announcements may have been dropped.
                highest, peer = max(heads)
                self.start_sync(max(highest, self._chain.head_number() + RANGE_COUNT), (peer,))

    # --- catching up ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._syncing = True
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 - a fault of this node; the composition root decides
                self._on_failure(error)
                await asyncio.sleep(RETRY_S)
            finally:
                self._syncing = False

    async def _catch_up(self) -> None:
        rounds = 0
        while self._chain.head_number() < self._target and rounds < ROUNDS_MAX:
            before = self._chain.head_number()
            await self._ask_everyone()
            if self._chain.head_number() > before:
                rounds = 0
            elif self._follows() and not self._anyone_above(before):
                break  # the poll only guessed that there may be more
            else:
                rounds += 1
                await self._rest()
        self._target = self._chain.head_number()

    async def _rest(self) -> None:
        """Until somebody says again that there is more, RETRY_S at most."""
        await asyncio.sleep(RETRY_S / 20)
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._wanted.wait()
        self._wanted.clear()

    async def _ask_everyone(self) -> None:
        """One round: each peer in turn serves as much as it can."""
        for peer in self._candidates():
            if self._chain.head_number() >= self._target:
                return
            try:
                await self._sync_from(peer)
            except InvalidBlock as error:
                self._convict(peer, error)
            except PrayaError as error:
                _log.info("peer_cannot_serve", peer="0x" + peer.hex(), reason=error.message)

    async def _sync_from(self, peer: Address) -> None:
        """Import from one peer until the target is reached, it has no more or it is slow. InvalidBlock where it serves
        a false block, UnavailableError and others where it does not answer."""
        following = asyncio.ensure_future(self._fetch_range(peer, self._chain.head_number() + 1))
        try:
            while True:
                asked_us = self._clock.monotonic_us()
                start, records = await following
                slow = self._clock.monotonic_us() - asked_us > SLOW_S * 1_000_000
                if not records:
                    return
                following = asyncio.ensure_future(self._fetch_range(peer, start + len(records)))
                for height, record in enumerate(records, start):
                    if height > self._chain.head_number():  # agreement may have been faster
                        await self._import(record)
                if slow or self._chain.head_number() >= self._target:
                    return
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _fetch_range(self, peer: Address, start: int) -> tuple[int, tuple[BlockRecord, ...]]:
        count = max(1, min(RANGE_COUNT, self._target - start + 1))
        body = encode_body(BlocksRequest(start, count))
        data = await self._network.request(peer, BLOCKS, body, RANGE_TIMEOUT_S)
        records = (await asyncio.to_thread(decode_body, data, BlocksAnswer)).blocks
        if len(records) > count:
            raise DataError(f"{len(records)} blocks where {count} were asked for", field="blocks")
        return start, records

    async def _import(self, record: BlockRecord) -> None:
        before = self._chain.head_number()
        try:
            await asyncio.to_thread(self._verifier.check, record)
            await self._import_block(Proposal(record.block, record.carried), record.certificate)
        except Exception as error:
            if self._chain.head_number() > before:
                return  # agreement committed this height meanwhile: the record was judged against a moved head
            if isinstance(error, PrayaError) and not isinstance(error, InvalidBlock):
                # Nobody else's fault: this node cannot read or write its own chain.
                raise ImpossibleState(f"cannot import block {before + 1}: {error.message}") from error
            raise
        self._imported += 1

    def _convict(self, peer: Address, error: InvalidBlock) -> None:
        _log.error("false_block_served", peer="0x" + peer.hex(), rule=error.rule, reason=error.message)
        self._convicted[peer] = Conviction(peer, error.rule, error.message, self._clock.monotonic_us() + CONVICTED_US)
        self._network.report_bad(peer, f"false block: {error.rule}")

    def _still_convicted(self) -> dict[Address, Conviction]:
        now = self._clock.monotonic_us()
        self._convicted = {peer: found for peer, found in self._convicted.items() if found.until_us > now}
        return self._convicted

    def _candidates(self) -> list[Address]:
        """Hinted peers first, then those that say they are above this node, highest first, then the others."""
        convicted = self._still_convicted()
        peers = {address: info for address, info in self._network.connected().items() if address not in convicted}
        hinted = [peer for peer in self._hints if peer in peers]
        others = sorted((peer for peer in peers if peer not in hinted), key=lambda p: (-peers[p].head_number, p))
        return hinted + others

    def _anyone_above(self, height: int) -> bool:
        convicted = self._still_convicted()
        return any(
            info.head_number > height for peer, info in self._network.connected().items() if peer not in convicted
        )

    # --- one proposal -----------------------------------------------------------------------------

    async def fetch_block(self, height: int, block_hash: bytes, hints: Sequence[bytes] = ()) -> Proposal | None:
        """The block of this hash with the certificate that it carries, from this node or the first peer that has
        it: hints in their order, then any. None where nobody has it now."""
        wanted = Hash32(bytes(block_hash))
        found = await self._server.local_proposal(height, wanted)
        if found is not None:
            return found
        connected = self._network.connected()
        first = [Address(bytes(peer)) for peer in hints if bytes(peer) in connected]
        order = first + [peer for peer in sorted(connected) if peer not in first]
        return await _first_found([partial(self._fetch_proposal, peer, height, wanted) for peer in order])

    async def _fetch_proposal(self, peer: Address, height: int, block_hash: Hash32) -> Proposal | None:
        body = encode_body(ProposalRequest(height, block_hash))
        try:
            data = await self._network.request(peer, PROPOSAL, body, PROPOSAL_TIMEOUT_S)
        except PrayaError:
            return None  # it does not have it, or is gone
        try:
            answer = decode_body(data, ProposalAnswer)
            window = self._config.window
            await asyncio.to_thread(decode_fetched, answer.block, answer.carried, height, block_hash, window)
        except PrayaError as error:
            self._network.report_bad(peer, f"false proposal: {error.field}")
            return None
        return Proposal(answer.block, answer.carried)


async def _first_found(attempts: list[Callable[[], Awaitable[Proposal | None]]]) -> Proposal | None:
    """Start the attempts one after another, each when the last has failed or taken HEDGE_S; the first result."""
    running: set[asyncio.Future[Proposal | None]] = set()
    waiting = list(attempts)
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop(0)()))
            timeout = HEDGE_S if waiting else None
            done, running = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.result() is not None:
                    return task.result()
        return None
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _log_failure(error: BaseException) -> None:
    _log.error("sync_failed", exc_info=error)
