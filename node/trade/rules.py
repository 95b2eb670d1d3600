"""Which edition of the ICC's rules a credit means: field 40E says "latest version", field 31C says when.

Editions and their dates in force: UCP 290 from 1975-10-01, 400 from 1984-10-01, 500 from 1994-01-01, 600 from
2007-07-01; eUCP 1.0 from 2002-04-01, 1.1 with UCP 600, 2.0 from 2019-07-01, 2.1 from 2023-07-01; URR 525 from
1996-07-01, 725 from 2008-10-01; ISP98 from 1999-01-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

UCP600_IN_FORCE = date(2007, 7, 1)
_UCP = ((date(2007, 7, 1), "UCP 600"), (date(1994, 1, 1), "UCP 500"), (date(1984, 10, 1), "UCP 400"))
_EUCP = (
    (date(2023, 7, 1), "eUCP 2.1"),
    (date(2019, 7, 1), "eUCP 2.0"),
    (date(2007, 7, 1), "eUCP 1.1"),
    (date(2002, 4, 1), "eUCP 1.0"),
)
_URR = ((date(2008, 10, 1), "URR 725"), (date(1996, 7, 1), "URR 525"))


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules that govern a credit: the UCP edition (or another body of rules) and what supplements it."""

    base: str
    supplements: tuple[str, ...] = ()

    @property
    def is_ucp600(self) -> bool:
        """Whether the contract's articles apply."""
        return self.base == "UCP 600"

    def __str__(self) -> str:
        return " with ".join((self.base, *self.supplements))


def resolve_rules(code: str, issued: date, *, restated: bool = False) -> RuleSet:
    """Field 40E's code at the date of issue.

    ``restated``: the officer wrote the rules anew for this issue (``--set 40E=...``); then "latest version", and a
    plain "UCP 600", mean the edition that the contract enforces, whatever date the old message bears.
    """
    text = " ".join(code.upper().split())
    if text in ("UCP600", "UCP 600"):
        return RuleSet("UCP 600")
    when = max(issued, UCP600_IN_FORCE) if restated else issued
    families = {
        "UCP LATEST VERSION": (),
        "EUCP LATEST VERSION": (_EUCP,),
        "UCPURR LATEST VERSION": (_URR,),
        "EUCPURR LATEST VERSION": (_EUCP, _URR),
    }
    if text in families:
        supplements = tuple(_edition(family, when) for family in families[text])
        return RuleSet(_edition(_UCP, when) or "UCP 290", tuple(name for name in supplements if name))
    if text == "ISP LATEST VERSION":
        return RuleSet("ISP98")
    return RuleSet(text)


def _edition(editions: tuple[tuple[date, str], ...], when: date) -> str:
    return next((name for start, name in editions if when >= start), "")
