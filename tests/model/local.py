"""One replica by itself: the real ``Replica`` as a memoised function (local state, what arrives) -> (local state, what
it says). Local states with equal keys are one state and get one small number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from consensus import codec, ingress
from consensus import messages as m
from consensus import types as c
from consensus import wal_records as w
from consensus.core import Core
from consensus.errors import ConsensusError
from consensus.message_log import MessageLog
from consensus.replica import Replica
from consensus.validators import ValidatorSchedule
from tests.model.keys import message_key, replica_key
from tests.model.setting import NOW, Setting
from tests.simulation.blocks import decode_block, decode_header

Key = tuple[Any, ...]
EVENTS_MAX = 200
"""Events within one action; more is a loop."""


class Broken(Exception):
    """A property fell within one replica's step."""


# --- copies -------------------------------------------------------------------------------------------

_COPIED = (Core, MessageLog, ValidatorSchedule, Replica)
_copiers: dict[type, Callable[[Any], Any]] = {}


def copy(value: Any) -> Any:
    """A copy that shares everything immutable: messages, certificates, keys, constants."""
    copier = _copiers.get(type(value))
    if copier is None:
        copier = _copiers[type(value)] = _copier(type(value))
    return copier(value)


def _copier(kind: type) -> Callable[[Any], Any]:
    if kind is dict:
        return lambda value: {k: copy(v) for k, v in value.items()}
    if kind is list:
        return lambda value: [copy(v) for v in value]
    if kind is set:
        return set.copy
    if kind in _COPIED:
        return _copy_object
    if is_dataclass(kind) and not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        names = tuple(f.name for f in fields(kind))

        def copy_fields(value: Any) -> Any:
            new = object.__new__(kind)
            for name in names:
                setattr(new, name, copy(getattr(value, name)))
            return new

        return copy_fields
    return lambda value: value


def _copy_object(value: Any) -> Any:
    new = object.__new__(type(value))
    vars(new).update({k: copy(v) for k, v in vars(value).items()})
    return new


def forget(core: Core) -> None:
    """Drop what has been heard to no effect, as if it had not arrived yet: it can arrive again (README, "bundles")."""
    for slot in core.log.slots.values():
        slot.prepares = {s: by for s, by in slot.prepares.items() if s == core.index}
        slot.commits = {s: by for s, by in slot.commits.items() if s == core.index}
        slot.pre_prepares.clear()
        slot.refused.clear()
    sync = core.sync
    sync.complaints.clear()
    sync.view_changes = {s: change for s, change in sync.view_changes.items() if s == core.index}


# --- local states -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at one node other than a message: ``kind`` is timer, build, written, crash or synced."""

    kind: str
    detail: Any = None


Item = m.SignedMessage | Action


