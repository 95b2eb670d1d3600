"""How a transcript words messages: who, what, view, height, block. Blocks are called 2a, 2b, ... by height and order of
appearance, so that a transcript stays the same when an encoding changes and nothing else does."""

from __future__ import annotations

from string import ascii_lowercase

from consensus import messages as m
from consensus.types import Digest


class Names:
    """Short names of blocks, given in order of appearance."""

    def __init__(self) -> None:
        self._names: dict[Digest, str] = {}
        self._count: dict[int, int] = {}

    def block(self, height: int, block_hash: Digest) -> str:
        """The name of a block; a new one on first sight."""
        if block_hash not in self._names:
            number = self._count.get(height, 0)
            self._count[height] = number + 1
            self._names[block_hash] = f"{height}{ascii_lowercase[number]}"
        return self._names[block_hash]

    def hash_of(self, name: str) -> Digest:
        """The block that is called ``name``."""
        return next(block_hash for block_hash, known in self._names.items() if known == name)


def view_name(epoch: int, view: int) -> str:
    """``v2`` in epoch 0, ``e1v2`` in epoch 1."""
    return f"e{epoch}v{view}" if epoch else f"v{view}"


def number(value: int) -> str:
    """Huge numbers as powers of two, since they are."""
    return f"2^{value.bit_length() - 1}" if value >= 1 << 32 and value.bit_count() == 1 else str(value)


def describe(message: m.Message, names: Names) -> str:
    """One message in a few words; what is not agreed upon (signatures, certificates' bytes) is left out."""
    match message:
        case m.PrePrepare() | m.Prepare() | m.Commit():
            kind = {m.PrePrepare: "PRE-PREPARE", m.Prepare: "PREPARE", m.Commit: "COMMIT"}[type(message)]
            return f"{kind} {view_name(message.epoch, message.view)} {names.block(message.height, message.block_hash)}"
        case m.Complain():
            echo = ", echo" if message.echo else ""
            view = f"e{message.epoch}v" if message.epoch else "v"
            return f"COMPLAIN {view}{number(message.view)} ({message.reason.name.lower()}{echo})"
        case m.ViewChange():
            prepared = [
                f"{names.block(c.height, c.block_hash)} prepared in {view_name(c.epoch, c.view)}"
                for c in message.prepared
            ]
            view = f"e{message.epoch}v" if message.epoch else "v"
            report = "; ".join(prepared) or "nothing prepared"
            return f"VIEW-CHANGE {view}{number(message.view)} above {message.base_height}: {report}"
        case m.NewView():
            promised = " ".join(str(c.sender) for c in message.view_changes)
            again = ", ".join(names.block(r.height, r.block_hash) for r in message.reproposals) or "nothing"
            return f"NEW-VIEW {view_name(message.epoch, message.view)} by {promised}: re-proposes {again}"
        case m.Status():
            view = view_name(message.epoch, message.view)
            late = f", promised {number(message.promise)}" if message.promise > message.view else ""
            return f"STATUS at {message.committed} in {view}{late}"
        case m.Repair():
            found = [
                f"{names.block(c.height, c.block_hash)} in {view_name(c.epoch, c.view)}" for c in message.certificates
            ]
            return f"REPAIR {', '.join(found)}"
        case m.ForeignEpoch():
            return f"something of epoch {message.epoch}"


def kind_of(message: m.Message) -> str:
    """The message's name on the wire."""
    return {
        m.PrePrepare: "PRE-PREPARE",
        m.Prepare: "PREPARE",
        m.Commit: "COMMIT",
        m.Complain: "COMPLAIN",
        m.ViewChange: "VIEW-CHANGE",
        m.NewView: "NEW-VIEW",
        m.Status: "STATUS",
        m.Repair: "REPAIR",
    }.get(type(message), "FOREIGN")
