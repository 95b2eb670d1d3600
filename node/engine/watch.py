"""What operators may know of the agreement: fed by the engine with what happens, it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import messages as m
from consensus import types as c
from consensus.certificates import CommitCertificate
from consensus.errors import ConsensusError
from consensus.replica import Replica, ReplicaStatus
from consensus.validators import primary_index
from node.clock import Clock
from node.engine.phases import PhaseClock
from node.engine.validator_watch import Sighting, ValidatorWatch
from node.engine.view_watch import ViewWatch
from node.log import get_logger
from node.metrics import Metrics
from node.types import Address

if TYPE_CHECKING:
    from node.execution.transition import ExecutedBlock

_log = get_logger("engine")

AGREED = "agreed"
SYNCED = "sync"
"""How a block came here: by this node's part in the agreement, or fetched from peers when it was final."""


class Watch:
    """Sightings, phases, view changes, and the one log line of each block."""

    def __init__(self, replica: Replica, me: Address, metrics: Metrics, clock: Clock) -> None:
        self._replica = replica
        self._metrics = metrics
        self._clock = clock
        agreement = metrics.agreement
        status = replica.status()
        self.last_block_us = clock.monotonic_us()
        """Monotonic time of the last block that became final here; of the start before the first."""
        self.validators = ValidatorWatch(me, agreement)
        self.validators.in_force(status.validators)
        self.phases = PhaseClock(agreement, clock.monotonic_us)
        self.views = ViewWatch(agreement, clock.monotonic_us, self._primary, self.complaints)
        self.views.start_at(status.view)

    def sightings(self) -> dict[bytes, Sighting]:
        """Every other validator in force, as it was seen."""
        return self.validators.sightings()

    def complaints(self) -> dict[bytes, tuple[int, str]]:
        """Who else wants a later view, which, and why."""
        seen = self.validators.sightings()
        return {address: found.complaint for address, found in seen.items() if found.complaint is not None}

    def _primary(self, view: int) -> bytes:
        status = self._replica.status()
        return status.validators[primary_index(status.epoch, view, len(status.validators))]

    # --- fed by the engine --------------------------------------------------------------------------------

    def heard(self, peer: Address, message: m.Message) -> None:
        """A verified message came, before it waits for its step."""
        if isinstance(message, m.Repair | m.ForeignEpoch):
            return
        signer = self._replica.schedule.validators(message.epoch)[message.sender]
        self.validators.heard(signer, peer, message, self._clock.monotonic_us())

    def performing(self, effect: c.Effect) -> None:
        """The replica's next effect is carried out."""
        match effect:
            case c.BuildBlock():
                self.phases.began("build", effect.height)
            case c.Broadcast(message=m.PrePrepare() | m.Prepare() as accepted):
                self.validators.accepted(accepted.height, accepted.view, self._clock.monotonic_us())
                self.phases.began("prepare", accepted.height)
            case c.Broadcast(message=m.Commit() as commit):
                self.phases.ended("prepare", commit.height)
                self.phases.began("commit", commit.height)
            case c.Deliver():
                self.phases.ended("commit", effect.height)
                self.phases.began("deliver", effect.height)
            case c.Trace():
                self._traced(effect)

    def _traced(self, effect: c.Trace) -> None:
        values = {name: ("0x" + v.hex() if isinstance(v, bytes) else v) for name, v in effect.values}
        match effect.label:
            case "complain":
                self.views.complained(_int(values, "view"), str(values.get("reason")), echo=bool(values.get("echo")))
            case "view_change":
                self.views.promised(_int(values, "view"))
                self.phases.restart()
            case "view_entered":
                self.views.entered(_int(values, "view"), _int(values, "reproposals"))
                self.validators.view_entered(_int(values, "view"))
                self.phases.restart()
            case "epoch_entered":
                self.views.start_at(0)
                self.validators.in_force(self._replica.status().validators)
        _log.debug(effect.label, **values)

    def stepped(self) -> None:
        """A step is over: what the replica says of itself."""
        status, metrics = self._replica.status(), self._metrics.agreement
        metrics.epoch.set(status.epoch)
        metrics.view.set(status.view)
        metrics.promised_view.set(status.promise)
        metrics.failed_views.set(status.failed_views)

    def committed(self, executed: ExecutedBlock, certificate: bytes, source: str) -> None:
        """A block is on disk: its canonical log line, and whose votes were due."""
        header = executed.block.header
        self.last_block_us = self._clock.monotonic_us()
        self.phases.ended("deliver", header.number)
        status: ReplicaStatus = self._replica.status()
        sealed = _decoded(certificate)
        signers = None
        if source == AGREED and sealed is not None:
            signers = [status.validators[i] for i in sealed.signers() if i < len(status.validators)]
        self.validators.committed(header.number, status.validators, signers)
        log_block(executed, certificate, source, self.phases.finish(header.number))
        self._metrics.blocks.inc()
        self._metrics.transactions.inc(len(executed.block.transactions))


def log_block(executed: ExecutedBlock, certificate: bytes, source: str, phases: dict[str, float]) -> None:
    """The one line of a block at level info."""
    header, sealed = executed.block.header, _decoded(certificate)
    _log.info(
        "block committed",
        height=header.number,
        hash="0x" + header.hash.hex(),
        transactions=len(executed.block.transactions),
        gas=header.gas_used,
        view=sealed.view if sealed is not None else None,
        proposer="0x" + header.coinbase.hex(),
        seals=len(sealed.seals) if sealed is not None else None,
        source=source,
        **phases,
    )


def _decoded(certificate: bytes) -> CommitCertificate | None:
    try:
        return CommitCertificate.decode(certificate)
    except ConsensusError:  # whoever wrote the block has verified it; a log line is no place to fail
        return None


def _int(values: dict[str, object], name: str) -> int:
    found = values.get(name, 0)
    return found if isinstance(found, int) else 0
