"""What must hold in every state: checked whenever a fact is new, against everything said and done before it.

Written without the core's own functions: quorums, certificates and re-proposals are counted here from the facts.
"""

from __future__ import annotations

from tests.model.facts import Facts, bits
from tests.model.local import Key, Locals
from tests.model.setting import Name, Setting

PROPERTIES = {
    "agreement": "no two blocks delivered at one height",
    "prepared": "at most one block prepared in a view at a height",
    "equivocation": "no honest replica signs two different things for one place",
    "promise": "no vote in a view below one promised before",
    "seals": "all seals ever signed, the liars' included, make certificates of one block at each height",
    "gap": "re-proposals follow their base height by height, each on the one before",
    "decided": "a NEW-VIEW entered after a decision re-proposes the decided block, or its base is not below it",
    "framed": "no evidence against an honest replica",
    "halt": "no replica halts",
    "host": "blocks follow their parents into ledgers and executions; the certificate held is the one that is named",
}
_EXCLUDED = {
    "Delivered": "agreement",
    "Prepared": "prepared",
    "ViewChange": "equivocation",
    "NewView": "equivocation",
    "PrePrepare": "equivocation",
    "Prepare": "equivocation",
    "Commit": "equivocation",
}
_JUDGED = ("Commit", "Entered", "Framed", "Halt", "Broken")
"""Facts that are judged by more than what they exclude."""


class Properties:
    """Judges one new fact at a time; gives (property, explanation) of the first that falls."""

    def __init__(self, setting: Setting, locals_: Locals, facts: Facts, only: frozenset[str] | None = None) -> None:
        self._s, self._locals, self._facts = setting, locals_, facts
        self._only = only

    def judge(self, fact: int, mask: int) -> tuple[str, str] | None:
        """``mask`` holds all earlier facts."""
        facts, kind = self._facts, self._locals.facts[fact][0]
        if kind not in _JUDGED and not mask & (facts.rivals[fact] | facts.bars[fact]):
            return None
        for name, explanation in self._fallen(fact, mask):
            if self._only is None or name in self._only:
                return name, explanation
        return None

    def _fallen(self, fact: int, mask: int) -> list[tuple[str, str]]:
        facts, key = self._facts, self._locals.facts[fact]
        found: list[tuple[str, str]] = []
        for other in bits(facts.rivals[fact] & mask):
            found.append((_EXCLUDED[key[0]], f"{tell(key)} beside {tell(self._locals.facts[other])}"))
        for other in bits(facts.bars[fact] & mask):
            found.append(("promise", f"{tell(key)} after {tell(self._locals.facts[other])}"))
        kind = key[0]
        if kind == "Commit":
            found += self._seals(key, mask | 1 << fact, mask)
        elif kind == "Entered":
            found += self._gap(key) + self._decisions(key, mask)
        elif kind == "Framed":
            found.append(("framed", tell(key)))
        elif kind == "Halt":
            found.append(("halt", tell(key)))
        elif kind == "Broken":
            found.append(("host", tell(key)))
        return found

    # --- decisions --------------------------------------------------------------------------------------

    def _is_decided(self, place: Key, mask: int) -> bool:
        """Whether a certificate of this place could be assembled from all seals there are."""
        seals = (mask & self._facts.commits[place]).bit_count() + len(self._s.liars(place[0]))
        return seals >= self._s.quorum(place[0])

    def _seals(self, key: Key, mask: int, before: int) -> list[tuple[str, str]]:
        place = key[1:5]
        if not self._is_decided(place, mask) or self._is_decided(place, before):
            return []
        found = []
        for other in list(self._facts.commits):
            if other[2] == place[2] and other[3] != place[3] and self._is_decided(other, mask):
                found.append(("seals", f"certificates of {tell(('Commit', *place))} and {tell(('Commit', *other))}"))
        for fact in bits(mask):
            content = self._locals.facts[fact]
            if content[0] == "Entered":
                found += self._respects(content, place)
        return found

    def _decisions(self, key: Key, mask: int) -> list[tuple[str, str]]:
        found = []
        for place in list(self._facts.commits):
            if self._is_decided(place, mask):
                found += self._respects(key, place)
        return found

    def _respects(self, entered: Key, place: Key) -> list[tuple[str, str]]:
        _, epoch, view, base, _, entries = entered
        if place[0] != epoch or view <= place[1] or base >= place[2] or (place[2], place[3]) in entries:
            return []
        return [("decided", f"{tell(entered)} though {tell(('Commit', *place))} is decided")]

    # --- re-proposals -----------------------------------------------------------------------------------

    def _gap(self, key: Key) -> list[tuple[str, str]]:
        _, _, _, base, certificate, entries = key
        parent: Name = certificate[1] if certificate is not None else Name()
        for height, (found, name) in enumerate(entries, start=base + 1):
            if found != height or len(name) != height or name[:-1] != tuple(parent):
                return [("gap", tell(key))]
            parent = name
        return []


def tell(key: Key) -> str:
    """A fact in words."""
    kind, rest = key[0], key[1:]
    if kind in ("PrePrepare", "Prepare", "Commit"):
        sender = f" of {rest[4]}" if len(rest) > 4 else ""
        return f"{kind.upper()}(e{rest[0]} v{rest[1]} h{rest[2]} {block(rest[3])}){sender}"
    if kind == "Complain":
        return f"COMPLAIN(e{rest[0]} v{rest[1]} base {rest[2]}) of {rest[4]}"
    if kind == "ViewChange":
        reported = ", ".join(f"v{v} h{h} {block(name)}" for v, h, name in rest[4]) or "nothing"
        return f"VIEW-CHANGE(e{rest[0]} v{rest[1]} base {rest[2]}; prepared: {reported}) of {rest[5]}"
    if kind in ("NewView", "Entered"):
        entries = ", ".join(f"h{h} {block(name)}" for h, name in rest[4]) or "nothing"
        sender = f" of {rest[5]}" if len(rest) > 5 else ""
        verb = "NEW-VIEW" if kind == "NewView" else "enters NEW-VIEW"
        return f"{verb}(e{rest[0]} v{rest[1]} base {rest[2]}; re-proposed: {entries}){sender}"
    if kind == "Delivered":
        return f"delivers h{rest[0]} {block(rest[1])}"
    if kind == "Prepared":
        return f"prepared(e{rest[0]} v{rest[1]} h{rest[2]} {block(rest[3])})"
    return f"{kind}{rest}"


def block(name: tuple[str, ...]) -> str:
    """A block's name, from height 1 on."""
    return "/".join(name) or "genesis"
