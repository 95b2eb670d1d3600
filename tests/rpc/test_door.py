"""The door itself: JSON-RPC 2.0, bounds, bad input of every kind, and our own methods."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.certificates import CommitCertificate
from node.chain import Block, Genesis, Header, Receipt
from node.client import JsonRpcClient, RpcFailure
from node.errors import ConfigError, DataError, UnavailableError
from node.rpc import RpcServer, SyncProgress
from node.rpc.context import ColdBlock
from node.rpc.dispatcher import BATCH_ITEMS_MAX, WORKER_THREADS
from node.rpc.filters import FILTERS_MAX
from node.rpc.methods import METHODS
from node.rpc.subscriptions import SUBSCRIPTIONS_PER_CONNECTION_MAX
from node.web.limits import BODY_BYTES_MAX
from tests.chain.build import sign
from tests.rpc.dev_chain import CHAIN_ID, DEVELOPERS, HOSTS, STRANGER, VALIDATOR_KEYS, DevChain

ALICE = DEVELOPERS[0]
ENDED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
ENDLESS_CREATION = bytes.fromhex("635b5f56fd5f526003601cf3")
"""Leaves JUMPDEST PUSH0 JUMP as the contract's code: a loop until the gas is used."""
JSON_HEADERS = {"Content-Type": "application/json"}


def transfer(nonce: int = 0, **changes: Any) -> str:
    """A signed transfer of Alice's, as hex."""
    return "0x" + sign(changes.pop("key", ALICE), **{"chainId": CHAIN_ID, "nonce": nonce, **changes}).hex()


async def post(http: aiohttp.ClientSession, body: Any, **headers: str) -> Any:
    """The parsed answer to a POST of these bytes, or of this value as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with http.post("/", data=content, headers={**JSON_HEADERS, **headers}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def failure(client: JsonRpcClient, method: str, *params: Any) -> RpcFailure:
    """The error of a call that must fail."""
    with pytest.raises(RpcFailure) as caught:
        await client.call(method, *params)
    return caught.value


async def sent(client: JsonRpcClient, chain: DevChain, raw: str) -> Any:
    """The receipt of a transaction, waited for by the blocks themselves."""
    final = asyncio.Event()
    loop = asyncio.get_running_loop()
    chain.ledger.on_commit.append(lambda _executed: loop.call_soon_threadsafe(final.set))
    tx_hash = await client.call("eth_sendRawTransaction", raw)
    async with asyncio.timeout(20):
        while (receipt := await client.call("eth_getTransactionReceipt", tx_hash)) is None:
            await final.wait()
            final.clear()
    return receipt


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b'{"a":' * 50_000, -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"eth_chainId"}', -32700),
        (b"1" * 10_000, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'"eth_chainId"', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sign"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}', -32004),
    ],
)
async def test_malformed_requests_are_answered(http: aiohttp.ClientSession, body: bytes, code: int) -> None:
    """Each kind of bad request has its code, and the door answers the next one."""
    answer = await post(http, body)
    assert answer["error"]["code"] == code and answer["jsonrpc"] == "2.0"
    good = await post(http, {"jsonrpc": "2.0", "id": "x", "method": "eth_chainId"})
    assert good == {"jsonrpc": "2.0", "id": "x", "result": hex(CHAIN_ID)}


async def test_batches_notifications_and_ids(http: aiohttp.ClientSession) -> None:
    """A batch answers in order, with each id as it came; notifications get no answer; 1,000 items are the limit."""
    call = {"jsonrpc": "2.0", "method": "eth_chainId"}
    answers = await post(
        http, [{**call, "id": 1}, call, {**call, "id": "a"}, 5, {**call, "id": None}, {**call, "id": 1.5}]
    )
    assert [row.get("id") for row in answers] == [1, "a", None, None, 1.5]
    assert answers[2]["error"]["code"] == -32600 and answers[3]["result"] == hex(CHAIN_ID)
    async with http.post("/", data=json.dumps(call), headers=JSON_HEADERS) as response:
        assert (response.status, await response.read()) == (204, b"")
    many = await post(http, [{**call, "id": i} for i in range(BATCH_ITEMS_MAX)])
    assert [row["id"] for row in many] == list(range(BATCH_ITEMS_MAX))
    over = await post(http, [{**call, "id": i} for i in range(BATCH_ITEMS_MAX + 1)])
    assert over["error"]["code"] == -32005 and str(BATCH_ITEMS_MAX) in over["error"]["message"]


async def test_http_refusals(chain: DevChain, http: aiohttp.ClientSession) -> None:
    """Wrong content type, method, path, Host, Origin and size are refused with a problem document (RFC 9457)."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    cases: list[tuple[str, str, bytes, dict[str, str], int]] = [
        ("POST", "/", body, {"Content-Type": "text/plain"}, 415),
        ("POST", "/", body, {**JSON_HEADERS, "Host": "evil.example"}, 421),
        ("POST", "/", body, {**JSON_HEADERS, "Origin": "https://evil.example"}, 403),
        ("POST", "/", body, {**JSON_HEADERS, "Origin": "null"}, 403),
        ("GET", "/", b"", {}, 426),
        ("DELETE", "/", b"", {}, 405),
        ("OPTIONS", "/", b"", {}, 405),
        ("GET", "/secret", b"", {}, 404),
        ("POST", "/", b" " * (BODY_BYTES_MAX + 1), JSON_HEADERS, 413),
    ]
    for method, path, content, headers, status in cases:
        async with http.request(method, path, data=content, headers=headers) as response:
            assert response.status == status, (method, path, headers)
            assert response.content_type == "application/problem+json"
            document = await response.json()
            assert document["status"] == status and document["title"]
    async with http.post(
        "/", data=body, headers={**JSON_HEADERS, "Host": f"LOCALHOST:{chain.server.url[-4:]}"}
    ) as response:
        assert response.status == 200
    async with http.post("/", data=body, headers={**JSON_HEADERS, "X-Request-Id": "abc-1"}) as response:
        assert response.headers["X-Request-Id"] == "abc-1"
    await post(http, body, Origin=chain.server.url)


