"""What a message is once it is read: fields with components, and the deviations that were found on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from node.errors import DataError

OPTION_LETTERS = "ABD"
"""Letter options of a party, an availability or an amount; other letters (42C, 42M) are fields of their own."""
RAW = "text"
"""Name of the one component of a field that fits no format (lenient mode keeps its text)."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One departure from the standard: ``code`` is SWIFT's error code where there is one (``T50``), else ``E_...``;
    ``tag`` the field (empty: the message), ``rule`` the format or rule that is broken, ``text`` what was found."""

    code: str
    tag: str
    rule: str
    text: str

    def __str__(self) -> str:
        where = f"field {self.tag}" if self.tag else "message"
        return f"{self.code} {where}: {self.text} ({self.rule})"

    def to_json(self) -> dict[str, str]:
        """For a report or a door."""
        return {"code": self.code, "tag": self.tag, "rule": self.rule, "text": self.text}


class SwiftError(DataError):
    """A message that strict mode refuses, or that no mode can read. ``deviations`` names all that was found."""

    def __init__(self, deviations: Sequence[Deviation]) -> None:
        first = deviations[0]
        more = f" (and {len(deviations) - 1} more)" if len(deviations) > 1 else ""
        super().__init__(
            f"{first}{more}",
            field=first.tag or "message",
            code=first.code,
            rule=first.rule,
            deviations=[deviation.to_json() for deviation in deviations],
        )
        self.deviations = tuple(deviations)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: full tag and its components by name. A field that fits no format has the one component ``text``
    and ``fits`` False."""

    tag: str
    components: Mapping[str, str | None]
    fits: bool = True

    def get(self, name: str) -> str | None:
        """A component, or None."""
        return self.components.get(name)


@dataclass(frozen=True, slots=True)
class BasicHeader:
    """Block 1: application (F), service (01), logical terminal (12 characters), session and sequence."""

    application: str
    service: str
    terminal: str
    session: str
    sequence: str


@dataclass(frozen=True, slots=True)
class ApplicationHeader:
    """Block 2. Input (``I``): ``terminal`` is the receiver's. Output (``O``): it is the sender's, out of the message
    input reference; ``rest`` keeps what follows (input: priority and delivery; output: dates, times, priority)."""

    direction: str
    type: str
    terminal: str
    lead: str
    rest: str


@dataclass(frozen=True, slots=True)
class MtMessage:
    """A whole message. ``user_header`` and ``trailer`` are blocks 3 and 5 as (tag, value) pairs; None: absent."""

    type: str
    fields: tuple[Field, ...]
    basic: BasicHeader | None = None
    application: ApplicationHeader | None = None
    user_header: tuple[tuple[str, str], ...] | None = None
    trailer: tuple[tuple[str, str], ...] | None = None

    def find(self, tag: str) -> Field | None:
        """The first field with this tag; ``41a`` finds whichever letter option (A, B or D) stands there."""
        wanted = {tag[:2] + letter for letter in OPTION_LETTERS} if tag.endswith("a") else {tag}
        return next((candidate for candidate in self.fields if candidate.tag in wanted), None)

    def component(self, tag: str, name: str) -> str | None:
        """A component of the first such field, or None."""
        found = self.find(tag)
        return None if found is None else found.get(name)

    @property
    def sender(self) -> str | None:
        """BIC (8 or 11 characters) of the bank that wrote the message."""
        if self.basic is None or self.application is None:
            return None
        own = self.application.direction == "I"
        return _bic_of_terminal(self.basic.terminal if own else self.application.terminal)

    @property
    def receiver(self) -> str | None:
        """BIC of the bank that it is addressed to."""
        if self.basic is None or self.application is None:
            return None
        own = self.application.direction == "I"
        return _bic_of_terminal(self.application.terminal if own else self.basic.terminal)


def _bic_of_terminal(terminal: str) -> str:
    """A logical terminal is BIC8 + terminal letter + branch code."""
    branch = terminal[9:12]
    return terminal[:8] if branch == "XXX" else terminal[:8] + branch


@dataclass(frozen=True, slots=True)
class ParsedMt:
    """The message and, in lenient mode, each deviation by name (empty in strict mode)."""

    message: MtMessage
    deviations: tuple[Deviation, ...] = field(default=())
