"""Bad input at the doors of four running banks: each is refused with its reason, and afterwards nothing is lost or half
done: the same heads, drafts and documents, and blocks are made."""

from __future__ import annotations

import os
import re
import ssl
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rlp
from coincurve.utils import GROUP_ORDER_INT

from node.keys.tls import TlsFiles, client_context
from node.p2p.dialler import PATH
from node.p2p.frames import (
    SUBPROTOCOL,
    HeadFrame,
    Hello,
    MessageFrame,
    RequestFrame,
    TransactionsFrame,
    encode_frame,
)
from tests.api.door import Answer, Door, Officers
from tests.api.samples import credit_message, document
from tests.network.consortium import Consortium, wait_until
from tests.trade.samples import ubl

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("bad-input")]

Snapshot = dict[str, Any]


@pytest.fixture(scope="module")
def officers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Officers]:
    banks = Consortium.up(tmp_path_factory.mktemp("bad"), "--accounts", "2")
    try:
        made = Officers(banks)
        made.do("harbour", "lc.issue", mt700=credit_message("GOOD-1"))
        banks.receipt("harbour", banks.transfer("harbour"))
        yield made
    finally:
        banks.down()


@pytest.fixture(autouse=True)
def nothing_half_done(officers: Officers) -> Iterator[None]:
    """Around every test: the bad input has left no trace, each bank runs with the process it had, and the chain goes
    on to one head."""
    before = _snapshot(officers)
    yield
    assert _snapshot(officers) == before
    sent = officers.banks.transfer("lioncity", account=1)
    heights = [officers.banks.receipt(name, sent)["blockNumber"] for name in officers.banks.names]
    assert len(set(heights)) == 1
    assert len({officers.banks.head_hash(name, heights[0]) for name in officers.banks.names}) == 1


def _snapshot(officers: Officers) -> Snapshot:
    directory = Path(officers.banks.directory)
    maker = officers.at("harbour", "maker")
    return {
        "pids": {row["name"]: Path(f"/proc/{row['pid']}").exists() for row in officers.banks.description["banks"]},
        "drafts": [(draft["id"], draft["hash"], draft["state"]) for draft in maker.get("/drafts").json],
        "credits": maker.get("/credits?mine=0").json,
        "invoices": maker.get("/invoices").json,
        "documents": sorted(path.name for path in directory.glob("banks/*/documents/*/*")),
        "pool": _rpc(officers, "txpool_status").json.get("result"),
    }


def _rpc(officers: Officers, method: str, *params: Any) -> Answer:
    door = Door(officers.banks.node("harbour")["rpc_url"])
    return door.post("/", {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})


def _transfer(officers: Officers, **changed: Any) -> Any:
    client = officers.banks.web3("harbour")
    key = changed.pop("key", None) or officers.banks.accounts()[0]["private_key"]
    sender = client.eth.account.from_key(key)
    transaction = {
        "chainId": officers.banks.description["chain_id"],
        "nonce": client.eth.get_transaction_count(sender.address),
        "to": "0x" + "22" * 20,
        "value": 1,
        "gas": 21_000,
        "gasPrice": 0,
    }
    return sender.sign_transaction(transaction | changed)


def _malleated(raw: bytes) -> bytes:
    """The same legacy transaction with the other signature of the same key: s turned round, v flipped."""
    fields = list(rlp.decode(raw))
    v, s = int.from_bytes(fields[6], "big"), int.from_bytes(fields[8], "big")
    flipped = v + 1 if v % 2 == 1 else v - 1
    fields[6] = flipped.to_bytes((flipped.bit_length() + 7) // 8, "big")
    fields[8] = (GROUP_ORDER_INT - s).to_bytes(32, "big").lstrip(b"\x00")
    return bytes(rlp.encode(fields))


def _broken(raw: bytes) -> bytes:
    """r beyond the group: no signature at all."""
    fields = list(rlp.decode(raw))
    fields[7] = b"\xff" * 32
    return bytes(rlp.encode(fields))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("wrong_chain_id", "chain"),
        ("bad_signature", "outside"),
        ("malleable", "malleable"),
        ("nonce_too_low", "nonce too low"),
        ("nonce_too_far", "64"),
        ("tx_too_large", "131072"),
        ("unknown_sender", "registered"),
        ("gas_too_high", "gas"),
        ("blob", "blob"),
        ("malformed", ""),
    ],
)
def test_a_bad_transaction_is_refused_with_its_reason(officers: Officers, reason: str, words: str) -> None:
    """Error -32003 whose data names the reason, and whose text the limit where there is one."""
    stranger = "0x" + os.urandom(32).hex()
    raw: bytes = {
        "wrong_chain_id": lambda: _transfer(officers, chainId=1).raw_transaction,
        "bad_signature": lambda: _broken(_transfer(officers).raw_transaction),
        "malleable": lambda: _malleated(_transfer(officers).raw_transaction),
        "nonce_too_low": lambda: _transfer(officers, nonce=0, value=2).raw_transaction,
        "nonce_too_far": lambda: _transfer(officers, nonce=_transfer_nonce(officers) + 65).raw_transaction,
        "tx_too_large": lambda: _transfer(officers, data=b"\x01" * 140_000, gas=8_000_000).raw_transaction,
        "unknown_sender": lambda: _transfer(officers, key=stranger).raw_transaction,
        "gas_too_high": lambda: _transfer(officers, gas=2**40).raw_transaction,
        "blob": lambda: b"\x03" + bytes(_transfer(officers).raw_transaction),
        "malformed": lambda: bytes(_transfer(officers).raw_transaction)[:-1],
    }[reason]()
    error = _rpc(officers, "eth_sendRawTransaction", "0x" + bytes(raw).hex()).json["error"]
    expected = "bad_signature" if reason == "malleable" else reason
    assert (error["code"], error["data"]["reason"]) == (-32003, expected), error
    assert words in error["message"]


