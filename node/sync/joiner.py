"""Joins a long chain by snapshot: headers and certificates, the state of a recent block, the last blocks.

Nothing is executed. Headers are proved from genesis on (node.sync.headers); the state is fetched in ranges, each proved
against the state root of one sealed header, whoever serves it; the last W blocks, their receipts and certificates are
proved against their headers (P-11). The result is a ledger at that block, with a marker that says so.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from consensus.types import Config, Verifier
from node.chain.block import Block, receipts_root
from node.chain.header import Header
from node.chain.receipt import Receipt
from node.chain.snapshot import SnapshotMarker
from node.clock import Clock
from node.errors import DataError, InvalidBlock
from node.keys.hashing import keccak256
from node.log import get_logger
from node.state.trie_range import TrieRange, verify_range
from node.state.tries import EMPTY_ROOT, AccountLeaf
from node.sync.asker import Asker, NobodyAnswers, NotHelpful
from node.sync.headers import HeaderFollower, Pin, ProvedHeader, check_certificate
from node.sync.messages import decode_body, encode_body
from node.sync.network import SyncNetwork
from node.sync.snapshot_messages import (
    CODES,
    CODES_MAX,
    HEADERS,
    HEADERS_COUNT_MAX,
    RANGES_MAX,
    TAIL,
    TRIES,
    CodesAnswer,
    CodesRequest,
    HeadersAnswer,
    HeadersRequest,
    RangeQuestion,
    TailAnswer,
    TailRequest,
    TriesAnswer,
    TriesRequest,
)
from node.sync.staging import Staging
from node.sync.verify import check_carried_hash
from node.types import Hash32

PARALLEL = 3
"""Questions for storage that are open at the same time; they go to different peers where there are several."""
FIRST_PEERS_S = 3.0
"""After the first peer has connected, so long for the others, before the length of the chain is judged."""
POLL_S = 0.1
PIN_REST_S = 1.0
"""Before peers are asked again whose chains do not reach the pinned block."""
HEADERS_COUNT_MIN = 64
"""An answer with fewer headers is short: the head is near, or the server withholds them."""
SHORT_ANSWERS_MAX = 8
"""Short answers in a row, of whoever is the most helpful, after which the head counts as reached: it moves on."""
LEAVES_MIN = 64
"""An answer that ends after fewer leaves, without the end of the trie, counts against its server."""
REFUSALS_MAX = 3
"""Times that all peers together do not have the chosen state, before a later block's is fetched instead."""
LOG_EVERY_S = 5.0

_log = get_logger("sync")


@dataclass(frozen=True, slots=True)
class JoinProgress:
    """How far a join is; for health and logs."""

    stage: str = "waiting for peers"
    height: int = 0
    """The last proved header."""
    target: int = 0
    """The highest head that a peer claims."""
    state_share: float = 0.0
    """How much of the key space of accounts is here, 0 to 1."""
    accounts: int = 0
    words: int = 0
    codes: int = 0


@dataclass(frozen=True, slots=True)
class _Storage:
    """What is still to be fetched of one account's storage."""

    account_key: bytes
    root: Hash32
    origin: bytes


