"""What admission asks of a transaction, cheapest question first; every refusal has a stable reason."""

from __future__ import annotations

from dataclasses import dataclass

from node.chain import Genesis, Transaction
from node.errors import InvalidTransaction
from node.execution.rules import Permissions, check_permission, check_transaction
from node.keys import EMPTY_CODE_HASH
from node.types import Account, Address, StateReader

_NO_ACCOUNT = Account(0, 0, EMPTY_CODE_HASH)


def decode(raw: bytes, genesis: Genesis) -> Transaction:
    """Size, shape, chain id and gas bounds: all that needs no state and no signature.

    Raises InvalidTransaction: "tx_too_large", what ``Transaction.decode`` names, "wrong_chain_id", "gas_too_high",
    "intrinsic_gas", "initcode_too_large".
    """
    limit = genesis.parameters.limits.tx_bytes_max
    if len(raw) > limit:
        raise InvalidTransaction(
            "tx_too_large", f"the transaction has {len(raw)} bytes, the limit is {limit}", limit=limit, value=len(raw)
        )
    transaction = Transaction.decode(raw)
    check_transaction(transaction, genesis)
    return transaction


def check_sender(
    transaction: Transaction, state: StateReader, permissions: Permissions, next_nonce: int, gap_max: int
) -> None:
    """Role, code, nonce and funds of the sender against the head's state.

    ``next_nonce`` is the sender's next nonce counting what waits already. Raises InvalidTransaction:
    "unknown_sender", "not_deployer", "sender_is_contract", "nonce_too_low", "nonce_too_far", "insufficient_funds".
    """
    check_permission(transaction, state, permissions)
    account = state.account(transaction.sender) or _NO_ACCOUNT
    if account.code_hash != EMPTY_CODE_HASH:
        raise InvalidTransaction("sender_is_contract", "the sender has code (EIP-3607)")
    if transaction.nonce < account.nonce:
        raise InvalidTransaction(
            "nonce_too_low",
            f"nonce too low: the account's next nonce is {account.nonce}, found {transaction.nonce}",
            limit=account.nonce,
            value=transaction.nonce,
        )
    if transaction.nonce > next_nonce + gap_max:
        raise InvalidTransaction(
            "nonce_too_far",
            f"nonce too far ahead: next is {next_nonce}, at most {gap_max} ahead is kept, found {transaction.nonce}",
            limit=next_nonce + gap_max,
            value=transaction.nonce,
        )
    check_funds(transaction, account)


def check_funds(transaction: Transaction, account: Account) -> None:
    """Refuse with "insufficient_funds" where the balance is below value plus gas at the highest price offered."""
    cost = transaction.value + transaction.gas * transaction.max_fee_per_gas
    if account.balance < cost:
        raise InvalidTransaction(
            "insufficient_funds",
            f"insufficient funds for gas * price + value: balance {account.balance}, needed {cost}",
            limit=account.balance,
            value=cost,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What a head says of a sender: read once for all that waits of it."""

    account: Account
    is_registered: bool
    may_deploy: bool

    @classmethod
    def read(cls, sender: Address, state: StateReader, permissions: Permissions) -> Standing:
        """The sender's standing in ``state``."""
        return cls(
            state.account(sender) or _NO_ACCOUNT,
            permissions.is_registered(state, sender),
            permissions.may_deploy(state, sender),
        )

    def refusal(self, transaction: Transaction) -> str | None:
        """Why a waiting transaction can no longer be placed; None where it still can."""
        if transaction.nonce < self.account.nonce:
            return "nonce_too_low"
        if not self.is_registered:
            return "unknown_sender"
        if transaction.to is None and not self.may_deploy:
            return "not_deployer"
        if self.account.balance < transaction.value + transaction.gas * transaction.max_fee_per_gas:
            return "insufficient_funds"
        return None