async def test_raw_sockets_do_not_stop_the_door(chain: DevChain, client: JsonRpcClient) -> None:
    """Bytes that are no HTTP, and connections cut in the middle, leave the door running."""
    host, port = "127.0.0.1", int(chain.server.url.rpartition(":")[2])
    for content in (
        b"\x16\x03\x01\x00\x00",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        b"\r\n" * 50,
    ):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        del reader
    assert await client.call("eth_chainId") == hex(CHAIN_ID)


@pytest.mark.parametrize(
    ("method", "params", "named"),
    [
        ("eth_getBalance", [], "address"),
        ("eth_getBalance", ["0x12"], "address"),
        ("eth_getBalance", [7], "address"),
        ("eth_getBalance", ["0x" + "11" * 20, "newest"], "block"),
        ("eth_getBalance", ["0x" + "11" * 20, "0x01"], "block"),
        ("eth_getBalance", ["0x" + "11" * 20, {"blockHash": "0x" + "11" * 32, "blockNumber": "0x1"}], "block"),
        ("eth_getBlockByNumber", ["latest", "yes"], "fullTransactions"),
        ("eth_getBlockByNumber", ["0x" + "f" * 20], "block"),
        ("eth_getStorageAt", ["0x" + "11" * 20, "0x" + "1" * 65], "slot"),
        ("eth_call", [[]], "call"),
        ("eth_call", [{"to": "0x" + "11" * 20, "data": "0x1"}], "data"),
        ("eth_call", [{"colour": "red"}], "colour"),
        ("eth_call", [{"data": "0x11", "input": "0x22"}], "data and input"),
        ("eth_call", [{"gasPrice": "0x1", "maxFeePerGas": "0x1"}], "gasPrice"),
        ("eth_estimateGas", [{"value": "0x" + "f" * 65}], "value"),
        ("eth_getLogs", [{"fromBlock": 5}], "fromBlock"),
        ("eth_getLogs", [{"topics": [[], [], [], [], []]}], "topics"),
        ("eth_getLogs", [{"address": "0x"}], "address"),
        ("eth_getLogs", [{"blockHash": "0x" + "11" * 32, "toBlock": "latest"}], "blockHash"),
        ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}], "fromBlock"),
        ("eth_getProof", ["0x" + "11" * 20, "0x0"], "slots"),
        ("eth_feeHistory", ["0x1", "latest", [50, 10]], "rewardPercentiles"),
        ("eth_sendRawTransaction", ["0xzz"], "transaction"),
        ("eth_getTransactionReceipt", ["0x11"], "transactionHash"),
        ("web3_sha3", ["abc"], "data"),
        ("pbft_getSealedBlocks", ["0x0", "0x1"], "first"),
    ],
)
async def test_bad_params_name_the_parameter(client: JsonRpcClient, method: str, params: list[Any], named: str) -> None:
    """-32602 with the name of the parameter, or of the field within it."""
    error = await failure(client, method, *params)
    assert error.code == -32602 and named in error.message