@dataclass(slots=True)
class Local:
    """A node: replica, write-ahead log, ledger. Never changed once it is interned."""

    node: int
    replica: Replica
    wal: tuple[tuple[int, tuple[w.WalRecord, ...]], ...] = ()
    chain: tuple[tuple[c.Digest, c.Proposal, bytes], ...] = ()

    @property
    def core(self) -> Core:
        return self.replica._core


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action at a local state leads to. ``facts``: numbers of what was said and done, in order."""

    state: int
    facts: tuple[int, ...]


class Locals:
    """All local states of one search, all facts, and the transitions computed so far."""

    def __init__(self, setting: Setting) -> None:
        self.s = setting
        self.states: list[Local | None] = []
        self.state_keys: list[Key] = []
        self._state_ids: dict[Key, int] = {}
        self.facts: list[Key] = []
        self.messages: list[m.SignedMessage | None] = []
        """The message of a fact; None for facts that are no messages."""
        self._fact_ids: dict[Key, int] = {}
        self.on_fact: Callable[[int], None] = lambda fact: None
        """Told of each new fact."""
        self.steps = 0
        """Actions that the real replica was run for."""

    # --- numbers ----------------------------------------------------------------------------------------

    def fact(self, key: Key, message: m.SignedMessage | None = None) -> int:
        """The number of a fact; the first message of its key stands for all of that key."""
        known = self._fact_ids.get(key)
        if known is None:
            known = self._fact_ids[key] = len(self.facts)
            self.facts.append(key)
            self.messages.append(message)
            self.on_fact(known)
        elif message is not None and self.messages[known] is None:
            self.messages[known] = message
        return known

    def state(self, key: Key, local: Local | None) -> int:
        """The number of a local state; ``local`` may be left out where only the number matters."""
        known = self._state_ids.get(key)
        if known is None:
            known = self._state_ids[key] = len(self.states)
            self.states.append(local)
            self.state_keys.append(key)
        elif self.states[known] is None:
            self.states[known] = local
        return known

    def at(self, state: int) -> Local:
        local = self.states[state]
        assert local is not None
        return local

    # --- running ----------------------------------------------------------------------------------------

    def begin(self, node: int) -> Outcome:
        """The node's first start, on an empty disk, with work waiting."""
        local = Local(node, self._restart(node, (), ()))
        return self._run(local, [c.Started(), c.WorkChanged(pending=True)], ())

    def act(self, state: int, items: tuple[Item, ...]) -> Outcome:
        """The node takes in ``items`` in order, and whatever it asks its host for at once."""
        before = self.at(state)
        local = Local(before.node, copy(before.replica), before.wal, before.chain)
        return self._run(local, [], items)

    def _run(self, local: Local, events: list[c.Event], items: tuple[Item, ...]) -> Outcome:
        self.steps += 1
        facts: list[int] = []
        try:
            self.work_off(local, events, items, facts)
        except Broken as error:
            facts.append(self.fact(("Broken", local.node, str(error))))
        return Outcome(self.number(local), tuple(dict.fromkeys(facts)))

    def number(self, local: Local) -> int:
        """The number of a node's state, which is changed to its normal form."""
        forget(local.core)
        return self.state(self._key(local), local)

    def work_off(self, local: Local, events: list[c.Event], items: tuple[Item, ...], facts: list[int]) -> None:
        queue: deque[c.Event | Item] = deque([*events, *items])
        for _ in range(EVENTS_MAX):
            if not queue:
                break
            head = queue.popleft()
            event = self._event(local, head, facts) if isinstance(head, Item) else head
            if event is None:
                continue
            answers: list[c.Event] = []
            for effect in local.replica.step(event, NOW):
                answer = self._carry_out(local, effect, facts)
                if answer is not None:
                    answers.append(answer)
            queue.extendleft(reversed(answers))
        else:
            raise Broken("a node's step does not end")
        if self.s.bounds.certificates:
            self._check_canonical(local)

    def _check_canonical(self, local: Local) -> None:
        """P-11: of each block that a later one names, the named certificate is held from then on."""
        for height, (_, proposal, _) in enumerate(local.chain, start=1):
            held = local.core.certificates.get(height - self.s.bounds.window)
            if held is not None and held.encode() != proposal.certificate:
                raise Broken(f"node {local.node} holds another certificate than block {height} names")

    def _key(self, local: Local) -> Key:
        key = (local.node, replica_key(self.s, local.core))
        if local.node not in self.s.bounds.crashing:
            return key
        # What a restart would make of the log is part of the state.
        return (*key, replica_key(self.s, self._restart(local.node, local.wal, local.chain)._core))

    def _event(self, local: Local, item: Item, facts: list[int]) -> c.Event | None:
        """The event that an action amounts to here; None where it does nothing."""
        core = local.core
        if not isinstance(item, Action):
            return self._received(local, item)
        if item.kind == "timer":
            for kind in (c.TimerKind.PROGRESS, c.TimerKind.NEW_VIEW):
                if kind in core.timers:
                    return c.TimerFired(core.timers[kind][0])
            return None
        if item.kind == "build":
            return self._built(local)
        if item.kind == "written":
            return self._written(local)
        if item.kind == "synced":
            return self._synced(local, *item.detail, facts)
        assert item.kind == "crash"
        if item.detail == "rotated":
            record = local.replica.state_record()
            if record is None:
                return None
            local.wal = ((core.lsn, (record,)),)
        local.wal = tuple((lsn, tuple(w.decode(w.encode(r)) for r in records)) for lsn, records in local.wal)
        local.replica = self._restart(local.node, local.wal, local.chain)
        facts.append(self.fact(("Crash", local.node, self.crashes)))
        for effect in local.replica.step(c.Started(), NOW):
            self._carry_out(local, effect, facts)
        return c.WorkChanged(pending=True)

    crashes = 0
    """How many there have been; the search sets it (a crash is a different fact each time)."""

    def _received(self, local: Local, message: m.SignedMessage) -> c.Event | None:
        """Through the real ingress, under the sets that this node knows, on the sender's own connection."""
        core = local.core
        known = core.schedule.knows(message.epoch)
        peer = core.schedule.validators(message.epoch)[message.sender] if known else bytes(20)
        try:
            believed = ingress.verify(
                codec.encode_message(message), peer, core.schedule, self.s.verifier, decode_header
            )
        except ConsensusError:
            return None
        return c.Received(peer, believed)

    def _built(self, local: Local) -> c.Event | None:
        place = local.core.work.build
        if place is None:
            return None
        epoch, view, height = place
        parent, ancestors = self._parent(local, height)
        certificate = self.s.carried(height, ancestors)
        if self.s.bounds.certificates and certificate:
            certificate = local.core.certificates[height - self.s.bounds.window].encode()
        label = f"p{local.node}v{view}"
        if self.s.bounds.certificates and certificate:
            label += self.s.seal_label(certificate)
        digest = self.s.block(parent, height, label, self.s.signers[local.node].address, certificate)
        return c.BlockBuilt(epoch, view, height, self.s.proposals[digest])

    def _parent(self, local: Local, height: int) -> tuple[c.Digest, dict[int, c.Digest]]:
        """The block to build on, and the blocks below ``height`` by height: the ledger, then what is accepted."""
        ancestors = {h: entry[0] for h, entry in enumerate(local.chain, start=1)}
        for above in range(len(local.chain) + 1, height):
            slot = local.core.log.slots[above]
            decided = local.core.log.decided.get(above)
            if decided is not None:
                ancestors[above] = decided.block_hash
            else:
                assert slot.accepted is not None
                ancestors[above] = slot.accepted.block_hash
        return ancestors.get(height - 1, self.s.config.genesis_hash), ancestors

    def _synced(self, local: Local, height: int, digest: c.Digest, facts: list[int]) -> c.Event | None:
        """The host's sync has found the certificate and the block, and commits it past the replica."""
        if height != local.core.height + 1 or any(s.delivering for s in local.core.log.slots.values()):
            return None
        certificate = self.s.certificate(height, digest).encode()
        self._commit(local, height, digest, self.s.proposals[digest], certificate)
        facts.append(self.fact(("Delivered", height, self.s.names[digest])))
        timestamp = decode_block(self.s.proposals[digest].block).timestamp
        return c.Synced(height, digest, timestamp, certificate, self._next(height))

    def _written(self, local: Local) -> c.Event | None:
        """The batch that Deliver asked for is synced."""
        height = local.core.height + 1
        slot, decided = local.core.log.slots.get(height), local.core.log.decided.get(height)
        if slot is None or decided is None or not slot.delivering:
            return None
        proposal = slot.blocks[decided.block_hash][0]
        self._commit(local, height, decided.block_hash, proposal, decided.encode())
        return c.Delivered(height, decided.block_hash, self._next(height))

    def _next(self, height: int) -> tuple[c.Address, ...]:
        return self.s.members(self.s.epoch_of(height + 1))

    def _commit(self, local: Local, height: int, digest: c.Digest, proposal: c.Proposal, certificate: bytes) -> None:
        parent = local.chain[-1][0] if local.chain else self.s.config.genesis_hash
        block = decode_block(proposal.block)
        if height != len(local.chain) + 1 or block.number != height or block.parent_hash != parent:
            raise Broken(f"node {local.node} commits a block that does not follow its parent")
        local.chain = (*local.chain, (digest, proposal, certificate))

    def _restart(self, node: int, wal: Any, chain: Any) -> Replica:
        height = len(chain)
        length = self.s.bounds.epoch_length
        epochs = {h // length for h in range(max(0, height - self.s.bounds.window), height + 2)}
        certificates = {h: entry[2] for h, entry in enumerate(chain, start=1)}
        for h, (_, proposal, _) in enumerate(chain, start=1):
            if proposal.certificate:
                certificates[h - self.s.bounds.window] = proposal.certificate
        ledger = w.LedgerState(
            height=height,
            block_hash=chain[-1][0] if chain else self.s.config.genesis_hash,
            timestamp=decode_block(chain[-1][1].block).timestamp if chain else NOW.unix_s - 100,
            next_validators=self._next(height),
            certificates=certificates,
            validators={e: self.s.members(e) for e in sorted(epochs)},
        )
        restored = w.restore(wal, ledger)
        signer = self.s.signers[node]
        return Replica(self.s.config, signer.address, signer, self.s.verifier, decode_header, restored)

    def _carry_out(self, local: Local, effect: c.Effect, facts: list[int]) -> c.Event | None:
        """Carry out one effect; the answer, where the host gives one at once."""
        match effect:
            case c.Persist(records, lsn):
                local.wal = (*local.wal, (lsn, records))
                for record in records:
                    if isinstance(record, w.Prepared):
                        found = record.certificate
                        place = (found.epoch, found.view, found.height, self.s.names[found.block_hash])
                        facts.append(self.fact(("Prepared", *place)))
                    elif isinstance(record, w.EnteredView | w.NewViewSent):
                        content = message_key(self.s, record.new_view)
                        facts.append(self.fact(("Entered", *content[1:-1])))
            case c.Send(message=message) | c.Broadcast(message=message):
                self._say(local, message, facts)
            case c.ValidateBlock(token, proposal, _, _):
                block = decode_block(proposal.block)
                known = {entry[0] for entry in local.chain} | {self.s.config.genesis_hash}
                known |= {d for slot in local.core.log.slots.values() for d in slot.executed}
                if block.parent_hash not in known:
                    raise Broken(f"node {local.node} has a block executed whose parent it has not executed")
                return c.BlockValidated(token, c.Verdict.VALID)
            case c.FetchBlock(_, digest, _):
                return c.BlockAvailable(self.s.proposals[digest])
            case c.Deliver(height, digest, proposal, certificate, _):
                facts.append(self.fact(("Delivered", height, self.s.names[digest])))
                if self.s.bounds.slow:
                    return None
                self._commit(local, height, digest, proposal, certificate)
                return c.Delivered(height, digest, self._next(height))
            case c.CheckWork():
                return c.WorkChanged(pending=True)
            case c.ReportEvidence(signer, offence, _, _):
                if self.s.node_of[signer] not in self.s.bounds.byzantine:
                    facts.append(self.fact(("Framed", offence, self.s.node_of[signer])))
            case c.Halt(reason):
                facts.append(self.fact(("Halt", local.node, reason)))
        return None

    def _say(self, local: Local, message: m.Message, facts: list[int]) -> None:
        """A signed message of this node's own; certificates and other nodes' messages are in the network anyway."""
        if isinstance(message, m.Status | m.Repair | m.ForeignEpoch):
            return
        if self.s.nodes(message.epoch)[message.sender] == local.node:
            facts.append(self.fact(message_key(self.s, message), message))
