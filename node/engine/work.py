"""What there is to do (P-15), as the replica is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from consensus.types import WorkChanged
from contracts.addresses import CONSORTIUM
from node.execution.ledger import Ledger
from node.execution.transition import ExecutedBlock
from node.txpool import TransactionPool
from node.types import Address

CHECK_S = 0.05
"""How long a change of waiting work may go unreported while there is some."""


@dataclass(frozen=True, slots=True)
class SetChange:
    """A validator set that is due at an epoch's edge (P-12)."""

    height: int
    validators: tuple[Address, ...]


class WorkReporter:
    """Tells ``say`` whenever the answer to "is there work?" changes (duty 12)."""

    def __init__(self, ledger: Ledger, pool: TransactionPool, say: Callable[[WorkChanged], None]) -> None:
        self._ledger = ledger
        self._pool = pool
        self._say = say
        self._said = WorkChanged(False, None, False)
        self._check: asyncio.TimerHandle | None = None
        self.set_change = self._look_for_set_change()
        """The next set other than the present one, as the head's state has it; None where there is none."""

    @property
    def said(self) -> WorkChanged:
        """What was said last."""
        return self._said

    def pool_changed(self) -> None:
        """A transaction came or went. First work is said at once; while there is some, the pool is asked what is oldest
        once in a while, not for each of a flood."""
        if not self._said.pending:
            self.report()
        elif self._check is None:
            self._check = asyncio.get_running_loop().call_later(CHECK_S, self.report)

    def committed(self, executed: ExecutedBlock) -> None:
        """After each block."""
        if self.set_change is not None or Address(CONSORTIUM) in executed.state_update.write_set.storage:
            self.set_change = self._look_for_set_change()
        self.report()

    def report(self) -> None:
        """Say what there is, unless it was said before."""
        self.close()
        before = self._said
        if self.found(pending=self._pool.pending()) != before:
            self._say(self._said)

    def found(self, *, pending: bool) -> WorkChanged:
        """The answer where ``pending`` says whether the builder can place a transaction."""
        self._said = WorkChanged(pending, self._pool.oldest_us if pending else None, self.set_change is not None)
        return self._said

    def none_left(self) -> None:
        """The builder found nothing beyond the blocks in flight: the next transaction is said at once, as if first."""
        self._said = WorkChanged(False, None, self._said.empty_due)

    def close(self) -> None:
        """Forget the check to come."""
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _look_for_set_change(self) -> SetChange | None:
        ledger = self._ledger
        length, height = ledger.parameters.epoch_length, ledger.head.number
        state = ledger.state.head()
        first = (height // length + 1) * length
        last = -(-(height + ledger.parameters.activation_delay) // length) * length  # P-12: beyond it is a forecast
        for edge in range(first, last + 1, length):
            found = tuple(ledger.rules.permissions.validators_at(state, edge))
            if found != tuple(ledger.next_validators):
                return SetChange(edge, found)
        return None