def _transfer_nonce(officers: Officers) -> int:
    client = officers.banks.web3("harbour")
    return int(client.eth.get_transaction_count(client.to_checksum_address(officers.banks.accounts()[0]["address"])))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"jsonrpc": "2.0", "id": 1, "method": ', -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000 + b"]" * 100_000, -32700),
        (b"[]", -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "no_such"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": ["0x12"]}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": ["zz"]}', -32602),
    ],
    ids=range(8),
)
def test_malformed_json_rpc_is_answered_by_code(officers: Officers, raw: bytes, code: int) -> None:
    """Each with the code of EIP-1474."""
    answer = Door(officers.banks.node("harbour")["rpc_url"]).ask("POST", "/", raw=raw)
    assert answer.json["error"]["code"] == code


@pytest.mark.parametrize(
    ("replace", "field", "words"),
    [
        (("USD100000,00", "JPY100000,50"), "32B", "decimal"),
        (("USD100000,00", "USD100000,001"), "32B", "decimal"),
        (("USD100000,00", "USD100000.00"), "32B", ""),
        (("USD100000,00", "XYZ100000,00"), "32B", ""),
        (("USD100000,00", "USD0,00"), "32B", ""),
        ((":27:1/1", ":27:1/2"), "27", "continuation missing"),
        ((":43P:ALLOWED", ":43P:PERHAPS"), "43P", ""),
        ((":20:BAD-1", ":20:/BAD-1"), "20", ""),
        ((":40A:IRREVOCABLE", ":40A:REVOCABLE"), "40A", ""),
        ((":20:BAD-1\n", ""), "20", ""),
        ((":48:21", ":48:XX"), "48", ""),
        ((":49:WITHOUT", ":49:WITHOUT\n:99Z:X"), "99Z", ""),
        (("BY PAYMENT", "BY WISHFUL THINKING"), "41A", ""),
    ],
)
def test_a_wrong_field_of_an_mt700_is_named(
    officers: Officers, replace: tuple[str, str], field: str, words: str
) -> None:
    """422 whose field is the tag and whose text says what is wrong; no draft is made, nothing is lodged."""
    message = credit_message("BAD-1", replace=replace)
    refused = officers.at("harbour", "maker").draft("lc.issue", mt700=message)
    assert refused.status == 422, refused.body
    assert field in f"{refused.field('field')} {refused.field('detail')}", refused.body
    assert words.lower() in str(refused.field("detail")).lower()


ENTITY = b'<?xml version="1.0"?><!DOCTYPE Invoice [<!ENTITY a "b">]><Invoice>&a;</Invoice>'
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "' + b"&a;" * 50 + b'">]><x>&b;</x>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ENTITY, "entities"),
        (LAUGHS, "entities"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "entities"),
        (b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>', "entities"),
        (b"<a>" * 5_000 + b"</a>" * 5_000, ""),
        (b"<a", ""),
        (b"", ""),
        (b"\x00\x01\x02", ""),
        (b"<Invoice/>", ""),
        (ubl(amount="100.505"), "decimal"),
        (ubl(currency="JPY", amount="100.5"), "decimal"),
        (ubl(amount="-5"), ""),
        (ubl(amount="1e5"), ""),
        (ubl(currency="ZZZ"), ""),
        (ubl(due="<cbc:DueDate>2001-06-01</cbc:DueDate>"), "overdue"),
        (ubl(due="<cbc:DueDate>2026-02-30</cbc:DueDate>"), ""),
    ],
    ids=range(16),
)
def test_a_bad_invoice_file_is_refused(officers: Officers, content: bytes, words: str) -> None:
    """XML with entities or a document type, broken XML, false amounts and dates end in 422 with the reason."""
    maker = officers.at("harbour", "maker")
    text = content.decode("latin-1")
    refused = maker.draft("invoice.register", ubl=text)
    assert refused.status == 422, refused.body
    assert words in str(refused.field("detail")).lower()
    read = maker.post("/readings/invoice", {"ubl": text})
    assert read.status in (200, 422)


