"""Maker and checker: another person approves the hash of exactly what will be signed, once."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from node.desk.canonical import canonical_json
from node.desk.database import Database
from node.desk.drafts import APPROVED, PENDING, REJECTED, Draft, Drafts
from node.desk.users import User
from node.errors import DataError, PermissionDenied


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word for one draft hash; ``record_hash`` covers all of it."""

    draft_id: str
    draft_hash: bytes
    user: str
    role: str
    at: int
    nonce: bytes

    @property
    def record_hash(self) -> bytes:
        """SHA-256 of the record's canonical form."""
        return hashlib.sha256(b"praya/approval/v1\x00" + canonical_json(self.to_json())).digest()

    def to_json(self) -> dict[str, Any]:
        """What an auditor of the bank is shown; with it the hash on the chain can be recomputed."""
        return {
            "draft": self.draft_id,
            "draft_hash": "0x" + self.draft_hash.hex(),
            "user": self.user,
            "role": self.role,
            "at": self.at,
            "nonce": "0x" + self.nonce.hex(),
        }


def approvals_hash(maker: Approval, checker: Approval) -> bytes:
    """The hash of both approvals that the signed act carries."""
    return hashlib.sha256(b"praya/approvals/v1\x00" + maker.record_hash + checker.record_hash).digest()


class Approvals:
    """Approvals in the bank's database."""

    def __init__(self, database: Database, drafts: Drafts) -> None:
        self._database = database
        self._drafts = drafts

    def approve(self, draft_id: str, draft_hash: bytes, checker: User, *, now_s: int) -> tuple[Draft, bytes]:
        """Approve exactly this hash; returns the draft, now approved, and the hash of both approvals.

        Errors: PermissionDenied where the checker lacks the role or is the maker (SAME_PERSON); DataError where the
        approval was used (DRAFT_NOT_PENDING), the draft has changed since it was shown (DRAFT_CHANGED), or its stored
        content does not hash to its hash (DRAFT_TAMPERED).
        """
        checker.require("checker")
        with self._database.transaction():
            draft = self._drafts.get(draft_id)
            if draft.maker == checker.name:
                raise PermissionDenied("a draft is approved by another person", field="checker", code="SAME_PERSON")
            if draft.state != PENDING:
                raise DataError(f"draft {draft_id} is {draft.state}", field="draft", code="DRAFT_NOT_PENDING")
            if not compare_digest(draft.hash, self._drafts.expected_hash(draft)):
                raise DataError(f"draft {draft_id} was changed in storage", field="draft", code="DRAFT_TAMPERED")
            if not compare_digest(draft.hash, draft_hash):
                raise DataError(
                    f"draft {draft_id} has changed: its hash is 0x{draft.hash.hex()}",
                    field="hash",
                    code="DRAFT_CHANGED",
                )
            maker = Approval(draft_id, draft.hash, draft.maker, "maker", draft.created_at, secrets.token_bytes(16))
            checked = Approval(draft_id, draft.hash, checker.name, "checker", now_s, secrets.token_bytes(16))
            self._store(maker)
            self._store(checked)
            self._drafts.set_state(draft_id, APPROVED, expected=PENDING)
        return self._drafts.get(draft_id), approvals_hash(maker, checked)

    def reject(self, draft_id: str, user: User, reason: str) -> Draft:
        """Refuse a pending draft, with a reason: a checker, or its maker who withdraws it."""
        draft = self._drafts.get(draft_id)
        if draft.maker != user.name:
            user.require("checker")
        self._drafts.set_state(draft_id, REJECTED, expected=PENDING, reason=reason[:500] or "no reason given")
        return self._drafts.get(draft_id)

    def of(self, draft: Draft) -> list[Approval]:
        """The approvals of the draft's present hash, maker first."""
        rows = self._database.all(
            "SELECT * FROM approvals WHERE draft_id = ? AND draft_hash = ? ORDER BY role DESC", (draft.id, draft.hash)
        )
        return [_approval(row) for row in rows]

    def hash_of(self, draft: Draft) -> bytes:
        """The hash of both approvals of an approved draft; DataError where they are not both there."""
        given = self.of(draft)
        if [each.role for each in given] != ["maker", "checker"]:
            raise DataError(f"draft {draft.id} is not approved", field="draft", code="DRAFT_NOT_APPROVED")
        return approvals_hash(given[0], given[1])

    def _store(self, approval: Approval) -> None:
        try:
            self._database.execute(
                "INSERT INTO approvals (record_hash, draft_id, draft_hash, user, role, at, nonce)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    approval.record_hash,
                    approval.draft_id,
                    approval.draft_hash,
                    approval.user,
                    approval.role,
                    approval.at,
                    approval.nonce,
                ),
            )
        except sqlite3.IntegrityError:
            raise DataError("this approval was used", field="draft", code="APPROVAL_USED") from None


def _approval(row: sqlite3.Row) -> Approval:
    return Approval(row["draft_id"], bytes(row["draft_hash"]), row["user"], row["role"], row["at"], bytes(row["nonce"]))