async def test_refused_transactions_say_why(chain: DevChain, client: JsonRpcClient) -> None:
    """Each bad transaction is -32003 with its reason as data; a good one after them is taken."""
    cases = [
        (transfer(chainId=CHAIN_ID + 1), "wrong_chain_id"),
        (transfer(gasPrice=0, chainId=None), "unprotected"),
        (transfer(key=STRANGER), "unknown_sender"),
        (transfer(nonce=65), "nonce_too_far"),
        (transfer(gas=8_000_001), "gas_too_high"),
        (transfer(value=10**30), "insufficient_funds"),
        ("0x03" + transfer()[4:], "blob"),
        ("0x", "malformed"),
        ("0xc0", "malformed"),
        (transfer(data=b"\x01" * 140_000), "tx_too_large"),
    ]
    for raw, reason in cases:
        error = await failure(client, "eth_sendRawTransaction", raw)
        assert (error.code, error.data) == (-32003, {"reason": reason}), raw[:80]
    receipt = await sent(client, chain, transfer())
    assert receipt["status"] == "0x1"
    again = await failure(client, "eth_sendRawTransaction", transfer())
    assert again.data == {"reason": "already_known"}
    low = await failure(client, "eth_sendRawTransaction", transfer(value=1))
    assert low.data == {"reason": "nonce_too_low"} and "nonce too low" in low.message


async def test_status_of_transactions(chain: DevChain, client: JsonRpcClient) -> None:
    """final, pending, queued, dropped with its reason, unknown."""
    receipt = await sent(client, chain, transfer())
    chain.sealing = False
    pending = await client.call("eth_sendRawTransaction", transfer(1))
    queued = await client.call("eth_sendRawTransaction", transfer(3))
    dropped = await client.call("eth_sendRawTransaction", transfer(2))
    chain.pool.evict(bytes.fromhex(dropped[2:]), "cpu_budget")
    hashes = (receipt["transactionHash"], pending, queued, dropped, "0x" + "00" * 32)
    answers = [await client.call("praya_getTransactionStatus", tx_hash) for tx_hash in hashes]
    assert [row["status"] for row in answers] == ["final", "pending", "queued", "dropped", "unknown"]
    assert answers[0]["succeeded"] is True and answers[3]["reason"] == "cpu_budget"


async def test_a_transaction_says_the_time_of_its_block(chain: DevChain, client: JsonRpcClient) -> None:
    """blockTimestamp is the block's once it is final (execution-apis), and null while the transaction waits."""
    receipt = await sent(client, chain, transfer())
    block = await client.call("eth_getBlockByNumber", receipt["blockNumber"], True)
    assert block["transactions"][0]["blockTimestamp"] == block["timestamp"]
    chain.sealing = False
    pending = await client.call("eth_sendRawTransaction", transfer(1))
    assert (await client.call("eth_getTransactionByHash", pending))["blockTimestamp"] is None


