"""What officers read at a desk: credits, invoices, documents, applications, the worklist, and files before a draft."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from contracts.document_registry import anchor_id
from node.desk.canonical import canonical_json
from node.desk.drafts import APPROVED, PENDING, Drafts
from node.desk.users import User
from node.errors import DataError
from node.trade.credit_issue import current_message, issued_terms_hash, read_mt700
from node.trade.credit_terms import check_sender, choose_advising, read_credit
from node.trade.invoices import open_invoice, read_invoice
from node.trade.office import Office
from node.trade.projection import Projection
from node.trade.snapshots import credit_view, invoice_view
from node.trade.swift import SwiftError, write_mt
from node.trade.ubl import parse_invoice
from node.trade.vault import json_of

APPLICATIONS_MAX = 10_000


class TradeViews:
    """The reading half of TradeService; see there for what results and errors look like."""

    def __init__(self, office: Office, projection: Projection, drafts: Drafts) -> None:
        self.office = office
        self.projection = projection
        self._drafts = drafts
        self._chain = office.chain
        self._database = office.database

    def drafts(self, state: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first. States: pending, approved (on its way), final, failed, rejected."""
        return [draft.to_json() for draft in self._drafts.list(state=state, limit=limit)]

    # ------------------------------------------------------------------ before a draft

    def read_mt700(
        self,
        text: str | bytes,
        *,
        lenient: bool = False,
        overrides: Sequence[tuple[str, str]] = (),
        advising: str | None = None,
    ) -> dict[str, Any]:
        """Read and show a credit whatever stands in the way: ``terms``, ``deviations``, ``unenforced``, ``obstacles``
        (empty: it can be issued), and the message as it would be written again."""
        reading, message = read_mt700(text, lenient=lenient, overrides=overrides, today=self.office.today())
        obstacles = [asdict(obstacle) for obstacle in reading.obstacles]
        stranger = check_sender(message, self.office.me, on_behalf=False)
        if stranger is not None:
            obstacles.append(asdict(stranger))
        advised_by = None
        try:
            advised_by = choose_advising(message, self.office.banks(), advising, own=self.office.me).name
        except DataError as error:
            obstacles.append({"code": "ADVISING_NOT_MEMBER", "field": "advising", "text": error.message})
        return {
            "sender": message.sender,
            "receiver": message.receiver,
            "advising": advised_by,
            "terms": reading.terms.to_json(),
            "obstacles": obstacles,
            "written": write_mt(reading.message),
        }

    def read_invoice_file(self, content: str | bytes) -> dict[str, Any]:
        """Read and show a UBL or CII invoice; ``obstacle`` says why it cannot be financed, if so."""
        invoice = parse_invoice(content.encode() if isinstance(content, str) else content)
        obstacle = None
        try:
            invoice.require_financeable(self.office.today())
        except DataError as error:
            obstacle = {"code": error.details.get("code"), "field": error.field, "text": error.message}
        return {**invoice.to_json(), "obstacle": obstacle}

    def apply(self, mt700: str, user: User, *, lenient: bool = False, note: str = "") -> dict[str, Any]:
        """Record a customer's application for a credit (an MT700 text). It stays in this bank's database."""
        user.require("maker")
        shown = self.read_mt700(mt700, lenient=lenient)
        row = self._database.one("SELECT count(*) AS n FROM applications")
        if row is not None and row["n"] >= APPLICATIONS_MAX:
            raise DataError(f"at most {APPLICATIONS_MAX} applications", field="applications")
        identity = "a-" + secrets.token_hex(6)
        body = {"mt700": mt700, "lenient": lenient, "note": note[:1000], "shown": shown}
        self._database.execute(
            "INSERT INTO applications (id, body, created_by, created_at) VALUES (?, ?, ?, ?)",
            (identity, canonical_json(body).decode(), user.name, self._chain.block_time()),
        )
        return {"id": identity, **body}

    def application(self, identity: str) -> dict[str, Any]:
        """An application; its ``mt700`` and ``lenient`` go into the draft of lc.issue."""
        row = self._database.one("SELECT * FROM applications WHERE id = ?", (identity,))
        if row is None:
            raise DataError(f"there is no application {identity}", field="application")
        return _application(row)

    def applications(self) -> list[dict[str, Any]]:
        """Newest first."""
        rows = self._database.all("SELECT * FROM applications ORDER BY created_at DESC, rowid DESC LIMIT 200")
        return [_application(row) for row in rows]

    # ------------------------------------------------------------------ credits

    async def credits(self, *, mine: bool = True) -> list[dict[str, Any]]:
        """Credits, newest first; ``mine``: those in which this bank has a role."""
        return await self._list("credit", mine)

    async def credit(self, address: str) -> dict[str, Any]:
        """One credit: facts, clocks and next actor, its timeline, and the sealed texts that this bank may read
        (``sealed_terms``, ``discrepancies`` by presentation; None where they are not for this bank)."""
        identity = _address(address)
        view = await self._one("credit", identity)
        sealed: dict[str, Any] = {"sealed_terms": None, "current_mt700": None, "discrepancies": {}}
        if self._involved(view):
            sealed = await self._sealed_of_credit(identity, view)
        return {**view, **sealed, "timeline": self.projection.timeline(identity)}

    async def mt734(self, address: str, presentation: int) -> str:
        """The MT734 text of a refusal that this bank has given or received."""
        view = await self.credit(address)
        found = view["discrepancies"].get(str(presentation))
        if not found:
            raise DataError("this presentation was not refused, or its notice is sealed", field="presentation")
        text: str = found["mt734"]
        return text

    # ------------------------------------------------------------------ invoices

    async def invoices(self, *, mine: bool = False) -> list[dict[str, Any]]:
        """Registered invoices, newest first; all by default, since any bank may offer."""
        return await self._list("invoice", mine)

    async def invoice(self, address: str) -> dict[str, Any]:
        """One invoice with its offers, timeline, and the sealed file where this bank may read it."""
        identity = _address(address)
        view = await self._one("invoice", identity)
        opened = None
        me = "0x" + self.office.me.id.hex()
        if me in (view["seller_bank"], view["terms"]["buyer_bank"]):
            found = await read_invoice(self.office, identity)
            opened = await open_invoice(self.office, found, "0x" + identity.hex())
        return {**view, "sealed_invoice": opened, "timeline": self.projection.timeline(identity)}

    # ------------------------------------------------------------------ documents

    def documents(self, subject: str | None = None) -> list[dict[str, Any]]:
        """Documents that this bank sealed or opened. Another's are not listed: they are not known here."""
        return self.office.vault.listing(subject)

    async def fetch_document(self, anchor: str) -> dict[str, Any]:
        """Fetch, open and check a document: metadata, and ``body`` as bytes (the one value that is not JSON).

        Errors: PermissionDenied (NOT_A_RECIPIENT), UnavailableError, ContractRefusal(UnknownAnchor).
        """
        identity = _hash(anchor)
        document = await self.office.vault.open(identity)
        return {
            "anchor": "0x" + identity.hex(),
            "kind": document.kind,
            "name": document.name,
            "media_type": document.media_type,
            "body": document.body,
        }

    async def verify_document(self, anchor: str, body: bytes | None = None) -> dict[str, Any]:
        """Check a document against the chain: who anchored it and when, and whether the sealed bytes open to what was
        committed; with ``body`` also whether that file is the document."""
        identity = _hash(anchor)
        found = await self.office.vault.anchor_of(identity)
        document = await self.office.vault.open(identity)
        depositor = self.office.bank_by_id(found.depositor)
        return {
            "anchor": "0x" + identity.hex(),
            "depositor": depositor.name if depositor else None,
            "anchored_at": found.anchored_at,
            "block_number": found.block_number,
            "custodians": found.custodian_count,
            "commitment_holds": anchor_id(found.depositor, document.commitment) == identity,
            "file_matches": None if body is None else body == document.body,
        }

    # ------------------------------------------------------------------ worklist

    async def worklist(self, user: User) -> dict[str, Any]:
        """What waits: drafts to approve (not the user's own), own drafts, and this bank's turns by legal deadline."""
        me = "0x" + self.office.me.id.hex()
        turns = []
        for view in [*await self.credits(), *await self.invoices(mine=True)]:
            kind = "credit" if "advice" in view else "invoice"
            turns += [{"kind": kind, "address": view["address"], **turn} for turn in view["next"] if turn["bank"] == me]
        turns.sort(key=lambda turn: (turn["deadline"] is None, turn["deadline"] or 0))
        pending = self.drafts(PENDING)
        return {
            "now": self._chain.block_time(),
            "turns": turns,
            "to_approve": [draft for draft in pending if draft["maker"] != user.name and "checker" in user.roles],
            "mine": [draft for draft in pending if draft["maker"] == user.name],
            "sending": self.drafts(APPROVED),
        }

    # ------------------------------------------------------------------ inside

    async def _list(self, kind: str, mine: bool) -> list[dict[str, Any]]:
        await asyncio.to_thread(self.projection.catch_up)
        now, members = self._chain.block_time(), self._chain.members()
        shape = credit_view if kind == "credit" else invoice_view
        views = [shape(identity, facts, now, members) for identity, facts in self.projection.objects(kind)]
        return [view for view in views if self._involved(view)] if mine else views

    async def _one(self, kind: str, identity: bytes) -> dict[str, Any]:
        await asyncio.to_thread(self.projection.catch_up)
        facts = self.projection.object(kind, identity)
        if facts is None:
            raise DataError(f"no {kind} stands at 0x{identity.hex()}", field=kind, code=f"{kind.upper()}_UNKNOWN")
        shape = credit_view if kind == "credit" else invoice_view
        return shape(identity, facts, self._chain.block_time(), self._chain.members())

    def _involved(self, view: Mapping[str, Any]) -> bool:
        me = "0x" + self.office.me.id.hex()
        if "parties" in view:
            roles = ("issuing_bank", "advising_bank", "beneficiary_bank", "nominated_bank")
            if me in [view["parties"][role] for role in roles]:
                return True
            return any(me in (each["presenter"], each["examining_bank"]) for each in view["presentations"])
        banks = [view["seller_bank"], view["terms"]["buyer_bank"], *(each["bank"] for each in view["offers"])]
        return me in banks

    async def _sealed_of_credit(self, identity: bytes, view: Mapping[str, Any]) -> dict[str, Any]:
        credit = await self.office.credit(identity)
        terms_hash = await issued_terms_hash(self.office, credit, identity)
        issuer, subject = credit.parties.issuing_bank, "0x" + identity.hex()
        opened = json_of(await self.office.vault.open_committed(issuer, terms_hash, subject=subject))
        current = None
        if opened is not None:
            try:
                message = await current_message(self.office, identity)
                current = write_mt(message)
                terms = read_credit(message, today=self.office.today()).terms.to_json()
                # the rules are those of the issue: an officer may have restated them for an old message
                opened["current_terms"] = terms | {"rules": opened["terms"]["rules"]}
            except (DataError, SwiftError):
                current = None  # an amendment's text is not here yet
        notices: dict[str, Any] = {}
        for presentation in view["presentations"]:
            for examination in presentation["examinations"]:
                commitment = bytes.fromhex(examination["discrepancies_hash"][2:])
                if any(commitment):
                    bank = bytes.fromhex(examination["bank"][2:])
                    found = json_of(await self.office.vault.open_committed(bank, commitment, subject=subject))
                    notices[str(presentation["index"])] = found
        return {"sealed_terms": opened, "current_mt700": current, "discrepancies": notices}


def _application(row: Any) -> dict[str, Any]:
    return {
        "id": row["id"],
        "created_by": row["created_by"],
        "created_at": row["created_at"],
        **json.loads(row["body"]),
    }


def _address(text: str) -> bytes:
    return _hex(text, 20, "address")


def _hash(text: str) -> bytes:
    return _hex(text, 32, "anchor")


def _hex(text: str, length: int, field: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != length:
        raise DataError(f"{text[:80]!r} is not 0x and {2 * length} hex digits", field=field)
    return raw
