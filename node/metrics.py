"""Every metric of a node in one table, in Prometheus' text format. No customer's name is ever a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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
        self.pool_size = Gauge("praya_txpool_size", "Transactions waiting", registry=registry)
        self.pool_refused = Counter(
            "praya_txpool_refused_total", "Transactions refused at admission", ["reason"], registry=registry
        )
        self.rpc_requests = Counter(
            "praya_rpc_requests_total", "JSON-RPC requests", ["method", "code"], registry=registry
        )

    def text(self) -> bytes:
        """The whole registry in the text exposition format."""
        return generate_latest(self.registry)
