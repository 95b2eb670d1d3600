"""What officers call a deal: field 20 or the invoice's number, read from its sealed text."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from node.errors import PrayaError
from node.trade.service import TradeService

REFERENCES_MAX: Final = 5_000
"""References (field 20, invoice numbers) that are kept in memory for lists."""
REFERENCES_OPENED_MAX: Final = 25
"""Sealed texts that one page opens for its list."""
REFERENCES_WAIT_S: Final = 2.0
MISSED_S: Final = 60.0
"""How long a deal whose text could not be opened is not tried again: most are other banks'."""


class References:
    """What officers call a deal: read from its sealed text, so only this bank's own deals have one."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._missed: OrderedDict[str, float] = OrderedDict()

    async def of(self, desk: TradeService, views: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """References by address, as far as they can be read in a moment; the rest come with a later page."""
        retry = time.monotonic() - MISSED_S
        missing = [
            view
            for view in views
            if view["address"] not in self._known and self._missed.get(view["address"], retry) <= retry
        ]
        try:
            async with asyncio.timeout(REFERENCES_WAIT_S):
                for view in missing[:REFERENCES_OPENED_MAX]:
                    self.keep(view["address"], await _reference(desk, view))
        except TimeoutError:
            pass  # a custodian is slow: the list is shown without
        return {view["address"]: self._known.get(view["address"], "") for view in views}

    def keep(self, address: str, reference: str) -> None:
        """Remember one, or for a while that there is none; bounded, the oldest is forgotten."""
        if reference:
            self._known[address] = reference
            self._missed.pop(address, None)
        else:
            self._missed[address] = time.monotonic()
            self._missed.move_to_end(address)
        for kept in (self._known, self._missed):
            while len(kept) > REFERENCES_MAX:
                kept.popitem(last=False)


async def _reference(desk: TradeService, view: Mapping[str, Any]) -> str:
    try:
        full = await (desk.credit if "advice" in view else desk.invoice)(view["address"])
    except PrayaError:
        return ""
    return reference_in(full)


def reference_in(view: Mapping[str, Any]) -> str:
    """Field 20 or the invoice's number, where the sealed text is open here."""
    if terms := view.get("sealed_terms"):
        return str(terms.get("terms", {}).get("reference", ""))
    if found := view.get("sealed_invoice"):
        return str(found.get("invoice", {}).get("number", ""))
    return ""
