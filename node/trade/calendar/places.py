"""Places of banking days: the time zone, the regular hours, and where the holidays come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from node.errors import DataError


@dataclass(frozen=True, slots=True)
class Place:
    """A place by its UN/LOCODE. Hours are local, in minutes after midnight; ``country`` and ``subdivision`` name the
    holiday calendar, ``categories`` its kinds of closed days, ``markets`` financial calendars that close banks too."""

    code: str
    name: str
    zone: str
    country: str
    subdivision: str | None = None
    categories: tuple[str, ...] = ("public",)
    markets: tuple[str, ...] = ()
    opens: int = 9 * 60
    closes: int = 17 * 60
    names: tuple[str, ...] = ()


PLACES: Mapping[str, Place] = {
    place.code: place
    for place in (
        # General holidays close Hong Kong's banks (Cap. 149); the library holds those beyond the statutory ones apart.
        Place(
            "HKHKG", "Hong Kong", "Asia/Hong_Kong", "HK", categories=("public", "optional"), names=("HONG KONG", "HK")
        ),
        Place("CNSHA", "Shanghai", "Asia/Shanghai", "CN", names=("SHANGHAI", "CHINA", "SHENZHEN", "BEIJING", "CN")),
        Place("SGSIN", "Singapore", "Asia/Singapore", "SG", names=("SINGAPORE", "SG")),
        Place("GBLON", "London", "Europe/London", "GB", "ENG", names=("LONDON", "ENGLAND", "GB", "UK")),
        Place("USNYC", "New York", "America/New_York", "US", names=("NEW YORK", "US", "USA")),
        Place("NLAMS", "Amsterdam", "Europe/Amsterdam", "NL", markets=("XECB",), names=("AMSTERDAM", "NL")),
        Place("ATVIE", "Vienna", "Europe/Vienna", "AT", categories=("public", "bank"), names=("VIENNA", "WIEN", "AT")),
    )
}
"""Known places by code."""


def find_place(text: str) -> Place | None:
    """The place that a text such as field 31D's names: its code, or a known name at its start or end; else None."""
    wanted = " ".join(text.upper().split())
    if wanted in PLACES:
        return PLACES[wanted]
    for place in PLACES.values():
        for name in place.names:
            if wanted == name or wanted.startswith(name + " ") or wanted.endswith(" " + name):
                return place
    return None


def require_place(code: str) -> Place:
    """The place of a code or name; DataError lists the known ones."""
    place = find_place(code)
    if place is None:
        raise DataError(f"no calendar for place {code!r}; known: {', '.join(PLACES)}", field="place")
    return place
