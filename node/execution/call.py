"""Questions to a state that change nothing: eth_call and eth_estimateGas (EIP-1474)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from node.errors import PrayaError
from node.execution.engine import AccessList, BlockContext, EvmMessage, MessageResult
from node.execution.guard import CancellationToken
from node.execution.rules import TRANSACTION_GAS, GasCaps, intrinsic_gas
from node.execution.transition import Rules
from node.types import ZERO_ADDRESS, Address, StateReader

CALL_CPU_SECONDS = 4.0
"""CPU time of one call or estimate; beyond it CpuBudgetExceeded."""
ESTIMATE_TOLERANCE = 64
"""An estimate may exceed the least gas limit by one part in this."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call as JSON-RPC asks for it. ``gas`` None takes the cap of P-2; prices and values in wei."""

    sender: Address = ZERO_ADDRESS
    to: Address | None = None
    data: bytes = b""
    value: int = 0
    gas: int | None = None
    gas_price: int = 0
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True)
class CallResult:
    """Outcome of a call. ``error`` is None on success; a revert has ``reverted`` and its data in ``output``."""

    output: bytes
    gas_used: int
    reverted: bool
    error: str | None


class CallFailed(PrayaError):
    """An estimate of a call that fails with any gas; ``result`` has the revert data."""

    def __init__(self, result: CallResult) -> None:
        super().__init__(result.error or "the call fails", field="call")
        self.result = result


def call(
    rules: Rules,
    state: StateReader,
    context: BlockContext,
    request: CallRequest,
    *,
    token: CancellationToken | None = None,
) -> CallResult:
    """Run ``request`` on ``state`` as the top-level frame of a transaction that is never sent.

    Raises ExcludedPrecompileReached (P-6), CpuBudgetExceeded, ExecutionAbandoned. Too little gas or balance is an
    error in the result.
    """
    cap = GasCaps.of(rules.genesis).transaction
    gas = cap if request.gas is None else min(request.gas, cap)
    return _Caller(rules, state, context, token).run(request, gas)


def estimate_gas(
    rules: Rules,
    state: StateReader,
    context: BlockContext,
    request: CallRequest,
    *,
    token: CancellationToken | None = None,
) -> int:
    """A gas limit with which ``request`` succeeds, at most 1/64 above the least; CallFailed where there is none."""
    cap = GasCaps.of(rules.genesis).transaction
    high = cap if request.gas is None else min(request.gas, cap)
    caller = _Caller(rules, state, context, token)
    result = caller.run(request, high)
    if result.error is not None:
        raise CallFailed(result)
    low = max(TRANSACTION_GAS, result.gas_used) - 1  # refunds only lower gas_used: less can never do
    # Most transactions run with what they use, or with that and the 63/64 that calls hold back (EIP-150).
    for guess in (result.gas_used, result.gas_used * 64 // 63 + 2_300):
        if low < guess < high:
            if caller.run(request, guess).error is None:
                high = guess
                break
            low = guess
    while high - low > 1 + high // ESTIMATE_TOLERANCE:
        middle = (low + high) // 2
        if caller.run(request, middle).error is None:
            high = middle
        else:
            low = middle
    return high


class _Caller:
    """Runs variants of one request under one CPU budget, each on a fresh overlay."""

    def __init__(
        self, rules: Rules, state: StateReader, context: BlockContext, token: CancellationToken | None
    ) -> None:
        self._rules = rules
        self._state = state
        self._context = context
        self._guard = rules.guard(token)
        self._guard.start_budget(CALL_CPU_SECONDS)

    def run(self, request: CallRequest, gas: int) -> CallResult:
        least = intrinsic_gas(request.to is None, request.data, request.access_list)
        if gas < least:
            return _failure(f"gas {gas} is below the intrinsic gas {least}")
        account = self._state.account(request.sender)
        balance = account.balance if account else 0
        if balance < request.value:
            return _failure(f"balance {balance} is below the value {request.value}")
        execution = self._rules.engine.begin(self._state, self._context, self._guard)
        if request.gas_price:
            execution.credit(request.sender, gas * request.gas_price)  # GASPRICE is shown, never paid
        message = EvmMessage(
            sender=request.sender,
            to=request.to,
            value=request.value,
            data=request.data,
            gas=gas,
            gas_price=request.gas_price,
            access_list=request.access_list,
        )
        return _result(execution.run(message))


def with_gas(request: CallRequest, gas: int) -> CallRequest:
    """The same request with another gas limit."""
    return replace(request, gas=gas)


def _failure(text: str) -> CallResult:
    return CallResult(b"", 0, reverted=False, error=text)


def _result(result: MessageResult) -> CallResult:
    output = result.output if result.succeeded or result.reverted else b""
    return CallResult(output, result.gas_used, result.reverted, result.error)
