"""Why views change: one line in the log and one count for each view that failed or was entered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from consensus.types import Address
from node.log import get_logger
from node.metrics import AgreementMetrics

JOIN = "join"
"""Others complained, this node joined them."""
FOLLOWED = "followed"
"""The new view's primary proved that others had promised it; this node had not."""
NEW_VIEW = "new_view"
"""The view promised before did not start in time."""

_log = get_logger("engine")


@dataclass(frozen=True, slots=True)
class _Change:
    """A view change under way here."""

    view: int
    reason: str
    complained: tuple[str, ...]
    began_us: int


class ViewWatch:
    """Fed with the replica's traces. ``primary`` gives the address that leads a view of the present epoch;
    ``complaints`` who else wants to leave the view."""

    def __init__(
        self,
        metrics: AgreementMetrics,
        now_us: Callable[[], int],
        primary: Callable[[int], Address],
        complaints: Callable[[], Mapping[Address, tuple[int, str]]],
    ) -> None:
        self._metrics = metrics
        self._now_us = now_us
        self._primary = primary
        self._complaints = complaints
        self._view = 0
        self._own: tuple[int, str] | None = None
        self._change: _Change | None = None

    @property
    def changing_since_us(self) -> int | None:
        """Since when a view change is under way; None where there is none."""
        return None if self._change is None else self._change.began_us

    def start_at(self, view: int) -> None:
        """Where a restarted replica, or one at an epoch's edge, stands."""
        self._view, self._own, self._change = view, None, None

    def complained(self, view: int, reason: str, *, echo: bool) -> None:
        """This node complained of its view, or echoed others' complaints."""
        waits = self._change is not None
        self._own = (view, JOIN if echo else NEW_VIEW if waits and reason == "progress" else reason)

    def promised(self, view: int) -> None:
        """This node promised ``view``: a change begins, and one that was under way has failed."""
        self._failed()
        own = self._own
        reason = own[1] if own is not None and own[0] >= view else JOIN
        self._change = _Change(view, reason, self._complainants(), self._now_us())
        self._own = None

    def entered(self, view: int, reproposals: int) -> None:
        """The view has started."""
        now_us, change = self._now_us(), self._change
        if change is not None and change.view != view:
            self._failed()
            change = None
        reason = change.reason if change is not None else FOLLOWED
        self._metrics.view_changes.labels(reason).inc()
        _log.info(
            "view changed",
            from_view=self._view,
            to_view=view,
            reason=reason,
            complained=list(change.complained if change is not None else self._complainants()),
            primary_before=_shown(self._primary(self._view)),
            primary=_shown(self._primary(view)),
            reproposals=reproposals,
            took_ms=round((now_us - change.began_us) / 1_000, 1) if change is not None else None,
        )
        self._view, self._own, self._change = view, None, None

    def _failed(self) -> None:
        if self._change is None:
            return
        change, self._change = self._change, None
        fields: dict[str, Any] = {"took_ms": round((self._now_us() - change.began_us) / 1_000, 1)}
        _log.info(
            "view failed",
            from_view=self._view,
            to_view=change.view,
            reason=change.reason,
            complained=list(change.complained),
            primary_before=_shown(self._primary(self._view)),
            primary=_shown(self._primary(change.view)),
            **fields,
        )

    def _complainants(self) -> tuple[str, ...]:
        return tuple(_shown(who) for who, (view, _) in sorted(self._complaints().items()) if view > self._view)


def _shown(address: Address) -> str:
    return "0x" + address.hex()
