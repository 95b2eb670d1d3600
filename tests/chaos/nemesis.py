"""Carries out the plan: strikes, heals, and waits after each round for the chain to move again."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import Callable

from node.app.process import STOP_LIMIT_S
from node.cli.network import processes
from tests.chaos.banks import DATA_PARTS, Banks
from tests.chaos.history import History, Life, Recovery
from tests.chaos.plan import BANKS, CLOCK_KINDS, LINK_KINDS, ROLLBACK_KINDS, Fault, Round
from tests.chaos.rpc import Doors, NoAnswer
from tests.chaos.watcher import Watcher

BLOCKS_AFTER_HEAL = 2
"""New blocks that count as moving again: one may have been final before the heal and not yet seen."""
GROWTH_BEFORE_ROLLBACK = 3
"""Blocks between the copy of a data directory and its return."""
OLD, NEW = "old", "new"
"""Labels of copies: one to go back to, and what stood before that."""
FLAP_S = 0.4
ANSWER_TIMEOUT_S = 60.0
"""How long a bank that was started may take to answer, on a loaded machine."""
LEVEL_TIMEOUT_S = 60.0
HALT_SETTLE_S = 0.5
HALTING = b'"node halts"'


class Nemesis:
    """One at a time; ``done`` counts the faults that really struck, by kind."""

    def __init__(
        self,
        banks: Banks,
        doors: Doors,
        watcher: Watcher,
        history: History,
        *,
        bound_s: float,
        clock: Callable[[], float],
        say: Callable[[str], None],
    ) -> None:
        self._banks = banks
        self._doors = doors
        self._watcher = watcher
        self._history = history
        self._bound_s = bound_s
        self._clock = clock
        self._say = say
        self._link_faults: list[Fault] = []
        self._excused: set[Life] = set()
        """Processes that may end by themselves: their disk was full."""
        self._copied: dict[int, int] = {}
        """Bank -> height of the chain when its data were last copied."""
        self.done: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.rounds: list[Round] = []

    async def run_round(self, one: Round) -> None:
        """All faults of a round, everything healed, and the chain moving again (or the bound over)."""
        self._say(f"{self._clock():7.1f} s  height {self._watcher.height:6}  {one}")
        self.rounds.append(one)
        await asyncio.gather(*(self._carry_out(fault) for fault in one.faults))
        await self.heal()
        healed, height = self._clock(), self._watcher.height
        moved = await self._watcher.until_height(height + BLOCKS_AFTER_HEAL, self._bound_s)
        seconds = self._clock() - healed
        faults = ", ".join(fault.kind for fault in one.faults)
        self._history.recoveries.append(Recovery(one.number, seconds, self._bound_s, faults, in_time=moved))
        self._say(
            f"           moving again after {seconds:.2f} s" if moved else f"           NOT moving: {seconds:.0f} s"
        )
        await asyncio.sleep(one.calm_s)

    async def heal(self) -> None:
        """Every link whole, every clock right, every process running. One that ended unasked is a violation."""
        self._link_faults.clear()
        self._banks.links.heal()
        for bank in range(BANKS):
            self._banks.set_clock(bank, 0.0)
            self._banks.signal(bank, signal.SIGCONT)
            if not self._banks.is_running(bank):
                self._note_end(bank)
        await self._banks.start(*range(BANKS))

    def _note_end(self, bank: int) -> None:
        if self._banks.life(bank) not in self._excused:
            tail = processes.log_tail(self._banks.folder(bank))
            self._history.remarks.append(f"bank {bank} ended by itself at {self._clock():.1f} s:\n{tail}")

    # --- one fault ------------------------------------------------------------------------------------

    async def _carry_out(self, fault: Fault) -> None:
        await asyncio.sleep(fault.start_s)
        if fault.kind in LINK_KINDS:
            await self._hurt_links(fault)
        elif fault.kind in CLOCK_KINDS:
            await self._wrong_clock(fault)
        elif fault.kind in ROLLBACK_KINDS:
            if not await self._watcher.until_level(LEVEL_TIMEOUT_S):
                # At most f banks without a true memory at a time: the last one must have caught up.
                self.skipped[fault.kind] += 1
                return
            await self._roll_back(fault)
        elif fault.kind == "disk_full":
            await self._fill_disk(fault)
        elif fault.kind in ("pause", "pause_two"):
            for bank in fault.banks:
                self._banks.signal(bank, signal.SIGSTOP)
            await asyncio.sleep(fault.duration_s)
            for bank in fault.banks:
                self._banks.signal(bank, signal.SIGCONT)
        else:
            await self._banks.stop(*fault.banks, kill=True)
            began = self._clock()
            for bank in fault.banks:
                await self._banks.back_up(bank, OLD)
                self._copied[bank] = self._watcher.height
            if fault.kind != "power_cut":
                await asyncio.sleep(max(0.0, fault.duration_s - (self._clock() - began)))
            await self._banks.start(*fault.banks)
        self.done[fault.kind] += 1

    async def _hurt_links(self, fault: Fault) -> None:
        if fault.kind == "reset":
            self._banks.links.reset(*fault.banks)
            return
        if fault.kind == "flapping":
            whole_until = asyncio.get_running_loop().time() + fault.duration_s
            while asyncio.get_running_loop().time() < whole_until:
                self._strike(fault)
                await asyncio.sleep(FLAP_S)
                self._lift(fault)
                await asyncio.sleep(FLAP_S)
            return
        self._strike(fault)
        await asyncio.sleep(fault.duration_s)
        self._lift(fault)

    def _strike(self, fault: Fault) -> None:
        self._link_faults.append(fault)
        self._apply_links()

    def _lift(self, fault: Fault) -> None:
        if fault in self._link_faults:
            self._link_faults.remove(fault)
        self._apply_links()

    def _apply_links(self) -> None:
        """The links are a function of the faults that hold: two that overlap do not heal each other."""
        links = self._banks.links
        links.heal()
        for fault in self._link_faults:
            match fault.kind:
                case "refuse" | "flapping":
                    links.refuse(*fault.banks)
                case "one_way":
                    links.flow(*fault.banks).set(stalled=True)
                case "partition":
                    for a, b in itertools.product(fault.banks[:2], fault.banks[2:]):
                        links.flow(a, b).set(stalled=True)
                        links.flow(b, a).set(stalled=True)
                case "isolate":
                    (alone,) = fault.banks
                    for other in set(range(BANKS)) - {alone}:
                        links.flow(alone, other).set(stalled=True)
                        links.flow(other, alone).set(stalled=True)
                case "delay":
                    for a, b in itertools.permutations(fault.banks, 2):
                        links.flow(a, b).set(delay_s=fault.amount, jitter_s=fault.amount)
                case "throttle":
                    for a, b in itertools.permutations(fault.banks, 2):
                        links.flow(a, b).set(bytes_per_s=fault.amount)

    async def _wrong_clock(self, fault: Fault) -> None:
        for index, bank in enumerate(fault.banks):
            sign = 1 if index % 2 == 0 or fault.kind == "clock_far" else -1
            self._banks.set_clock(bank, sign * fault.amount)
        await asyncio.sleep(fault.duration_s)
        for bank in fault.banks:
            self._banks.set_clock(bank, 0.0)

    async def _fill_disk(self, fault: Fault) -> None:
        """The bank stops rather than vote without a record; started again with room, it votes."""
        (bank,) = fault.banks
        self._excused.add(self._banks.life(bank))
        log_bytes = self._banks.folder(bank).log_file.stat().st_size
        try:
            struck = self._banks.limit_file_size(bank, int(fault.amount))
        except PermissionError:
            self._say("           no full disk: this machine does not let a user limit its own processes (prlimit)")
            self.skipped[fault.kind] += 1
            return
        if not struck:
            return
        await asyncio.sleep(fault.duration_s)
        self._banks.limit_file_size(bank, None)
        await asyncio.sleep(HALT_SETTLE_S)
        for _ in range(int(STOP_LIMIT_S / HALT_SETTLE_S)):
            said = self._banks.folder(bank).log_file.read_bytes()[log_bytes:]
            if not self._banks.is_running(bank) or HALTING not in said:
                break
            await asyncio.sleep(HALT_SETTLE_S)  # it halts, and is still closing what it has open
        await self._banks.start(bank)

    # --- older data -----------------------------------------------------------------------------------

    async def _roll_back(self, fault: Fault) -> None:
        """Stop, put an old copy back, run: by P-18 the bank refuses to vote, or resynchronises. The copy is one that
        was taken when the bank was killed before; without one, the bank is stopped for it now."""
        (bank,) = fault.banks
        parts = {"rollback_chain": ("chain",), "rollback_votes": ("wal",), "rollback_folder": DATA_PARTS}[fault.kind]
        if self._watcher.height - self._copied.get(bank, self._watcher.height) < GROWTH_BEFORE_ROLLBACK:
            await self._banks.stop(bank)
            await self._banks.back_up(bank, OLD)
            await self._banks.start(bank)
            await self._grow_past(bank)
        await self._banks.stop(bank)
        if fault.kind == "rollback_votes":
            await self._banks.back_up(bank, NEW)
        await self._banks.restore(bank, OLD, *parts)
        await self._banks.start(bank, rolled_back="chain" in parts)
        await self._answering(bank)
        await asyncio.sleep(fault.duration_s)
        if fault.kind == "rollback_votes":
            await self._expect_no_vote(bank)
            await self._banks.stop(bank)
            await self._banks.restore(bank, NEW, "wal")
            await self._banks.start(bank)
        await self._grow_past(bank)  # what it may have voted on before is committed now: its memory matters no more

    async def _grow_past(self, bank: int) -> None:
        """Wait until this bank is some blocks further than any bank is now."""
        wanted = self._watcher.height + GROWTH_BEFORE_ROLLBACK
        try:
            async with asyncio.timeout(self._bound_s):
                while self._watcher.heights[bank] < wanted:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self._history.remarks.append(f"bank {bank} did not follow to height {wanted} in {self._bound_s:.0f} s")

    async def _answering(self, bank: int) -> dict[str, object]:
        """``pbft_status`` once the bank answers; {} and a remark where it does not."""
        deadline = self._clock() + ANSWER_TIMEOUT_S
        while self._clock() < deadline:
            try:
                return dict(await self._doors.call(bank, "pbft_status"))
            except NoAnswer:
                await asyncio.sleep(0.1)
        self._history.remarks.append(f"bank {bank} did not answer within {ANSWER_TIMEOUT_S:.0f} s of its start")
        return {}

    async def _expect_no_vote(self, bank: int) -> None:
        """P-18: a vote log behind the ledger means that votes are forgotten."""
        status = await self._answering(bank)
        if status and status["mayVote"] is not False:
            self._history.remarks.append(f"P-18: bank {bank} votes with an older vote log under its chain: {status}")
