"""What a seed draws: the consortium, its clocks and links, who is Byzantine and how, and which faults come how often.

Every class of fault is switched off altogether in a share of the seeds ("swarm"), so that rare combinations of the
others are not drowned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from consensus.validators import max_faulty
from tests.simulation.blocks import TRANSACTIONS_MAX
from tests.simulation.network import LinkQuality

MILLISECOND = 1_000
SECOND = 1_000_000


@dataclass(slots=True)
class Options:
    """One schedule's parameters; times in microseconds of virtual time. Nodes are numbered: 0 .. n - 1 are the genesis
    validators, then spares, then twins."""

    n: int = 4
    window: int = 1
    epoch_length: int = 6
    strict_timestamps: bool = False
    timeout_us: int = 200 * MILLISECOND
    timeout_max_us: int = 1_600 * MILLISECOND
    status_interval_us: int = 300 * MILLISECOND
    age_limit_us: int = 3_000 * MILLISECOND
    heartbeat_us: int = 2_000 * MILLISECOND
    fault_us: int = 1_500 * MILLISECOND
    """How long faults happen; then everything heals, or (``liveness``) a core of the banks does."""
    liveness: bool = False
    delta_us: int = 50 * MILLISECOND
    """Liveness mode: the longest delay between two banks of the core after GST."""
    quality: LinkQuality = field(default_factory=LinkQuality)
    commit_loss: float = 0.0
    """Share of COMMITs that are lost while there are faults: blocks are then prepared and not decided."""
    prompt: bool = True
    storage_delay_us: int = 500
    slow_sync: float = 0.0
    """Share of syncs that take 10 ms to 2 s longer."""
    execution_delay_us: int = 2_000
    slow_execution: float = 0.0
    build_failure: float = 0.0
    unavailable: float = 0.0
    """Share of requests for blocks that nobody answers."""
    late_timers: bool = False
    skew_us: int = 0
    drift_ppm: int = 0
    transaction_gap_us: int = 150 * MILLISECOND
    block_transactions: int = TRANSACTIONS_MAX
    """Transactions in one block at most; few, so that several heights are in flight at once."""
    partial_submission: float = 0.0
    """Share of transactions that reach one bank alone (no gossip)."""
    crash_gap_us: int = 0
    """Mean time between planned crashes; 0 for none."""
    all_crash: float = 0.0
    """Share of crashes that are a power cut of every bank at once."""
    edge_crash: float = 0.0
    """Share of banks that crash around the last block of an epoch."""
    cut_gap_us: int = 0
    """Mean time between changes of the links; 0 for none."""
    adaptive: bool = False
    """The links that are cut are mostly those of the leader to come."""
    pause_gap_us: int = 0
    """Mean time between freezes of a machine; 0 for none."""
    full_disk_gap_us: int = 0
    """Mean time between full disks; 0 for none."""
    faults_max: int = 1 << 30
    """At most so many crashes, cuts, jumps, pauses and full disks; the shrinker lowers it."""
    link_delay_us: int = 20 * MILLISECOND
    """How much later a host knows of a connection that came or went."""
    flapping: int | None = None
    """The host that is wrong about whom it is connected to, for ever."""
    byzantine: dict[int, tuple[str, ...]] = field(default_factory=dict)
    damage: dict[int, str] = field(default_factory=dict)
    """Banks whose log is damaged at a crash ("flip" or "rollback"); with the Byzantine ones at most f."""
    twins: tuple[int, ...] = ()
    """Validators that run twice with one key, each on its own disk; they count as faulty."""
    divergent: dict[int, int] = field(default_factory=dict)
    """Node -> height from which its execution gives another state root (H43); they count as faulty."""
    spares: int = 0
    """Nodes that are no validators at genesis."""
    sets: tuple[tuple[int, ...], ...] = ()
    """The sets that the members vote for, one after the other (P-12)."""
    change_gap_us: int = 250 * MILLISECOND
    over_faulty: bool = False
    """More than f are faulty: a run that is meant to fork or to stop."""
    audit: bool = False
    """Let the omniscient auditor collect evidence."""
    shuffle: int = 0
    """Another order of the same seed's events, for the shrinker; 0 is the seed's own."""
    real_crypto: bool = False
    wire: bool = False
    """Carry every message as bytes through codec and ingress at each receiver."""
    replay: bool = False
    """Record every step and replay it at the end (I15)."""


BEHAVIOURS = (
    "silent",
    "equivocate",
    "selective",
    "replay",
    "stale",
    "view_change_liar",
    "new_view_liar",
    "vote_for_all",
    "mutate",
    "bad_server",
    "censor",
    "clock_liar",
    "withhold",
    "late",
    "slow",
    "flood",
)
Part = Callable[[Random, Options], None]


def draw(seed: int, profile: str) -> Options:
    """The options of ``seed`` under ``profile``; KeyError on an unknown profile."""
    rng = Random(f"{profile}/{seed}")
    options = Options()
    PROFILES[profile](rng, options)
    return options


# --- classes of faults ----------------------------------------------------------------------------------


def _common(rng: Random, o: Options) -> None:
    o.fault_us = rng.choice((600, 1_200, 2_000)) * MILLISECOND
    o.epoch_length = rng.choice((2, 3, 5, 8, 50))
    o.strict_timestamps = rng.random() < 0.2
    o.prompt = rng.random() < 0.5
    o.storage_delay_us = rng.choice((200, 2_000, 20_000))
    o.execution_delay_us = rng.choice((500, 3_000, 15_000))
    o.slow_execution = rng.choice((0.0, 0.0, 0.02, 0.1))
    o.build_failure = rng.choice((0.0, 0.0, 0.1))
    o.unavailable = rng.choice((0.0, 0.0, 0.3, 0.8))
    o.late_timers = rng.random() < 0.3
    o.skew_us = rng.choice((0, 0, 500_000, 1_500_000))
    o.drift_ppm = rng.choice((0, 0, 10_000))
    o.transaction_gap_us = rng.choice((80, 200, 500)) * MILLISECOND
    o.partial_submission = rng.choice((0.0, 0.0, 0.3))
    o.real_crypto = rng.random() < 0.01
    o.wire = o.real_crypto or rng.random() < 0.1
    o.replay = rng.random() < 0.02


def _network(rng: Random, o: Options) -> None:
    o.quality = LinkQuality(
        drop=rng.choice((0.0, 0.0, 0.02, 0.1, 0.3)),
        duplicate=rng.choice((0.0, 0.0, 0.05, 0.2)),
        delay_mean_us=rng.choice((2, 8, 30)) * MILLISECOND,
        slow=rng.choice((0.0, 0.0, 0.05)),
    )
    o.cut_gap_us = rng.choice((0, 200, 500)) * MILLISECOND
    o.adaptive = rng.random() < 0.3
    o.commit_loss = rng.choice((0.0, 0.0, 0.0, 0.5, 0.9))


def _crashes(rng: Random, o: Options) -> None:
    o.crash_gap_us = rng.choice((0, 250, 250, 700)) * MILLISECOND
    o.all_crash = rng.choice((0.0, 0.0, 0.3))
    o.edge_crash = rng.choice((0.0, 0.0, 0.2))


def _machines(rng: Random, o: Options) -> None:
    o.slow_sync = rng.choice((0.0, 0.01, 0.05))
    o.pause_gap_us = rng.choice((0, 200, 600)) * MILLISECOND
    o.full_disk_gap_us = rng.choice((0, 0, 500)) * MILLISECOND


def _byzantine(rng: Random, o: Options) -> None:
    faulty = max_faulty(o.n)
    kinds = rng.randint(0, faulty) if rng.random() < 0.4 else faulty
    for index in rng.sample(range(o.n), kinds):
        kind = rng.random()
        if kind < 0.1:
            o.twins = (*o.twins, index)
        elif kind < 0.15:
            o.divergent[index] = rng.randint(1, 8)
        else:
            o.byzantine[index] = tuple(rng.sample(BEHAVIOURS, rng.choice((1, 1, 2, 3))))


def _membership(rng: Random, o: Options) -> None:
    """Votes that add, remove, replace and rotate; each set keeps the faulty ones at or below its own f."""
    o.epoch_length = rng.choice((3, 4, 6))
    o.spares = rng.choice((1, 2, o.n))
    nodes = o.n + o.spares
    faulty = {*o.byzantine, *o.twins, *o.damage, *o.divergent}
    current, sets = set(range(o.n)), []
    for _ in range(rng.randint(1, 4)):
        current = _another_set(rng, current, nodes)
        while current and len(current & faulty) > max_faulty(len(current)):
            current.discard(max(current & faulty))
        if not current:
            break
        sets.append(tuple(sorted(current)))
    o.sets = tuple(sets)
    o.change_gap_us = rng.choice((80, 300)) * MILLISECOND
    if rng.random() < 0.5:
        o.edge_crash = 0.3


def _another_set(rng: Random, current: set[int], nodes: int) -> set[int]:
    outside = sorted(set(range(nodes)) - current)
    kind = rng.random()
    if kind < 0.3 and outside:
        return current | {rng.choice(outside)}
    if kind < 0.5 and len(current) > 1:
        return current - {rng.choice(sorted(current))}
    if kind < 0.8 and outside:  # a new key in place of an old one
        return (current - {rng.choice(sorted(current))}) | {rng.choice(outside)}
    if outside:  # nobody stays
        return set(outside)
    return set(rng.sample(range(nodes), rng.randint(1, nodes)))


# --- profiles -------------------------------------------------------------------------------------------


def _swarm(rng: Random, o: Options) -> None:
    _common(rng, o)
    for part in (_network, _crashes, _byzantine):
        if rng.random() < 0.75:
            part(rng, o)
    o.link_delay_us = rng.choice((1, 50, 400)) * MILLISECOND
    o.flapping = rng.randrange(o.n) if rng.random() < 0.2 else None
    if rng.random() < 0.25:
        _machines(rng, o)
    if rng.random() < 0.1:
        _membership(rng, o)


def _sized(n: int) -> Part:
    def make(rng: Random, o: Options) -> None:
        o.n = n
        _swarm(rng, o)

    return make


def _windowed(window: int) -> Part:
    def make(rng: Random, o: Options) -> None:
        o.window = window
        o.n = rng.choice((4, 4, 4, 5, 7))
        _swarm(rng, o)
        o.epoch_length = max(o.epoch_length, window + 1)
        o.block_transactions = 1
        o.transaction_gap_us = rng.choice((40, 80)) * MILLISECOND
        o.commit_loss = rng.choice((0.0, 0.6, 0.9))
        if o.strict_timestamps:  # one block a second: the load must fit
            o.block_transactions, o.transaction_gap_us = TRANSACTIONS_MAX, 500 * MILLISECOND

    return make


def _calm(rng: Random, o: Options) -> None:
    o.fault_us = 1_000 * MILLISECOND


def _all_byzantine(rng: Random, o: Options) -> None:
    _common(rng, o)
    _byzantine(rng, o)
    if rng.random() < 0.5:
        _network(rng, o)


def _all_crashes(rng: Random, o: Options) -> None:
    _common(rng, o)
    _network(rng, o)
    o.crash_gap_us = 120 * MILLISECOND
    o.all_crash = 0.3


def _rot(rng: Random, o: Options) -> None:
    _common(rng, o)
    _network(rng, o)
    o.quality.drop = min(o.quality.drop, 0.1)
    o.crash_gap_us = rng.choice((0, 400)) * MILLISECOND
    o.damage = {index: rng.choice(("flip", "rollback")) for index in rng.sample(range(o.n), max_faulty(o.n))}


def _reconfiguration(rng: Random, o: Options) -> None:
    _common(rng, o)
    for part in (_network, _crashes, _byzantine):
        if rng.random() < 0.6:
            part(rng, o)
    _membership(rng, o)


def _all_machines(rng: Random, o: Options) -> None:
    _common(rng, o)
    _network(rng, o)
    _crashes(rng, o)
    _machines(rng, o)


def _twins(rng: Random, o: Options) -> None:
    o.n = rng.choice((4, 4, 5, 7))
    _common(rng, o)
    _network(rng, o)
    o.cut_gap_us = o.cut_gap_us or 200 * MILLISECOND
    if rng.random() < 0.5:
        _crashes(rng, o)
    o.twins = tuple(rng.sample(range(o.n), max_faulty(o.n)))


def _liveness(rng: Random, o: Options) -> None:
    """The issue's typical parameters: n = 4, delta 50 ms, T0 1 s, Tmax 30 s."""
    _common(rng, o)
    _network(rng, o)
    if rng.random() < 0.7:
        _crashes(rng, o)
    if rng.random() < 0.7:
        _byzantine(rng, o)
    if rng.random() < 0.3:
        _machines(rng, o)
    o.liveness = True
    o.timeout_us, o.timeout_max_us, o.status_interval_us = 1 * SECOND, 30 * SECOND, 1 * SECOND
    o.age_limit_us, o.heartbeat_us = 10 * SECOND, 15 * SECOND
    o.fault_us = rng.choice((2, 5, 15, 40)) * SECOND
    o.transaction_gap_us = rng.choice((200, 500)) * MILLISECOND
    o.skew_us, o.drift_ppm, o.late_timers = rng.choice((0, 500_000)), 0, False
    o.storage_delay_us, o.execution_delay_us, o.unavailable = 500, 2_000, 0.0
    for gap in ("crash_gap_us", "cut_gap_us", "pause_gap_us"):
        setattr(o, gap, 4 * getattr(o, gap))


