"""The invariants I1 to I11 and I14, checked as each event happens, by code of its own: nothing here asks the core
whether the core is right (only certificates are verified by its functions, taken when this module is imported).

The checker sees what honest hosts send, make durable and commit, and every seal that anybody ever signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus import messages as m
from consensus import types as c
from consensus import wal_records as w
from consensus.certificates import CommitCertificate, verify_commit_certificate
from consensus.domain import seal_digest
from consensus.errors import ConsensusError
from tests.simulation.auditor import Auditor
from tests.simulation.blocks import block_hash, decode_block

if TYPE_CHECKING:
    from tests.simulation.host import Host
    from tests.simulation.world import World

View = tuple[int, int]
"""(epoch, view), in the order in which they follow each other (P-13)."""


class Violation(Exception):
    """An invariant fell."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


def independent_quorum(n: int) -> int:
    """ceil(2n / 3): equal to the core's formula for all n up to 39, and written differently."""
    return -(-2 * n // 3)


class Checker:
    """One run's observer."""

    def __init__(self, world: World, enforced: frozenset[str] | None = None) -> None:
        self._world = world
        self._enforced = enforced
        self.auditor = Auditor(world) if world.options.audit else None
        self.final: dict[int, c.Digest] = {}
        self._sent: dict[tuple[object, ...], object] = {}
        self._promised: dict[int, View] = {}
        self._durable: dict[int, set[tuple[object, ...]]] = {}
        self._prepared: dict[tuple[int, int, int], c.Digest] = {}
        self._seals: dict[tuple[int, int, int, c.Digest], set[c.Address]] = {}
        self._decided: dict[int, dict[c.Digest, View]] = {}
        self._new_views: dict[View, m.NewView] = {}
        self._progress: dict[int, tuple[int, View, int]] = {}
        self._verified: set[bytes] = set()

    def fail(self, invariant: str, message: str) -> None:
        """Stop the run, unless this run is about other invariants."""
        if self._enforced is not None and invariant not in self._enforced:
            return
        raise Violation(invariant, message)

    # --- I1, I2, I3, I5: the chain ------------------------------------------------------------------------

    def committing(self, host: Host, height: int, digest: c.Digest, proposal: c.Proposal, certificate: bytes) -> None:
        """An honest or Byzantine host is about to write a block; only honest ones are held to the rules."""
        if host.faulty:
            return
        ledger, window = host.ledger, self._world.options.window
        if self.final.setdefault(height, digest) != digest:
            self.fail("I1", f"node {host.index} commits a second block at height {height}")
        if height != ledger.height + 1:
            self.fail("I2", f"node {host.index} commits height {height} on height {ledger.height}")
        block = decode_block(proposal.block)
        if block_hash(proposal.block) != digest or block.number != height or block.parent_hash != ledger.head_hash:
            self.fail("I2", f"node {host.index}: block {height} does not follow its parent")
        reason = self._world.broken_rule(block, ledger.tip, host)
        if reason:
            self.fail("I3", f"node {host.index}: block {height} breaks {reason}")
        self._world.monitors.final(host, block.timestamp, height)
        ancestor = ledger.entry(height - window)
        if (ancestor is None) != (not proposal.certificate):
            self.fail("P-11", f"block {height} carries a certificate, or none, against the rule")
        if ancestor is not None:
            self._certificate(proposal.certificate, height - window, ancestor.block_hash, "P-11")
            if self._world.certificate_hash(proposal.certificate) != block.parent_beacon_block_root:
                self.fail("I3", f"block {height} names another certificate than it carries")
        self._certificate(certificate, height, digest, "I5")

    def _certificate(self, encoded: bytes, height: int, digest: c.Digest, invariant: str) -> None:
        if encoded in self._verified:
            return
        try:
            certificate = CommitCertificate.decode(encoded)
            verify_commit_certificate(certificate, self._world.schedule, self._world.verifier)
        except ConsensusError as error:
            self.fail(invariant, f"the certificate of block {height} proves nothing: {error}")
        if (certificate.height, certificate.block_hash) != (height, digest):
            self.fail(invariant, f"the certificate of block {height} is for another block")
        if certificate.bitmap.bit_count() < self._quorum(certificate.epoch):
            self.fail(invariant, f"the certificate of block {height} has {certificate.bitmap.bit_count()} seals")
        self._verified.add(encoded)

    def same_block(self, host: Host, height: int, held: c.Digest, delivered: c.Digest) -> None:
        """A host delivers what its ledger has already (I1)."""
        if not host.faulty and held != delivered:
            self.fail("I1", f"node {host.index} delivers a second block at height {height}")

    def _quorum(self, epoch: int) -> int:
        return independent_quorum(len(self._world.members(epoch)))

    def seal(self, signer: c.Address, commit: m.Commit) -> None:
        """A member of the epoch's set signed a seal, whether or not it ever arrived anywhere (I5)."""
        key = (commit.epoch, commit.view, commit.height, commit.block_hash)
        signers = self._seals.setdefault(key, set())
        signers.add(signer)
        members = self._world.members(commit.epoch)
        if not members or len(signers) < self._quorum(commit.epoch):
            return  # an epoch that nobody honest has reached: seals wait for the first honest one
        if len(signers.intersection(members)) < self._quorum(commit.epoch):
            return
        view = (commit.epoch, commit.view)
        decided = self._decided.setdefault(commit.height, {})
        if commit.block_hash not in decided or view < decided[commit.block_hash]:
            decided[commit.block_hash] = view
            for later in self._new_views:
                self._respects(self._new_views[later])
        if len(decided) > 1:
            self.fail("I5", f"seals of two blocks at height {commit.height} make certificates")

    # --- I4, I9, I10: what honest hosts make durable --------------------------------------------------------

    def durable(self, host: Host, records: tuple[w.WalRecord, ...]) -> None:
        """A sync has returned for these records of ``host``."""
        keys = self._durable.setdefault(host.index, set())
        for record in records:
            keys.update(_keys(record))
            if host.faulty:
                continue
            if isinstance(record, w.Prepared):
                self._is_prepared(record)
            elif isinstance(record, w.AcceptedPrePrepare):
                self._world.monitors.accepted(host, record.pre_prepare)
            elif isinstance(record, w.NewViewSent | w.EnteredView):
                self._enters(host, record.new_view)

    def _is_prepared(self, record: w.Prepared) -> None:
        certificate = record.certificate
        place = (certificate.epoch, certificate.view, certificate.height)
        if self._prepared.setdefault(place, certificate.block_hash) != certificate.block_hash:
            self.fail("I4", f"two blocks prepared at {place}")

    def _enters(self, host: Host, new_view: m.NewView) -> None:
        view = (new_view.epoch, new_view.view)
        known = self._new_views.get(view)
        if known == new_view:
            return
        members = self._world.members(new_view.epoch)
        senders = {change.sender for change in new_view.view_changes}
        if len(senders) < self._quorum(new_view.epoch) or len(senders) != len(new_view.view_changes):
            self.fail("I10", f"node {host.index} enters {view} on {len(senders)} view changes")
        if new_view.sender != sum(view) % len(members):
            self.fail("I10", f"node {host.index} enters {view} on a NEW-VIEW of {new_view.sender}")
        expected = choose(new_view.view_changes)
        found = [(item.height, item.block_hash) for item in new_view.reproposals]
        if expected != found:
            self.fail(
                "I10", f"node {host.index} enters {view} with re-proposals {_short(found)}, not {_short(expected)}"
            )
        if any(height // self._world.options.epoch_length != new_view.epoch for height, _ in found):
            self.fail("I10", f"node {host.index} enters {view} with re-proposals of another epoch")
        self._new_views[view] = new_view
        self._respects(new_view)
        self._world.monitors.entered(host, new_view)
        if found:
            self._world.count("reproposal_of_prepared")

    def _respects(self, new_view: m.NewView) -> None:
        """I9: what a quorum sealed in an earlier view stands in O or below its base."""
        base = max(change.base_height for change in new_view.view_changes)
        chosen = {item.height: item.block_hash for item in new_view.reproposals}
        for height, decided in self._decided.items():
            for digest, view in decided.items():
                if view < (new_view.epoch, new_view.view) and height > base and chosen.get(height) != digest:
                    self.fail("I9", f"NEW-VIEW {new_view.epoch}/{new_view.view} drops the decided block {height}")

    # --- I6, I7, I8: what honest hosts send -----------------------------------------------------------------

    def sent(self, host: Host, message: m.Message) -> None:
        """``message`` leaves ``host``."""
        if isinstance(message, m.Commit):
            signer = self._signer_of_seal(message) if host.faulty else host.address
            if signer is not None:
                self.seal(signer, message)
        if self.auditor is not None:
            self.auditor.heard(message)
        if host.faulty or isinstance(message, m.Repair | m.Status | m.Complain | m.ForeignEpoch):
            return
        members = self._world.members(message.epoch)
        if message.sender >= len(members) or members[message.sender] != host.address:
            if isinstance(message, m.NewView | m.PrePrepare):
                return  # passed on for another, whose signature it bears
            self.fail("I6", f"node {host.index} signs as another: {type(message).__name__} of {message.sender}")
        view = (message.epoch, message.view)
        kind = type(message).__name__
        if host.rolled_back:
            self.fail("P-18", f"node {host.index} sends {kind} although its log was rolled back")
        if isinstance(message, m.PrePrepare | m.Prepare | m.Commit):
            place = (host.index, kind, view, message.height)
            content: object = message.block_hash
            if view < self._promised.get(host.index, view):
                self.fail("I7", f"node {host.index} sends {kind} in {view} after its promise")
        else:
            place = (host.index, kind, view)
            content = message
            if isinstance(message, m.ViewChange):
                self._promised[host.index] = max(view, self._promised.get(host.index, view))
        if self._sent.setdefault(place, content) != content:
            self.fail("I6", f"node {host.index} equivocates: {place[1:]}")
        need = _needs(message)
        if not self._durable.get(host.index, set()) & need:
            self.fail("I8", f"node {host.index} sends {kind} {place[2:]} before its record is durable")

    def _signer_of_seal(self, commit: m.Commit) -> c.Address | None:
        """Whose key really signed, where a liar may have written any name."""
        world = self._world
        if not world.schedule.knows(commit.epoch) or commit.height < 0:
            return None
        digest = seal_digest(world.schedule.domain(commit.epoch), commit.view, commit.height, commit.block_hash)
        return world.verifier.recover(digest, commit.signature)

    # --- I11 and restarts -----------------------------------------------------------------------------------

    def restarted(self, host: Host, groups: list[tuple[int, tuple[w.WalRecord, ...]]], restored: w.Restored) -> None:
        """``host`` has read its WAL again."""
        keys = self._durable.setdefault(host.index, set())
        votes = False
        for _, records in groups:
            for record in records:
                keys.update(_keys(record))
                votes = votes or _is_vote_above(record, host.ledger.height)
                if isinstance(record, w.ViewPromise) and not host.faulty:
                    change = record.view_change
                    view = (change.epoch, change.view)
                    self._promised[host.index] = max(view, self._promised.get(host.index, view))
        if votes and host.generation > 1:
            self._world.count("restart_with_votes")
        if bool(restored.refuse_to_vote) != host.rolled_back:
            self.fail("P-18", f"node {host.index}, rolled back {host.rolled_back}: {restored.refuse_to_vote!r}")
        if host.rolled_back:
            self._world.count("refused_to_vote")
        self._progress.pop(host.index, None)

    def stepped(self, host: Host) -> None:
        """``host`` has carried out a step."""
        self._world.monitors.stepped(host)
        if host.faulty:
            return
        status = host.replica.status()
        committed, view, promise = status.height, (status.epoch, status.view), status.promise
        old = self._progress.get(host.index)
        if old is not None and (committed < old[0] or view < old[1] or (view[0] == old[1][0] and promise < old[2])):
            self.fail("I11", f"node {host.index} goes back from {old} to {(committed, view, promise)}")
        self._progress[host.index] = (committed, view, promise)

    def evidence(self, host: Host, effect: c.ReportEvidence) -> None:
        """I14: evidence never names an honest bank, whoever reports it and whatever crashed."""
        named = [self._world.hosts[node] for node in self._world.nodes_of[effect.signer]]
        if not host.faulty and not named[0].faulty:
            self.fail("I14", f"node {host.index} convicts the honest node {named[0].index} of {effect.offence}")
        self._world.count("evidence")
        self._world.count(f"evidence {effect.offence}")


def choose(view_changes: tuple[m.ViewChange, ...]) -> list[tuple[int, c.Digest]]:
    """What a NEW-VIEW must re-propose: from the highest base on, the certificate of the highest view for each height,
    until a height has none (consensus.md 1.3)."""
    height = max(change.base_height for change in view_changes) + 1
    chosen = []
    while True:
        best: tuple[int, c.Digest] | None = None
        for change in view_changes:
            for certificate in change.prepared:
                if certificate.height == height and (best is None or certificate.view > best[0]):
                    best = (certificate.view, certificate.block_hash)
        if best is None:
            return chosen
        chosen.append((height, best[1]))
        height += 1


def _needs(message: m.Message) -> set[tuple[object, ...]]:
    """Keys of which one must be durable before ``message`` leaves (consensus.md 1.11)."""
    match message:
        case m.PrePrepare():
            place = (message.epoch, message.view, message.height, message.block_hash)
            return {("proposed", *place), ("reproposed", *place)}
        case m.Prepare():
            return {("accepted", message.epoch, message.view, message.height, message.block_hash)}
        case m.Commit():
            return {("prepared", message.epoch, message.view, message.height, message.block_hash)}
        case m.ViewChange():
            return {("promise", message)}
        case m.NewView():
            return {("new view", message)}
    return set()


def _keys(record: w.WalRecord) -> set[tuple[object, ...]]:
    """What a durable record covers."""
    match record:
        case w.Proposed(x):
            return {("proposed", x.epoch, x.view, x.height, x.block_hash)}
        case w.AcceptedPrePrepare(x):
            return {("accepted", x.epoch, x.view, x.height, x.block_hash)}
        case w.Prepared(x):
            return {("prepared", x.epoch, x.view, x.height, x.block_hash)}
        case w.ViewPromise(x):
            return {("promise", x)}
        case w.NewViewSent(x) | w.EnteredView(x):
            places = [(x.epoch, x.view, item.height, item.block_hash) for item in x.reproposals]
            return {("new view", x), *(("reproposed", *place) for place in places)}
        case w.State():
            # Accepted and proposed are one list in a State record.
            keys: set[tuple[object, ...]] = set()
            for x in record.accepted:
                place = (x.epoch, x.view, x.height, x.block_hash)
                keys |= {("accepted", *place), ("proposed", *place)}
            return keys
    return set()


def _is_vote_above(record: w.WalRecord, height: int) -> bool:
    if isinstance(record, w.Proposed | w.AcceptedPrePrepare):
        return record.pre_prepare.height > height
    return isinstance(record, w.Prepared) and record.certificate.height > height


def _short(items: list[tuple[int, c.Digest]]) -> list[tuple[int, str]]:
    return [(height, digest.hex()[:8]) for height, digest in items]
