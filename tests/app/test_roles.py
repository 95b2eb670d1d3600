"""Who may connect, by the register as this node has it."""

from __future__ import annotations

from pathlib import Path

from contracts.consortium_votes import Removal, ValidatorChange
from node.app.roles import role_by_register
from node.execution.genesis_alloc import ConsortiumSpec, make_genesis
from node.p2p import PeerRole
from node.types import Address
from tests.audit.sealed_chain import CHAIN_ID, EPOCH_LENGTH, GAS_LIMIT, MEMBERS, START, VALIDATOR_KEYS, Chronicle
from tests.contracts.calendars import YEARS
from tests.contracts.consortium_chain import bank_key
from tests.governance.ballots import vote


def test_a_node_that_was_away_while_all_keys_changed_can_ask_for_the_blocks(tmp_path: Path) -> None:
    """By the state of before the votes nobody of now is known: those that the operator names are sources, strangers are
    nothing; by the state of after the votes each is what the register says, whoever is configured."""
    spec = ConsortiumSpec(
        CHAIN_ID,
        START,
        MEMBERS[:4],
        calendars=YEARS,
        epoch_length=EPOCH_LENGTH,
        activation_delay=2,
        gas_limit=GAS_LIMIT,
    )
    chronicle = Chronicle(tmp_path / "chain", make_genesis(spec))
    fresh = [bank_key(bank, "validator of generation 9") for bank in range(4)]
    VALIDATOR_KEYS.update({Address(key.address): key for key in fresh})
    now, before = [Address(key.address) for key in fresh], [Address(bank_key(b, "validator").address) for b in range(4)]
    configured, stranger = frozenset(now[:3]), Address(b"\x77" * 20)
    start = chronicle.ledger.state.head()
    assert [role_by_register(start, each, configured) for each in now] == [*[PeerRole.SOURCE] * 3, None]
    assert [role_by_register(start, each, configured) for each in before] == [PeerRole.VALIDATOR] * 4

    for bank, address in enumerate(now):
        vote(chronicle, ValidatorChange(MEMBERS[bank].id, address), (1, 2, 3))
    vote(chronicle, Removal(MEMBERS[0].id), (1, 2, 3))
    state = chronicle.ledger.state.head()
    everybody = frozenset((*now, *before, stranger))
    assert [role_by_register(state, each, everybody) for each in now] == [None, *[PeerRole.VALIDATOR] * 3]
    assert [role_by_register(state, each, everybody) for each in before] == [None, *[PeerRole.OBSERVER] * 3]
    assert role_by_register(state, stranger, frozenset()) is None
    assert role_by_register(state, Address(MEMBERS[0].business_address), everybody) is None
    assert role_by_register(state, Address(MEMBERS[1].business_address), frozenset()) is PeerRole.OBSERVER
    chronicle.close()
