"""What every planner works with: this bank, the chain, its vault, its customers' ids, and today."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from contracts import letter_of_credit as lc
from contracts.consortium import Member
from contracts.letter_of_credit import CreditView
from node.desk.chain_access import ChainAccess, active_banks, member_named
from node.desk.database import Database
from node.desk.parties import find_bank
from node.errors import DataError
from node.trade.calendar.places import PLACES
from node.trade.ubl.tags import TagFunction, canonical_text
from node.trade.vault import Vault

_REFERENCE_KEY = "reference_key"


@dataclass(frozen=True, slots=True)
class Office:
    """One bank at work. ``me`` is its member record."""

    me: Member
    chain: ChainAccess
    vault: Vault
    database: Database
    tags: TagFunction

    def today(self) -> date:
        """The civil date of blocks' time at this bank's place (P-19)."""
        place = PLACES.get(self.me.place)
        zone = ZoneInfo(place.zone) if place else UTC
        return datetime.fromtimestamp(self.chain.block_time(), zone).date()

    def banks(self) -> list[Member]:
        """Active member banks."""
        return active_banks(self.chain.members())

    def bank(self, name: str) -> Member:
        """An active member bank by BIC, name or address; DataError otherwise."""
        found = find_bank(self.banks(), name)
        assert isinstance(found, Member)
        return found

    def bank_by_id(self, member_id: bytes) -> Member | None:
        """A member by id."""
        return member_named(self.chain.members(), member_id)

    def others(self, banks: Iterable[Member | None]) -> list[Member]:
        """The given banks without this one, without gaps, each once: whom a text is sealed for."""
        return list({bank.id: bank for bank in banks if bank is not None and bank.id != self.me.id}.values())

    async def read(self, to: bytes, data: bytes) -> bytes:
        """A view of a contract on the head's state."""
        return await asyncio.to_thread(self.chain.call, to, data, self.me.business_address)

    async def credit(self, address: bytes) -> CreditView:
        """A credit; DataError where none stands at the address."""
        output = await self.read(address, lc.encode_credit())
        if not output:
            raise DataError(f"no credit stands at 0x{address.hex()}", field="credit", code="CREDIT_UNKNOWN")
        return lc.decode_credit(output)

    def reference_hash(self, reference: str) -> bytes:
        """Field 20 as it stands on the chain: keyed with this bank's own secret, so unique and not to be guessed."""
        key = self.database.setting(_REFERENCE_KEY)
        if key is None:
            key = secrets.token_bytes(32)
            self.database.put_setting(_REFERENCE_KEY, key)
        return hmac.new(key, canonical_text(reference).encode(), hashlib.sha256).digest()

    def relationship(self, kind: str, party: str) -> bytes:
        """The random id of a corporate in this role: one for each relationship, stable at this bank."""
        known = canonical_text(party)[:200]
        row = self.database.one("SELECT id FROM relationships WHERE kind = ? AND party = ?", (kind, known))
        if row is not None:
            return bytes(row["id"])
        try:
            identity = secrets.token_bytes(32)
            self.database.execute(
                "INSERT INTO relationships (kind, party, id) VALUES (?, ?, ?)", (kind, known, identity)
            )
        except sqlite3.IntegrityError:  # another thread was first
            return self.relationship(kind, party)
        return identity
