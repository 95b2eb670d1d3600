"""JSON-RPC error codes (JSON-RPC 2.0, EIP-1474, and geth's code 3 for reverts)."""

from __future__ import annotations

from typing import Any

from contracts.bindings import decode_revert
from node.errors import InvalidTransaction, LimitExceeded, PrayaError, UnavailableError
from node.execution.guard import CpuBudgetExceeded, ExcludedPrecompileReached
from node.types import to_hex

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
INVALID_INPUT = -32000
RESOURCE_NOT_FOUND = -32001
RESOURCE_UNAVAILABLE = -32002
TRANSACTION_REJECTED = -32003
METHOD_NOT_SUPPORTED = -32004
LIMIT_EXCEEDED = -32005
EXECUTION_REVERTED = 3
"""Execution ended in REVERT; ``data`` holds what it returned (what web3.py and ethers decode)."""


class RpcError(PrayaError):
    """An error as JSON-RPC answers it."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data

    def body(self) -> dict[str, Any]:
        """The ``error`` member of a response."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid_params(message: str) -> RpcError:
    """-32602; the message names the parameter."""
    return RpcError(INVALID_PARAMS, f"invalid params: {message}")


def not_found(what: str) -> RpcError:
    """-32001: a block or other resource that does not exist."""
    return RpcError(RESOURCE_NOT_FOUND, f"{what} not found")


def limit_exceeded(message: str, limit: int) -> RpcError:
    """-32005 with the limit in words and as data."""
    return RpcError(LIMIT_EXCEEDED, message, {"limit": limit})


def reverted(output: bytes) -> RpcError:
    """Code 3 with the revert data; the message reads the reason where it is a known one."""
    return RpcError(EXECUTION_REVERTED, f"execution reverted{revert_reason(output)}", to_hex(output))


def revert_reason(output: bytes) -> str:
    """ ": reason" for Error(string), Panic and the custom errors of the system contracts; "" for anything else."""
    reason = decode_revert(output)
    if reason.name == "Error":
        return f": {reason.args['message']}"
    return "" if reason.name == "Unknown" else f": {reason}"


def rpc_error_of(error: PrayaError) -> RpcError:
    """How one of our errors is answered."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, InvalidTransaction):
        return RpcError(TRANSACTION_REJECTED, error.message, {"reason": error.reason})
    if isinstance(error, ExcludedPrecompileReached):
        return RpcError(INVALID_INPUT, error.message)
    if isinstance(error, CpuBudgetExceeded | LimitExceeded):
        return RpcError(LIMIT_EXCEEDED, error.message)
    if isinstance(error, UnavailableError):
        return RpcError(RESOURCE_UNAVAILABLE, error.message)
    return RpcError(INVALID_INPUT, error.message)
