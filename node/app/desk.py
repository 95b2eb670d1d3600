"""The bank's trade desk over this node: ledger and pool on one side, peers for sealed documents on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.consortium import Member
from node import permissioning
from node.desk.chain_access import active_banks, member_of
from node.desk.database import Database
from node.desk.ledger_chain import LedgerChain
from node.errors import ConfigError
from node.governance.council import Council
from node.governance.record import read_record
from node.governance.service import GovernanceService
from node.keys.keystore import read_secret_file
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import SEALED_BYTES_MAX
from node.privacy.exchange import CUSTODY_REQUEST, DOCUMENT_REQUEST, DocumentExchange
from node.privacy.store import CiphertextStore
from node.trade.service import TradeService
from node.trade.ubl import KeyedTagFunction
from node.types import Address, Hash32

if TYPE_CHECKING:
    from node.app.node import Node

DATABASE_FILE = "praya.sqlite"
TAG_KEY_FILE = "tag.key"
ENCRYPTION_KEY_FILE = "encryption.key"
RECORD_FILE = "member.json"
"""A new member's own record, on which the others vote."""


def make_desk(node: Node) -> tuple[TradeService, GovernanceService]:
    """Build the desk, where officers draft the acts of trade and of governance, and let the peer network answer for its
    documents.

    Raises ConfigError where a key file is missing, PrayaError where the business key is no member's.
    """
    directory, key, ledger = node.config.directory, node.keys.business, node.ledger

    async def submit(raw: bytes) -> Hash32:
        return node.pool.add(raw)

    async def request(peer: Address, kind: str, body: bytes, timeout_s: float) -> bytes:
        return await node.network.request(peer, kind, body, timeout_s, response_max=SEALED_BYTES_MAX + 1024)

    chain = LedgerChain(
        ledger,
        submit=submit,
        next_nonce=node.pool.next_nonce,
        now_s=node.clock.unix_s,
        why_dropped=node.pool.why_dropped,
    )
    me = _own_record(node)
    council = Council(me.id, key.address, chain, ledger.parameters.epoch_length, ledger.parameters.activation_delay)
    governance = GovernanceService(council)
    exchange = DocumentExchange(
        store=CiphertextStore(directory / "documents"),
        key=key,
        chain_id=ledger.genesis.chain_id,
        me=me.id,
        banks=lambda: active_banks(permissioning.members(ledger.state.head())),
        request=request,
        now_s=node.clock.unix_s,
    )
    node.network.on_request(CUSTODY_REQUEST, exchange.on_custody)
    node.network.on_request(DOCUMENT_REQUEST, exchange.on_document)
    desk = TradeService(
        database=Database.open(directory / DATABASE_FILE),
        chain=chain,
        blocks=ledger.chain,
        key=key,
        encryption_key=EncryptionKey.load(directory / ENCRYPTION_KEY_FILE),
        exchange=exchange,
        tags=KeyedTagFunction(bytes.fromhex(read_secret_file(directory / TAG_KEY_FILE).decode().strip())),
        me=me,
        other_acts=governance.acts(),
    )
    return desk, governance


def _own_record(node: Node) -> Member:
    """This bank as the register knows it; before the members have voted on it, or this node has synced that vote, as
    its own record has it."""
    key, record = node.keys.business, node.config.directory / RECORD_FILE
    known = permissioning.member_by_address(node.ledger.state.head(), key.address)
    if known is not None or not record.exists():
        return known or member_of(permissioning.members(node.ledger.state.head()), key.address)
    member = read_record(record.read_bytes())
    if member.business_address != key.address:
        raise ConfigError(f"{record} is another business account's", field="business_address")
    return member