async def test_what_an_auditor_fetches(chain: DevChain, client: JsonRpcClient) -> None:
    """Genesis, raw blocks, receipts, certificates and sets come back as bytes that hash and decode to the chain."""
    receipts = [await sent(client, chain, transfer(nonce)) for nonce in range(3)]
    assert Genesis.from_json(await client.call("praya_getGenesis")) == chain.genesis
    validators = ["0x" + key.address.hex() for key in VALIDATOR_KEYS]
    for number in (1, 2, 3):
        ref = hex(number)
        block = Block.decode(bytes.fromhex((await client.call("debug_getRawBlock", ref))[2:]))
        header = Header.decode(bytes.fromhex((await client.call("debug_getRawHeader", ref))[2:]))
        assert block.header == header == chain.ledger.chain.header(number)
        raw = await client.call("debug_getRawReceipts", ref)
        assert [Receipt.decode(bytes.fromhex(row[2:])).status for row in raw] == [1]
        shown = await client.call("pbft_getCertificate", ref)
        certificate = CommitCertificate.decode(bytes.fromhex(shown["certificate"][2:]))
        assert certificate.block_hash == header.hash and shown["blockHash"] == "0x" + header.hash.hex()
        assert shown["canonical"] is (number < 3) and shown["signers"] == validators[:3]
        assert await client.call("pbft_getValidators", ref) == validators
    assert await client.call("debug_getRawTransaction", receipts[1]["transactionHash"]) == transfer(1)
    rows = await client.call("pbft_getSealedBlocks", "0x1", "0x10")
    assert [row["number"] for row in rows] == ["0x1", "0x2", "0x3"]
    assert [row["validators"] for row in rows] == [validators, None, None]
    assert await client.call("pbft_getSealedBlocks", 3, 1) == rows[2:]
    assert await client.call("pbft_getSealedBlocks", 4, 1) == []
    current = await client.call("pbft_getValidatorSet", "pending")
    assert (current["number"], current["since"], current["validators"]) == ("0x4", "0x1", validators)
    assert current["hash"] == (await client.call("eth_getBlockByNumber", "latest"))["extraData"]
    assert (await failure(client, "pbft_getCertificate", "0x0")).code == -32001
    assert (await failure(client, "pbft_getValidators", "0x5")).code == -32001
    assert (await failure(client, "pbft_getSealedBlocks", 1, 1_000)).code == -32005
    info = await client.call("praya_nodeInfo")
    assert info["head"]["hash"] == "0x" + chain.ledger.head_hash.hex()


async def test_old_blocks_are_read_off_the_event_loop(tmp_path: Path, genesis: Genesis) -> None:
    """After a restart no block is kept decoded: receipts and transactions come the same, read in a worker thread."""
    chain = DevChain(tmp_path, genesis)
    await chain.start()
    async with JsonRpcClient(chain.server.url) as client:
        receipt = await sent(client, chain, transfer())
        transaction = await client.call("eth_getTransactionByHash", receipt["transactionHash"])
    await chain.stop()
    chain = DevChain(tmp_path, genesis)
    await chain.start()
    try:
        with pytest.raises(ColdBlock):
            chain.context.committed(1)
        async with JsonRpcClient(chain.server.url) as client:
            assert await client.call("eth_getTransactionReceipt", receipt["transactionHash"]) == receipt
            assert await client.call("eth_getTransactionByHash", receipt["transactionHash"]) == transaction
        assert chain.context.committed(1).block.number == 1
    finally:
        await chain.stop()


async def test_absent_things_are_null_or_not_found(client: JsonRpcClient) -> None:
    """Lookups answer null; questions to a state that is not there answer -32001."""
    nothing = "0x" + "77" * 32
    for method, *params in (
        ("eth_getBlockByHash", nothing, False),
        ("eth_getBlockByNumber", "0x99", False),
        ("eth_getTransactionByHash", nothing),
        ("eth_getTransactionReceipt", nothing),
        ("eth_getBlockReceipts", "0x99"),
        ("eth_getTransactionByBlockNumberAndIndex", "0x0", "0x5"),
        ("eth_getBlockTransactionCountByNumber", "0x99"),
        ("eth_getUncleByBlockNumberAndIndex", "0x0", "0x0"),
    ):
        assert await client.call(method, *params) is None
    for method, *params in (
        ("eth_getBalance", "0x" + "11" * 20, "0x99"),
        ("eth_call", {"to": "0x" + "11" * 20}, {"blockHash": nothing}),
        ("debug_getRawBlock", "0x99"),
        ("eth_getFilterChanges", "0x1"),
        ("eth_getLogs", {"blockHash": nothing}),
    ):
        assert (await failure(client, method, *params)).code == -32001