class SnapshotJoiner:
    """``run`` once. Progress is in the staging; a second joiner over it goes on where this one was cancelled.

    ``check_pivot`` is asked once the state is whole, before it counts: what the chain's own rules say of it.
    """

    def __init__(
        self,
        *,
        network: SyncNetwork,
        staging: Staging,
        config: Config,
        verifier: Verifier,
        clock: Clock,
        blocks_min: int,
        block_bytes_max: int,
        check_pivot: Callable[[Header], None] = lambda _header: None,
        pin: Pin | None = None,
    ) -> None:
        self._asker = Asker(network, clock)
        self._staging = staging
        self._config = config
        self._verifier = verifier
        self._clock = clock
        self._blocks_min = blocks_min
        self._block_bytes_max = block_bytes_max
        self._check_pivot = check_pivot
        self._pin = pin
        self._refusals = 0
        self._logged_us = 0
        self.progress = JoinProgress()

    def convicted(self) -> tuple[bytes, ...]:
        """Peers that gave a false answer lately."""
        return self._asker.convicted()

    async def run(self) -> SnapshotMarker | None:
        """Join; the marker of the finished ledger. None where the chain is too short to be worth it. InvalidBlock where
        what an earlier start has staged is not the pinned chain."""
        staging = self._staging
        await asyncio.to_thread(self._check_staged_pin)
        pivot = staging.pivot()
        if pivot is not None:
            _log.info("join by snapshot goes on", snapshot=pivot.number)
        while True:
            if pivot is None:
                pivot = await self._choose()
                if pivot is None:
                    return None
            try:
                await self._fetch_state(pivot)
                await self._fetch_tail(pivot)
                break
            except NobodyAnswers as error:
                self._refusals = self._refusals + 1 if error.refused else 0
                _log.warning("no peer serves the snapshot", snapshot=pivot.number, request=error.field)
                if self._refusals >= REFUSALS_MAX:
                    self._refusals = 0
                    pivot = None
        return await self._finish(pivot)

    # --- headers ----------------------------------------------------------------------------------

    def _check_staged_pin(self) -> None:
        """Headers that an earlier start has proved were not held to a pin that is new since."""
        pin = self._pin
        if pin is None or pin.height > self._staging.tip().number:
            return
        found = self._staging.header(pin.height)
        if found.hash != pin.block_hash:
            raise InvalidBlock(
                "pin",
                "what is staged already is of a chain with another block at the pinned height: remove the staged "
                "folder to begin anew, or correct the pin",
                expected=pin.block_hash.hex(),
                found=found.hash.hex(),
            )

    async def _choose(self) -> Header | None:
        """Follow headers to the highest that anybody can prove, and take its state. None where peers that have not
        lied have no chain that is long enough; liars alone decide nothing, and a pinned block must be reached."""
        while True:
            await self._wait_for_peers()
            tip = await self._follow_headers()
            if self._pin is not None and tip.number < self._pin.height:
                _log.warning("no peer proves a chain up to the pinned block", height=tip.number, pin=self._pin.height)
                await asyncio.sleep(PIN_REST_S)
            elif tip.number >= self._blocks_min:
                break
            elif self._asker.peers():
                return None
        await asyncio.to_thread(self._staging.choose, tip)
        _log.info("snapshot chosen", height=tip.number, hash="0x" + tip.hash.hex(), root="0x" + tip.state_root.hex())
        return tip

    async def _wait_for_peers(self) -> None:
        while not self._asker.peers():
            self._note(stage="waiting for peers")
            await asyncio.sleep(POLL_S)
        waited = 0.0
        while waited < FIRST_PEERS_S and max(self._asker.peers().values(), default=0) < self._blocks_min:
            await asyncio.sleep(POLL_S)
            waited += POLL_S

    async def _follow_headers(self) -> Header:
        tip = self._staging.tip()
        follower = HeaderFollower(
            self._config, tip, self._staging.validators(tip.number + 1), self._verifier, self._pin
        )
        short = 0
        while short < SHORT_ANSWERS_MAX:
            target = max(self._asker.peers().values(), default=0)
            self._note(stage="headers", height=follower.tip.number, target=target)
            if follower.tip.number >= target:
                break
            body = encode_body(HeadersRequest(follower.tip.number + 1, HEADERS_COUNT_MAX))
            try:
                proved = await self._asker.ask(HEADERS, body, partial(_judge_headers, follower), _is_long)
            except NobodyAnswers:
                break  # heads that nobody can prove are nobody's
            await asyncio.to_thread(self._staging.add_headers, proved)
            short = 0 if _is_long(proved) else short + 1
        return follower.tip

    # --- state ------------------------------------------------------------------------------------

    async def _fetch_state(self, pivot: Header) -> None:
        staging = self._staging
        while (origin := staging.account_origin()) is not None:
            self._note(stage="state", height=pivot.number, state_share=int.from_bytes(origin[:4], "big") / 2**32)
            questions = (RangeQuestion(pivot.state_root, origin),)
            [(found, nodes)] = await self._ask_ranges(questions)
            accounts = [(key, AccountLeaf.decode(value)) for key, value in found.leaves]
            await self._fetch_codes([leaf.code_hash for _, leaf in accounts])
            await self._fetch_storages(accounts)
            await asyncio.to_thread(staging.add_accounts, found.leaves, nodes, complete=found.complete)
            self._note(accounts=self.progress.accounts + len(accounts))
        self._note(state_share=1.0)

    async def _fetch_storages(self, accounts: Sequence[tuple[bytes, AccountLeaf]]) -> None:
        waiting: deque[_Storage] = deque()
        for key, leaf in accounts:
            if leaf.storage_root != EMPTY_ROOT:
                origin = self._staging.storage_origin(key)
                if origin is not None:
                    waiting.append(_Storage(key, leaf.storage_root, origin))
        while waiting:
            groups = -(-len(waiting) // RANGES_MAX)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(min(PARALLEL, groups)):
                        tasks.create_task(self._fetch_some(waiting))
            except ExceptionGroup as group:
                raise group.exceptions[0] from group

    async def _fetch_some(self, waiting: deque[_Storage]) -> None:
        """One task of several: takes from ``waiting`` and puts back what an answer leaves open, until it is empty."""
        while waiting:
            group = [waiting.popleft() for _ in range(min(RANGES_MAX, len(waiting)))]
            answers = await self._ask_ranges([RangeQuestion(each.root, each.origin) for each in group])
            rows = [
                (wanted.account_key, found.leaves, nodes, found.complete)
                for wanted, (found, nodes) in zip(group, answers, strict=False)
            ]
            await asyncio.to_thread(self._staging.add_storage, rows)
            self._note(words=self.progress.words + sum(len(row[1]) for row in rows))
            waiting.extend(group[len(answers) :])
            last = answers[-1][0]
            if not last.complete:
                open_one = group[len(answers) - 1]
                origin = (int.from_bytes(last.leaves[-1][0], "big") + 1).to_bytes(32, "big")
                waiting.append(replace(open_one, origin=origin))

    async def _ask_ranges(self, questions: Sequence[RangeQuestion]) -> list[tuple[TrieRange, dict[bytes, bytes]]]:
        body = encode_body(TriesRequest(tuple(questions)))
        return await self._asker.ask(TRIES, body, partial(_judge_ranges, questions), _are_full)

    async def _fetch_codes(self, hashes: Sequence[bytes]) -> None:
        missing = await asyncio.to_thread(self._staging.missing_codes, hashes)
        while missing:
            wanted = tuple(islice(missing, CODES_MAX))
            codes = await self._asker.ask(CODES, encode_body(CodesRequest(wanted)), partial(_judge_codes, wanted))
            await asyncio.to_thread(self._staging.add_codes, codes)
            self._note(codes=self.progress.codes + len(codes))
            missing = missing[len(codes) :]

    # --- the last blocks --------------------------------------------------------------------------

    async def _fetch_tail(self, pivot: Header) -> None:
        """The last W blocks: the next one names the certificate of one of them (P-11), and clients ask for the head."""
        window = self._config.window
        for height in range(max(1, pivot.number - window + 1), pivot.number + 1):
            self._note(stage="last blocks")
            header = self._staging.header(height)
            judge = partial(self._judge_tail, header)
            answer = await self._asker.ask(TAIL, encode_body(TailRequest(height)), judge)
            block, receipts, certificate, carried = answer
            named = (height - window, carried) if height > window else None
            await asyncio.to_thread(self._staging.add_block, block, receipts, certificate, named)

    def _judge_tail(self, header: Header, data: bytes) -> tuple[Block, tuple[Receipt, ...], bytes, bytes]:
        answer = decode_body(data, TailAnswer)
        record = answer.record
        if len(record.block) > self._block_bytes_max:
            raise InvalidBlock("P-3", "block over the size limit", expected=self._block_bytes_max)
        block = Block.decode(record.block)
        if block.hash != header.hash or block.transactions_root() != header.transactions_root:
            raise InvalidBlock("P-1", f"not the block {header.number} that was asked for")
        receipts = tuple(Receipt.decode(each) for each in answer.receipts)
        if len(receipts) != len(block.transactions) or receipts_root(receipts) != header.receipts_root:
            raise InvalidBlock("P-1", f"the receipts are not those of block {header.number}")
        validators = self._staging.validators(header.number)
        check_certificate(self._config, validators, self._verifier, header, record.certificate)
        check_carried_hash(block, record.carried, self._config.window)
        return block, receipts, record.certificate, record.carried

    # --- the end ----------------------------------------------------------------------------------

    async def _finish(self, pivot: Header) -> SnapshotMarker:
        self._note(stage="last check")
        entries = await asyncio.to_thread(self._staging.check_state)
        await asyncio.to_thread(self._check_pivot, pivot)
        marker = SnapshotMarker(
            height=pivot.number,
            first_block=max(1, pivot.number - self._config.window + 1),
            pinned=self._pin is not None and self._pin.height <= pivot.number,
        )
        await asyncio.to_thread(self._staging.finish, marker)
        _log.warning("joined by snapshot", meaning=marker.sentence(), pinned=marker.pinned, state_entries=entries)
        if not marker.pinned:
            _log.warning(
                "no block was pinned: this bank trusts that no past validators have lost more keys than may be faulty"
            )
        return marker

    def _note(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        now = self._clock.monotonic_us()
        if now - self._logged_us > LOG_EVERY_S * 1_000_000:
            self._logged_us = now
            p = self.progress
            _log.info(
                "joining by snapshot",
                stage=p.stage,
                headers=p.height,
                target=p.target,
                state=f"{p.state_share:.1%}",
                accounts=p.accounts,
                words=p.words,
            )


def _is_long(proved: Sequence[ProvedHeader]) -> bool:
    return len(proved) >= HEADERS_COUNT_MIN


def _are_full(answers: Sequence[tuple[TrieRange, dict[bytes, bytes]]]) -> bool:
    return answers[-1][0].complete or sum(len(found.leaves) for found, _ in answers) >= LEAVES_MIN


def _judge_headers(follower: HeaderFollower, data: bytes) -> list[ProvedHeader]:
    records = decode_body(data, HeadersAnswer).records
    if not records:
        raise NotHelpful("no more headers", field="headers")
    return follower.follow(records)


def _judge_ranges(questions: Sequence[RangeQuestion], data: bytes) -> list[tuple[TrieRange, dict[bytes, bytes]]]:
    answers = decode_body(data, TriesAnswer).ranges
    if len(answers) > len(questions):
        raise DataError(f"{len(answers)} ranges where {len(questions)} were asked for", field="ranges")
    if any(not answer.complete for answer in answers[:-1]):
        raise DataError("a range that is not complete before the last one", field="ranges")
    judged = []
    for question, answer in zip(questions, answers, strict=False):
        found = TrieRange(answer.leaves, answer.complete, answer.proof)
        judged.append((found, verify_range(Hash32(question.root), question.origin, found)))
    return judged


def _judge_codes(wanted: Sequence[bytes], data: bytes) -> dict[bytes, bytes]:
    codes = decode_body(data, CodesAnswer).codes
    if len(codes) > len(wanted):
        raise DataError(f"{len(codes)} codes where {len(wanted)} were asked for", field="codes")
    for code_hash, code in zip(wanted, codes, strict=False):
        if keccak256(code) != code_hash:
            raise DataError(f"a code is not the one with hash 0x{code_hash.hex()}", field="codes")
    return dict(zip(wanted, codes, strict=False))
