"""What a seed draws: the consortium, its clocks and links, who is Byzantine and how, and which faults come how often.

Every class of fault is switched off altogether in a share of the seeds ("swarm"), so that rare combinations of the
others are not drowned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.network import LinkQuality

MILLISECOND = 1_000


@dataclass(slots=True)
class Options:
    """One schedule's parameters; times in microseconds of virtual time."""

    n: int = 4
    epoch_length: int = 6
    strict_timestamps: bool = False
    timeout_us: int = 200 * MILLISECOND
    timeout_max_us: int = 1_600 * MILLISECOND
    status_interval_us: int = 300 * MILLISECOND
    age_limit_us: int = 3_000 * MILLISECOND
    heartbeat_us: int = 2_000 * MILLISECOND
    fault_us: int = 1_500 * MILLISECOND
    """How long faults happen; then everything heals."""
    quality: LinkQuality = field(default_factory=LinkQuality)
    prompt: bool = True
    storage_delay_us: int = 500
    execution_delay_us: int = 2_000
    slow_execution: float = 0.0
    build_failure: float = 0.0
    late_timers: bool = False
    skew_us: int = 0
    drift_ppm: int = 0
    transaction_gap_us: int = 150 * MILLISECOND
    partial_submission: float = 0.0
    """Share of transactions that reach one bank alone (no gossip)."""
    crash_gap_us: int = 0
    """Mean time between planned crashes; 0 for none."""
    all_crash: float = 0.0
    """Share of crashes that are a power cut of every bank at once."""
    cut_gap_us: int = 0
    """Mean time between changes of the links; 0 for none."""
    link_delay_us: int = 20 * MILLISECOND
    """How much later a host knows of a connection that came or went."""
    flapping: int | None = None
    """The host that is wrong about whom it is connected to, for ever."""
    byzantine: dict[int, tuple[str, ...]] = field(default_factory=dict)
    damage: dict[int, str] = field(default_factory=dict)
    """Banks whose log is damaged at a crash ("flip" or "rollback"); with the Byzantine ones at most f."""
    real_crypto: bool = False
    wire: bool = False
    """Carry every message as bytes through codec and ingress at each receiver."""


BEHAVIOURS = (
    "silent",
    "equivocate",
    "selective",
    "replay",
    "view_change_liar",
    "new_view_liar",
    "vote_for_all",
    "mutate",
    "bad_server",
    "censor",
)


def draw(seed: int, profile: str) -> Options:
    """The options of ``seed`` under ``profile``; KeyError on an unknown profile."""
    rng = Random(f"{profile}/{seed}")
    options = Options()
    PROFILES[profile](rng, options)
    return options


def _common(rng: Random, o: Options) -> None:
    o.fault_us = rng.choice((600, 1_200, 2_000)) * MILLISECOND
    o.epoch_length = rng.choice((2, 3, 5, 8, 50))
    o.strict_timestamps = rng.random() < 0.2
    o.prompt = rng.random() < 0.5
    o.storage_delay_us = rng.choice((200, 2_000, 20_000))
    o.execution_delay_us = rng.choice((500, 3_000, 15_000))
    o.slow_execution = rng.choice((0.0, 0.0, 0.02, 0.1))
    o.build_failure = rng.choice((0.0, 0.0, 0.1))
    o.late_timers = rng.random() < 0.3
    o.skew_us = rng.choice((0, 0, 500_000, 1_500_000))
    o.drift_ppm = rng.choice((0, 0, 10_000))
    o.transaction_gap_us = rng.choice((80, 200, 500)) * MILLISECOND
    o.partial_submission = rng.choice((0.0, 0.0, 0.3))
    o.real_crypto = rng.random() < 0.01
    o.wire = o.real_crypto or rng.random() < 0.1


def _network(rng: Random, o: Options) -> None:
    o.quality = LinkQuality(
        drop=rng.choice((0.0, 0.0, 0.02, 0.1, 0.3)),
        duplicate=rng.choice((0.0, 0.0, 0.05, 0.2)),
        delay_mean_us=rng.choice((2, 8, 30)) * MILLISECOND,
        slow=rng.choice((0.0, 0.0, 0.05)),
    )
    o.cut_gap_us = rng.choice((0, 200, 500)) * MILLISECOND


def _crashes(rng: Random, o: Options) -> None:
    o.crash_gap_us = rng.choice((0, 250, 250, 700)) * MILLISECOND
    o.all_crash = rng.choice((0.0, 0.0, 0.3))


def _byzantine(rng: Random, o: Options) -> None:
    faulty = (o.n - 1) // 3
    for index in rng.sample(range(o.n), rng.randint(0, faulty) if rng.random() < 0.4 else faulty):
        o.byzantine[index] = tuple(rng.sample(BEHAVIOURS, rng.choice((1, 1, 2, 3))))


def _swarm(rng: Random, o: Options) -> None:
    _common(rng, o)
    for part in (_network, _crashes, _byzantine):
        if rng.random() < 0.75:
            part(rng, o)
    o.link_delay_us = rng.choice((1, 50, 400)) * MILLISECOND
    o.flapping = rng.randrange(o.n) if rng.random() < 0.2 else None


def _sized(n: int) -> Callable[[Random, Options], None]:
    def make(rng: Random, o: Options) -> None:
        o.n = n
        _swarm(rng, o)

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
    o.damage = {index: rng.choice(("flip", "rollback")) for index in rng.sample(range(o.n), (o.n - 1) // 3)}


PROFILES: dict[str, Callable[[Random, Options], None]] = {
    "default": _swarm,
    "calm": _calm,
    "byzantine": _all_byzantine,
    "crashes": _all_crashes,
    "rot": _rot,
    **{f"n{n}": _sized(n) for n in (1, 2, 3, 5, 6, 7, 10)},
}
