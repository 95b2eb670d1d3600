"""web3.py, unmodified, does its work through the door: connect, deploy, send, call, estimate, read, subscribe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import rlp
from eth_account import Account
from trie import HexaryTrie
from web3 import AsyncHTTPProvider, AsyncWeb3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError, ContractPanicError, Web3RPCError

from node.client import JsonRpcClient
from node.keys import keccak256
from node.types import to_hex
from tests.rpc.dev_chain import CHAIN_ID, COUNTER, DEVELOPERS, DevChain

ALICE = Account.from_key(DEVELOPERS[0].secret_bytes())
BOB = Account.from_key(DEVELOPERS[1].secret_bytes())


def connect(chain: DevChain) -> AsyncWeb3[Any]:
    """web3.py over HTTP."""
    return AsyncWeb3(AsyncHTTPProvider(chain.server.url))


async def send(w3: AsyncWeb3[Any], account: Any, **fields: Any) -> Any:
    """Sign and send what web3.py fills in itself; the receipt."""
    transaction = {"from": account.address, "chainId": CHAIN_ID, **fields}
    transaction.setdefault("nonce", await w3.eth.get_transaction_count(account.address, "pending"))
    if "gas" not in fields:
        transaction["gas"] = await w3.eth.estimate_gas(transaction)
    if "gasPrice" not in fields and "maxFeePerGas" not in fields:
        transaction |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
    signed = account.sign_transaction(transaction)
    return await w3.eth.wait_for_transaction_receipt(
        await w3.eth.send_raw_transaction(signed.raw_transaction), timeout=20, poll_latency=0.02
    )


async def deploy(w3: AsyncWeb3[Any], start: int = 5) -> Any:
    """A deployed Counter."""
    factory = w3.eth.contract(abi=COUNTER["abi"], bytecode=COUNTER["bytecode"])
    built = await factory.constructor(start).build_transaction(
        {"from": ALICE.address, "nonce": await w3.eth.get_transaction_count(ALICE.address), "chainId": CHAIN_ID}
    )
    assert built["maxFeePerGas"] == 0
    signed = ALICE.sign_transaction(built)
    receipt = await w3.eth.wait_for_transaction_receipt(
        await w3.eth.send_raw_transaction(signed.raw_transaction), timeout=20, poll_latency=0.02
    )
    assert receipt["status"] == 1
    return w3.eth.contract(address=receipt["contractAddress"], abi=COUNTER["abi"])


async def test_connects_and_reads_the_chain(chain: DevChain) -> None:
    """Chain id, prices, blocks, balances, fee history and sync state are read without middleware."""
    w3 = connect(chain)
    assert await w3.is_connected()
    assert await w3.eth.chain_id == CHAIN_ID and await w3.net.version == str(CHAIN_ID)
    assert await w3.eth.gas_price == 0 and await w3.eth.max_priority_fee == 0
    assert await w3.eth.block_number == 0 and await w3.eth.syncing is False
    assert await w3.client_version == "Praya/test/linux" and await w3.net.peer_count == 3
    block = await w3.eth.get_block("latest", full_transactions=True)
    assert block["hash"] == chain.ledger.head_hash and block["baseFeePerGas"] == 0
    assert await w3.eth.get_block("finalized") == await w3.eth.get_block("safe") == await w3.eth.get_block(0)
    assert await w3.eth.get_balance(ALICE.address) == 10**24
    history = await w3.eth.fee_history(4, "latest", [10, 50])
    assert history["baseFeePerGas"] == [0, 0] and history["gasUsedRatio"] == [0.0]
    await w3.provider.disconnect()


async def test_legacy_and_1559_transfers(chain: DevChain) -> None:
    """A legacy and a 1559 transfer at price 0 are mined; receipt, transaction and block agree with each other."""
    w3 = connect(chain)
    legacy = await send(w3, ALICE, to=BOB.address, value=7, gas=21_000, gasPrice=0)
    dynamic = await send(w3, ALICE, to=BOB.address, value=8, gas=21_000)
    assert (legacy["type"], dynamic["type"]) == (0, 2)
    assert legacy["status"] == dynamic["status"] == 1 and dynamic["gasUsed"] == 21_000
    assert await w3.eth.get_balance(BOB.address) == 10**24 + 15
    transaction = await w3.eth.get_transaction(dynamic["transactionHash"])
    assert transaction["from"] == ALICE.address and transaction["blockHash"] == dynamic["blockHash"]
    assert transaction["nonce"] == 1 == legacy["blockNumber"]
    block = await w3.eth.get_block(dynamic["blockNumber"])
    assert block["transactions"] == [dynamic["transactionHash"]]
    assert await w3.eth.get_block_transaction_count(block["hash"]) == 1
    assert await w3.eth.get_transaction_by_block(block["hash"], 0) == transaction
    assert await w3.eth.get_block_receipts(block["number"]) == [dynamic]
    assert await w3.eth.get_balance(BOB.address, legacy["blockNumber"]) == 10**24 + 7
    assert await w3.eth.get_transaction_count(ALICE.address, legacy["blockNumber"]) == 1
    await w3.provider.disconnect()


async def test_deploy_call_estimate_and_logs(chain: DevChain) -> None:
    """A contract is deployed, called, estimated; its events come back by receipt, filter and eth_getLogs."""
    w3 = connect(chain)
    counter = await deploy(w3)
    assert (await w3.eth.get_code(counter.address)).startswith(b"\x60")
    assert await counter.functions.total().call() == 5
    assert await w3.eth.get_storage_at(counter.address, 0) == (5).to_bytes(32, "big")
    watcher = await w3.eth.filter({"address": counter.address})
    receipts = []
    for account, step in ((ALICE, 1), (BOB, 2), (BOB, 1)):
        built = await counter.functions.count(step).build_transaction({"from": account.address, "chainId": CHAIN_ID})
        receipts.append(await send(w3, account, to=counter.address, data=built["data"]))
    events = [counter.events.Counted().process_receipt(receipt)[0] for receipt in receipts]
    assert [event["args"]["total"] for event in events] == [6, 8, 9]
    steps_of_one = await counter.events.Counted().get_logs(from_block=0, argument_filters={"step": 1})
    assert [event["args"]["by"] for event in steps_of_one] == [ALICE.address, BOB.address]
    by_bob = await counter.events.Counted().get_logs(from_block=0, argument_filters={"by": BOB.address, "step": [1, 2]})
    assert [event["args"]["step"] for event in by_bob] == [2, 1]
    in_one = await w3.eth.get_logs({"blockHash": receipts[1]["blockHash"], "address": [counter.address]})
    assert [log["logIndex"] for log in in_one] == [0]
    assert [log["transactionHash"] for log in await watcher.get_new_entries()] == [
        receipt["transactionHash"] for receipt in receipts
    ]
    assert await watcher.get_new_entries() == []
    assert len(await watcher.get_all_entries()) <= 3
    assert await counter.functions.total().call(block_identifier=receipts[0]["blockNumber"]) == 6
    await w3.provider.disconnect()


async def test_reverts_are_decoded(chain: DevChain) -> None:
    """Custom errors, reasons and panics reach the client with code 3 and data, from call and estimate alike."""
    w3 = connect(chain)
    counter = await deploy(w3)
    with pytest.raises(ContractCustomError) as custom:
        await counter.functions.count(101).call({"from": ALICE.address})
    assert custom.value.data.endswith(f"{101:064x}{100:064x}")
    with pytest.raises(ContractLogicError, match="unlucky step"):
        await counter.functions.count(13).estimate_gas({"from": ALICE.address})
    with pytest.raises(ContractPanicError, match="Division"):
        await counter.functions.halve(0).call()
    with pytest.raises(Web3RPCError, match="precompile"):
        await counter.functions.precompile().call()
    with pytest.raises(Web3RPCError, match=r"(?i)gas"):
        await counter.functions.burn().call({"gas": 300_000})
    failed = await send(w3, ALICE, to=counter.address, data=counter.encode_abi("count", [13]), gas=100_000)
    assert failed["status"] == 0 and failed["logs"] == []
    await w3.provider.disconnect()


async def test_pool_is_seen_before_the_block(chain: DevChain) -> None:
    """A waiting transaction is shown as pending, counts for the pending nonce, and has no receipt yet."""
    chain.sealing = False
    w3 = connect(chain)
    fields = {"to": BOB.address, "value": 1, "gas": 21_000, "gasPrice": 0, "chainId": CHAIN_ID}
    hashes = []
    for nonce in (0, 2):
        signed = ALICE.sign_transaction({**fields, "nonce": nonce})
        hashes.append(await w3.eth.send_raw_transaction(signed.raw_transaction))
    waiting = await w3.eth.get_transaction(hashes[0])
    assert waiting.get("blockNumber") is None and waiting["from"] == ALICE.address
    assert await w3.eth.get_transaction_count(ALICE.address) == 0
    assert await w3.eth.get_transaction_count(ALICE.address, "pending") == 1
    status = await w3.geth.txpool.status()
    assert (int(status["pending"], 16), int(status["queued"], 16)) == (1, 1)
    inspected = await w3.geth.txpool.inspect()
    assert "waits for nonce 1" in inspected["queued"][ALICE.address.lower()]["2"]
    content = await w3.geth.txpool.content()
    assert content["pending"][ALICE.address.lower()]["0"]["hash"] == "0x" + hashes[0].hex()
    await w3.provider.disconnect()


async def test_subscriptions_over_websocket(chain: DevChain) -> None:
    """New heads, logs and waiting transactions are pushed once each, in the order of the chain."""
    async with AsyncWeb3(WebSocketProvider(chain.server.ws_url)) as w3:
        counter = await deploy(w3)
        heads = await w3.eth.subscribe("newHeads")
        logs = await w3.eth.subscribe("logs", {"address": counter.address})
        waiting = await w3.eth.subscribe("newPendingTransactions")
        data = [counter.encode_abi("count", [step]) for step in (3, 4)]
        sent = [await send(w3, ALICE, to=counter.address, data=content) for content in data]
        received: dict[str, list[Any]] = {heads: [], logs: [], waiting: []}
        async with asyncio.timeout(20):
            async for message in w3.socket.process_subscriptions():
                received[message["subscription"]].append(message["result"])
                if all(len(rows) == 2 for rows in received.values()):
                    break
        assert [head["number"] for head in received[heads]] == [receipt["blockNumber"] for receipt in sent]
        assert [head["hash"] for head in received[heads]] == [receipt["blockHash"] for receipt in sent]
        assert [log["transactionHash"] for log in received[logs]] == [r["transactionHash"] for r in sent]
        assert received[waiting] == [receipt["transactionHash"] for receipt in sent]
        assert await w3.eth.unsubscribe(heads)


async def test_account_proof_verifies(chain: DevChain, client: JsonRpcClient) -> None:
    """eth_getProof of a contract and of one of its words verifies against the header's state root (EIP-1186)."""
    w3 = connect(chain)
    counter = await deploy(w3)
    await w3.provider.disconnect()
    proof = await client.call("eth_getProof", counter.address, ["0x0"], "latest")
    root = bytes.fromhex((await client.call("eth_getBlockByNumber", "latest"))["stateRoot"][2:])
    account = HexaryTrie.get_from_proof(root, keccak256(bytes.fromhex(counter.address[2:])), nodes_of(proof, "account"))
    nonce, balance, storage_root, code_hash = rlp.decode(account)
    assert (nonce, balance) == (b"\x01", b"")
    assert (to_hex(storage_root), to_hex(code_hash)) == (proof["storageHash"], proof["codeHash"])
    words = nodes_of(proof["storageProof"][0], "")
    assert rlp.decode(HexaryTrie.get_from_proof(storage_root, keccak256(bytes(32)), words)) == b"\x05"
    absent = await client.call("eth_getProof", "0x" + "ee" * 20, [], "latest")
    assert HexaryTrie.get_from_proof(root, keccak256(b"\xee" * 20), nodes_of(absent, "account")) == b""


def nodes_of(proof: dict[str, Any], kind: str) -> list[Any]:
    """The decoded trie nodes of a proof."""
    return [rlp.decode(bytes.fromhex(node[2:])) for node in proof["accountProof" if kind else "proof"]]