def test_a_document_over_the_size_limit_is_refused(officers: Officers) -> None:
    """413 that names the limit; a recipient that is no member, and a content that is no Base64, are named too."""
    maker = officers.at("harbour", "maker")
    large = document("large.pdf", b"x" * (11 * 1024 * 1024))
    refused = maker.draft("doc.submit", documents=[large], recipients=["LCMBSGS0"])
    assert refused.status == 413, refused.body
    assert re.search(r"\d{7,}", refused.field("detail"))
    stranger = maker.draft("doc.submit", documents=[document("a.pdf", b"x")], recipients=["NOBODYX0"])
    assert (stranger.status, stranger.field("field")) != (201, None)
    assert "NOBODYX0" in stranger.field("detail")
    broken = {"name": "a.pdf", "media_type": "application/pdf", "content_base64": "!!"}
    refused = maker.draft("doc.submit", documents=[broken], recipients=["LCMBSGS0"])
    assert (refused.status, refused.field("field")) == (422, "documents")


@pytest.mark.parametrize("amount", ["1000.001", "-1", "0", "1,000.00", "1e3", "NaN", "9" * 60, "", "١٢٣"])
def test_a_wrong_amount_of_a_presentation_is_refused(officers: Officers, amount: str) -> None:
    """More decimals than the currency, signs, exponents and other digits are refused, never rounded."""
    credit = officers.at("lioncity", "maker").get("/credits").json[0]["address"]
    refused = officers.at("lioncity", "maker").draft("lc.present", credit=credit, amount=amount)
    assert refused.status == 422, refused.body


async def test_garbage_frames_of_a_member_do_no_harm(officers: Officers) -> None:
    """A peer with a bank's own certificate that sends garbage before and after its Hello is dropped; its requests and
    votes that make no sense are answered or counted, never followed."""
    banks = officers.banks
    folder = Path(banks.directory) / "banks"
    target = tomllib.loads((folder / "harbour" / "node.toml").read_text())["listen"]["p2p_port"]
    context = client_context(TlsFiles.in_directory(folder / "huangpu" / "tls"))
    address = bytes.fromhex(banks.node("huangpu")["validator_address"][2:])
    genesis = bytes.fromhex(banks.description["genesis_hash"][2:])
    hello = Hello(banks.description["chain_id"], genesis, bytes(32), address, os.urandom(8), 0, bytes(32))
    garbage = [
        [b""],
        [b"\x00"],
        [os.urandom(300)],
        [b"\x01\x01" + b"\xff" * 100],
        [bytes(1024 * 1024)],
        ["text"],
        [encode_frame(hello)],  # false parameters
        [encode_frame(MessageFrame("consensus", os.urandom(200)))],  # no Hello
        [encode_frame(hello), *[os.urandom(64)] * 20],
        [encode_frame(hello), encode_frame(HeadFrame(2**63 - 1, bytes(32)))],
        [encode_frame(hello), encode_frame(TransactionsFrame((b"", b"\xff", os.urandom(400))))],
        [encode_frame(hello), *[encode_frame(RequestFrame(n, "blocks", os.urandom(40))) for n in range(20)]],
    ]
    for frames in garbage:
        await _send_frames(target, context, frames)
    wait_until(lambda: _rpc(officers, "net_peerCount").json["result"] == "0x3", what="every bank is connected")


async def test_who_has_no_certificate_is_not_heard(officers: Officers) -> None:
    """Plain TCP and TLS without a certificate end before any frame."""
    target = tomllib.loads((Path(officers.banks.directory) / "banks" / "harbour" / "node.toml").read_text())
    port = target["listen"]["p2p_port"]
    anonymous = ssl.create_default_context()
    anonymous.check_hostname, anonymous.verify_mode = False, ssl.CERT_NONE
    for url, context in ((f"wss://127.0.0.1:{port}{PATH}", anonymous), (f"ws://127.0.0.1:{port}{PATH}", False)):
        async with aiohttp.ClientSession() as session:
            with pytest.raises((aiohttp.ClientError, OSError)):
                async with session.ws_connect(url, ssl=context) as socket:  # type: ignore[arg-type]
                    await socket.send_bytes(b"hello")
                    (await socket.receive(timeout=5)).data.decode()


async def _send_frames(port: int, context: ssl.SSLContext, frames: list[bytes | str]) -> None:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(
                f"wss://127.0.0.1:{port}{PATH}", ssl=context, protocols=(SUBPROTOCOL,)
            ) as socket:
                for frame in frames:
                    await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
                await socket.receive(timeout=2)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return  # refused at once, as it may
