"""TradeService: everything that officers do at one bank. REST, console and command line stand on this and nothing else.

Every result is JSON-able (dicts, lists, texts, integers, booleans; bytes as 0x-hex; amounts as decimal text; times in
Unix seconds). Every refusal is a PrayaError: ``message``, ``field``, ``details`` (``details["code"]`` is a stable name
where there is one). Coroutines belong to one event loop; plain methods may block on the database for milliseconds and
are thread-safe.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from contracts.bindings import BindingError
from contracts.consortium import Member
from node.desk.acts import Act, BoundAct, Inputs
from node.desk.approvals import Approvals
from node.desk.chain_access import ChainAccess, member_of
from node.desk.database import Database
from node.desk.drafts import ActPlan, Draft, Drafts
from node.desk.sender import ActSender
from node.desk.users import User, Users
from node.errors import DataError, PrayaError
from node.keys.secp256k1 import PrivateKey
from node.log import get_logger
from node.privacy.encryption_key import EncryptionKey
from node.privacy.exchange import DocumentExchange
from node.trade.act_list import ACTS
from node.trade.office import Office
from node.trade.projection import Blocks, Projection
from node.trade.ubl import TagFunction
from node.trade.vault import Vault
from node.trade.views import TradeViews

_log = get_logger("trade")
FOLLOW_PAUSE_S = 1.0
RESUME_S = 30.0
"""On a quiet chain, how often acts that are late are carried on."""


class TradeService(TradeViews):
    """One bank's trade desk.

    ``chain`` is LedgerChain over the node's ledger and pool, ``blocks`` its ChainStore, ``key`` the business account,
    ``exchange`` the DocumentExchange whose handlers the network calls, ``tags`` the duplicate-financing tag function.
    After construction await ``start``, at the end ``close``.
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
        me: Member | None = None,
        other_acts: Mapping[str, BoundAct] | None = None,
    ) -> None:
        """``me``: this bank, where the register does not know it yet; ``other_acts``: what officers draft at this desk
        beyond trade."""
        me = me or member_of(chain.members(), key.address)
        self.users = users or Users(database)
        self.exchange = exchange
        office = Office(me, chain, Vault(database, chain, exchange, encryption_key, me), database, tags)
        projection = Projection(database, chain, blocks, key.address)
        super().__init__(office, projection, Drafts(database, chain_id=chain.chain_id, sender=key.address))
        self._approvals = Approvals(database, self._drafts)
        self._sender = ActSender(database, self._drafts, self._approvals, chain, key)
        self._acts = {name: act.at(office) for name, act in ACTS.items()} | dict(other_acts or {})
        self._tasks: set[asyncio.Task[Any]] = set()
        self._follower: asyncio.Task[None] | None = None
        self.listeners: list[Callable[[list[tuple[str, str]]], None]] = []

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
        return [bound.act.to_json() for bound in self._acts.values()]

    def act(self, name: str) -> Act[Any] | None:
        """An act by its name."""
        bound = self._acts.get(name)
        return None if bound is None else bound.act

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
        """Stop following, let go of acts on their way (their transactions are stored: ``resume`` goes on), close the
        database. Call before the chain is closed."""
        running = [*self._tasks, *([] if self._follower is None else [self._follower])]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._database.close()

    # ------------------------------------------------------------------ inside

    async def _planned(self, act: str, params: Mapping[str, Any]) -> ActPlan:
        known = self._acts.get(act)
        if known is None:
            raise DataError(f"there is no act {act!r}; acts: {', '.join(self._acts)}", field="act")
        inputs = known.act.validated(params)
        await self._check_subject(known.act, inputs)
        try:
            plan = await known.plan(inputs)
        except BindingError as error:  # a number that the contract's word does not hold
            raise DataError(f"{act}: a value is out of its range: {error}", field="params") from None
        first = next((call for call in plan.calls if call.function != "anchor"), None)
        if first is not None:  # the contract's own word, before anybody is asked to approve
            sender = self.office.me.business_address
            await asyncio.to_thread(self._chain.call, first.to, first.data, sender)
        return plan

    async def _check_subject(self, act: Act[Any], inputs: Inputs) -> None:
        """A credit or invoice that an act names was made by this chain's factories: a call to any other address would
        succeed and do nothing, or do what its owner pleases."""
        for param in act.params:
            if param.kind == "address" and param.name in ("credit", "invoice"):
                await asyncio.to_thread(self.projection.catch_up)
                identity = inputs.raw(param.name)
                if self.projection.object(param.name, identity) is None:
                    code = f"{param.name.upper()}_UNKNOWN"
                    raise DataError(f"no {param.name} stands at 0x{identity.hex()}", field=param.name, code=code)

    async def _follow(self) -> None:
        height = self.projection.height
        while True:
            try:
                height = await self._next_height(height)
                await asyncio.to_thread(self.projection.catch_up)
            except (PrayaError, sqlite3.Error) as error:
                _log.warning("read_model_behind", reason=str(error), height=height)
                await asyncio.sleep(FOLLOW_PAUSE_S)  # the disk or the state may answer again
                continue
            self._tell(self.projection.take_changes())

    async def _next_height(self, height: int) -> int:
        """The next block; on a quiet chain, acts that are late are sent again, byte for byte."""
        try:
            async with asyncio.timeout(RESUME_S):
                return await self._chain.next_block(height)
        except TimeoutError:
            await self._sender.resume()
            return height

    def _tell(self, changed: list[tuple[str, bytes]]) -> None:
        if changed:
            told = [(kind, "0x" + identity.hex()) for kind, identity in changed]
            for listener in tuple(self.listeners):
                listener(told)

    async def _carry_out(self, draft: Draft) -> None:
        await self._sender.send(draft)
        await asyncio.to_thread(self.projection.catch_up)

    async def _carry_out_quietly(self, draft: Draft) -> None:
        try:
            await self._carry_out(draft)
        except PrayaError:
            return  # the reason stands in the draft; what is only late is resumed


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
