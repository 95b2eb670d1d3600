"""What liars do with time and silence: withhold, delay, repeat, flood, leave some in the dark."""

from __future__ import annotations

from consensus import messages as m
from consensus import types as c
from consensus.certificates import make_commit_certificate
from consensus.domain import Kind
from tests.simulation.byzantine import Behaviour, ByzantineHost, Outgoing

HEARD_KEPT = 200
FLOOD = 12
"""Messages that one heard message provokes a flooder to send."""


class Silent(Behaviour):
    """Says nothing from some moment on."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.from_us = self.random.choice((0, self.random.randrange(2_000_000)))

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        return [] if self.host.world.scheduler.now_us >= self.from_us else [(message, targets)]


class Selective(Behaviour):
    """Serves some of the others at a time and leaves the rest in the dark."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.served: frozenset[int] = frozenset(self.host.some(self.everyone, 0.7))

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if self.random.random() < 0.03:
            self.served = frozenset(self.host.some(self.everyone, 0.7))
        return [(message, tuple(target for target in targets if target in self.served))]


class Replay(Behaviour):
    """Sends again what it once heard or said, in any later view."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.heard: list[m.WireMessage] = []

    def _keep(self, message: m.WireMessage) -> None:
        if len(self.heard) < HEARD_KEPT:
            self.heard.append(message)
        else:
            self.heard[self.random.randrange(HEARD_KEPT)] = message

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        self._keep(message)
        return [(message, targets)]

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if not isinstance(message, m.ForeignEpoch):
            self._keep(message)
        if self.heard and self.random.random() < 0.2:
            return [(self.random.choice(self.heard), self.host.some(self.everyone))]
        return []


class Stale(Behaviour):
    """Votes and complains again in views and epochs that are past, with a good signature each time."""

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if isinstance(message, m.NewView | m.Complain | m.ViewChange) and message.view and self.random.random() < 0.3:
            view = self.random.randrange(message.view) if message.view < 1 << 30 else 0
            return [(self.host.sign(self._statement(message.epoch, view)), self.host.some(self.everyone))]
        return []

    def _statement(self, epoch: int, view: int) -> m.SignedMessage:
        host, height = self.host, self.host.ledger.height
        epoch, sender = max(0, epoch - self.random.choice((0, 0, 1))), self.host.sender(epoch)
        digest = self.random.choice(sorted(host.blocks)) if host.blocks else bytes(32)
        return self.random.choice(
            (
                m.Prepare(epoch, view, height + 1, digest, sender, b""),
                m.Commit(epoch, view, height + 1, digest, sender, b""),
                m.Status(epoch, height, view, view, False, sender, b""),
                m.Complain(epoch, view + 1, height, m.Reason.AGE, self.random.random() < 0.5, sender, b""),
            )
        )


class Withhold(Behaviour):
    """Keeps its COMMIT back, makes certificates of it in secret, and shows one to a single bank much later, when the
    others may be in another view (diem #1324)."""

    def __init__(self, host: ByzantineHost) -> None:
        super().__init__(host)
        self.seals: dict[tuple[int, int, int, c.Digest], dict[int, c.Signature]] = {}

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.Commit):
            return [(message, targets)]
        return self._count(message)

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if isinstance(message, m.PrePrepare):
            place = (message.epoch, message.view, message.height, message.block_hash)
            self._count(self.host.vote(Kind.COMMIT, *place))
        return self._count(message) if isinstance(message, m.Commit) else []

    def _count(self, commit: m.Vote) -> list[Outgoing]:
        place = (commit.epoch, commit.view, commit.height, commit.block_hash)
        seals = self.seals.setdefault(place, {})
        seals[commit.sender] = commit.signature
        members = self.host.world.members(commit.epoch)
        if members and len(seals) * 3 >= 2 * len(members):
            certificate = make_commit_certificate(*place, seals)
            delay = self.host.world.gap(self.host.world.options.timeout_us)
            target = self.random.choice(self.everyone)
            self.host.after(delay, lambda: self.host.emit([(m.Repair((certificate,)), (target,))]))
            self.seals[place] = {}
        if len(self.seals) > HEARD_KEPT:
            del self.seals[next(iter(self.seals))]
        return []


class Late(Behaviour):
    """Lets any of its messages wait, some for longer than a view lasts."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if self.random.random() < 0.5:
            return [(message, targets)]
        delay = self.host.world.gap(self.random.choice((20_000, self.host.world.options.timeout_us)))
        self.host.after(delay, lambda: self.host.emit([(message, targets)]))
        return []


class Slow(Behaviour):
    """As primary proposes just before everybody's patience ends (H27)."""

    def sends(self, message: m.WireMessage, targets: tuple[int, ...]) -> list[Outgoing]:
        if not isinstance(message, m.PrePrepare):
            return [(message, targets)]
        options = self.host.world.options
        patience = options.timeout_us << self.host.replica.status().failed_views
        delay = min(patience, options.timeout_max_us) * 9 // 10
        self.host.after(delay, lambda: self.host.emit([(message, targets)]))
        return []


class Flood(Behaviour):
    """Answers what it hears with many votes, complaints and promises for other views, heights and blocks (R-5)."""

    def hears(self, source: int, message: m.Message) -> list[Outgoing]:
        if not isinstance(message, m.PrePrepare | m.NewView) or self.random.random() < 0.5:
            return []
        epoch, height = message.epoch, self.host.ledger.height + 1
        sender, out = self.host.sender(message.epoch), []
        for _ in range(FLOOD):
            view = message.view + self.random.choice((0, 1, 2, self.random.randrange(1 << 40)))
            digest = self.random.randbytes(32)
            out.append(
                self.random.choice(
                    (
                        m.Prepare(epoch, view, height + self.random.randrange(3), digest, sender, b""),
                        m.Commit(epoch, view, height + self.random.randrange(3), digest, sender, b""),
                        m.Complain(epoch, view, height - 1, self.random.choice(list(m.Reason)), False, sender, b""),
                        m.Status(epoch, self.random.choice((0, height - 1, 1 << 40)), view, view, False, sender, b""),
                    )
                )
            )
        return [(self.host.sign(item), self.host.some(self.everyone)) for item in out]
