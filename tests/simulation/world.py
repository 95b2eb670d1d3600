"""One schedule: the consortium of a seed, its faults, and its end when all honest banks are alive and moving."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from consensus import codec, ingress
from consensus import messages as m
from consensus import types as c
from consensus.certificates import CommitCertificate
from consensus.errors import ConsensusError
from consensus.replica import Replica
from consensus.validators import ValidatorSchedule, epoch_of, validator_set_hash
from consensus.wal_records import Restored
from node.engine.wal import WalCorrupt
from tests.simulation.blocks import SimulatedBlock, decode_header
from tests.simulation.byzantine import ByzantineHost
from tests.simulation.checker import Checker, Violation
from tests.simulation.crypto import make_keys
from tests.simulation.host import Clock, Host
from tests.simulation.ledger import SimulatedLedger
from tests.simulation.network import Network
from tests.simulation.profiles import Options, draw
from tests.simulation.scheduler import Scheduler

GENESIS_TIME = 1_750_000_000
GENESIS_HASH = hashlib.sha256(b"simulated genesis").digest()
TOLERANCE_S = 3
EVENTS_MAX = 60_000
"""A schedule of more events storms: itself a violation."""
LIVENESS_US = 60_000_000
"""Virtual time within which a healed consortium must have moved: far above 3.3's bound for these timeouts."""
HEIGHTS_AFTER_HEALING = 2
TRANSCRIPT_LINES = 400


class EveryEpoch(ValidatorSchedule):
    """One set for all epochs: what the omniscient checker and block sync verify under."""

    def __init__(self, config: c.Config, validators: tuple[c.Address, ...]) -> None:
        super().__init__(config)
        self._everyone = validators

    def validators(self, epoch: int) -> tuple[c.Address, ...]:
        if epoch not in self._sets:
            self.add(epoch, self._everyone)
        return super().validators(epoch)


_SAME_FOR_ALL = (m.PrePrepare, m.Prepare, m.Commit, m.Complain, m.Status)
"""Messages whose verification asks of the receiver only whether it knows their epoch."""


class Envelope:
    """One message on its way to several."""

    __slots__ = ("_raw", "good", "message")

    def __init__(self, message: m.WireMessage) -> None:
        self.message = message
        self.good = False
        self._raw = b""

    @property
    def raw(self) -> bytes:
        """Its encoding, made once."""
        if not self._raw:
            self._raw = codec.encode_message(self.message)
        return self._raw


@dataclass(slots=True)
class Result:
    """What a schedule came to."""

    seed: int
    profile: str
    violation: str | None
    counts: Counter[str]
    height: int
    events: int
    virtual_us: int
    recovery_us: int = 0
    """From healing to the end of the liveness condition."""
    transcript: list[str] = field(default_factory=list)


