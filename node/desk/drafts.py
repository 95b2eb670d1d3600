"""Drafts: the exact act that a bank would sign, with its hash, as a maker has written it.

A call's data holds APPROVALS_PLACEHOLDER where the hash of both approvals will stand: approvals are of this draft's
hash, so their own hash cannot be part of it. Nothing else differs between what is approved and what is signed.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node.desk.canonical import canonical_json
from node.desk.database import Database
from node.errors import DataError, LimitExceeded, PermissionDenied

APPROVALS_PLACEHOLDER = hashlib.sha256(b"praya/approvals-hash/placeholder/v1").digest()
"""32 bytes that stand for the approvals' hash in a draft's call data."""
DRAFTS_OPEN_MAX = 5_000
PARAMS_BYTES_MAX = 256 * 1024

PENDING, APPROVED, FINAL, FAILED, REJECTED = "pending", "approved", "final", "failed", "rejected"


@dataclass(frozen=True, slots=True)
class Call:
    """One contract call: ``contract`` and ``function`` name it for the reader, ``to`` and ``data`` are signed."""

    contract: str
    function: str
    to: bytes
    data: bytes

    def with_approvals(self, approvals_hash: bytes) -> bytes:
        """The call data to be signed."""
        return self.data.replace(APPROVALS_PLACEHOLDER, approvals_hash)

    def to_json(self) -> dict[str, str]:
        """For storage and for the hash."""
        return {
            "contract": self.contract,
            "function": self.function,
            "to": "0x" + self.to.hex(),
            "data": "0x" + self.data.hex(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, str]) -> Call:
        """The reverse of to_json."""
        return cls(body["contract"], body["function"], bytes.fromhex(body["to"][2:]), bytes.fromhex(body["data"][2:]))


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft. ``subject`` is the credit's or invoice's address (empty for a new one), ``params`` what the maker asked
    for, ``notes`` what officers must see (unenforced terms, deviations, overrides)."""

    id: str
    act: str
    subject: str
    params: Mapping[str, Any]
    calls: tuple[Call, ...]
    notes: Mapping[str, Any]
    maker: str
    created_at: int
    revision: int
    hash: bytes
    state: str
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-able, for the doors."""
        return {
            "id": self.id,
            "act": self.act,
            "subject": self.subject or None,
            "params": dict(self.params),
            "calls": [call.to_json() for call in self.calls],
            "notes": dict(self.notes),
            "maker": self.maker,
            "created_at": self.created_at,
            "revision": self.revision,
            "hash": "0x" + self.hash.hex(),
            "state": self.state,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ActPlan:
    """What a service makes of an officer's input: the calls, and what the officers are shown."""

    act: str
    subject: str
    params: Mapping[str, Any]
    calls: tuple[Call, ...]
    notes: Mapping[str, Any]