async def test_limits_of_logs_and_filters(
    chain: DevChain, client: JsonRpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range above its limit and too many filters are -32005 with the limit; a range above the head is empty."""
    assert await client.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x5"}) == []
    for nonce in range(3):
        await sent(client, chain, transfer(nonce))
    assert await client.call("eth_getLogs", {"fromBlock": "earliest", "toBlock": hex(10**9)}) == []
    monkeypatch.setattr("node.rpc.logs.LOG_RANGE_BLOCKS_MAX", 3)
    error = await failure(client, "eth_getLogs", {"fromBlock": "earliest"})
    assert (error.code, error.data) == (-32005, {"limit": 3}) and "4 blocks" in error.message
    assert await client.call("eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest"}) == []
    filters = await client.batch([("eth_newBlockFilter", [])] * FILTERS_MAX)
    assert (await failure(client, "eth_newFilter", {})).code == -32005
    assert await client.call("eth_uninstallFilter", filters[0]) is True
    assert await client.call("eth_uninstallFilter", filters[0]) is False
    assert await client.call("eth_getFilterChanges", await client.call("eth_newFilter", {})) == []


async def test_block_filter_and_sync_state(chain: DevChain, client: JsonRpcClient) -> None:
    """A block filter answers each new hash once; eth_syncing shows progress while behind."""
    key = await client.call("eth_newBlockFilter")
    receipts = [await sent(client, chain, transfer(nonce)) for nonce in range(2)]
    assert await client.call("eth_getFilterChanges", key) == [receipt["blockHash"] for receipt in receipts]
    assert await client.call("eth_getFilterChanges", key) == []
    chain.status.progress = SyncProgress(1, 2, 9)
    assert await client.call("eth_syncing") == {"startingBlock": "0x1", "currentBlock": "0x2", "highestBlock": "0x9"}


async def test_websocket_bad_input_and_limits(chain: DevChain, http: aiohttp.ClientSession) -> None:
    """Over WebSocket bad messages are answered, subscriptions are bounded, a long message closes only its sender."""
    async with http.ws_connect("/") as socket:
        await socket.send_str("{")
        assert (await socket.receive_json())["error"]["code"] == -32700
        await socket.send_bytes(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}')
        assert (await socket.receive_json())["result"] == hex(CHAIN_ID)
        for kind, option in (("blocks", None), ("logs", {"topics": 5}), ("newHeads", {"x": 1}), ("logs", "all")):
            request = {"jsonrpc": "2.0", "id": 2, "method": "eth_subscribe", "params": [kind, option]}
            await socket.send_json(request)
            assert (await socket.receive_json())["error"]["code"] == -32602
        call = {"jsonrpc": "2.0", "id": 3, "method": "eth_subscribe", "params": ["newHeads"]}
        await socket.send_json([call] * SUBSCRIPTIONS_PER_CONNECTION_MAX)
        assert all("result" in row for row in await socket.receive_json())
        await socket.send_json(call)
        assert (await socket.receive_json())["error"]["code"] == -32005
        await socket.send_json({**call, "method": "eth_unsubscribe", "params": ["0x1"]})
        assert (await socket.receive_json())["result"] is False
    async with http.ws_connect("/") as socket:
        with suppress(ConnectionError):  # the door may hang up while the rest is still being sent
            await socket.send_str(" " * (BODY_BYTES_MAX + 1))
        assert (await socket.receive()).type in ENDED
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/", origin="https://evil.example")
    assert refused.value.status == 403
    async with http.ws_connect("/", origin=chain.server.url) as socket:
        await socket.send_json(call)
        assert "result" in await socket.receive_json()


async def test_slow_reader_is_closed_and_others_are_served(
    chain: DevChain, http: aiohttp.ClientSession, client: JsonRpcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client whose messages pile up is closed with "try again later"; the others go on without a gap."""
    monkeypatch.setattr("node.rpc.subscriptions.OUTGOING_MESSAGES_MAX", 1)
    async with http.ws_connect("/") as slow:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        await slow.send_json(call)
        await slow.receive_json()
        await slow.send_json({**call, "id": 2})
        await slow.receive_json()
        await slow.send_json({**call, "id": 3})
        await slow.receive_json()
        await sent(client, chain, transfer())
        message = await slow.receive()
        while message.type is aiohttp.WSMsgType.TEXT:
            message = await slow.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1013)
    assert await client.call("eth_blockNumber") == "0x1"