class World:
    """Everything of one run."""

    def __init__(
        self,
        seed: int,
        profile: str,
        options: Options | None = None,
        *,
        enforced: frozenset[str] | None = None,
        verbose: bool = False,
    ) -> None:
        """``options`` instead of those that the profile draws; ``enforced``: the only invariants that end the run."""
        self.seed = seed
        self.profile = profile
        self.options = options or draw(seed, profile)
        self.verbose = verbose
        self.scheduler = Scheduler(seed)
        self.genesis_time = GENESIS_TIME
        self.counts: Counter[str] = Counter()
        self._transcript: list[str] = []
        o = self.options
        self.config = c.Config(
            chain_id=7,
            genesis_hash=GENESIS_HASH,
            epoch_length=o.epoch_length,
            window=1,
            timeout_us=o.timeout_us,
            timeout_max_us=o.timeout_max_us,
            status_interval_us=o.status_interval_us,
            age_limit_us=o.age_limit_us,
            heartbeat_us=o.heartbeat_us,
            tolerance_s=TOLERANCE_S,
            strict_timestamps=o.strict_timestamps,
        )
        signers, self.verifier = make_keys(o.n, real=o.real_crypto)
        self.validators = tuple(signer.address for signer in signers)
        self.index_of = {address: index for index, address in enumerate(self.validators)}
        self.others = [tuple(j for j in range(o.n) if j != i) for i in range(o.n)]
        self.schedule = EveryEpoch(self.config, self.validators)
        self.network = Network(self.scheduler, o.n, o.quality)
        self.checker = Checker(self, enforced)
        random = self.scheduler.random
        self.hosts: list[Host] = []
        for index, signer in enumerate(signers):
            clock = Clock(
                offset_us=random.randrange(10**9),
                rate_ppm=1_000_000 + random.randint(-o.drift_ppm, o.drift_ppm),
                skew_us=random.randint(-o.skew_us, o.skew_us),
            )
            behaviours = o.byzantine.get(index)
            self.hosts.append(
                ByzantineHost(self, index, signer, clock, behaviours)
                if behaviours
                else Host(self, index, signer, clock)
            )
        self.honest = [host for host in self.hosts if not host.byzantine]
        self.healed = False
        self._goal = 0
        self._owed: set[int] = set()
        """Transactions that wait at every honest bank when all heals: no primary may leave them out for ever."""
        self._transactions = 0

    # --- the run ------------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end or to the first violation."""
        recovery = 0
        violation: str | None = None
        try:
            self.begin()
            self.scheduler.run(self.options.fault_us, events_max=EVENTS_MAX)
            self._heal()
            healed_at = self.scheduler.now_us
            if not self.scheduler.run(healed_at + LIVENESS_US, self._recovered, EVENTS_MAX):
                self._not_live()
            recovery = self.scheduler.now_us - healed_at
        except Violation as error:
            violation = str(error)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            violation = f"I15: {type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
            self._transcript += traceback.format_exc().splitlines()
        if recovery:
            self.counts["live"] += 1
        return Result(
            seed=self.seed,
            profile=self.profile,
            violation=violation,
            counts=self.counts,
            height=max(host.ledger.height for host in self.honest),
            events=self.scheduler.executed,
            virtual_us=self.scheduler.now_us,
            recovery_us=recovery,
            transcript=self._transcript,
        )

    def begin(self) -> None:
        """Plan the starts of all hosts, the clients' transactions and the faults."""
        for host in self.hosts:
            self.scheduler.after(self.scheduler.random.randrange(50_000), lambda host=host: self._start(host))
        for index, kind in self.options.damage.items():
            self._damage(self.hosts[index], kind)
        self._next_transaction()
        if self.options.crash_gap_us:
            self._next_crash()
        if self.options.cut_gap_us:
            self._next_cut()
        if self.options.skew_us:
            self._next_jump()

    def _start(self, host: Host) -> None:
        if not host.alive:
            host.start()
            self.links_changed()

    def links_changed(self) -> None:
        """Every host learns a while later whom it is connected to now (R-9)."""
        for host in self.hosts:
            host.after(self._gap(self.options.link_delay_us), host.update_links)

    def connected(self, one: int, other: int) -> bool:
        """Whether a connection between the two can stand: it needs both ends and both directions."""
        cut = self.network.is_cut(one, other) or self.network.is_cut(other, one)
        return self.hosts[one].alive and self.hosts[other].alive and not cut

    def _gap(self, mean_us: int) -> int:
        return 1 + int(self.scheduler.random.expovariate(1.0) * mean_us)

    def _next_transaction(self) -> None:
        self._transactions += 1
        number = self._transactions
        random = self.scheduler.random
        if random.random() < self.options.partial_submission and not self.healed:
            targets = [random.choice(self.hosts)]
        else:
            targets = self.hosts
        for host in targets:
            self.scheduler.after(random.randrange(20_000), lambda host=host: host.submit(number))
        self.scheduler.after(self._gap(self.options.transaction_gap_us), self._next_transaction)

    def _damage(self, host: Host, kind: str) -> None:
        """Plan a crash of ``host`` that its disk does not survive whole."""
        host.damage = kind
        self.scheduler.after(
            self.scheduler.random.randrange(50_000, self.options.fault_us), lambda: self._crash_damaged(host)
        )

    def _crash_damaged(self, host: Host) -> None:
        if host.alive:
            host.crash()

    def _next_crash(self) -> None:
        if self.healed:
            return
        random = self.scheduler.random
        if random.random() < self.options.all_crash:
            for host in self.hosts:
                host.power_cut = True
                if host.alive:
                    host.crash()
        else:
            host = random.choice(self.hosts)
            host.power_cut = random.random() < 0.7
            host.crash_in = random.randrange(40)
        self.scheduler.after(self._gap(self.options.crash_gap_us), self._next_crash)

    def crashed(self, host: Host) -> None:
        """A host has died; it comes back."""
        self.counts["crash"] += 1
        self.links_changed()
        delay = 1_000 if self.healed else self._gap(self.scheduler.random.choice((5_000, 100_000, 600_000)))
        self.scheduler.after(delay, lambda: self._start(host))

    def wal_refused(self, host: Host, error: WalCorrupt) -> None:
        """A host's log is corrupt: right, if its disk was damaged, and then it stays down."""
        if not host.dead:
            self.checker.fail("P-18", f"node {host.index} finds a sound log corrupt: {error}")
        host.alive = False
        self.counts["wal_corrupt"] += 1

    def _next_cut(self) -> None:
        if self.healed:
            return
        random, n = self.scheduler.random, self.options.n
        kind = random.random()
        if kind < 0.35:
            self.network.heal()
        elif kind < 0.7 and n > 1:
            self.network.partition(frozenset(random.sample(range(n), random.randint(1, n // 2))))
        elif n > 1:
            for _ in range(random.randint(1, n)):
                self.network.cut(*random.sample(range(n), 2))
        self.links_changed()
        self.scheduler.after(self._gap(self.options.cut_gap_us), self._next_cut)

    def _next_jump(self) -> None:
        if self.healed:
            return
        random = self.scheduler.random
        random.choice(self.hosts).clock.skew_us = random.randint(-self.options.skew_us, self.options.skew_us)
        self.scheduler.after(self._gap(700_000), self._next_jump)

    # --- healing ------------------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.healed = True
        self.network.heal()
        self.links_changed()
        quality = self.network.quality
        quality.drop = quality.slow = 0.0
        quality.delay_mean_us = min(quality.delay_mean_us, 8_000)
        self.options.slow_execution = self.options.build_failure = 0.0
        for host in self.hosts:
            host.crash_in = None
            host.clock.skew_us = max(-500_000, min(500_000, host.clock.skew_us))
            if not host.alive:
                self.scheduler.after(1_000, lambda host=host: self._start(host))
        self._goal = max(host.ledger.height for host in self.honest) + HEIGHTS_AFTER_HEALING
        self._owed = set.intersection(*(set(host.pool) for host in self.honest if not host.dead))

    def _recovered(self) -> bool:
        goal = self._goal
        return all(
            host.ledger.height >= goal and self._owed <= host.ledger.included for host in self.honest if not host.dead
        )

    def _not_live(self) -> None:
        heights = [host.ledger.height for host in self.hosts]
        what = "events" if self.scheduler.executed >= EVENTS_MAX else "microseconds of virtual time"
        missing = sorted(self._owed - self.honest[0].ledger.included)
        self.checker.fail(
            "liveness",
            f"heights {heights} and not {self._goal} everywhere, or {missing} left out, when the {what} ran out",
        )

    # --- what hosts need ----------------------------------------------------------------------------------

    def make_replica(self, host: Host, restored: Restored) -> Replica:
        """The real core for a host."""
        return Replica(self.config, host.address, host.signer, self.verifier, decode_header, restored)

    def carry(self, source: int, targets: tuple[int, ...], message: m.WireMessage) -> None:
        """Send one consensus message to some."""
        envelope = Envelope(message)
        if not self.options.wire and not self.hosts[source].byzantine and isinstance(message, _SAME_FOR_ALL):
            envelope.good = True
        self.counts["messages"] += len(targets)
        for target in targets:
            self.network.send(source, target, lambda target=target: self._arrive(source, target, envelope))

    def _arrive(self, source: int, target: int, envelope: Envelope) -> None:
        host = self.hosts[target]
        if not host.alive:
            return
        message = envelope.message
        schedule = host.replica.schedule
        # What does not depend on the receiver is verified once for all of them, unless this run is about the wire.
        if not envelope.good or not schedule.knows(message.epoch):  # type: ignore[union-attr]
            try:
                peer = self.validators[source]
                message = ingress.verify(envelope.raw, peer, schedule, self.verifier, decode_header)
            except ConsensusError as error:
                self.counts["refused"] += 1
                if self.verbose:
                    self.trace(host, "refused", f"{type(message).__name__} of {source}: {error}")
                return
            envelope.good = isinstance(message, _SAME_FOR_ALL) and not self.options.wire
        host.receive(source, message)

    def ask(
        self,
        host: Host,
        peer: int,
        question: Callable[[Host], object],
        answer: Callable[..., None],
    ) -> None:
        """A request to ``peer`` and its answer, over the same links as everything else."""
        generation = host.generation

        def back(result: object) -> None:
            if host.alive and host.generation == generation:
                answer(result)

        def serve() -> None:
            server = self.hosts[peer]
            if server.alive:
                result = question(server)
                self.network.send(peer, host.index, lambda: back(result))

        self.network.send(host.index, peer, serve)

    def storage_delay_us(self) -> int:
        """How long one sync takes."""
        return self._gap(self.options.storage_delay_us)

    def execution_delay_us(self) -> int:
        """How long one execution takes; sometimes longer than any timeout."""
        random = self.scheduler.random
        if random.random() < self.options.slow_execution:
            return random.randrange(2 * self.options.timeout_max_us)
        return self._gap(self.options.execution_delay_us)

    def extra_data(self, height: int) -> bytes:
        """P-12: the hash of the set of the next height."""
        return validator_set_hash(epoch_of(height + 1, self.options.epoch_length), self.validators)

    def certificate_hash(self, certificate: bytes) -> c.Digest:
        """P-11: what parentBeaconBlockRoot must be for this carried certificate."""
        return CommitCertificate.decode(certificate).hash() if certificate else bytes(32)

    def broken_rule(self, block: SimulatedBlock, ledger: SimulatedLedger) -> str:
        """Why ``block`` is no valid child of the ledger's head; empty where it is one."""
        if block.number != ledger.height + 1 or block.parent_hash != ledger.head_hash:
            return "parent"
        if block.lies:
            return "state root"
        if block.timestamp < ledger.head_time + self.config.strict_timestamps:
            return "P-4"
        if block.extra_data != self.extra_data(block.number):
            return "P-12"
        if block.coinbase not in self.validators:
            return "P-5"
        if not ledger.included.isdisjoint(block.transactions):
            return "nonce"
        return ""

    def host_of(self, address: c.Address) -> Host:
        """The host that signs for ``address``."""
        return self.hosts[self.index_of[address]]

    def position(self, host: Host) -> tuple[int, tuple[int, int], int]:
        """Committed height, (epoch, view) entered and promised view of a host's replica."""
        status = host.replica.status()
        return status.height, (status.epoch, status.view), status.promise

    def change_segment(self, host: Host) -> None:
        """A new WAL segment that begins with the replica's State record (P-17)."""
        state = host.replica.state_record()
        if state is not None:
            host.wal.start_segment(host.wal.last_lsn, (state,))
            self.checker.durable(host, (state,))
            self.counts["segment"] += 1

    def committed(self, host: Host) -> None:
        """A host has written a block."""
        self.counts["commits"] += 1

    def count(self, label: str) -> None:
        """One more of something that a batch reports."""
        self.counts[label] += 1

    # --- transcript ---------------------------------------------------------------------------------------

    def trace(self, host: Host, direction: str, what: object) -> None:
        """One line, if this run is told to be talkative."""
        if self.verbose:
            self._transcript.append(f"{self.scheduler.now_us / 1e6:9.6f} {host.index} {direction} {describe(what)}")


def describe(what: object) -> str:
    """An event, effect or message in one readable line."""
    if isinstance(what, str):
        return what
    if isinstance(what, bytes):
        return what.hex()[:8]
    if isinstance(what, tuple):
        return "(" + ", ".join(describe(item) for item in what) + ")"
    fields = getattr(what, "__dataclass_fields__", None)
    if fields is None:
        return str(what)
    hidden = ("signature", "certificate", "pre_prepare", "prepares", "seals", "base_certificate")
    parts = [f"{name}={describe(getattr(what, name))}" for name in fields if name not in hidden]
    return f"{type(what).__name__}({', '.join(parts)})"


def run_seed(seed: int, profile: str, *, verbose: bool = False) -> Result:
    """One schedule."""
    return World(seed, profile, verbose=verbose).run()
