"""Every metric of a node, in Prometheus' text format. No customer's name is ever a label.

| metric | type | labels | meaning |
|---|---|---|---|
| praya_build_info | gauge | version | Version of this node |
| praya_chain_blocks_total | counter |  | Blocks committed by this process |
| praya_chain_head_height | gauge |  | Height of the last final block |
| praya_chain_head_timestamp_seconds | gauge |  | Block time of the last final block |
| praya_chain_seconds_since_block | gauge |  | Time since the last block became final here, or since the start |
| praya_chain_transactions_total | counter |  | Transactions in blocks committed by this process |
| praya_evm_execution_seconds | histogram |  | Time to execute a block |
| praya_p2p_bad_frames_total | counter | reason | Frames that no honest node sends |
| praya_p2p_bytes_received_total | counter |  | Bytes of frames of peers |
| praya_p2p_frames_dropped_total | counter | priority | Queued frames given up for more urgent ones |
| praya_p2p_frames_received_total | counter | kind | Frames of peers handed on |
| praya_p2p_frames_sent_total | counter | priority | Frames queued for peers |
| praya_p2p_peers | gauge |  | Connected peers |
| praya_p2p_refused_total | counter | reason | Connections refused or ended, by reason |
| praya_pbft_epoch | gauge |  | Epoch of the next block |
| praya_pbft_equivocations_total | counter | offence | Offences proved by two signed messages |
| praya_pbft_failed_views | gauge |  | Views given up since the last block |
| praya_pbft_messages_refused_total | counter | reason | Consensus messages refused at ingress |
| praya_pbft_missed_votes_total | counter | validator | Blocks without a COMMIT of this validator, even late |
| praya_pbft_patience_seconds | gauge |  | How long the present view may take before it is complained of |
| praya_pbft_phase_seconds | histogram | phase | Time of a block's phases: build or validate, prepare, commit, deliver |
| praya_pbft_progressing | gauge |  | 1 while no work is overdue and a quorum is in reach |
| praya_pbft_promised_view | gauge |  | View of the last promise; above the view while a view change is under way |
| praya_pbft_quorum_reachable | gauge |  | 1 where this node and its connected validators make a quorum |
| praya_pbft_reachable_validators | gauge |  | Connected validators, this node included |
| praya_pbft_validator_last_heard_seconds | gauge | validator | Time since a message on its own connection |
| praya_pbft_validator_vote_height | gauge | validator | Highest block that this validator was seen to vote for |
| praya_pbft_view | gauge |  | View of the current epoch |
| praya_pbft_view_changes_total | counter | reason | Views entered after a failed one, by why they were wanted |
| praya_pbft_vote_delay_seconds | histogram | validator, vote | Time from acceptance here to a validator's vote |
| praya_pbft_votes | gauge |  | 1 where this node is a validator that may vote |
| praya_pbft_waiting_seconds | gauge |  | How long the oldest work has waited since the last block |
| praya_pbft_wal_sync_seconds | histogram |  | Time of a write-ahead log sync |
| praya_rpc_requests_total | counter | method, code | JSON-RPC requests |
| praya_sync_lag_blocks | gauge |  | Blocks between the head and the highest one that a sync is after |
| praya_txpool_refused_total | counter | reason | Transactions refused at admission |
| praya_txpool_size | gauge |  | Transactions waiting |
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

P2P_COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "frames_sent": ("Frames queued for peers", ("priority",)),
    "frames_received": ("Frames of peers handed on", ("kind",)),
    "bytes_received": ("Bytes of frames of peers", ()),
    "frames_dropped": ("Queued frames given up for more urgent ones", ("priority",)),
    "bad_frames": ("Frames that no honest node sends", ("reason",)),
    "refused": ("Connections refused or ended, by reason", ("reason",)),
}
"""What the peer network counts: name, meaning, labels."""


class AgreementMetrics:
    """What concerns agreement. The label ``validator`` is an address of the set in force: series of others are dropped
    by :meth:`forget_validator`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"praya_pbft_{name}", meaning, labels, registry=registry)

        def counter(name: str, meaning: str, labels: tuple[str, ...]) -> Counter:
            return Counter(f"praya_pbft_{name}_total", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, labels: tuple[str, ...]) -> Histogram:
            return Histogram(f"praya_pbft_{name}", meaning, labels, buckets=LATENCY_BUCKETS_S, registry=registry)

        self.epoch = gauge("epoch", "Epoch of the next block")
        self.view = gauge("view", "View of the current epoch")
        self.promised_view = gauge(
            "promised_view", "View of the last promise; above the view while a view change is under way"
        )
        self.failed_views = gauge("failed_views", "Views given up since the last block")
        self.patience = gauge("patience_seconds", "How long the present view may take before it is complained of")
        # The reasons: progress, age, join, followed, new_view (node.engine.view_watch).
        self.view_changes = counter(
            "view_changes", "Views entered after a failed one, by why they were wanted", ("reason",)
        )
        self.phase_seconds = histogram(
            "phase_seconds", "Time of a block's phases: build or validate, prepare, commit, deliver", ("phase",)
        )
        self.wal_sync_seconds = histogram("wal_sync_seconds", "Time of a write-ahead log sync", ())
        self.messages_refused = counter("messages_refused", "Consensus messages refused at ingress", ("reason",))
        self.evidence = counter("equivocations", "Offences proved by two signed messages", ("offence",))
        self.votes = gauge("votes", "1 where this node is a validator that may vote")
        self.waiting = gauge("waiting_seconds", "How long the oldest work has waited since the last block")
        self.progressing = gauge("progressing", "1 while no work is overdue and a quorum is in reach")
        self.reachable = gauge("reachable_validators", "Connected validators, this node included")
        self.quorum_reachable = gauge(
            "quorum_reachable", "1 where this node and its connected validators make a quorum"
        )
        self.vote_delay = histogram(
            "vote_delay_seconds",
            "Time from acceptance here to a validator's vote",  # 0 for a vote that came before
            ("validator", "vote"),
        )
        self.missed_votes = counter(
            "missed_votes",
            # A slow bank sends none where it is told of the decision first.
            "Blocks without a COMMIT of this validator, even late",
            ("validator",),
        )
        self.vote_height = gauge(
            "validator_vote_height", "Highest block that this validator was seen to vote for", ("validator",)
        )
        self.last_heard = gauge(
            "validator_last_heard_seconds",
            "Time since a message on its own connection",
            ("validator",),
        )

    def forget_validator(self, validator: str) -> None:
        """Drop the series of one that left the set: labels stay as few as validators are."""
        for instrument in (self.missed_votes, self.vote_height, self.last_heard):
            instrument.remove_by_labels({"validator": validator})
        self.vote_delay.remove_by_labels({"validator": validator})


