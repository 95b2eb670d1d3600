"""Every metric of a node, in Prometheus' text format. No customer's name is ever a label.

| metric | type | labels | meaning |
|---|---|---|---|
| praya_build_info | gauge | version | Version of this node |
| praya_chain_blocks_total | counter |  | Blocks committed by this process |
| praya_chain_head_height | gauge |  | Height of the last final block |
| praya_chain_head_timestamp_seconds | gauge |  | Block time of the last final block |
| praya_chain_transactions_total | counter |  | Transactions in blocks committed by this process |
| praya_evm_execution_seconds | histogram |  | Time to execute a block |
| praya_p2p_bad_frames_total | counter | reason | Frames that no honest node sends |
| praya_p2p_bytes_received_total | counter |  | Bytes of frames of peers |
| praya_p2p_frames_dropped_total | counter | priority | Queued frames given up for more urgent ones |
| praya_p2p_frames_received_total | counter | kind | Frames of peers handed on |
| praya_p2p_frames_sent_total | counter | priority | Frames queued for peers |
| praya_p2p_peers | gauge |  | Connected peers |
| praya_p2p_refused_total | counter | reason | Connections refused or ended, by reason |
| praya_pbft_equivocations_total | counter | offence | Offences proved by two signed messages |
| praya_pbft_messages_refused_total | counter | reason | Consensus messages refused at ingress |
| praya_pbft_view | gauge |  | View of the current epoch |
| praya_pbft_view_changes_total | counter |  | Views entered after a failed one |
| praya_pbft_wal_sync_seconds | histogram |  | Time of a write-ahead log sync |
| praya_rpc_requests_total | counter | method, code | JSON-RPC requests |
| praya_txpool_refused_total | counter | reason | Transactions refused at admission |
| praya_txpool_size | gauge |  | Transactions waiting |
"""

from __future__ import annotations

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


class Metrics:
    """The node's instruments, registered in a registry of their own so that tests may run several nodes."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
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
        self.view = Gauge("praya_pbft_view", "View of the current epoch", registry=registry)
        self.view_changes = Counter(
            "praya_pbft_view_changes_total", "Views entered after a failed one", registry=registry
        )
        self.wal_sync_seconds = Histogram(
            "praya_pbft_wal_sync_seconds",
            "Time of a write-ahead log sync",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.messages_refused = Counter(
            "praya_pbft_messages_refused_total",
            "Consensus messages refused at ingress",
            ["reason"],
            registry=registry,
        )
        self.evidence = Counter(
            "praya_pbft_equivocations_total",
            "Offences proved by two signed messages",
            ["offence"],
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
        return generate_latest(self.registry)


def _p2p_counter(name: str, registry: CollectorRegistry) -> Counter:
    meaning, labels = P2P_COUNTERS[name]
    return Counter(f"praya_p2p_{name}_total", meaning, labels, registry=registry)
