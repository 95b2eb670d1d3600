"""Asks peers in turn until one gives an answer that holds; who gave a false one is not asked again for a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from node.clock import Clock
from node.errors import PrayaError, UnavailableError
from node.log import get_logger
from node.p2p import RequestRefused
from node.sync.network import SyncNetwork
from node.types import Address

ANSWER_TIMEOUT_S = 20.0
SLOW_S = 3.0
"""A peer that takes longer is asked after the others next time."""
CONVICTED_US = 60_000_000
"""How long a peer that gave a false answer is not asked."""
ROUNDS_MAX = 3
REST_S = 1.0
"""Between two rounds over all peers."""

T = TypeVar("T")
_log = get_logger("sync")


class NobodyAnswers(UnavailableError):
    """No peer gave an answer that holds. ``refused``: some peer said that it does not have it."""

    def __init__(self, kind: str, *, refused: bool) -> None:
        super().__init__(f"no peer serves {kind} now", field=kind)
        self.refused = refused


class NotHelpful(PrayaError):
    """Raised by a judge: true as far as it goes, and of no use."""


class Asker:
    """Never waits for one peer alone: each has its turn, the less helpful ones later."""

    def __init__(self, network: SyncNetwork, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._demerits: Counter[Address] = Counter()
        self._open: Counter[Address] = Counter()
        self._convicted: dict[Address, int] = {}

    def peers(self) -> dict[Address, int]:
        """Heads that connected peers claim, of those that are not convicted."""
        now = self._clock.monotonic_us()
        self._convicted = {peer: until for peer, until in self._convicted.items() if until > now}
        connected = self._network.connected().items()
        return {peer: info.head_number for peer, info in connected if peer not in self._convicted}

    def convicted(self) -> tuple[Address, ...]:
        """Who gave a false answer lately, by address."""
        self.peers()
        return tuple(sorted(self._convicted))

    async def ask(
        self, kind: str, body: bytes, judge: Callable[[bytes], T], enough: Callable[[T], bool] = lambda _answer: True
    ) -> T:
        """What ``judge`` makes of the first answer that holds; it runs in a thread, and raises NotHelpful for an answer
        that does not help, any other PrayaError for a false one. Who gives less than ``enough`` is asked later next
        time. Raises NobodyAnswers."""
        refused = False
        for attempt in range(ROUNDS_MAX):
            if attempt:
                await asyncio.sleep(REST_S)
            for peer in self._order():
                try:
                    answer = await self._ask_one(peer, kind, body, judge)
                    self._demerits[peer] += not enough(answer)
                    return answer
                except RequestRefused as error:
                    refused = True
                    self._demerit(peer, kind, error)
                except PrayaError as error:
                    self._demerit(peer, kind, error)
        raise NobodyAnswers(kind, refused=refused)

    async def _ask_one(self, peer: Address, kind: str, body: bytes, judge: Callable[[bytes], T]) -> T:
        started_us = self._clock.monotonic_us()
        self._open[peer] += 1
        try:
            data = await self._network.request(peer, kind, body, ANSWER_TIMEOUT_S)
        finally:
            self._open[peer] -= 1
        if self._clock.monotonic_us() - started_us > SLOW_S * 1_000_000:
            self._demerits[peer] += 1
        try:
            return await asyncio.to_thread(judge, data)
        except NotHelpful:
            raise
        except PrayaError as error:
            self._convict(peer, kind, error)
            raise

    def _order(self) -> list[Address]:
        return sorted(self.peers(), key=lambda peer: (self._demerits[peer], self._open[peer], peer))

    def _demerit(self, peer: Address, kind: str, error: PrayaError) -> None:
        self._demerits[peer] += 1
        _log.info("peer cannot serve", peer="0x" + peer.hex(), request=kind, reason=error.message)

    def _convict(self, peer: Address, kind: str, error: PrayaError) -> None:
        _log.error("false answer served", peer="0x" + peer.hex(), request=kind, reason=error.message)
        self._convicted[peer] = self._clock.monotonic_us() + CONVICTED_US
        self._network.report_bad(peer, f"false {kind}")
