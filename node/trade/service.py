"""TradeService: everything that officers do at one bank. REST, console and command line stand on this and nothing else.

Every result is JSON-able (dicts, lists, texts, integers, booleans; bytes as 0x-hex; amounts as decimal text; times in
Unix seconds). Every refusal is a PrayaError: ``message``, ``field``, ``details`` (``details["code"]`` is a stable name
where there is one). Coroutines belong to one event loop; plain methods may block on the database for milliseconds and
are thread-safe.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from contracts.consortium import Member
from contracts.document_registry import anchor_id
from node.errors import DataError, PrayaError
from node.execution.ledger import Ledger
from node.keys.secp256k1 import PrivateKey
from node.privacy.encryption_key import EncryptionKey
from node.privacy.exchange import DocumentExchange, Request
from node.privacy.store import CiphertextStore
from node.trade.act_list import ACTS
from node.trade.approvals import Approvals
from node.trade.chain_access import ChainAccess, LedgerChain, active_banks, member_of
from node.trade.credit_issue import current_message, issued_terms_hash, read_mt700
from node.trade.credit_terms import canonical_json, check_sender, choose_advising, read_credit
from node.trade.database import Database
from node.trade.drafts import APPROVED, PENDING, ActPlan, Draft, Drafts
from node.trade.invoices import open_invoice, read_invoice
from node.trade.office import Office
from node.trade.projection import Blocks, Projection
from node.trade.sender import ActSender
from node.trade.snapshots import credit_view, invoice_view
from node.trade.swift import SwiftError, write_mt
from node.trade.ubl import KeyedTagFunction, TagFunction, parse_invoice
from node.trade.users import User, Users
from node.trade.vault import Vault, json_of
from node.types import Address, Hash32

APPLICATIONS_MAX = 10_000
RESUME_S = 30.0
"""On a quiet chain, how often acts that are late are carried on."""


class Pool(Protocol):
    """What the desk asks of the pool (node.txpool's TransactionPool)."""

    def next_nonce(self, address: Address) -> int: ...

    def why_dropped(self, transaction_hash: Hash32) -> str | None: ...


class TradeService:
    """One bank's trade desk.

    ``chain`` is LedgerChain over the node's ledger and pool, ``blocks`` its ChainStore, ``key`` the business account,
    ``exchange`` the DocumentExchange whose handlers the network calls, ``tags`` the duplicate-financing tag function.
    """

    def __init__(
        self,
        *,
        database: Database,
        chain: ChainAccess,
        blocks: Blocks,
        key: PrivateKey,
        encryption_key: EncryptionKey,
        exchange: DocumentExchange,
        tags: TagFunction,
        users: Users | None = None,
    ) -> None:
        me = member_of(chain.members(), key.address)
        self.users = users or Users(database)
        self.exchange = exchange
        self.office = Office(me, chain, Vault(database, chain, exchange, encryption_key, me), database, tags)
        self._database = database
        self._chain = chain
        self._drafts = Drafts(database, chain_id=chain.chain_id, sender=key.address)
        self._approvals = Approvals(database, self._drafts)
        self._sender = ActSender(database, self._drafts, self._approvals, chain, key)
        self.projection = Projection(database, chain, blocks, key.address)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._follower: asyncio.Task[None] | None = None
        self.listeners: list[Callable[[list[tuple[str, str]]], None]] = []

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        ledger: Ledger,
        pool: Pool,
        submit: Callable[[bytes], Awaitable[Hash32]],
        request: Request,
        now_s: Callable[[], int],
        key: PrivateKey,
        encryption_key: EncryptionKey,
        tag_key: bytes,
        users: Callable[[Database], Users] = Users,
    ) -> TradeService:
        """The desk of a bank whose data directory this is: ``praya.sqlite`` and ``documents/``.

        ``submit`` takes raw bytes as the JSON-RPC door does; ``request`` is PeerNetwork.request; ``now_s`` the clock of
        blocks. The caller registers ``exchange.on_custody`` and ``exchange.on_document`` with the network (kinds
        CUSTODY_REQUEST and DOCUMENT_REQUEST), then awaits ``start``.
        """
        chain = LedgerChain(
            ledger, submit=submit, next_nonce=pool.next_nonce, why_dropped=pool.why_dropped, now_s=now_s
        )
        database = Database.open(directory / "praya.sqlite")
        exchange = DocumentExchange(
            store=CiphertextStore(directory / "documents"),
            key=key,
            chain_id=chain.chain_id,
            me=member_of(chain.members(), key.address).id,
            banks=lambda: active_banks(chain.members()),
            request=request,
            now_s=chain.block_time,
        )
        return cls(
            database=database,
            chain=chain,
            blocks=ledger.chain,
            key=key,
            encryption_key=encryption_key,
            exchange=exchange,
            tags=KeyedTagFunction(tag_key),
            users=users(database),
        )

    # ------------------------------------------------------------------ who and when

    def me(self) -> dict[str, Any]:
        """This bank, its business address, the officers' today, and how far the read model is."""
        return {
            **_member(self.office.me),
            "today": self.office.today().isoformat(),
            "block_time": self._chain.block_time(),
            "head": self._chain.head_number(),
            "projected": self.projection.height,
        }

    def members(self) -> list[dict[str, Any]]:
        """Every member of the consortium."""
        return [_member(member) for member in self._chain.members()]

    def acts(self) -> list[dict[str, Any]]:
        """Every act with its parameters: name, kind, required, help."""
        return [act.to_json() for act in ACTS.values()]

    # ------------------------------------------------------------------ drafts and approvals

    async def draft(self, act: str, params: Mapping[str, Any], user: User) -> dict[str, Any]:
        """The maker drafts an act. Sealed texts are lodged now; the contract is asked whether it would take the act.

        Returns the draft (``id``, ``hash``, ``calls``, ``notes`` with what officers must see). Errors: PermissionDenied
        (no maker), DataError by parameter or MT tag, ContractRefusal by article, UnavailableError (custodians).
        """
        user.require("maker")
        plan = await self._planned(act, params)
        draft = await asyncio.to_thread(self._drafts.create, plan, maker=user.name, now_s=self._chain.block_time())
        return draft.to_json()

    async def revise(self, draft_id: str, params: Mapping[str, Any], user: User) -> dict[str, Any]:
        """The maker writes a pending draft anew: same id, next revision, another hash."""
        user.require("maker")
        plan = await self._planned(self._drafts.get(draft_id).act, params)
        draft = await asyncio.to_thread(self._drafts.revise, draft_id, plan, maker=user.name)
        return draft.to_json()

    def drafts(self, state: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first. States: pending, approved (on its way), final, failed, rejected."""
        return [draft.to_json() for draft in self._drafts.list(state=state, limit=limit)]

    def draft_status(self, draft_id: str) -> dict[str, Any]:
        """A draft with its approvals, the calls that are final (block, gas, created contract) and its state."""
        draft = self._drafts.get(draft_id)
        return {
            **draft.to_json(),
            "approvals": [approval.to_json() for approval in self._approvals.of(draft)],
            "sent": [sent.to_json() for sent in self._sender.calls_of(draft)],
        }

    async def approve(self, draft_id: str, draft_hash: str, user: User, *, wait: bool = True) -> dict[str, Any]:
        """Another person approves exactly this hash; the act is signed, sent and followed to final.

        With ``wait`` returns when it is final (or FAILED, with its reason), else at once: ask ``draft_status``.
        Errors: PermissionDenied (SAME_PERSON, no checker), DataError (DRAFT_CHANGED, DRAFT_NOT_PENDING,
        DRAFT_TAMPERED), ContractRefusal where the chain has moved meanwhile, UnavailableError where it is not
        final in time (it goes on with ``resume``).
        """
        try:
            digest = bytes.fromhex(draft_hash.removeprefix("0x"))
        except ValueError:
            raise DataError("the draft's hash is 0x and 64 hex digits", field="hash") from None
        draft, _ = await asyncio.to_thread(
            self._approvals.approve, draft_id, digest, user, now_s=self._chain.block_time()
        )
        if wait:
            await self._carry_out(draft)
        else:
            task = asyncio.create_task(self._carry_out_quietly(draft))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self.draft_status(draft_id)

    def reject(self, draft_id: str, reason: str, user: User) -> dict[str, Any]:
        """A checker refuses, or the maker withdraws, a pending draft."""
        return self._approvals.reject(draft_id, user, reason).to_json()

    async def resume(self) -> list[str]:
        """At start: catch the read model up, and carry on with approved drafts that a stop has cut short."""
        await asyncio.to_thread(self.projection.catch_up)
        return await self._sender.resume()

    async def start(self) -> None:
        """``resume``, then follow the chain until ``close``: the read model keeps up with each block, ``listeners`` are
        called on the event loop with [(kind, address)] of what changed, and late acts are carried on."""
        await self.resume()
        self._follower = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop following, wait for acts on their way, close the database; call before the chain is closed."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._database.close()

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
            advised_by = choose_advising(message, self.office.banks(), advising).name
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

    def read_invoice_file(self, content: bytes) -> dict[str, Any]:
        """Read and show a UBL or CII invoice; ``obstacle`` says why it cannot be financed, if so."""
        invoice = parse_invoice(content)
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

    async def _planned(self, act: str, params: Mapping[str, Any]) -> ActPlan:
        known = ACTS.get(act)
        if known is None:
            raise DataError(f"there is no act {act!r}; acts: {', '.join(ACTS)}", field="act")
        plan = await known.planner(self.office, known.validated(params))
        first = next((call for call in plan.calls if call.function != "anchor"), None)
        if first is not None:  # the contract's own word, before anybody is asked to approve
            sender = self.office.me.business_address
            await asyncio.to_thread(self._chain.call, first.to, first.data, sender)
        return plan

    async def _follow(self) -> None:
        height = self.projection.height
        while True:
            try:
                async with asyncio.timeout(RESUME_S):
                    height = await self._chain.next_block(height)
            except TimeoutError:
                await self._sender.resume()  # what was late: sent again, byte for byte
            await asyncio.to_thread(self.projection.catch_up)
            changed = self.projection.take_changes()
            if changed:
                for listener in tuple(self.listeners):
                    listener([(kind, "0x" + identity.hex()) for kind, identity in changed])

    async def _carry_out(self, draft: Draft) -> None:
        await self._sender.send(draft)
        await asyncio.to_thread(self.projection.catch_up)

    async def _carry_out_quietly(self, draft: Draft) -> None:
        try:
            await self._carry_out(draft)
        except PrayaError:
            return  # the reason stands in the draft; what is only late is resumed

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
                opened["current_terms"] = read_credit(message, today=self.office.today()).terms.to_json()
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


def _member(member: Member) -> dict[str, Any]:
    return {
        "id": "0x" + member.id.hex(),
        "name": member.name,
        "bic": member.bic,
        "lei": member.lei,
        "role": member.role.name,
        "place": member.place,
        "business_address": "0x" + member.business_address.hex(),
        "active": member.active,
    }


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