def _over_faulty(rng: Random, o: Options) -> None:
    """f + 1 liars or twins: agreement must fall in some of these, and the auditor must name f + 1."""
    o.over_faulty = o.audit = True
    o.n, o.epoch_length = rng.choice((4, 4, 5)), 2
    faulty = rng.sample(range(o.n), max_faulty(o.n) + 1)
    if rng.random() < 0.5:
        o.byzantine = dict.fromkeys(faulty, ("equivocate", "vote_for_all"))
    else:
        o.twins = tuple(faulty)
        o.cut_gap_us = 200 * MILLISECOND
        o.quality.drop = 0.1


def _roots(rng: Random, o: Options) -> None:
    """More than f banks whose execution differs: the chain stops, and does not fork (H43)."""
    _common(rng, o)
    o.over_faulty = True
    o.slow_execution = 0.0
    o.divergent = {index: rng.randint(2, 6) for index in rng.sample(range(o.n), rng.randint(1, o.n // 2))}


PROFILES: dict[str, Part] = {
    "default": _swarm,
    "calm": _calm,
    "byzantine": _all_byzantine,
    "crashes": _all_crashes,
    "rot": _rot,
    "machines": _all_machines,
    "reconfiguration": _reconfiguration,
    "twins": _twins,
    "liveness": _liveness,
    "roots": _roots,
    "over_faulty": _over_faulty,
    **{f"n{n}": _sized(n) for n in (1, 2, 3, 5, 6, 7, 8, 9, 10)},
    **{f"w{w}": _windowed(w) for w in (2, 3, 4)},
}
