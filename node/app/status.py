"""What the node says of itself, in one place for every door."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from consensus.validators import primary_index, quorum_size
from node import permissioning
from node.app.diagnosis import AgreementFacts, BankFacts, Facts, diagnose
from node.engine.engine import Engine
from node.engine.validator_watch import Sighting
from node.p2p import PeerInfo
from node.rpc import SyncProgress
from node.rpc.views import snapshot_view
from node.types import Address, to_hex
from node.web.health import HealthReport

if TYPE_CHECKING:
    from node.app.node import Node

OVERDUE_PATIENCES = 5
"""Work that waits for so many times T0 without a block: not progressing. A dead primary costs less."""
OVERDUE_MIN_S = 10.0
SILENT_STATUSES = 5
"""A validator that was not heard for so many status intervals is silent, connected or not."""
SILENT_MIN_S = 5.0


class StatusOfNode:
    """Facts and their diagnosis for JSON-RPC, health and metrics; answers at once, whatever the agreement does."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._started_us = node.clock.monotonic_us()
        self.last_block_us = self._started_us
        """Of the machine's monotonic clock; of the start before the first block of this process."""
        node.metrics.refreshers.append(self._refresh_metrics)

    def client_version(self) -> str:
        """As web3_clientVersion shows it."""
        return f"praya/{version('praya')}/{platform.system().lower()}/python{platform.python_version()}"

    def peer_count(self) -> int:
        """Connected peers."""
        return len(self._node.network.connected())

    def syncing(self) -> SyncProgress | None:
        """Progress while the node is behind."""
        sync = self._node.syncer.status()
        if not sync.syncing or sync.target <= sync.height:
            return None
        return SyncProgress(sync.height - sync.imported, sync.height, sync.target)

    def block_committed(self) -> None:
        """A block became final here."""
        self.last_block_us = self._node.clock.monotonic_us()

    def report(self) -> HealthReport:
        """What ``/readyz`` answers."""
        return diagnose(self.facts())

    # --- facts ------------------------------------------------------------------------------------------

    def facts(self) -> Facts:
        """Where everything stands at this moment."""
        node = self._node
        banks = self._banks()
        sync = node.syncer.status()
        oldest_us = node.pool.oldest_us
        return Facts(
            height=node.ledger.head.number,
            block_age_s=self._age_s(self.last_block_us),
            pending=len(node.pool),
            oldest_s=None if oldest_us is None else self._age_s(oldest_us),
            waiting_s=self._waiting_s(oldest_us),
            overdue_after_s=max(OVERDUE_MIN_S, OVERDUE_PATIENCES * node.ledger.parameters.timeout_ms / 1_000),
            syncing=sync.syncing,
            target=max(sync.target, sync.height),
            quorum=quorum_size(len(banks)),
            banks=banks,
            agreement=self._agreement(node.engine, banks) if node.engine is not None else None,
        )

    def _age_s(self, since_us: int) -> float:
        return max(0, self._node.clock.monotonic_us() - since_us) / 1_000_000

    def _waiting_s(self, oldest_us: int | None) -> float:
        """How long the longest-waiting work has waited since the last block, whatever kind it is (P-15)."""
        node = self._node
        work = node.engine.work.said if node.engine is not None else None
        kinds: list[int] = []
        if oldest_us is not None and (work is None or work.pending):
            kinds.append(oldest_us)
        if node.ledger.head.number == 0 or (work is not None and work.empty_due):
            kinds.append(self.last_block_us)
        kinds.append(self.last_block_us + node.ledger.parameters.heartbeat_s * 1_000_000)  # P-16
        return max(self._age_s(max(since_us, self.last_block_us)) for since_us in kinds)

    def _banks(self) -> tuple[BankFacts, ...]:
        node = self._node
        connected = node.network.connected()
        seen = node.engine.watch.sightings() if node.engine is not None else {}
        return tuple(
            self._bank(address, connected.get(address), seen.get(address)) for address in node.ledger.next_validators
        )

    def _bank(self, address: Address, peer: PeerInfo | None, seen: Sighting | None) -> BankFacts:
        node = self._node
        heard_us = seen.heard_us if seen is not None else None
        me = address == node.keys.transport.address
        silent_s = self._age_s(heard_us if heard_us is not None else self._started_us)
        bound_s = max(SILENT_MIN_S, SILENT_STATUSES * node.ledger.parameters.status_interval_ms / 1_000)
        # An observer hears no votes: to it whoever is connected is reachable. So is a connection that is still young.
        quiet_s = min(silent_s, self._age_s(peer.connected_since_us)) if peer is not None else silent_s
        complaint = seen.complaint if seen is not None else None
        return BankFacts(
            address=to_hex(address),
            name=self._name(address),
            me=me,
            connected=peer is not None,
            silent_s=0.0 if me else silent_s,
            heard=me or heard_us is not None,
            reachable=me or (peer is not None and (seen is None or quiet_s <= bound_s)),
            vote_height=seen.vote_height if seen is not None else 0,
            committed=seen.committed if seen is not None and heard_us is not None else None,
            missed_votes=seen.missed_votes if seen is not None else 0,
            wants_view=complaint[0] if complaint is not None else None,
            reason=complaint[1] if complaint is not None else None,
        )

    def _name(self, address: Address) -> str:
        """The bank's name by the chain's own record."""
        member = permissioning.member_by_validator(self._node.ledger.state.head(), address)
        return member.name if member is not None else to_hex(address)

    def _agreement(self, engine: Engine, banks: tuple[BankFacts, ...]) -> AgreementFacts:
        status, parameters = engine.status(), self._node.ledger.parameters
        leader = status.validators[primary_index(status.epoch, status.promise, len(status.validators))]
        patience_ms = parameters.timeout_ms
        for _ in range(status.failed_views):  # T = min(T0 * 2^k, Tmax) (P-14)
            patience_ms = min(2 * patience_ms, parameters.timeout_max_ms)
            if patience_ms == parameters.timeout_max_ms:
                break
        since_us = engine.watch.views.changing_since_us
        changing = status.promise > status.view and since_us is not None
        return AgreementFacts(
            epoch=status.epoch,
            view=status.view,
            promise=status.promise,
            primary=next((b.name for b in banks if b.address == to_hex(leader)), to_hex(leader)),
            is_validator=status.is_validator,
            may_vote=status.may_vote,
            refuse_to_vote=status.refuse_to_vote or status.halted,
            failed_views=status.failed_views,
            patience_s=patience_ms / 1_000,
            complaining=status.complaining,
            changing_s=self._age_s(since_us) if changing and since_us is not None else None,
            wal=engine.wal_status(),
            step_s=engine.step_runs_us() / 1_000_000,
        )

    # --- for the doors ------------------------------------------------------------------------------------

    def pbft_status(self) -> Mapping[str, Any]:
        """Everything above as JSON values, diagnosis first."""
        node, facts = self._node, self.facts()
        report, sync = diagnose(facts), node.syncer.status()
        length = node.ledger.parameters.epoch_length
        answer: dict[str, Any] = {
            "diagnosis": report.reason,
            "live": True,
            "ready": report.ready,
            "progressing": report.progressing,
            "checks": [asdict(check) for check in report.checks],
            "name": node.config.node.name,
            "role": node.config.node.role,
            "height": hex(facts.height),
            "blockHash": to_hex(node.ledger.head_hash),
            "validators": [bank.address for bank in facts.banks],
            "reachable": [bank.address for bank in facts.banks if bank.reachable],
            "quorum": facts.quorum,
            "quorumReachable": facts.reachable >= facts.quorum,
            "secondsSinceBlock": round(facts.block_age_s, 1),
            "pendingTransactions": facts.pending,
            "snapshot": snapshot_view(node.ledger.snapshot),
            "oldestPendingSeconds": None if facts.oldest_s is None else round(facts.oldest_s, 1),
            "waitingSeconds": round(facts.waiting_s, 1),
            "overdueAfterSeconds": facts.overdue_after_s,
            "nextEpochEdge": (facts.height // length + 1) * length,
            "setChange": self._set_change(),
            "sync": {"syncing": sync.syncing, "target": facts.target, "convictedPeers": len(sync.convicted)},
            "banks": [_bank_view(bank) for bank in facts.banks],
        }
        if node.engine is not None and facts.agreement is not None:
            answer |= _agreement_view(facts.agreement) | {"primary": to_hex(node.engine.status().primary)}
        return answer

    def _set_change(self) -> dict[str, Any] | None:
        change = self._node.engine.work.set_change if self._node.engine is not None else None
        if change is None:
            return None
        return {"height": change.height, "validators": [to_hex(address) for address in change.validators]}

    def _refresh_metrics(self) -> None:
        facts, metrics = self.facts(), self._node.metrics
        report, agreement = diagnose(facts), metrics.agreement
        metrics.seconds_since_block.set(facts.block_age_s)
        metrics.sync_lag.set(facts.target - facts.height)
        metrics.pool_size.set(facts.pending)
        agreement.reachable.set(facts.reachable)
        agreement.quorum_reachable.set(facts.reachable >= facts.quorum)
        agreement.waiting.set(facts.waiting_s)
        agreement.progressing.set(report.progressing)
        if facts.agreement is None:
            return
        agreement.patience.set(facts.agreement.patience_s)
        agreement.votes.set(facts.agreement.is_validator and not facts.agreement.refuse_to_vote)
        for bank in facts.banks:
            if not bank.me:
                agreement.last_heard.labels(bank.address).set(bank.silent_s)


def _bank_view(bank: BankFacts) -> dict[str, Any]:
    return {
        "address": bank.address,
        "name": bank.name,
        "me": bank.me,
        "connected": bank.connected,
        "reachable": bank.reachable,
        "lastHeardSeconds": round(bank.silent_s, 1) if bank.heard else None,
        "lastVoteHeight": bank.vote_height,
        "committed": bank.committed,
        "missedVotes": bank.missed_votes,
        "wantsView": bank.wants_view,
        "reason": bank.reason,
    }


def _agreement_view(agreement: AgreementFacts) -> dict[str, Any]:
    return {
        "epoch": agreement.epoch,
        "view": agreement.view,
        "promise": agreement.promise,
        "phase": "normal" if agreement.promise == agreement.view else "view change",
        "viewChangeSeconds": None if agreement.changing_s is None else round(agreement.changing_s, 1),
        "primaryName": agreement.primary,
        "isValidator": agreement.is_validator,
        "mayVote": agreement.may_vote,
        "refuseToVote": agreement.refuse_to_vote or None,
        "failedViews": agreement.failed_views,
        "patienceSeconds": agreement.patience_s,
        "complaining": agreement.complaining,
        "wal": asdict(agreement.wal),
        "stepSeconds": round(agreement.step_s, 3),
    }