class Drafts:
    """Drafts in the bank's database. ``chain_id`` and ``sender`` (the business account) are part of every hash."""

    def __init__(self, database: Database, *, chain_id: int, sender: bytes) -> None:
        self._database = database
        self._chain_id = chain_id
        self._sender = sender

    def create(self, plan: ActPlan, *, maker: str, now_s: int) -> Draft:
        """Store a new draft. LimitExceeded where too many are open or the input is too long, DataError where it holds
        APPROVALS_PLACEHOLDER."""
        row = self._database.one("SELECT count(*) AS n FROM drafts WHERE state = ?", (PENDING,))
        if row is not None and row["n"] >= DRAFTS_OPEN_MAX:
            raise LimitExceeded(f"{DRAFTS_OPEN_MAX} drafts are open", field="drafts", limit=DRAFTS_OPEN_MAX)
        identity = "d-" + secrets.token_hex(6)
        draft = self._made(identity, plan, maker, now_s, revision=1)
        self._database.execute(
            "INSERT INTO drafts (id, act, subject, params, calls, notes, maker, created_at, revision, hash, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _columns(draft),
        )
        return draft

    def revise(self, draft_id: str, plan: ActPlan, *, maker: str) -> Draft:
        """Its maker writes a pending draft anew: the hash changes, so nobody can approve the old text any more."""
        with self._database.transaction():
            old = self.get(draft_id)
            if old.state != PENDING:
                raise DataError(f"draft {draft_id} is {old.state}", field="draft", code="DRAFT_NOT_PENDING")
            if old.maker != maker:
                raise PermissionDenied(f"draft {draft_id} is {old.maker}'s", field="draft")
            draft = self._made(draft_id, plan, maker, old.created_at, revision=old.revision + 1)
            self._database.execute(
                "UPDATE drafts SET act=?, subject=?, params=?, calls=?, notes=?, maker=?, created_at=?, revision=?,"
                " hash=?, state=? WHERE id=?",
                (*_columns(draft)[1:], draft_id),
            )
        return draft

    def get(self, draft_id: str) -> Draft:
        """A draft; DataError where there is none. A row that was changed past this class fails its hash."""
        row = self._database.one("SELECT * FROM drafts WHERE id = ?", (draft_id,))
        if row is None:
            raise DataError(f"there is no draft {draft_id}", field="draft", code="DRAFT_UNKNOWN")
        return _draft(row)

    def list(self, *, state: str | None = None, limit: int = 200) -> list[Draft]:
        """Newest first."""
        if state is None:
            rows = self._database.all("SELECT * FROM drafts ORDER BY created_at DESC, rowid DESC LIMIT ?", (limit,))
        else:
            rows = self._database.all(
                "SELECT * FROM drafts WHERE state = ? ORDER BY created_at DESC, rowid DESC LIMIT ?", (state, limit)
            )
        return [_draft(row) for row in rows]

    def expected_hash(self, draft: Draft) -> bytes:
        """The hash of the draft's present content."""
        return self._hash(
            draft.id, draft.act, draft.subject, draft.params, draft.calls, draft.notes, draft.maker, draft.revision
        )

    def set_state(self, draft_id: str, state: str, *, expected: str, reason: str | None = None) -> None:
        """Move on from ``expected``; DataError where the draft has moved already."""
        changed = self._database.execute(
            "UPDATE drafts SET state = ?, reason = ? WHERE id = ? AND state = ?", (state, reason, draft_id, expected)
        )
        if changed != 1:
            raise DataError(f"draft {draft_id} is not {expected}", field="draft", code="DRAFT_NOT_" + expected.upper())

    def _made(self, identity: str, plan: ActPlan, maker: str, created_at: int, *, revision: int) -> Draft:
        if len(canonical_json(plan.params)) + len(canonical_json(plan.notes)) > PARAMS_BYTES_MAX:
            raise LimitExceeded("the draft is too long", field="draft", limit=PARAMS_BYTES_MAX)
        for call in plan.calls:
            if call.data.count(APPROVALS_PLACEHOLDER) != 1:
                # A planner puts it there once; another one can only come from the input.
                raise DataError(
                    f"{call.contract}.{call.function}: the input holds the value that stands for the approvals' hash",
                    field="draft",
                )
        digest = self._hash(identity, plan.act, plan.subject, plan.params, plan.calls, plan.notes, maker, revision)
        return Draft(
            identity,
            plan.act,
            plan.subject,
            plan.params,
            plan.calls,
            plan.notes,
            maker,
            created_at,
            revision,
            digest,
            PENDING,
        )

    def _hash(
        self,
        identity: str,
        act: str,
        subject: str,
        params: Mapping[str, Any],
        calls: Sequence[Call],
        notes: Mapping[str, Any],
        maker: str,
        revision: int,
    ) -> bytes:
        content = {
            "draft": identity,
            "act": act,
            "subject": subject,
            "params": params,
            "calls": [call.to_json() for call in calls],
            "notes": notes,
            "maker": maker,
            "revision": revision,
            "chain_id": self._chain_id,
            "sender": "0x" + self._sender.hex(),
        }
        return hashlib.sha256(b"praya/draft/v1\x00" + canonical_json(content)).digest()


def _columns(draft: Draft) -> tuple[Any, ...]:
    return (
        draft.id,
        draft.act,
        draft.subject,
        canonical_json(draft.params).decode(),
        canonical_json([call.to_json() for call in draft.calls]).decode(),
        canonical_json(draft.notes).decode(),
        draft.maker,
        draft.created_at,
        draft.revision,
        draft.hash,
        draft.state,
    )


def _draft(row: sqlite3.Row) -> Draft:
    return Draft(
        id=row["id"],
        act=row["act"],
        subject=row["subject"],
        params=json.loads(row["params"]),
        calls=tuple(Call.from_json(each) for each in json.loads(row["calls"])),
        notes=json.loads(row["notes"]),
        maker=row["maker"],
        created_at=row["created_at"],
        revision=row["revision"],
        hash=bytes(row["hash"]),
        state=row["state"],
        reason=row["reason"],
    )
