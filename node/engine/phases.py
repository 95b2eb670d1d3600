"""How long each phase of a block takes here, from its building or execution to its batch on disk."""

from __future__ import annotations

from collections.abc import Callable

from node.metrics import AgreementMetrics

HEIGHTS_MAX = 16
"""Heights whose phases are kept: more than any window; the lowest goes first."""


class PhaseClock:
    """One stopwatch for each phase of each height that is under way.

    build (the primary's) or validate, prepare (accepted to prepared), commit (own COMMIT to decided), deliver (decided
    to on disk). A height that begins again in another view is measured anew.
    """

    def __init__(self, metrics: AgreementMetrics, now_us: Callable[[], int]) -> None:
        self._metrics = metrics
        self._now_us = now_us
        self._began: dict[tuple[int, str], int] = {}
        self._took_us: dict[int, dict[str, int]] = {}

    def began(self, phase: str, height: int) -> None:
        """A phase starts now; one that runs already goes on (messages are repeated)."""
        self._began.setdefault((height, phase), self._now_us())
        while len({kept for kept, _ in self._began}) > HEIGHTS_MAX:
            self._forget(min(kept for kept, _ in self._began))

    def ended(self, phase: str, height: int) -> None:
        """A phase is over; the first time counts, and without a beginning there is nothing to measure."""
        began_us = self._began.pop((height, phase), None)
        took = self._took_us.setdefault(height, {})
        if began_us is None or phase in took:
            return
        took[phase] = self._now_us() - began_us
        self._metrics.phase_seconds.labels(phase).observe(took[phase] / 1_000_000)

    def restart(self) -> None:
        """Another view: what was under way begins anew."""
        self._began.clear()
        self._took_us.clear()

    def finish(self, height: int) -> dict[str, float]:
        """The block is on disk: the milliseconds of its phases, by the name that its log line gives them."""
        took = self._took_us.pop(height, {})
        for below in [kept for kept in (*self._took_us, *(h for h, _ in self._began)) if kept <= height]:
            self._forget(below)
        return {f"{phase}_ms": round(us / 1_000, 1) for phase, us in took.items()}

    def _forget(self, height: int) -> None:
        self._took_us.pop(height, None)
        for key in [key for key in self._began if key[0] == height]:
            del self._began[key]
