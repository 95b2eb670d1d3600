"""What can happen next to one replica: which bundles of messages it may be handed, and what else may occur to it.

Messages are never lost for good and come in any order. A message that by itself changes nothing but what has been
heard is delivered together with those that make the difference, at the moment when they do (README, "bundles").
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from consensus import messages as m
from consensus import view_change
from consensus.certificates import CommitCertificate
from consensus.domain import Kind
from consensus.errors import ImpossibleState
from tests.model.facts import Facts, bits
from tests.model.keys import message_key
from tests.model.local import Action, Item, Key, Locals
from tests.model.setting import Name, Setting

Bundle = tuple[int, ...]
"""Item numbers, in the order in which they arrive."""


class Menu:
    """Items (messages and actions) by number, and the choice at each state."""

    def __init__(self, setting: Setting, locals_: Locals, facts: Facts) -> None:
        self.s, self.locals, self.facts = setting, locals_, facts
        self.items: list[Item] = []
        self._numbers: dict[Key, int] = {}
        self._interests: list[Interest | None] = []
        self._memo: dict[Any, Any] = {}
        self.digests: dict[Name, bytes] = {}

    def item(self, key: Key, item: Item) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.items)
            self.items.append(item)
        return number

    def message(self, message: m.SignedMessage) -> int:
        return self.item(message_key(self.s, message), message)

    def said(self, fact: int) -> int:
        """The item of an honest message."""
        message = self.locals.messages[fact]
        assert message is not None
        return self.item(self.locals.facts[fact], message)

    def digest(self, name: Name) -> bytes:
        """The block of this name."""
        if name not in self.digests:
            self.digests = {known: digest for digest, known in self.s.names.items()}
        return self.digests[name]

    def interest(self, state: int) -> Interest:
        while len(self._interests) <= state:
            self._interests.append(None)
        found = self._interests[state]
        if found is None:
            found = self._interests[state] = Interest(self, state)
        return found

    def bundles(self, state: int, mask: int) -> Iterator[Bundle]:
        """Everything that may happen to the replica in ``state`` when ``mask`` has been said."""
        interest = self.interest(state)
        yield from interest.always
        if interest.crashes and (mask & self.facts.crashes).bit_count() < self.s.bounds.crashes:
            yield from interest.crashes
        yield from interest.proposals(mask)
        yield from interest.votes(mask)
        yield from interest.complaints(mask)
        yield from interest.promises(mask)
        yield from interest.new_views(mask)

    # --- what the Byzantine can prove -------------------------------------------------------------------

    def provable(self, mask: int, epoch: int) -> tuple[list[Key], list[tuple[int, Name]]]:
        """Places that can be proved prepared, and (height, block) that can be proved decided, with what honest
        replicas have signed and whatever the Byzantine ones sign."""
        signed = mask & self.facts.voting
        key = ("provable", epoch, signed)
        if key not in self._memo:
            self._memo[key] = (self._prepared(signed, epoch), self._decided(signed))
        return self._memo[key]

    def _prepared(self, signed: int, epoch: int) -> list[Key]:
        s, found = self.s, []
        liars = s.liars(epoch)
        for place, word in list(self.facts.prepares.items()):
            if place[0] != epoch:
                continue
            helpers = sum(1 for liar in liars if liar != s.primary(epoch, place[1]))
            if (signed & word).bit_count() + helpers >= s.quorum(epoch) - 1 and self._proposed(signed, place):
                found.append(place)
        return found

    def _proposed(self, signed: int, place: Any) -> bool:
        """Whether the primary's signature on the proposal exists."""
        epoch, view, height, name = place
        if self.s.leads(epoch, view):
            return True
        for fact in bits(signed & self.facts.proposals[(epoch, view, height)]):
            if self.locals.facts[fact][4] == name:
                return True
        new_views = bits(signed & self.facts.new_views[(epoch, view)])
        return any((height, name) in self.locals.facts[fact][5] for fact in new_views)

    def _decided(self, signed: int) -> list[tuple[int, Name]]:
        found = []
        for (epoch, _, height, name), word in list(self.facts.commits.items()):
            if (signed & word).bit_count() + len(self.s.liars(epoch)) >= self.s.quorum(epoch):
                found.append((height, name))
        return list(dict.fromkeys(found))

    # --- what the Byzantine can say ---------------------------------------------------------------------

    def false_promises(self, mask: int, epoch: int, view: int, liar: int) -> list[m.ViewChange]:
        """Every valid VIEW-CHANGE that a Byzantine member could send, up to the signers of its certificates."""
        key = ("false", epoch, view, liar, mask & self.facts.voting)
        if key not in self._memo:
            self._memo[key] = list(self._false_promises(mask, epoch, view, liar))
        return self._memo[key]

    def _false_promises(self, mask: int, epoch: int, view: int, liar: int) -> Iterator[m.ViewChange]:
        s = self.s
        prepared, decided = self.provable(mask, epoch)
        bases: list[tuple[int, CommitCertificate | None]] = [(0, None)]
        bases += [(h, s.certificate(h, self.digest(name))) for h, name in decided]
        for base, certificate in bases:
            if s.epoch_of(base + 1) != epoch:
                continue
            for reported in self._reports(prepared, base, view):
                certificates = tuple(s.prepared(e, v, h, self.digest(name)) for e, v, h, name in reported)
                change = m.ViewChange(epoch, view, base, certificate, certificates, liar, b"")
                yield s.sign(change)  # type: ignore[misc]

    def _reports(self, prepared: list[Key], base: int, view: int) -> Iterator[tuple[Key, ...]]:
        """All that may be reported above ``base``: nothing, or one certificate for each of the next heights."""
        columns: list[list[Key]] = []
        for height in range(base + 1, base + self.s.bounds.window + 1):
            columns.append([p for p in prepared if p[2] == height and p[1] < view])
        for length in range(len(columns) + 1):
            yield from product(*columns[:length])

    def false_new_views(self, mask: int, epoch: int, view: int) -> list[int]:
        """Items: every NEW-VIEW that a Byzantine primary could send, one for each content; and wrong ones."""
        promised = self.facts.view_changes[(epoch, view)] & mask
        key = ("new view", epoch, view, promised | (mask & self.facts.voting))
        if key not in self._memo:
            self._memo[key] = list(dict.fromkeys(self._false_new_views(mask, promised, epoch, view)))
        return self._memo[key]

    def _false_new_views(self, mask: int, promised: int, epoch: int, view: int) -> Iterator[int]:
        s = self.s
        quorum = s.quorum(epoch)
        voices: list[list[m.ViewChange]] = []
        for fact in bits(promised):
            change = self.locals.messages[fact]
            assert isinstance(change, m.ViewChange)
            voices.append([change])
        voices += [self.false_promises(mask, epoch, view, liar) for liar in s.liars(epoch)]
        for chosen in combinations(voices, quorum):
            for changes in product(*chosen):
                yield from self._assembled(epoch, view, tuple(sorted(changes, key=lambda change: change.sender)))
        if s.bounds.wide and len(voices) >= quorum - 1:
            for chosen in combinations(voices, quorum - 1):  # too few: for mutants that take it
                for changes in product(*chosen):
                    yield from self._assembled(epoch, view, tuple(sorted(changes, key=lambda c: c.sender)), "short")

    def _assembled(
        self, epoch: int, view: int, changes: tuple[m.ViewChange, ...], sort: str = "right"
    ) -> Iterator[int]:
        s, leader = self.s, self.s.primary(epoch, view)
        try:
            entries = view_change.choose_new_view(changes).entries
        except ImpossibleState:
            return
        for content in {entries: None, (): None}:
            items = tuple(
                m.Reproposal(h, digest, s.sign_vote(epoch, leader, Kind.PRE_PREPARE, view, h, digest))
                for h, digest in content
            )
            made = s.sign(m.NewView(epoch, view, changes, items, leader, b""))
            # A wrong one has the key of a right one with these re-proposals, and is another item.
            yield self.item((sort if content == entries else "wrong", *message_key(s, made)), made)


