"""The bank's trade desk over this node: ledger and pool on one side, peers for sealed documents on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node import permissioning
from node.keys.keystore import read_secret_file
from node.privacy.encryption_key import EncryptionKey
from node.privacy.envelope import SEALED_BYTES_MAX
from node.privacy.exchange import CUSTODY_REQUEST, DOCUMENT_REQUEST, DocumentExchange
from node.privacy.store import CiphertextStore
from node.trade.chain_access import active_banks, member_of
from node.trade.database import Database
from node.trade.ledger_chain import LedgerChain
from node.trade.service import TradeService
from node.trade.ubl import KeyedTagFunction
from node.types import Address, Hash32

if TYPE_CHECKING:
    from node.app.node import Node

DATABASE_FILE = "praya.sqlite"
TAG_KEY_FILE = "tag.key"
ENCRYPTION_KEY_FILE = "encryption.key"


def make_desk(node: Node) -> TradeService:
    """Build the desk and let the peer network answer for its documents.

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
    exchange = DocumentExchange(
        store=CiphertextStore(directory / "documents"),
        key=key,
        chain_id=ledger.genesis.chain_id,
        me=member_of(permissioning.members(ledger.state.head()), key.address).id,
        banks=lambda: active_banks(permissioning.members(ledger.state.head())),
        request=request,
        now_s=node.clock.unix_s,
    )
    node.network.on_request(CUSTODY_REQUEST, exchange.on_custody)
    node.network.on_request(DOCUMENT_REQUEST, exchange.on_document)
    return TradeService(
        database=Database.open(directory / DATABASE_FILE),
        chain=chain,
        blocks=ledger.chain,
        key=key,
        encryption_key=EncryptionKey.load(directory / ENCRYPTION_KEY_FILE),
        exchange=exchange,
        tags=KeyedTagFunction(bytes.fromhex(read_secret_file(directory / TAG_KEY_FILE).decode().strip())),
    )
