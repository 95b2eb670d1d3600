"""Votes on a real chain that a test writes block by block."""

from __future__ import annotations

from contracts import bindings
from contracts import consortium_votes as votes
from contracts.addresses import CONSORTIUM
from contracts.consortium_votes import Change
from node.execution.transition import ExecutedBlock
from tests.audit.sealed_chain import APPROVALS, Chronicle


def vote(chronicle: Chronicle, change: Change, voters: tuple[int, ...]) -> None:
    """A proposal in one block, the other votes in the next."""
    first, *others = voters
    proposed = propose(chronicle, {first: change})
    cast(chronicle, [(bank, identity) for bank in others for identity in proposed])


def propose(chronicle: Chronicle, changes: dict[int, Change]) -> list[bytes]:
    """One block with a proposal of each of these banks; their ids."""
    expires_at = chronicle.ledger.head.timestamp + 3_600
    executed = chronicle.extend(
        chronicle.act(bank, CONSORTIUM, votes.encode_proposal(change, expires_at, APPROVALS))
        for bank, change in changes.items()
    )
    return _proposals_of(executed)


def cast(chronicle: Chronicle, ballots: list[tuple[int, bytes]]) -> None:
    """One block with these votes, by bank and proposal; all are taken."""
    executed = chronicle.extend(
        chronicle.act(bank, CONSORTIUM, votes.encode_vote(identity, APPROVALS)) for bank, identity in ballots
    )
    assert all(receipt.status == 1 for receipt in executed.receipts)


def _proposals_of(executed: ExecutedBlock) -> list[bytes]:
    events = [
        bindings.decode_event("Consortium", log.topics, log.data)
        for receipt in executed.receipts
        for log in receipt.logs
    ]
    return [event.args["proposalId"] for event in events if event is not None and event.name == "ProposalSubmitted"]
