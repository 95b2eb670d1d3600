"""Two signed messages that no honest replica makes together. Reported to operators and governance, never acted on
here; a replica that restarts, or is restored, never convicts itself (its votes come from its WAL)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from consensus.messages import Commit, NewView, Prepare, PrePrepare, SignedMessage, ViewChange

EQUIVOCATION = "equivocation"
"""Two different votes, view changes or new views for one place."""
AMNESIA = "amnesia"
"""A COMMIT, then a VIEW-CHANGE that does not report the prepared block."""
WRONG_NEW_VIEW = "wrong_new_view"
"""A NEW-VIEW whose re-proposals do not follow from its view changes; it convicts by itself."""

BoundMessage = PrePrepare | Prepare | Commit | ViewChange | NewView
"""Messages of which an honest replica sends one for each place."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``second`` equals ``first`` where one message convicts by itself."""

    offence: str
    first: SignedMessage
    second: SignedMessage


def conflicting(first: BoundMessage, second: BoundMessage) -> Evidence | None:
    """Evidence of equivocation if both are of one kind, signer and place, and differ in what is signed."""
    if type(first) is not type(second):
        return None
    if (first.epoch, first.sender, first.view) != (second.epoch, second.sender, second.view):
        return None
    (height, said), (other_height, other) = _claim(first), _claim(second)
    return Evidence(EQUIVOCATION, first, second) if height == other_height and said != other else None


def _claim(message: BoundMessage) -> tuple[int | None, object]:
    """The height of a vote (None for a whole view), and what is said there: never the signature, since ECDSA has many
    for one content."""
    if isinstance(message, ViewChange | NewView):
        return None, replace(message, signature=b"")
    return message.height, message.block_hash


def amnesia(commit: Commit, view_change: ViewChange) -> Evidence | None:
    """Evidence if the sender committed in a view below the one it changes to, and does not report what it must."""
    if (commit.epoch, commit.sender) != (view_change.epoch, view_change.sender):
        return None
    if commit.view >= view_change.view or view_change.base_height >= commit.height:
        return None
    if any(c.height == commit.height and c.view >= commit.view for c in view_change.prepared):
        return None
    return Evidence(AMNESIA, commit, view_change)


def wrong_new_view(message: NewView) -> Evidence:
    """Evidence that a properly signed NEW-VIEW with valid view changes re-proposes the wrong blocks."""
    return Evidence(WRONG_NEW_VIEW, message, message)
