"""One schedule: the consortium of a seed, its faults, and its end when all honest banks are alive and moving."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace

from consensus import types as c
from consensus.certificates import CommitCertificate
from consensus.replica import Replica
from consensus.validators import ValidatorSchedule, epoch_of, validator_set_hash
from consensus.wal_records import Restored
from node.engine.wal import WalCorrupt, WalFailed
from tests.simulation import effects, final_checks
from tests.simulation.behaviours import BEHAVIOURS
from tests.simulation.blocks import SimulatedBlock, decode_header
from tests.simulation.byzantine import ByzantineHost
from tests.simulation.checker import Checker, Violation
from tests.simulation.crypto import make_keys
from tests.simulation.disk import PowerCut
from tests.simulation.faults import Faults
from tests.simulation.healing import Healing
from tests.simulation.host import Clock, Host
from tests.simulation.ledger import CHANGES_FROM, Rules, Tip, execute
from tests.simulation.links import Links
from tests.simulation.monitors import Monitors
from tests.simulation.network import Network
from tests.simulation.profiles import Options, draw
from tests.simulation.scheduler import Scheduler
from tests.simulation.transcript import describe
from tests.simulation.wire import Wire

GENESIS_TIME = 1_750_000_000
GENESIS_HASH = hashlib.sha256(b"simulated genesis").digest()
TOLERANCE_S = 3
EVENTS_MAX = 60_000
"""A schedule of more events storms: itself a violation."""
TRANSCRIPT_LINES = 400


class KnownSets(ValidatorSchedule):
    """The sets of all epochs that honest banks have reached: what the omniscient checker verifies under."""

    def add(self, epoch: int, addresses: tuple[c.Address, ...]) -> None:  # type: ignore[override]
        """As the core's, and nothing is forgotten."""
        if epoch not in self._sets:
            older = self._sets, self._domains, self._indexes
            self._sets, self._domains, self._indexes = {}, {}, {}
            super().add(epoch, addresses)
            for all_of_them, new in zip(older, (self._sets, self._domains, self._indexes), strict=True):
                all_of_them.update(new)  # type: ignore[arg-type]
            self._sets, self._domains, self._indexes = older


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
    convicted: int = 0
    """Validators that the omniscient auditor convicts; only in runs that audit."""


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
        self.options = o = options or draw(seed, profile)
        self.verbose = verbose
        self.scheduler = Scheduler(f"{seed}/{o.shuffle}" if o.shuffle else seed)
        self.genesis_time = GENESIS_TIME
        self.counts: Counter[str] = Counter()
        self.transcript: list[str] = []
        self.config = _config(o)
        signers, self.verifier = make_keys(o.n + o.spares, real=o.real_crypto)
        addresses = tuple(signer.address for signer in signers)
        self.validators = addresses[: o.n]
        """The genesis set."""
        targets = tuple(tuple(addresses[i] for i in sorted(target)) for target in o.sets)
        self.rules = Rules(o.epoch_length, o.window + 1, o.window, targets)
        self.schedule = KnownSets(self.config)
        self.schedule.add(0, self.validators)
        signers += [signers[i] for i in o.twins]
        self.nodes_of: dict[c.Address, tuple[int, ...]] = {}
        for index, signer in enumerate(signers):
            self.nodes_of[signer.address] = (*self.nodes_of.get(signer.address, ()), index)
        self.others = [tuple(j for j in range(len(signers)) if j != i) for i in range(len(signers))]
        self._nodes_of_set: dict[tuple[tuple[c.Address, ...], c.Address], tuple[int, ...]] = {}
        self.network = Network(self.scheduler, len(signers), o.quality)
        self.checker = Checker(self, enforced)
        self.monitors = Monitors(self)
        self.wire = Wire(self)
        self.carry, self.ask = self.wire.carry, self.wire.ask
        self.perform = effects.perform
        self.hosts = [self._make_host(index, signer) for index, signer in enumerate(signers)]
        self.honest = [host for host in self.hosts if not host.faulty]
        self.links = Links(self)
        self.faults = Faults(self)
        self.healing = Healing(self)
        self.healed = False
        self._transactions = 0

    def _make_host(self, index: int, signer: c.Signer) -> Host:
        o, random = self.options, self.scheduler.random
        clock = Clock(
            offset_us=random.randrange(10**9),
            rate_ppm=1_000_000 + random.randint(-o.drift_ppm, o.drift_ppm),
            skew_us=random.randint(-o.skew_us, o.skew_us),
        )
        behaviours = o.byzantine.get(index)
        if behaviours:
            return ByzantineHost(self, index, signer, clock, [BEHAVIOURS[name] for name in behaviours])
        host = Host(self, index, signer, clock)
        host.faulty = len(self.nodes_of[signer.address]) > 1
        return host

    # --- the run ------------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end or to the first violation."""
        violation: str | None = None
        try:
            self.begin()
            self.scheduler.run(self.options.fault_us, events_max=EVENTS_MAX)
            self.healing.run()
            final_checks.run(self)
        except Violation as error:
            violation = str(error)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            violation = f"I15: {type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
            self.transcript += traceback.format_exc().splitlines()
        self.counts["live"] = int(self.healing.recovery_us > 0)
        return Result(
            seed=self.seed,
            profile=self.profile,
            violation=violation,
            counts=self.counts,
            height=max(host.ledger.height for host in self.hosts),
            events=self.scheduler.executed,
            virtual_us=self.scheduler.now_us,
            recovery_us=self.healing.recovery_us,
            transcript=self.transcript,
            convicted=len(self.checker.auditor.convicted) if self.checker.auditor else 0,
        )

    def begin(self) -> None:
        """Plan the starts of all hosts, the clients' transactions and the faults."""
        for host in self.hosts:
            self.scheduler.after(self.scheduler.random.randrange(50_000), lambda host=host: self.start(host))
        self._next_transaction()
        if self.options.sets:
            self._next_change()
        self.faults.begin()

    def start(self, host: Host) -> None:
        """Start ``host``, unless it runs or has stopped for good."""
        if not host.alive and not host.halted and not self.healing.stays_down(host):
            host.start()

    def gap(self, mean_us: int) -> int:
        """A random time of this mean."""
        return 1 + int(self.scheduler.random.expovariate(1.0) * mean_us)

    def _next_transaction(self) -> None:
        self._transactions += 1
        random = self.scheduler.random
        if random.random() < self.options.partial_submission and not self.healed:
            self._submit(self._transactions, [random.choice(self.hosts)])
        else:
            self._submit(self._transactions, self.hosts)
        if not self.healing.load_ended:
            self.scheduler.after(self.gap(self.options.transaction_gap_us), self._next_transaction)

    def _submit(self, number: int, targets: list[Host]) -> None:
        random = self.scheduler.random
        for host in targets:
            self.scheduler.after(random.randrange(20_000), lambda host=host: host.submit(number))

    def _next_change(self) -> None:
        """The members vote for another set, in the order of the options (P-12)."""
        number = self.counts["set_change"]
        if number < len(self.options.sets):
            self.scheduler.after(self.gap(self.options.change_gap_us), self._change)

    def _change(self) -> None:
        if not self.healed:
            self._submit(CHANGES_FROM + self.counts["set_change"], self.hosts)
            self.counts["set_change"] += 1
            self._next_change()

    # --- what befalls hosts ---------------------------------------------------------------------------------

    def crashed(self, host: Host) -> None:
        """A host has died; it comes back."""
        self.counts["crash"] += 1
        self.links.changed()
        delay = 1_000 if self.healed else self.gap(self.scheduler.random.choice((5_000, 100_000, 600_000)))
        self.scheduler.after(delay, lambda: self.start(host))

    def disk_full(self, host: Host) -> None:
        """A write failed for want of space: the node stops, and starts again later (README, duty 8)."""
        self.counts["disk_full"] += 1
        host.power_cut = False
        host.crash()

    def wal_refused(self, host: Host, error: WalCorrupt) -> None:
        """A host's log is corrupt: right, if its disk was damaged, and then it stays down."""
        if not host.dead:
            self.checker.fail("P-18", f"node {host.index} finds a sound log corrupt: {error}")
        host.alive = False
        self.counts["wal_corrupt"] += 1

    def halted(self, host: Host, reason: str) -> None:
        """A replica stopped itself: right, where its execution differs from everybody's or too many are faulty."""
        self.counts["halted"] += 1
        self.trace(host, "halt", reason)
        if host.divergent_from is None and not self.options.over_faulty:
            self.checker.fail("halt", f"node {host.index}: {reason}")

    def committed(self, host: Host) -> None:
        """A host has written a block."""
        self.counts["commits"] += 1
        ledger = host.ledger
        if not host.faulty:
            self.schedule.add(epoch_of(ledger.height + 1, self.options.epoch_length), ledger.next_validators)
        if (ledger.height + 1) % self.options.epoch_length == 0:
            self.faults.at_edge(host)
        if ledger.height > 1 and ledger.next_validators != ledger.entries[-2].next_validators:
            self.counts["set_entered"] += 1

    # --- what hosts need ----------------------------------------------------------------------------------

    def make_replica(self, host: Host, restored: Restored) -> Replica:
        """The real core for a host."""
        return Replica(self.config, host.address, host.signer, self.verifier, decode_header, restored)

    def nodes_of_set(self, members: tuple[c.Address, ...], without: c.Address) -> tuple[int, ...]:
        """The nodes of ``members``, but for one address."""
        key = (members, without)
        found = self._nodes_of_set.get(key)
        if found is None:
            found = tuple(node for address in members if address != without for node in self.nodes_of[address])
            self._nodes_of_set[key] = found
        return found

    def members(self, epoch: int) -> tuple[c.Address, ...]:
        """The set of an epoch that some honest bank has reached, else nobody."""
        return self.schedule.validators(epoch) if self.schedule.knows(epoch) else ()

    def storage_delay_us(self) -> int:
        """How long one sync takes."""
        return self.gap(self.options.storage_delay_us)

    def slow_sync_us(self) -> int:
        """How much longer a sync of a disk in trouble takes; mostly 0."""
        share = self.options.slow_sync
        if share and not self.healed and self.scheduler.random.random() < share:
            self.counts["slow_sync"] += 1
            return self.scheduler.random.randrange(10_000, 2_000_000)
        return 0

    def unavailable(self) -> bool:
        """Whether a bank fails to serve a block, though it has it."""
        share = self.options.unavailable
        return bool(share) and self.scheduler.random.random() < share

    def execution_delay_us(self) -> int:
        """How long one execution takes; sometimes longer than any timeout."""
        random = self.scheduler.random
        if random.random() < self.options.slow_execution:
            return random.randrange(2 * self.options.timeout_max_us)
        return self.gap(self.options.execution_delay_us)

    def extra_data(self, tip: Tip) -> bytes:
        """P-12: the hash of the set of the next height, on the state after the block."""
        height = tip.height + 1
        return validator_set_hash(epoch_of(height, self.options.epoch_length), tip.validators_at(height))

    def with_extra_data(self, draft: SimulatedBlock, parent: Tip) -> SimulatedBlock:
        """``draft`` with the extraData that its execution on ``parent`` gives."""
        return replace(draft, extra_data=self.extra_data(execute(self.rules, parent, bytes(32), draft)))

    def certificate_hash(self, certificate: bytes) -> c.Digest:
        """P-11: what parentBeaconBlockRoot must be for this carried certificate."""
        return CommitCertificate.decode(certificate).hash() if certificate else bytes(32)

    def broken_rule(self, block: SimulatedBlock, parent: Tip, host: Host) -> str:
        """Why ``block`` is no valid child of ``parent`` by ``host``'s execution; empty where it is one."""
        if block.number != parent.height + 1 or block.parent_hash != parent.block_hash:
            return "parent"
        if block.lies != host.execution_root_differs(block.number):
            return "state root"
        if block.timestamp < parent.timestamp + self.config.strict_timestamps:
            return "P-4"
        if host.ledger.used(parent, block.transactions) or len(set(block.transactions)) != len(block.transactions):
            return "nonce"
        if block.coinbase not in parent.validators_at(block.number):
            return "P-5"
        if block.extra_data != self.extra_data(execute(self.rules, parent, bytes(32), block)):
            return "P-12"
        return ""

    def change_segment(self, host: Host) -> None:
        """A new WAL segment that begins with the replica's State record (P-17)."""
        state = host.replica.state_record()
        if state is not None:
            try:
                host.wal.start_segment(host.wal.last_lsn, (state,))
            except WalFailed:
                self.disk_full(host)
                return
            except PowerCut:
                host.lose_power()
                return
            self.checker.durable(host, (state,))
            self.counts["segment"] += 1

    def count(self, label: str) -> None:
        """One more of something that a batch reports."""
        self.counts[label] += 1

    def note(self, what: str) -> None:
        """A fault, in the transcript."""
        if self.verbose:
            self.transcript.append(f"{self.scheduler.now_us / 1e6:9.6f} - ! {what}")

    def trace(self, host: Host, direction: str, what: object) -> None:
        """One line, if this run is told to be talkative."""
        if self.verbose:
            self.transcript.append(f"{self.scheduler.now_us / 1e6:9.6f} {host.index} {direction} {describe(what)}")


def _config(o: Options) -> c.Config:
    return c.Config(
        chain_id=7,
        genesis_hash=GENESIS_HASH,
        epoch_length=o.epoch_length,
        window=o.window,
        timeout_us=o.timeout_us,
        timeout_max_us=o.timeout_max_us,
        status_interval_us=o.status_interval_us,
        age_limit_us=o.age_limit_us,
        heartbeat_us=o.heartbeat_us,
        tolerance_s=TOLERANCE_S,
        strict_timestamps=o.strict_timestamps,
    )


def run_seed(seed: int, profile: str, *, verbose: bool = False) -> Result:
    """One schedule."""
    return World(seed, profile, verbose=verbose).run()
