"""eth_: balances, code, storage, proofs, calls and estimates, on any committed state."""

from __future__ import annotations

from typing import Any

from node.execution.call import CallFailed, CallRequest, CallResult
from node.keys import EMPTY_CODE_HASH
from node.rpc.context import RpcContext
from node.rpc.errors import INVALID_INPUT, RpcError, reverted
from node.rpc.method import Method, Runs
from node.rpc.params import LATEST, BlockRef, Param, address, block_ref, call_object, word, words
from node.types import Account, Address, StateReader, to_hex

_NO_ACCOUNT = Account(0, 0, EMPTY_CODE_HASH)


def balance(context: RpcContext, who: Address, ref: BlockRef) -> str:
    return hex(_account(context, who, ref).balance)


def code(context: RpcContext, who: Address, ref: BlockRef) -> str:
    state = _state(context, ref)
    account = state.account(who) or _NO_ACCOUNT
    return to_hex(state.code(account.code_hash)) if account.code_hash != EMPTY_CODE_HASH else "0x"


def storage(context: RpcContext, who: Address, slot: int, ref: BlockRef) -> str:
    return f"0x{_state(context, ref).storage(who, slot):064x}"


def transaction_count(context: RpcContext, who: Address, ref: BlockRef) -> str:
    if ref.tag == "pending":
        return hex(context.pool.next_nonce(who))
    return hex(_account(context, who, ref).nonce)


def call(context: RpcContext, request: CallRequest, ref: BlockRef) -> str:
    result = context.ledger.call(request, context.header(ref), cancel=context.cancel)
    if result.error is not None:
        raise _failure(result)
    return to_hex(result.output)


def estimate_gas(context: RpcContext, request: CallRequest, ref: BlockRef) -> str:
    try:
        return hex(context.ledger.estimate_gas(request, context.header(ref), cancel=context.cancel))
    except CallFailed as error:
        raise _failure(error.result) from error


def proof(context: RpcContext, who: Address, slots: list[int], ref: BlockRef) -> dict[str, Any]:
    found = context.ledger.proof_at(context.header(ref), who, slots)
    return {
        "address": to_hex(who),
        "balance": hex(found.leaf.balance),
        "nonce": hex(found.leaf.nonce),
        "codeHash": to_hex(found.leaf.code_hash),
        "storageHash": to_hex(found.leaf.storage_root),
        "accountProof": [to_hex(node) for node in found.proof],
        "storageProof": [
            {"key": hex(item.slot), "value": hex(item.value), "proof": [to_hex(node) for node in item.proof]}
            for item in found.storage
        ],
    }


def _failure(result: CallResult) -> RpcError:
    return reverted(result.output) if result.reverted else RpcError(INVALID_INPUT, result.error or "the call failed")


def _state(context: RpcContext, ref: BlockRef) -> StateReader:
    return context.ledger.state_at(context.header(ref))


def _account(context: RpcContext, who: Address, ref: BlockRef) -> Account:
    return _state(context, ref).account(who) or _NO_ACCOUNT


_WHO = Param("address", address)
_AT = Param("block", block_ref, LATEST)
_CALL = Param("call", call_object)

METHODS = (
    Method("eth_getBalance", balance, "Balance in wei", (_WHO, _AT)),
    Method("eth_getCode", code, "Contract code", (_WHO, _AT)),
    Method("eth_getStorageAt", storage, "A storage word", (_WHO, Param("slot", word), _AT)),
    Method("eth_getTransactionCount", transaction_count, "Next nonce; with pending the pool counts too", (_WHO, _AT)),
    Method(
        "eth_call",
        call,
        "Output of a call that changes nothing; error 3 with data where it reverts",
        (_CALL, _AT),
        Runs.THREAD,
    ),
    Method("eth_estimateGas", estimate_gas, "A gas limit with which the call succeeds", (_CALL, _AT), Runs.THREAD),
    Method(
        "eth_getProof",
        proof,
        "Merkle proof of an account and of storage words (EIP-1186)",
        (_WHO, Param("slots", words), _AT),
        Runs.THREAD,
    ),
)
