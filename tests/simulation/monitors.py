"""Invariants about one bank at a time: memory (I12), traffic (I13), restarts (I17), block times (I18); and the rare
situations that a batch must have seen at least once (consensus.md 3.4).

Bounds are functions of n, W and the chain's parameters, and named here; none is measured and then written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consensus import codec
from consensus import messages as m
from consensus import types as c
from consensus import wal_records as w
from consensus.certificates import SIGNATURE_BYTES
from tests.simulation.blocks import decode_block
from tests.simulation.transcript import describe

if TYPE_CHECKING:
    from consensus.replica import Replica
    from tests.simulation.host import Host
    from tests.simulation.world import World

WEIGHED_EVERY = 256
"""Steps of one bank between two looks at its memory."""
BLOCK_BYTES = 200
"""Largest block of the simulator, rounded up."""
FIELDS_BYTES = 200
"""Everything of fixed width in one message, rounded up."""
VOTES_BYTES = 3 * 2 * (FIELDS_BYTES + SIGNATURE_BYTES)
"""Of one sender at one height: PREPARE and COMMIT of its three highest views (message_log.VIEWS_KEPT)."""
BLOCKS_HELD = 8
"""Whole blocks at one height (message_log.BLOCKS_KEPT); accepted proposals refer to the same ones."""
VERDICTS_BYTES = 8_192
"""What is remembered of refused and checked proposals at one height: some 40 bytes for each view tried."""
CERTIFICATES_HELD = 2 * 16
"""Served from memory, and learned ahead of the ledger."""

REPAIRS = 4 * 3
"""One peer's STATUS, COMPLAIN and VIEW-CHANGE are answered four times in one T_status (catch_up.ANSWERS), each time
with at most three messages."""
REPEATS = 8
"""Sent in one T_status whatever happens: STATUS, complaint and VIEW-CHANGE again (a tick may fall on both ends of the
interval), and once more at an edge."""
PER_HEIGHT = 4
"""PRE-PREPARE, PREPARE and COMMIT of a height, and STATUS where it is the last of its epoch."""
PER_VIEW = 6
"""Two complaints (own, echoed), VIEW-CHANGE, NEW-VIEW, and REPAIR of what the NEW-VIEW re-proposes needlessly; then
the votes of the height in progress again."""


def weight(root: object, skip: frozenset[str]) -> int:
    """Bytes of content that ``root`` leads to, each object once; attributes named in ``skip`` are not its own."""
    seen: set[int] = set()
    total, stack = 0, [value for name, value in vars(root).items() if name not in skip]
    while stack:
        item = stack.pop()
        if item is None or isinstance(item, bool | float | str):
            continue
        if isinstance(item, int):
            total += 8
            continue
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, bytes):
            total += len(item)
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            stack.extend(item)
        else:
            stack.extend(getattr(item, name) for name in getattr(type(item), "__dataclass_fields__", ()))
            stack.extend(getattr(item, "__dict__", {}).values())
    return total


def memory_bound(n: int, window: int) -> int:
    """I12: bytes that a replica may hold, by what each sender may occupy (consensus/README, R-5)."""
    certificate = 100 + SIGNATURE_BYTES * n
    proposal = BLOCK_BYTES + certificate + FIELDS_BYTES + SIGNATURE_BYTES
    slot = (n + 2 * BLOCKS_HELD) * proposal + n * VOTES_BYTES + VERDICTS_BYTES
    view_change = certificate + window * certificate + FIELDS_BYTES
    new_view = n * view_change + window * FIELDS_BYTES
    return (window + 2) * slot + (n + 2) * view_change + 2 * new_view + (CERTIFICATES_HELD + 2 * window) * certificate


_NOT_ITS_OWN = frozenset({"config", "schedule", "signer", "verifier", "decode_header", "members", "_members"})


@dataclass(slots=True)
class Traffic:
    """What one process has sent in one T_status."""

    window: int
    height: int
    messages: int = 0
    views: int = 0
    bytes_sent: int = 0


class Monitors:
    """One run's watch over single banks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._steps: dict[int, int] = {}
        self._traffic: dict[int, Traffic] = {}
        self._arrived: dict[tuple[int, int, c.Digest, int], int] = {}
        self._last: dict[int, tuple[int, int, w.State]] = {}
        self.reproposed: set[c.Digest] = set()
        """Blocks that some NEW-VIEW proposes again."""

    # --- I12 ------------------------------------------------------------------------------------------------

    def stepped(self, host: Host) -> None:
        """``host`` has made a step."""
        count = self._steps[host.index] = self._steps.get(host.index, 0) + 1
        if count % WEIGHED_EVERY == 0:
            self.weigh(host)

    def weigh(self, host: Host) -> None:
        """I12: what the replica holds is within the bound, whatever others send."""
        options = self._world.options
        bound = memory_bound(options.n + options.spares, options.window)
        held = weight(host.replica._core, _NOT_ITS_OWN)
        if held > bound:
            self._world.checker.fail("I12", f"node {host.index} holds {held} bytes, more than {bound}")

    # --- I13 ------------------------------------------------------------------------------------------------

    def sent(self, host: Host, message: m.Message, copies: int) -> None:
        """I13: in one T_status a bank sends each peer a bounded number of messages, more only with each height and
        each view; and of bounded size."""
        if host.faulty:
            return
        world = self._world
        window = world.scheduler.now_us // world.options.status_interval_us
        key = host.index
        found = self._traffic.get(key)
        if found is None or found.window != window:
            found = self._traffic[key] = Traffic(window, host.ledger.height)
        found.messages += copies
        heights = host.ledger.height - found.height + world.options.window
        peers = max(1, len(world.hosts) - 1)
        bound = peers * (REPAIRS + REPEATS + PER_HEIGHT * heights + PER_VIEW * (found.views + 1))
        if found.messages > bound:
            world.checker.fail("I13", f"node {key} sends {found.messages} messages in one T_status, more than {bound}")
        if world.options.wire:
            found.bytes_sent += copies * len(codec.encode_message(message))  # type: ignore[arg-type]
            n = world.options.n + world.options.spares
            largest = (n + 1) * (2 * FIELDS_BYTES + (world.options.window + 1) * (100 + SIGNATURE_BYTES * n))
            if found.bytes_sent > bound * max(largest, 16 * (100 + SIGNATURE_BYTES * n)):
                world.checker.fail("I13", f"node {key} sends {found.bytes_sent} bytes in one T_status")

    # --- I17 ------------------------------------------------------------------------------------------------

    def dying(self, host: Host) -> None:
        """Note where a process stands whose every record is durable."""
        self._traffic.pop(host.index, None)
        self._last.pop(host.index, None)
        replica: Replica | None = getattr(host, "replica", None)
        if replica is None or host.damage:
            return
        self.weigh(host)
        status = replica.status()
        if status.lsn == host.wal.last_synced_lsn and status.height == host.ledger.height:
            state = replica.state_record()
            if state is not None:
                self._last[host.index] = (status.lsn, status.height, state)

    def restored(self, host: Host, restored: w.Restored) -> None:
        """I17: a restored replica stands where the one that died stood, if everything that one did is durable."""
        last = self._last.pop(host.index, None)
        if last is None or restored.refuse_to_vote or (restored.lsn, host.ledger.height) != last[:2]:
            return
        state = host.replica.state_record()
        self._world.count("restored_equal")
        if state is not None and _obligations(state) != _obligations(last[2]):
            self._world.checker.fail("I17", f"node {host.index} was {describe(last[2])}, is {describe(state)}")

    # --- I18 ------------------------------------------------------------------------------------------------

    def arrived(self, host: Host, message: m.PrePrepare) -> None:
        """A proposal has come: its lateness is judged from now on (P-4)."""
        self._arrived.setdefault((host.index, host.generation, message.block_hash, message.view), host.unix_s())

    def accepted(self, host: Host, message: m.PrePrepare) -> None:
        """I18: a fresh block that an honest backup accepts was neither late when it arrived nor early now (P-4)."""
        arrived = self._arrived.get((host.index, host.generation, message.block_hash, message.view))
        if arrived is None or message.block_hash in self.reproposed:
            return
        config, block = self._world.config, decode_block(message.proposal.block)
        patience_s = -(-config.timeout_max_us // 1_000_000)
        if block.timestamp < arrived - config.tolerance_s - patience_s:
            self._world.checker.fail("I18", f"node {host.index} accepts block {block.number} of the past")
        parent = host.ledger.state_of(block.parent_hash)
        repeats = parent is not None and block.timestamp == parent.timestamp
        if block.timestamp > host.unix_s() + config.tolerance_s and not repeats:
            self._world.checker.fail("I18", f"node {host.index} accepts block {block.number} of the future")

    def final(self, host: Host, block_time: int, number: int) -> None:
        """I18: chain time is never further ahead of the truth than an honest clock may be, and the tolerance."""
        options, config = self._world.options, self._world.config
        now = self._world.genesis_time + self._world.scheduler.now_us // 1_000_000
        ahead = block_time - now
        if not options.over_faulty and ahead > options.skew_us // 1_000_000 + 1 + config.tolerance_s:
            self._world.checker.fail("I18", f"block {number} is final {ahead} s before its time")

    # --- rare situations ------------------------------------------------------------------------------------

    def delivering(self, host: Host, effect: c.Deliver) -> None:
        """A decided block is about to be written: which way it was learned."""
        status = host.replica.status()
        sealed_in = int.from_bytes(effect.certificate[9:17], "big")
        if not status.normal:
            self._world.count("learned_while_changing")
        if sealed_in < status.view:
            self._world.count("learned_in_older_view")

    def traced(self, host: Host, effect: c.Trace) -> None:
        """The replica names what it does."""
        world = self._world
        world.count(effect.label)
        if effect.label in ("view_change", "view_entered", "complain"):
            traffic = self._traffic.get(host.index)
            if traffic is not None:
                traffic.views += 1
        if effect.label == "complain" and dict(effect.values).get("echo"):
            world.count("join_by_f_plus_1")
        if effect.label == "view_change" and host.replica.status().failed_views >= 2:
            world.count("two_failed_views")

    def entered(self, host: Host, new_view: m.NewView) -> None:
        """A NEW-VIEW is durable at an honest bank."""
        self.reproposed.update(item.block_hash for item in new_view.reproposals)
        length = len(new_view.reproposals)
        self._world.count(f"new_view_of_{length}")
        if length == self._world.options.window:
            self._world.count("new_view_of_w")
        base = max(change.base_height for change in new_view.view_changes)
        if host.ledger.height < base and self._world.members(new_view.epoch)[new_view.sender] == host.address:
            self._world.count("leader_behind_base")

    def fetched(self, digest: c.Digest) -> None:
        """A block asked for by its hash has come."""
        self._world.count("fetched")
        if digest in self.reproposed:
            self._world.count("fetched_for_new_view")


def _obligations(state: w.State) -> tuple[object, ...]:
    """What a State record binds to; blocks that were accepted and then overtaken may be forgotten, so of those only
    the last at each height counts."""
    last = {message.height: message for message in state.accepted}
    return state.epoch, state.committed, state.view_change, state.new_view, last, state.prepared


SOMETIMES = (
    "new_view_of_0",
    "new_view_of_1",
    "new_view_of_w",
    "join_by_f_plus_1",
    "learned_while_changing",
    "learned_in_older_view",
    "torn_tail",
    "fetched_for_new_view",
    "leader_behind_base",
    "two_failed_views",
    "evidence equivocation",
    "evidence amnesia",
    "evidence wrong_new_view",
    "epoch_entered",
    "set_entered",
)
"""Labels that a large batch must have seen (consensus.md 3.4, Coverage goals)."""
