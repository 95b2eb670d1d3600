"""The mail between the banks of a stage, which the script delivers or loses, and the transcript."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

from consensus import codec, ingress
from consensus.errors import InvalidMessage
from consensus.messages import Message
from consensus.types import Address, Received
from tests.consensus.network import GENESIS_HASH, Network, NullSigner, address, decode_header
from tests.scenarios.actor import Actor
from tests.scenarios.wording import Names, describe, kind_of

QUIET = frozenset({"STATUS", "REPAIR"})
"""Repeated by every bank all the time: shown where the script delivers them."""
TURNING = frozenset({"COMPLAIN", "VIEW-CHANGE", "NEW-VIEW"})
"""Shown also where the stage runs freely."""
ROUNDS = 500
"""Rounds of delivery after which a stage should have come to rest."""


class ScriptError(AssertionError):
    """The script expects a message or timer that is not there."""


@dataclass(frozen=True)
class Mail:
    """One message under way to one bank."""

    at_us: int
    sender: int
    to: int
    message: Message
    raw: bytes


class PostOffice(Network):
    """``n`` banks (and twins of some), the mail between them, and the transcript of all that is said."""

    def __init__(
        self,
        n: int,
        title: str,
        *,
        twins: tuple[int, ...] = (),
        sets: Callable[[int], tuple[Address, ...]] | None = None,
        **config: object,
    ) -> None:
        actors = [*range(n), *twins]
        addresses = [address(i) for i in actors]
        members = tuple(address(i) for i in range(n))
        self.names = Names()
        self.names.block(0, GENESIS_HASH)
        self.lines: list[str] = []
        self.mail: list[Mail] = []
        self.history: list[tuple[str, int, object]] = []
        """("send", bank, message), ("persist", bank, lsn), ("commit", ...): everything, for the checks at the end."""
        self.faulty: set[int] = set()
        """Banks whose keys the script has used: nothing is asked of them."""
        self.convicted: set[tuple[int, str]] = set()
        self._errands: deque[Callable[[], None]] = deque()
        self._groups: tuple[frozenset[int], ...] = ()
        self._level = 2
        super().__init__(
            n,
            sets=sets or (lambda height: members),
            signer=lambda i: NullSigner(addresses[i]),
            addresses=addresses,
            **config,
        )
        self.title = title
        self.nodes = [Actor(self, i) for i in range(len(actors))]

    # --- transcript -----------------------------------------------------------------------------------

    def line(self, who: Iterable[int], verb: str, what: str, *, level: int = 2) -> None:
        """One event; ``level`` 1 is shown even where the stage runs freely."""
        if level <= self._level:
            names = " ".join(self.actor_name(i) for i in who)
            self.lines.append(f"{names:<9} {verb:<8} {what}".rstrip())

    def actor_name(self, index: int) -> str:
        """A bank's number; its twin's has a dash."""
        first = self.addresses.index(self.addresses[index])
        return str(index) if first == index else f"{first}'"

    def note(self, text: str) -> None:
        """A sentence of the script between the events."""
        self.lines.append(f"-- {text}")

    @contextmanager
    def in_short(self, text: str, level: int = 0) -> Iterator[None]:
        """Whatever happens inside is one sentence of the transcript (``level`` 1: and its turning points)."""
        self.note(text)
        before, self._level = self._level, level
        try:
            yield
        finally:
            self._level = before

    def transcript(self) -> str:
        return "\n".join(self.lines) + "\n"

    def said(self, sender: int, message: Message, verb: str) -> None:
        """An honest bank has sent something."""
        kind = kind_of(message)
        self.history.append(("send", sender, message))
        if kind in QUIET:
            return
        self.line([sender], verb, describe(message, self.names), level=1 if kind in TURNING else 2)

    # --- post office ----------------------------------------------------------------------------------

    def push(self, at: int, action: Callable[[], None]) -> None:
        """What the host does by itself (fetch, sync, looking at its pool): at the end of the script's next act."""
        self._errands.append(action)

    def post(self, sender: int, to: int, message: Message) -> None:
        raw = codec.encode_message(message)  # type: ignore[arg-type]
        for i, who in enumerate(self.addresses):
            if who == self.addresses[to] and self.connected(sender, i) and not self.drop(sender, i, message):
                self.mail.append(Mail(self.now_us + self.delay_us, sender, i, message, raw))

    def connected(self, a: int, b: int) -> bool:
        """Whether a partition, if there is one, leaves both on one side."""
        if not super().connected(a, b):
            return False
        return not self._groups or any(a in group and b in group for group in self._groups)

    def partition(self, *groups: Iterable[int]) -> None:
        """From now on mail passes inside each group only; mail under way is lost."""
        self._groups = tuple(frozenset(group) for group in groups)
        self.mail = [mail for mail in self.mail if self.connected(mail.sender, mail.to)]
        self.note("links: " + " | ".join(" ".join(self.actor_name(i) for i in sorted(g)) for g in self._groups))

    def heal(self) -> None:
        """All links work again; what was lost stays lost."""
        self._groups = ()
        self.note("links: all")

    def _pick(
        self, kind: str | None, frm: int | Iterable[int] | None, to: int | Iterable[int] | None, view: int | None
    ) -> list[Mail]:
        senders = None if frm is None else {frm} if isinstance(frm, int) else set(frm)
        receivers = None if to is None else {to} if isinstance(to, int) else set(to)
        found = [
            mail
            for mail in self.mail
            if (kind is None or kind_of(mail.message) == kind)
            and (senders is None or mail.sender in senders)
            and (receivers is None or mail.to in receivers)
            and (view is None or getattr(mail.message, "view", None) == view)
        ]
        if not found:
            raise ScriptError(f"no mail: {kind} from {frm} to {to} in view {view}")
        self.mail = [mail for mail in self.mail if not any(mail is picked for picked in found)]
        return found

    def deliver(
        self,
        kind: str | None = None,
        *,
        frm: int | Iterable[int] | None = None,
        to: int | Iterable[int] | None = None,
        view: int | None = None,
    ) -> None:
        """Let the mail under way that fits arrive, in the order in which it was sent; ScriptError if none does."""
        found = self._pick(kind, frm, to, view)
        for (sender, _), group in groupby(found, key=lambda mail: (mail.sender, id(mail.message))):
            batch = list(group)
            self.line(
                [mail.to for mail in batch],
                "hear",
                f"{describe(batch[0].message, self.names)} from {self.actor_name(sender)}",
            )
            for mail in batch:
                self.receive(mail.sender, mail.to, mail.raw)
            self._run_errands()

    def lose(
        self,
        kind: str | None = None,
        *,
        frm: int | Iterable[int] | None = None,
        to: int | Iterable[int] | None = None,
        view: int | None = None,
    ) -> None:
        """Lose the mail under way that fits; ScriptError if none does."""
        for (sender, _), group in groupby(
            self._pick(kind, frm, to, view), key=lambda mail: (mail.sender, id(mail.message))
        ):
            batch = list(group)
            if kind_of(batch[0].message) not in QUIET:
                receivers = " ".join(self.actor_name(mail.to) for mail in batch)
                self.line([sender], "loses", f"{describe(batch[0].message, self.names)} to {receivers}")

    def lose_all(self) -> None:
        """Everything under way is lost, without a word."""
        self.mail.clear()

    def lose_all_but(self, *kinds: str) -> None:
        """Everything under way of other kinds is lost, without a word."""
        self.mail = [mail for mail in self.mail if kind_of(mail.message) in kinds]

    def settle(self) -> None:
        """Let all mail arrive until nobody says anything more; no timer fires."""
        for _ in range(ROUNDS):
            self._run_errands()
            if not self.mail:
                return
            self.deliver()
        raise ScriptError("the banks do not stop talking")

    def inject(self, message: Message, *, frm: int, to: Iterable[int]) -> None:
        """Say something with the key of ``frm`` that its replica would not say, or not here."""
        self.faulty.add(frm)
        self.history.append(("forge", frm, message))
        receivers = list(to)
        self.line(receivers, "hear", f"{describe(message, self.names)} from {self.actor_name(frm)}, who is false")
        for i in receivers:
            self.receive(frm, i, codec.encode_message(message))  # type: ignore[arg-type]
        self._run_errands()

    def receive(self, sender: int, to: int, raw: bytes) -> None:
        node = self.nodes[to]
        if not node.alive:
            return
        peer = self.addresses[sender]
        try:
            message = ingress.verify(raw, peer, node.replica.schedule, node.cache, decode_header)
        except InvalidMessage as error:
            self.rejected.append(str(error))
            self.line([to], "refuses", "it")
            return
        node.step(Received(peer, message))

    def _run_errands(self) -> None:
        for _ in range(ROUNDS):
            if not self._errands:
                return
            self._errands.popleft()()
        raise ScriptError("the hosts' errands do not end")