class Interest:
    """What one local state can take in, as far as it does not depend on what others have said."""

    def __init__(self, menu: Menu, state: int) -> None:
        self.menu, self.s, self.facts = menu, menu.s, menu.facts
        local = menu.locals.at(state)
        core = local.core
        self.node, self.index = local.node, core.index
        self.epoch, self.view, self.promise = core.epoch, core.views.view, core.views.promise
        self.height, self.parent = core.height, core.block_hash
        self.speaks = core.may_speak()
        self.halted = bool(core.halted)
        self.liars = self.s.liars(self.epoch)
        self.chain = tuple(entry[0] for entry in local.chain)
        self.window = range(self.height + 1, min(self.height + self.s.bounds.window, self.s.bounds.heights) + 1)
        slots = core.log.slots
        self.accepted = {h: slots[h].accepted for h in self.window if h in slots and slots[h].accepted is not None}
        self.own_target = max(core.sync.own.view if core.sync.own else 0, self.promise)
        self.always = [] if self.halted else list(self._always(core))
        self.crashes: list[Bundle] = []
        if self.node in self.s.bounds.crashing:
            for detail in ("whole", "rotated"):
                self.crashes.append((menu.item(("Action", "crash", detail), Action("crash", detail)),))

    def _always(self, core: Any) -> Iterator[Bundle]:
        lost, last = self.s.bounds.lost, self.s.last_view(self.epoch)
        target = (self.view if core.views.normal else self.promise) + 1
        running = {kind.value for kind in core.timers}
        if target <= last and running & {"progress", "new_view"} and f"timer:{self.node}" not in lost:
            yield (self.menu.item(("Action", "timer"), Action("timer")),)
        build = core.work.build
        if build is not None and core.work.built is None and build[2] <= self.s.bounds.heights and "build" not in lost:
            yield (self.menu.item(("Action", "build"), Action("build")),)
        if self.s.bounds.slow and any(slot.delivering for slot in core.log.slots.values()):
            yield (self.menu.item(("Action", "written"), Action("written")),)
        yield from self._false_proposals()

    def _taken(self, height: int) -> bool:
        accepted = self.accepted.get(height)
        return accepted is not None and accepted.view >= self.view

    def _false_proposals(self) -> Iterator[Bundle]:
        """Two blocks of a Byzantine primary at each height of the window, on what this replica holds.

        A proposal where one is accepted, or of a view not entered, says nothing; only a mutant would take it."""
        wide = self.s.bounds.wide
        for view in range(self.view, (self.s.last_view(self.epoch) if wide else self.view) + 1):
            if self.s.leads(self.epoch, view) and (wide or self.view == self.promise):
                yield from self._false_proposals_of(view, wide)

    def _false_proposals_of(self, view: int, wide: bool) -> Iterator[Bundle]:
        leader = self.s.primary(self.epoch, view)
        for height in self.window:
            if (self._taken(height) and not wide) or self.s.epoch_of(height) != self.epoch:
                continue
            parents = [self.parent] if height == self.height + 1 else self._parents(height)
            for parent in parents:
                for digest in self._false_blocks(height, parent, leader):
                    place = (self.epoch, view, height, digest)
                    signature = self.s.sign_vote(self.epoch, leader, Kind.PRE_PREPARE, view, height, digest)
                    message = m.PrePrepare(*place, self.s.proposals[digest], leader, signature)
                    yield (self.menu.message(message),)

    def _parents(self, height: int) -> list[bytes]:
        """What this replica has accepted below; and, if wide, what it has not."""
        below = self.accepted.get(height - 1)
        parents = [below.block_hash] if below is not None else []
        if self.s.bounds.wide and height == self.height + 2:
            leader = self.s.primary(self.epoch, self.view)
            parents += [d for d in self._false_blocks(height - 1, self.parent, leader) if d not in parents]
        return parents

    def _false_blocks(self, height: int, parent: bytes, leader: int) -> Iterator[bytes]:
        s = self.s
        address = s.members(self.epoch)[leader]
        ancestors = dict(enumerate(self.chain, start=1))
        if height - 1 not in ancestors:
            ancestors[height - 1] = parent
        carried = s.carried(height, ancestors)
        for label in s.bounds.labels:
            yield s.block(parent, height, label, address, carried)

    # --- what depends on what others have said ----------------------------------------------------------

    def proposals(self, mask: int) -> Iterator[Bundle]:
        if self.view != self.promise or self.halted:
            return
        if self.s.bounds.certificates and self.s.leads(self.epoch, self.view) and self.height + 1 in self.window:
            yield from self._proposals_with_certificates(mask)
        for height in self.window:
            word = self.facts.proposals[(self.epoch, self.view, height)] & mask
            if word and not self._taken(height):
                for fact in bits(word):
                    yield (self.menu.said(fact),)

    def _proposals_with_certificates(self, mask: int) -> Iterator[Bundle]:
        """A Byzantine primary's block with any certificate that can be made, and with one of too few seals (P-11)."""
        height, named = self.height + 1, self.height + 1 - self.s.bounds.window
        if self._taken(height) or named < 1:
            return
        seals = tuple((p, mask & w) for p, w in list(self.facts.commits.items()) if p[2] == named)
        memo, key = self.menu._memo, ("carrying", self.epoch, self.view, self.parent, seals)
        if key not in memo:
            memo[key] = [(self.menu.message(m),) for m in self._carrying(height, self.chain[named - 1], seals)]
        yield from memo[key]

    def _carrying(self, height: int, ancestor: bytes, seals: Any) -> Iterator[m.PrePrepare]:
        s, leader = self.s, self.s.primary(self.epoch, self.view)
        for (epoch, view, named, name), word in seals:
            if self.menu.digest(name) != ancestor:
                continue
            signers = sorted({int(self.menu.locals.facts[fact][5]) for fact in bits(word)} | set(s.liars(epoch)))
            for size in range(s.quorum(epoch) - 1, len(signers) + 1):
                for chosen in combinations(signers, size):
                    certificate = s.seals(epoch, view, named, ancestor, chosen).encode()
                    label = f"a{s.seal_label(certificate)}"
                    digest = s.block(self.parent, height, label, s.members(self.epoch)[leader], certificate)
                    signature = s.sign_vote(self.epoch, leader, Kind.PRE_PREPARE, self.view, height, digest)
                    place = (self.epoch, self.view, height, digest)
                    yield m.PrePrepare(*place, s.proposals[digest], leader, signature)

    def votes(self, mask: int) -> Iterator[Bundle]:
        if self.halted:
            return
        if self.view == self.promise:
            for height in self.window:
                accepted = self.accepted.get(height)
                if accepted is not None and accepted.view == self.view:
                    place = (self.epoch, self.view, height, self.s.names[accepted.block_hash])
                    yield self._bundle(Kind.PREPARE, place, mask & self.facts.prepares[place], mask)
        if self.index is None:
            yield from self._synced(mask)
            return
        for place, word in list(self.facts.commits.items()):
            if place[2] in self.window and place[0] == self.epoch and mask & word:
                bundle = self._bundle(Kind.COMMIT, place, mask & word, mask)
                yield bundle
                if self.s.bounds.certificates:  # whose seals come first makes the certificate
                    for size in range(1, len(bundle)):
                        yield from combinations(bundle, size)

    def _synced(self, mask: int) -> Iterator[Bundle]:
        """Who is no validator of the epoch follows by the host's sync."""
        for height, name in self.menu.provable(mask, self.epoch)[1]:
            if height == self.height + 1:
                detail = (height, self.menu.digest(name))
                yield (self.menu.item(("Action", "synced", height, name), Action("synced", detail)),)

    def _bundle(self, kind: Kind, place: Any, word: int, mask: int) -> Bundle:
        """All votes of this kind and place, the Byzantine ones included; or, if wide, all of this height."""
        facts = self.facts
        if self.s.bounds.wide:
            for (epoch, _, height, number), others in list(facts.slots.items()):
                if (epoch, height, number) == (place[0], place[2], kind):
                    word |= others & mask
        memo, key = self.menu._memo, (kind, place, word)
        if key not in memo:
            epoch, view, height, name = place
            said = [self.menu.said(fact) for fact in bits(word)]
            digest = self.menu.digest(name)
            for liar in self.liars:
                if kind is Kind.COMMIT or liar != self.s.primary(epoch, view) or self.s.bounds.wide:
                    said.append(self.menu.message(self.s.vote(kind, epoch, view, height, digest, liar)))
            memo[key] = tuple(said)
        return memo[key]

    def complaints(self, mask: int) -> Iterator[Bundle]:
        """Enough wishes for a later view: of each honest other the one that counts most, and of each liar."""
        if not self.speaks or self.halted:
            return
        for view in range(self.promise + 1, self.s.last_view(self.epoch) + 1):
            said = mask & (self.facts.complaints[(self.epoch, view)] | self.facts.view_changes[(self.epoch, view)])
            later = 0
            for beyond in range(view + 1, self.s.last_view(self.epoch) + 1):
                later |= self.facts.complaints[(self.epoch, beyond)] | self.facts.view_changes[(self.epoch, beyond)]
            later &= mask
            if (said or later) and (bundle := self._wishes(view, said, later)):
                yield bundle

    def _wishes(self, view: int, said: int, later: int) -> Bundle:
        memo, key = self.menu._memo, ("wishes", self.index, self.epoch, view, self.height, said, later)
        if key not in memo:
            best: dict[int, tuple[Any, int]] = {}
            for fact in bits(said | later):
                content = self.menu.locals.facts[fact]
                sender = int(content[-1])
                complaint = content[0] == "Complain"
                if sender == self.index or (complaint and content[3] < self.height):
                    continue
                if not complaint and self.s.primary(self.epoch, content[2]) == self.index:
                    continue  # heard with the others of its view, by ``promises``
                rank = (content[2] != view, content[2], not complaint, -content[3])
                if sender not in best or rank < best[sender][0]:
                    best[sender] = (rank, fact)
            items = [self.menu.said(fact) for _, (_, fact) in sorted(best.items())]
            for liar in self.liars:
                items.append(self.menu.message(self._false_complaint(view, liar)))
            memo[key] = tuple(items) if best else ()
        return memo[key]

    def _false_complaint(self, view: int, liar: int) -> m.SignedMessage:
        complaint = m.Complain(self.epoch, view, self.height, m.Reason.PROGRESS, False, liar, b"")
        return self.s.sign(complaint)

    def promises(self, mask: int) -> Iterator[Bundle]:
        """To who leads a later view: any set of others' VIEW-CHANGEs that makes a quorum with its own."""
        if not self.speaks or self.halted:
            return
        first = self.promise if self.promise > self.view else self.promise + 1
        for view in range(first, self.s.last_view(self.epoch) + 1):
            if self.s.primary(self.epoch, view) == self.index:
                yield from self._quorums(view, mask)

    def _quorums(self, view: int, mask: int) -> list[Bundle]:
        promised = self.facts.view_changes[(self.epoch, view)] & mask
        memo, key = self.menu._memo, ("quorums", self.index, self.epoch, view, promised, mask & self.facts.voting)
        if key not in memo:
            voices: list[list[int]] = []
            for fact in bits(promised):
                if int(self.menu.locals.facts[fact][-1]) != self.index:
                    voices.append([self.menu.said(fact)])
            for liar in self.liars:
                changes = self.menu.false_promises(mask, self.epoch, view, liar)
                voices.append([self.menu.message(change) for change in changes])
            need = self.s.quorum(self.epoch) - 1
            sizes = (need - 1, need) if self.s.bounds.wide else (need,)
            memo[key] = [
                bundle for size in sizes for chosen in combinations(voices, size) for bundle in product(*chosen)
            ]
        return memo[key]

    def new_views(self, mask: int) -> Iterator[Bundle]:
        if self.halted:
            return
        if self.s.bounds.wide:
            for epoch in range(self.epoch):  # of earlier epochs: for a mutant that takes them
                for view in range(1, self.s.last_view(epoch) + 1):
                    for fact in bits(self.facts.new_views[(epoch, view)] & mask):
                        yield (self.menu.said(fact),)
        for view in range(max(self.view + 1, self.promise), self.s.last_view(self.epoch) + 1):
            if self.s.leads(self.epoch, view):
                for item in self.menu.false_new_views(mask, self.epoch, view):
                    yield (item,)
            else:
                for fact in bits(self.facts.new_views[(self.epoch, view)] & mask):
                    yield (self.menu.said(fact),)