class Metrics:
    """The node's instruments, registered in a registry of their own so that tests may run several nodes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.agreement = AgreementMetrics(registry)
        self.refreshers: list[Callable[[], None]] = []
        """Called before each answer: they set what is a matter of the moment, like ages."""
        self.build_info = Gauge("praya_build_info", "Version of this node", ["version"], registry=registry)
        self.head_height = Gauge("praya_chain_head_height", "Height of the last final block", registry=registry)
        self.head_timestamp = Gauge(
            "praya_chain_head_timestamp_seconds", "Block time of the last final block", registry=registry
        )
        self.blocks = Counter("praya_chain_blocks_total", "Blocks committed by this process", registry=registry)
        self.transactions = Counter(
            "praya_chain_transactions_total",
            "Transactions in blocks committed by this process",
            registry=registry,
        )
        self.execution_seconds = Histogram(
            "praya_evm_execution_seconds",
            "Time to execute a block",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.seconds_since_block = Gauge(
            "praya_chain_seconds_since_block",
            "Time since the last block became final here, or since the start",
            registry=registry,
        )
        self.sync_lag = Gauge(
            "praya_sync_lag_blocks",
            "Blocks between the head and the highest one that a sync is after",
            registry=registry,
        )
        self.peers = Gauge("praya_p2p_peers", "Connected peers", registry=registry)
        self.p2p_counters = {name: _p2p_counter(name, registry) for name in P2P_COUNTERS}
        self.pool_size = Gauge("praya_txpool_size", "Transactions waiting", registry=registry)
        self.pool_refused = Counter(
            "praya_txpool_refused_total", "Transactions refused at admission", ["reason"], registry=registry
        )
        self.rpc_requests = Counter(
            "praya_rpc_requests_total", "JSON-RPC requests", ["method", "code"], registry=registry
        )

    def count_p2p(self, name: str, amount: float, labels: dict[str, str]) -> None:
        """What the peer network reports of itself; a name that is not in the table is a fault of ours."""
        if name == "peers":
            self.peers.set(amount)
            return
        counter = self.p2p_counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def text(self) -> bytes:
        """The whole registry in the text exposition format."""
        for refresh in self.refreshers:
            refresh()
        return generate_latest(self.registry)


def _p2p_counter(name: str, registry: CollectorRegistry) -> Counter:
    meaning, labels = P2P_COUNTERS[name]
    return Counter(f"praya_p2p_{name}_total", meaning, labels, registry=registry)
