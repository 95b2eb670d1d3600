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


@dataclass(frozen=True, slots=True)
class Evidence:
    """``second`` equals ``first`` where one message convicts by itself."""

    offence: str
    first: SignedMessage
    second: SignedMessage


def conflicting(first: SignedMessage, second: SignedMessage) -> Evidence | None:
    """Evidence of equivocation if both are of one kind, signer and place, and differ in what is signed."""
    if type(first) is not type(second):
        return None
    if (first.epoch, first.sender) != (second.epoch, second.sender):
        return None
    match first, second:
        case (PrePrepare() | Prepare() | Commit(), PrePrepare() | Prepare() | Commit()):
            same_place = (first.view, first.height) == (second.view, second.height)
            differs = first.block_hash != second.block_hash
        case (ViewChange() | NewView(), ViewChange() | NewView()):
            same_place = first.view == second.view
            differs = _content(first) != _content(second)
        case _:
            return None
    return Evidence(EQUIVOCATION, first, second) if same_place and differs else None


def _content(message: ViewChange | NewView) -> SignedMessage:
    """The message without its own signature: ECDSA has many signatures for one content."""
    return replace(message, signature=b"")


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