async def test_stopping_closes_clients(tmp_path: Path, genesis: Genesis) -> None:
    """When the door stops, WebSocket clients are told, calls end, and the port is free again."""
    chain = DevChain(tmp_path, genesis)
    await chain.start()
    url = chain.server.url
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        await chain.stop()
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    async with JsonRpcClient(url, timeout_s=2) as client:
        with pytest.raises(UnavailableError, match="cannot reach"):
            await client.call("eth_chainId")


async def test_endless_calls_hold_neither_the_door_nor_its_end(tmp_path: Path, genesis: Genesis) -> None:
    """While every worker runs an endless loop, other calls are answered; stopping ends the loops at once."""
    chain = DevChain(tmp_path, genesis)
    await chain.start()
    async with JsonRpcClient(chain.server.url) as client:
        created = await sent(client, chain, transfer(to=None, data=ENDLESS_CREATION, gas=200_000))
        call = {"to": created["contractAddress"], "gas": hex(8_000_000)}
        loops = [asyncio.create_task(failure(client, "eth_call", call)) for _ in range(WORKER_THREADS)]
        for number in range(20):
            assert await client.call("eth_blockNumber") == "0x1", number
        assert not any(task.done() for task in loops)
        await chain.stop()
        async with asyncio.timeout(3):
            codes = {error.code for error in await asyncio.gather(*loops)}
    assert codes <= {-32000, -32002, -32005}


async def test_taken_port_is_a_config_error(chain: DevChain) -> None:
    """A port in use is named in the error."""
    port = int(chain.server.url.rpartition(":")[2])
    with pytest.raises(ConfigError, match=str(port)):
        await RpcServer(chain.context, host="127.0.0.1", port=port, allowed_hosts=HOSTS).start()


async def test_every_method_is_described(client: JsonRpcClient) -> None:
    """rpc.discover lists every method with its parameters in words; rpc_modules lists the namespaces."""
    document = await client.call("rpc.discover")
    assert {row["name"] for row in document["methods"]} == set(METHODS)
    for row in document["methods"]:
        assert row["summary"] and all(param["description"] for param in row["params"])
    modules = await client.call("rpc_modules")
    assert set(modules) == {"eth", "net", "web3", "txpool", "debug", "pbft", "praya", "rpc"}


WORDS = ["latest", "0x1", "0x" + "11" * 20, "0x" + "22" * 32, "newHeads", "0x"]
KEYS = ["to", "data", "fromBlock", "topics", "address", "blockHash", "x"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=70)
    | st.sampled_from(WORDS)
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(sorted(METHODS)), params=st.lists(JUNK, max_size=4))
async def test_any_params_are_answered(chain: DevChain, method: str, params: list[Any]) -> None:
    """Whatever the parameters of whatever method: an answer, and never an internal error."""
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = await chain.server._dispatcher.answer(request)
    assert answer is not None
    decoded = json.loads(answer)
    assert decoded["id"] == 1 and decoded.get("error", {}).get("code") != -32603


async def test_client_refuses_answers_that_are_no_json_rpc() -> None:
    """A server that answers nonsense is a DataError, one that is not there UnavailableError."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = next(bodies)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    answers = [b"", b"[", b"[" * 100_000, b"5", b"{}", b'{"id": 99, "result": 1}', b'{"error": {"code": "x"}}']
    bodies = iter(answers)
    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with JsonRpcClient(f"http://127.0.0.1:{port}") as client:
        for _ in answers:
            with pytest.raises(DataError):
                await client.call("eth_chainId")
    server.close()
    await server.wait_closed()
    async with JsonRpcClient("not a url") as client:
        with pytest.raises(UnavailableError):
            await client.call("eth_chainId")
