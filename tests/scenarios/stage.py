"""A stage of real replicas on which nothing happens by itself: the script says which message reaches whom and which
timer fires, and everything that happens becomes a line of the transcript.

It is the network of ``tests/consensus/network.py`` (toy blocks, null signatures, a WAL and a ledger for each bank,
every message through codec and ingress) with its post office and its clock taken over by the script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from consensus.message_log import Slot
from consensus.types import Delivered, Started, StartSync, TimerFired, TimerKey, TimerKind, Verdict
from tests.scenarios.actor import Actor
from tests.scenarios.checks import check_history
from tests.scenarios.post_office import PostOffice, ScriptError
from tests.scenarios.wording import kind_of, view_name

EVENTS = 5_000
"""Events of one free run; more would be a loop of the replicas' making."""


class Stage(PostOffice):
    """The script's acts: time, transactions, crashes; and where the banks stand."""

    # --- time -----------------------------------------------------------------------------------------

    def fire(self, kind: str, *, at: int | Iterable[int]) -> None:
        """Let the running timer of this kind run out at these banks; ``patience`` is whichever of progress and
        new_view runs. ScriptError if none does."""
        for i in [at] if isinstance(at, int) else at:
            key, due = self.running(kind, at=i)
            self.now_us = max(self.now_us, due)
            del self.nodes[i].timers[key.kind]
            if kind != "status":
                self.line([i], "timer", key.kind.value)
            self.nodes[i].step(TimerFired(key))
            self._run_errands()

    def fire_stale(self, key: TimerKey, *, at: int) -> None:
        """A timer of a moment that has passed goes off all the same."""
        self.line([at], "timer", f"{key.kind.value} of height {key.height}, stale")
        self.nodes[at].step(TimerFired(key))
        self._run_errands()

    def running(self, kind: str, *, at: int) -> tuple[TimerKey, int]:
        """Key and due time of a running timer."""
        kinds = ("progress", "new_view") if kind == "patience" else (kind,)
        for name in kinds:
            found = self.nodes[at].timers.get(TimerKind(name))
            if found is not None:
                return found
        raise ScriptError(f"no {kind} timer runs at {at}")

    def is_running(self, kind: str, *, at: int) -> bool:
        """Whether such a timer runs."""
        return TimerKind(kind) in self.nodes[at].timers

    def wait(self, seconds: float) -> None:
        """Time passes, and no timer fires."""
        self.now_us += int(seconds * 1_000_000)
        self.note(f"{seconds:g} s pass")

    def run_freely(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Mail takes its delay and timers fire when due, for so long or until ``until``; whether that held."""
        deadline = self.now_us + int(seconds * 1_000_000)
        before, self._level = self._level, min(self._level, 1)
        try:
            for _ in range(EVENTS):
                self._run_errands()
                if until() or not self._next_event(deadline):
                    return until()
            raise ScriptError("the banks run in circles")
        finally:
            self._level = before

    def _next_event(self, deadline: int) -> bool:
        timers = [
            (at, node.index, kind.value) for node in self.nodes if node.alive for kind, (_, at) in node.timers.items()
        ]
        timer = min(timers, default=None)
        mail = self.mail[0] if self.mail else None
        due = min(mail.at_us if mail else deadline + 1, timer[0] if timer else deadline + 1)
        if due > deadline:
            self.now_us = deadline
            return False
        self.now_us = max(self.now_us, due)
        if mail is not None and mail.at_us <= due:
            self.mail.pop(0)
            self.receive(mail.sender, mail.to, mail.raw)
        elif timer is not None:
            _, index, kind = timer
            key, _ = self.nodes[index].timers.pop(TimerKind(kind))
            self.nodes[index].step(TimerFired(key))
        return True

    # --- banks ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """All banks start, and block 1 is final at every validator."""
        with self.in_short("all start, and commit block 1"):
            for node in self.nodes:
                node.step(Started())
            self.settle()
            for node in self.nodes:
                if not node.replica.status().is_validator:
                    self.sync(at=node.index)
        assert {node.height for node in self.nodes} == {1}

    def work(self, *at: int) -> None:
        """A transaction reaches these banks' pools (all by default)."""
        chosen = list(at) or [node.index for node in self.nodes if node.alive]
        self.line(chosen, "get", "a transaction")
        for i in chosen:
            self.nodes[i].submit()
        self._run_errands()

    def commit_one(self) -> None:
        """A transaction at every bank, and its block final at each that is reached."""
        before = max(node.height for node in self.nodes)
        with self.in_short(f"a transaction, and block {before + 1} for it"):
            self.work()
            self.settle()
        assert max(node.height for node in self.nodes) == before + 1

    def crash(self, *at: int) -> None:
        """The process is gone; disk and WAL stay."""
        for i in at:
            self.line([i], "crashes", "", level=1)
            self.nodes[i].alive = False
        self.mail = [mail for mail in self.mail if mail.to not in at]

    def restart(self, i: int) -> Actor:  # type: ignore[override]
        """The process again, from what WAL and ledger hold."""
        self.nodes[i].alive = False
        self.line([i], "restarts", "", level=1)
        self.nodes[i] = node = Actor(self, i, self.nodes[i].disk)
        node.step(Started())
        self._run_errands()
        return node

    def new_segment(self, *, at: int) -> None:
        """The WAL of a bank begins anew with the State record alone (P-17)."""
        node = self.nodes[at]
        state = node.replica.state_record()
        assert state is not None
        self.line([at], "begins", "a new segment of its log")
        lsn = node.replica.status().lsn
        node.disk.wal[:] = [(lsn, (state,))]

    def lose_log(self, *, at: int) -> None:
        """The WAL of a bank that is down is gone; its ledger is not."""
        self.line([at], "loses", "its log")
        self.nodes[at].disk.wal.clear()

    def sync(self, *, at: int) -> None:
        """A bank's block sync fetches what it finds."""
        self.line([at], "syncs", "")
        node = self.nodes[at]
        node.synchronise(StartSync(node.height + 100, ()))
        self._run_errands()

    def finish_writing(self, *, at: int) -> None:
        """A slow disk is done: Delivered."""
        node = self.nodes[at]
        for effect in node.writing:
            if effect.height > node.height:
                node.store(effect.proposal, effect.certificate)
            node.step(Delivered(effect.height, effect.block_hash, self.sets(effect.height + 1)))
        node.writing.clear()
        self._run_errands()

    def invalid_at(self, *at: int) -> None:
        """From now on execution at these banks says: invalid."""
        self.verdict = lambda index, effect: Verdict.INVALID if index in at else Verdict.VALID

    # --- judgement ------------------------------------------------------------------------------------

    def heights(self, *at: int) -> list[int]:
        """Committed heights."""
        return [self.nodes[i].height for i in at or range(len(self.nodes))]

    def views(self, *at: int) -> list[int]:
        """Views entered."""
        return [self.nodes[i].replica.status().view for i in at or range(len(self.nodes))]

    def promises(self, *at: int) -> list[int]:
        """Views promised."""
        return [self.nodes[i].replica.status().promise for i in at or range(len(self.nodes))]

    def block(self, height: int, at: int) -> str:
        """The name of a committed block; AssertionError where there is none."""
        assert height in self.nodes[at].disk.blocks, f"{at} has not committed height {height}"
        return self.names.block(height, self.nodes[at].disk.blocks[height].block_hash)

    def spoke(self, kind: str, frm: int, *, view: int | None = None, height: int | None = None) -> list[Any]:
        """All messages of a kind that a bank ever sent, restarts included."""
        return [
            message
            for what, sender, message in self.history
            if what == "send"
            and sender == frm
            and kind_of(message) == kind  # type: ignore[arg-type]
            and (view is None or getattr(message, "view", None) == view)
            and (height is None or getattr(message, "height", None) == height)
        ]

    def held(self, height: int, at: int) -> Slot:
        """What a bank's message log holds of a height."""
        return self.nodes[at].replica._core.log.slots[height]

    def finish(self) -> None:
        """What holds after every scenario: see ``checks``; and a last line that says where the banks stand."""
        check_history(self)
        for node in self.nodes:
            status = node.replica.status()
            state = "" if node.alive else ", down"
            head = self.block(node.height, node.index) if node.height else "genesis"
            self.lines.append(
                f"{self.actor_name(node.index):<9} ends     at {head} in {view_name(status.epoch, status.view)}{state}"
            )
