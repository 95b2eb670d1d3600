"""The node's metrics and the table that describes them."""

from __future__ import annotations

import node.metrics
from node.metrics import P2P_COUNTERS, Metrics


def test_every_metric_stands_in_the_table() -> None:
    """The module's table has one row for each metric: its name, its type and its meaning."""
    rows = [line.split(" | ") for line in (node.metrics.__doc__ or "").splitlines() if line.startswith("| praya_")]
    described = {(row[0].removeprefix("| "), row[1], row[3].removesuffix(" |")) for row in rows}
    found = {
        (metric.name + ("_total" if metric.type == "counter" else ""), metric.type, metric.documentation)
        for metric in Metrics().registry.collect()
    }
    assert described == found


def test_what_the_peer_network_reports_is_counted() -> None:
    """Each name that the peer network uses has its counter, with its labels."""
    metrics = Metrics()
    for name, (_, labels) in P2P_COUNTERS.items():
        metrics.count_p2p(name, 2, dict.fromkeys(labels, "x"))
    metrics.count_p2p("peers", 3, {})
    text = metrics.text().decode()
    assert 'praya_p2p_refused_total{reason="x"} 2.0' in text
    assert "praya_p2p_bytes_received_total 2.0" in text
    assert "praya_p2p_peers 3.0" in text
