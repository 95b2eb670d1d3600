"""Fictitious institutions for networks on one machine. The BICs are test BICs (eighth character 0)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stdnum.iso7064 import mod_97_10

from node.errors import ConfigError

FICTITIOUS_LEI_PREFIX = "0000PRAYA"
"""No issuer of LEIs has the prefix 0000: nobody can mistake these for real ones."""

_SHORT = re.compile(r"[a-z0-9-]{2,32}\Z")


@dataclass(frozen=True, slots=True)
class Institution:
    """A sample member: short name (folder and login), full name, BIC, place of its banking days."""

    short: str
    name: str
    bic: str
    place: str

    def lei(self, number: int) -> str:
        """A checksum-valid LEI (ISO 17442), marked fictitious by its prefix."""
        body = f"{FICTITIOUS_LEI_PREFIX}{number:09d}"
        return body + str(mod_97_10.calc_check_digits(body))


BANKS = (
    Institution("harbour", "Harbour Pearl Bank (fictitious)", "HPBKHKH0", "HKHKG"),
    Institution("lioncity", "Lion City Merchant Bank (fictitious)", "LCMBSGS0", "SGSIN"),
    Institution("thames", "Thames Wharf Bank (fictitious)", "TWBKGBL0", "GBLON"),
    Institution("huangpu", "Huangpu Commercial Bank (fictitious)", "HUCBCNB0", "CNSHA"),
    Institution("hudson", "Hudson Quay Trust (fictitious)", "HQTRUS30", "USNYC"),
    Institution("kowloon", "Kowloon Provident Bank (fictitious)", "KPRBHKH0", "HKHKG"),
    Institution("straits", "Straits Exchange Bank (fictitious)", "STXBSGS0", "SGSIN"),
    Institution("aldgate", "Aldgate Clearing Bank (fictitious)", "ALCBGBL0", "GBLON"),
    Institution("pudong", "Pudong Maritime Bank (fictitious)", "PDMBCNB0", "CNSHA"),
    Institution("mercer", "Mercer Street Bank (fictitious)", "MESBUS30", "USNYC"),
)

OBSERVERS = (
    Institution("auditor", "Praya Road Auditors (fictitious)", "PRAUHKH0", "HKHKG"),
    Institution("regulator", "Waterfront Monetary Office (fictitious)", "WFMOHKH0", "HKHKG"),
)


def banks_of(count: int) -> tuple[Institution, ...]:
    """The first ``count`` sample banks."""
    return BANKS[:count]


def observers_of(count: int) -> tuple[Institution, ...]:
    """The auditor, the regulator, and as many further auditors as are asked for."""
    further = (
        Institution(
            f"auditor{number}", f"Praya Road Auditors, desk {number} (fictitious)", f"PRA{number:X}HKH0", "HKHKG"
        )
        for number in range(3, count + 1)
    )
    return (*OBSERVERS[:count], *further)


def institution_of(short: str, name: str | None, bic: str | None, place: str | None) -> Institution:
    """A sample institution by its short name, or one that is stated in full. ConfigError."""
    if name is not None and bic is not None and place is not None:
        if not _SHORT.match(short):
            raise ConfigError("a short name is 2 to 32 small letters, digits or dashes", field="name")
        return Institution(short, name, bic, place)
    known = {each.short: each for each in (*BANKS, *OBSERVERS)}
    if short not in known or (name, bic, place) != (None, None, None):
        raise ConfigError(
            f"give --full-name, --bic and --place, or the name of a sample: {', '.join(known)}", field="name"
        )
    return known[short]
