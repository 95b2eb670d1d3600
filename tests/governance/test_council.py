"""What a bank reads of the votes, over the contract itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium_votes import DeployerChange
from node.errors import DataError
from node.governance import council as module
from node.governance.acts import ACTS, DAYS_MAX
from node.governance.council import Council
from tests.contracts.test_consortium_votes import banks_of, make_chain, propose


async def test_a_page_of_history_is_read_by_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest proposals come newest first, however many one call reads: a hundred of a large consortium cost more
    gas than a call has."""
    monkeypatch.setattr(module, "PROPOSALS_CALL_MAX", 3)
    chain = make_chain()
    banks = banks_of(chain)
    made = [
        propose(chain, bank.business_address, DeployerChange(bytes([n + 1]) * 20, True))
        for n in (0, 1)
        for bank in banks
    ]
    asked: list[bytes] = []

    def call(to: bytes, data: bytes, _sender: bytes) -> bytes:
        asked.append(data)
        return chain.call(to, data)

    access: Any = SimpleNamespace(call=call)
    council = Council(banks[0].id, banks[0].business_address, access, epoch_length=10, activation_delay=3)
    assert [each.id for each in await council.latest_proposals(100)] == made[::-1]
    assert len(asked) == 1 + 3
    assert [each.id for each in await council.latest_proposals(4)] == made[:3:-1]
    assert await council.latest_proposals(0) == []


async def test_the_longest_expiry_is_taken_on_a_head_that_is_old() -> None:
    """The chain rests between heartbeats while the clock goes on: a proposal for as long as officers may ask is not
    beyond what the contract allows from the head's time."""
    chain = make_chain()
    bank, other, *_ = banks_of(chain)
    access: Any = SimpleNamespace(
        members=lambda: banks_of(chain), block_time=lambda: chain.timestamp + 3_600, head_number=lambda: chain.number
    )
    act = ACTS["consortium.propose-remove-bank"]
    plan = act.at(Council(bank.id, bank.business_address, access, epoch_length=10, activation_delay=3)).plan
    made = await plan(act.validated({"bank": other.bic, "days": DAYS_MAX}))
    chain.send(bank.business_address, CONSORTIUM, made.calls[0].data)
    assert len(votes.decode_open_proposals(chain.call(CONSORTIUM, votes.encode_open_proposals()))) == 1
    with pytest.raises(DataError, match="1 to"):
        await plan(act.validated({"bank": other.bic, "days": DAYS_MAX + 1}))
